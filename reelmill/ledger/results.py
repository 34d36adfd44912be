"""Reading results: streamed in pages, each job complete and of one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from reelmill.job_results import JobResults as JobResults
from reelmill.job_results import StoredMedia as StoredMedia
from reelmill.ledger.database import Database
from reelmill.schema import (
    AnswerResult,
    Box,
    CaptionResult,
    FrameRef,
    Generated,
    GroundingResult,
    MediaFacts,
    SegmentResult,
    StageTimes,
    SummaryResult,
)

PAGE_JOBS = 200
Row = Mapping[str, Any]


def _rows_of(table: str, key: str, part: str = "") -> str:
    """Its rows as JSON; with `part` (the column that numbers segments) only those of the first, where that is asked."""
    bounded = f"AND (CAST(:first_parts AS integer) IS NULL OR {part} < :first_parts)" if part else ""
    return f"(SELECT json_agg({table} ORDER BY {key}) FROM {table} WHERE job_id = jobs.id {bounded}) AS {table}"  # noqa: S608 - our names


_COLUMNS = f"""
    id, labels, fetch_s, decode_s, wait_s, vision_s, prefill_s, generate_s, write_s, tiles, prompt_tokens,
    output_tokens,
    {_rows_of("media", "ordinal")},
    {_rows_of("segments", "ordinal", part="ordinal")},
    {_rows_of("captions", "segment, task", part="segment")},
    {_rows_of("summaries", "task")},
    {_rows_of("answers", "segment, task, ordinal", part="segment")},
    {_rows_of("groundings", "segment, task, ordinal", part="segment")},
    {_rows_of("boxes", "segment, task, grounding, ordinal", part="segment")}
"""


def results(
    db: Database,
    *,
    job_ids: Collection[UUID] = (),
    batch_id: UUID | None = None,
    first_parts: int | None = None,
    after: UUID | None = None,
    as_of: datetime | None = None,
) -> Iterator[JobResults]:
    """Results of the succeeded jobs of a batch, or of these, in the order of submission.

    `first_parts` reads only so many segments of each job: a long video in windows has thousands. `after` leaves out
    the jobs up to that one, `as_of` those that ended later.

    Pages are separate statements: a slow reader keeps no transaction open, which would keep the queue from vacuuming.
    """
    statement = text(
        f"""
        SELECT {_COLUMNS} FROM jobs
        WHERE {"batch_id = :batch_id" if batch_id else "id = ANY(:job_ids)"} AND state = 'succeeded' AND id > :after
          AND (CAST(:as_of AS timestamptz) IS NULL OR finished_at <= :as_of)
        ORDER BY id LIMIT :most
        """  # noqa: S608 - constant text
    )
    chosen = {"batch_id": batch_id} if batch_id else {"job_ids": list(job_ids)}
    which: dict[str, Any] = {**chosen, "first_parts": first_parts, "as_of": as_of}
    after = after or UUID(int=0)
    while True:
        with db.statement() as connection:
            rows = connection.execute(statement, {**which, "after": after, "most": PAGE_JOBS}).mappings().all()
        for row in rows:
            yield _job_results(row)
        if len(rows) < PAGE_JOBS:
            return
        after = rows[-1]["id"]


def _job_results(row: Mapping[Any, Any]) -> JobResults:
    boxes = row["boxes"] or ()
    return JobResults(
        job_id=row["id"],
        labels=row["labels"],
        media=tuple(stored_media(found) for found in row["media"] or ()),
        segments=tuple(_segment(found) for found in row["segments"] or ()),
        captions=tuple(_caption(found) for found in row["captions"] or ()),
        answers=tuple(_answer(found) for found in row["answers"] or ()),
        groundings=tuple(_grounding(found, boxes) for found in row["groundings"] or ()),
        summaries=tuple(_summary(found) for found in row["summaries"] or ()),
        times=StageTimes(**{stage.name: row[stage.name] or 0.0 for stage in fields(StageTimes)}),
        tiles=row["tiles"] or 0,
        prompt_tokens=row["prompt_tokens"] or 0,
        output_tokens=row["output_tokens"] or 0,
    )


def stored_media(row: Row) -> StoredMedia:
    """A row of `media` that a worker has filled in."""
    facts = MediaFacts(**{known.name: row[known.name] for known in fields(MediaFacts)})
    return StoredMedia(row["uri"], row["etag"], row["version_id"], facts)


def _segment(row: Row) -> SegmentResult:
    columns = (row["frame_media"], row["frame_indices"], row["frame_timestamps_s"], row["tile_counts"])
    frames = tuple(FrameRef(*frame) for frame in zip(*columns, strict=True))
    return SegmentResult(row["ordinal"], row["start_s"], row["end_s"], frames)


def _caption(row: Row) -> CaptionResult:
    return CaptionResult(row["segment"], row["task"], _words(row))


def _summary(row: Row) -> SummaryResult:
    return SummaryResult(row["task"], row["captions"], row["requests"], _words(row))


def _answer(row: Row) -> AnswerResult:
    return AnswerResult(row["segment"], row["task"], row["ordinal"], row["question"], _words(row), **_form(row))


def _form(row: Row) -> Row:
    return {name: row[name] for name in ("value", "probabilities", "problem")}


def _grounding(row: Row, boxes: Collection[Row]) -> GroundingResult:
    place = (row["segment"], row["task"], row["ordinal"])
    return GroundingResult(
        segment=row["segment"],
        task=row["task"],
        ordinal=row["ordinal"],
        phrase=row["phrase"],
        frame=FrameRef(row["media_ordinal"], row["frame_index"], row["timestamp_s"], row["tile_count"]),
        status=row["status"],
        generated=_words(row),
        boxes=tuple(_box(box) for box in boxes if (box["segment"], box["task"], box["grounding"]) == place),
        problem=row["problem"],
    )


def _box(row: Row) -> Box:
    return Box(**{corner.name: row[corner.name] for corner in fields(Box)})


def _words(row: Row) -> Generated:
    return Generated(**{word.name: row[word.name] for word in fields(Generated)})
