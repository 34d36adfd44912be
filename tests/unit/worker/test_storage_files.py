"""file:// as the worker reads it."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError
from reelmill.errors import UnknownSchemeError
from reelmill.schema.errors import SpecError
from reelmill.settings import Settings
from worker.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    OutsideFileRootsError,
)
from worker.storage import ObjectVersion, Storage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def storage(root: Path) -> Storage:
    return Storage(Settings(file_roots=(root,), max_object_bytes=1000))


def refused(storage: Storage, uri: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match), storage.fetch(uri, None, Path("/nowhere")):
        pass


def test_a_file_is_read_in_place_with_its_hash_and_version(storage: Storage, root: Path) -> None:
    file = root / "a.bin"
    file.write_bytes(b"bytes")
    with storage.fetch(file.as_uri(), None, Path("/nowhere")) as fetched:
        assert fetched.path == file
        assert fetched.size_bytes == fetched.version.size_bytes == 5
        assert fetched.sha256 == hashlib.sha256(b"bytes").hexdigest()
        assert fetched.version == storage.stat(file.as_uri())
    assert file.read_bytes() == b"bytes"


@pytest.mark.parametrize(
    "name", ["a b.png", "100%.png", "a?b#c.png", "ключ.png", "new\nline", "per%20cent", "\udcff.png"]
)
def test_odd_names_are_read_through_their_uri(storage: Storage, root: Path, name: str) -> None:
    (root / name).write_bytes(b"x")
    with storage.fetch((root / name).as_uri(), None, root) as fetched:
        assert fetched.path == root / name


def test_a_question_mark_that_nobody_escaped_is_part_of_the_name(storage: Storage, root: Path) -> None:
    (root / "a?b#c").write_bytes(b"x")
    with storage.fetch(f"file://{root}/a?b#c", None, root) as fetched:
        assert fetched.path.name == "a?b#c"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{root}/../outside", "{root}/link", "{root}/%2e%2e/outside", "{root}x"]
)
def test_nothing_outside_the_roots_is_read(storage: Storage, root: Path, path: str) -> None:
    outside = root.parent / "outside"
    outside.write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    uri = "file://" + path.format(root=root)
    refused(storage, uri, OutsideFileRootsError, "outside the file roots")
    with pytest.raises(OutsideFileRootsError):
        storage.check(uri)


def test_a_link_inside_the_roots_is_followed(storage: Storage, root: Path) -> None:
    (root / "real").write_bytes(b"x")
    (root / "link").symlink_to(root / "real")
    with storage.fetch(f"file://{root}/link", None, root) as fetched:
        assert fetched.path == root / "real"


def test_without_roots_no_file_is_read(root: Path) -> None:
    (root / "a").write_bytes(b"x")
    refused(Storage(Settings()), f"file://{root}/a", OutsideFileRootsError, "none")


def test_what_is_no_file_is_refused_without_waiting_for_it(storage: Storage, root: Path) -> None:
    os.mkfifo(root / "pipe")
    refused(storage, f"file://{root}/pipe", ObjectNotFoundError, "not a regular file")
    refused(storage, f"file://{root}", ObjectNotFoundError, "not a regular file")
    refused(storage, f"file://{root}/nothing", ObjectNotFoundError, "no such file")
    refused(storage, f"file://{root}/pipe/below", ObjectNotFoundError, "no such file")


def test_a_loop_of_links_is_no_file(storage: Storage, root: Path) -> None:
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    refused(storage, f"file://{root}/a", ObjectNotFoundError, "no such file")


def test_a_file_over_the_limit_is_refused(storage: Storage, root: Path) -> None:
    (root / "large").write_bytes(bytes(1001))
    refused(storage, f"file://{root}/large", ObjectTooLargeError, "1001 bytes, the limit is 1000")


@pytest.mark.parametrize("change", [lambda f: f.write_bytes(b"other"), lambda f: os.utime(f, ns=(1, 1))])
def test_a_file_replaced_since_its_pin_is_refused(
    storage: Storage, root: Path, change: Callable[[Path], object]
) -> None:
    file = root / "a"
    file.write_bytes(b"bytes")
    os.utime(file, ns=(5, 5))
    pinned = storage.stat(f"file://{root}/a")
    change(file)
    with pytest.raises(ObjectChangedError), storage.fetch(f"file://{root}/a", pinned, root):
        pass


def test_a_file_that_changes_under_our_hands_is_an_error(storage: Storage, root: Path) -> None:
    file = root / "a"
    file.write_bytes(b"bytes")
    with pytest.raises(ObjectChangedError, match="while it was worked on"), storage.fetch(file.as_uri(), None, root):
        file.write_bytes(b"longer bytes")


def test_an_error_of_the_work_is_not_hidden_by_a_change(storage: Storage, root: Path) -> None:
    file = root / "a"
    file.write_bytes(b"bytes")

    def work() -> None:
        with storage.fetch(file.as_uri(), None, root):
            file.unlink()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_file_without_permission_is_refused(storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").touch()

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    # Root, as whom containers often test, may read everything: so the refusal is put in.
    monkeypatch.setattr("worker.storage.files.os.open", denied)
    refused(storage, f"file://{root}/a", AccessDeniedError, "may not be read")


@pytest.mark.parametrize("uri", ["http://host/a.png", "/etc/passwd", "ftp://a/b", "gs://b/k", "concat:a|b", ""])
def test_other_schemes_are_refused(storage: Storage, uri: str) -> None:
    with pytest.raises(UnknownSchemeError, match="s3://"):
        storage.check(uri)


@pytest.mark.parametrize(
    "uri", ["file://host/a", "file://", "file:///a%00b", "s3://bucket", "s3:///key", "s3://bucket/"]
)
def test_incomplete_uris_are_refused(storage: Storage, uri: str) -> None:
    with pytest.raises(SpecError, match="Use "):
        storage.check(uri)


def test_cancelling_stops_the_reading(storage: Storage, root: Path) -> None:
    (root / "a").write_bytes(b"x")
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError), storage.fetch(f"file://{root}/a", None, root, cancellation):
        pass


def test_no_descriptor_stays_open(storage: Storage, root: Path) -> None:
    (root / "a").write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))
    with storage.fetch(f"file://{root}/a", None, root):
        pass
    with (
        pytest.raises(ObjectChangedError),
        storage.fetch(f"file://{root}/a", ObjectVersion("other", None, 1), root),
    ):
        pass
    assert len(os.listdir("/proc/self/fd")) == before
