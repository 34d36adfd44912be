"""A schedule as it is added: when, what, and what happens when a run would come too late or on top of another."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from reelmill.schema.archive import PrefixSpec
from reelmill.schema.export import ExportSpec
from reelmill.schema.frozen import Frozen
from reelmill.uris import check_webhook


class Overlap(StrEnum):
    """What a run does when the schedule's last batch is not done: `skip` refuses it, `allow` starts it all the same."""

    SKIP = "skip"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """What becomes of runs that came due while nobody did housekeeping.

    latest: one run for the latest of them, however late; the others are noted as skipped.
    none: all are noted as skipped, but for one that is a few minutes late at most.
    all: one run for each, the oldest first. Needs overlap=allow.
    """

    LATEST = "latest"
    NONE = "none"
    ALL = "all"


class ScheduleSpec(Frozen):
    """Cron, prefix and job template.

    Attributes:
        name: unique, for people and the command line.
        cron: five fields (minute, hour, day of month, month, day of week) or a nickname like @daily.
        timezone: whose clocks the expression follows, like Europe/Berlin.
        archive: the prefix, and what is asked of the objects in it.
        overlap, catch_up: see Overlap and CatchUp.
        webhook: told when the batch of a run is done; see Batch.notify.
        export: where each run leaves its results as files; see Batch.export_to.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    cron: Annotated[str, StringConstraints(max_length=1000)]
    timezone: str = "UTC"
    archive: PrefixSpec
    overlap: Overlap = Field(default=Overlap.SKIP)
    catch_up: CatchUp = Field(default=CatchUp.LATEST)
    webhook: str | None = None
    export: ExportSpec | None = None

    @field_validator("webhook")
    @classmethod
    def _can_be_posted_to(cls, webhook: str | None) -> str | None:
        if webhook is not None:
            check_webhook(webhook)
        return webhook

    @model_validator(mode="after")
    def _all_can_be_caught_up(self) -> Self:
        if self.catch_up is CatchUp.ALL and self.overlap is Overlap.SKIP:
            raise ValueError("catch_up=all needs overlap=allow, or the first run caught up would refuse the others")
        return self
