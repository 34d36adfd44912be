CREATE OR REPLACE VIEW reelmill.batch_costs AS
SELECT
    b.id AS batch_id,
    b.name,
    b.created_at,
    summed.jobs,
    summed.gpu_s,
    summed.fetch_s,
    summed.decode_s,
    summed.wait_s,
    summed.vision_s,
    summed.prefill_s,
    summed.generate_s,
    summed.write_s,
    summed.tiles,
    summed.prompt_tokens,
    summed.output_tokens,
    summed.attempts,
    summed.crashes,
    b.labels
FROM public.batches AS b
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(w.jobs), 0)::bigint AS jobs,
        sum((SELECT sum(extract(epoch FROM upper(span) - lower(span))) FROM unnest(w.held) AS spans(span)))::float8 AS gpu_s,
        coalesce(sum(w.fetch_s), 0) AS fetch_s,
        coalesce(sum(w.decode_s), 0) AS decode_s,
        coalesce(sum(w.wait_s), 0) AS wait_s,
        coalesce(sum(w.vision_s), 0) AS vision_s,
        coalesce(sum(w.prefill_s), 0) AS prefill_s,
        coalesce(sum(w.generate_s), 0) AS generate_s,
        coalesce(sum(w.write_s), 0) AS write_s,
        coalesce(sum(w.tiles), 0)::bigint AS tiles,
        coalesce(sum(w.prompt_tokens), 0)::bigint AS prompt_tokens,
        coalesce(sum(w.output_tokens), 0)::bigint AS output_tokens,
        coalesce(sum(w.attempts), 0)::bigint AS attempts,
        coalesce(sum(w.crashes), 0)::bigint AS crashes
    FROM (
        -- By worker, because a worker's time counts once, however many jobs it held; and all in one reading of them.
        SELECT
            count(*) FILTER (WHERE j.state IN ('succeeded', 'failed')) AS jobs,
            range_agg(tstzrange(j.started_at, j.finished_at)) FILTER (WHERE j.started_at <= j.finished_at) AS held,
            sum(j.fetch_s) AS fetch_s,
            sum(j.decode_s) AS decode_s,
            sum(j.wait_s) AS wait_s,
            sum(j.vision_s) AS vision_s,
            sum(j.prefill_s) AS prefill_s,
            sum(j.generate_s) AS generate_s,
            sum(j.write_s) AS write_s,
            sum(j.tiles) AS tiles,
            sum(j.prompt_tokens) AS prompt_tokens,
            sum(j.output_tokens) AS output_tokens,
            sum(j.attempt) AS attempts,
            sum(j.crashes) AS crashes
        FROM public.jobs AS j WHERE j.batch_id = b.id GROUP BY j.worker_id
    ) AS w
) AS summed;

COMMENT ON VIEW reelmill.batch_costs IS
    'What each batch cost: GPU-seconds, job-seconds by stage, and tokens. ORDER BY created_at DESC LIMIT n adds up only those n.';
COMMENT ON COLUMN reelmill.batch_costs.batch_id IS
    'The batch. Ids rise with the time of submission.';
COMMENT ON COLUMN reelmill.batch_costs.name IS
    'Its name, where it has one.';
COMMENT ON COLUMN reelmill.batch_costs.created_at IS
    'When it was submitted.';
COMMENT ON COLUMN reelmill.batch_costs.jobs IS
    'Jobs that have succeeded or failed.';
COMMENT ON COLUMN reelmill.batch_costs.gpu_s IS
    'Seconds in which workers had at least one of its jobs in hand, last attempts, added up over workers. A worker is one model copy: times its GPUs, this is what you pay for, idle moments included.';
COMMENT ON COLUMN reelmill.batch_costs.fetch_s IS
    'Job-seconds fetching the media; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.decode_s IS
    'Job-seconds decoding and tiling, the wait for a decoder included; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.wait_s IS
    'Job-seconds waiting for the model; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.vision_s IS
    'Job-seconds in the vision model, shared with neighbours of the same pass; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.prefill_s IS
    'Job-seconds from there to the first token; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.generate_s IS
    'Job-seconds from the first token to the last, shared with neighbours of the same pass; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.write_s IS
    'Job-seconds writing the results; jobs overlap, so it can exceed the clock.';
COMMENT ON COLUMN reelmill.batch_costs.tiles IS
    'Tiles that the media became.';
COMMENT ON COLUMN reelmill.batch_costs.prompt_tokens IS
    'Tokens of prompts, those of pictures included.';
COMMENT ON COLUMN reelmill.batch_costs.output_tokens IS
    'Tokens that the model wrote.';
COMMENT ON COLUMN reelmill.batch_costs.attempts IS
    'How often workers took its jobs.';
COMMENT ON COLUMN reelmill.batch_costs.crashes IS
    'How often a worker died meanwhile.';
COMMENT ON COLUMN reelmill.batch_costs.labels IS
    'The batch''s labels.';
