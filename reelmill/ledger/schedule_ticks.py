"""Starting what is due: each time of each schedule makes one batch and one scan, whoever is alive."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, text

from reelmill.cron import zone
from reelmill.errors import ScheduleBusyError
from reelmill.ledger.database import Database
from reelmill.ledger.notifications import add_notification_in
from reelmill.ledger.scans import start_scan_in
from reelmill.ledger.schedule_plan import plan_ticks
from reelmill.ledger.schedules import cron_of, locked_schedule
from reelmill.ledger.submit import NewBatch
from reelmill.ledger.text import clean
from reelmill.schema import ReelmillError
from reelmill.schema.archive import PrefixSpec
from reelmill.schema.export import ExportSpec
from reelmill.schema.frozen import spec_error
from reelmill.schema.schedule import CatchUp, Overlap

MOST_STEPS = 100
"""Schedules dealt with in one round of housekeeping; the next round takes the rest."""


@dataclass(slots=True)
class TickReport:
    """What one round did: runs started, times skipped, and why some schedules could not be started, by name."""

    started: int = 0
    skipped: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def start_due_schedules(db: Database) -> TickReport:
    """Start every schedule that is due. Any number of processes may do it at once; the transactions are short."""
    report = TickReport()
    for _ in range(MOST_STEPS):
        if not _start_next(db, report):
            break
    return report


def run_schedule_now(db: Database, name: str) -> UUID:
    """Start a run at once, also of a paused schedule; returns its batch. The times that come are not touched.

    Raises:
        NotFoundError.
        ScheduleBusyError: the last batch is not done, and the schedule refuses overlap.
    """
    with db.transaction() as connection:
        schedule = locked_schedule(connection, name)
        if schedule["overlap"] == Overlap.SKIP and (busy := _unfinished_batch(connection, schedule)):
            raise ScheduleBusyError(
                f"its last batch, {busy}, is not done",
                subject=name,
                next_step=f"Wait for it (`reelmill wait {busy}`), cancel it, or let runs overlap (`--overlap allow`)",
            )
        batch_id = _start(connection, schedule, schedule["now"], by_hand=True)
    if batch_id is None:
        raise ScheduleBusyError("it was started at this very moment", subject=name, next_step="Try again")
    return batch_id


def _start_next(db: Database, report: TickReport) -> bool:
    """Deal with one schedule that is due, in one transaction. False: there is none left."""
    with db.transaction() as connection:
        values = {"without": list(report.problems)}
        schedule = connection.execute(_NEXT_DUE, values).mappings().one_or_none()
        if schedule is None:
            return False
        try:
            with connection.begin_nested():
                _deal_with(connection, schedule, report)
        except (ReelmillError, ValidationError) as error:
            # Perhaps this machine does not know the time zone, or is too old for the template: others may do better.
            problem = str(spec_error(error) if isinstance(error, ValidationError) else error)
            report.problems[schedule["name"]] = problem
            _note_problem(connection, schedule, clean(problem))
    return True


# Whoever holds a row deals with it; a row that has moved on meanwhile is looked at anew, and is not due any more.
_NEXT_DUE = text(
    """
    SELECT id, name, cron, timezone, archive, overlap, catch_up, webhook, export_to, export_format, next_run_at,
           now() AS now
    FROM schedules
    WHERE next_run_at <= now() AND name <> ALL(:without)
    ORDER BY next_run_at, id LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
    """
)


def _deal_with(connection: Connection, schedule: RowMapping, report: TickReport) -> None:
    plan = plan_ticks(cron_of(schedule), schedule["next_run_at"], schedule["now"], CatchUp(schedule["catch_up"]))
    skipped = len(plan.missed)
    if plan.missed:
        _note_skipped(connection, schedule, plan.missed[0], "missed", ticks=len(plan.missed))
    if plan.run is not None:
        if schedule["overlap"] == Overlap.SKIP and _unfinished_batch(connection, schedule):
            _note_skipped(connection, schedule, plan.run, "overlap")
            skipped += 1
        elif _start(connection, schedule, plan.run):
            report.started += 1
    connection.execute(
        text("UPDATE schedules SET next_run_at = :next_run_at, problem = NULL WHERE id = :id"),
        {"next_run_at": plan.next_run_at, "id": schedule["id"]},
    )
    report.skipped += skipped


def _start(connection: Connection, schedule: RowMapping, tick_at: datetime, *, by_hand: bool = False) -> UUID | None:
    """Make the batch and its scan. None: this very time has a run already."""
    spec = PrefixSpec.model_validate(schedule["archive"])
    if not _note(connection, schedule, tick_at, outcome="started", by_hand=by_hand):
        return None
    batch = _batch(schedule, tick_at)
    start_scan_in(connection, spec, batch)
    if schedule["webhook"]:
        add_notification_in(connection, batch.id, schedule["webhook"])
    connection.execute(
        text("UPDATE schedule_runs SET batch_id = :batch_id WHERE schedule_id = :id AND tick_at = :tick_at"),
        {"batch_id": batch.id, "id": schedule["id"], "tick_at": tick_at},
    )
    return batch.id


def _batch(schedule: RowMapping, tick_at: datetime) -> NewBatch:
    """Named after the schedule and the clock that it follows, so that it is known after the schedule is gone."""
    local = tick_at.astimezone(zone(schedule["timezone"]))
    labels = {"schedule": schedule["name"], "tick": tick_at.isoformat()}
    prefix = schedule["export_to"]
    export = None if prefix is None else ExportSpec(prefix=prefix, format=schedule["export_format"])
    return NewBatch(name=f"{schedule['name']} {local:%Y-%m-%d %H:%M}", labels=labels, export=export)


def _unfinished_batch(connection: Connection, schedule: RowMapping) -> UUID | None:
    """The batch of the schedule's last run, if its scan or one of its jobs has not ended."""
    statement = text(
        """
        SELECT batch_id FROM (
            SELECT batch_id FROM schedule_runs WHERE schedule_id = :id AND batch_id IS NOT NULL
            ORDER BY recorded_at DESC, tick_at DESC LIMIT 1
        ) AS last
        WHERE EXISTS (SELECT FROM scans WHERE scans.batch_id = last.batch_id AND state IN ('queued', 'running'))
           OR EXISTS (SELECT FROM jobs WHERE jobs.batch_id = last.batch_id AND state IN ('queued', 'running'))
        """
    )
    found: UUID | None = connection.scalar(statement, {"id": schedule["id"]})
    return found


def _note_skipped(
    connection: Connection, schedule: RowMapping, tick_at: datetime, reason: str, *, ticks: int = 1
) -> None:
    _note(connection, schedule, tick_at, outcome="skipped", reason=reason, ticks=ticks)


def _note(
    connection: Connection,
    schedule: RowMapping,
    tick_at: datetime,
    *,
    outcome: str,
    reason: str | None = None,
    ticks: int = 1,
    by_hand: bool = False,
) -> bool:
    """Write the history's entry of a time; False if it has one."""
    statement = text(
        """
        INSERT INTO schedule_runs (schedule_id, tick_at, outcome, reason, ticks, by_hand)
        VALUES (:id, :tick_at, :outcome, :reason, :ticks, :by_hand)
        ON CONFLICT DO NOTHING
        """
    )
    values = {"id": schedule["id"], "tick_at": tick_at, "outcome": outcome, "reason": reason}
    return bool(connection.execute(statement, {**values, "ticks": ticks, "by_hand": by_hand}).rowcount)


def _note_problem(connection: Connection, schedule: RowMapping, problem: str) -> None:
    connection.execute(
        text("UPDATE schedules SET problem = :problem WHERE id = :id"), {"problem": problem, "id": schedule["id"]}
    )
