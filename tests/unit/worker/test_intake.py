"""From an S3 object to tiles: by ranges where it pays, whole where it does not, and the same tiles."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.media.types import TilingSpec
from reelmill.schema.tasks import Sampling
from reelmill.settings import Settings
from tests.unit.media.synthesis import Clip, repeat_clip, write_clip
from worker.errors import ObjectChangedError
from worker.intake import Intake, TakenMedia
from worker.storage import RangedObject, Storage

URI = "s3://bucket/long"
TILING = TilingSpec(96, 1)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("video")
    clip = write_clip(folder / "clip.mp4", Clip(options={"bf": "2"}))
    return repeat_clip(clip, folder / "long.mp4", 120, {}).read_bytes()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="bucket")
        yield client
    server.stop()


def taken(client: Any, pool: DecodePool, tmp_path: Path, sampling: Sampling, **settings: Any) -> TakenMedia:
    intake = intake_of(client, pool, tmp_path, **settings)
    with intake.storage.open(URI, None, tmp_path) as found:
        return intake.take(URI, found, sampling, TILING, Cancellation())


def intake_of(client: Any, pool: DecodePool, tmp_path: Path, **settings: Any) -> Intake:
    made = Settings(s3_endpoint_url=client.meta.endpoint_url, **{"ranges_from_mb": 1, **settings})
    return Intake(made, Storage(made), pool, tmp_path)


def test_a_video_read_by_ranges_gives_the_tiles_of_the_whole_one(
    client: Any, pool: DecodePool, video: bytes, tmp_path: Path
) -> None:
    client.put_object(Bucket="bucket", Key="long", Body=video)
    sampling = Sampling(num_segments=4)
    by_ranges = taken(client, pool, tmp_path, sampling)
    whole = taken(client, pool, tmp_path, sampling, ranges_from_mb=0)
    assert (by_ranges.sha256, whole.sha256) == (None, hashlib.sha256(video).hexdigest())
    assert by_ranges.version == whole.version
    assert (by_ranges.decoded.info, by_ranges.decoded.segments) == (whole.decoded.info, whole.decoded.segments)
    np.testing.assert_array_equal(by_ranges.decoded.tiles, whole.decoded.tiles)
    assert by_ranges.fetch_s > 0


def test_a_video_of_which_most_is_wanted_is_fetched_whole_after_all(
    client: Any, pool: DecodePool, video: bytes, tmp_path: Path
) -> None:
    client.put_object(Bucket="bucket", Key="long", Body=video)
    found = taken(client, pool, tmp_path, Sampling(num_segments=1000))
    assert found.sha256 == hashlib.sha256(video).hexdigest()
    assert len(found.decoded.tiles) == 1000
    assert list(tmp_path.iterdir()) == []


def test_an_object_replaced_under_the_decoder_is_an_error_and_the_decoder_lives_on(
    client: Any, pool: DecodePool, video: bytes, tmp_path: Path
) -> None:
    client.put_object(Bucket="bucket", Key="long", Body=video)
    intake = intake_of(client, pool, tmp_path)
    with intake.storage.open(URI, None, tmp_path) as found:
        assert isinstance(found, RangedObject)
        client.put_object(Bucket="bucket", Key="long", Body=video[:-1] + b"x")
        with pytest.raises(ObjectChangedError, match=f"{URI}: was replaced"):
            intake.take(URI, found, Sampling(), TILING, Cancellation())
    assert len(taken(client, pool, tmp_path, Sampling(num_segments=2)).decoded.tiles) == 2


def test_content_without_a_hash_is_known_by_its_version(
    client: Any, pool: DecodePool, video: bytes, tmp_path: Path
) -> None:
    keys = []
    for body in (video, video, video[:-1] + b"x"):
        client.put_object(Bucket="bucket", Key="long", Body=body)
        keys.append(taken(client, pool, tmp_path, Sampling(num_segments=1)).content_key(URI))
    assert keys[0] == keys[1] != keys[2]


def test_the_video_library_of_the_settings_reaches_the_decoder(
    client: Any, pool: DecodePool, video: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket="bucket", Key="long", Body=video)
    asked = []
    decode = pool.decode
    monkeypatch.setattr(pool, "decode", lambda request, *rest: asked.append(request) or decode(request, *rest))
    for library in ("av", "decord"):
        found = taken(client, pool, tmp_path, Sampling(num_segments=2), ranges_from_mb=0, video_library=library)
        assert len(found.decoded.tiles) == 2
    assert [request.video_library for request in asked] == ["av", "decord"]
