CREATE OR REPLACE VIEW reelmill.media_summaries AS
SELECT
    m.uri,
    y.text AS summary,
    (SELECT min(s.start_s) FROM public.segments AS s WHERE s.job_id = y.job_id) AS start_s,
    (SELECT max(s.end_s) FROM public.segments AS s WHERE s.job_id = y.job_id) AS end_s,
    y.captions,
    y.requests,
    y.task,
    y.finish_reason,
    y.prompt_tokens,
    y.output_tokens,
    j.finished_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    y.job_id,
    to_tsvector('english', regexp_replace(y.text, '([\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF])', ' \1 ', 'g')) AS words
FROM public.summaries AS y
-- Left joins: what a query does not ask for is not read.
LEFT JOIN public.media AS m ON m.job_id = y.job_id AND m.ordinal = 0
LEFT JOIN public.jobs AS j ON j.id = y.job_id
LEFT JOIN public.batches AS b ON b.id = j.batch_id;

COMMENT ON VIEW reelmill.media_summaries IS
    'Every summary of a video: what the captions of its parts come to, as the language model put it.';
COMMENT ON COLUMN reelmill.media_summaries.uri IS
    'The video, as it was submitted.';
COMMENT ON COLUMN reelmill.media_summaries.summary IS
    'What the model made of the captions.';
COMMENT ON COLUMN reelmill.media_summaries.start_s IS
    'Where the first part begins, seconds into the video.';
COMMENT ON COLUMN reelmill.media_summaries.end_s IS
    'Where the last part ends, seconds into the video.';
COMMENT ON COLUMN reelmill.media_summaries.captions IS
    'How many captions it sums up: those of the same job and task in media_captions.';
COMMENT ON COLUMN reelmill.media_summaries.requests IS
    'How many prompts it took; more than one where the captions did not fit into one.';
COMMENT ON COLUMN reelmill.media_summaries.task IS
    'The place of the captions'' task in the job''s tasks, from 0.';
COMMENT ON COLUMN reelmill.media_summaries.finish_reason IS
    'stop; length where the text was cut off at max_new_tokens; repetitive where it ran into a loop and was stopped.';
COMMENT ON COLUMN reelmill.media_summaries.prompt_tokens IS
    'Tokens of all the prompts together.';
COMMENT ON COLUMN reelmill.media_summaries.output_tokens IS
    'Tokens that the model wrote, for all the prompts together.';
COMMENT ON COLUMN reelmill.media_summaries.finished_at IS
    'When it was found out.';
COMMENT ON COLUMN reelmill.media_summaries.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.media_summaries.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.media_summaries.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.media_summaries.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.media_summaries.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
COMMENT ON COLUMN reelmill.media_summaries.words IS
    'The summary''s words for search: WHERE words @@ reelmill.search(''red panda'').';
