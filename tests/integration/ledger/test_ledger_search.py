"""Words in captions and answers are found, ranked and shown, in English and in scripts without spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

import reelmill.ledger.search as module
from reelmill.errors import SpecError
from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.ledger.search import SearchHit, search
from reelmill.ledger.submit import NewBatch
from reelmill.schema import AnswerResult, CaptionResult, SummaryResult
from tests.integration.ledger.helpers import result, spec, submit, take, words

Say = Callable[..., UUID]


@pytest.fixture
def say(db: Database) -> Say:
    """A succeeded job whose one caption, and one answer, read so."""

    def say(caption: str, *, name: str = "a", answer: str = "yes", batch: NewBatch | None = None) -> UUID:
        (job_id,) = submit(db, spec(name), batch=batch)
        said = replace(
            result(),
            captions=(CaptionResult(0, 0, words(caption)),),
            answers=(AnswerResult(0, 1, 0, "What is it?", words(answer)),),
        )
        assert succeed(db, take(db).lease, said)
        return job_id

    return say


def find(db: Database, query: str, **options: Any) -> list[SearchHit]:
    return search(db, query, **{"batch_id": None, "prefix": "", "most": 20, **options})


def found(db: Database, query: str, **options: Any) -> list[str]:
    return sorted(hit.uri.rpartition("/")[2] for hit in find(db, query, **options))


def test_a_hit_tells_where_and_what_with_the_words_marked(db: Database, say: Say) -> None:
    job_id = say("Two red pandas sit in a tree.", name="zoo.mp4")
    (hit,) = find(db, "panda red")
    assert (hit.kind, hit.uri, hit.job_id, hit.segment) == ("caption", "s3://archive/zoo.mp4", job_id, 0)
    assert (hit.start_s, hit.end_s, hit.question) == (0.0, 1.5, None)
    assert hit.text == "Two red pandas sit in a tree."
    assert hit.snippet == "Two **red** **pandas** sit in a tree."


def test_answers_are_found_with_their_question(db: Database, say: Say) -> None:
    say("A picture.", answer="It is a lighthouse")
    (hit,) = find(db, "lighthouses")
    assert (hit.kind, hit.question, hit.text) == ("answer", "What is it?", "It is a lighthouse")


def test_summaries_are_found_with_the_time_that_they_span_and_by_their_kind(db: Database) -> None:
    (job_id,) = submit(db, spec("trip.mp4"))
    said = replace(result(), summaries=(SummaryResult(0, 2, 1, words("First a market, then the old lighthouse.")),))
    assert succeed(db, take(db).lease, said)
    (hit,) = find(db, "lighthouses")
    assert (hit.kind, hit.job_id, hit.segment, hit.start_s, hit.end_s) == ("summary", job_id, None, 0.0, 3.0)
    assert hit.snippet == "First a market, then the old **lighthouse**."
    assert found(db, "lighthouse", kinds=("summary",), prefix="s3://archive/trip") == ["trip.mp4"]
    assert found(db, "lighthouse", kinds=("caption", "answer")) == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("panda", ["1", "2"]),
        ("red panda", ["1", "2"]),
        ('"red panda"', ["1"]),
        ("panda -tree", ["2"]),
        ("lantern or tree", ["1", "3"]),
        ("zebra", []),
    ],
)
def test_queries_are_those_of_web_searches(db: Database, say: Say, query: str, names: list[str]) -> None:
    for name, caption in {"1": "A red panda in a tree", "2": "A panda with a red ball", "3": "A lantern"}.items():
        say(caption, name=name)
    assert found(db, query) == names


@pytest.mark.parametrize(
    ("query", "names", "marked"),
    [
        ("熊猫", ["zh"], "一只红色的**熊猫**在树上。"),
        ("红色 熊猫", ["zh"], "一只**红色**的**熊猫**在树上。"),
        ("猫熊", [], ""),
        ("パンダ", ["ja"], "赤い**パンダ**がいる"),
        ("판다", ["ko"], "빨간 **판다**가 있음"),
        ("-熊猫 ball", ["2"], "A panda with a red **ball**"),
    ],
)
def test_scripts_without_spaces_are_found_by_any_run_of_letters(
    db: Database, say: Say, query: str, names: list[str], marked: str
) -> None:
    say("一只红色的熊猫在树上。", name="zh")
    say("赤いパンダがいる", name="ja")
    say("빨간 판다가 있음", name="ko")
    say("A panda with a red ball", name="2")
    assert found(db, query) == names
    assert [hit.snippet for hit in find(db, query)] == [marked] * len(names)


def test_the_better_match_comes_first_and_the_newer_one_among_equals(db: Database, say: Say) -> None:
    for name, caption in {"old": "A dog", "new": "A dog", "best": "A dog chases a dog"}.items():
        say(caption, name=name)
    assert [hit.uri.rpartition("/")[2] for hit in find(db, "dog")] == ["best", "new", "old"]
    assert [hit.uri.rpartition("/")[2] for hit in find(db, "dog", most=1)] == ["best"]


def test_filters_narrow_the_search_and_their_wildcards_are_letters(db: Database, say: Say) -> None:
    batch = NewBatch()
    say("A dog", name="a_b/1", batch=batch)
    say("A dog", name="axb/2", answer="a dog")
    assert found(db, "dog", prefix="s3://archive/a_b/") == ["1"]
    assert found(db, "dog", batch_id=batch.id) == ["1"]
    assert found(db, "dog", kinds=("answer",)) == ["2"]
    assert found(db, "dog", prefix="s3://archive/", kinds=("caption",)) == ["1", "2"]


def test_nothing_is_missed_when_matches_lie_beyond_the_first_windows(
    db: Database, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOWS_ROWS", (1, 3))
    for name in ("1", "2", "3", "4", "5"):
        say("A dog" if name in "14" else "A cat", name=name)
    assert found(db, "dog") == ["1", "4"]
    assert found(db, "cat") == ["2", "3", "5"]


@pytest.mark.parametrize("query", ["", "   ", "the", "\0", "!?"])
def test_a_query_without_a_word_is_refused(db: Database, query: str) -> None:
    with pytest.raises(SpecError, match="no word"):
        find(db, query)


@pytest.mark.parametrize("query", ['"open', "a:b & | !", "'; DROP TABLE jobs; --", "%s %(x)s :y \\", "\ud83d"])
def test_whatever_people_type_is_words_never_syntax(db: Database, say: Say, query: str) -> None:
    say("An open b y")
    find(db, query + " open")


def test_searching_reads_the_index_of_words(db: Database, say: Say) -> None:
    say("A dog")
    for table, view in {"captions": "media_captions", "answers": "media_answers"}.items():
        with db.transaction() as connection:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_nestloop = off"))
            # A few rows are as quickly walked along the primary key; a GIN index is only ever read by a bitmap.
            connection.execute(text("SET LOCAL enable_indexscan = off"))
            query = f"EXPLAIN SELECT uri FROM reelmill.{view} WHERE words @@ reelmill.search('red panda')"
            plan = "\n".join(connection.scalars(text(query)))
        assert f"{table}_words_idx" in plan
