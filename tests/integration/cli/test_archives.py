"""submit-prefix, submit-manifest, submit-openai, and what status and wait show of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reelmill.bells import Bells
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from reelmill.ledger.workers import register_model
from reelmill.settings import load_settings
from tests.integration.cli.commands import reelmill
from worker.scanner import Scanner


@pytest.fixture
def scan(mill: ServiceUrls, database: Database) -> Callable[[], None]:
    """Lists what waits to be listed."""
    register_model(database, "default", path="org/m", revision="r1", family="internvl", dtype="bfloat16")
    return lambda: Scanner(load_settings(), database, Bells(mill.redis_url), "scanner").tick()


def test_a_prefix_is_submitted_listed_and_followed(
    mill: ServiceUrls, media_dir: Path, scan: Callable[[], None], work_next: Callable[..., None]
) -> None:
    for name in ("a.jpg", "b.jpg", "note.txt", "thumbs/c.jpg"):
        (media_dir / name).parent.mkdir(exist_ok=True)
        (media_dir / name).write_bytes(b"x")
    ran = reelmill(
        "submit-prefix", media_dir.as_uri(), "--exclude", "thumbs/*", "--caption", "--name", "night", "--json"
    )
    batch = ran.json["batch"]
    waiting = reelmill("status", batch, "--json").json
    assert (waiting["done"], waiting["scan"]["state"]) == (False, "queued")
    assert "reelmill housekeep" in waiting["waiting_for"]
    assert reelmill("wait", batch, "--timeout", "0", "--json").code == 4
    scan()
    status = reelmill("status", batch).out
    assert "4 objects listed, 2 accepted" in status
    assert "1 excluded, 1 no images or videos" in status
    for _ in range(2):
        work_next()
    done = reelmill("wait", batch, "--json")
    assert (done.code, done.json["succeeded"], done.json["scan"]["accepted"]) == (0, 2, 2)
    again = reelmill("submit-prefix", media_dir.as_uri(), "--caption", "--dry-run", "--json").json
    assert (again["jobs"], again["skipped"]) == (1, {"done": 2, "not_media": 1})
    assert "1 jobs would be submitted" in reelmill("submit-prefix", media_dir.as_uri(), "--caption", "--dry-run").out


def test_a_scan_that_fails_ends_the_wait_with_its_reason(
    mill: ServiceUrls, media_dir: Path, scan: Callable[[], None]
) -> None:
    batch = reelmill("submit-prefix", f"{media_dir.as_uri()}/missing", "--caption", "--json").json["batch"]
    scan()
    ran = reelmill("wait", batch)
    assert ran.code == 1
    assert "cannot be listed (No such file or directory)" in ran.out
    assert reelmill("wait", batch, "--json").lines[0]["scan"]["error_code"] == "archive_unreadable"


@pytest.mark.parametrize(
    ("arguments", "code", "subject"),
    [
        (["https://b/a", "--caption"], 2, "prefix"),
        (["s3://b/a"], 2, ""),
        (["s3://b/a", "--caption", "--since", "yesterday"], 2, "since"),
        (["s3://b/a", "--caption", "--model", "unheard-of"], 2, "unheard-of"),
    ],
)
def test_wrong_usage_is_told_at_once(mill: ServiceUrls, arguments: list[str], code: int, subject: str) -> None:
    ran = reelmill("submit-prefix", *arguments, "--json")
    assert (ran.code, ran.error["subject"]) == (code, subject)


def test_a_manifest_is_submitted_and_its_bad_lines_are_shown(mill: ServiceUrls, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"uri": "s3://b/a.jpg"}\n{"uri": "nonsense"}\n')
    dry = reelmill("submit-manifest", manifest, "--caption", "--dry-run", "--json").json
    assert (dry["jobs"], dry["lines"], dry["problems"][0]["line"]) == (1, 2, 2)
    ran = reelmill("submit-manifest", manifest, "--caption")
    assert "line 2: nonsense" in ran.err
    assert reelmill("status", ran.out.strip(), "--json").json["total"] == 1
    strict = reelmill("submit-manifest", manifest, "--caption", "--strict", "--json")
    assert (strict.code, strict.error["code"]) == (2, "manifest_invalid")


def test_an_openai_batch_goes_in_and_comes_out(mill: ServiceUrls, tmp_path: Path) -> None:
    content = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "s3://b/a.jpg"}}]
    body = {"model": "default", "messages": [{"role": "user", "content": content}]}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps(line))
    batch = reelmill("submit-openai", requests, "--json").json["batch"]
    assert reelmill("cancel", batch).code == 0
    out = tmp_path / "answers.jsonl"
    told = reelmill("results", batch, "--format", "openai", "--out", out, "--json").json
    assert (told["rows"], out.read_text()) == (0, "")
    (error,) = map(json.loads, (tmp_path / "answers.errors.jsonl").read_text().splitlines())
    assert (error["custom_id"], error["error"]["code"]) == ("one", "cancelled")
    assert reelmill("results", batch, "--format", "openai", "--json").error["subject"] == "--format openai"
