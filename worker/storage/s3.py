"""s3://: objects through boto3 and its default credential chain."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.cancellation import Cancellation
from reelmill.schema.errors import SpecError
from worker.errors import ObjectTooLargeError, StorageUnavailableError
from worker.storage.objects import FetchedObject, ObjectVersion
from worker.storage.s3_download import Download, Part
from worker.storage.s3_errors import typed_error

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

    def __init__(self, endpoint_url: str | None, max_object_bytes: int) -> None:
        self._endpoint_url = endpoint_url
        self._max_object_bytes = max_object_bytes
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
        first = self._get(uri, address, pinned, 0)
        with closing(first.body):
            self._check_size(uri, first.version.size_bytes)
            with _new_file(directory, uri) as file:
                path = Path(file.name)
                try:
                    download = Download(uri, file, first.version.size_bytes, cancellation)
                    download.run(first, lambda start: self._get(uri, address, first.version, start))
                    yield FetchedObject(path, download.size_bytes, download.sha256, first.version)
                finally:
                    path.unlink(missing_ok=True)

    def _get(self, uri: str, address: _Address, pinned: ObjectVersion | None, start: int) -> Part:
        """The object from byte `start` on: of the pinned version, or of the one that is there."""
        request: GetObjectRequestTypeDef = {"Bucket": address.bucket, "Key": address.key}
        if pinned is not None and pinned.version_id is not None:
            request["VersionId"] = pinned.version_id
        elif pinned is not None:
            request["IfMatch"] = pinned.etag
        if start:
            request["Range"] = f"bytes={start}-"
        try:
            response = self._client(uri).get_object(**request)
        except (ClientError, BotoCoreError) as error:
            raise typed_error(error, uri) from error
        version_id = _version_id(response.get("VersionId"))
        return Part(response["Body"], ObjectVersion(response["ETag"], version_id, response["ContentLength"]))

    def _check_size(self, uri: str, size_bytes: int) -> None:
        if size_bytes > self._max_object_bytes:
            raise ObjectTooLargeError(f"{size_bytes} bytes, the limit is {self._max_object_bytes}", subject=uri)

    def _client(self, uri: str) -> S3Client:
        with self._lock:
            if self._shared_client is None:
                try:
                    self._shared_client = _new_client(self._endpoint_url)
                except (BotoCoreError, ValueError) as error:
                    raise typed_error(error, uri) from error
            return self._shared_client


def _new_client(endpoint_url: str | None) -> S3Client:
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


def _new_file(directory: Path, uri: str) -> BinaryIO:
    """An unbuffered file of its own; its name says nothing about the key, which may be odd."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=directory, prefix="object-")
    except OSError as error:
        message = f"no file can be made in {directory} ({error.strerror})"
        raise StorageUnavailableError(message, subject=uri, next_step="Check REELMILL_DOWNLOAD_DIR") from error
    os.close(descriptor)
    return open(name, "wb", buffering=0)
