"""How many jobs may be in flight, and who is told to stop."""

from uuid import uuid4

from reelmill.ledger.claim import ClaimedJob, Isolation
from reelmill.schema import Caption, JobSpec
from worker.leases import HeldJob, Leases


def job(isolation: Isolation = "none") -> ClaimedJob:
    return ClaimedJob(uuid4(), 1, uuid4(), JobSpec(media=("s3://b/a",), tasks=(Caption(),)), (), isolation)


def take(leases: Leases, isolation: Isolation = "none") -> HeldJob | None:
    return leases.take(lambda in_flight: job(isolation))


def test_a_claim_is_told_how_many_are_in_flight() -> None:
    leases, told = Leases(), []

    def claim(in_flight: int) -> ClaimedJob:
        told.append(in_flight)
        return job()

    first = leases.take(claim)
    leases.take(claim)
    assert first
    leases.drop(first)
    leases.take(claim)
    assert told == [0, 1, 1]


def test_beside_a_job_that_must_be_alone_nothing_is_claimed() -> None:
    leases = Leases()
    alone = take(leases, "alone")
    assert alone
    assert take(leases) is None
    leases.drop(alone)
    assert take(leases) is not None


def test_beside_a_suspect_in_a_group_only_three_others_run() -> None:
    leases = Leases()
    assert take(leases, "group")
    assert [take(leases) is not None for _ in range(4)] == [True, True, True, False]


def test_making_room_lets_the_process_run_empty_and_ends_when_the_suspect_came() -> None:
    leases = Leases()
    normal = take(leases)
    assert normal
    leases.make_room()
    assert take(leases) is None
    leases.drop(normal)
    suspect = take(leases, "alone")
    assert suspect
    leases.drop(suspect)
    assert take(leases)
    assert take(leases)


def test_making_room_for_a_suspect_that_somebody_else_took_does_not_last() -> None:
    leases = Leases()
    leases.make_room()
    assert leases.take(lambda in_flight: None) is None
    assert take(leases)
    assert take(leases)


def test_stopping_sets_the_first_reason_only_on_jobs_that_are_held() -> None:
    leases = Leases()
    held = take(leases)
    other = take(leases)
    assert held
    assert other
    leases.stop([held.job.lease_token, uuid4()], "cancelled")
    leases.stop([held.job.lease_token], "draining")
    assert (held.stopped_for, held.cancellation.requested) == ("cancelled", True)
    assert (other.stopped_for, other.cancellation.requested) == (None, False)
