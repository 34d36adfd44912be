"""A worker dies in the middle of a long video; the next one goes on behind the windows that were finished."""

from __future__ import annotations

from pathlib import Path

import psycopg

from reelmill import Ask, Caption, Client, Generation, Sampling
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_clip
from tests.services import S3Server
from tests.workers import rows, running_worker, wait_until

QUICK_LEASES = {"lease_s": "3", "heartbeat_s": "0.5", "housekeeping_s": "0.5"}
WINDOWS = 20
MARKED = "kept by the first attempt"
MARK = """
    UPDATE kept_windows SET document = (
        SELECT jsonb_set(document::jsonb, '{captions,0,generated,text}', to_jsonb(%s::text))::text
    )
"""


def test_after_sigkill_finished_windows_are_not_worked_again_and_rows_are_there_once(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    uri = s3_server.put("long/clip.mp4", noise_clip(tmp_path / "clip.mp4", 1, seconds=WINDOWS).read_bytes())
    job = Client().submit(
        uri,
        tasks=[Caption(), Ask("What is it?")],
        sampling=Sampling(num_segments=2, window_s=1.0),
        generation=Generation(max_new_tokens=400),
    )
    db = mill.database_url
    with running_worker(tmp_path / "first.log", **QUICK_LEASES) as first:
        wait_until(lambda: rows(db, "SELECT count(*) >= 2 FROM kept_windows") == [(True,)], 120, first.log)
        first.kill()
    kept = [place for (place,) in rows(db, "SELECT segment FROM kept_windows ORDER BY segment")]
    assert job.state == "running"
    assert rows(db, "SELECT count(*) FROM captions") == [(0,)], "an unfinished job shows nothing"
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute(MARK, (MARKED,))
    with running_worker(tmp_path / "second.log", **QUICK_LEASES) as second:
        job.wait(timeout=180)
    assert job.state == "succeeded", second.log()
    assert rows(db, "SELECT segment FROM captions WHERE text = %s ORDER BY segment", MARKED) == [(at,) for at in kept]
    for table, place in (("segments", "ordinal"), ("captions", "segment"), ("answers", "segment")):
        counted = rows(db, f"SELECT count(*), count(DISTINCT {place}), max({place}) FROM {table}")
        assert counted == [(WINDOWS, WINDOWS, WINDOWS - 1)], table
    assert rows(db, "SELECT count(*) FROM kept_windows") == [(0,)]
    assert rows(db, "SELECT attempt, crashes FROM jobs") == [(2, 1)]
