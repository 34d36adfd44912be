"""Manifests: a line per job, as JSON or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from reelmill.archive.lines import Line
from reelmill.errors import ManifestError, SpecError
from reelmill.schema import JobSpec
from reelmill.specs import job_spec

FIELDS = frozenset({"tasks", "sampling", "generation", "model", "priority", "max_attempts", "client_token", "labels"})
"""What a line may say of its job, beside its media."""
COLUMNS = ("uri", "token", "model", "priority")


def manifest_lines(name: str, text: IO[str]) -> Iterator[Line]:
    """The lines of a manifest: CSV where the name ends so, else JSON.

    Raises:
        ManifestError: CSV without a column `uri`.
    """
    return _csv_lines(name, text) if name.removesuffix(".gz").endswith(".csv") else json_lines(text)


def manifest_job(template: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], JobSpec]:
    """Makes a line's job: what the line says goes before the template, and its labels are added."""

    def job(fields: Mapping[str, Any]) -> JobSpec:
        given = dict(fields)
        media = [given.pop(name) for name in ("uri", "uris") if name in given]
        if len(media) != 1:
            raise SpecError("name it by `uri`, or several images of one job by `uris`", subject="uri")
        if "token" in given:
            given["client_token"] = given.pop("token")
        if unknown := given.keys() - FIELDS:
            raise SpecError("there is no such field", subject=sorted(unknown)[0])
        labels = {**(template.get("labels") or {}), **_labels(given.pop("labels", None))}
        return job_spec({**template, **given, "media": _media(media[0]), "labels": labels})

    return job


def _media(value: Any) -> list[str]:
    uris = [value] if isinstance(value, str) else value
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise SpecError("not a URI, or a list of them", subject="uri")
    return uris


def _labels(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecError("not an object", subject="labels")
    return value


def json_lines(text: IO[str]) -> Iterator[Line]:
    """An object per line; empty lines are no lines."""
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Line(number, problem=f"not JSON: {error}")
            continue
        if isinstance(fields, dict):
            yield Line(number, fields)
        else:
            yield Line(number, problem="not a JSON object")


def _csv_lines(name: str, text: IO[str]) -> Iterator[Line]:
    """Columns `uri`, and if wanted the other COLUMNS; each further one becomes a label."""
    reader = csv.DictReader(text)
    try:
        if "uri" not in (reader.fieldnames or ()):
            advice = "Give it a first line with the names of the columns"
            raise ManifestError("has no column `uri`", subject=name, next_step=advice)
        for row in reader:
            yield Line(reader.line_num, *_csv_fields(row))
    except csv.Error as error:
        raise ManifestError(f"is no CSV from line {reader.line_num + 1} on ({error})", subject=name) from error


def _csv_fields(row: dict[Any, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """What a row says, or its problem."""
    if None in row or None in row.values():
        return None, "has more or fewer columns than the first line"
    fields: dict[str, Any] = {key: row.pop(key) for key in COLUMNS if row.get(key)}
    labels = {key: value for key, value in row.items() if value and key not in COLUMNS}
    return {"uri": "", **fields, "labels": labels}, None
