"""The views of the schema `reelmill`: what people and dashboards read. The tables in `public` are internals.

One file per view, named after it, with its comments; `functions.sql` comes first. `reelmill migrate` makes them after
the revisions, whenever a file has changed. Views read tables, never each other, and no view has a table's name: a role
named `reelmill` has this schema on its search path. A view may grow columns at its end; one that loses or renames a
column is dropped by the revision of that release, because somebody's own view may stand on it.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from sqlalchemy import Connection, text

SCHEMA = "reelmill"
_FUNCTIONS = "functions"
_ABOUT = "Views for people and dashboards; the stable interface. Files"


def statements() -> dict[str, str]:
    """The SQL of each file by its name without the ending: functions first, then views by name."""
    found = {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".sql")
    }
    return dict(sorted(found.items(), key=lambda file: (file[0] != _FUNCTIONS, file[0])))


def view_names() -> tuple[str, ...]:
    """The views that the files make."""
    return tuple(name for name in statements() if name != _FUNCTIONS)


def install(connection: Connection) -> bool:
    """Make or replace the views in the caller's transaction; False where they are those of the files already."""
    # Views refer to what is in `public`, whatever the role is called and whatever its search path says.
    connection.execute(text("SET LOCAL search_path TO public"))
    about = f"{_ABOUT} {_fingerprint()}"
    installed = connection.scalar(
        text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :schema"),
        {"schema": SCHEMA},
    )
    if installed == about:
        return False
    # Without parameters the driver reads no percent signs, and takes several statements at once.
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    for statement in (f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}", *statements().values()):
        driver.execute(statement)
    driver.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{about}'")
    return True


def _fingerprint() -> str:
    return hashlib.sha256("".join(statements().values()).encode()).hexdigest()[:12]
