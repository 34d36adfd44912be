"""Running the command."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from reelmill.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines; fails if anything else is on it."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json(self) -> dict[str, Any]:
        (line,) = self.lines
        return line

    @property
    def error(self) -> dict[str, str]:
        return self.json["error"]


def reelmill(*arguments: object) -> Ran:
    """Run `reelmill …` in this process: the same code as the command, without its start."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["reelmill", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = argv
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def reelmill_process(*arguments: object, timeout_s: float = 60) -> Ran:
    """Run the real command in a process of its own, with this process's environment."""
    command = [sys.executable, "-m", "reelmill", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)
