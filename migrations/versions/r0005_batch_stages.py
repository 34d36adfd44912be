"""A view, reelmill.batch_stages: where the time of each batch went, and what starved the GPU."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

VIEW = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS reelmill")
    op.execute(VIEW.read_text(encoding="utf-8"))
