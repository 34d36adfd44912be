CREATE OR REPLACE VIEW reelmill.latest_captions AS
SELECT
    m.uri,
    m.kind,
    c.text AS caption,
    c.segment,
    s.start_s,
    s.end_s,
    c.task,
    c.finish_reason,
    c.prompt_tokens,
    c.output_tokens,
    j.finished_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    c.job_id,
    to_tsvector('english', regexp_replace(c.text, '([\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF])', ' \1 ', 'g')) AS words
FROM public.captions AS c
-- Left joins: what a query does not ask for is not read.
JOIN public.media AS m ON m.job_id = c.job_id AND m.ordinal = 0
LEFT JOIN public.segments AS s ON s.job_id = c.job_id AND s.ordinal = c.segment
LEFT JOIN public.jobs AS j ON j.id = c.job_id
LEFT JOIN public.batches AS b ON b.id = j.batch_id
WHERE (SELECT max(shown.ordinal) FROM public.media AS shown WHERE shown.job_id = c.job_id) = 0
    -- Looked up per object (media_uri_idx), so that a prefix, a search or a LIMIT costs what it returns.
    AND NOT EXISTS (
        SELECT FROM public.media AS later
        WHERE later.uri = m.uri AND later.job_id > m.job_id AND later.ordinal = 0
            AND EXISTS (SELECT FROM public.captions AS newer WHERE newer.job_id = later.job_id)
            AND (SELECT max(shown.ordinal) FROM public.media AS shown WHERE shown.job_id = later.job_id) = 0
    );

COMMENT ON VIEW reelmill.latest_captions IS
    'What was said last of each object: a row per object, segment and caption task, from the job submitted last among those that captioned it alone.';
COMMENT ON COLUMN reelmill.latest_captions.uri IS
    'The object, as it was submitted.';
COMMENT ON COLUMN reelmill.latest_captions.kind IS
    'image or video; empty until a worker has read it.';
COMMENT ON COLUMN reelmill.latest_captions.caption IS
    'What the model said of it.';
COMMENT ON COLUMN reelmill.latest_captions.segment IS
    'The stretch that was answered as one, from 0; an image has one.';
COMMENT ON COLUMN reelmill.latest_captions.start_s IS
    'Where the segment begins, seconds into the video; empty for images.';
COMMENT ON COLUMN reelmill.latest_captions.end_s IS
    'Where the segment ends, seconds into the video; empty for images.';
COMMENT ON COLUMN reelmill.latest_captions.task IS
    'The place in the job''s tasks, from 0.';
COMMENT ON COLUMN reelmill.latest_captions.finish_reason IS
    'stop; length where the text was cut off at max_new_tokens; repetitive where it ran into a loop and was stopped.';
COMMENT ON COLUMN reelmill.latest_captions.prompt_tokens IS
    'Tokens of the prompt, those of the picture included.';
COMMENT ON COLUMN reelmill.latest_captions.output_tokens IS
    'Tokens that the model wrote.';
COMMENT ON COLUMN reelmill.latest_captions.finished_at IS
    'When it was found out.';
COMMENT ON COLUMN reelmill.latest_captions.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.latest_captions.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.latest_captions.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.latest_captions.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.latest_captions.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
COMMENT ON COLUMN reelmill.latest_captions.words IS
    'The caption''s words for search: WHERE words @@ reelmill.search(''red panda'').';
