"""Which listed objects become jobs, and why the others do not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import translate

from reelmill.archive.listing import ListedObject, ListedPage
from reelmill.errors import SpecError
from reelmill.ledger.fingerprint import FoundObject
from reelmill.ledger.scan_pages import ScanPage
from reelmill.schema import PrefixSpec
from reelmill.schema.archive import MEDIA_NAMES
from reelmill.uris import check_uri


class Filters:
    """The filters of a prefix, made once for all of its objects."""

    def __init__(self, spec: PrefixSpec) -> None:
        self._spec = spec
        self._included = _any_of(spec.include) if spec.include else MEDIA_NAMES
        self._not_included = "not_included" if spec.include else "not_media"
        self._excluded = _any_of(spec.exclude) if spec.exclude else None

    def page(self, listed: ListedPage) -> ScanPage:
        """The page with what got through, and the others counted."""
        reasons = [self.reason(each) for each in listed.objects]
        found = [
            FoundObject(each.uri, each.etag, each.size_bytes)
            for each, reason in zip(listed.objects, reasons, strict=True)
            if reason is None
        ]
        skipped = Counter(reason for reason in reasons if reason is not None)
        skipped.update(listed.unlisted)
        return ScanPage(found, listed.cursor, len(reasons) + sum(listed.unlisted.values()), skipped)

    def reason(self, listed: ListedObject) -> str | None:
        """Why this object is left out; None: it is not."""
        if listed.uri.endswith("/"):
            return "folder"
        if not self._included.search(listed.key):
            return self._not_included
        if self._excluded is not None and self._excluded.search(listed.key):
            return "excluded"
        if self._spec.since is not None and listed.modified_at < self._spec.since:
            return "before_since"
        return self._size_reason(listed) or ("archived" if listed.archived else _uri_reason(listed.uri))

    def _size_reason(self, listed: ListedObject) -> str | None:
        if listed.size_bytes == 0:
            return "empty"
        if self._spec.min_bytes is not None and listed.size_bytes < self._spec.min_bytes:
            return "too_small"
        if self._spec.max_bytes is not None and listed.size_bytes > self._spec.max_bytes:
            return "too_large"
        return None


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


def _uri_reason(uri: str) -> str | None:
    """Names that the ledger cannot hold: with NUL, or not in Unicode."""
    try:
        check_uri(uri)
        uri.encode()
    except (SpecError, UnicodeError):
        return "unusable_name"
    return None
