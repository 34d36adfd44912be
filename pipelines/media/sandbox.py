"""What a decoder process takes from itself before it touches a file. Linux only.

System calls: prctl(2), unshare(2), getrlimit(2).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MAX_OPEN_FILES = 256


def confine(parent_pid: int) -> None:
    """No network where the kernel lets us, no new privileges, no core files; dies with its parent.

    Has to come before anything starts a thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # As root the network goes alone; others need a user namespace, which many containers forbid: then it stays.
    if libc.unshare(CLONE_NEWNET) != 0 and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:
        # /proc/self/fd would belong to nobody.
        libc.prctl(PR_SET_DUMPABLE, 1)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        # It died before we asked to be told.
        os._exit(1)
    _set_limits()
    # The parent decides when we go: a Ctrl-C or a SIGTERM to the whole group is its to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _set_limits() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    with suppress(OSError):
        # If memory runs out all the same, the kernel should take the decoder and not the worker.
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_memory(memory_bytes: int) -> None:
    """Allocations past this fail. Private memory only: mapped libraries and the tiles' own file do not count."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
