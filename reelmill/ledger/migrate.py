"""Running the migrations from wherever they are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from reelmill.errors import SettingsError
from reelmill.ledger.database import Database


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the tables up to `revision`. Safe to run several times, and by several processes at once.

    Raises:
        SettingsError: not a Postgres URL.
        DatabaseUnavailableError: Postgres does not answer.
    """
    database = Database(url, pool_size=1)
    try:
        with database.transaction() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        database.close()


def newest() -> str:
    """The newest revision that is installed."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SettingsError("there are no migrations", subject="migrations", next_step="Install reelmill again")
    return head


def _config() -> Config:
    """Alembic's settings without a file: the scripts lie beside the installed `migrations` package."""
    spec = importlib.util.find_spec("migrations")
    if spec is None or spec.origin is None:
        raise SettingsError("the package is not installed", subject="migrations", next_step="Install reelmill again")
    config = Config()
    # ConfigParser reads % as interpolation.
    config.set_main_option("script_location", str(Path(spec.origin).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
