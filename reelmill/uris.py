"""Which URIs media may have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from reelmill.errors import SpecError, UnknownSchemeError

MAX_URI_BYTES = 2600
"""What an index entry of Postgres can hold; S3 keys have 1,024 bytes at most."""

MediaReference = str | os.PathLike[str]


def media_uris(media: MediaReference | Sequence[MediaReference]) -> tuple[str, ...]:
    """The URIs of a job's media, in order. A path object becomes a file:// URI of this machine.

    Raises:
        UnknownSchemeError: a string that is neither s3:// nor file://.
        SpecError: no bucket, key or path in it, or too long.
    """
    if isinstance(media, (str, os.PathLike)):
        return (_uri(media),)
    return tuple(_uri(reference) for reference in media)


def check_uri(uri: str) -> None:
    """Raise UnknownSchemeError or SpecError unless a worker could look for this."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in ("s3", "file"):
        raise UnknownSchemeError(_scheme_problem(scheme if separator else ""), subject=uri)
    if scheme == "s3" and not all(rest.partition("/")[::2]):
        raise SpecError("names no bucket and key", subject=uri, next_step="Write it as s3://bucket/key")
    if scheme == "file" and (not rest.startswith("/") or rest.endswith("/")):
        raise SpecError("names no file", subject=uri, next_step="Write it as file:///absolute/path")
    if "\0" in uri or len(uri.encode("utf-8", "replace")) > MAX_URI_BYTES:
        raise SpecError(f"has a NUL, or more than {MAX_URI_BYTES} bytes", subject=uri[:80] + "…")


def check_webhook(url: str) -> None:
    """Raise SpecError unless this is an http(s) URL that a worker could post to. Nothing is looked up yet."""
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and url.isprintable()
    except ValueError:
        right = False
    if not right or " " in url or len(url) > MAX_URI_BYTES:
        raise SpecError("not a webhook's URL", subject=url[:80], next_step="Write it as https://host/path")
    if parts.username or parts.password:
        raise SpecError("has a user name or password", subject=parts.hostname or "", next_step="Leave them out")


def _uri(reference: MediaReference) -> str:
    if isinstance(reference, str):
        check_uri(reference)
        return reference
    uri = Path(os.path.abspath(Path(reference).expanduser())).as_uri()
    check_uri(uri)
    return uri


def _scheme_problem(scheme: str) -> str:
    if scheme:
        return f"the scheme {scheme!r} cannot be read"
    return "has no scheme; a local file goes as pathlib.Path(…) or file:///…"
