"""Checks of this machine: what is installed, GPUs, directories, disk."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reelmill.doctor.check import Check, Status
from reelmill.settings import Settings

WORKER_DISTRIBUTIONS = ("torch", "transformers", "safetensors", "tokenizers", "av", "pillow", "numpy", "boto3")
OPTIONAL_DISTRIBUTIONS = ("decord", "flash-attn", "bitsandbytes")
GPU_TIMEOUT_S = 120.0
# In a process of its own: nothing of the door may import torch, and CUDA must not start here.
GPU_PROBE = """
import json, torch
cuda = torch.cuda
print(json.dumps({"cuda": torch.version.cuda, "gpus": [
    {"name": cuda.get_device_name(i), "gib": round(cuda.get_device_properties(i).total_memory / 2**30),
     "bfloat16": cuda.get_device_capability(i) >= (8, 0)} for i in range(cuda.device_count())]}))
"""


def check_machine(settings: Settings) -> list[Check]:
    """Look at the interpreter, the worker's libraries, the GPUs, the model and the directories."""
    return [
        _python(),
        *_worker_libraries(),
        *_model(settings),
        *_file_roots(settings),
        _download_dir(settings),
    ]


def _python() -> Check:
    return Check("python", Status.OK, f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} CPUs")


def _worker_libraries() -> list[Check]:
    found = {name: _version(name) for name in WORKER_DISTRIBUTIONS + OPTIONAL_DISTRIBUTIONS}
    missing = [name for name in WORKER_DISTRIBUTIONS if found[name] is None]
    listed = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    if missing:
        message = f"missing: {', '.join(missing)}; this machine can submit and read, not serve a model"
        return [Check("worker", Status.WARN, message, "Run `pip install 'reelmill[worker]'` to serve here")]
    return [Check("worker", Status.OK, listed), _gpus(has_flash_attention=found["flash-attn"] is not None)]


def _gpus(*, has_flash_attention: bool) -> Check:
    try:
        probe = subprocess.run(  # noqa: S603 - this interpreter, our own text
            [sys.executable, "-c", GPU_PROBE], capture_output=True, text=True, check=True, timeout=GPU_TIMEOUT_S
        )
        seen = json.loads(probe.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return Check("gpu", Status.FAIL, f"torch does not start: {error}", "Install torch again")
    if not seen["gpus"]:
        return Check("gpu", Status.WARN, "torch sees none; models run on the CPU, slowly", "")
    names = ", ".join(f"{gpu['name']} ({gpu['gib']} GiB)" for gpu in seen["gpus"])
    if all(gpu["bfloat16"] for gpu in seen["gpus"]) and not has_flash_attention:
        return Check("gpu", Status.WARN, f"{names}; without flash-attn", "Run `pip install flash-attn` for more speed")
    return Check("gpu", Status.OK, f"{names}; CUDA {seen['cuda']}")


def _model(settings: Settings) -> list[Check]:
    if settings.model is None or os.path.sep not in settings.model:
        return []
    path = Path(settings.model).expanduser()
    if path.is_dir() and not (path / "config.json").is_file():
        return [Check("model", Status.FAIL, f"{path}: no config.json in it", "Name the checkpoint's directory")]
    if path.is_absolute() and not path.exists():
        return [Check("model", Status.FAIL, f"{path}: no such directory", "Correct REELMILL_MODEL")]
    return [Check("model", Status.OK, f"{settings.model}, served as {settings.served_model_name!r}")]


def _file_roots(settings: Settings) -> list[Check]:
    if not settings.file_roots:
        return [Check("file roots", Status.OK, "none: file:// is refused here")]
    return [_file_root(root) for root in settings.file_roots]


def _file_root(root: Path) -> Check:
    if not root.is_dir():
        return Check("file roots", Status.FAIL, f"{root}: no such directory", "Correct REELMILL_FILE_ROOTS")
    if not os.access(root, os.R_OK | os.X_OK):
        return Check("file roots", Status.FAIL, f"{root}: not readable", "Give the worker's user the right to read it")
    return Check("file roots", Status.OK, f"{root}")


def _download_dir(settings: Settings) -> Check:
    directory = settings.download_dir or Path(tempfile.gettempdir())
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        return Check("download dir", Status.FAIL, f"{directory}: cannot be written to", "Set REELMILL_DOWNLOAD_DIR")
    free = shutil.disk_usage(directory).free
    message = f"{directory}: {free / 2**30:.1f} GiB free"
    if free < settings.max_object_bytes:
        step = "Make room, set REELMILL_DOWNLOAD_DIR elsewhere, or lower REELMILL_MAX_OBJECT_BYTES"
        return Check("download dir", Status.WARN, f"{message}, less than the largest object allowed", step)
    return Check("download dir", Status.OK, message)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
