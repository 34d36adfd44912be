"""Housekeeping rings for what is queued and gives back what lost its worker; heartbeats bring back cancellations."""

from __future__ import annotations

from collections.abc import Callable

import redis as redis_module

from reelmill.bells import Bells, queue_name
from reelmill.ledger.cancel import cancel
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import acknowledge_cancel
from reelmill.ledger.schedules import add_schedule
from reelmill.ledger.submit import submit_jobs
from reelmill.schema import Caption, JobSpec, PrefixSpec
from reelmill.schema.schedule import ScheduleSpec
from reelmill.settings import Settings
from tests.workers import rows
from worker.heartbeat import beat
from worker.housekeeping import Housekeeping
from worker.leases import Leases


def submit(database: Database, count: int) -> None:
    submit_jobs(database, [JobSpec(media=(f"s3://b/{n}",), tasks=(Caption(),)) for n in range(count)])


def test_queued_jobs_get_bells_but_never_more_than_the_bound(database_url: str, redis_url: str) -> None:
    database = Database(database_url)
    submit(database, 20)
    housekeeping = Housekeeping(Settings(), database, Bells(redis_url, max_bells=4))
    with redis_module.Redis.from_url(redis_url) as client:
        client.flushdb()
        housekeeping.tick()
        housekeeping.tick()
        assert client.llen(queue_name("default")) == 4


def test_a_silent_workers_job_is_queued_again(database_url: str, redis_url: str) -> None:
    database = Database(database_url)
    submit(database, 1)
    assert claim(database, "silent", "default", lease_s=0.0, in_flight=0)
    Housekeeping(Settings(), database, Bells(redis_url, max_bells=4)).tick()
    assert rows(database_url, "SELECT state, crashes, attempt FROM jobs") == [("queued", 1, 1)]


def test_room_is_made_for_a_suspect_that_has_waited(database_url: str, redis_url: str) -> None:
    database = Database(database_url)
    submit(database, 1)
    made = []
    housekeeping = Housekeeping(Settings(), database, Bells(redis_url, max_bells=4), lambda: made.append(1))
    housekeeping.tick()
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE jobs SET crashes = 3, queued_at = now() - interval '1 hour'")
    housekeeping.tick()
    assert made == [1]


def test_a_heartbeat_extends_what_is_held_and_stops_what_is_cancelled_or_lost(database_url: str) -> None:
    database = Database(database_url)
    submit(database, 3)
    leases = Leases()
    kept, cancelled, lost = (
        leases.take(lambda n: claim(database, "me", "default", lease_s=5.0, in_flight=n)) for _ in range(3)
    )
    assert kept
    assert cancelled
    assert lost
    cancel(database, job_ids=[cancelled.job.job_id])
    with database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET lease_token = gen_random_uuid() WHERE id = '{lost.job.job_id}'")
    beat(database, "me", leases, lease_s=500.0)
    assert [held.stopped_for for held in (kept, cancelled, lost)] == [None, "cancelled", "lost"]
    extended = "SELECT lease_expires_at > now() + interval '400 s' FROM jobs WHERE id = %s"
    assert rows(database_url, extended, kept.job.job_id) == [(True,)]


def nightly(name: str) -> ScheduleSpec:
    archive = PrefixSpec(prefix="s3://archive/a/", tasks=(Caption(),))
    return ScheduleSpec(name=name, cron="@daily", archive=archive)


def test_a_schedule_that_is_due_is_started_and_one_that_cannot_be_does_not_stop_the_round(
    database_url: str, redis_url: str
) -> None:
    database = Database(database_url)
    submit(database, 1)
    for name in ("broken", "whole", "later"):
        add_schedule(database, nightly(name))
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE schedules SET next_run_at = now() WHERE name <> 'later'")
        connection.exec_driver_sql("UPDATE schedules SET cron = 'never' WHERE name = 'broken'")
    with redis_module.Redis.from_url(redis_url) as client:
        client.flushdb()
        Housekeeping(Settings(), database, Bells(redis_url, max_bells=4)).tick()
        assert client.llen(queue_name("default")) == 1, "bells ring all the same"
    assert rows(database_url, "SELECT schedule, state FROM reelmill.schedule_history") == [("whole", "scanning")]
    assert rows(database_url, "SELECT name FROM schedules WHERE problem LIKE 'never: %%'") == [("broken",)]


def test_what_ended_longer_ago_than_the_retention_is_purged_and_nothing_is_without_that_setting(
    database_url: str, redis_url: str, set_environment: Callable[..., None]
) -> None:
    database = Database(database_url)
    submit(database, 3)
    for days_ago in (31, 29):
        job = claim(database, "me", "default", lease_s=60.0, in_flight=0)
        assert job
        assert acknowledge_cancel(database, job.lease)
        with database.transaction() as connection:
            connection.exec_driver_sql(
                f"UPDATE jobs SET finished_at = now() - interval '{days_ago} days' WHERE id = '{job.job_id}'"
            )
    count = "SELECT count(*), count(*) FILTER (WHERE finished_at < now() - interval '30 days') FROM jobs"
    Housekeeping(Settings(), database, Bells(redis_url, max_bells=4)).tick()
    assert rows(database_url, count) == [(3, 1)]
    set_environment(retention_days="30")
    Housekeeping(Settings(), database, Bells(redis_url, max_bells=4)).tick()
    assert rows(database_url, count) == [(2, 0)]
