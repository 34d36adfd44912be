from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from reelmill.errors import SettingsError
from reelmill.logs import configure_logging
from reelmill.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_below_a_binding_carries_the_job_id_from_both_kinds_of_loggers() -> None:
    out = io.StringIO()
    configure_logging(Settings(log_format="json"), out)

    with bound_contextvars(job_id="j-1"):
        structlog.get_logger("worker.slot").info("claimed", attempt=2)
        logging.getLogger("celery.worker").warning("lost %s", "a connection")
    structlog.get_logger("worker.slot").info("idle")

    first, second, third = lines_of(out)
    assert (first["event"], first["attempt"], first["job_id"], first["level"]) == ("claimed", 2, "j-1", "info")
    assert (second["event"], second["logger"], second["job_id"]) == ("lost a connection", "celery.worker", "j-1")
    assert "job_id" not in third


def test_an_exception_stays_on_one_json_line() -> None:
    out = io.StringIO()
    configure_logging(Settings(log_format="json"), out)

    try:
        raise ValueError("broken\nin two lines")
    except ValueError:
        structlog.get_logger().exception("failed")

    (line,) = lines_of(out)
    assert "ValueError: broken" in line["exception"]


def test_the_level_in_force_holds_for_both_kinds_of_loggers() -> None:
    out = io.StringIO()
    configure_logging(Settings(log_format="json", log_level="warning"), out)

    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    structlog.get_logger("a").warning("loud")

    assert [line["event"] for line in lines_of(out)] == ["loud"]


def test_a_stream_that_is_no_terminal_gets_json_unless_console_is_asked_for() -> None:
    automatic, console = io.StringIO(), io.StringIO()

    configure_logging(Settings(), automatic)
    structlog.get_logger().info("hello")
    configure_logging(Settings(log_format="console"), console)
    structlog.get_logger().info("hello")

    assert lines_of(automatic)[0]["event"] == "hello"
    assert not console.getvalue().startswith("{")


def test_celerys_two_lines_per_bell_are_left_out() -> None:
    out = io.StringIO()
    configure_logging(Settings(log_format="json"), out)

    logging.getLogger("celery.worker.strategy").info("Task received")
    logging.getLogger("celery.worker").info("ready")

    assert [line["event"] for line in lines_of(out)] == ["ready"]


@pytest.mark.parametrize(("name", "value"), [("log_level", "chatty"), ("log_format", "xml")])
def test_an_unknown_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"REELMILL_{name.upper()}"):
        configure_logging(Settings(**{name: value}), io.StringIO())
