"""`make dashboards`: Apache Superset on this machine, with the dashboard, looking at a running mill as a reader."""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from pathlib import Path

from sqlalchemy import make_url

from dashboards.bundle import Kind, write_bundle
from dashboards.environment import HOST, Environment, SupersetError
from reelmill.cli.database import opened_database
from reelmill.cli.output import console, error_console
from reelmill.errors import ReelmillError

ROLE = "reelmill_dashboards"
DRIVER = "postgresql+psycopg2"
ADDRESS = "http://{host}:{port}/superset/dashboard/reelmill/"


def main() -> int:
    """Exit code 0 (or that of the server), 1 with the reason on standard error."""
    options = _options()
    try:
        if options.zip is not None:
            write_bundle(options.zip, reader_url=options.reader_url and _for_superset(options.reader_url))
            _say(f"{options.zip}: import it in Superset (Dashboards, Import)")
        else:
            _run(options)
    except ReelmillError as error:
        error_console().print(str(error), markup=False, soft_wrap=True)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make dashboards", description=__doc__)
    parser.add_argument("--port", type=int, default=8088, help="of Superset, on 127.0.0.1 (8088)")
    parser.add_argument("--reader-url", help="read the mill as this role; otherwise one is made, by the tables' owner")
    parser.add_argument("--home", type=Path, default=Path(".superset"), help="of Superset, 0.8 GB (.superset)")
    parser.add_argument("--zip", type=Path, metavar="FILE", help="only write the bundle, for a Superset of yours")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> None:
    _check_port(options.port)
    environment = Environment(options.home)
    reader_url = _for_superset(options.reader_url or _made_reader(environment.secrets.reader))
    _say(f"Superset in {options.home}; the first time takes some minutes")
    environment.install()
    with tempfile.TemporaryDirectory() as directory:
        environment.load(write_bundle(Path(directory) / "reelmill.zip", reader_url=reader_url, kind=Kind.ASSETS))
    _say(f"In some seconds: {ADDRESS.format(host=HOST, port=options.port)}")
    _say(f"Login: admin, password: {environment.secrets.admin}   (Ctrl-C ends it)")
    environment.serve(options.port)


def _made_reader(password: str) -> str:
    """The address of the mill as a role of our own that reads the views alone."""
    from reelmill.ledger.roles import Access, give_login, grant

    with opened_database() as database:
        give_login(database, ROLE, password)
        grant(database, ROLE, Access.READER)
        return database.url.set(username=ROLE, password=password).render_as_string(hide_password=False)


def _for_superset(url: str) -> str:
    """The same address, for the driver that Superset has."""
    return make_url(url).set(drivername=DRIVER).render_as_string(hide_password=False)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            next_step = "Choose another one: make dashboards ARGS='--port 8090'"
            raise SupersetError(
                "something else listens there", subject=f"{HOST}:{port}", next_step=next_step
            ) from error


def _say(line: str) -> None:
    console().print(line, markup=False, soft_wrap=True)
    console().file.flush()


if __name__ == "__main__":
    sys.exit(main())
