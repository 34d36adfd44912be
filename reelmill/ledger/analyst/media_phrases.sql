CREATE OR REPLACE VIEW reelmill.media_phrases AS
SELECT
    m.uri,
    m.kind,
    g.phrase,
    g.status,
    (SELECT count(*) FROM public.boxes AS x WHERE x.job_id = g.job_id AND x.segment = g.segment AND x.task = g.task
        AND x.grounding = g.ordinal) AS boxes,
    g.problem,
    g.raw_text,
    g.frame_index,
    g.timestamp_s,
    g.segment,
    g.task,
    g.ordinal AS phrase_number,
    j.finished_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    g.job_id
FROM public.groundings AS g
-- Left joins: what a query does not ask for is not read.
LEFT JOIN public.media AS m ON m.job_id = g.job_id AND m.ordinal = g.media_ordinal
LEFT JOIN public.jobs AS j ON j.id = g.job_id
LEFT JOIN public.batches AS b ON b.id = j.batch_id;

COMMENT ON VIEW reelmill.media_phrases IS
    'Every phrase that was looked for in a frame, found or not.';
COMMENT ON COLUMN reelmill.media_phrases.uri IS
    'The object, as it was submitted.';
COMMENT ON COLUMN reelmill.media_phrases.kind IS
    'image or video; empty until a worker has read it.';
COMMENT ON COLUMN reelmill.media_phrases.phrase IS
    'What was looked for.';
COMMENT ON COLUMN reelmill.media_phrases.status IS
    'found, absent, or malformed where the answer could not be understood.';
COMMENT ON COLUMN reelmill.media_phrases.boxes IS
    'How many boxes were found.';
COMMENT ON COLUMN reelmill.media_phrases.problem IS
    'Why an answer is malformed.';
COMMENT ON COLUMN reelmill.media_phrases.raw_text IS
    'The model''s words as they came.';
COMMENT ON COLUMN reelmill.media_phrases.frame_index IS
    'The frame, counted from 0; 0 for images.';
COMMENT ON COLUMN reelmill.media_phrases.timestamp_s IS
    'The time of the frame, seconds into the video; empty for images.';
COMMENT ON COLUMN reelmill.media_phrases.segment IS
    'The stretch that was answered as one, from 0; an image has one.';
COMMENT ON COLUMN reelmill.media_phrases.task IS
    'The place in the job''s tasks, from 0.';
COMMENT ON COLUMN reelmill.media_phrases.phrase_number IS
    'The place of the phrase in its task, counted over frames, from 0.';
COMMENT ON COLUMN reelmill.media_phrases.finished_at IS
    'When it was found out.';
COMMENT ON COLUMN reelmill.media_phrases.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.media_phrases.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.media_phrases.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.media_phrases.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.media_phrases.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
