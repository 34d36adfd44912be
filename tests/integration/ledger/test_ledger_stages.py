"""The view of a batch's stages tells the GPU's idle moments from its busy ones, and whom it waited for."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelmill.errors import NotFoundError
from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.ledger.stages import BatchStages, batch_stages
from reelmill.ledger.submit import NewBatch
from tests.integration.ledger.helpers import result, spec, submit, take

PLAY = text(
    """
    UPDATE jobs
    SET state = 'succeeded', worker_id = :worker, started_at = '2026-01-01Z'::timestamptz + :start * interval '1 s',
        finished_at = '2026-01-01Z'::timestamptz + :stop * interval '1 s', fetch_s = :fetch, decode_s = :decode,
        wait_s = :wait, vision_s = 0.5, prefill_s = 0.5, generate_s = :model - 1, write_s = :write
    WHERE id = :id
    """
)


@dataclass(frozen=True)
class Played:
    """A job: when it was claimed, and its seconds in each stage; `held` before it was fetched."""

    start: float
    fetch: float
    decode: float
    wait: float
    model: float
    write: float
    worker: str = "w1"
    held: float = 0.0


def stages_of(db: Database, *jobs: Played) -> BatchStages:
    batch = NewBatch()
    ids = submit(db, *[spec() for _ in jobs], batch=batch)
    with db.transaction() as connection:
        for job_id, job in zip(ids, jobs, strict=True):
            stop = job.start + job.held + job.fetch + job.decode + job.wait + job.model + job.write
            connection.execute(PLAY, {"id": job_id, "stop": stop, **vars(job)})
    return batch_stages(db, batch.id)


def clock(stages: BatchStages) -> tuple[float, ...]:
    return tuple(round(seconds, 6) for seconds in astuple(stages)[1:6])


@pytest.mark.parametrize(
    ("jobs", "held_busy_decode_fetch_other"),
    [
        # One job alone: the model waits for each of its stages.
        ([Played(0, fetch=1, decode=2, wait=0, model=3, write=4)], (10, 3, 2, 1, 4)),
        # The queue of the engine counts as busy.
        ([Played(0, fetch=1, decode=2, wait=5, model=3, write=0)], (11, 8, 2, 1, 0)),
        # The second is decoded while the first is at the model: only its last second starves the model.
        ([Played(0, 0, 1, 0, 3, 0), Played(1, 0, 4, 0, 2, 0)], (7, 5, 2, 0, 0)),
        # Fetched and decoded at once, it is the decoder that the model waits for.
        ([Played(0, 4, 0, 0, 1, 0), Played(0, 0, 3, 0, 2, 0)], (5, 2, 3, 0, 0)),
        # Two workers are two GPUs; what one does is no excuse for the other.
        ([Played(0, 0, 1, 0, 4, 0), Played(0, 3, 0, 0, 2, 0, worker="w2")], (10, 6, 1, 3, 0)),
        # Held back because decoded tiles wait for the model: nobody fetches.
        ([Played(0, 1, 1, 0, 8, 0), Played(0, 1, 1, 0, 2, 0, held=7)], (11, 9, 1, 1, 0)),
        # Nobody works between the two.
        ([Played(0, 0, 1, 0, 1, 0), Played(50, 0, 1, 0, 1, 0)], (4, 2, 2, 0, 0)),
    ],
)
def test_moments_without_a_job_at_the_model_are_counted_for_the_nearest_stage(
    db: Database, jobs: list[Played], held_busy_decode_fetch_other: tuple[float, ...]
) -> None:
    stages = stages_of(db, *jobs)

    assert clock(stages) == pytest.approx(held_busy_decode_fetch_other)
    assert stages.jobs == len(jobs)
    assert stages.decode_s == pytest.approx(sum(job.decode for job in jobs))
    assert stages.jobs_at_once == pytest.approx(sum(job.model for job in jobs) / stages.gpu_busy_s)


def test_stage_times_that_exceed_the_job_never_make_more_than_its_time(db: Database) -> None:
    stages = stages_of(db, Played(0, fetch=1, decode=1, wait=0, model=2, write=0, held=-3))

    assert clock(stages) == (1, 1, 0, 0, 0)


def test_only_jobs_that_succeeded_with_known_stages_count(db: Database) -> None:
    batch = NewBatch()
    (job_id, *_) = submit(db, spec(), spec(), spec(), batch=batch)
    assert batch_stages(db, batch.id) == BatchStages(*[0] * 16)
    assert succeed(db, take(db).lease, result())
    seen = batch_stages(db, batch.id)
    assert (seen.jobs, seen.tiles, seen.prompt_tokens, seen.output_tokens) == (1, 5, 700, 49)
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET write_s = NULL WHERE id = :id"), {"id": job_id})
    assert batch_stages(db, batch.id).jobs == 0


def test_stages_of_an_unknown_batch_are_a_clear_error(db: Database) -> None:
    with pytest.raises(NotFoundError, match="no such batch"):
        batch_stages(db, uuid4())
