"""Files of lines come in whole: the batch, its jobs, what was counted and which lines were bad, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, text

from reelmill.ledger.database import Database
from reelmill.ledger.ids import new_id
from reelmill.ledger.job_rows import JobRows
from reelmill.ledger.submit import NewBatch, Submission, insert_batch, insert_rows
from reelmill.ledger.text import clean, clean_or_none, to_json
from reelmill.schema import JobSpec


@dataclass(frozen=True, slots=True)
class ImportedLine:
    """A line that became no job."""

    line: int
    message: str
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of a file once it was read."""

    lines: int
    problems: Sequence[ImportedLine]


_NOTE = text(
    """
    WITH noted AS (
        INSERT INTO scans (id, batch_id, kind, source, model, spec, state, listed, matched, accepted, skipped,
                           started_at, finished_at)
        VALUES (:id, :batch_id, :kind, :source, :model, '{}', 'succeeded', :listed, :matched, :accepted,
                CAST(:skipped AS jsonb), now(), clock_timestamp())
        RETURNING id
    )
    INSERT INTO scan_problems (scan_id, line, subject, message)
    SELECT noted.id, line, subject, message
    FROM noted, json_to_recordset(CAST(:problems AS json)) AS bad(line bigint, subject text, message text)
    """
)
_PROBLEMS = text(
    """
    SELECT line, message, subject FROM scan_problems JOIN scans ON scans.id = scan_id
    WHERE batch_id = :batch_id ORDER BY line
    """
)


def import_jobs(
    db: Database,
    specs: Iterable[JobSpec],
    *,
    batch: NewBatch,
    kind: Literal["manifest", "openai"],
    source: str,
    tally: Callable[[], Tally],
) -> Submission:
    """Insert a batch with the jobs of a file; `specs` is streamed, and `tally` is asked when it has ended.

    Raises:
        Whatever `specs` raises, and DatabaseUnavailableError: nothing was inserted.
    """
    with db.transaction() as connection:
        insert_batch(connection, batch)
        rows = JobRows(specs)
        accepted = insert_rows(connection, rows, batch.id, None)
        _note(connection, batch.id, (kind, source), tally(), (accepted, rows))
    return Submission(accepted, rows.count - accepted, (), frozenset(rows.models))


def line_problems(db: Database, batch_id: UUID) -> tuple[ImportedLine, ...]:
    """The lines of a batch's file that became no job, in order."""
    with db.statement() as connection:
        return tuple(ImportedLine(**row) for row in connection.execute(_PROBLEMS, {"batch_id": batch_id}).mappings())


def _note(
    connection: Connection, batch_id: UUID, origin: tuple[str, str], tally: Tally, result: tuple[int, JobRows]
) -> None:
    accepted, rows = result
    skipped = {"bad_line": len(tally.problems), "known_token": rows.count - accepted}
    problems = [
        {"line": bad.line, "subject": clean_or_none(bad.subject), "message": clean(bad.message)}
        for bad in tally.problems
    ]
    values = {
        "id": new_id(),
        "batch_id": batch_id,
        "kind": origin[0],
        "source": clean(origin[1]),
        "model": ", ".join(sorted(rows.models)),
        "listed": tally.lines,
        "matched": rows.count,
        "accepted": accepted,
        "skipped": to_json({reason: count for reason, count in skipped.items() if count}),
        "problems": to_json(problems),
    }
    connection.execute(_NOTE, values)
