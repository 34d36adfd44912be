"""What commands write: for people through rich, for programs as JSON lines on standard output and nothing else."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reelmill.schema import ReelmillError

if TYPE_CHECKING:
    from rich.console import Console

JSON_FLAG = "--json"
Json = Annotated[bool, typer.Option(JSON_FLAG, help="One JSON object (or one per line) on standard output.")]


@cache
def console() -> Console:
    """Standard output for people."""
    from reelmill.cli.plain_console import PlainConsole

    return PlainConsole(highlight=False)


@cache
def error_console() -> Console:
    """Standard error: messages and progress."""
    from reelmill.cli.plain_console import PlainConsole

    return PlainConsole(stderr=True, highlight=False)


def write_json(value: Any) -> None:
    """One line. Dataclasses become objects, times ISO 8601, ids text."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def tell(values: dict[str, Any], text: str, *, as_json: bool) -> None:
    """The same to programs and to people."""
    if as_json:
        write_json(values)
    else:
        console().print(text, soft_wrap=True, markup=False)


def write_error(code: str, message: str, *, subject: str = "", next_step: str = "", as_json: bool) -> None:
    """An error: JSON on standard output, or two lines for people on standard error."""
    if as_json:
        write_json({"error": {"code": code, "message": message, "subject": subject, "next_step": next_step}})
        return
    from rich.text import Text

    text = f"{subject}: {message}" if subject else message
    error_console().print(Text.assemble(("error ", "bold red"), text, ("  " + code, "dim")), soft_wrap=True)
    if next_step:
        error_console().print(Text.assemble(("  ", ""), next_step), soft_wrap=True)


def write_reelmill_error(error: ReelmillError, *, as_json: bool) -> None:
    """A typed error, without a traceback."""
    write_error(error.code, error.message, subject=error.subject, next_step=error.next_step, as_json=as_json)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
