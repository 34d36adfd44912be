"""`up`, `down`, `migrate`: the services of this machine and the tables."""

from __future__ import annotations

from typing import Annotated

import typer

from reelmill.cli.database import database_url
from reelmill.cli.output import Json, console, error_console, write_json
from reelmill.settings import settings


def up(as_json: Json = False) -> None:
    """Start an embedded Postgres and Redis, for one machine, and make the tables.

    They run on after this command, until `reelmill down`; every verb with the same REELMILL_HOME finds them.
    What runs already is left alone.

    Example: `reelmill up`
    """
    from reelmill import embedded
    from reelmill.ledger.migrate import upgrade

    urls = embedded.up()
    upgrade(urls.database_url)
    if as_json:
        write_json({"database_url": urls.database_url, "redis_url": urls.redis_url})
        return
    console().print(f"Postgres  {urls.database_url}", soft_wrap=True)
    console().print(f"Redis     {urls.redis_url}", soft_wrap=True)
    console().print(f"SQL       {embedded.psql_command(urls)}", soft_wrap=True)
    _warn_about_overrides()


def down(
    purge: Annotated[bool, typer.Option("--purge", help="Also delete their data.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the embedded Postgres and Redis; the data stays for the next `up`.

    Example: `reelmill down`
    """
    from reelmill import embedded

    stopped = embedded.down(purge=purge)
    if as_json:
        write_json({"stopped": stopped, "purged": purge})
    else:
        console().print(("Stopped" if stopped else "Nothing ran") + ("; the data is gone" if purge else ""))


def migrate(as_json: Json = False) -> None:
    """Make the tables, or bring them up to date. Safe to run again.

    Example: `REELMILL_DATABASE_URL=postgresql://… reelmill migrate`
    """
    from reelmill.ledger.database import Database
    from reelmill.ledger.migrate import newest, upgrade

    url = database_url()
    upgrade(url)
    name = Database(url, pool_size=1).name
    if as_json:
        write_json({"database": name, "version": newest()})
    else:
        console().print(f"{name} is at version {newest()}", soft_wrap=True)


def _warn_about_overrides() -> None:
    in_the_way = [
        f"REELMILL_{name.upper()}" for name in ("database_url", "redis_url") if getattr(settings(), name) is not None
    ]
    if in_the_way:
        error_console().print(f"Note: {' and '.join(in_the_way)} set here go before these", style="yellow")
