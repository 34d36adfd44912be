"""Submitting: jobs become rows, all of them or none; that alone makes them accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from uuid import UUID

from sqlalchemy import Connection, text

from reelmill.errors import UnknownModelError
from reelmill.ledger.database import Database
from reelmill.ledger.exports import add_export_in
from reelmill.ledger.ids import new_id
from reelmill.ledger.job_rows import JobRows
from reelmill.ledger.staging import copy_into_staging, insert_few, insert_staged
from reelmill.ledger.text import clean_or_none, to_json
from reelmill.schema import DEFAULT_MODEL, JobSpec
from reelmill.schema.export import ExportSpec

FEW_JOBS = 32
"""Up to so many go in one statement; more go through COPY."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be made with its jobs. `export`: where it leaves its results as files."""

    id: UUID = field(default_factory=new_id)
    name: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    export: ExportSpec | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What was accepted.

    Attributes:
        accepted: new jobs.
        known: specs whose client token a job had already; that job keeps its settings and its batch.
        job_ids: one per spec, in order; empty where they were not asked for.
        models: the names that the jobs ask for.
    """

    accepted: int
    known: int
    job_ids: tuple[UUID, ...]
    models: frozenset[str]


def submit_jobs(
    db: Database, specs: Iterable[JobSpec], *, batch: NewBatch | None = None, collect_ids: bool = True
) -> Submission:
    """Insert jobs, and the batch that holds them, in one transaction; `specs` is streamed.

    Args:
        collect_ids: keep the jobs' ids in memory and return them; False for a million jobs.

    Raises:
        UnknownModelError: no worker has ever served such a model. Nothing was inserted.
        DatabaseUnavailableError: nothing was inserted, unless the connection broke during the commit itself.
    """
    with db.transaction() as connection:
        rows = JobRows(_only_known_models(connection, specs))
        if batch is not None:
            insert_batch(connection, batch)
        ids: list[UUID] | None = [] if collect_ids else None
        accepted = insert_rows(connection, rows, batch.id if batch else None, ids)
    return Submission(accepted, rows.count - accepted, tuple(ids or ()), frozenset(rows.models))


def insert_rows(connection: Connection, rows: JobRows, batch_id: UUID | None, ids: list[UUID] | None) -> int:
    """Insert rows as part of a transaction; appends each one's job id to `ids`. Returns how many jobs are new."""
    first = list(islice(rows, FEW_JOBS + 1))
    if len(first) <= FEW_JOBS:
        return insert_few(connection, first, batch_id, ids)
    copy_into_staging(connection, chain(first, rows), ids)
    return insert_staged(connection, batch_id, ids)


def insert_batch(connection: Connection, batch: NewBatch) -> None:
    """Make a batch that has no jobs yet."""
    labels = {clean_or_none(key): clean_or_none(value) for key, value in batch.labels.items()}
    connection.execute(
        text("INSERT INTO batches (id, name, labels) VALUES (:id, :name, CAST(:labels AS jsonb))"),
        {"id": batch.id, "name": clean_or_none(batch.name), "labels": to_json(labels)},
    )
    if batch.export is not None:
        add_export_in(connection, batch.id, batch.export)


def check_model(connection: Connection, model: str) -> None:
    """Raise UnknownModelError unless some worker has served this model; the default one may come later."""
    _check(model, known_models(connection))


def known_models(connection: Connection) -> frozenset[str]:
    """The names that jobs may ask for."""
    return frozenset({DEFAULT_MODEL, *connection.scalars(text("SELECT name FROM models"))})


def _only_known_models(connection: Connection, specs: Iterable[JobSpec]) -> Iterator[JobSpec]:
    known = known_models(connection)
    for spec in specs:
        _check(spec.model, known)
        yield spec


def _check(model: str, known: frozenset[str]) -> None:
    if model not in known:
        raise UnknownModelError(
            f"no worker has ever served this model; known are {', '.join(sorted(known))}",
            subject=model,
            next_step="Start one with `reelmill worker --served-model-name`, or ask for a known model",
        )
