"""Answers in the format of OpenAI's batch output: who has such files has programs that read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from reelmill.export import FilePath, whole_file
from reelmill.ledger.completions import Completion, completions
from reelmill.ledger.database import Database
from reelmill.ledger.imports import line_problems


def to_openai(db: Database, batch_id: UUID, path: FilePath, errors: FilePath | None = None) -> int:
    """Write the answered lines to `path`, and the others to `errors` if it is given. Returns the lines of `path`.

    Raises:
        ExportError: a file cannot be written.
    """
    if errors is not None:
        _write(errors, chain(_failed(db, batch_id), _unread(db, batch_id)))
    return _write(path, answered(db, batch_id))


def answered(db: Database, batch_id: UUID) -> Iterator[dict[str, Any]]:
    """A response per succeeded job."""
    return (_line(found, response=_response(found)) for found in completions(db, batch_id, succeeded=True))


def _failed(db: Database, batch_id: UUID) -> Iterator[dict[str, Any]]:
    for found in completions(db, batch_id, succeeded=False):
        yield _line(found, error={"code": found.error_code, "message": found.error_message or ""})


def _unread(db: Database, batch_id: UUID) -> Iterator[dict[str, Any]]:
    for bad in line_problems(db, batch_id):
        error = {"code": "invalid_request", "message": bad.message, "line": bad.line}
        yield {"id": f"line_{bad.line}", "custom_id": bad.subject, "response": None, "error": error}


def _line(found: Completion, *, response: Any = None, error: Any = None) -> dict[str, Any]:
    return {"id": f"batch_req_{found.job_id}", "custom_id": found.custom_id, "response": response, "error": error}


def _response(found: Completion) -> dict[str, Any]:
    prompt, output = found.prompt_tokens or 0, found.output_tokens or 0
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": found.text, "refusal": None},
        "logprobs": None,
        # Their interface knows no loops: an answer that was stopped in one is cut off.
        "finish_reason": "length" if found.finish_reason == "repetitive" else found.finish_reason,
    }
    body = {
        "id": f"chatcmpl-{found.job_id}",
        "object": "chat.completion",
        "created": int(found.finished_at.timestamp()),
        "model": found.model,
        "choices": [choice],
        "usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output},
    }
    return {"status_code": 200, "request_id": str(found.job_id), "body": body}


def _write(path: FilePath, lines: Iterable[dict[str, Any]]) -> int:
    count = 0
    with whole_file(path) as scratch, scratch.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count
