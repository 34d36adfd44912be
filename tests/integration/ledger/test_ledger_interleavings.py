"""Any order of submits, claims, reports, crashes and cancellations keeps the ledger's promises."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import text

from reelmill.ledger.cancel import cancel, retry_failed
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import acknowledge_cancel, fail, release, succeed
from reelmill.ledger.heartbeat import heartbeat
from reelmill.ledger.lease import Lease
from reelmill.ledger.results import results
from reelmill.ledger.sweep import sweep
from tests.integration.ledger.helpers import LastingError, PassingError, expire, result, spec, submit

STEPS = 250
VIOLATIONS = """
    SELECT 'results of a job that has not succeeded' FROM captions JOIN jobs ON job_id = id WHERE state <> 'succeeded'
    UNION ALL SELECT 'succeeded without its rows' FROM jobs
        WHERE state = 'succeeded' AND (SELECT count(*) FROM captions WHERE job_id = id) <> 2
    UNION ALL SELECT 'an attempt runs without its job' FROM attempts JOIN jobs ON job_id = id
        WHERE outcome = 'running' AND (state <> 'running' OR attempts.attempt <> jobs.attempt)
    UNION ALL SELECT 'a job runs without its attempt' FROM jobs WHERE state = 'running' AND NOT EXISTS
        (SELECT FROM attempts WHERE job_id = id AND attempts.attempt = jobs.attempt AND outcome = 'running')
    UNION ALL SELECT 'claims and attempts differ' FROM jobs
        WHERE attempt <> (SELECT count(*) FROM attempts WHERE job_id = id)
    UNION ALL SELECT 'an end without a time, or a time without an end' FROM jobs
        WHERE (finished_at IS NULL) <> (state IN ('queued', 'running'))
    UNION ALL SELECT 'more crashes than it takes to convict' FROM jobs WHERE crashes > 4
"""


@dataclass
class Mill:
    """Plays producers, two workers and the housekeeper, remembering every lease that was ever given."""

    db: Database
    dice: random.Random
    jobs: list[UUID] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    newest: dict[UUID, Lease] = field(default_factory=dict)
    said: dict[UUID, str] = field(default_factory=dict)

    def submit(self) -> None:
        self.jobs += submit(self.db, spec(max_attempts=2, priority=self.dice.randrange(3)))

    def claim(self) -> None:
        job = claim(self.db, self.dice.choice(["w1", "w2"]), "default", lease_s=60, in_flight=self.dice.randrange(5))
        if job is not None:
            self.leases.append(job.lease)
            self.newest[job.job_id] = job.lease

    def report(self) -> None:
        if not self.leases:
            return
        held = self.dice.random() < 0.6 and list(self.newest.values())
        lease = self.dice.choice(held or self.leases)
        action = self.dice.choice([self._succeed, self._fail, self._release, self._acknowledge])
        written = action(lease)
        assert not written or lease == self.newest[lease.job_id], "a stale lease was listened to"
        if written:
            del self.newest[lease.job_id]

    def crash(self) -> None:
        for job_id in list(self.newest):
            if self.dice.random() < 0.4:
                expire(self.db, job_id)
        if self.dice.random() < 0.3:
            heartbeat(self.db, "w1", [lease.lease_token for lease in self.leases], lease_s=60)
        sweep(self.db)

    def cancel(self) -> None:
        if self.jobs:
            cancel(self.db, job_ids=self.dice.sample(self.jobs, 1))

    def retry(self) -> None:
        if self.jobs:
            retry_failed(self.db, job_ids=self.dice.sample(self.jobs, 1))

    def wait(self) -> None:
        with self.db.transaction() as connection:
            connection.execute(text("UPDATE jobs SET run_at = now() WHERE state = 'queued'"))

    def _succeed(self, lease: Lease) -> bool:
        said = f"said {self.dice.random()}"
        written = succeed(self.db, lease, result(said))
        if written:
            self.said[lease.job_id] = said
        return written

    def _fail(self, lease: Lease) -> bool:
        return fail(self.db, lease, self.dice.choice([PassingError("cut"), LastingError("no")])) is not None

    def _release(self, lease: Lease) -> bool:
        return release(self.db, lease)

    def _acknowledge(self, lease: Lease) -> bool:
        return acknowledge_cancel(self.db, lease)


@pytest.mark.parametrize("seed", range(6))
def test_no_order_of_events_breaks_a_promise(db: Database, seed: int) -> None:
    mill = Mill(db, random.Random(seed))
    likely: list[tuple[Callable[[], None], int]] = [
        (mill.submit, 2),
        (mill.claim, 5),
        (mill.report, 4),
        (mill.crash, 1),
        (mill.cancel, 1),
        (mill.retry, 1),
        (mill.wait, 2),
    ]
    for _ in range(STEPS):
        mill.dice.choices([step for step, _ in likely], [weight for _, weight in likely])[0]()
        with db.transaction() as connection:
            assert connection.scalars(text(VIOLATIONS)).all() == []
    stored = {found.job_id: found.captions[0].generated.text for found in results(db, job_ids=mill.jobs)}
    assert stored == mill.said
    assert len(stored) > 2
