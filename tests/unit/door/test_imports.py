"""What `import reelmill` may cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "numpy", "celery", "kombu", "redis", "sqlalchemy", "psycopg", "boto3", "rich")
AFTER_CLIENT = ("torch", "transformers", "numpy", "celery", "kombu", "boto3", "decord", "av", "PIL")


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [("import reelmill", HEAVY), ("from reelmill import Client, Job, Batch", AFTER_CLIENT)],
)
def test_importing_loads_nothing_heavy(program: str, unwanted: tuple[str, ...]) -> None:
    check = f"{program}; import sys; print([name for name in {unwanted} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
