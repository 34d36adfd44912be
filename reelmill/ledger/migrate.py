"""Running the migrations from wherever they are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError

from reelmill.errors import SchemaOutOfDateError, SettingsError
from reelmill.ledger import analyst
from reelmill.ledger.database import Database
from reelmill.ledger.online_indexes import build_online_indexes


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the tables up to `revision`, and at the newest one the views and the indexes that are built online.

    Safe to run several times, and by several processes at once; a build of an index that was cut off is begun again.

    Raises:
        SettingsError: not a Postgres URL.
        DatabaseUnavailableError: Postgres does not answer.
        SchemaOutOfDateError: the tables are those of a newer reelmill already.
    """
    database = Database(url, pool_size=1)
    try:
        with database.transaction() as connection:
            config = _config()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, revision)
            except CommandError as error:
                if not isinstance(error.__cause__, ResolutionError):
                    raise
                advice = "They are newer: install the reelmill that migrated them"
                raise SchemaOutOfDateError(str(error), subject=database.name, next_step=advice) from error
            if revision == "head":
                analyst.install(connection)
        if revision == "head":
            build_online_indexes(database)
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
