"""Which media references are taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reelmill.errors import SpecError, UnknownSchemeError
from reelmill.uris import MAX_URI_BYTES, check_uri, media_uris


def test_strings_stay_as_they_are_and_paths_become_file_uris() -> None:
    assert media_uris("s3://b/k ü%20") == ("s3://b/k ü%20",)
    assert media_uris(Path("/srv/a b.png")) == ("file:///srv/a%20b.png",)
    assert media_uris([Path("/a"), "file:///b", "s3://c/d"]) == ("file:///a", "file:///b", "s3://c/d")


def test_a_relative_path_is_taken_from_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert media_uris(Path("x/../cat.png")) == ((tmp_path / "cat.png").as_uri(),)


def test_a_path_whose_name_is_no_text_survives_the_way_through_a_uri() -> None:
    (uri,) = media_uris(Path(os.fsdecode(b"/srv/\xff.png")))
    assert uri == "file:///srv/%FF.png"


@pytest.mark.parametrize("uri", ["", "cat.jpg", "/srv/cat.jpg", "http://h/c", "S3://b/k", "s3:/b/k", "data:image/png;"])
def test_other_schemes_are_refused_with_the_way_out(uri: str) -> None:
    with pytest.raises(UnknownSchemeError, match="s3://bucket/key"):
        check_uri(uri)


@pytest.mark.parametrize(
    "uri", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key", "file://", "file://host/x", "file:///d/"]
)
def test_a_uri_that_names_nothing_is_refused(uri: str) -> None:
    with pytest.raises(SpecError, match="names no"):
        check_uri(uri)


@pytest.mark.parametrize("uri", ["s3://b/a\0b", "s3://b/" + "k" * MAX_URI_BYTES, "s3://b/" + "熊" * MAX_URI_BYTES])
def test_what_the_database_cannot_hold_is_refused(uri: str) -> None:
    with pytest.raises(SpecError, match="bytes"):
        check_uri(uri)
