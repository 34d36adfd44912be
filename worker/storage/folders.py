"""Folders that results are left in: s3:// and file://, only where the settings allow it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from reelmill.settings import Settings
from worker.errors import AccessDeniedError, ObjectNotFoundError, OutsideExportPrefixesError, StorageUnavailableError
from worker.storage.files import path_in
from worker.storage.s3 import new_s3_client
from worker.storage.s3_errors import typed_error

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class Folder(Protocol):
    """A place for files; each appears whole or not at all, in place of one that had its name."""

    def put(self, name: str, content: Path) -> None: ...


def open_folder(uri: str, settings: Settings) -> Folder:
    """The folder of this URI, which ends with a slash.

    Raises:
        OutsideExportPrefixesError: below none of REELMILL_EXPORT_PREFIXES, also by way of a link.
        StorageError: the S3 client cannot be made.
    """
    if not uri.startswith(settings.export_prefixes):
        raise OutsideExportPrefixesError("lies below none of REELMILL_EXPORT_PREFIXES", subject=uri)
    if uri.startswith("file://"):
        return FileFolder(uri, settings.export_prefixes)
    try:
        return S3Folder(uri, new_s3_client(settings.s3_endpoint_url))
    except (BotoCoreError, ValueError) as error:
        raise typed_error(error, uri) from error


class S3Folder:
    """One request for each object: a process that dies leaves no parts of uploads behind, which would cost money."""

    def __init__(self, uri: str, client: S3Client) -> None:
        self._uri, self._client = uri, client
        self._bucket, _, self._start = uri.partition("://")[2].partition("/")

    def put(self, name: str, content: Path) -> None:
        """Raises AccessDeniedError, ObjectNotFoundError (no such bucket), StorageUnavailableError, StorageError."""
        uri = self._uri + name
        try:
            with content.open("rb") as body:
                self._client.put_object(Bucket=self._bucket, Key=self._start + name, Body=body)
        except (ClientError, BotoCoreError) as error:
            typed = typed_error(error, uri)
            if isinstance(typed, AccessDeniedError):
                step = "Give the worker's credentials s3:PutObject below the prefix"
                raise AccessDeniedError(typed.message, subject=uri, next_step=step) from error
            if isinstance(typed, ObjectNotFoundError):
                raise ObjectNotFoundError("there is no such bucket", subject=uri, next_step="Make it") from error
            raise typed from error


class FileFolder:
    """A directory of this machine, made when the first file comes."""

    def __init__(self, uri: str, prefixes: tuple[str, ...]) -> None:
        self._uri, self._path = uri, Path(path_in(uri))
        self._roots = [os.path.realpath(path_in(prefix)) for prefix in prefixes if prefix.startswith("file://")]

    def put(self, name: str, content: Path) -> None:
        """Raises AccessDeniedError, OutsideExportPrefixesError, StorageUnavailableError (no room, …)."""
        try:
            self._check()
            self._path.mkdir(parents=True, exist_ok=True)
            scratch = self._path / f".{name}"
            shutil.copyfile(content, scratch)
            scratch.replace(self._path / name)
        except PermissionError as error:
            step = "Give the worker's user the right to write there"
            raise AccessDeniedError("may not be written", subject=self._uri + name, next_step=step) from error
        except OSError as error:
            raise StorageUnavailableError(f"cannot be written ({error.strerror})", subject=self._uri + name) from error

    def _check(self) -> None:
        """A directory on the way may be a link that leads elsewhere."""
        if not any(Path(os.path.realpath(self._path)).is_relative_to(root) for root in self._roots):
            raise OutsideExportPrefixesError("leads out of REELMILL_EXPORT_PREFIXES", subject=self._uri)
