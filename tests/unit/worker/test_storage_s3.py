"""s3:// over real HTTP: moto's server, and a server that misbehaves as networks do."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, WholeFileNeededError
from reelmill.settings import Settings
from worker.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    StorageUnavailableError,
)
from worker.storage import FetchedObject, ObjectVersion, RangedObject, Storage, downloads, s3, s3_ranges

LIMIT_BYTES = 5_000_000
MP4 = b"\0\0\0\x14ftypisom" + bytes(range(256)) * 12_000
BODY = bytes(range(256)) * 12_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def client(endpoint: str, _credentials: None) -> Any:
    made = boto3.client("s3", endpoint_url=endpoint)
    made.create_bucket(Bucket="bucket")
    made.create_bucket(Bucket="versioned")
    made.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return made


@pytest.fixture
def storage(endpoint: str, _credentials: None) -> Storage:
    return Storage(Settings(s3_endpoint_url=endpoint, max_object_bytes=LIMIT_BYTES))


def test_an_object_is_on_disk_with_its_hash_and_gone_afterwards(client: Any, storage: Storage, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=BODY)
    with storage.fetch("s3://bucket/a", None, tmp_path / "new") as fetched:
        assert fetched.path.read_bytes() == BODY
        assert fetched.size_bytes == len(BODY)
        assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
        assert fetched.version == storage.stat("s3://bucket/a")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("key", ["a b/c?d#e%20f.png", "../../etc/passwd", "ключ.mp4", "dir//x", "a" * 900])
def test_odd_keys_are_taken_as_they_stand(client: Any, storage: Storage, tmp_path: Path, key: str) -> None:
    client.put_object(Bucket="bucket", Key=key, Body=key.encode())
    with storage.fetch(f"s3://bucket/{key}", None, tmp_path) as fetched:
        assert fetched.path.read_bytes() == key.encode()
        assert fetched.path.parent == tmp_path


def test_an_empty_object_is_an_empty_file(client: Any, storage: Storage, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="empty", Body=b"")
    with storage.fetch("s3://bucket/empty", None, tmp_path) as fetched:
        assert (fetched.size_bytes, fetched.path.stat().st_size) == (0, 0)


def test_a_replaced_object_is_a_clear_error_and_never_a_mixture(client: Any, storage: Storage, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=b"first")
    pinned = storage.stat("s3://bucket/a")
    client.put_object(Bucket="bucket", Key="a", Body=b"second")
    with (
        pytest.raises(ObjectChangedError, match=r"s3://bucket/a: was replaced.*Submit it again"),
        storage.fetch("s3://bucket/a", pinned, tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_pinned_version_is_read_though_a_newer_one_is_there(client: Any, storage: Storage, tmp_path: Path) -> None:
    client.put_object(Bucket="versioned", Key="a", Body=b"first")
    pinned = storage.stat("s3://versioned/a")
    assert pinned.version_id
    client.put_object(Bucket="versioned", Key="a", Body=b"second")
    with storage.fetch("s3://versioned/a", pinned, tmp_path) as fetched:
        assert fetched.path.read_bytes() == b"first"
        assert fetched.version == pinned


@pytest.mark.parametrize("uri", ["s3://bucket/nothing", "s3://no-such-bucket/a"])
def test_what_is_not_there_is_not_found(client: Any, storage: Storage, tmp_path: Path, uri: str) -> None:
    with (
        pytest.raises(ObjectNotFoundError, match=f"{uri}: there is no such object"),
        storage.fetch(uri, None, tmp_path),
    ):
        pass
    with pytest.raises(ObjectNotFoundError):
        storage.stat(uri)


def test_too_large_an_object_is_refused_before_a_byte_is_written(client: Any, endpoint: str, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="large", Body=bytes(1001))
    storage = Storage(Settings(s3_endpoint_url=endpoint, max_object_bytes=1000))
    folder = tmp_path / "downloads"
    with (
        pytest.raises(ObjectTooLargeError, match="1001 bytes, the limit is 1000"),
        storage.fetch("s3://bucket/large", None, folder),
    ):
        pass
    assert not folder.exists()


def test_no_credentials_are_said_to_be_missing(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(AccessDeniedError, match="no S3 credentials"):
        Storage(Settings(s3_endpoint_url=endpoint)).stat("s3://bucket/a")


def test_nobody_listening_is_passing_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "TRIES_PER_REQUEST", 1)
    with pytest.raises(StorageUnavailableError, match="cannot be reached") as raised:
        Storage(Settings(s3_endpoint_url="http://127.0.0.1:9")).stat("s3://bucket/a")
    assert raised.value.transient


def test_a_full_disk_is_passing_trouble_and_leaves_nothing(
    client: Any, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=BODY)

    class FullFile:
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __enter__(self) -> "FullFile":
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(downloads, "open", lambda *_, **__: FullFile(), raising=False)
    with (
        pytest.raises(StorageUnavailableError, match="No space left on device"),
        storage.fetch("s3://bucket/a", None, tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_passing_trouble(client: Any, storage: Storage, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=b"x")
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageUnavailableError, match="REELMILL_DOWNLOAD_DIR"),
        storage.fetch("s3://bucket/a", None, tmp_path / "file" / "below"),
    ):
        pass


def test_many_threads_share_the_client(client: Any, storage: Storage, tmp_path: Path) -> None:
    for number in range(16):
        client.put_object(Bucket="bucket", Key=f"n{number}", Body=str(number).encode() * 1000)

    def fetched(number: int) -> bytes:
        with storage.fetch(f"s3://bucket/n{number}", None, tmp_path) as found:
            return found.path.read_bytes()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(fetched, range(16))) == [str(number).encode() * 1000 for number in range(16)]
    assert list(tmp_path.iterdir()) == []


def test_cancelling_stops_a_download_and_leaves_nothing(client: Any, storage: Storage, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=BODY)
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError), storage.fetch("s3://bucket/a", None, tmp_path, cancellation):
        pass
    assert list(tmp_path.iterdir()) == []


class Misbehaving(BaseHTTPRequestHandler):
    """One object; each request takes the next fault off the list.

    A status, "cut" (half of what was asked; "cut and replace": and then another object), "ignore ranges", or None.
    """

    protocol_version = "HTTP/1.1"
    body = BODY
    faults: list[int | str | None]
    requests: list[dict[str, str]]
    etag = '"version-1"'

    def do_GET(self) -> None:
        self.requests.append(dict(self.headers))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            self._answer(fault, f"<Error><Code>{fault}</Code><Message>token=secret</Message></Error>".encode())
            return
        if self.headers.get("If-Match") not in (None, self.etag):
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        first, _, last = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
        ranged = "Range" in self.headers and fault != "ignore ranges"
        rest = self.body[int(first) : int(last or len(self.body)) + 1] if ranged else self.body
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(rest) - 1}/{len(self.body)}")
        self.send_header("ETag", self.etag)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut = fault is not None and fault.startswith("cut")
        self.wfile.write(rest[: len(rest) // 2] if cut else rest)
        self.close_connection = cut
        if fault == "cut and replace":
            type(self).etag = '"version-2"'

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Misbehaving]]:
    monkeypatch.setattr(s3, "TRIES_PER_REQUEST", 2)
    handler = type("Handler", (Misbehaving,), {"faults": [], "requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield handler
        server.shutdown()


def storage_of(handler: type[Misbehaving]) -> Storage:
    return Storage(Settings(s3_endpoint_url=handler.url))  # type: ignore[attr-defined]


def test_a_cut_connection_is_resumed_where_it_broke(misbehaving: type[Misbehaving], tmp_path: Path) -> None:
    misbehaving.faults = ["cut", "cut"]
    with storage_of(misbehaving).fetch("s3://bucket/a", None, tmp_path) as fetched:
        assert fetched.path.read_bytes() == BODY
        assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert [request.get("Range") for request in misbehaving.requests] == [
        None,
        f"bytes={len(BODY) // 2}-",
        f"bytes={len(BODY) - len(BODY) // 4}-",
    ]
    assert [request.get("If-Match") for request in misbehaving.requests[1:]] == [misbehaving.etag] * 2


def test_an_object_replaced_behind_a_cut_is_an_error(misbehaving: type[Misbehaving], tmp_path: Path) -> None:
    misbehaving.faults = ["cut and replace"]
    with pytest.raises(ObjectChangedError), storage_of(misbehaving).fetch("s3://bucket/a", None, tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_is_cut_again_and_again_is_passing_trouble(
    misbehaving: type[Misbehaving], tmp_path: Path
) -> None:
    misbehaving.faults = ["cut"] * 10
    with (
        pytest.raises(StorageUnavailableError, match=r"cut at byte .* of 3072000") as raised,
        storage_of(misbehaving).fetch("s3://bucket/a", None, tmp_path),
    ):
        pass
    assert raised.value.transient
    assert list(tmp_path.iterdir()) == []


def test_one_error_of_the_server_is_tried_again(misbehaving: type[Misbehaving], tmp_path: Path) -> None:
    misbehaving.faults = [503]
    with storage_of(misbehaving).fetch("s3://bucket/a", None, tmp_path) as fetched:
        assert fetched.size_bytes == len(BODY)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, StorageUnavailableError),
        (503, StorageUnavailableError),
        (429, StorageUnavailableError),
        (403, AccessDeniedError),
        (404, ObjectNotFoundError),
        (412, ObjectChangedError),
    ],
)
def test_each_refusal_has_its_error_and_none_quotes_the_server(
    misbehaving: type[Misbehaving], tmp_path: Path, status: int, error: type[Exception]
) -> None:
    misbehaving.faults = [status] * 5
    pinned = ObjectVersion(misbehaving.etag, None, 1)
    with (
        pytest.raises(error, match=rf"s3://bucket/a: .*{status}") as raised,
        storage_of(misbehaving).fetch("s3://bucket/a", pinned, tmp_path),
    ):
        pass
    assert "secret" not in str(raised.value)


@pytest.fixture
def ranged_storage(endpoint: str, _credentials: None) -> Storage:
    return Storage(Settings(s3_endpoint_url=endpoint, ranges_from_mb=1))


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("bucket", ["bucket", "versioned"])
def test_a_large_mp4_stays_where_it_is(
    client: Any, ranged_storage: Storage, tmp_path: Path, pinned: bool, bucket: str
) -> None:
    client.put_object(Bucket=bucket, Key="long", Body=MP4)
    version = ranged_storage.stat(f"s3://{bucket}/long")
    with ranged_storage.open(f"s3://{bucket}/long", version if pinned else None, tmp_path) as found:
        assert isinstance(found, RangedObject)
        assert (found.version, found.size_bytes) == (version, len(MP4))
        assert found.ranges.read(0, 16_384, 16_384) == MP4[:16_384]
        assert found.ranges.read(2_000_000, 1000, 2_500_000) == MP4[2_000_000:2_001_000]
        assert found.ranges.read(len(MP4) - 7, 7, len(MP4)) == MP4[-7:]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "from_mb"),
    [(MP4[: 2**20 - 1], 1), (MP4, 0), (b"\x89PNG\r\n\x1a\n" + BODY, 1), (b"\x1aE\xdf\xa3" + BODY, 1), (b"", 1)],
    ids=["small", "switched off", "picture", "matroska", "empty"],
)
@pytest.mark.parametrize("pinned", [True, False])
def test_everything_else_is_fetched_whole(
    client: Any, endpoint: str, tmp_path: Path, body: bytes, from_mb: int, pinned: bool
) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=body)
    storage = Storage(Settings(s3_endpoint_url=endpoint, ranges_from_mb=from_mb))
    with storage.open("s3://bucket/a", storage.stat("s3://bucket/a") if pinned else None, tmp_path) as found:
        assert isinstance(found, FetchedObject)
        assert found.path.read_bytes() == body
    assert list(tmp_path.iterdir()) == []


def test_the_size_limit_holds_for_ranges(client: Any, endpoint: str, tmp_path: Path) -> None:
    client.put_object(Bucket="bucket", Key="long", Body=MP4)
    storage = Storage(Settings(s3_endpoint_url=endpoint, ranges_from_mb=1, max_object_bytes=2_000_000))
    with pytest.raises(ObjectTooLargeError), storage.open("s3://bucket/long", None, tmp_path):
        pass


def test_an_object_replaced_between_two_ranges_is_an_error(
    client: Any, ranged_storage: Storage, tmp_path: Path
) -> None:
    client.put_object(Bucket="bucket", Key="long", Body=MP4)
    with ranged_storage.open("s3://bucket/long", None, tmp_path) as found:
        assert isinstance(found, RangedObject)
        client.put_object(Bucket="bucket", Key="long", Body=MP4[::-1])
        with pytest.raises(ObjectChangedError, match="was replaced"):
            found.ranges.read(1_000_000, 1000, 1_001_000)


@pytest.fixture
def misbehaving_mp4(misbehaving: type[Misbehaving]) -> type[Misbehaving]:
    misbehaving.body = MP4
    return misbehaving


@contextmanager
def opened_by_ranges(handler: type[Misbehaving], tmp_path: Path) -> Iterator[RangedObject]:
    storage = Storage(Settings(s3_endpoint_url=handler.url, ranges_from_mb=1))  # type: ignore[attr-defined]
    with storage.open("s3://bucket/a", ObjectVersion(handler.etag, None, len(MP4)), tmp_path) as found:
        assert isinstance(found, RangedObject)
        handler.requests.clear()
        yield found


def test_one_request_serves_what_is_read_in_a_row_and_small_gaps(
    misbehaving_mp4: type[Misbehaving], tmp_path: Path
) -> None:
    with opened_by_ranges(misbehaving_mp4, tmp_path) as found:
        for start in (1_000_000, 1_010_000, 1_070_000, 1_080_000):
            assert found.ranges.read(start, 10_000, 1_200_000) == MP4[start : start + 10_000]
        found.ranges.read(1_190_001, 10, 1_200_000)
    ranges = [request["Range"] for request in misbehaving_mp4.requests]
    assert ranges == ["bytes=1000000-1199999", "bytes=1190001-1199999"]
    assert {request["If-Match"] for request in misbehaving_mp4.requests} == {misbehaving_mp4.etag}


def test_a_cut_range_is_resumed_where_it_broke(misbehaving_mp4: type[Misbehaving], tmp_path: Path) -> None:
    with opened_by_ranges(misbehaving_mp4, tmp_path) as found:
        misbehaving_mp4.faults = ["cut", 503, "cut"]
        assert found.ranges.read(1_000_000, 80_000, 1_080_000) == MP4[1_000_000:1_080_000]
        assert found.ranges.waited_s > 0


@pytest.mark.parametrize(
    ("faults", "error"),
    [(["cut"] * 10, StorageUnavailableError), ([503] * 10, StorageUnavailableError), ([403] * 10, AccessDeniedError)],
)
def test_a_range_that_never_comes_is_a_typed_error(
    misbehaving_mp4: type[Misbehaving], tmp_path: Path, faults: list[int | str | None], error: type[Exception]
) -> None:
    with opened_by_ranges(misbehaving_mp4, tmp_path) as found:
        misbehaving_mp4.faults = faults
        with pytest.raises(error, match="s3://bucket/a"):
            found.ranges.read(1_000_000, 80_000, 1_080_000)


def test_an_object_replaced_behind_a_cut_range_is_an_error(misbehaving_mp4: type[Misbehaving], tmp_path: Path) -> None:
    with opened_by_ranges(misbehaving_mp4, tmp_path) as found:
        misbehaving_mp4.faults = ["cut and replace"]
        with pytest.raises(ObjectChangedError):
            found.ranges.read(1_000_000, 80_000, 1_080_000)


def test_a_server_that_knows_no_ranges_is_asked_for_the_whole_object(
    misbehaving_mp4: type[Misbehaving], tmp_path: Path
) -> None:
    misbehaving_mp4.faults = ["ignore ranges"]
    storage = Storage(Settings(s3_endpoint_url=misbehaving_mp4.url, ranges_from_mb=1))  # type: ignore[attr-defined]
    pinned = ObjectVersion(misbehaving_mp4.etag, None, len(MP4))
    with storage.open("s3://bucket/a", pinned, tmp_path) as found:
        assert isinstance(found, FetchedObject)
        assert found.path.read_bytes() == MP4


def test_ranges_never_cost_more_than_the_object(
    misbehaving_mp4: type[Misbehaving], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_by_ranges(misbehaving_mp4, tmp_path) as found:
        found.ranges.read(100_000, 20_000, 1_600_000)
        found.ranges.read(1_700_000, 20_000, 3_000_000)
        with pytest.raises(WholeFileNeededError, match="bytes"):
            found.ranges.read(200_000, 20_000, 1_700_000)
        assert len(misbehaving_mp4.requests) == 2
    monkeypatch.setattr(s3_ranges, "MAX_REQUESTS", 3)
    with opened_by_ranges(misbehaving_mp4, tmp_path) as found:
        for start in (1_000_000, 1_100_000):
            found.ranges.read(start, 10, start + 10)
        with pytest.raises(WholeFileNeededError, match="4 requests"):
            found.ranges.read(1_200_000, 10, 1_200_010)


def test_cancelling_ends_reading_by_ranges(misbehaving_mp4: type[Misbehaving], tmp_path: Path) -> None:
    cancellation = Cancellation()
    storage = Storage(Settings(s3_endpoint_url=misbehaving_mp4.url, ranges_from_mb=1))  # type: ignore[attr-defined]
    with storage.open("s3://bucket/a", None, tmp_path, cancellation) as found:
        assert isinstance(found, RangedObject)
        cancellation.cancel()
        with pytest.raises(CancelledError):
            found.ranges.read(1_000_000, 10, 1_000_010)
