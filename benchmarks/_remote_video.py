"""A 10-minute video in S3 (moto's server, over HTTP): which part of it is fetched for some frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import boto3
import numpy as np
from moto.server import ThreadedMotoServer

from benchmarks._clips import FPS, H264_LONG, made
from benchmarks.mill import environment
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.media.types import TilingSpec
from reelmill.schema.tasks import Sampling
from reelmill.settings import Settings
from worker.intake import Intake, TakenMedia
from worker.storage import RangedObject, Storage
from worker.storage.s3_ranges import S3Ranges

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

TEN_MINUTES_FRAMES = 600 * FPS
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
URI = "s3://videos/long.mp4"
LAYOUTS = {"index_first": {"movflags": "faststart"}, "index_last": dict[str, str]()}


@dataclass(frozen=True, slots=True)
class Fetched:
    """`bytes` were asked for in `requests`, of an object of `size_bytes`; `equal`: the tiles are the whole file's."""

    bytes: int
    requests: int
    size_bytes: int
    equal: bool

    @property
    def ratio(self) -> float:
        return self.bytes / self.size_bytes


def fetched(layout: str, segments: int) -> Fetched:
    """Decode some segments by ranges and once more from the whole object."""
    with environment(CREDENTIALS), _server() as client, tempfile.TemporaryDirectory() as folder, DecodePool(1) as pool:
        body = _ten_minutes(Path(folder) / "long.mp4", LAYOUTS[layout]).read_bytes()
        client.put_object(Bucket="videos", Key="long.mp4", Body=body)
        by_ranges = _Side(client.meta.endpoint_url, 32, pool, Path(folder))
        whole = _Side(client.meta.endpoint_url, 0, pool, Path(folder))
        ours, theirs = by_ranges.take(segments), whole.take(segments)
        equal = np.array_equal(ours.decoded.tiles, theirs.decoded.tiles) and ours.decoded.info == theirs.decoded.info
        return Fetched(by_ranges.bytes, by_ranges.requests, len(body), equal)


class _Side:
    def __init__(self, endpoint_url: str, ranges_from_mb: int, pool: DecodePool, folder: Path) -> None:
        settings = Settings(s3_endpoint_url=endpoint_url, ranges_from_mb=ranges_from_mb)
        self._intake, self._folder = Intake(settings, Storage(settings), pool, folder), folder
        self.bytes, self.requests = 0, 0

    def take(self, segments: int) -> TakenMedia:
        cancellation, storage = Cancellation(), self._intake.storage
        with storage.open(URI, storage.stat(URI), self._folder, cancellation) as found:
            sampling = Sampling(num_segments=segments)
            taken = self._intake.take(URI, found, sampling, TilingSpec(448, 12), cancellation)
            ranges = found.ranges if isinstance(found, RangedObject) else None
            if isinstance(ranges, S3Ranges):
                self.bytes, self.requests = ranges.fetched_bytes, ranges.requests
            if taken.sha256 is not None:
                self.bytes, self.requests = self.bytes + found.size_bytes, self.requests + 1
        return taken


@contextmanager
def _server() -> Iterator[S3Client]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="videos")
        yield client
    finally:
        server.stop()


def _ten_minutes(path: Path, options: dict[str, str]) -> Path:
    """The benchmark's H.264 clip (1080p, a keyframe every 10 s, B-frames) again and again, not encoded again."""
    with av.open(str(path), "w", options=options) as copy:
        stream = None
        for number in range(TEN_MINUTES_FRAMES // H264_LONG.frames):
            with av.open(str(made(H264_LONG))) as clip:
                stream = stream or copy.add_stream_from_template(clip.streams.video[0])
                for packet in clip.demux(video=0):
                    if packet.dts is not None and packet.pts is not None:
                        shift = int(Fraction(H264_LONG.frames * number, FPS) / packet.time_base)
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        copy.mux(packet)
    return path
