"""`export-to`: results as files below a prefix when a batch is done."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from reelmill.cli.output import Json, console, tell, write_json
from reelmill.cli.target import Id, opened
from reelmill.errors import SpecError


def export_to(
    target: Id,
    prefix: Annotated[
        str | None,
        typer.Argument(metavar="[PREFIX]", help="s3://bucket/results/ or file:///directory/; without one, show them."),
    ] = None,
    export_format: Annotated[
        str, typer.Option("--format", "-f", metavar="parquet|jsonl", help="Of the files.")
    ] = "parquet",
    as_json: Json = False,
) -> None:
    """Leave a batch's results below a prefix when it is done, at once if it is; one that failed is tried again.

    Workers and `reelmill housekeep` write them, where REELMILL_EXPORT_PREFIXES name the prefix.

    Example: `reelmill export-to latest s3://bucket/results/`
    """
    from reelmill.batch import Batch
    from reelmill.cli.show_exports import export_json, export_line

    with opened(target) as found:
        if not isinstance(found, Batch):
            raise SpecError("is a job", subject=target, next_step="Give the id of a batch")
        if prefix is not None:
            export = found.export_to(prefix, cast("Any", export_format))
            (view,) = (each for each in found.exports() if each.id == export)
            text = f"{view.location} gets the results when the batch is done"
            tell({"batch": found.id, "export": export, "location": view.location}, text, as_json=as_json)
            return
        for each in found.exports():
            if as_json:
                write_json(export_json(each))
            else:
                console().print(export_line(each), soft_wrap=True)
