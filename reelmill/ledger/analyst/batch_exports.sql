CREATE OR REPLACE VIEW reelmill.batch_exports AS
SELECT
    e.batch_id,
    b.name,
    e.prefix || 'batch=' || e.batch_id || '/' AS location,
    e.format,
    e.state,
    jsonb_array_length(e.files) AS files,
    counted.jobs,
    counted.rows,
    counted.bytes,
    e.as_of,
    e.tries,
    CASE WHEN e.state = 'due' THEN e.next_try_at END AS next_try_at,
    e.error_code,
    e.error_message,
    e.error_next_step,
    e.created_at,
    e.finished_at
FROM public.exports AS e
JOIN public.batches AS b ON b.id = e.batch_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(file.jobs), 0)::bigint AS jobs, coalesce(sum(file.rows), 0)::bigint AS rows,
        coalesce(sum(file.bytes), 0)::bigint AS bytes
    FROM jsonb_to_recordset(e.files) AS file(jobs bigint, rows bigint, bytes bigint)
) AS counted;
COMMENT ON VIEW reelmill.batch_exports IS 'Where batches leave their results as files, and how far that is';
COMMENT ON COLUMN reelmill.batch_exports.batch_id IS 'The batch';
COMMENT ON COLUMN reelmill.batch_exports.name IS 'What the batch was called';
COMMENT ON COLUMN reelmill.batch_exports.location IS 'The folder of the files; complete once _SUCCESS lies there';
COMMENT ON COLUMN reelmill.batch_exports.format IS 'parquet or jsonl';
COMMENT ON COLUMN reelmill.batch_exports.state IS 'waiting (for its batch), due, running, succeeded, or failed';
COMMENT ON COLUMN reelmill.batch_exports.files IS 'Files that are written so far';
COMMENT ON COLUMN reelmill.batch_exports.jobs IS 'Succeeded jobs in them';
COMMENT ON COLUMN reelmill.batch_exports.rows IS 'Rows of Parquet files, lines of JSONL files';
COMMENT ON COLUMN reelmill.batch_exports.bytes IS 'Size of the files';
COMMENT ON COLUMN reelmill.batch_exports.as_of IS 'Jobs that had succeeded by then are in them';
COMMENT ON COLUMN reelmill.batch_exports.tries IS 'Tries since a file was added last';
COMMENT ON COLUMN reelmill.batch_exports.next_try_at IS 'Not tried before; null unless it is due';
COMMENT ON COLUMN reelmill.batch_exports.error_code IS 'Why the last try failed; null once it succeeded';
COMMENT ON COLUMN reelmill.batch_exports.error_message IS 'The same in a sentence';
COMMENT ON COLUMN reelmill.batch_exports.error_next_step IS 'What to do about it';
COMMENT ON COLUMN reelmill.batch_exports.created_at IS 'When it was asked for';
COMMENT ON COLUMN reelmill.batch_exports.finished_at IS 'When the set was complete, or given up';
