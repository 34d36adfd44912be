"""Schedules through Client and AsyncClient."""

from __future__ import annotations

import asyncio

import pytest

from reelmill import (
    AsyncClient,
    Caption,
    Client,
    CronError,
    NotFoundError,
    Overlap,
    PrefixSpec,
    ScheduleBusyError,
    SpecError,
    UnknownTimezoneError,
)

ARCHIVE = PrefixSpec(prefix="s3://archive/in/", tasks=(Caption(),))


def test_a_schedule_is_added_run_paused_and_removed(client: Client) -> None:
    schedule = client.add_schedule("nightly", "0 2 * * *", ARCHIVE, timezone="Europe/Berlin")
    assert repr(schedule) == "Schedule('nightly')"
    batch = schedule.run_now()
    assert batch.labels["schedule"] == "nightly"
    (run,) = schedule.history()
    assert (run.batch_id, run.by_hand, run.state) == (batch.id, True, "scanning")
    with pytest.raises(ScheduleBusyError, match="not done"):
        schedule.run_now()
    assert (schedule.pause(), schedule.pause(), schedule.info.next_run_at) == (True, False, None)
    assert (schedule.resume(), schedule.resume()) == (True, False)
    assert client.schedule("nightly").info == schedule.info
    assert [known.name for known in client.schedules()] == ["nightly"]
    schedule.remove()
    with pytest.raises(NotFoundError, match="nightly"):
        client.schedule("nightly")
    assert client.batch(batch.id).id == batch.id


def test_the_archive_may_be_given_by_its_fields(client: Client) -> None:
    fields = {"prefix": "s3://archive", "tasks": [{"kind": "caption"}], "limit": 3}
    schedule = client.add_schedule("a", "@hourly", fields, overlap="allow", catch_up="all")
    assert (schedule.info.archive["limit"], schedule.info.overlap) == (3, Overlap.ALLOW)


def test_errors_name_the_field(client: Client) -> None:
    with pytest.raises(CronError, match="3 fields"):
        client.add_schedule("a", "1 2 3", ARCHIVE)
    with pytest.raises(UnknownTimezoneError, match="Mars"):
        client.add_schedule("a", "@daily", ARCHIVE, timezone="Mars")
    with pytest.raises(SpecError, match=r"archive\.prefix"):
        client.add_schedule("a", "@daily", {"prefix": "archive/in", "tasks": [Caption()]})
    with pytest.raises(SpecError, match="name"):
        client.add_schedule("", "@daily", ARCHIVE)


@pytest.mark.usefixtures("mill")
def test_asyncio_has_the_same_verbs() -> None:
    async def body() -> None:
        async with AsyncClient() as client:
            schedule = await client.add_schedule("nightly", "@daily", ARCHIVE)
            batch = await schedule.run_now()
            assert [run.batch_id for run in await schedule.history()] == [batch.id]
            assert (await schedule.pause(), await schedule.resume()) == (True, True)
            assert (await (await client.schedule("nightly")).info()).name == schedule.name
            assert [repr(known) for known in await client.schedules()] == ["AsyncSchedule('nightly')"]
            await schedule.remove()
            assert await client.schedules() == ()

    asyncio.run(body())
