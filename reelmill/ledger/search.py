"""Full-text search over what the model said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from reelmill.errors import SpecError
from reelmill.ledger.database import Database
from reelmill.ledger.text import clean

Kind = Literal["caption", "summary", "answer"]
KINDS: tuple[Kind, ...] = ("caption", "summary", "answer")
RANKED = 500
"""So many matches of each kind are ranked, those submitted last: not all of the million that have a frequent word."""
ENOUGH = 100
WINDOWS_ROWS = (20_000, 200_000)
"""Looked through from the newest, until ENOUGH match. A frequent word is found in the first window without reading all
rows that have it, whatever the planner thinks of its frequency; a rare one is looked up in the whole table at once."""

MARK = "**"
"""Stands before and after each word found in a snippet."""
_MARKS = ("\ue000", "\ue001")
_LETTER = r"[\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF]"
"""As in `reelmill.search`: each is a word of its own, and set apart from its neighbours while words are counted."""
_SET_APART = rf"regexp_replace(text, '({_LETTER})', ' \1 ', 'g')"

_CONDITIONS = {
    "query": f"to_tsvector('english', {_SET_APART}) @@ reelmill.search(:query)",
    "since": "job_id >= :since",
    "batch_id": "EXISTS (SELECT FROM jobs WHERE jobs.id = said.job_id AND batch_id = :batch_id)",
    "prefix": "EXISTS (SELECT FROM media WHERE media.job_id = said.job_id AND media.ordinal = 0 AND uri LIKE :prefix)",
}
_BEST = rf"""
    WITH matching AS MATERIALIZED (SELECT {{columns}} FROM {{table}} AS said WHERE {{conditions}}),
    newest AS (SELECT * FROM matching ORDER BY job_id DESC LIMIT {RANKED}),
    ranked AS (
        SELECT seen.*, ts_rank_cd(words, reelmill.search(:query)) AS rank
        FROM newest JOIN {{view}} AS seen USING ({{key}})
        ORDER BY rank DESC, job_id DESC, {{key}} LIMIT :most
    )
    SELECT uri, job_id, batch_id, {{segment}} AS segment, start_s, end_s, {{question}} AS question, text, rank,
           finished_at, (SELECT count(*) FROM newest) AS matching,
           regexp_replace(ts_headline('english', {_SET_APART}, reelmill.search(:query), :options),
                          ' (\ue000?{_LETTER}\ue001?) ', '\1', 'g') AS snippet
    FROM (SELECT *, {{text}} AS text FROM ranked) AS ranked
"""  # noqa: S608 - constant text


class _Source(NamedTuple):
    """Where the words of a kind stand."""

    table: str
    columns: str
    view: str
    key: str
    text: str
    question: str
    segment: str = "segment"


_SOURCES: dict[Kind, _Source] = {
    "caption": _Source(
        "captions", "job_id, segment, task", "reelmill.media_captions", "job_id, segment, task", "caption", "NULL"
    ),
    "summary": _Source(
        "summaries", "job_id, task", "reelmill.media_summaries", "job_id, task", "summary", "NULL", "NULL"
    ),
    "answer": _Source(
        "answers",
        "job_id, segment, task, ordinal AS question_number",
        "reelmill.media_answers",
        "job_id, segment, task, question_number",
        "answer",
        "question",
    ),
}


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A caption, a summary or an answer that was found.

    Attributes:
        kind: `caption`, `summary` or `answer`.
        uri: the object that it speaks of; the first one where the job showed several.
        segment: the stretch that was answered as one; None of a summary, which is of all of them.
        start_s, end_s: of the segment, or of all of them, seconds into the video; None for images.
        question: what was asked; None for captions and summaries.
        text: what the model said, whole.
        snippet: the stretch of it that matches best, the words found between `**`.
        rank: how well it matches; higher is better, and comparable within one search only.
    """

    kind: Kind
    uri: str
    job_id: UUID
    batch_id: UUID | None
    segment: int | None
    start_s: float | None
    end_s: float | None
    question: str | None
    text: str
    snippet: str
    rank: float
    finished_at: datetime | None


def search(
    db: Database, query: str, *, kinds: tuple[Kind, ...] = KINDS, batch_id: UUID | None, prefix: str, most: int
) -> list[SearchHit]:
    """The best hits, best first. Raises SpecError where nothing is left of the query that could be looked for."""
    asked = {"query": clean(query), "batch_id": batch_id, "prefix": _escaped(clean(prefix)) + "%" if prefix else None}
    values = {name: value for name, value in asked.items() if value is not None}
    with db.statement() as connection:
        if not connection.scalar(text("SELECT numnode(reelmill.search(:query))"), values):
            raise SpecError("has no word to look for", subject=repr(query), next_step='Try "red panda"')
        hits = [hit for kind in kinds for hit in _hits(connection, kind, {**values, "most": most})]
    return sorted(hits, key=lambda hit: (-hit.rank, -hit.job_id.int))[:most]


def _hits(connection: Connection, kind: Kind, values: Mapping[str, Any]) -> list[SearchHit]:
    for rows in WINDOWS_ROWS:
        since = connection.scalar(_nth_newest(kind), {"rows": rows})
        if since is None:
            break
        hits, matching = _within(connection, kind, {**values, "since": since})
        if matching >= max(ENOUGH, values["most"]):
            return hits
    return _within(connection, kind, values)[0]


def _nth_newest(kind: Kind) -> TextClause:
    return text(f"SELECT job_id FROM {_SOURCES[kind].table} ORDER BY job_id DESC OFFSET :rows LIMIT 1")  # noqa: S608


def _within(connection: Connection, kind: Kind, values: Mapping[str, Any]) -> tuple[list[SearchHit], int]:
    conditions = " AND ".join(condition for name, condition in _CONDITIONS.items() if name in values)
    statement = _BEST.format(conditions=conditions, **_SOURCES[kind]._asdict())
    options = f"StartSel={_MARKS[0]}, StopSel={_MARKS[1]}, MaxWords=40, MinWords=20"
    rows = connection.execute(text(statement), {**values, "options": options}).mappings().all()
    return [_hit(kind, row) for row in rows], rows[0]["matching"] if rows else 0


def _hit(kind: Kind, row: Mapping[Any, Any]) -> SearchHit:
    start, stop = _MARKS
    found = {name: value for name, value in row.items() if name != "matching"}
    found["snippet"] = found["snippet"].replace(stop + start, "").replace(start, MARK).replace(stop, MARK).strip()
    return SearchHit(kind=kind, **found)


def _escaped(prefix: str) -> str:
    return prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
