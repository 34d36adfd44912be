"""`serve`: the live page."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from reelmill.cli.database import database_url
from reelmill.cli.output import Json, tell
from reelmill.cli.pictures import picture_source
from reelmill.errors import SpecError
from reelmill.extras import extra
from reelmill.settings import settings

PORT = 8321
CONNECTIONS = 8
STATEMENT_S = 20.0
"""The longest that a page may keep the database busy."""


def serve(
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on; any but loopback asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any that is free.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="REELMILL_SERVE_TOKEN",
            help="What visitors show.",
            show_default="made, where one is needed",
        ),
    ] = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="Read the media for their frames.")] = True,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
    as_json: Json = False,
) -> None:
    """Show batches, media and what was said of them, live from the database; ends on SIGTERM or Ctrl-C.

    It reads only. Frames are read on demand from where the media lie: file:// below REELMILL_FILE_ROOTS, s3:// with
    your credentials. REELMILL_SERVE_TOKEN keeps the token out of the list of processes.

    Example: `reelmill serve --host 0.0.0.0 --port 8080`
    """
    with extra("serve", purpose="reelmill serve"):
        from reelmill.live import Door, Server, live_app
        from reelmill.live.door import SHORTEST_TOKEN, is_loopback, new_token
    from reelmill.ledger.database import Database
    from reelmill.logs import configure_logging

    in_force = settings()
    if token is None and in_force.serve_token is not None:
        token = in_force.serve_token.get_secret_value()
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise SpecError(
            f"shorter than {SHORTEST_TOKEN} characters", subject="--token", next_step="Leave it out: a good one is made"
        )
    if token is None and not is_loopback(host):
        token = new_token()
    configure_logging(in_force)
    database = Database(database_url(), pool_size=CONNECTIONS, silence_s=2 * STATEMENT_S, read_only_s=STATEMENT_S)
    try:
        database.check_schema()
        with Server(host, port) as server:
            url = f"{server.url}?token={token}" if token else server.url
            tell({"url": url}, url, as_json=as_json)
            if open_browser:
                typer.launch(url)
            server.run(live_app(database, partial(picture_source, frames), Door(token, server.port)))
    finally:
        database.close()
