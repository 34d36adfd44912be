"""What was seen: segments, captions and their summaries, answers, groundings and their boxes."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Float, ForeignKeyConstraint, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from reelmill.ledger.tables.columns import frame, generated, metadata, number, of_job, search_words

segments = Table(
    "segments",
    metadata,
    *of_job("ordinal"),
    number("start_s"),
    number("end_s"),
    Column("frame_media", ARRAY(Integer), nullable=False),
    Column("frame_indices", ARRAY(Integer), nullable=False),
    Column("frame_timestamps_s", ARRAY(Float(53)), nullable=False),
    Column("tile_counts", ARRAY(Integer), nullable=False),
)

kept_windows = Table(
    "kept_windows",
    metadata,
    *of_job("segment"),
    Column("key", Text, nullable=False),
    Column("document", Text, nullable=False),
    comment="Finished windows of videos whose jobs are not finished; the next attempt takes them over. Not for queries",
)

captions = Table("captions", metadata, *of_job("segment", "task"), *generated())
search_words(captions)

summaries = Table(
    "summaries",
    metadata,
    *of_job("task"),
    Column("captions", Integer, nullable=False, comment="How many captions of the video's parts it sums up"),
    Column("requests", Integer, nullable=False, comment="How many prompts it took; tokens are those of all of them"),
    *generated(),
)
search_words(summaries)

answers = Table(
    "answers",
    metadata,
    *of_job("segment", "task", "ordinal"),
    Column("question", Text, nullable=False),
    *generated(),
    Column("value", JSONB, comment="The answer as JSON, where a schema was asked for and the answer is of it"),
    Column("probabilities", JSONB, comment="Of each choice, summing to 1, where choices were given"),
    Column("problem", Text, comment="Why an answer that was to have a form has none; raw_text is what was said"),
)
search_words(answers)

groundings = Table(
    "groundings",
    metadata,
    *of_job("segment", "task", "ordinal"),
    Column("phrase", Text, nullable=False),
    *frame(),
    Column("tile_count", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("problem", Text),
    *generated(),
    CheckConstraint("status IN ('found', 'absent', 'malformed')", name="status"),
)

boxes = Table(
    "boxes",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    *(
        Column(name, Integer, primary_key=True, autoincrement=False)
        for name in ("segment", "task", "grounding", "ordinal")
    ),
    Column("phrase", Text, nullable=False),
    Column("label", Text, nullable=False),
    *frame(),
    *(number(name, nullable=False) for name in ("x1", "y1", "x2", "y2")),
    *(number(name, nullable=False) for name in ("x1_px", "y1_px", "x2_px", "y2_px")),
    ForeignKeyConstraint(
        ["job_id", "segment", "task", "grounding"],
        ["groundings.job_id", "groundings.segment", "groundings.task", "groundings.ordinal"],
        name="boxes_grounding_fkey",
        ondelete="CASCADE",
    ),
)
