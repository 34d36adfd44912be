-- What people need beside the views. Both are inlined by the planner, so that indexes are used.

-- Letters of Chinese, Japanese and Korean become words of their own, here and in the index: any run of them is found.
CREATE OR REPLACE FUNCTION reelmill.search(asked text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN websearch_to_tsquery('english', regexp_replace(asked, '([\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF])', ',\1,', 'g'));

COMMENT ON FUNCTION reelmill.search(text) IS
    'What people type, as a search: words that must all be there, "a phrase", a or b, -not. For the words columns.';

-- Ids carry the time of submission in their first 48 bits.
CREATE OR REPLACE FUNCTION reelmill.id_at(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

COMMENT ON FUNCTION reelmill.id_at(timestamptz) IS
    'The least id of jobs and batches submitted at that moment: the quick way to bound a query in time.';

CREATE OR REPLACE FUNCTION reelmill.time_of(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_timestamp(('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::bigint / 1000.0);

COMMENT ON FUNCTION reelmill.time_of(uuid) IS
    'When the job or batch with this id was submitted, to the millisecond, without looking it up.';
