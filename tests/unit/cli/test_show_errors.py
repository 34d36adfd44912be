from __future__ import annotations

import io
from datetime import UTC, datetime
from uuid import uuid4

from rich.console import Console

from reelmill.cli.show_errors import grouped_errors
from reelmill.ledger.views import JobError


def shown(errors: list[JobError]) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(grouped_errors(errors))
    return out.getvalue()


def failed(code: str, uri: str, message: str, next_step: str) -> JobError:
    return JobError(uuid4(), (uri,), code, message, next_step, 1, datetime.now(UTC))


def test_failures_are_grouped_by_code_the_most_frequent_first_with_examples_and_one_next_step() -> None:
    gone = [failed("object_not_found", f"s3://a/{n}", f"s3://a/{n}: there is none", "Check the key") for n in range(5)]
    crashed = failed("decoder_crashed", "s3://a/x", "signal 11", "Look at the file")

    said = shown([crashed, *gone])

    assert said.index("object_not_found  5 jobs") < said.index("decoder_crashed  1 job\n")
    assert "s3://a/2: there is none" in said
    assert "s3://a/3" not in said
    assert "and 2 more" in said
    assert said.count("Check the key") == 1
    assert "s3://a/x: signal 11" in said, "the media is named even where the message does not"


def test_without_failures_it_says_so() -> None:
    assert "No job failed" in shown([])
