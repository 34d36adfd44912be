"""`report`: from rows and files to a page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import TruncatedMediaError
from tests.integration.cli.commands import Ran, reelmill

Work = Callable[..., None]


@pytest.fixture
def batch(mill: object, media_dir: Path, work_next: Work) -> str:
    """One that succeeded, one whose file is gone, one that failed, one that waits."""
    uris = []
    for number, colour in enumerate(("red", "lime", "blue", "white")):
        path = media_dir / f"{number}.png"
        Image.new("RGB", (640, 360), colour).save(path)
        uris.append(path.as_uri())
    options = ("--caption", "--ground", "the cat", "--name", "<b>night</b>", "--label", "site=north")
    submitted = reelmill("submit", *uris, *options, "--json").json["batch"]
    work_next(caption="a <i>red</i> wall")
    work_next(caption="a green wall")
    work_next(error=TruncatedMediaError("ends too early", subject=uris[2]))
    (media_dir / "1.png").unlink()
    return str(submitted)


def report(batch: str, path: Path, *options: object) -> tuple[Ran, str]:
    ran = reelmill("report", batch, "--out", path, *options, "--json")
    return ran, path.read_text() if path.is_file() else ""


def pictures(page: str) -> list[tuple[int, ...]]:
    """The colour of every picture, each channel 0 or 1."""
    files = [base64.b64decode(found) for found in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)]
    pixels = [Image.open(io.BytesIO(file)).getpixel((5, 5)) for file in files]
    return [tuple(round(channel / 255) for channel in pixel) for pixel in pixels if isinstance(pixel, tuple)]


def test_the_page_shows_what_stands_in_the_ledger_with_frames_from_the_files(batch: str, tmp_path: Path) -> None:
    ran, page = report(batch, tmp_path / "page.html")

    assert (ran.code, ran.json["jobs"]) == (0, 4)
    assert ran.json["report"] == str(tmp_path / "page.html")
    assert ran.json["bytes"] == (tmp_path / "page.html").stat().st_size
    assert page.count('<article class="card"') == 4
    assert [page.count(f'data-state="{state}">\n') for state in ("succeeded", "failed", "queued")] == [2, 1, 1]
    assert pictures(page) == [(1, 0, 0)]
    assert "left:10.000%;top:20.000%;width:20.000%;height:20.000%" in page
    assert "a &lt;i&gt;red&lt;/i&gt; wall" in page
    assert "<h1>&lt;b&gt;night&lt;/b&gt;</h1>" in page
    assert "site=north" in page


def test_a_file_that_is_gone_is_told_and_its_boxes_stay(batch: str, tmp_path: Path) -> None:
    _, page = report(batch, tmp_path / "page.html")

    card = next(card for card in page.split("<article") if "a green wall" in card)
    assert "there is no such file" in card
    assert card.count('class="frame blank"') == card.count('class="box ') == 1


def test_a_failed_job_says_why_and_what_to_do(batch: str, tmp_path: Path) -> None:
    _, page = report(batch, tmp_path / "page.html", "--state", "failed")

    assert page.count('<article class="card"') == 1
    assert "<code>media_truncated</code> ends too early" in page
    assert "Upload the whole object again" in page
    assert "Only jobs that are failed." in page


def test_a_large_batch_is_cut_and_the_page_says_so(batch: str, tmp_path: Path) -> None:
    _, page = report(batch, tmp_path / "page.html", "--limit", 2)

    assert page.count('<article class="card"') == 2
    assert "The first 2 of 4 jobs; --limit takes more." in page


def test_without_frames_no_file_is_read(batch: str, tmp_path: Path) -> None:
    _, page = report(batch, tmp_path / "page.html", "--no-frames")

    assert pictures(page) == []
    assert "left out (--no-frames)" in page


def test_files_outside_the_roots_are_not_shown(
    batch: str, tmp_path: Path, set_environment: Callable[..., None]
) -> None:
    set_environment(file_roots="[]")

    _, page = report(batch, tmp_path / "page.html")

    assert pictures(page) == []
    assert "lies outside the file roots" in page


def test_an_installation_that_cannot_read_media_says_what_is_missing(
    batch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelmill.cli.pictures.find_spec", lambda name: None if name == "av" else object())

    _, page = report(batch, tmp_path / "page.html")

    assert pictures(page) == []
    assert "av not installed on the machine that made this page: pip install" in page


def test_one_job_has_a_page_too(batch: str, tmp_path: Path) -> None:
    job = reelmill("errors", batch, "--json").json["job_id"]

    _, page = report(job, tmp_path / "page.html")

    assert page.count('<article class="card"') == 1
    assert f"job {job}" in page


def test_a_directory_that_is_not_there_is_refused_before_anything_is_read(batch: str, tmp_path: Path) -> None:
    ran = reelmill("report", batch, "--out", tmp_path / "nowhere" / "page.html", "--json")

    assert (ran.code, ran.error["subject"]) == (2, str(tmp_path / "nowhere"))
