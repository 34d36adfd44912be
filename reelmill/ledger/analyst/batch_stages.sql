CREATE OR REPLACE VIEW reelmill.batch_stages AS
SELECT
    b.id AS batch_id,
    b.name,
    b.created_at,
    summed.jobs,
    worked.held_s,
    worked.gpu_busy_s,
    worked.starved_by_decode_s,
    worked.starved_by_fetch_s,
    worked.held_s - worked.gpu_busy_s - worked.starved_by_decode_s - worked.starved_by_fetch_s AS starved_otherwise_s,
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
    b.labels
FROM public.batches AS b
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs,
        coalesce(sum(j.fetch_s), 0) AS fetch_s,
        coalesce(sum(j.decode_s), 0) AS decode_s,
        coalesce(sum(j.wait_s), 0) AS wait_s,
        coalesce(sum(j.vision_s), 0) AS vision_s,
        coalesce(sum(j.prefill_s), 0) AS prefill_s,
        coalesce(sum(j.generate_s), 0) AS generate_s,
        coalesce(sum(j.write_s), 0) AS write_s,
        coalesce(sum(j.tiles), 0) AS tiles,
        coalesce(sum(j.prompt_tokens), 0) AS prompt_tokens,
        coalesce(sum(j.output_tokens), 0) AS output_tokens
    FROM public.jobs AS j WHERE j.batch_id = b.id AND j.state = 'succeeded' AND j.write_s IS NOT NULL
) AS summed
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum((SELECT sum(extract(epoch FROM upper(s) - lower(s)))
            FROM unnest(w.held) AS spans(s))), 0)::float8 AS held_s,
        coalesce(sum((SELECT sum(extract(epoch FROM upper(s) - lower(s)))
            FROM unnest(w.at_model) AS spans(s))), 0)::float8 AS gpu_busy_s,
        coalesce(sum((SELECT sum(extract(epoch FROM upper(s) - lower(s)))
            FROM unnest(w.decoding - w.at_model) AS spans(s))), 0)::float8 AS starved_by_decode_s,
        coalesce(sum((SELECT sum(extract(epoch FROM upper(s) - lower(s)))
            FROM unnest(w.fetching - w.decoding - w.at_model) AS spans(s))), 0)::float8 AS starved_by_fetch_s
    FROM (
        SELECT j.worker_id,
            range_agg(tstzrange(j.started_at, j.finished_at)) AS held,
            range_agg(tstzrange(asked.at, answered.at)) AS at_model,
            range_agg(tstzrange(fetched.at, asked.at)) AS decoding,
            range_agg(tstzrange(begun.at, fetched.at)) AS fetching
        FROM public.jobs AS j
        CROSS JOIN LATERAL (
            SELECT greatest(j.started_at, j.finished_at - j.write_s * interval '1 second') AS at
        ) AS answered
        CROSS JOIN LATERAL (
            SELECT greatest(j.started_at, answered.at
                - (j.wait_s + j.vision_s + j.prefill_s + j.generate_s) * interval '1 second') AS at
        ) AS asked
        CROSS JOIN LATERAL (
            SELECT greatest(j.started_at, asked.at - j.decode_s * interval '1 second') AS at
        ) AS fetched
        CROSS JOIN LATERAL (
            SELECT greatest(j.started_at, fetched.at - j.fetch_s * interval '1 second') AS at
        ) AS begun
        WHERE j.batch_id = b.id AND j.state = 'succeeded' AND j.write_s IS NOT NULL AND j.started_at <= j.finished_at
        GROUP BY j.worker_id
    ) AS w
) AS worked;

COMMENT ON VIEW reelmill.batch_stages IS
    'Where the time of each batch went, and what starved the GPU. Of succeeded jobs, last attempts. The stages of a job follow each other, so that its end and its stage times say when each was. WHERE batch_id = …, or ORDER BY created_at DESC LIMIT n, reads only those.';
COMMENT ON COLUMN reelmill.batch_stages.batch_id IS
    'The batch. Ids rise with the time of submission.';
COMMENT ON COLUMN reelmill.batch_stages.name IS
    'Its name, where it has one.';
COMMENT ON COLUMN reelmill.batch_stages.created_at IS
    'When it was submitted.';
COMMENT ON COLUMN reelmill.batch_stages.jobs IS
    'Jobs that succeeded and whose stages are known; all other columns speak of these.';
COMMENT ON COLUMN reelmill.batch_stages.held_s IS
    'Seconds in which a worker held at least one of them, added up over workers: the sum of the four that follow.';
COMMENT ON COLUMN reelmill.batch_stages.gpu_busy_s IS
    'Of held_s: at least one was at the model, waiting for its turn there included. Other batches on the same worker are not seen.';
COMMENT ON COLUMN reelmill.batch_stages.starved_by_decode_s IS
    'Of held_s: none was at the model, and at least one was being decoded or waited for a decoder.';
COMMENT ON COLUMN reelmill.batch_stages.starved_by_fetch_s IS
    'Of held_s: none was at the model or decoded, and at least one was being fetched.';
COMMENT ON COLUMN reelmill.batch_stages.starved_otherwise_s IS
    'Of held_s: the rest: results were written, or a job was between two stages.';
COMMENT ON COLUMN reelmill.batch_stages.fetch_s IS
    'Job-seconds fetching the media; jobs overlap, so these exceed the clock.';
COMMENT ON COLUMN reelmill.batch_stages.decode_s IS
    'Job-seconds decoding and tiling, the wait for a decoder included.';
COMMENT ON COLUMN reelmill.batch_stages.wait_s IS
    'Job-seconds in the engine''s queue.';
COMMENT ON COLUMN reelmill.batch_stages.vision_s IS
    'Job-seconds encoding tiles.';
COMMENT ON COLUMN reelmill.batch_stages.prefill_s IS
    'Job-seconds from the encoded tiles to the first token.';
COMMENT ON COLUMN reelmill.batch_stages.generate_s IS
    'Job-seconds generating. With vision_s and prefill_s, over gpu_busy_s: how many jobs the model worked at a time.';
COMMENT ON COLUMN reelmill.batch_stages.write_s IS
    'Job-seconds writing results.';
COMMENT ON COLUMN reelmill.batch_stages.tiles IS
    'Tiles that their media became.';
COMMENT ON COLUMN reelmill.batch_stages.prompt_tokens IS
    'Tokens of all prompts.';
COMMENT ON COLUMN reelmill.batch_stages.output_tokens IS
    'Tokens generated.';
COMMENT ON COLUMN reelmill.batch_stages.labels IS
    'Its labels.';
