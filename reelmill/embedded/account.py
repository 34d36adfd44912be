"""Who runs the embedded servers, and from which program files."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reelmill.errors import EmbeddedServicesError

UNPRIVILEGED_USER = "nobody"
COMMAND_TIMEOUT_S = 120.0
CLEAN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
"""Nothing of the caller's: PGPORT, PGOPTIONS and friends would change what the programs do."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The user that the servers run as: the caller, or `nobody` when the caller is root (Postgres refuses root)."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> ServiceAccount:
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def is_caller(self) -> bool:
        return self.uid == os.geteuid()

    def run(self, *command: str | Path) -> str:
        """Run a program to its end and return what it said.

        Raises:
            EmbeddedServicesError: it could not be started, failed or took longer than COMMAND_TIMEOUT_S.
        """
        done = self.attempt(*command)
        if done.returncode != 0:
            raise EmbeddedServicesError(
                f"{Path(command[0]).name} failed: {_last_lines(done.stdout)}", subject=str(command[0])
            )
        return done.stdout

    def attempt(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, whatever its exit status."""
        try:
            return subprocess.run(  # noqa: S603 - programs of our own wheels
                [str(part) for part in command], text=True, check=False, timeout=COMMAND_TIMEOUT_S, **self._options()
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedServicesError(str(error), subject=str(command[0])) from error

    def may_execute(self, program: Path) -> bool:
        """Whether this account reaches the program: every parent directory open to it."""
        try:
            return self.attempt(program, "--version").returncode == 0
        except EmbeddedServicesError:
            return False

    def own(self, path: Path) -> None:
        """Give a file or directory to this account, closed to others."""
        path.chmod(0o700 if path.is_dir() else 0o600)
        if not self.is_caller:
            os.chown(path, self.uid, self.gid)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "cwd": "/",
            "env": CLEAN_ENVIRONMENT,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        if not self.is_caller:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that carries server programs: its distribution, the folders they need, and one program to try."""

    distribution: str
    package: str
    folders: tuple[str, ...]
    program: str

    def site(self) -> Path:
        """The directory that the wheel is installed in.

        Raises:
            EmbeddedServicesError: it is not installed.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise EmbeddedServicesError(
                "the embedded services are not installed",
                subject=self.distribution,
                next_step="Run `pip install 'reelmill[local]'`, or set REELMILL_DATABASE_URL and REELMILL_REDIS_URL",
            )
        return Path(spec.origin).parent.parent

    def programs_for(self, account: ServiceAccount, shared: Path) -> Path:
        """The directory that holds `folders` where the account may run them: the wheel itself, or a copy.

        A virtual environment below a closed directory (/root, say) is out of reach of `nobody`; opening that directory
        to everyone is not ours to do.
        """
        site = self.site()
        if account.may_execute(site / self.program):
            return site
        target = shared / f"{self.distribution}-{_installed_version(self.distribution)}"
        if not target.exists():
            self._copy(site, target)
        return target

    def _copy(self, site: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            for folder in self.folders:
                shutil.copytree(site / folder, Path(scratch, "new", folder))
            _open_to_all(Path(scratch, "new"))
            try:
                Path(scratch, "new").rename(target)
            except OSError:
                if not target.exists():  # else another process was first
                    raise


@cache
def _installed_version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _open_to_all(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def _last_lines(text: str, count: int = 3) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "it said nothing"
