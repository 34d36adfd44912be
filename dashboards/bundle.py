"""The ZIP that Superset imports, made of the reviewed text below `superset/`."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

SOURCES = Path(__file__).parent / "superset"
DATABASE = "databases/reelmill.yaml"
_ROOT = "reelmill"
_ADDRESS = re.compile(r"^sqlalchemy_uri: .*$", re.M)
_KIND = re.compile(r"^type: .*$", re.M)


class Kind(StrEnum):
    """How Superset takes a bundle: dashboards through its pages, assets in place of everything of an earlier import."""

    DASHBOARD = "Dashboard"
    ASSETS = "assets"


def write_bundle(path: Path, *, reader_url: str | None = None, kind: Kind = Kind.DASHBOARD) -> Path:
    """Write the ZIP, readable by its owner alone; `reader_url` (with its password) takes the place of the example."""
    path.touch(mode=0o600)
    with ZipFile(path, "w", ZIP_DEFLATED) as bundle:
        for source in sorted(SOURCES.rglob("*.yaml")):
            name = source.relative_to(SOURCES).as_posix()
            bundle.writestr(f"{_ROOT}/{name}", _adapted(name, source.read_text(encoding="utf-8"), reader_url, kind))
    return path


def _adapted(name: str, text: str, reader_url: str | None, kind: Kind) -> str:
    if name == "metadata.yaml":
        return _KIND.sub(f"type: {kind}", text)
    if name == DATABASE and reader_url is not None:
        # JSON is YAML, whatever the password is made of; a function, or backslashes would be read as groups.
        return _ADDRESS.sub(lambda _: f"sqlalchemy_uri: {json.dumps(reader_url)}", text)
    return text
