"""Results of large batches stream: what is held does not grow with the batch."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from reelmill import Batch, Client
from reelmill.ledger.database import Database

_JOBS = """
    INSERT INTO batches (id, name) VALUES (gen_random_uuid(), 'large');
    INSERT INTO jobs (id, batch_id, model, state, tasks, sampling, generation, finished_at)
    SELECT gen_random_uuid(), batches.id, 'default', 'succeeded', '[]', '{}', '{}', now()
    FROM batches, generate_series(1, :jobs) WHERE name = 'large';
"""
_MEDIA = """
    INSERT INTO media
    (job_id, ordinal, uri, kind, format, width, height, size_bytes, sha256, frame_count, decode_errors)
    SELECT id, 0, 's3://archive/' || id, 'image', 'png', 640, 480, 1, 'sha', 1, 0 FROM jobs;
    INSERT INTO segments (job_id, ordinal, frame_media, frame_indices, frame_timestamps_s, tile_counts)
    SELECT id, 0, '{0}', '{0}', '{NULL}', '{1}' FROM jobs;
    INSERT INTO captions (job_id, segment, task, text, raw_text, finish_reason, prompt_tokens, output_tokens)
    SELECT id, 0, 0, repeat(md5(id::text), 20), '', 'stop', 1, 1 FROM jobs;
"""


def succeeded_batch(client: Client, db: Database, jobs: int) -> Batch:
    with db.transaction() as connection:
        connection.execute(text("DELETE FROM batches"))
        for statement in (_JOBS + _MEDIA).strip().split(";")[:-1]:
            connection.execute(text(statement), {"jobs": jobs} if ":jobs" in statement else {})
    (batch,) = client.batches()
    return batch


def peak_bytes(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_and_writing_hold_a_page_however_large_the_batch(client: Client, db: Database, tmp_path: Path) -> None:
    def peaks(batch: Batch) -> list[int]:
        return [
            peak_bytes(lambda: sum(1 for _ in batch.results())),
            peak_bytes(lambda: batch.to_jsonl(tmp_path / "a.jsonl")),
            peak_bytes(lambda: batch.to_csv(tmp_path / "a.csv")),
        ]

    few = peaks(succeeded_batch(client, db, 600))
    many = peaks(succeeded_batch(client, db, 2400))
    assert (tmp_path / "a.csv").read_text().count("\n") == 2401
    for small, large in zip(few, many, strict=True):
        assert large < small * 1.3
