"""Where the time of a batch went: the view reelmill.batch_stages, typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy import text

from reelmill.errors import NotFoundError
from reelmill.ledger.database import Database


@dataclass(frozen=True, slots=True)
class BatchStages:
    """Where the time of a batch went, as far as its jobs have succeeded.

    The first five are seconds of the clock, added up over workers; those from `fetch_s` to `write_s` are job-seconds:
    jobs are worked at once, so these sum to more. What each stage covers says StageTimes.

    Attributes:
        jobs: that succeeded and are spoken of here.
        held_s: a worker held at least one of them; the sum of the next four.
        gpu_busy_s: at least one was at the model, its turn in the queue included.
        starved_by_decode_s: none was at the model, and one was being decoded or waited for a decoder.
        starved_by_fetch_s: none was at the model or decoded, and one was being fetched.
        starved_otherwise_s: the rest: writing results, moments between stages.
        tiles, prompt_tokens, output_tokens: of all of them.
    """

    jobs: int
    held_s: float
    gpu_busy_s: float
    starved_by_decode_s: float
    starved_by_fetch_s: float
    starved_otherwise_s: float
    fetch_s: float
    decode_s: float
    wait_s: float
    vision_s: float
    prefill_s: float
    generate_s: float
    write_s: float
    tiles: int
    prompt_tokens: int
    output_tokens: int

    @property
    def jobs_at_once(self) -> float:
        """How many jobs the model worked at a time, while it had any."""
        return (self.vision_s + self.prefill_s + self.generate_s) / self.gpu_busy_s if self.gpu_busy_s else 0.0


_COLUMNS = ", ".join(column.name for column in fields(BatchStages))
_STAGES = text(f"SELECT {_COLUMNS} FROM reelmill.batch_stages WHERE batch_id = :batch_id")  # noqa: S608 - our names


def batch_stages(db: Database, batch_id: UUID) -> BatchStages:
    """All zero before the first job has succeeded. Reads every job of the batch: seconds for 200,000.

    Raises:
        NotFoundError: there is no such batch.
    """
    with db.statement() as connection:
        row = connection.execute(_STAGES, {"batch_id": batch_id}).mappings().one_or_none()
    if row is None:
        raise NotFoundError("there is no such batch", subject=str(batch_id))
    return BatchStages(**row)
