"""Leases that run out: the ladder from retry to conviction, heartbeats, election."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reelmill.ledger.bells import queued_by_model
from reelmill.ledger.cancel import cancel
from reelmill.ledger.claim import SUSPECT_PATIENCE_S, claim, waiting_suspects
from reelmill.ledger.database import Database
from reelmill.ledger.finish import release
from reelmill.ledger.heartbeat import heartbeat
from reelmill.ledger.sweep import SweepReport, housekeeping_lock, sweep, sweep_elected
from reelmill.ledger.workers import list_workers, register_model, register_worker, retire_worker
from tests.integration.ledger.helpers import age, expire, job_row, outcomes, spec, state, submit, take


def crash(db: Database, job_id: UUID, times: int) -> None:
    for _ in range(times):
        assert take(db).job_id == job_id
        expire(db, job_id)
        sweep(db)


def claimable(db: Database, in_flight: int) -> bool:
    job = claim(db, "w1", "default", lease_s=60, in_flight=in_flight)
    if job is not None:
        release(db, job.lease)
    return job is not None


def test_a_live_lease_is_left_alone(db: Database) -> None:
    (job_id,) = submit(db)
    take(db)
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() + interval '5 s', lease_s = 0"))
    assert sweep(db) == SweepReport(0, 0, 0)
    assert state(db, job_id) == "running"


def test_an_expired_lease_puts_the_job_back_as_a_crash_and_not_as_a_failure(db: Database) -> None:
    (job_id,) = submit(db)
    take(db)
    expire(db, job_id)
    assert sweep(db) == SweepReport(requeued=1, failed=0, cancelled=0)
    row = job_row(db, job_id)
    assert (row["state"], row["crashes"], row["transient_failures"], row["lease_token"]) == ("queued", 1, 0, None)
    assert outcomes(db, job_id) == ["lost"]
    assert sweep(db) == SweepReport(0, 0, 0)


@pytest.mark.parametrize(
    ("crashes", "isolation", "most_in_flight"), [(0, "none", 500), (1, "none", 500), (2, "group", 3), (3, "alone", 0)]
)
def test_each_lost_worker_isolates_the_job_further(
    db: Database, crashes: int, isolation: str, most_in_flight: int
) -> None:
    (job_id,) = submit(db)
    crash(db, job_id, crashes)
    assert claimable(db, most_in_flight)
    assert not claimable(db, most_in_flight + 1) or most_in_flight == 500
    assert take(db).isolation == isolation


def test_the_fourth_lost_worker_convicts_the_job_and_its_neighbour_goes_free(db: Database) -> None:
    (poison,) = submit(db)
    crash(db, poison, 3)
    (innocent,) = submit(db)
    assert take(db).job_id == poison
    expire(db, poison)
    assert sweep(db) == SweepReport(requeued=0, failed=1, cancelled=0)
    row = job_row(db, poison)
    assert (row["state"], row["error_code"]) == ("failed", "worker_lost")
    assert "nothing else" in row["error_message"]
    assert row["error_next_step"]
    assert outcomes(db, poison) == ["lost"] * 4
    assert state(db, innocent) == "queued"


def test_a_busy_worker_passes_a_suspect_by_and_takes_its_neighbour(db: Database) -> None:
    suspect, neighbour = submit(db, spec("1"), spec("2"))
    crash(db, suspect, 3)
    assert take(db, in_flight=1).job_id == neighbour


def test_a_suspect_that_waited_long_goes_before_higher_priorities_once_there_is_room(db: Database) -> None:
    (suspect,) = submit(db)
    crash(db, suspect, 2)
    urgent, too = submit(db, spec("1", priority=100), spec("2", priority=100))
    assert waiting_suspects(db, "default", older_than_s=SUSPECT_PATIENCE_S) == 0
    age(db, suspect, SUSPECT_PATIENCE_S + 1)
    assert waiting_suspects(db, "default", older_than_s=SUSPECT_PATIENCE_S) == 1
    assert waiting_suspects(db, "other", older_than_s=0) == 0
    assert take(db, in_flight=4).job_id == urgent
    assert take(db, in_flight=3).job_id == suspect
    assert take(db).job_id == too


def test_a_swept_job_whose_cancellation_was_asked_for_is_cancelled(db: Database) -> None:
    (job_id,) = submit(db)
    crash(db, job_id, 3)
    take(db)
    cancel(db, job_ids=[job_id])
    expire(db, job_id)
    assert sweep(db) == SweepReport(requeued=0, failed=0, cancelled=1)
    row = job_row(db, job_id)
    assert (row["state"], row["error_code"]) == ("cancelled", None)


def test_a_lease_cannot_run_out_in_the_time_that_the_database_was_down(db: Database) -> None:
    (job_id,) = submit(db)
    take(db)
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s', lease_s = 1e8"))
    assert sweep(db) == SweepReport(0, 0, 0)
    assert state(db, job_id) == "running"


def test_a_heartbeat_extends_all_leases_and_says_which_are_lost_or_cancelled(db: Database) -> None:
    kept, cancelled, lost = submit(db, spec("1"), spec("2"), spec("3"))
    leases = {job.job_id: job.lease_token for job in (take(db), take(db), take(db))}
    cancel(db, job_ids=[cancelled])
    expire(db, lost)
    sweep(db)
    expire(db, kept)
    reply = heartbeat(db, "w1", leases.values(), lease_s=60)
    assert reply.alive == {leases[kept], leases[cancelled]}
    assert reply.cancelled == {leases[cancelled]}
    assert sweep(db) == SweepReport(0, 0, 0)


def test_a_heartbeat_of_another_worker_or_token_extends_nothing(db: Database) -> None:
    (job_id,) = submit(db)
    lease = take(db, "w1").lease
    assert heartbeat(db, "w2", [lease.lease_token], lease_s=60).alive == frozenset()
    assert heartbeat(db, "w1", [uuid4()], lease_s=60).alive == frozenset()
    assert heartbeat(db, "w1", [], lease_s=60).alive == frozenset()
    expire(db, job_id)
    assert sweep(db).requeued == 1


def test_a_worker_is_listed_with_its_jobs_until_it_is_forgotten(db: Database) -> None:
    register_worker(db, "w1", model="default", hostname="h", pid=7, device="cuda:0", concurrency=8)
    submit(db)
    take(db, "w1")
    (worker,) = list_workers(db)
    assert (worker.id, worker.device, worker.running, worker.retired_at) == ("w1", "cuda:0", 1, None)
    with db.transaction() as connection:
        connection.execute(text("UPDATE workers SET last_seen_at = now() - interval '2 min'"))
    assert list_workers(db, silent_up_to_s=60) == ()
    heartbeat(db, "w1", [], lease_s=60)
    assert len(list_workers(db, silent_up_to_s=60)) == 1
    retire_worker(db, "w1")
    assert list_workers(db)[0].retired_at is not None


def test_one_housekeeper_is_elected_at_a_time(db: Database) -> None:
    with db.transaction() as connection:
        assert housekeeping_lock(connection)
        assert sweep_elected(db) is None
    assert sweep_elected(db) == SweepReport(0, 0, 0)


def test_ready_jobs_are_counted_by_model_up_to_the_limit(db: Database) -> None:
    register_model(db, "other", path="p", revision="r", family="f", dtype="float32")
    submit(db, *(spec(str(number)) for number in range(5)))
    (later,) = submit(db, spec(model="other"))
    assert queued_by_model(db, 3) == {"default": 3, "other": 1}
    age(db, later, -60)
    take(db)
    assert queued_by_model(db, 100) == {"default": 4}
