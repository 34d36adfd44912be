"""Schedules, and what became of each time that one of them was due."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from reelmill.ledger.tables.columns import metadata, moment

schedules = Table(
    "schedules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True, comment="Unique, for people"),
    Column("cron", Text, nullable=False, comment="Five fields, or a nickname like @daily"),
    Column("timezone", Text, nullable=False, comment="Whose clocks the cron expression follows (IANA name)"),
    Column("archive", JSONB, nullable=False, comment="The prefix, and what is asked of the objects in it"),
    Column("overlap", Text, nullable=False, comment="What a run does when the last batch is not done: skip or allow"),
    Column("catch_up", Text, nullable=False, comment="Which missed runs are made up for: latest, none or all"),
    moment("created_at", nullable=False, default_now=True),
    moment("paused_at", comment="Since when it is paused; null while it runs"),
    moment("next_run_at", comment="When it is due next; null while it is paused"),
    Column("problem", Text, comment="Why its last run could not be started; null when all is well"),
    Column("webhook", Text, comment="Told when the batch of a run is done"),
    Column("export_to", Text, comment="Each run leaves its results below this prefix"),
    Column("export_format", Text, comment="parquet or jsonl"),
    CheckConstraint("overlap IN ('skip', 'allow')", name="overlap"),
    CheckConstraint("catch_up IN ('latest', 'none', 'all')", name="catch_up"),
    CheckConstraint("(paused_at IS NULL) = (next_run_at IS NOT NULL)", name="paused"),
    comment="What is run again and again: cron, prefix and job template",
)

schedule_runs = Table(
    "schedule_runs",
    metadata,
    Column("schedule_id", Uuid, ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    moment(
        "tick_at", nullable=False, primary_key=True, comment="When it was due; of several skipped together the first"
    ),
    Column("outcome", Text, nullable=False, comment="started or skipped"),
    Column("reason", Text, comment="Why it was skipped: missed or overlap"),
    Column("ticks", Integer, nullable=False, server_default=text("1"), comment="Times that this row stands for"),
    Column("by_hand", Boolean, nullable=False, server_default=text("false"), comment="Started by run-now"),
    Column("batch_id", Uuid, ForeignKey("batches.id", ondelete="SET NULL"), comment="Null also once it was deleted"),
    moment("recorded_at", nullable=False, default_now=True),
    CheckConstraint("outcome IN ('started', 'skipped')", name="outcome"),
    CheckConstraint("(outcome = 'skipped') = (reason IS NOT NULL)", name="reason"),
    CheckConstraint("reason IN ('missed', 'overlap')", name="known_reason"),
    comment="What became of each time that a schedule was due",
)
Index("schedule_runs_batch_idx", schedule_runs.c.batch_id)
