CREATE OR REPLACE VIEW reelmill.job_costs AS
SELECT
    j.id AS job_id,
    j.batch_id,
    b.name AS batch_name,
    j.model,
    j.state,
    j.created_at AS submitted_at,
    j.finished_at,
    extract(epoch FROM j.started_at - j.queued_at)::float8 AS queued_s,
    extract(epoch FROM j.finished_at - j.started_at)::float8 AS total_s,
    j.fetch_s,
    j.decode_s,
    j.wait_s,
    j.vision_s,
    j.prefill_s,
    j.generate_s,
    j.write_s,
    j.tiles,
    j.prompt_tokens,
    j.output_tokens,
    j.attempt AS attempts,
    j.crashes,
    j.worker_id,
    j.labels
FROM public.jobs AS j
LEFT JOIN public.batches AS b ON b.id = j.batch_id;

COMMENT ON VIEW reelmill.job_costs IS
    'What each job cost: seconds by stage, and tokens. Jobs share a GPU, so their seconds overlap: for GPU-seconds see batch_costs.';
COMMENT ON COLUMN reelmill.job_costs.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
COMMENT ON COLUMN reelmill.job_costs.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.job_costs.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.job_costs.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.job_costs.state IS
    'queued, running, succeeded, failed or cancelled.';
COMMENT ON COLUMN reelmill.job_costs.submitted_at IS
    'When the job was accepted.';
COMMENT ON COLUMN reelmill.job_costs.finished_at IS
    'When it reached its end.';
COMMENT ON COLUMN reelmill.job_costs.queued_s IS
    'Seconds that it waited for a worker before its last attempt.';
COMMENT ON COLUMN reelmill.job_costs.total_s IS
    'Seconds from a worker''s taking it to its end, last attempt.';
COMMENT ON COLUMN reelmill.job_costs.fetch_s IS
    'Seconds fetching the media.';
COMMENT ON COLUMN reelmill.job_costs.decode_s IS
    'Seconds decoding and tiling, the wait for a decoder included.';
COMMENT ON COLUMN reelmill.job_costs.wait_s IS
    'Seconds waiting for the model.';
COMMENT ON COLUMN reelmill.job_costs.vision_s IS
    'Seconds in the vision model, shared with neighbours of the same pass.';
COMMENT ON COLUMN reelmill.job_costs.prefill_s IS
    'Seconds from there to the first token.';
COMMENT ON COLUMN reelmill.job_costs.generate_s IS
    'Seconds from the first token to the last, shared with neighbours of the same pass.';
COMMENT ON COLUMN reelmill.job_costs.write_s IS
    'Seconds writing the results.';
COMMENT ON COLUMN reelmill.job_costs.tiles IS
    'Tiles that the media became.';
COMMENT ON COLUMN reelmill.job_costs.prompt_tokens IS
    'Tokens of all its prompts, those of pictures included.';
COMMENT ON COLUMN reelmill.job_costs.output_tokens IS
    'Tokens that the model wrote for it.';
COMMENT ON COLUMN reelmill.job_costs.attempts IS
    'How often a worker took it.';
COMMENT ON COLUMN reelmill.job_costs.crashes IS
    'How often its worker died of something meanwhile.';
COMMENT ON COLUMN reelmill.job_costs.worker_id IS
    'The worker that had it last.';
COMMENT ON COLUMN reelmill.job_costs.labels IS
    'The job''s labels.';
