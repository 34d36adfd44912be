"""Pinning: the version of each object that the first claim saw is the one that every later read must see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.lease import Lease
from reelmill.ledger.text import clean, clean_or_none, to_json


@dataclass(frozen=True, slots=True)
class MediaPin:
    """The version of one media object of a job."""

    ordinal: int
    etag: str
    version_id: str | None = None
    size_bytes: int | None = None


_PIN = text(
    """
    WITH fenced AS (
        SELECT id FROM jobs WHERE id = :job_id AND lease_token = :lease_token AND state = 'running'
        FOR NO KEY UPDATE
    ), pinned AS (
        UPDATE media SET etag = pin.etag, version_id = pin.version_id, size_bytes = pin.size_bytes
        FROM fenced, json_to_recordset(CAST(:pins AS json))
            AS pin(ordinal int, etag text, version_id text, size_bytes bigint)
        WHERE media.job_id = fenced.id AND media.ordinal = pin.ordinal AND media.etag IS NULL
    )
    SELECT id FROM fenced
    """
)


def pin_media(db: Database, lease: Lease, pins: Iterable[MediaPin]) -> bool:
    """Store the versions that this attempt reads; what is pinned already stays. False: the job is no longer ours."""
    rows = [
        {
            "ordinal": pin.ordinal,
            "etag": clean(pin.etag),
            "version_id": clean_or_none(pin.version_id),
            "size_bytes": pin.size_bytes,
        }
        for pin in pins
    ]
    values = {"job_id": lease.job_id, "lease_token": lease.lease_token, "pins": to_json(rows)}
    return db.first(_PIN, values) is not None
