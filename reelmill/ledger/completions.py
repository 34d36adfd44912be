"""Jobs that were lines of an OpenAI batch file, with their answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database

PAGE_JOBS = 500


@dataclass(frozen=True, slots=True)
class Completion:
    """One line's job at its end. `text` is None unless it succeeded; then the error says why not."""

    job_id: UUID
    custom_id: str | None
    model: str
    finished_at: datetime
    text: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    error_code: str | None
    error_message: str | None


_PAGE = text(
    """
    SELECT jobs.id AS job_id, labels->>'custom_id' AS custom_id, model, finished_at, answers.text, finish_reason,
           answers.prompt_tokens, answers.output_tokens,
           CASE state WHEN 'cancelled' THEN 'cancelled' ELSE error_code END AS error_code, error_message
    FROM jobs LEFT JOIN answers ON answers.job_id = jobs.id AND segment = 0 AND task = 0 AND answers.ordinal = 0
    WHERE batch_id = :batch_id AND state = ANY(:states) AND jobs.id > :after
    ORDER BY jobs.id LIMIT :most
    """
)


def completions(db: Database, batch_id: UUID, *, succeeded: bool) -> Iterator[Completion]:
    """The lines that were answered, or those that were not, in the order of the file; read in pages."""
    states = ["succeeded"] if succeeded else ["failed", "cancelled"]
    after = UUID(int=0)
    while True:
        values = {"batch_id": batch_id, "states": states, "after": after, "most": PAGE_JOBS}
        with db.statement() as connection:
            rows = connection.execute(_PAGE, values).mappings().all()
        yield from (Completion(**row) for row in rows)
        if len(rows) < PAGE_JOBS:
            return
        after = rows[-1]["job_id"]
