"""What an id on the command line means: a batch or a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from reelmill.errors import NotFoundError, SpecError

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.client import Client
    from reelmill.job import Job


LATEST = "latest"


def known_ids(incomplete: str) -> list[tuple[str, str]]:
    """For completion in shells: the latest batches, with their names. Says nothing where no database answers."""
    from reelmill.cli.database import opened_database
    from reelmill.ledger.views import list_batches
    from reelmill.schema import ReelmillError

    try:
        with opened_database() as database:
            listed = list_batches(database)
    except ReelmillError:
        return []
    return [(str(batch.id), batch.name or "") for batch in listed if str(batch.id).startswith(incomplete)]


Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="A batch's or a job's id as `submit` printed it, or `latest`: the last batch.",
        autocompletion=known_ids,
    ),
]


@contextmanager
def opened(text: str) -> Iterator[Batch | Job]:
    """The job or batch of this id.

    Raises:
        SpecError: not an id at all.
        NotFoundError: neither a job nor a batch has it.
        DatabaseUnavailableError, SchemaOutOfDateError.
    """
    wanted = None if text == LATEST else _id(text)
    from reelmill.client import Client

    with Client() as client:
        yield _latest(client) if wanted is None else _find(client, wanted)


def _latest(client: Client) -> Batch:
    for batch in client.batches():
        return batch
    raise NotFoundError("there is no batch yet", subject=LATEST, next_step="`reelmill submit` makes one")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SpecError("not an id", subject=text, next_step="Give the id that `submit` printed, or `latest`") from None


def _find(client: Client, wanted: UUID) -> Batch | Job:
    for look in (client.batch, client.job):
        try:
            return look(wanted)
        except NotFoundError:
            continue
    raise NotFoundError(
        "there is no such job or batch", subject=str(wanted), next_step="`reelmill status` lists the latest batches"
    )
