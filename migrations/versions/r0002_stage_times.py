"""Stage times: prefill and write, tiles; what each column of them means stands in the database."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE jobs
    ADD COLUMN prefill_s double precision,
    ADD COLUMN write_s double precision,
    ADD COLUMN tiles integer
"""

MEANINGS = {
    "fetch_s": "Seconds from asking for the first media to holding the last; versions are pinned meanwhile.",
    "decode_s": "Seconds in which the media became tiles, the wait for a free decode process included.",
    "wait_s": "Seconds that the slowest request stood in the engine's queue; summed over rounds of a conversation.",
    "vision_s": "Seconds in which that request's tiles were encoded, together with those of its neighbours.",
    "prefill_s": "Seconds from there to its first token; 0 where the engine cannot tell, then generate_s has them.",
    "generate_s": "Seconds from its first token to its last.",
    "write_s": "Seconds that the database took to write the results, up to the commit.",
    "tiles": "Tiles that the media became, each counted once, however many questions were asked.",
    "prompt_tokens": "Tokens of all prompts together, those that stand for tiles included.",
    "output_tokens": "Tokens generated for all answers together.",
}


def upgrade() -> None:
    op.execute(COLUMNS)
    for column, meaning in MEANINGS.items():
        quoted = meaning.replace("'", "''")
        op.execute(f"COMMENT ON COLUMN jobs.{column} IS '{quoted}'")
