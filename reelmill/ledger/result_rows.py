"""A JobResult as JSON documents, one per table, that Postgres unfolds into rows."""

from __future__ import annotations

from typing import Any

from reelmill.ledger.text import clean, clean_json, clean_or_none, finite, to_json
from reelmill.schema import (
    AnswerResult,
    Box,
    CaptionResult,
    FrameRef,
    Generated,
    GroundingResult,
    JobResult,
    SummaryResult,
)
from reelmill.schema.results import MediaFacts, SegmentResult

Row = dict[str, Any]


def documents(result: JobResult) -> dict[str, str]:
    """One JSON array per result table; keys are column names."""
    tables: dict[str, list[Row]] = {
        "media": [_media(facts) for facts in result.media],
        "segments": [_segment(segment) for segment in result.segments],
        "captions": [_caption(caption) for caption in result.captions],
        "summaries": [_summary(summary) for summary in result.summaries],
        "answers": [_answer(answer) for answer in result.answers],
        "groundings": [_grounding(grounding) for grounding in result.groundings],
        "boxes": [
            _box(grounding, ordinal, box)
            for grounding in result.groundings
            for ordinal, box in enumerate(grounding.boxes)
        ],
    }
    return {name: to_json(rows) for name, rows in tables.items()}


def totals(result: JobResult) -> Row:
    """Stage times, tiles and token counts of the whole job, for its own row."""
    times, generated = result.times, result.generated
    return {
        "fetch_s": times.fetch_s,
        "decode_s": times.decode_s,
        "wait_s": times.wait_s,
        "vision_s": times.vision_s,
        "prefill_s": times.prefill_s,
        "generate_s": times.generate_s,
        "tiles": sum(frame.tile_count for segment in result.segments for frame in segment.frames),
        "prompt_tokens": sum(words.prompt_tokens for words in generated),
        "output_tokens": sum(words.output_tokens for words in generated),
    }


def _media(facts: MediaFacts) -> Row:
    return {
        "ordinal": facts.ordinal,
        "kind": facts.kind,
        "format": clean(facts.format),
        "codec": clean_or_none(facts.codec),
        "width": facts.width,
        "height": facts.height,
        "size_bytes": facts.size_bytes,
        "sha256": facts.sha256,
        "frame_count": facts.frame_count,
        "duration_s": finite(facts.duration_s),
        "fps": finite(facts.fps),
        "decode_errors": facts.decode_errors,
    }


def _segment(segment: SegmentResult) -> Row:
    return {
        "ordinal": segment.ordinal,
        "start_s": finite(segment.start_s),
        "end_s": finite(segment.end_s),
        "frame_media": [frame.media_ordinal for frame in segment.frames],
        "frame_indices": [frame.frame_index for frame in segment.frames],
        "frame_timestamps_s": [finite(frame.timestamp_s) for frame in segment.frames],
        "tile_counts": [frame.tile_count for frame in segment.frames],
    }


def _caption(caption: CaptionResult) -> Row:
    return {"segment": caption.segment, "task": caption.task, **_words(caption.generated)}


def _summary(summary: SummaryResult) -> Row:
    counts = {"captions": summary.captions, "requests": summary.requests}
    return {"task": summary.task, **counts, **_words(summary.generated)}


def _answer(answer: AnswerResult) -> Row:
    place = {"segment": answer.segment, "task": answer.task, "ordinal": answer.ordinal}
    form = {
        "value": clean_json(answer.value),
        "probabilities": clean_json(answer.probabilities),
        "problem": clean_or_none(answer.problem),
    }
    return {**place, "question": clean(answer.question), **_words(answer.generated), **form}


def _grounding(grounding: GroundingResult) -> Row:
    return {
        "segment": grounding.segment,
        "task": grounding.task,
        "ordinal": grounding.ordinal,
        "phrase": clean(grounding.phrase),
        **_frame(grounding.frame),
        "tile_count": grounding.frame.tile_count,
        "status": grounding.status,
        "problem": clean_or_none(grounding.problem),
        **_words(grounding.generated),
    }


def _box(grounding: GroundingResult, ordinal: int, box: Box) -> Row:
    return {
        "segment": grounding.segment,
        "task": grounding.task,
        "grounding": grounding.ordinal,
        "ordinal": ordinal,
        "phrase": clean(grounding.phrase),
        "label": clean(box.label),
        **_frame(grounding.frame),
        **{name: getattr(box, name) for name in ("x1", "y1", "x2", "y2", "x1_px", "y1_px", "x2_px", "y2_px")},
    }


def _frame(frame: FrameRef) -> Row:
    return {
        "media_ordinal": frame.media_ordinal,
        "frame_index": frame.frame_index,
        "timestamp_s": finite(frame.timestamp_s),
    }


def _words(generated: Generated) -> Row:
    return {
        "text": clean(generated.text),
        "raw_text": clean(generated.raw_text),
        "finish_reason": generated.finish_reason,
        "prompt_tokens": generated.prompt_tokens,
        "output_tokens": generated.output_tokens,
    }
