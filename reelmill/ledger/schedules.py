"""Schedules: added, listed, paused, resumed, removed. `schedule_ticks` starts their runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from reelmill.cron import Cron
from reelmill.errors import NameTakenError, NotFoundError
from reelmill.ledger.database import Database
from reelmill.ledger.ids import new_id
from reelmill.ledger.schedule_history import ScheduleRun, schedule_history
from reelmill.ledger.submit import check_model
from reelmill.ledger.text import to_json
from reelmill.schema.export import ExportFormat
from reelmill.schema.schedule import CatchUp, Overlap, ScheduleSpec

_COLUMNS = """
    name, cron, timezone, archive, overlap, catch_up, created_at, paused_at, next_run_at, problem, webhook, export_to,
    export_format
"""


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as it stands.

    Attributes:
        archive: the prefix, and what is asked of the objects in it, as the fields of a PrefixSpec: also those that a
            newer reelmill has stored.
        paused_at: since when it is paused; None while it runs.
        next_run_at: when it is due next; None while it is paused.
        problem: why its last run could not be started; None when all is well.
        webhook: told when the batch of a run is done.
        export_to, export_format: below which prefix each run leaves its results as files.
        last_run: the latest entry of its history; None before the first.
    """

    name: str
    cron: str
    timezone: str
    archive: dict[str, Any]
    overlap: Overlap
    catch_up: CatchUp
    created_at: datetime
    paused_at: datetime | None
    next_run_at: datetime | None
    problem: str | None
    webhook: str | None
    export_to: str | None
    export_format: ExportFormat | None
    last_run: ScheduleRun | None


def add_schedule(db: Database, spec: ScheduleSpec, *, replace: bool = False) -> None:
    """Add a schedule. The first run is the first time that comes from now on, by the database's clock.

    Args:
        replace: change the schedule of this name, if there is one; its history stays, and so does a pause.

    Raises:
        CronError, UnknownTimezoneError.
        UnknownModelError: no worker has ever served the model.
        NameTakenError: there is one of this name already.
    """
    cron = Cron(spec.cron, spec.timezone)
    with db.transaction() as connection:
        _insert(connection, spec, cron, replace=replace)


def _insert(connection: Connection, spec: ScheduleSpec, cron: Cron, *, replace: bool) -> None:
    check_model(connection, spec.archive.model)
    now = connection.execute(text("SELECT now()")).scalar_one()
    on_conflict = _REPLACE if replace else "DO NOTHING"
    statement = text(
        f"""
        INSERT INTO schedules (id, name, cron, timezone, archive, overlap, catch_up, webhook, export_to, export_format,
                               next_run_at)
        VALUES (:id, :name, :cron, :timezone, CAST(:archive AS jsonb), :overlap, :catch_up, :webhook, :export_to,
                :export_format, :next_run_at)
        ON CONFLICT (name) {on_conflict}
        """  # noqa: S608 - constant text
    )
    values = {
        "id": new_id(),
        "name": spec.name,
        "cron": spec.cron,
        "timezone": spec.timezone,
        "archive": to_json(spec.archive.model_dump(mode="json")),
        "overlap": spec.overlap.value,
        "catch_up": spec.catch_up.value,
        "webhook": spec.webhook,
        "export_to": spec.export and spec.export.prefix,
        "export_format": spec.export and spec.export.format,
        "next_run_at": cron.next_after(now),
    }
    if not connection.execute(statement, values).rowcount:
        raise NameTakenError(
            "there is a schedule of this name already",
            subject=spec.name,
            next_step="Choose another name, or replace it (`--replace`, `replace=True`)",
        )


_REPLACE = """
    DO UPDATE SET cron = excluded.cron, timezone = excluded.timezone, archive = excluded.archive,
        overlap = excluded.overlap, catch_up = excluded.catch_up, webhook = excluded.webhook, problem = NULL,
        export_to = excluded.export_to, export_format = excluded.export_format,
        next_run_at = CASE WHEN schedules.paused_at IS NULL THEN excluded.next_run_at END
"""


def list_schedules(db: Database) -> tuple[ScheduleView, ...]:
    """All schedules: those due next first, the paused last."""
    statement = text(f"SELECT {_COLUMNS} FROM schedules ORDER BY next_run_at NULLS LAST, name")  # noqa: S608
    with db.statement() as connection:
        rows = connection.execute(statement).mappings().all()
    return tuple(_view(db, row) for row in rows)


def schedule_view(db: Database, name: str) -> ScheduleView:
    """One schedule. Raises NotFoundError."""
    statement = text(f"SELECT {_COLUMNS} FROM schedules WHERE name = :name")  # noqa: S608 - constant text
    with db.statement() as connection:
        row = connection.execute(statement, {"name": name}).mappings().one_or_none()
    if row is None:
        raise no_schedule(name)
    return _view(db, row)


def pause_schedule(db: Database, name: str) -> bool:
    """Start no run until it is resumed; False when it is paused already. Raises NotFoundError."""
    statement = text(
        """
        UPDATE schedules SET paused_at = coalesce(paused_at, now()), next_run_at = NULL
        FROM (SELECT id, paused_at AS was FROM schedules WHERE name = :name FOR UPDATE) AS before
        WHERE schedules.id = before.id
        RETURNING before.was IS NULL AS changed
        """
    )
    with db.statement() as connection:
        changed = connection.scalar(statement, {"name": name})
    if changed is None:
        raise no_schedule(name)
    return bool(changed)


def resume_schedule(db: Database, name: str) -> bool:
    """Go on with the first time that comes from now on; False when it was not paused.

    What would have come due during the pause counts as not scheduled, not as missed.

    Raises:
        NotFoundError.
        CronError, UnknownTimezoneError: this machine cannot read the schedule's expression or time zone.
    """
    with db.transaction() as connection:
        schedule = locked_schedule(connection, name)
        if schedule["paused_at"] is None:
            return False
        connection.execute(
            text("UPDATE schedules SET paused_at = NULL, next_run_at = :next_run_at WHERE id = :id"),
            {"id": schedule["id"], "next_run_at": cron_of(schedule).next_after(schedule["now"])},
        )
    return True


def remove_schedule(db: Database, name: str) -> None:
    """Forget a schedule and its history; its batches, their jobs and results stay. Raises NotFoundError."""
    with db.statement() as connection:
        if not connection.execute(text("DELETE FROM schedules WHERE name = :name"), {"name": name}).rowcount:
            raise no_schedule(name)


def overdue_schedules(db: Database, *, by_s: float) -> list[tuple[str, float]]:
    """Names of the schedules that are due for longer than this, and for how many seconds: nobody starts them."""
    statement = text(
        """
        SELECT name, extract(epoch FROM now() - next_run_at)::float8 AS overdue_s FROM schedules
        WHERE next_run_at < now() - make_interval(secs => :by_s) ORDER BY next_run_at
        """
    )
    with db.statement() as connection:
        return [(row.name, row.overdue_s) for row in connection.execute(statement, {"by_s": by_s})]


def locked_schedule(connection: Connection, name: str) -> RowMapping:
    """The row of a schedule and the time, `now`; nobody else changes it until the end of the transaction."""
    statement = text(f"SELECT id, {_COLUMNS}, now() AS now FROM schedules WHERE name = :name FOR UPDATE")  # noqa: S608
    row = connection.execute(statement, {"name": name}).mappings().one_or_none()
    if row is None:
        raise no_schedule(name)
    return row


def cron_of(schedule: RowMapping) -> Cron:
    """Its expression; raises CronError or UnknownTimezoneError where this machine cannot read it."""
    return Cron(schedule["cron"], schedule["timezone"])


def no_schedule(name: str) -> NotFoundError:
    """The error for a name that no schedule has."""
    return NotFoundError("there is no such schedule", subject=name, next_step="`reelmill schedule list` shows them")


def _view(db: Database, row: RowMapping) -> ScheduleView:
    last = next(iter(schedule_history(db, row["name"], most=1)), None)
    kinds = {"overlap": Overlap(row["overlap"]), "catch_up": CatchUp(row["catch_up"])}
    return ScheduleView(**{**row, **kinds}, last_run=last)
