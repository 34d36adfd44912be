"""A page of a listing becomes jobs, and the scan moves on: one fenced transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from reelmill.ledger.database import Database
from reelmill.ledger.fingerprint import ANSWERED, MODEL_IDENTITY, Fingerprints, FoundObject
from reelmill.ledger.ids import new_id
from reelmill.ledger.job_rows import without_nul
from reelmill.ledger.scans import ClaimedScan, ScanCounts
from reelmill.ledger.text import to_json
from reelmill.schema import PrefixSpec, Task

REASONS = {"queued": "active", "running": "active", "succeeded": "done", "failed": "failed", "elsewhere": "duplicate"}
"""Why an object that got through the filters is no new job, by the state of the one that it has."""
_TASKS: TypeAdapter[tuple[Task, ...]] = TypeAdapter(tuple[Task, ...])


@dataclass(frozen=True, slots=True)
class ScanPage:
    """A stretch of a listing.

    Attributes:
        found: the objects that the filters let through.
        cursor: where the next page begins.
        listed: how many objects were seen.
        skipped: those that did not get through, by reason.
    """

    found: Sequence[FoundObject]
    cursor: str
    listed: int
    skipped: Mapping[str, int] = field(default_factory=dict)


# Plans must not depend on how many jobs there were when the statement was first planned.
_FENCE = text(
    f"""
    SELECT {MODEL_IDENTITY} AS model, set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)
    FROM scans WHERE id = :scan_id AND lease_token = :lease_token AND state = 'running'
    FOR NO KEY UPDATE
    """  # noqa: S608 - constant text
)

# What settles an object: it is being worked, or it is done, whether its job is still there or was purged.
_PRIOR = f"""
    (SELECT state FROM jobs
     WHERE jobs.fingerprint = first.fingerprint AND (state IN ('queued', 'running') OR :only_new AND {ANSWERED})
     LIMIT 1)
    UNION ALL
    SELECT state FROM purged_fingerprints WHERE purged_fingerprints.fingerprint = first.fingerprint AND :only_new
    LIMIT 1
"""  # noqa: S608 - constant text
_PAGE = """
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:fingerprints AS uuid[]), CAST(:uris AS text[]),
                         CAST(:etags AS text[]), CAST(:version_ids AS text[]), CAST(:sizes AS bigint[]))
        AS page(id, fingerprint, uri, etag, version_id, size_bytes)
"""

# Inserted in the order of fingerprints: two scans that meet wait for each other in one direction only.
_INSERT = text(
    f"""
    WITH page AS MATERIALIZED ({_PAGE}), first AS (
        SELECT DISTINCT ON (fingerprint) * FROM page ORDER BY fingerprint, id
    ), settled AS MATERIALIZED (
        SELECT first.id, prior.state FROM first CROSS JOIN LATERAL ({_PRIOR}) AS prior
    ), fresh AS (
        SELECT * FROM first WHERE NOT EXISTS (SELECT FROM settled WHERE settled.id = first.id)
        ORDER BY id LIMIT CAST(:room AS bigint)
    ), inserted AS (
        INSERT INTO jobs (id, batch_id, model, priority, max_attempts, labels, tasks, sampling, generation, fingerprint)
        SELECT id, :batch_id, :model, :priority, :max_attempts, CAST(:labels AS jsonb), CAST(:tasks AS jsonb),
               CAST(:sampling AS jsonb), CAST(:generation AS jsonb), fingerprint
        FROM fresh ORDER BY fingerprint
        ON CONFLICT DO NOTHING
        RETURNING id
    ), inserted_media AS (
        INSERT INTO media (job_id, ordinal, uri, etag, version_id, size_bytes)
        SELECT id, 0, uri, etag, version_id, size_bytes FROM inserted JOIN page USING (id) ORDER BY id
        RETURNING size_bytes
    )
    SELECT (SELECT count(*) FROM inserted) AS accepted,
           (SELECT coalesce(sum(size_bytes), 0)::bigint FROM inserted_media) AS accepted_bytes,
           (SELECT coalesce(jsonb_object_agg(state, objects), '{{}}')
            FROM (SELECT state, count(*) AS objects FROM settled GROUP BY state) AS by_state) AS settled
    """  # noqa: S608 - constant text
)

_MODEL = text(f"SELECT {MODEL_IDENTITY} FROM (SELECT CAST(:model AS text) AS model) AS scans")  # noqa: S608
_SETTLED_URIS = text(
    f"""
    WITH first AS MATERIALIZED ({_PAGE})
    SELECT first.uri, prior.state FROM first CROSS JOIN LATERAL ({_PRIOR}) AS prior
    """  # noqa: S608 - constant text
)

# A statement of its own: only now are the jobs visible that another scan inserted meanwhile.
_POINT = text(
    f"""
    WITH page AS MATERIALIZED ({_PAGE}), answered AS MATERIALIZED (
        SELECT page.*, owner.id AS job_id, owner.state,
               NOT EXISTS (SELECT FROM media WHERE media.job_id = owner.id AND media.uri = page.uri) AS elsewhere
        FROM page CROSS JOIN LATERAL (
            SELECT id, state FROM jobs WHERE jobs.fingerprint = page.fingerprint AND state <> 'cancelled'
            ORDER BY id DESC LIMIT 1
        ) AS owner
    ), pointed AS (
        INSERT INTO duplicates (job_id, uri, etag, version_id, size_bytes)
        SELECT job_id, uri, etag, version_id, size_bytes FROM answered WHERE elsewhere
        ON CONFLICT DO NOTHING
    )
    SELECT CASE WHEN elsewhere THEN 'elsewhere' ELSE state END AS reason, count(*) AS objects
    FROM answered WHERE elsewhere OR id <> job_id GROUP BY 1
    UNION ALL
    SELECT state, count(*) FROM page JOIN purged_fingerprints USING (fingerprint)
    WHERE :only_new AND NOT EXISTS (SELECT FROM answered WHERE answered.id = page.id) GROUP BY 1
    """  # noqa: S608 - constant text
)

_MOVE = text(
    """
    UPDATE scans
    SET cursor = :cursor, tries = 0, error_message = NULL, error_next_step = NULL,
        listed = :listed, matched = :matched, accepted = :accepted, accepted_bytes = :accepted_bytes,
        skipped = CAST(:skipped AS jsonb),
        lease_s = :lease_s, lease_expires_at = now() + make_interval(secs => :lease_s)
    WHERE id = :scan_id
    """
)


def advance_scan(db: Database, scan: ClaimedScan, page: ScanPage, *, lease_s: float) -> ClaimedScan | None:
    """Insert a page's jobs, move the cursor and the counts, and extend the lease: all of it or nothing.

    Returns the scan as it stands now. None: it is no longer ours (cancelled, or taken over), and nothing was written.
    """
    with db.transaction() as connection:
        fence = {"scan_id": scan.lease.scan_id, "lease_token": scan.lease.lease_token}
        ours = connection.execute(_FENCE, fence).one_or_none()
        if ours is None:
            return None
        columns = _columns(page.found, Fingerprints(scan.spec, ours.model))
        gained = _insert(connection, scan, columns) if page.found else ScanCounts()
        counts = _sum(scan.counts, page, gained)
        moved = {"cursor": page.cursor, "lease_s": lease_s, **_values(counts)}
        connection.execute(_MOVE, {**moved, "scan_id": scan.lease.scan_id})
    return replace(scan, cursor=page.cursor, counts=counts)


def settled_objects(db: Database, spec: PrefixSpec, found: Sequence[FoundObject]) -> dict[str, str]:
    """The objects that a scan would leave out, by URI, with the reason; changes nothing."""
    with db.statement() as connection:
        model = connection.scalar(_MODEL, {"model": spec.model})
        columns = _columns(found, Fingerprints(spec, model))
        rows = connection.execute(_SETTLED_URIS, {**columns, "only_new": spec.only_new})
        return {row.uri: REASONS[row.state] for row in rows}


def _insert(connection: Connection, scan: ClaimedScan, columns: dict[str, Any]) -> ScanCounts:
    spec, found = scan.spec, len(columns["ids"])
    room = None if spec.limit is None else max(spec.limit - scan.counts.accepted, 0)
    values = {**columns, **_template(spec), "batch_id": scan.batch_id, "only_new": spec.only_new, "room": room}
    row = connection.execute(_INSERT, values).one()
    settled: Mapping[str, int] = row.settled
    if spec.dedupe == "content":
        pointed = connection.execute(_POINT, {**columns, "only_new": spec.only_new})
        settled = Counter[str]()
        for each in pointed:
            settled[each.reason] += each.objects
    skipped: Counter[str] = Counter()
    for state, objects in settled.items():
        skipped[REASONS[state]] += objects
    # Without a limit, what was neither inserted nor settled was inserted by another scan at this very moment.
    skipped["active" if room is None else "over_limit"] += found - row.accepted - skipped.total()
    return ScanCounts(0, found, row.accepted, row.accepted_bytes, skipped)


def _sum(before: ScanCounts, page: ScanPage, gained: ScanCounts) -> ScanCounts:
    skipped = Counter(before.skipped)
    skipped.update(page.skipped)
    skipped.update(gained.skipped)
    return ScanCounts(
        listed=before.listed + page.listed,
        matched=before.matched + gained.matched,
        accepted=before.accepted + gained.accepted,
        accepted_bytes=before.accepted_bytes + gained.accepted_bytes,
        skipped={reason: count for reason, count in sorted(skipped.items()) if count},
    )


def _values(counts: ScanCounts) -> dict[str, Any]:
    return {
        "listed": counts.listed,
        "matched": counts.matched,
        "accepted": counts.accepted,
        "accepted_bytes": counts.accepted_bytes,
        "skipped": to_json(counts.skipped),
    }


def _columns(found: Sequence[FoundObject], fingerprints: Fingerprints) -> dict[str, Any]:
    return {
        "ids": [new_id() for _ in found],
        "fingerprints": [fingerprints.of(each) for each in found],
        "uris": [each.uri for each in found],
        "etags": [each.etag for each in found],
        "version_ids": [each.version_id for each in found],
        "sizes": [each.size_bytes for each in found],
    }


def _template(spec: PrefixSpec) -> dict[str, Any]:
    """The columns that all jobs of a scan share."""
    return {
        "model": spec.model,
        "priority": spec.priority,
        "max_attempts": spec.max_attempts,
        "labels": without_nul(to_json(spec.labels)),
        "tasks": without_nul(_TASKS.dump_json(spec.tasks).decode()),
        "sampling": spec.sampling.model_dump_json(),
        "generation": spec.generation.model_dump_json(),
    }
