"""Fingerprints change with whatever changes the answers: also with the words that we put around a question."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest

from pipelines.analytics.prompts import (
    CAPTION_PROMPTS,
    CHOICE_WORDS,
    GROUND_PROMPT,
    PLACEHOLDER,
    SCHEMA_WORDS,
    SUMMARY_PART_PROMPT,
    SUMMARY_PROMPT,
    SUMMARY_WORDS,
)
from reelmill.ledger import fingerprint
from reelmill.ledger.fingerprint import PROMPTS_VERSION, SUMMARIES_VERSION, Fingerprints, FoundObject
from reelmill.schema import Ask, Caption, Generation, PrefixSpec, Sampling

WORDS_OF_VERSION = {1: "94ff6dd1743bb717"}
SUMMARY_WORDS_OF_VERSION = {1: "045e98da43c60f12"}


def test_other_words_around_a_question_come_with_another_version_of_the_prompts() -> None:
    words = repr((sorted(CAPTION_PROMPTS.items()), GROUND_PROMPT, PLACEHOLDER, SCHEMA_WORDS, CHOICE_WORDS))
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    assert WORDS_OF_VERSION[PROMPTS_VERSION] == digest, "raise PROMPTS_VERSION, and note the new digest here"


def test_other_words_around_captions_that_are_summed_up_come_with_another_version_of_theirs() -> None:
    words = repr((SUMMARY_WORDS, SUMMARY_PROMPT, SUMMARY_PART_PROMPT))
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    assert SUMMARY_WORDS_OF_VERSION[SUMMARIES_VERSION] == digest, (
        "raise SUMMARIES_VERSION, and note the new digest here"
    )


def test_a_summary_and_the_version_of_its_words_change_a_fingerprint_and_leave_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(**asked: bool | str) -> UUID:
        spec = PrefixSpec(prefix="s3://a/b/", tasks=(Caption(**asked),), sampling=Sampling(window_s=30))
        return Fingerprints(spec, {}).of(FoundObject("s3://a/b/c.mp4", '"etag"', 10))

    plain, summed_up = made(), made(summary=True)
    assert plain == made(summary=False)
    assert len({plain, summed_up, made(summary="In one word.")}) == 3
    monkeypatch.setattr(fingerprint, "SUMMARIES_VERSION", SUMMARIES_VERSION + 1)
    assert made() == plain
    assert made(summary=True) != summed_up


def test_a_fingerprint_is_the_same_in_every_process_and_release() -> None:
    spec = PrefixSpec(prefix="s3://a/b/", tasks=(Caption(),))
    found = FoundObject("s3://a/b/c.jpg", '"etag"', 10)
    made = Fingerprints(spec, {"path": "org/m", "dtype": "bfloat16"}).of(found)
    assert str(made) == "27df24be-0749-e48b-0170-5baf16e7e0c2", "archives would be worked anew after an upgrade"


def test_stops_change_a_fingerprint_and_none_leave_it_as_it_was() -> None:
    found = FoundObject("s3://a/b/c.jpg", '"etag"', 10)
    plain, none, some = (
        Fingerprints(PrefixSpec(prefix="s3://a/b/", tasks=(Caption(),), generation=generation), {}).of(found)
        for generation in (Generation(), Generation(stop=()), Generation(stop=("\n",)))
    )
    assert plain == none != some


def test_equal_content_has_one_fingerprint_at_any_key_only_where_that_was_asked_for() -> None:
    first, second = (FoundObject(f"s3://a/{name}.jpg", '"etag"', 10) for name in "bc")
    by_uri = PrefixSpec(prefix="s3://a/", tasks=(Caption(),))
    by_content = PrefixSpec(prefix="s3://a/", tasks=(Caption(),), dedupe="content")
    assert Fingerprints(by_uri, {}).of(first) != Fingerprints(by_uri, {}).of(second)
    assert Fingerprints(by_content, {}).of(first) == Fingerprints(by_content, {}).of(second)


def test_the_form_of_an_answer_changes_the_fingerprint() -> None:
    tasks = (Ask("Wet?"), Ask("Wet?", choices=["yes", "no"]), Ask("Wet?", schema={"type": "boolean"}))
    specs = [PrefixSpec(prefix="s3://a/", tasks=(task,)) for task in tasks]
    assert len({Fingerprints(spec, {}).of(FoundObject("s3://a/b", '"e"', 1)) for spec in specs}) == 3
