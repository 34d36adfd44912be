"""`search` prints where words were said, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable

from reelmill import AsyncClient, Client
from reelmill.embedded import ServiceUrls
from tests.integration.cli.commands import reelmill

Work = Callable[..., None]


def submitted(name: str, work_next: Work, caption: str) -> str:
    """The batch of one succeeded job on s3://b/name."""
    ran = reelmill("submit", f"s3://b/{name}", "s3://b/other", "--caption", "--ground", "the cat")
    work_next(caption=caption)
    work_next(caption="nothing")
    return ran.out.strip()


def test_people_see_the_object_and_the_words(mill: ServiceUrls, work_next: Work) -> None:
    submitted("1.png", work_next, "[bold]Two[/bold] red pandas")
    ran = reelmill("search", "red", "panda")
    assert (ran.code, ran.out) == (0, "s3://b/1.png\n  [bold]Two[/bold] red pandas\n")


def test_programs_see_a_hit_per_line(mill: ServiceUrls, work_next: Work) -> None:
    batch = submitted("1.png", work_next, "two red pandas")
    hit = reelmill(
        "search", '"red panda"', "--kind", "caption", "--batch", batch, "--prefix", "s3://b/1", "--json"
    ).json
    assert (hit["uri"], hit["kind"], hit["snippet"], hit["batch_id"]) == (
        "s3://b/1.png",
        "caption",
        "two **red** **pandas**",
        batch,
    )
    assert reelmill("search", "panda", "--prefix", "s3://c/", "--json").lines == []
    assert reelmill("search", "panda", "--kind", "answer", "--json").lines == []


def test_no_hit_is_said_and_is_no_failure(mill: ServiceUrls) -> None:
    ran = reelmill("search", "zebra")
    assert (ran.code, ran.out) == (0, "")
    assert "Nothing matches" in ran.err


def test_a_query_without_a_word_and_a_bad_batch_are_refused(mill: ServiceUrls) -> None:
    assert (reelmill("search", "the", "--json").code, reelmill("search", "the", "--json").error["code"]) == (
        2,
        "spec_invalid",
    )
    assert reelmill("search", "cat", "--batch", "nonsense", "--json").error["code"] == "not_found"


def test_the_sdk_gives_the_hits_one_by_one(mill: ServiceUrls, work_next: Work) -> None:
    submitted("1.png", work_next, "two red pandas")
    with Client() as client:
        hits = client.search("panda", limit=5)
        assert next(hits).text == "two red pandas"
        assert list(hits) == []


async def _awaited() -> list[str]:
    async with AsyncClient() as client:
        return [hit.uri async for hit in client.search("panda")]


def test_asyncio_searches_too(mill: ServiceUrls, work_next: Work) -> None:
    import asyncio

    submitted("1.png", work_next, "two red pandas")
    assert asyncio.run(_awaited()) == ["s3://b/1.png"]
