"""s3://: objects through boto3 and its default credential chain."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

from pipelines.cancellation import Cancellation
from pipelines.media.ranges import pays_by_ranges
from reelmill.schema.errors import SpecError
from worker.errors import ObjectTooLargeError, StorageError
from worker.storage.downloads import new_download
from worker.storage.objects import FetchedObject, ObjectVersion, RangedObject
from worker.storage.s3_download import Download, Part
from worker.storage.s3_errors import typed_error
from worker.storage.s3_ranges import S3Ranges

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
TRIES_PER_REQUEST = 4
MAX_CONNECTIONS = 64
NO_VERSION_ID = "null"
"""What S3 calls a version that the next upload overwrites: no pin at all."""


class S3Store:
    """One client per process, made at the first use: boto3's clients may be shared by threads."""

    def __init__(self, endpoint_url: str | None, max_object_bytes: int, ranges_from_bytes: int = 0) -> None:
        self._endpoint_url = endpoint_url
        self._max_object_bytes, self._ranges_from_bytes = max_object_bytes, ranges_from_bytes
        self._lock = threading.Lock()
        self._shared_client: S3Client | None = None

    def check(self, uri: str) -> None:
        """Raise SpecError if bucket or key is missing."""
        _address(uri)

    def stat(self, uri: str) -> ObjectVersion:
        """The version that is there now."""
        address = _address(uri)
        try:
            head = self._client(uri).head_object(Bucket=address.bucket, Key=address.key)
        except (ClientError, BotoCoreError) as error:
            raise typed_error(error, uri) from error
        return ObjectVersion(head["ETag"], _version_id(head.get("VersionId")), head["ContentLength"])

    def fetch(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation
    ) -> Iterator[FetchedObject]:
        """The object in a file of its own below `directory`. Yields once, then removes the file."""
        address = _address(uri)
        yield from self._download(uri, address, self._get(uri, address, pinned), directory, cancellation)

    def open(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation
    ) -> Iterator[FetchedObject | RangedObject]:
        """As `fetch`, or the object's ranges. Yields once."""
        if pinned is not None and not self._is_large(pinned):
            yield from self.fetch(uri, pinned, directory, cancellation)
            return
        address = _address(uri)
        if pinned is None:
            first = self._get(uri, address, None)
            if not self._is_large(first.version):
                yield from self._download(uri, address, first, directory, cancellation)
                return
            # What is on its way already is lost, once: from now on the version is known.
            first.body.close()
            pinned = first.version
        self._check_size(uri, pinned.size_bytes)
        with closing(self._ranges(uri, address, pinned, cancellation)) as ranges:
            if _pay(ranges):
                yield RangedObject(ranges, pinned.size_bytes, pinned)
                return
        yield from self.fetch(uri, pinned, directory, cancellation)

    def _is_large(self, version: ObjectVersion) -> bool:
        return 0 < self._ranges_from_bytes <= version.size_bytes

    def _ranges(self, uri: str, address: _Address, pinned: ObjectVersion, cancellation: Cancellation) -> S3Ranges:
        def open_range(start: int, end: int) -> StreamingBody:
            return self._get(uri, address, pinned, start, end).body

        return S3Ranges(uri, pinned.size_bytes, open_range, cancellation)

    def _download(
        self, uri: str, address: _Address, first: Part, directory: Path, cancellation: Cancellation
    ) -> Iterator[FetchedObject]:
        with closing(first.body):
            self._check_size(uri, first.version.size_bytes)
            with new_download(directory, uri) as made:
                download = Download(uri, made.file, first.version.size_bytes, cancellation)
                download.run(first, lambda start: self._get(uri, address, first.version, start))
                yield FetchedObject(made.path, download.size_bytes, download.sha256, first.version)

    def _get(
        self, uri: str, address: _Address, pinned: ObjectVersion | None, start: int = 0, end: int | None = None
    ) -> Part:
        """The object from byte `start` on, to before `end`: of the pinned version, or of the one that is there."""
        request: GetObjectRequestTypeDef = {"Bucket": address.bucket, "Key": address.key}
        if pinned is not None and pinned.version_id is not None:
            request["VersionId"] = pinned.version_id
        elif pinned is not None:
            request["IfMatch"] = pinned.etag
        if start or end is not None:
            request["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            response = self._client(uri).get_object(**request)
        except (ClientError, BotoCoreError) as error:
            raise typed_error(error, uri) from error
        if "Range" in request and not response.get("ContentRange", "").startswith(f"bytes {start}-"):
            response["Body"].close()
            raise _RangeIgnoredError("S3 answered with other bytes than were asked for", subject=uri)
        version_id = _version_id(response.get("VersionId"))
        return Part(response["Body"], ObjectVersion(response["ETag"], version_id, response["ContentLength"]))

    def _check_size(self, uri: str, size_bytes: int) -> None:
        if size_bytes > self._max_object_bytes:
            raise ObjectTooLargeError(f"{size_bytes} bytes, the limit is {self._max_object_bytes}", subject=uri)

    def _client(self, uri: str) -> S3Client:
        with self._lock:
            if self._shared_client is None:
                try:
                    self._shared_client = new_s3_client(self._endpoint_url)
                except (BotoCoreError, ValueError) as error:
                    raise typed_error(error, uri) from error
            return self._shared_client


class _RangeIgnoredError(StorageError):
    """A server that knows no ranges."""


def _pay(ranges: S3Ranges) -> bool:
    try:
        return pays_by_ranges(ranges.read_head())
    except _RangeIgnoredError:
        return False


def new_s3_client(endpoint_url: str | None) -> S3Client:
    """Threads may share it. Raises BotoCoreError or ValueError: the endpoint or the profile is wrong."""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": TRIES_PER_REQUEST, "mode": "standard"},
        max_pool_connections=MAX_CONNECTIONS,
        # MinIO and friends rarely have a host name per bucket.
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)


@dataclass(frozen=True, slots=True)
class _Address:
    bucket: str
    key: str


def _address(uri: str) -> _Address:
    """Bucket and key of s3://bucket/key; the key is taken as it stands, `?`, `#` and `%` included."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not bucket or not key:
        raise SpecError("names no bucket or no key", subject=uri, next_step="Use s3://bucket/key")
    return _Address(bucket, key)


def _version_id(version_id: str | None) -> str | None:
    return None if version_id == NO_VERSION_ID else version_id
