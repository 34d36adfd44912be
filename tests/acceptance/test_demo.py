"""The demo is the main job end to end; its scores show that decoding, prompting and coordinates are right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reelmill.embedded import down
from tests.workers import REPOSITORY


@pytest.mark.timeout(300)
def test_the_demo_ends_with_scores_a_page_and_a_way_into_psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, page = tmp_path / "home", tmp_path / "report.html"
    monkeypatch.setenv("REELMILL_HOME", str(home))
    options = ["--media", "14", "--long-videos", "0", "--seed", "7", "--folder", str(tmp_path / "media")]
    try:
        run = subprocess.run(
            [sys.executable, "-m", "reelmill", "demo", "--json", "--report", str(page), *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
        )
        outcome = json.loads(run.stdout)
        count = subprocess.run(
            [*outcome["psql"].split(), "-tAc", "SELECT count(DISTINCT job_id) FROM captions"],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        down(home, purge=True)
    assert run.returncode == 0, run.stderr
    assert (outcome["total"], outcome["succeeded"], int(count.stdout)) == (14, 14, 14)
    # Far above chance, well below what the model reaches: broken tiles, frames or coordinates fall through.
    assert outcome["scores"]["boxes_iou50"] > 0.5
    assert outcome["scores"]["counts"] > 0.6
    assert "vid_0001.mp4" in page.read_text()
