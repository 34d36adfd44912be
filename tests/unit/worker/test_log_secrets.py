from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from reelmill.logs import configure_logging
from reelmill.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_traceback_of_an_error_shows_no_local_variables(log_format: str) -> None:
    out = io.StringIO()
    configure_logging(Settings(log_format=log_format), out)
    try:
        _fails("".join(("hun", "ter2")))
    except ValueError:
        structlog.get_logger("worker.slot").exception("unexpected error in a job")
        logging.getLogger("celery").exception("unrecoverable")
    assert out.getvalue().count("ValueError: no connection") == 2
    assert "hunter2" not in out.getvalue()


def _fails(password: str) -> None:
    database_url = f"postgresql://user:{password}@db/reelmill"
    raise ValueError("no connection" if database_url else "")
