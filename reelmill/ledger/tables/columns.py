"""The one metadata, and the columns that several tables share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, Float, ForeignKey, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

NOW = text("now()")
NONE_YET = text("0")
OPEN = text("'{}'")
ONLINE = {"online": True}
"""`info` of an index that is built while the mill works, after the revisions (see `ledger.online_indexes`)."""


def moment(name: str, *, nullable: bool = True, default_now: bool = False, **options: Any) -> Column[object]:
    default = NOW if default_now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default, **options)


def number(name: str, *, nullable: bool = True, comment: str | None = None) -> Column[float]:
    return Column(name, Float(53), nullable=nullable, comment=comment)


def of_job(*names: str) -> list[SchemaItem]:
    """The columns that identify a row of one job; rows go when their job goes."""
    job = Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    return [job, *key_columns(*names)]


def key_columns(*names: str) -> list[Column[int]]:
    return [Column(name, Integer, primary_key=True, autoincrement=False) for name in names]


def generated() -> list[SchemaItem]:
    """The model's words: without the template's markup, and raw."""
    return [
        Column("text", Text, nullable=False),
        Column("raw_text", Text, nullable=False),
        Column("finish_reason", Text, nullable=False),
        Column("prompt_tokens", Integer, nullable=False),
        Column("output_tokens", Integer, nullable=False),
    ]


def frame() -> list[SchemaItem]:
    """Which frame a row speaks of: index 0 and no timestamp for an image."""
    return [
        Column("media_ordinal", Integer, nullable=False),
        Column("frame_index", Integer, nullable=False),
        number("timestamp_s"),
    ]


def search_words(table: Table) -> Index:
    """What full-text search reads: stems of English, other words as they are, letters of Chinese, Japanese and Korean.

    An index over an expression, not a generated column: adding one rewrites the table under a lock that stops
    everything. The views' `words` and `reelmill.search()` say the same expression.
    """
    letters = r"[\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF]"
    words = text(rf"to_tsvector('english', regexp_replace(text, '({letters})', ' \1 ', 'g'))")
    return Index(f"{table.name}_words_idx", words, postgresql_using="gin", info=ONLINE, _table=table)
