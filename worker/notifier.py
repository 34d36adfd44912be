"""Whoever asked is told when a batch is done."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import structlog

from reelmill.ledger.database import Database
from reelmill.ledger.exports import ExportView, list_exports
from reelmill.ledger.notifications import (
    DueNotification,
    note_delivered,
    note_undelivered,
    take_notification,
)
from reelmill.ledger.views import batch_counts, batch_finished_at, batch_state, batch_view
from reelmill.settings import Settings
from worker.errors import WebhookError, WebhookRefusedError
from worker.webhook import Delivery, deliver

log = structlog.get_logger(__name__)
MOST_DELIVERIES = 20
"""In one go, so that a process that is told to stop soon does."""


class Notifier:
    """Delivers webhooks, one at a time; a thread of its own runs it, because the other side may be slow."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def tick(self) -> None:
        """Deliver what is due. Without a secret to sign with, that is left to processes that have one."""
        if self._settings.webhook_secret is None:
            return
        for _ in range(MOST_DELIVERIES):
            notification = take_notification(self._database)
            if notification is None:
                return
            self._deliver(notification, self._settings.webhook_secret.get_secret_value())

    def _deliver(self, notification: DueNotification, secret: str) -> None:
        try:
            delivery = Delivery(str(notification.id), int(time.time()), self._body(notification))
            deliver(notification.url, delivery, secret, allow_private=self._settings.webhook_private_addresses)
        except WebhookError as error:
            for_good = isinstance(error, WebhookRefusedError)
            note_undelivered(self._database, notification, str(error), for_good=for_good)
            log.warning("webhook not delivered", batch=str(notification.batch_id), error=str(error))
        else:
            note_delivered(self._database, notification)
            log.info("webhook delivered", batch=str(notification.batch_id))

    def _body(self, notification: DueNotification) -> bytes:
        """The batch as it stands: what it is called, its state in one word, its counts."""
        database, batch_id = self._database, notification.batch_id
        view, finished_at = batch_view(database, batch_id), batch_finished_at(database, batch_id)
        data = {
            "batch": str(batch_id),
            "name": view.name,
            "labels": view.labels,
            "state": batch_state(database, batch_id).value,
            "counts": asdict(batch_counts(database, batch_id)),
            "exports": [_told(export) for export in list_exports(database, batch_id)],
        }
        at = (finished_at or view.created_at).isoformat()
        return json.dumps({"type": "batch.done", "timestamp": at, "data": data}, ensure_ascii=False).encode()


def _told(export: ExportView) -> dict[str, Any]:
    """Where the results lie, and whether they are complete."""
    counts = {"files": len(export.files), "rows": export.rows, "bytes": export.bytes}
    return {"location": export.location, "format": export.format, "state": export.state, **counts}
