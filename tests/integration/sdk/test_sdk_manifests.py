"""Manifests and OpenAI batch files: a job per good line, all of them or none, and every bad line is told of."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reelmill import AnswerResult, Ask, Caption, Client, ManifestError, SpecError
from reelmill.archive import lines as lines_module
from reelmill.batch import Batch
from reelmill.embedded import ServiceUrls
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from tests.integration.ledger.helpers import LastingError, result, words
from tests.services import S3Server
from tests.workers import rows


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def jobs(mill: ServiceUrls, batch: Batch) -> list[tuple[Any, ...]]:
    """URIs, tasks' kinds, labels and priority, in order."""
    query = """
        SELECT (SELECT array_agg(uri ORDER BY ordinal) FROM media WHERE job_id = jobs.id),
               (SELECT array_agg(task->>'kind') FROM jsonb_array_elements(tasks) AS task), labels, priority
        FROM jobs WHERE batch_id = %s ORDER BY id
    """
    return rows(mill.database_url, query, batch.id)


def test_lines_become_jobs_and_say_themselves_what_differs(mill: ServiceUrls, client: Client, tmp_path: Path) -> None:
    manifest = written(
        tmp_path / "m.jsonl",
        {"uri": "s3://b/1.jpg"},
        "",
        {"uris": ["s3://b/2.jpg", "s3://b/3.jpg"], "tasks": [{"kind": "ask", "questions": ["?"]}], "priority": 5},
        {"uri": "file:///m/4.mp4", "labels": {"day": "2"}, "sampling": {"window_s": 30}},
    )
    batch = client.submit_manifest(manifest, tasks=Caption(), labels={"run": "1"}, name="night")
    assert jobs(mill, batch) == [
        (["s3://b/1.jpg"], ["caption"], {"run": "1"}, 0),
        (["s3://b/2.jpg", "s3://b/3.jpg"], ["ask"], {"run": "1"}, 5),
        (["file:///m/4.mp4"], ["caption"], {"run": "1", "day": "2"}, 0),
    ]
    scan = batch.scan
    assert scan is not None
    assert (scan.kind, scan.source, scan.state, scan.counts.listed) == ("manifest", str(manifest), "succeeded", 3)
    assert (batch.name, batch.status.queued, batch.status.scanning) == ("night", 3, False)


def test_bad_lines_are_told_with_their_number_and_do_not_stop_the_others(
    mill: ServiceUrls, client: Client, tmp_path: Path
) -> None:
    manifest = written(
        tmp_path / "m.jsonl",
        "{broken",
        {"uri": "s3://b/good.jpg"},
        {"uri": "https://example.org/a.jpg"},
        [1],
        {"uri": "s3://b/a.jpg", "typo": 1},
        {"uri": "s3://b/a.jpg", "model": "unheard-of"},
        {"uri": "s3://b/a.jpg", "tasks": [{"kind": "ask", "questions": []}]},
        {"tasks": []},
    )
    batch = client.submit_manifest(manifest, tasks=Caption())
    assert [uris for uris, *_ in jobs(mill, batch)] == [["s3://b/good.jpg"]]
    problems = {bad.line: bad.message for bad in batch.line_problems()}
    assert sorted(problems) == [1, 3, 4, 5, 6, 7, 8]
    assert "not JSON" in problems[1]
    assert "'https'" in problems[3]
    assert "typo" in problems[5]
    assert "unheard-of" in problems[6]
    assert problems[7].startswith("tasks[0].questions")
    assert batch.scan is not None
    assert (batch.scan.problems, batch.scan.counts.skipped) == (7, {"bad_line": 7})


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (['{"uri": "s3://b/a.jpg"}', "{broken"], {"tasks": Caption(), "strict": True}, r"m.jsonl, line 2: not JSON"),
        (["{broken"], {"tasks": Caption()}, "no line of it can become a job: line 1, not JSON"),
        ([], {"tasks": Caption()}, "no line of it"),
        (['{"uri": "s3://b/a.jpg"}'], {}, "tasks"),
    ],
)
def test_a_manifest_that_is_refused_leaves_nothing(
    mill: ServiceUrls, client: Client, tmp_path: Path, lines: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        client.submit_manifest(written(tmp_path / "m.jsonl", *lines), **options)
    assert rows(mill.database_url, "SELECT count(*) FROM batches") == [(0,)]


def test_a_file_of_something_else_is_given_up_early(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MOST_PROBLEMS", 5)
    with pytest.raises(ManifestError, match="more than 5 bad lines"):
        client.submit_manifest(written(tmp_path / "m.jsonl", *["text"] * 100), tasks=Caption())
    with pytest.raises(ManifestError, match="cannot be read"):
        client.submit_manifest(tmp_path / "missing.jsonl", tasks=Caption())
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read"):
        client.submit_manifest(tmp_path / "binary.jsonl", tasks=Caption())
    with pytest.raises(SpecError, match="max_new_tokens"):
        client.submit_manifest(tmp_path / "any.jsonl", generation={"max_new_tokens": 0})


def test_csv_columns_become_labels_and_quoted_names_are_kept(mill: ServiceUrls, client: Client, tmp_path: Path) -> None:
    manifest = written(
        tmp_path / "m.csv",
        "uri,day,priority,token",
        '"s3://b/with, comma ""and"" quote.jpg",mon,3,t1',
        "s3://b/b.jpg,,,",
        "s3://b/c.jpg,too,1,many,columns",
    )
    batch = client.submit_manifest(manifest, tasks=Ask("?"))
    assert jobs(mill, batch) == [
        (['s3://b/with, comma "and" quote.jpg'], ["ask"], {"day": "mon"}, 3),
        (["s3://b/b.jpg"], ["ask"], {}, 0),
    ]
    assert [bad.line for bad in batch.line_problems()] == [4]
    with pytest.raises(ManifestError, match="no column `uri`"):
        client.submit_manifest(written(tmp_path / "n.csv", "url", "s3://b/a.jpg"), tasks=Caption())


def test_the_same_manifest_again_makes_no_job_twice_where_lines_have_tokens(client: Client, tmp_path: Path) -> None:
    lines = [{"uri": f"s3://b/{n}.jpg", "token": f"t{n}"} for n in range(40)]
    first = client.submit_manifest(written(tmp_path / "m.jsonl", *lines), tasks=Caption())
    again = client.submit_manifest(written(tmp_path / "m.jsonl", *lines), tasks=Caption())
    assert (first.status.total, again.status.total) == (40, 0)
    assert again.scan is not None
    assert again.scan.counts.skipped == {"known_token": 40}


def test_a_gzipped_manifest_in_s3_is_read_from_here(mill: ServiceUrls, client: Client, s3_server: S3Server) -> None:
    uri = s3_server.put("manifests/m.jsonl.gz", gzip.compress(b'{"uri": "s3://b/a.jpg"}\n'))
    assert jobs(mill, client.submit_manifest(uri, tasks=Caption()))[0][0] == ["s3://b/a.jpg"]


def request(custom_id: str, *, images: tuple[str, ...] = ("s3://b/a.jpg",), **body: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": "What is it?"}]
    content += [{"type": "image_url", "image_url": {"url": uri}} for uri in images]  # type: ignore[dict-item]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    document = {"model": "gpt-4o", "messages": messages, "max_tokens": 50, **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": document}


def test_an_openai_batch_is_answered_in_its_own_format(
    mill: ServiceUrls, client: Client, db: Database, tmp_path: Path
) -> None:
    file = written(
        tmp_path / "requests.jsonl",
        request("one", temperature=0, seed=7, stop="###"),
        request("two", images=("s3://b/1.jpg", "s3://b/bad.jpg"), temperature=0.5),
        request("bad", images=("s3://b/bad.jpg",)),
        request("choices", n=2),
        request("web", images=("https://example.org/a.jpg",)),
        request("blind", images=()),
        request("tools", tools=[{"type": "function"}]),
    )
    batch = client.submit_openai_batch(file, model="default")
    stored = rows(
        mill.database_url,
        "SELECT labels->>'custom_id', tasks->0->'questions'->>0, (generation->>'max_new_tokens')::int,"
        " (generation->>'do_sample')::bool, generation->>'seed', generation->'stop'->>0 FROM jobs ORDER BY id",
    )
    assert stored == [
        ("one", "Be brief.\nWhat is it?", 50, False, "7", "###"),
        ("two", "Be brief.\nWhat is it?", 50, True, None, None),
        ("bad", "Be brief.\nWhat is it?", 50, False, None, None),
    ]
    said = replace(
        result(), captions=(), groundings=(), answers=(AnswerResult(0, 0, 0, "What is it?", words("a cat")),)
    )
    while (job := claim(db, "w1", "default", lease_s=60, in_flight=0)) is not None:
        bad = job.spec.labels["custom_id"] == "bad"
        assert fail(db, job.lease, LastingError("no media")) if bad else succeed(db, job.lease, said)
    answers, errors = tmp_path / "answers.jsonl", tmp_path / "errors.jsonl"
    assert batch.to_openai(answers, errors) == 2
    first, second = (json.loads(line) for line in answers.read_text().splitlines())
    assert (first["custom_id"], second["custom_id"], first["error"]) == ("one", "two", None)
    body = first["response"]["body"]
    assert (first["response"]["status_code"], body["object"], body["model"]) == (200, "chat.completion", "default")
    assert (body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"]) == ("a cat", "stop")
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"] == 107
    refused = {error["custom_id"]: error["error"] for error in map(json.loads, errors.read_text().splitlines())}
    assert set(refused) == {"bad", "choices", "web", "blind", "tools"}
    assert refused["bad"]["code"] == "lasting"
    assert refused["choices"] == {"code": "invalid_request", "message": "n: 2 is not possible", "line": 4}


def test_a_custom_id_twice_in_a_file_is_answered_once(client: Client, tmp_path: Path) -> None:
    file = written(tmp_path / "requests.jsonl", request("one"), request("one"))
    batch = client.submit_openai_batch(file, model="default")
    assert batch.scan is not None
    assert (batch.status.total, batch.scan.counts.skipped) == (1, {"known_token": 1})
    assert client.submit_openai_batch(file, model="default").status.total == 1, "another batch has names of its own"
