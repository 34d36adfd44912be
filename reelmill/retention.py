"""What a user means by purging and forgetting, checked, and handed to the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from reelmill.errors import SpecError
from reelmill.ledger.database import Database
from reelmill.ledger.deletion import Objects
from reelmill.ledger.forget import ForgetReport, forget_batch, forget_objects, forget_preview
from reelmill.ledger.purge import ENDED, PurgeReport, PurgeSpec, purge, purge_preview
from reelmill.schema import JobState
from reelmill.uris import MediaReference, media_uris

Age = timedelta | str
_AGE = re.compile(r"(\d+)(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)


def purge_jobs(
    database: Database, spec: PurgeSpec, *, dry_run: bool, told: Callable[[int], None] | None = None
) -> PurgeReport:
    """Purge, or only count."""
    return purge_preview(database, spec) if dry_run else purge(database, spec, told=told)


def forget(database: Database, objects: Objects, batch_id: UUID | None, *, dry_run: bool) -> ForgetReport:
    """Forget objects or a batch, or only count.

    Raises:
        SpecError: neither is named, or both.
    """
    if bool(objects) == (batch_id is not None):
        what = "both objects and a batch" if objects else "nothing"
        raise SpecError(f"{what} is named", subject="forget", next_step="Name URIs, a prefix or a batch")
    if dry_run:
        return forget_preview(database, objects, batch_id=batch_id)
    return forget_batch(database, batch_id) if batch_id else forget_objects(database, objects)


def purge_spec(older_than: Age, states: Sequence[JobState | str], batch_id: UUID | None, objects: Objects) -> PurgeSpec:
    """Check what is to be purged. Raises SpecError."""
    known = {state.value: state for state in ENDED}
    for state in states:
        if state not in known:
            advice = f"Use {', '.join(known)}; cancel the others, or forget them"
            raise SpecError("no state that jobs end in", subject=str(state), next_step=advice)
    return PurgeSpec(age(older_than), tuple(known[state] for state in states) or ENDED, batch_id, objects)


def objects_of(uris: Sequence[MediaReference], prefix: str) -> Objects:
    """Check URIs and a prefix of some. Raises SpecError."""
    if prefix and not re.match(r"s3://[^/]+/|file:///", prefix):
        raise SpecError(
            "not a prefix", subject=prefix, next_step="Write it as s3://bucket/start-of-keys or file:///directory/"
        )
    return Objects(media_uris(uris) if uris else (), prefix)


def age(given: Age) -> timedelta:
    """90d, 12h, 30m, 2w or 45s. Raises SpecError."""
    found = _AGE.fullmatch(given) if isinstance(given, str) else None
    # A number of more digits than that would not fit, whatever its unit.
    span = given if isinstance(given, timedelta) else None
    if found and len(found[1]) <= len("3153600000"):
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if span is None or not timedelta(0) <= span <= _LONGEST:
        raise SpecError("not an age", subject=str(given), next_step="Write it as 90d, 12h or 30m, up to 36500d")
    return span
