"""Acceptance tests walk the whole road; they may take a while each."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _storage(s3_server: object) -> None:
    """The S3 server's address and credentials are in the environment of every worker."""
