"""From `Client.submit` to rows, through a real queue, a real worker process and an S3 server over HTTP."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from reelmill import Ask, Caption, Client, Generation, Ground, JobSpec, Sampling
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_clip, noise_png
from tests.services import S3Server
from tests.unit.media.synthesis import Clip, repeat_clip, write_clip
from tests.workers import REPOSITORY, rows, running_worker

SHORT = Generation(max_new_tokens=12)

STAGES = [f"{stage}_s > 0" for stage in ("fetch", "decode", "wait", "vision", "prefill", "generate", "write")]
TOGETHER = "fetch_s + decode_s + wait_s + vision_s + prefill_s + generate_s + write_s"


def test_media_in_s3_become_rows_that_sql_reads(mill: ServiceUrls, s3_server: S3Server, tmp_path: Path) -> None:
    image = s3_server.put("accept/photo é 1.png", noise_png(1, (300, 200)))
    video = s3_server.put("accept/clip.mp4", noise_clip(tmp_path / "clip.mp4", seed=2))
    tasks = [Caption(), Ask("What is it?", "Where?"), Ground("the dog")]
    client = Client()
    with running_worker(tmp_path / "worker.log") as worker:
        batch = client.submit_many(
            [
                JobSpec(media=(image,), tasks=tuple(tasks), generation=SHORT, labels={"set": "a"}),
                JobSpec(
                    media=(video,),
                    tasks=tuple(tasks),
                    generation=SHORT,
                    sampling=Sampling(num_segments=4, window_s=1.5),
                ),
                JobSpec(media=(image, image), tasks=(Caption(),), generation=SHORT),
            ]
        )
        status = batch.wait(timeout=120, progress=False)
        assert status.succeeded == 3, (list(batch.errors()), worker.log())
        assert worker.terminate() == 0
    db = mill.database_url
    assert rows(db, "SELECT kind, width, height, frame_count FROM media WHERE uri = %s AND ordinal = 1", image) == [
        ("image", 300, 200, 1)
    ]
    assert rows(
        db, "SELECT DISTINCT kind, codec, size_bytes > 0, etag IS NOT NULL FROM media WHERE uri = %s", video
    ) == [("video", "h264", True, True)]
    segments = rows(
        db,
        "SELECT s.start_s, s.end_s, s.frame_indices FROM segments s JOIN media m USING (job_id)"
        " WHERE m.uri = %s ORDER BY s.ordinal",
        video,
    )
    assert [(start, end) for start, end, _ in segments] == [(0.0, 1.5), (1.5, 3.0)]
    assert all(len(list(indices)) == 4 for _, _, indices in segments)  # type: ignore[call-overload]
    assert rows(db, "SELECT count(*), count(DISTINCT job_id) FROM captions") == [(4, 3)]
    assert rows(db, "SELECT question, count(*) FROM answers GROUP BY 1 ORDER BY 1") == [
        ("What is it?", 3),
        ("Where?", 3),
    ]
    assert rows(db, "SELECT count(*) FROM groundings WHERE phrase = 'the dog'") == [(1 + 2 * 4,)]
    assert rows(db, "SELECT DISTINCT state, attempt FROM jobs") == [("succeeded", 1)]
    assert rows(db, "SELECT outcome, count(*) FROM attempts GROUP BY 1") == [("succeeded", 3)]
    assert rows(db, f"SELECT count(*) FROM jobs WHERE {' AND '.join(STAGES)} AND tiles > 0") == [(3,)]
    # Stages follow each other: together they are no longer than the job was worked (two clocks, hence the moment).
    elapsed_s = "extract(epoch FROM finished_at - started_at) + 0.1"
    assert rows(db, f"SELECT count(*) FROM jobs WHERE {TOGETHER} <= {elapsed_s}") == [(3,)]


def test_a_long_video_read_by_ranges_has_the_rows_of_the_one_that_was_fetched(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", Clip(options={"bf": "2"}))
    long = repeat_clip(clip, tmp_path / "long.mp4", 120, {})
    uri, size_bytes = s3_server.put("accept/long.mp4", long), long.stat().st_size
    assert size_bytes > 2**20
    asked = JobSpec(
        media=(uri,), tasks=(Caption(), Ask("What is it?")), generation=SHORT, sampling=Sampling(num_segments=4)
    )
    seen, said = [], []
    for from_mb in ("1", "0"):
        with running_worker(tmp_path / "worker.log", ranges_from_mb=from_mb) as worker:
            batch = Client().submit_many([asked])
            assert batch.wait(timeout=120, progress=False).succeeded == 1, (list(batch.errors()), worker.log())
            (result,) = batch.results()
            assert worker.terminate() == 0
        columns = "sha256, etag, size_bytes, frame_count, codec"
        query = f"SELECT {columns} FROM media m JOIN jobs j ON j.id = m.job_id WHERE j.batch_id = %s"
        seen += rows(mill.database_url, query, batch.id)
        said.append(([each.text for each in result.captions], [each.text for each in result.answers]))
    by_ranges, whole = seen
    assert (by_ranges[0], whole[0]) == (None, hashlib.sha256(long.read_bytes()).hexdigest())
    assert by_ranges[1:] == whole[1:]
    assert by_ranges[2] == size_bytes
    assert by_ranges[1]
    assert said[0] == said[1]
    assert all(said[0])


def test_the_standard_celery_command_serves_too(mill: ServiceUrls, s3_server: S3Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--loglevel", "INFO"]
    with running_worker(tmp_path / "worker.log", arguments=command) as worker:
        job = Client().submit(s3_server.put("std/a.png", noise_png(3)), tasks=[Caption()], generation=SHORT)
        job.wait(timeout=60)
        assert job.status.state == "succeeded", worker.log()
        assert worker.terminate() == 0


def test_bad_media_fail_with_typed_errors_and_their_neighbours_succeed(
    mill: ServiceUrls, s3_server: S3Server, media_dir: Path, tmp_path: Path
) -> None:
    good = noise_png(4)
    (media_dir / "fine.png").write_bytes(good)
    clip = noise_clip(tmp_path / "clip.mp4", seed=5)
    bad = {
        s3_server.put("bad/zero.png", b""): "media_empty",
        s3_server.put("bad/text.mp4", b"#EXTM3U\n/etc/passwd\n"): "media_not_recognised",
        s3_server.put("bad/cut.png", good[: len(good) // 2]): "media_truncated",
        s3_server.put("bad/cut.mp4", clip.read_bytes()[:400]): "media_truncated",
        f"s3://{s3_server.bucket}/bad/missing.png": "object_not_found",
        "s3://no-such-bucket-here/a.png": "object_not_found",
        "file:///etc/hostname": "outside_file_roots",
        (media_dir / "absent.png").as_uri(): "object_not_found",
    }
    client = Client()
    late = client.submit(
        s3_server.put("bad/short.mp4", clip),
        tasks=[Caption()],
        sampling=Sampling(bound=(100.0, 200.0)),
        generation=SHORT,
    )
    batch = client.submit_many(
        [
            JobSpec(media=(uri,), tasks=(Caption(),), generation=SHORT)
            for uri in [*bad, (media_dir / "fine.png").as_uri()]
        ]
    )
    with running_worker(tmp_path / "worker.log") as worker:
        status = batch.wait(timeout=90, progress=False)
        late.wait(timeout=60)
    assert (status.succeeded, status.failed) == (1, len(bad)), worker.log()
    seen = rows(
        mill.database_url,
        "SELECT m.uri, j.error_code, j.error_message, j.attempt FROM jobs j JOIN media m ON m.job_id = j.id"
        " WHERE j.state = 'failed' AND j.batch_id = %s",
        batch.id,
    )
    assert {str(uri): code for uri, code, _, _ in seen} == bad
    assert all(str(uri) in str(message) for uri, _, message, _ in seen), seen
    assert {attempts for *_, attempts in seen} == {1}
    assert rows(mill.database_url, "SELECT error_code FROM jobs WHERE id = %s", late.id) == [("bound_outside_media",)]


def test_the_worker_says_why_it_cannot_start(mill: ServiceUrls, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "reelmill", "worker", "--model", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=REPOSITORY,
    )
    assert run.returncode != 0
    assert "config.json" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
