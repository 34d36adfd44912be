"""`search`: words in captions, summaries and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reelmill.cli.output import Json, console, error_console, write_json
from reelmill.cli.target import known_ids

if TYPE_CHECKING:
    from rich.text import Text

    from reelmill.ledger.search import SearchHit


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS…", help="All must be there.")],
    kind: Annotated[
        Literal["caption", "summary", "answer"] | None, typer.Option(help="Only these.", show_default="all")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only in this batch.", autocompletion=known_ids)] = None,
    prefix: Annotated[str, typer.Option(help="Only objects whose URI begins so.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Look for words in what the model said, best hits first.

    In quotes of their own, words are a phrase; `or` between two and `-` before one work as in web searches.

    Example: `reelmill search red panda --prefix s3://archive/2026/`

    Example: `reelmill search '"red panda" -tree' --json | jq -r .uri`
    """
    from reelmill.client import Client

    with Client() as client:
        hits = list(client.search(" ".join(words), kind=kind, batch=batch, prefix=prefix, limit=limit))
    for hit in hits:
        if as_json:
            write_json(hit)
        else:
            console().print(_lines(hit), soft_wrap=True)
    if not (hits or as_json):
        error_console().print("Nothing matches", style="yellow")


def _lines(hit: SearchHit) -> Text:
    """The object and where in it, then what was said, the words found in bold; both are text, never markup."""
    from rich.text import Text

    told = Text.assemble((hit.uri, "bold"), (_when(hit), "dim"), "\n  ")
    if hit.question is not None:
        told.append(f"{hit.question}  ", style="cyan")
    for number, piece in enumerate(hit.snippet.split("**")):
        told.append(piece, style="bold green" if number % 2 else "")
    return told


def _when(hit: SearchHit) -> str:
    if hit.start_s is None or hit.end_s is None:
        return ""
    return f"  {hit.start_s:.1f}–{hit.end_s:.1f} s"
