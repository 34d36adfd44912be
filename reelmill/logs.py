"""Logs of the CLI and the worker: structlog and the standard library (Celery's too) through one handler.

Bind the job of the moment with `structlog.contextvars.bound_contextvars(job_id=…)`: every line below it carries it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.types import Processor

from reelmill.errors import SettingsError
from reelmill.settings import Settings

FORMATS = ("auto", "json", "console")
CHATTY = ("celery.app.trace", "celery.worker.strategy")
"""Two lines for every bell; the slot's own lines say more."""
LOUD_IN_DEBUG = ("boto3", "botocore", "urllib3", "s3transfer", "kombu", "PIL")


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (standard error): lines for people on a terminal, JSON lines elsewhere.

    Raises:
        SettingsError: REELMILL_LOG_LEVEL or REELMILL_LOG_FORMAT has an unknown value.
    """
    level = _level(settings.log_level)
    out = stream or sys.stderr
    shared: Sequence[Processor] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _replace_root_handler(out, level, _renderers(settings.log_format, out), shared)


def _replace_root_handler(out: TextIO, level: int, renderers: Sequence[Processor], shared: Sequence[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=list(shared),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level > logging.DEBUG else level)
    for name in LOUD_IN_DEBUG:
        logging.getLogger(name).setLevel(max(level, logging.INFO))


def _renderers(wanted: str, out: TextIO) -> Sequence[Processor]:
    if wanted not in FORMATS:
        raise SettingsError(
            f"{wanted!r} is not one of {', '.join(FORMATS)}",
            subject="REELMILL_LOG_FORMAT",
            next_step="Correct or unset it",
        )
    if wanted == "console" or (wanted == "auto" and out.isatty()):
        # Not its default, which prints local variables: URLs with passwords among them.
        plain = structlog.dev.plain_traceback
        return (structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain),)
    return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False, default=str))


def _level(name: str) -> int:
    known = logging.getLevelNamesMapping()
    if name.upper() not in known:
        raise SettingsError(
            f"{name!r} is not a log level", subject="REELMILL_LOG_LEVEL", next_step="Use DEBUG, INFO, WARNING or ERROR"
        )
    return known[name.upper()]
