"""`grant`: what a database role may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reelmill.cli.database import opened_database
from reelmill.cli.output import Json, console, write_json


class Purpose(StrEnum):
    """The choices of --as; the ledger has their meaning."""

    PRODUCER = "producer"
    WORKER = "worker"
    READER = "reader"
    VIEWER = "viewer"


def grant(
    role: Annotated[str, typer.Argument(help="A role of the database (CREATE ROLE … LOGIN PASSWORD …).")],
    purpose: Annotated[
        Purpose,
        typer.Option(
            "--as",
            help="producer: submit, cancel, read; worker: every row, no table; reader: views only, read-only, 60 s; "
            "viewer: tables too, likewise.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Give a database role the rights of a producer, a worker, a reader or a viewer, in place of what it had.

    Run it as the owner of the tables (the role of `migrate`). Tables of later migrations are included.

    Example: `reelmill grant dashboards --as reader`
    """
    from reelmill.ledger.roles import Access
    from reelmill.ledger.roles import grant as give

    with opened_database() as database:
        give(database, role, Access(purpose))
        name = database.name
    if as_json:
        write_json({"role": role, "as": purpose.value, "database": name})
    else:
        console().print(f"{role} may now do what a {purpose.value} needs, in {name}", markup=False, soft_wrap=True)
