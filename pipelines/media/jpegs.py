"""Frames as small JPEG files, for people to look at; read by a confined process that may die instead of ours.

`python -m pipelines.media.jpegs PARENT_PID` takes one request per line (JSON) and answers each with a line
(`{"files": [[index, bytes], …]}` or `{"problem": "…"}`) and the files, back to back.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import pipelines
from pipelines.errors import DecoderCrashedError, DecodeTimeoutError, MediaError
from pipelines.media.sandbox import confine, limit_memory

if TYPE_CHECKING:
    from pipelines.media.tiling import Picture

INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
JPEG_QUALITY = 78


@dataclass(frozen=True, slots=True)
class JpegRequest:
    """Which frames of a local file. Indices ascend; `longest_side` in pixels; `name` is what errors call the file."""

    path: str
    name: str
    indices: tuple[int, ...]
    longest_side: int
    max_pixels: int
    timeout_s: float
    memory_bytes: int


class JpegReader:
    """Reads one file after the other. Made, used and closed by the same thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, request: JpegRequest) -> dict[int, bytes]:
        """JPEG files by frame index. A frame that cannot be read exactly is left out, never replaced by its neighbour.

        Raises:
            MediaError: what the reader found.
            DecodeTimeoutError: past `timeout_s`.
            DecoderCrashedError: the reader died.
        """
        process = self._process = self._process or _start()
        watch = threading.Timer(request.timeout_s, process.kill)
        watch.start()
        try:
            return _exchange(process, request)
        except (OSError, EOFError, ValueError) as error:
            late = not watch.is_alive()
            self.close()
            if late:
                message = f"reading its frames took longer than {request.timeout_s:g} s"
                raise DecodeTimeoutError(message, subject=request.name) from None
            raise DecoderCrashedError("the reader of its frames died", subject=request.name) from error
        finally:
            watch.cancel()

    def close(self) -> None:
        """End the process. Safe to repeat."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _start() -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    root = str(Path(pipelines.__file__).parents[1])
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "pipelines.media.jpegs", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # No credentials; one thread each, for numpy's libraries count against the memory limit.
        env=environment | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _exchange(process: subprocess.Popen[bytes], request: JpegRequest) -> dict[int, bytes]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(json.dumps(asdict(request)).encode() + b"\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline() or _ended())
    if "problem" in answer:
        raise MediaError(str(answer["problem"]), subject=request.name)
    return {int(index): _exactly(process.stdout, int(size)) for index, size in answer["files"]}


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    return data if len(data) == size else _ended()


def _ended() -> bytes:
    raise EOFError


def main(arguments: Sequence[str]) -> None:
    """Serve requests until standard input ends."""
    confine(int(arguments[0]))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _answer(JpegRequest(**request | {"indices": tuple(request["indices"])}))


def _answer(request: JpegRequest) -> None:
    out = sys.stdout.buffer
    try:
        limit_memory(request.memory_bytes)
        files = _read(request)
    except MediaError as error:
        _tell(out, {"problem": error.message})
    except MemoryError:
        _tell(out, {"problem": f"its frames need more than {request.memory_bytes // 2**20} MB"})
    except Exception as error:  # noqa: BLE001 - the boundary: readers raise anything on hostile bytes
        _tell(out, {"problem": f"its frames cannot be read ({type(error).__name__})"})
    else:
        _tell(out, {"files": [[index, len(file)] for index, file in files.items()]})
        out.write(b"".join(files.values()))
    out.flush()


def _tell(out: IO[bytes], answer: dict[str, object]) -> None:
    out.write(json.dumps(answer).encode() + b"\n")


def _read(request: JpegRequest) -> dict[int, bytes]:
    # Imported only now: numpy starts threads, and a process with threads cannot leave its namespaces.
    from pipelines.media.probe import open_reader
    from pipelines.media.types import DecodeLimits

    with open_reader(request.path, request.name, DecodeLimits(max_pixels=request.max_pixels)) as reader:
        frames = zip(request.indices, reader.read(request.indices), strict=False)
        return {index: _jpeg(frame.picture, request.longest_side) for index, frame in frames if frame.index == index}


def _jpeg(picture: Picture, longest_side: int) -> bytes:
    from PIL import Image

    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.thumbnail((longest_side, longest_side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
