"""The same jobs become the same rows when a real model server answers: `transformers serve`, over HTTP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.world.media import plan, write_world
from pipelines.model.template import find_template
from reelmill import Ask, Caption, Client, Generation, Ground, JobSpec
from reelmill.embedded import ServiceUrls
from tests.model_server import ModelServer, shapes_server
from tests.workers import REPOSITORY, SHAPES_MODEL, rows, running_worker

TASKS = (
    Caption(),
    Ask("How many shapes are there?"),
    Ask("How many shapes are there?", "What color is it?", conversation=True),
    Ground("the red star"),
)
ROWS = {
    "captions": "SELECT m.uri, segment, task, text, prompt_tokens, output_tokens, finish_reason FROM captions",
    "answers": "SELECT m.uri, segment, task, r.ordinal, question, text, prompt_tokens, output_tokens FROM answers",
    "groundings": "SELECT m.uri, segment, task, r.ordinal, frame_index, tile_count, status FROM groundings",
    "boxes": "SELECT m.uri, segment, task, r.ordinal, label, frame_index, x1, y1, x2, y2, x1_px, y2_px FROM boxes",
}


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with shapes_server(tmp_path_factory.mktemp("model_server")) as server:
        yield server


def written(database_url: str, batch: object) -> dict[str, list[tuple[object, ...]]]:
    """What a batch's jobs wrote, in an order of its own."""
    joined = " r JOIN media m ON m.job_id = r.job_id AND m.ordinal = 0 JOIN (SELECT id FROM jobs WHERE batch_id = %s) j"
    joined += " ON j.id = r.job_id"
    return {table: sorted(rows(database_url, query + joined, batch)) for table, query in ROWS.items()}


def examples_of_the_cards(photo: str, other: str) -> dict[str, Any]:
    """Runs the Python of docs/backends.md; what its examples were answered."""
    page = (REPOSITORY / "docs" / "backends.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"photo": photo, "other": other}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M)), names)
    return {name: names[name] for name in ("hello", "both", "described", "first", "second")}


@pytest.mark.timeout(600)
def test_jobs_answered_by_a_server_have_the_rows_of_the_embedded_engine(
    mill: ServiceUrls, media_dir: Path, tmp_path: Path, model_server: ModelServer
) -> None:
    write_world(media_dir, 1, plan(3))
    uris = sorted(path.as_uri() for path in media_dir.iterdir() if path.suffix in (".png", ".jpg", ".mp4"))
    jobs = [JobSpec(media=(uri,), tasks=TASKS, generation=Generation(max_new_tokens=40)) for uri in uris]
    served = {
        "openai_base_url": model_server.base_url,
        "openai_api_key": "sk-hunter2",
        "openai_tile_size": "112",
        "openai_max_tiles": "4",
        "openai_system_message": find_template("internvl2_5").system_message,
    }
    command = [sys.executable, "-m", "reelmill", "worker", "--backend", "openai", "--model", model_server.model]
    found, said, client = [], [], Client()
    for arguments, settings in ((command, served), (None, {})):
        batch = client.submit_many(jobs)
        with running_worker(tmp_path / "worker.log", SHAPES_MODEL, arguments, **settings) as worker:
            status = batch.wait(timeout=240, progress=False)
            assert status.succeeded == len(jobs), (
                list(batch.errors()),
                worker.log(),
                model_server.log_path.read_text(),
            )
            said.append(examples_of_the_cards(photo=uris[0], other=uris[1]))
            assert worker.terminate() == 0
        found.append(written(mill.database_url, batch.id))
    assert found[0] == found[1]
    assert said[0] == said[1]
    assert said[0]["hello"] == said[0]["described"][0] == said[0]["first"]
    assert all(said[0].values())
    assert {table: bool(content) for table, content in found[0].items()} == dict.fromkeys(ROWS, True)
    assert "hunter2" not in (tmp_path / "worker.log").read_text()


def test_a_worker_says_that_it_does_not_know_its_server(mill: ServiceUrls) -> None:
    for settings, words in (
        ({}, "REELMILL_OPENAI_BASE_URL: is not set"),
        ({"REELMILL_OPENAI_BASE_URL": "nonsense"}, "is no http:// or https:// address"),
        ({"REELMILL_OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "REELMILL_OPENAI_START_S": "0"}, "cannot be reached"),
    ):
        run = subprocess.run(
            [sys.executable, "-m", "reelmill", "worker", "--backend", "openai", "--model", "m"],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=REPOSITORY,
            env=os.environ | settings,
        )
        assert run.returncode == 1
        assert words in run.stdout + run.stderr
        assert "Traceback" not in run.stdout + run.stderr


def test_without_lmdeploy_the_worker_says_how_it_is_installed(mill: ServiceUrls) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "reelmill", "worker", "--backend", "lmdeploy", "--model", str(SHAPES_MODEL)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=REPOSITORY,
    )
    assert run.returncode == 1
    assert "docs/backends.md" in run.stdout + run.stderr
