"""s3:// over real HTTP: moto's server, and a server that misbehaves as networks do."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError
from reelmill.settings import Settings
from worker.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    StorageUnavailableError,
)
from worker.storage import ObjectVersion, Storage, s3

LIMIT_BYTES = 5_000_000
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
        def __init__(self, name: str) -> None:
            self.name = name

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __enter__(self) -> "FullFile":
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(s3, "open", lambda name, *_, **__: FullFile(name), raising=False)
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
    """One object; each request takes the next fault off the list: a status, or "cut" for half of what was asked."""

    protocol_version = "HTTP/1.1"
    faults: list[int | str]
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
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        rest = BODY[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.etag)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if fault else rest)
        self.close_connection = bool(fault)
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
