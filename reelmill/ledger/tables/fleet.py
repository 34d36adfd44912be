"""Who works: the worker processes that were seen, and the models that they serve."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from reelmill.ledger.tables.columns import metadata, moment

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hostname", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("version", Text, nullable=False),
    moment("started_at", nullable=False, default_now=True),
    moment("last_seen_at", nullable=False, default_now=True),
    moment("retired_at"),
)

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("revision", Text),
    Column("family", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    moment("first_served_at", nullable=False, default_now=True),
    moment("last_served_at", nullable=False, default_now=True),
)
