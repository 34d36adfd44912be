CREATE OR REPLACE VIEW reelmill.media_answers AS
SELECT
    m.uri,
    m.kind,
    a.question,
    a.text AS answer,
    a.segment,
    s.start_s,
    s.end_s,
    a.task,
    a.ordinal AS question_number,
    (SELECT count(*) FROM public.media AS shown WHERE shown.job_id = a.job_id) AS media_count,
    a.finish_reason,
    a.prompt_tokens,
    a.output_tokens,
    j.finished_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    a.job_id,
    to_tsvector('english', regexp_replace(a.text, '([\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF])', ' \1 ', 'g')) AS words,
    a.value,
    a.probabilities,
    a.problem
FROM public.answers AS a
-- Left joins: what a query does not ask for is not read.
LEFT JOIN public.media AS m ON m.job_id = a.job_id AND m.ordinal = 0
LEFT JOIN public.segments AS s ON s.job_id = a.job_id AND s.ordinal = a.segment
LEFT JOIN public.jobs AS j ON j.id = a.job_id
LEFT JOIN public.batches AS b ON b.id = j.batch_id;

COMMENT ON VIEW reelmill.media_answers IS
    'Every answer beside its question, with the object it speaks of.';
COMMENT ON COLUMN reelmill.media_answers.uri IS
    'The object, as it was submitted.';
COMMENT ON COLUMN reelmill.media_answers.kind IS
    'image or video; empty until a worker has read it.';
COMMENT ON COLUMN reelmill.media_answers.question IS
    'What was asked.';
COMMENT ON COLUMN reelmill.media_answers.answer IS
    'What the model said.';
COMMENT ON COLUMN reelmill.media_answers.segment IS
    'The stretch that was answered as one, from 0; an image has one.';
COMMENT ON COLUMN reelmill.media_answers.start_s IS
    'Where the segment begins, seconds into the video; empty for images.';
COMMENT ON COLUMN reelmill.media_answers.end_s IS
    'Where the segment ends, seconds into the video; empty for images.';
COMMENT ON COLUMN reelmill.media_answers.task IS
    'The place in the job''s tasks, from 0.';
COMMENT ON COLUMN reelmill.media_answers.question_number IS
    'The place of the question in its task, from 0.';
COMMENT ON COLUMN reelmill.media_answers.media_count IS
    'How many objects the job showed together; with more than one, uri is the first of them.';
COMMENT ON COLUMN reelmill.media_answers.finish_reason IS
    'stop; length where the text was cut off at max_new_tokens; repetitive where it ran into a loop and was stopped.';
COMMENT ON COLUMN reelmill.media_answers.prompt_tokens IS
    'Tokens of the prompt, those of the picture included.';
COMMENT ON COLUMN reelmill.media_answers.output_tokens IS
    'Tokens that the model wrote.';
COMMENT ON COLUMN reelmill.media_answers.finished_at IS
    'When it was found out.';
COMMENT ON COLUMN reelmill.media_answers.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.media_answers.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.media_answers.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.media_answers.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.media_answers.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
COMMENT ON COLUMN reelmill.media_answers.words IS
    'The answer''s words for search: WHERE words @@ reelmill.search(''red panda'').';
COMMENT ON COLUMN reelmill.media_answers.value IS
    'The answer as JSON, where a schema was asked for: value->>''colour''.';
COMMENT ON COLUMN reelmill.media_answers.probabilities IS
    'Of each choice, where choices were given: (probabilities->>''yes'')::float8 > 0.9.';
COMMENT ON COLUMN reelmill.media_answers.problem IS
    'Why an answer that was to be of a schema or a choice is none; empty where all is well.';
