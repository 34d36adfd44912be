"""An archive's worth of rows, made inside Postgres: jobs, media, segments, captions, answers, phrases and boxes.

Half of the jobs are one first run; the rest came in thirty nightly batches, where every fifth object had been captioned
before. Two in a hundred failed. Words of captions are as skewed as words are; one caption in fifty is Chinese.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

DAYS = 30
NIGHTS = 30
RESULTS = ("jobs", "media", "segments", "captions", "answers", "groundings", "boxes")

# A job's number tells everything about it. Ids carry their time, as version 7 does.
_NUMBERED = f"""
CREATE UNLOGGED TABLE numbered AS
SELECT i, made_at, object,
       (lpad(to_hex((extract(epoch FROM made_at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8'
        || substr(noise, 4, 15))::uuid AS id,
       CASE WHEN i > %(rows)s * 0.999 THEN 'queued' WHEN i %% 50 = 7 THEN 'failed' WHEN i %% 500 = 3 THEN 'cancelled'
            ELSE 'succeeded' END AS state,
       CASE WHEN i <= %(rows)s / 2 THEN 0 ELSE 1 + (i - %(rows)s / 2 - 1) * {NIGHTS} / (%(rows)s - %(rows)s / 2) END
           AS night
FROM (
    SELECT i, now() - interval '{DAYS} days' * (1 - i::float8 / %(rows)s) AS made_at, md5(i::text) AS noise,
           CASE WHEN i > %(rows)s / 2 AND i %% 5 = 0 THEN i / 2 ELSE i END AS object
    FROM generate_series(1, %(rows)s) AS numbers(i)
) AS made
"""
_BATCHES = f"""
INSERT INTO batches (id, name, labels, created_at)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(night), 12, '0'))::uuid,
       CASE night WHEN 0 THEN 'first run' ELSE 'night ' || night END, '{{"team": "maps"}}', min(made_at)
FROM numbered CROSS JOIN LATERAL (SELECT numbered.night::integer) AS of(of_night) WHERE night <= {NIGHTS} GROUP BY night
"""
_JOBS = """
INSERT INTO jobs (id, batch_id, model, state, tasks, sampling, generation, labels, attempt, worker_id, error_code,
                  error_message, error_next_step, created_at, run_at, queued_at, started_at, finished_at, fetch_s,
                  decode_s, wait_s, vision_s, prefill_s, generate_s, write_s, tiles,
                  prompt_tokens, output_tokens)
SELECT id, ('00000000-0000-7000-8000-' || lpad(to_hex(night), 12, '0'))::uuid, 'default', state,
       '[{"kind": "caption", "prompt": null}, {"kind": "ask", "questions": ["How many people are there?"]}]',
       '{"num_segments": 8, "max_tiles": 12}', '{"max_new_tokens": 1024}', '{"camera": "door"}',
       (state <> 'queued')::integer, CASE WHEN state <> 'queued' THEN 'worker-' || i % 8 END,
       CASE WHEN state = 'failed'
            THEN (ARRAY['media_corrupt', 'object_missing', 'media_too_large', 'worker_lost', 'storage_unavailable'])
                 [1 + (random() * random() * 5)::integer % 5] END,
       CASE WHEN state = 'failed' THEN 's3://archive/' || object || '.jpg: it cannot be read' END,
       CASE WHEN state = 'failed' THEN 'Replace the file, then `reelmill retry`' END,
       made_at, made_at, made_at, started_at, started_at + interval '3 s', 0.02, 0.05, 1.1, 0.2, 0.1, 1.4, 0.01, 13,
       3328, 40
FROM numbered
CROSS JOIN LATERAL (SELECT CASE WHEN state <> 'queued' THEN made_at + interval '10 s' END AS started_at) AS start
"""
_MEDIA = """
INSERT INTO media (job_id, ordinal, uri, etag, size_bytes, sha256, kind, format, width, height, frame_count,
                   duration_s, fps)
SELECT id, 0, 's3://archive/camera-' || lpad((object % 1000)::text, 4, '0') || '/'
              || lpad((object / 1000)::text, 8, '0') || CASE WHEN object % 10 = 0 THEN '.mp4' ELSE '.jpg' END,
       md5(object::text), 400000 + object % 1000, md5(object::text) || md5(i::text),
       CASE WHEN object % 10 = 0 THEN 'video' ELSE 'image' END, 'jpeg', 1920, 1080, 1,
       CASE WHEN object % 10 = 0 THEN 30.0 END, CASE WHEN object % 10 = 0 THEN 25.0 END
FROM numbered
"""
_SEGMENTS = """
INSERT INTO segments (job_id, ordinal, start_s, end_s, frame_media, frame_indices, frame_timestamps_s, tile_counts)
SELECT id, 0, CASE WHEN object % 10 = 0 THEN 0.0 END, CASE WHEN object % 10 = 0 THEN 30.0 END, '{0}', '{0}', '{NULL}',
       '{13}'
FROM numbered WHERE state = 'succeeded'
"""
_WORDS = """
    ARRAY['red', 'blue', 'white', 'small', 'old', 'wooden', 'green', 'black', 'tall', 'young', 'grey', 'yellow',
          'empty', 'busy', 'broken', 'striped', 'shiny', 'orange', 'purple', 'golden'] AS looks,
    ARRAY['man', 'woman', 'car', 'street', 'building', 'tree', 'table', 'dog', 'truck', 'child', 'bicycle', 'chair',
          'bus', 'sign', 'cat', 'horse', 'boat', 'train', 'bench', 'bird', 'umbrella', 'laptop', 'kite', 'sheep',
          'elephant', 'giraffe', 'crane', 'tractor', 'lantern', 'panda'] AS things,
    ARRAY['stands beside', 'walks past', 'leans on', 'is parked near', 'looks at', 'waits for', 'rests under',
          'moves towards'] AS deeds
"""
_CAPTIONS = f"""
INSERT INTO captions (job_id, segment, task, text, raw_text, finish_reason, prompt_tokens, output_tokens)
SELECT id, 0, 0, text, text || '<|im_end|>', 'stop', 3328, 30
FROM (SELECT {_WORDS}) AS words, numbered, LATERAL (
    SELECT CASE WHEN i % 50 = 1 THEN '一只红色的熊猫在树上，旁边有一辆汽车。' ELSE
        'A ' || looks[1 + floor(random() ^ 2 * 20)] || ' ' || things[1 + floor(random() ^ 4 * 30)] || ' '
        || deeds[1 + floor(random() * 8)] || ' a ' || looks[1 + floor(random() ^ 2 * 20)] || ' '
        || things[1 + floor(random() ^ 4 * 30)] || '. In the background there is a '
        || things[1 + floor(random() ^ 4 * 30)] || ' and a ' || looks[1 + floor(random() ^ 2 * 20)] || ' '
        || things[1 + floor(random() ^ 4 * 30)] || ', number ' || i || '.' END AS text
) AS said
WHERE state = 'succeeded'
"""
_ANSWERS = """
INSERT INTO answers (job_id, segment, task, ordinal, question, text, raw_text, finish_reason, prompt_tokens,
                     output_tokens)
SELECT id, 0, 1, 0, 'How many people are there?', text, text || '<|im_end|>', 'stop', 3328, 10
FROM numbered, LATERAL (SELECT 'There are ' || floor(random() ^ 3 * 20) || ' people.' AS text) AS said
WHERE state = 'succeeded' AND i % 3 = 0
"""
_GROUNDINGS = """
INSERT INTO groundings (job_id, segment, task, ordinal, phrase, media_ordinal, frame_index, timestamp_s, tile_count,
                        status, text, raw_text, finish_reason, prompt_tokens, output_tokens)
SELECT id, 0, 2, 0, 'the ' || label, 0, 0, CASE WHEN object % 10 = 0 THEN 1.5 END, 13, 'found',
       '<ref>' || label || '</ref><box>[[100, 200, 300, 400]]</box>', '', 'stop', 3328, 24
FROM (SELECT ARRAY['person', 'car', 'dog', 'truck', 'bicycle', 'bird', 'cat', 'sign'] AS labels) AS words, numbered,
     LATERAL (SELECT labels[1 + floor(random() ^ 2 * 8 + i * 0)] AS label) AS found
WHERE state = 'succeeded' AND i % %(one_in)s = 0
"""
_BOXES = """
INSERT INTO boxes (job_id, segment, task, grounding, ordinal, phrase, label, media_ordinal, frame_index, timestamp_s,
                   x1, y1, x2, y2, x1_px, y1_px, x2_px, y2_px)
SELECT job_id, segment, task, ordinal, box, phrase, substr(phrase, 5), 0, frame_index, timestamp_s,
       100 + box, 200, 300, 400, 192 + box, 216, 576, 432
FROM groundings, LATERAL generate_series(1, floor(%(each)s + random() + 0 * ordinal)::integer) AS boxes(box)
"""


def fill(url: str, rows: int, boxes: int | None = None) -> None:
    """Fill a migrated, empty ledger with `rows` jobs and what they found; indexes are built afterwards.

    Every fourth job found two boxes of a phrase; with `boxes` every job found some, that many together (within a
    thousandth).
    """
    with psycopg.connect(url, autocommit=True) as connection:
        # Checked row by row, foreign keys would take longer than all the rest; these rows cannot break them.
        for setting in ("session_replication_role = replica", "synchronous_commit = off", "work_mem = '256MB'"):
            connection.execute(f"SET {setting}")
        with _indexes_afterwards(connection):
            connection.execute("SELECT setseed(0.5)")
            connection.execute(_NUMBERED.replace("%(rows)s", str(rows)).replace("%%", "%"))
            for statement in (_BATCHES, _JOBS, _MEDIA, _SEGMENTS, _CAPTIONS, _ANSWERS):
                connection.execute(statement)
            grounded = connection.execute(_GROUNDINGS.replace("%(one_in)s", "1" if boxes else "4")).rowcount
            connection.execute(_BOXES.replace("%(each)s", str(boxes / max(grounded, 1) if boxes else 2)))
            connection.execute("DROP TABLE numbered")
        connection.execute("VACUUM (ANALYZE)")


@contextmanager
def _indexes_afterwards(connection: psycopg.Connection) -> Iterator[None]:
    """Without the indexes that no constraint needs while rows come in; as they were at the end."""
    found = connection.execute(
        """
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid = ANY(%s::regclass[])
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        """,
        [list(RESULTS)],
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    yield
    connection.execute("SET maintenance_work_mem = '512MB'")
    for _, definition in found:
        connection.execute(definition)
