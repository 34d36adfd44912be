"""Structured answers: the value of an answer as JSON, the probabilities of choices, and why there is no value."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
compatible_from = "0006"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE answers ADD COLUMN value jsonb, ADD COLUMN probabilities jsonb, ADD COLUMN problem text;
COMMENT ON COLUMN answers.value IS 'The answer as JSON, where a schema was asked for and the answer is of it';
COMMENT ON COLUMN answers.probabilities IS 'Of each choice, summing to 1, where choices were given';
COMMENT ON COLUMN answers.problem IS 'Why an answer that was to have a form has none; raw_text is what was said';
"""


def upgrade() -> None:
    op.execute(COLUMNS)
