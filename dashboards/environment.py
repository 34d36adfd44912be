"""Superset in an environment of its own, with its own small database, for one person on this machine."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from reelmill.errors import ReelmillError

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "superset-requirements.txt"
HOST = "127.0.0.1"
_THREADS = 8
_ANSWER_WITHIN_S = 120


class SupersetError(ReelmillError):
    code = "superset_failed"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once, kept for their owner alone."""

    key: str
    admin: str
    reader: str

    @classmethod
    def of(cls, path: Path) -> Secrets:
        """Read them, or make them."""
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(json.dumps(asdict(cls(*(secrets.token_urlsafe(bytes_) for bytes_ in (42, 12, 24))))))
        return cls(**json.loads(path.read_text()))


class Environment:
    """Args: root: where the environment and its data are (0.8 GB); deleting it deletes everything."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._home = self._root / "home"
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.secrets = Secrets.of(self._home / "secrets.json")

    def install(self) -> bool:
        """Install what REQUIREMENTS names and make Superset's tables; False where that was done before.

        Raises:
            SupersetError: something could not be installed; what was said is on standard error.
        """
        wanted = REQUIREMENTS.read_text(encoding="utf-8")
        done = self._home / "installed.txt"
        if done.exists() and done.read_text(encoding="utf-8") == wanted:
            return False
        self._do(sys.executable, "-m", "venv", str(self._root))
        # Exactly these: resolved anew, versions could come that Superset does not work with.
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
        self._do(self._program("python"), *pip, "-r", str(REQUIREMENTS))
        self._do(self._program("superset"), "db", "upgrade")
        self._do(self._program("superset"), "init")
        done.write_text(wanted, encoding="utf-8")
        return True

    def load(self, bundle: Path) -> None:
        """Import a bundle of assets in place of an earlier one, and make the login `admin`."""
        said = json.dumps({"bundle": str(bundle), "password": self.secrets.admin})
        self._do(self._program("python"), str(HERE / "load.py"), told=said)

    def serve(self, port: int) -> None:
        """Become the server, in the foreground: does not return."""
        program = self._program("gunicorn")
        limits = ("--workers", "1", "--threads", str(_THREADS), "--timeout", str(_ANSWER_WITHIN_S))
        listen = ("--bind", f"{HOST}:{port}", "--log-level", "warning")
        os.execve(program, [program, *limits, *listen, "superset.app:create_app()"], self._variables())

    def _do(self, *command: str, told: str | None = None) -> None:
        ran = subprocess.run(
            command,
            check=False,
            env=self._variables(),
            input=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if ran.returncode:
            last = "\n".join(ran.stdout.splitlines()[-20:])
            raise SupersetError(
                f"{Path(command[0]).name} {' '.join(command[1:3])} ended with {ran.returncode}:\n{last}",
                subject=str(self._root),
                next_step="Mend what it says; deleting this directory starts anew",
            )

    def _program(self, name: str) -> str:
        return str(self._root / "bin" / name)

    def _variables(self) -> dict[str, str]:
        """The caller's, without those that would lead Python elsewhere, and Superset's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SUPERSET_"))}
        return kept | {
            "FLASK_APP": "superset.app:create_app()",
            "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
            "SUPERSET_HOME": str(self._home),
            "SUPERSET_SECRET_KEY": self.secrets.key,
            "SCARF_ANALYTICS": "false",
            # "The last day" is read in the server's time; the queries' sessions are in UTC, too.
            "TZ": "UTC",
        }
