"""What became of each time that a schedule was due."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database

RunState = Literal["skipped", "scanning", "working", "done", "failed", "cancelled", "deleted"]


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One entry of a schedule's history; a row of the view `reelmill.schedule_history`.

    Attributes:
        tick_at: when it was due; when it was asked for, if by hand; of several skipped together the first.
        state: skipped; scanning (its prefix is being listed), working, done; failed or cancelled (its scan was);
            deleted (its batch is gone).
        reason: why it was skipped: missed (nobody did housekeeping) or overlap (the last batch was not done).
        ticks: how many times this entry stands for: more than one where several were missed together.
        listed, accepted, skipped: objects seen, those that became jobs, and those that did not; None without a scan.
        skipped_by_reason: the same by reason, like {"succeeded": 97}.
        queued, running, succeeded, failed, cancelled: jobs of its batch.
        ended_at: when scan and jobs had last ended.
        error_code, error_message: why its scan failed.
    """

    schedule: str
    tick_at: datetime
    state: RunState
    reason: str | None
    ticks: int
    by_hand: bool
    batch_id: UUID | None
    listed: int | None
    accepted: int | None
    skipped: int | None
    skipped_by_reason: dict[str, int] | None
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    recorded_at: datetime
    ended_at: datetime | None
    error_code: str | None
    error_message: str | None


def schedule_history(db: Database, name: str, *, most: int = 20) -> tuple[ScheduleRun, ...]:
    """The latest entries of a schedule's history, newest first."""
    columns = ", ".join(field.name for field in fields(ScheduleRun))
    statement = text(
        f"SELECT {columns} FROM reelmill.schedule_history WHERE schedule = :name ORDER BY tick_at DESC LIMIT :most"  # noqa: S608
    )
    with db.statement() as connection:
        rows = connection.execute(statement, {"name": name, "most": most}).mappings()
        return tuple(ScheduleRun(**row) for row in rows)
