"""Long videos in windows and scenes: what their captions come to is a row of its own, also after a worker's death."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from demo.world import make_scene, render
from pipelines.analytics.prompts import SUMMARY_PROMPT, SUMMARY_WORDS
from pipelines.model.load import load_model
from pipelines.model.template import Conversation
from reelmill import Caption, Client, Generation, Sampling
from reelmill.embedded import ServiceUrls
from tests.faulty_server import Exchange, FaultyServer, chunk, faulty_server, silent
from tests.pictures import noise_clip
from tests.services import S3Server
from tests.workers import SHAPES_MODEL, WorkerUnderTest, rows, running_worker, wait_until

pytestmark = pytest.mark.timeout(480)
QUICK_LEASES = {"lease_s": "3", "heartbeat_s": "0.5", "housekeeping_s": "0.5"}
WINDOWS = 10
IN_WINDOWS = Sampling(num_segments=2, window_s=1.0)
USAGE = {"prompt_tokens": 50, "completion_tokens": 6, "total_tokens": 56}


def text_of(asked: dict[str, Any]) -> str | None:
    """The question of a request that shows no picture."""
    content = asked["messages"][-1]["content"]
    return content if isinstance(content, str) else None


def watching(exchange: Exchange) -> None:
    """A model that says of each window which picture of it came first, and in short what it is told."""
    told = text_of(exchange.asked)
    pictures = [part for part in exchange.asked["messages"][-1]["content"] if isinstance(part, dict)]
    said = f"seen {hash(str(pictures)) % 10**9}" if told is None else "It all hangs together."
    exchange.stream(chunk(said), chunk(None, "stop"), {**chunk(None), "choices": [], "usage": USAGE})


def silent_when_told(exchange: Exchange) -> None:
    (watching if text_of(exchange.asked) is None else silent)(exchange)


@contextmanager
def served_worker(log_path: Path, server: FaultyServer) -> Iterator[WorkerUnderTest]:
    server.models = {"object": "list", "data": [{"id": "m", "object": "model", "max_model_len": 4000}]}
    command = [sys.executable, "-m", "reelmill", "worker", "--backend", "openai"]
    settings = {"openai_base_url": server.base_url, **QUICK_LEASES}
    with running_worker(log_path, SHAPES_MODEL, [*command, "--model", "m"], **settings) as worker:
        yield worker


def asked_by_text(server: FaultyServer) -> list[str]:
    return [text for asked in server.requests if (text := text_of(asked)) is not None]


def test_windows_outlive_a_worker_that_dies_over_their_summary_and_the_next_one_asks_for_it_alone(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    uri = s3_server.put("summary/clip.mp4", noise_clip(tmp_path / "clip.mp4", 1, seconds=WINDOWS).read_bytes())
    job = Client().submit(uri, tasks=[Caption(summary=True)], sampling=IN_WINDOWS)
    db = mill.database_url
    with faulty_server(silent_when_told) as server:
        with served_worker(tmp_path / "first.log", server) as first:
            wait_until(lambda: bool(asked_by_text(server)), 120, first.log)
            first.kill()
        assert rows(db, "SELECT count(*) FROM captions UNION ALL SELECT count(*) FROM summaries") == [(0,), (0,)]
        server.behaviours[:] = [watching]
        seen = len(server.requests)
        with served_worker(tmp_path / "second.log", server) as second:
            job.wait(timeout=120)
        assert job.state == "succeeded", second.log()
        assert len(server.requests) == seen + 1, "no window is asked about again"
        first_asked, asked = asked_by_text(server)
    result = job.results()
    texts = [caption.text for caption in result.captions]
    assert len(set(texts)) == WINDOWS
    parts = "\n".join(f"{n + 1}. [0:{n:02} - 0:{n + 1:02}] {text}" for n, text in enumerate(texts))
    assert asked == first_asked == SUMMARY_WORDS.format(parts=parts, asked=SUMMARY_PROMPT)
    assert result.summary == "It all hangs together."
    assert rows(db, "SELECT uri, summary, captions, requests, start_s, end_s FROM reelmill.media_summaries") == [
        (uri, "It all hangs together.", WINDOWS, 1, 0.0, float(WINDOWS))
    ]
    assert [(hit.kind, hit.uri) for hit in Client().search("hang together")] == [("summary", uri)]
    assert rows(db, "SELECT count(*) FROM kept_windows") == [(0,)]
    assert (result.prompt_tokens, result.output_tokens) == (50 * (WINDOWS + 1), 6 * (WINDOWS + 1))
    assert rows(db, "SELECT generate_s > 0, wait_s + prefill_s >= 0, attempt, crashes FROM jobs") == [
        (True, True, 2, 1)
    ]
    assert Client().forget(uri).jobs == 1
    assert rows(db, "SELECT count(*) FROM summaries") == [(0,)]


def test_a_job_is_cancelled_while_its_summary_is_written(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    uri = s3_server.put("summary/clip.mp4", noise_clip(tmp_path / "clip.mp4", 1, seconds=2).read_bytes())
    job = Client().submit(uri, tasks=[Caption(summary=True)], sampling=IN_WINDOWS)
    with faulty_server(silent_when_told) as server, served_worker(tmp_path / "worker.log", server) as worker:
        wait_until(lambda: bool(asked_by_text(server)), 120, worker.log)
        job.cancel()
        job.wait(timeout=30)
        assert job.state == "cancelled", worker.log()
        assert worker.terminate() == 0
    tables = "SELECT count(*) FROM captions UNION ALL SELECT count(*) FROM kept_windows"
    assert rows(mill.database_url, tables) == [(0,), (0,)]


def three_scenes(path: Path) -> Path:
    """Three scenes of the shapes world, two seconds each, one after the other."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"preset": "superfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for seed in (1, 5, 9):
            scene = make_scene(random.Random(seed), 320 / 240, moving=True)
            for number in range(24):
                picture = np.asarray(render(scene, (320, 240), number / 23))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


def test_the_embedded_model_captions_every_scene_and_is_told_them_without_pictures(
    mill: ServiceUrls, media_dir: Path, tmp_path: Path
) -> None:
    path = three_scenes(media_dir / "three.mp4")
    asked = {"tasks": [Caption(summary=True)], "generation": Generation(max_new_tokens=60)}
    with running_worker(tmp_path / "worker.log", SHAPES_MODEL) as worker:
        job = Client().submit(path, sampling=Sampling(num_segments=4, scenes=True), **asked)
        still = Client().submit(path, sampling=Sampling(num_segments=4, window_s=100), **asked)
        for each in (job, still):
            each.wait(timeout=120)
            assert each.state == "succeeded", worker.log()
        assert worker.terminate() == 0
    result = job.results()
    assert [(segment.start_s, segment.end_s) for segment in result.segments] == [(0, 2), (2, 4), (4, 6)]
    assert len({caption.text for caption in result.captions}) == 3
    (summary,) = result.summaries
    assert (summary.captions, summary.requests) == (3, 1)
    parts = "\n".join(
        f"{n}. [0:{2 * n - 2:02} - 0:{2 * n:02}] {caption.text}" for n, caption in enumerate(result.captions, 1)
    )
    prompt = Conversation(SUMMARY_WORDS.format(parts=parts, asked=SUMMARY_PROMPT), ())
    assert summary.generated.prompt_tokens == len(load_model(str(SHAPES_MODEL)).prompt_ids(prompt, ()))
    (alone,) = still.results().summaries
    assert alone.captions == 1
