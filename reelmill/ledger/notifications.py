"""Telling somebody that a batch is done: at least once, with an id that tells repetitions apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, text

from reelmill.ledger.database import Database
from reelmill.ledger.exports import AWAITED, become_due
from reelmill.ledger.ids import new_id
from reelmill.ledger.text import clean

MAX_TRIES = 12
"""With pauses that double from FIRST_PAUSE_S to LONGEST_PAUSE_S: given up after about a day."""
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class NotificationView:
    """One webhook of a batch.

    Attributes:
        id: the same in each delivery (`webhook-id`).
        state: waiting (for the batch), due, delivered, or failed (given up).
        tries: deliveries that were begun; `problem`: why the last one failed.
    """

    id: UUID
    url: str
    state: Literal["waiting", "due", "delivered", "failed"]
    tries: int
    problem: str | None
    next_try_at: datetime
    created_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueNotification:
    """A delivery that is ours until its pause is over: a process that dies in it is followed by another one."""

    id: UUID
    batch_id: UUID
    url: str
    tries: int


# Nothing of the batch is open; what is retried later is not told again. Files that are being written are waited for.
_BATCH_DONE = f"""
    NOT EXISTS (SELECT FROM scans
                WHERE scans.batch_id = notifications.batch_id AND scans.state IN ('queued', 'running'))
    AND NOT EXISTS (SELECT FROM jobs
                    WHERE jobs.batch_id = notifications.batch_id AND jobs.state IN ('queued', 'running'))
    AND NOT EXISTS (SELECT FROM exports
                    WHERE exports.batch_id = notifications.batch_id AND {AWAITED})
"""  # noqa: S608 - constant text
_BECOME_DUE = text(
    f"UPDATE notifications SET state = 'due', next_try_at = now() WHERE state = 'waiting' AND {_BATCH_DONE}"  # noqa: S608
)

_TAKE = text(
    """
    WITH picked AS (
        SELECT id FROM notifications WHERE state = 'due' AND next_try_at <= now()
        ORDER BY next_try_at, id LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE notifications
    SET tries = tries + 1,
        next_try_at = now() + make_interval(secs => least(:first_s * power(2, least(tries, 20)), :longest_s))
    FROM picked WHERE notifications.id = picked.id
    RETURNING notifications.id, batch_id, url, tries
    """
)


def add_notification(db: Database, batch_id: UUID, url: str) -> UUID:
    """Tell this URL when the batch is done, at once if it is; the same URL twice is once. Returns its id."""
    with db.statement() as connection:
        return add_notification_in(connection, batch_id, url)


def add_notification_in(connection: Connection, batch_id: UUID, url: str) -> UUID:
    """`add_notification` as a part of a transaction."""
    statement = text(
        """
        INSERT INTO notifications (id, batch_id, url) VALUES (:id, :batch_id, :url)
        ON CONFLICT (batch_id, url) DO UPDATE SET url = excluded.url RETURNING id
        """
    )
    values = {"id": new_id(), "batch_id": batch_id, "url": url}
    return UUID(str(connection.execute(statement, values).scalar_one()))


def list_notifications(db: Database, batch_id: UUID) -> tuple[NotificationView, ...]:
    """The webhooks of a batch, in the order of asking."""
    statement = text(
        """
        SELECT id, url, state, tries, problem, next_try_at, created_at, delivered_at
        FROM notifications WHERE batch_id = :batch_id ORDER BY id
        """
    )
    with db.statement() as connection:
        rows = connection.execute(statement, {"batch_id": batch_id}).mappings()
        return tuple(NotificationView(**row) for row in rows)


def overdue_notifications(db: Database, *, by_s: float) -> int:
    """How many could have been tried for longer than this: nobody delivers."""
    statement = text(
        f"""
        SELECT count(*) FROM notifications
        WHERE state IN ('waiting', 'due') AND next_try_at < now() - make_interval(secs => :by_s) AND {_BATCH_DONE}
        """  # noqa: S608 - constant text
    )
    with db.statement() as connection:
        return int(connection.execute(statement, {"by_s": by_s}).scalar_one())


def take_notification(db: Database) -> DueNotification | None:
    """The next delivery to try; None when there is none. Its next try is put off before this one begins."""
    with db.transaction() as connection:
        become_due(connection)
        connection.execute(_BECOME_DUE)
        pauses = {"first_s": FIRST_PAUSE_S, "longest_s": LONGEST_PAUSE_S}
        row = connection.execute(_TAKE, pauses).mappings().one_or_none()
    return None if row is None else DueNotification(**row)


def note_delivered(db: Database, notification: DueNotification) -> None:
    """They were told."""
    statement = text(
        "UPDATE notifications SET state = 'delivered', delivered_at = now(), problem = NULL WHERE id = :id"
    )
    with db.statement() as connection:
        connection.execute(statement, {"id": notification.id})


def note_undelivered(db: Database, notification: DueNotification, problem: str, *, for_good: bool = False) -> None:
    """They were not told: tried again after the pause, or given up."""
    statement = text(
        """
        UPDATE notifications
        SET problem = :problem, state = CASE WHEN :for_good OR tries >= :max_tries THEN 'failed' ELSE state END
        WHERE id = :id AND state = 'due'
        """
    )
    values = {"id": notification.id, "problem": clean(problem), "for_good": for_good, "max_tries": MAX_TRIES}
    with db.statement() as connection:
        connection.execute(statement, values)
