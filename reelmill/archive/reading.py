"""Reading a file of lines from here: a local path, file:// or s3://, also gzipped."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import unquote

from reelmill.archive.s3_listing import new_client, typed_errors
from reelmill.errors import ManifestError

Source = str | os.PathLike[str]


@contextmanager
def opened_text(source: Source, *, endpoint_url: str | None) -> Iterator[IO[str]]:
    """The file as text, UTF-8 with or without a mark at its begin; `.gz` is unpacked on the way.

    Raises:
        ManifestError: it cannot be read.
        ArchiveError, ArchiveUnavailableError: S3 does not give it.
        MissingExtraError: s3:// without boto3.
    """
    name = os.fspath(source)
    try:
        with _opened_bytes(name, endpoint_url) as raw:
            plain = gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw
            with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
                yield text
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ManifestError(f"cannot be read ({reason})", subject=name) from error


@contextmanager
def _opened_bytes(name: str, endpoint_url: str | None) -> Iterator[BinaryIO]:
    if name.startswith("s3://"):
        # Whole, before the first line: a connection need not last as long as the submission.
        with tempfile.TemporaryFile() as file:
            _download(name, file, endpoint_url)
            yield file
        return
    path = unquote(name.partition("://")[2]) if name.startswith("file://") else name
    with Path(path).expanduser().open("rb") as file:
        yield file


def _download(uri: str, file: IO[bytes], endpoint_url: str | None) -> None:
    bucket, _, key = uri.partition("://")[2].partition("/")
    with typed_errors(uri):
        new_client(endpoint_url).download_fileobj(bucket, key, file)
    file.seek(0)
