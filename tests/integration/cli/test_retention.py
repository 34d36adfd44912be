"""`purge` and `forget`: what is deleted, what is asked, and what is said."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from reelmill import Caption, Client, SpecError
from reelmill.embedded import ServiceUrls
from tests.integration.cli.commands import reelmill as run
from tests.workers import rows

JOBS = "SELECT count(*) FROM jobs"


@pytest.fixture
def client(mill: ServiceUrls) -> Client:
    return Client()


def test_a_purge_counts_when_it_is_asked_to_and_deletes_what_it_counted(
    client: Client, mill: ServiceUrls, work_next: Callable[..., None]
) -> None:
    client.submit_many([{"media": f"s3://b/{n}.png", "tasks": [Caption()]} for n in range(3)])
    for _ in range(2):
        work_next()
    dry = run("purge", "--older-than", "0s", "--dry-run", "--json")
    assert dry.json == {"jobs": 2, "shared": 0, "batches": 0, "dry_run": True}
    assert run("purge", "--older-than", "1d", "--json").json["jobs"] == 0
    assert "1 job purged" in run("purge", "--older-than", "0s", "--uri", "s3://b/0.png").out
    assert "1 job purged" in run("purge", "--older-than", "0s", "--state", "succeeded", "--prefix", "s3://b/").out
    assert rows(mill.database_url, JOBS) == [(1,)]


def test_forgetting_asks_first_and_says_what_went(
    client: Client, mill: ServiceUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    batch = client.submit_many([{"media": ["s3://b/1.png", "s3://b/2.png"], "tasks": [Caption()]}])
    client.submit("s3://b/2.png", tasks=[Caption()])
    kept = client.submit("s3://b/3.png", tasks=[Caption()])
    unanswered = run("forget", "s3://b/2.png")
    assert unanswered.code == 1
    assert rows(mill.database_url, JOBS) == [(3,)]
    assert (
        "2 jobs forgotten, 2 of them that had not ended, 1 of them that showed several objects"
        in run("forget", "s3://b/2.png", "--yes").out
    )
    assert rows(mill.database_url, "SELECT id FROM jobs") == [(kept.id,)]
    assert run("forget", "--batch", str(batch.id), "--yes", "--json").json["jobs"] == 0
    assert rows(mill.database_url, "SELECT count(*) FROM batches") == [(0,)]
    assert run("forget", "--batch", str(batch.id), "--yes").code == 1, "there is no such batch any more"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("purge", "--older-than", "soon"), "Write it as 90d"),
        (("purge", "--older-than", "99999999999999d"), "Write it as 90d"),
        (("purge", "--older-than", "1d", "--prefix", "archive"), "not a prefix"),
        (("purge", "--older-than", "1d", "--uri", "http://x/y"), "cannot be read"),
        (("forget", "--yes"), "Name URIs, a prefix or a batch"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(
    mill: ServiceUrls, arguments: tuple[str, ...], says: str
) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert says in " ".join(ran.err.split())


def test_only_states_that_jobs_end_in_are_purged(client: Client) -> None:
    with pytest.raises(SpecError, match="no state that jobs end in"):
        client.purge("1d", states=["running"])
