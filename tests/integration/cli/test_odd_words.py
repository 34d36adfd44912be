"""Words of any script, of users and of models, through submit, SQL, results, exports and the report page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from reelmill import Ask, Caption, Client, Ground
from reelmill.embedded import ServiceUrls
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.schema import AnswerResult, Box, CaptionResult, FrameRef, Generated, GroundingResult, JobResult
from reelmill.schema.errors import SpecError
from reelmill.schema.results import MediaFacts, SegmentResult, StageTimes
from tests.integration.cli.commands import reelmill

WORDS = [
    "مرحبا بالعالم \u202e backwards \u202c",
    "🐈\u200d⬛ 👩🏽\u200d🚀 \ufffd e\u0301",
    "<script>alert(1)</script> & \"quotes\" 'and' ]]> --",
    "clear \x1b[2J the \x1b]0;title\x07 screen \x9b31m \x08\r\n\x7f",
    "'; DROP TABLE jobs; -- %s {0} $1 :name \\ \\u0000",
    "日本語\u2028line\u2029paragraph\ufeff",
    '=HYPERLINK("http://example.invalid")',
]
NUL_AND_HALF = "nul \0 and half \udcff of a pair"
MEGABYTES = "x" * 3_000_000


def worked(db: Database, said: str) -> None:
    """Everything that a model can say, said."""
    job = claim(db, "w1", "default", lease_s=60, in_flight=0)
    assert job is not None
    words = Generated(said, said, "repetitive", 5, 5)
    frame = FrameRef(0, 0, None, 1)
    found = GroundingResult(0, 2, 0, said, frame, "found", words, (Box(said, 1, 2, 3, 4, 1.0, 2.0, 3.0, 4.0),))
    succeed(
        db,
        job.lease,
        JobResult(
            media=(MediaFacts(0, "image", said[:100], 10, 10, 1, "sha", said[:100], 1, None, None, 0),),
            segments=(SegmentResult(0, None, None, (frame,)),),
            captions=(CaptionResult(0, 0, words),),
            answers=(AnswerResult(0, 1, 0, said, words),),
            groundings=(found,),
            times=StageTimes(0, 0, 0, 0, 0, 0),
        ),
    )


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_odd_words_come_back_as_they_went_in(word: str, mill: ServiceUrls, tmp_path: Path) -> None:
    db = Database(mill.database_url)
    with Client() as client:
        batch = client.submit_many(
            [{"media": f"s3://b/{word}.png", "tasks": [Caption(), Ask(word), Ground(word)], "labels": {word: word}}],
            name=word,
        )
        worked(db, word)
        (result,) = batch.results()
        assert result.captions[0].generated.text == word
        assert result.captions[0].generated.finish_reason == "repetitive"
        assert result.boxes[0].label == word
        assert result.media[0].uri == f"s3://b/{word}.png"
        batch.to_jsonl(tmp_path / "a.jsonl")
        batch.to_csv(tmp_path / "a.csv")
        identity = str(batch.id)
    line = json.loads((tmp_path / "a.jsonl").read_text("utf-8"))
    assert line["captions"][0]["generated"]["text"] == word
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text("utf-8"), newline="")))
    assert word.replace("\r", "").replace("\n", "") in rows[0]["text"].replace("\r", "").replace("\n", "")
    with db.transaction() as connection:
        row = connection.execute(
            text("SELECT answer, question, labels FROM reelmill.media_answers WHERE job_id = :id"),
            {"id": result.job_id},
        ).one()
        assert (row.answer, row.labels) == (word, {word: word})
    page = tmp_path / "page.html"
    assert reelmill("report", identity, "--out", page).code == 0
    assert "<script>alert" not in page.read_text("utf-8")
    for command in (("results", identity, "-f", "table"), ("status", identity), ("jobs", "--batch", identity)):
        shown = reelmill(*command)
        assert not set(shown.out + shown.err) & {"\x1b", "\x9b", "\x08", "\x07", "\x7f"}, command
    db.close()


def test_nul_is_dropped_and_half_a_character_is_refused_or_replaced(mill: ServiceUrls) -> None:
    db = Database(mill.database_url)
    with Client() as client:
        with pytest.raises(SpecError, match="tasks"):
            client.submit("s3://b/a.png", tasks=[Ask("x"), {"kind": "ask", "questions": ["half \udcff"]}])  # type: ignore[list-item]
        with pytest.raises(SpecError, match="NUL"):
            client.submit("s3://b/a\0.png", tasks=[Caption()])
        job = client.submit("s3://b/a.png", tasks=[Caption("nul \0 here")], labels={"k\0": "v\0"})
        worked(db, NUL_AND_HALF)
        assert job.results().captions[0].generated.text == "nul  and half ? of a pair"
    db.close()


def test_megabytes_of_an_answer_are_kept(mill: ServiceUrls) -> None:
    db = Database(mill.database_url)
    with Client() as client:
        job = client.submit("s3://b/a.png", tasks=[Caption()])
        worked(db, MEGABYTES)
        assert job.results().captions[0].generated.text == MEGABYTES
    db.close()
