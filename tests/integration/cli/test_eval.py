"""`eval` on a real ledger: what is asked, what is told, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import TruncatedMediaError
from reelmill.ledger.database import Database
from tests.integration.cli.commands import reelmill

Work = Callable[..., None]


@pytest.fixture
def labelled(mill: object, media_dir: Path) -> Path:
    """Two images. The worker of `work_next` says "a cat" of each, and finds the cat at the same place."""
    lines = []
    for name, truth in (("a.png", "a cat"), ("b.png", "a dog")):
        Image.new("RGB", (640, 360), "red").save(media_dir / name)
        cat = {"kind": "ground", "phrase": "the cat", "boxes": [{"box_px": [64, 72, 192, 144]}]}
        lines.append({"media": name, "site": name[0], "tasks": [{"kind": "caption", "truth": truth}, cat]})
    path = media_dir / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def submitted(labelled: Path) -> str:
    """A batch over both images, as `eval` would ask."""
    options = ("--caption", "--ground", "the cat", "--json")
    return str(reelmill("submit", *sorted(labelled.parent.glob("*.png")), *options).json["batch"])


def test_a_dry_run_checks_the_file_and_submits_nothing(labelled: Path, database: Database) -> None:
    ran = reelmill("eval", labelled, "--dry-run", "--json")
    assert (ran.code, ran.json) == (0, {"dry_run": True, "media": 2, "tasks": {"boxes": 2, "captions": 2}})
    assert reelmill("status", "--json").out == ""


def test_a_finished_batch_is_scored_with_intervals_slices_and_a_page(
    labelled: Path, work_next: Work, tmp_path: Path
) -> None:
    batch = submitted(labelled)
    work_next()
    work_next()
    ran = reelmill("eval", labelled, "--batch", batch, "--report", tmp_path / "page.html", "--json")
    assert ran.code == 0
    lines = ran.lines
    assert (lines[0]["batch"], lines[0]["succeeded"]) == (batch, 2)
    told = {(s["metric"], s["slice"]): s for s in (line["score"] for line in lines if "score" in line)}
    assert told["captions_exact", ""]["value"] == 0.5
    assert 0 < told["captions_exact", ""]["low"] < 0.5 < told["captions_exact", ""]["high"] < 1
    assert (told["captions_exact", "a"]["value"], told["captions_exact", "b"]["value"]) == (1.0, 0.0)
    assert "captions_bleu" in lines[-1]
    assert {name: lines[-1][name] for name in list(lines[-1])[:8]} == {
        "boxes_iou50": 1.0,
        "boxes_mean_iou": 1.0,
        "counts": None,
        "captions_exact": 0.5,
        "attributes": None,
        "reading": None,
        "motion": None,
        "absent": None,
    }
    page = (tmp_path / "page.html").read_text()
    assert (page.count('<article class="card"'), "b.png" in page, "a dog" in page) == (1, True, True)
    assert page.count("data:image/jpeg") == 1
    assert 'class="box' in page
    assert "(truth)" in page


def test_what_was_not_answered_is_wrong_and_the_exit_code_says_so(labelled: Path, work_next: Work) -> None:
    batch = submitted(labelled)
    work_next()
    work_next(error=TruncatedMediaError("ends too early"))
    ran = reelmill("eval", labelled, "--batch", batch, "--worst", 0, "--json")
    assert (ran.code, ran.lines[-1]["boxes_iou50"], ran.lines[-1]["captions_exact"]) == (1, 0.5, 0.5)


def test_two_batches_are_compared_with_and_without_truth_and_from_files(
    labelled: Path, work_next: Work, tmp_path: Path
) -> None:
    first, second = submitted(labelled), submitted(labelled)
    for caption in ("a cat", "a dog", "a cat", "a cow"):
        work_next(caption=caption)
    same = reelmill("eval", labelled, "--compare", first, first, "--json")
    assert (same.code, same.lines[-1]["verdict"], same.lines[-1]["asked"]) == (0, "the same", 4)
    apart = reelmill("eval", "--compare", first, second, "--json")
    assert (apart.code, apart.lines[-1]["verdict"], apart.lines[-1]["agreement"]) == (1, "differs: captions", 0.75)
    truth = reelmill("eval", labelled, "--compare", first, second, "--json")
    captions = truth.lines[1]["task"]
    assert (truth.code, captions["only_a"], captions["only_b"], captions["p"]) == (0, 1, 0, 1.0)
    assert truth.lines[-1]["verdict"] == "the same within chance"
    exported = tmp_path / "second.jsonl"
    assert reelmill("results", second, "-f", "jsonl", "-o", exported).code == 0
    assert reelmill("eval", labelled, "--compare", first, exported, "--json").lines[-1] == truth.lines[-1]


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        ((), "FILE"),
        (("none.jsonl",), "none.jsonl"),
        (("none.jsonl", "--compare", "a", "b", "--batch", "c"), "--compare"),
        (("none.jsonl", "--report", "/no/such/page.html"), "/no/such"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(mill: object, arguments: tuple[str, ...], subject: str) -> None:
    ran = reelmill("eval", *arguments, "--json")
    assert (ran.code, ran.error["subject"]) == (2, subject)


def test_a_batch_of_other_media_is_not_scored(labelled: Path, media_dir: Path, work_next: Work) -> None:
    others = [media_dir / "other.png", media_dir / "another.png"]
    for path in others:
        Image.new("RGB", (64, 36)).save(path)
    batch = reelmill("submit", *others, "--caption", "--json").json["batch"]
    work_next()
    work_next()
    ran = reelmill("eval", labelled, "--batch", batch, "--json")
    assert (ran.code, ran.lines[-1]["error"]["subject"]) == (2, f"batch {batch}")
    bad = media_dir / "not-results.jsonl"
    bad.write_text("{}\n")
    assert reelmill("eval", "--compare", batch, bad, "--json").error["subject"] == f"{bad}, line 1"
