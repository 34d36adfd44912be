"""Starting, finding and stopping the embedded services. For one machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shlex
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reelmill.embedded import postgres_server, redis_server
from reelmill.embedded.account import ServiceAccount
from reelmill.embedded.postgres_server import PostgresServer, postgres_answers, psql_program
from reelmill.embedded.redis_server import RedisServer, redis_answers
from reelmill.errors import EmbeddedServicesError
from reelmill.settings import settings

ROOTS_SHARED_DIR = Path("/var/lib/reelmill")
"""Where root's servers keep their data: `nobody` must reach it, and home directories stay closed."""


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Where the embedded services answer: ordinary URLs that psql, redis-cli and every driver understand."""

    database_url: str
    redis_url: str


def up(data_dir: Path | None = None) -> ServiceUrls:
    """Start Postgres and Redis as daemons that outlive this process; what already runs is left alone.

    Any number of processes may call it at once. For one machine: both listen on 127.0.0.1 alone, behind a password.

    Args:
        data_dir: where the note about them is kept, and their data unless the caller is root (then it is below
            /var/lib/reelmill, and the servers run as `nobody`); REELMILL_HOME by default.

    Raises:
        EmbeddedServicesError: the wheels are missing, or a server did not start.
    """
    home = _home(data_dir)
    with _locked(home):
        postgres, redis = _servers(home)
        noted = _read_note(home)
        urls = ServiceUrls(_postgres_up(postgres, noted), _redis_up(redis, noted))
        _write_note(home, urls)
    return urls


def down(data_dir: Path | None = None, *, purge: bool = False) -> bool:
    """Stop both services; True if one of them was running.

    Args:
        data_dir: as given to `up`.
        purge: also delete their data.

    Raises:
        EmbeddedServicesError: Postgres would not stop.
    """
    home = _home(data_dir)
    with _locked(home):
        noted = _read_note(home)
        if noted is None and not purge:
            return False
        postgres, redis = _servers(home)
        ran = [noted is not None and redis.stop(noted.redis_url), postgres.stop()]
        if purge:
            shutil.rmtree(postgres.root, ignore_errors=True)
            _note_path(home).unlink(missing_ok=True)
    return any(ran)


def locate(data_dir: Path | None = None) -> ServiceUrls | None:
    """The services that `up` started, if both answer now."""
    noted = _read_note(_home(data_dir))
    if noted is None or not redis_answers(noted.redis_url) or not postgres_answers(noted.database_url):
        return None
    return noted


def psql_command(urls: ServiceUrls) -> str:
    """A shell line that opens psql on the embedded Postgres (psql comes with the wheel)."""
    return shlex.join([shutil.which("psql") or str(psql_program()), urls.database_url])


def _home(data_dir: Path | None) -> Path:
    return (data_dir or settings().home).expanduser().resolve()


def _servers(home: Path) -> tuple[PostgresServer, RedisServer]:
    account = ServiceAccount.current()
    programs = (home if account.is_caller else ROOTS_SHARED_DIR) / "programs"
    postgres_site = postgres_server.WHEEL.programs_for(account, programs)
    redis_site = redis_server.WHEEL.programs_for(account, programs)
    root = _data_root(home, account)
    password = _password(root, account)
    return (
        PostgresServer(account, postgres_site, root, password),
        RedisServer(account, redis_site, root, password),
    )


def _data_root(home: Path, account: ServiceAccount) -> Path:
    if account.is_caller:
        root = home / "services"
    else:
        root = ROOTS_SHARED_DIR / "services" / hashlib.sha256(str(home).encode()).hexdigest()[:16]
    try:
        root.mkdir(parents=True, exist_ok=True)
        account.own(root)
        if not account.is_caller:
            for passage in (ROOTS_SHARED_DIR, root.parent):
                passage.chmod(0o755)
    except OSError as error:
        raise EmbeddedServicesError(
            f"cannot write there ({error.strerror})", subject=str(root), next_step="Set REELMILL_HOME elsewhere"
        ) from error
    return root


def _password(root: Path, account: ServiceAccount) -> str:
    path = root / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
        account.own(path)
    return path.read_text()


def _postgres_up(server: PostgresServer, noted: ServiceUrls | None) -> str:
    if noted is not None and postgres_answers(noted.database_url):
        return noted.database_url
    server.stop()
    port = _free_port(noted.database_url if noted else None)
    server.start(port)
    return server.url(port)


def _redis_up(server: RedisServer, noted: ServiceUrls | None) -> str:
    if noted is not None and redis_answers(noted.redis_url):
        return noted.redis_url
    port = _free_port(noted.redis_url if noted else None)
    server.start(port)
    return server.url(port)


def _free_port(earlier_url: str | None) -> int:
    """The port of the last time if it is still free, so that URLs in use stay right; else any."""
    earlier = urlsplit(earlier_url).port if earlier_url else None
    for port in (earlier, 0) if earlier else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last time may linger
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedServicesError("no free TCP port on 127.0.0.1")


def _note_path(home: Path) -> Path:
    return home / "services.json"


def _read_note(home: Path) -> ServiceUrls | None:
    try:
        return ServiceUrls(**json.loads(_note_path(home).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write_note(home: Path, urls: ServiceUrls) -> None:
    scratch = home / "services.json.new"
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(asdict(urls)))
    scratch.replace(_note_path(home))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "services.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise EmbeddedServicesError(
            f"cannot write there ({error.strerror})", subject=str(home), next_step="Set REELMILL_HOME elsewhere"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
