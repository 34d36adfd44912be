"""From what a user wrote to a JobSpec, or to an error that names the field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, cast

from pydantic import ValidationError

from reelmill.errors import SpecError
from reelmill.schema import JobSpec, PrefixSpec
from reelmill.schema.export import ExportFormat, ExportSpec
from reelmill.schema.frozen import spec_error
from reelmill.schema.schedule import ScheduleSpec
from reelmill.uris import check_uri, media_uris


def job_spec(fields: Mapping[str, Any]) -> JobSpec:
    """Validate the fields of a job; None means not given.

    Raises:
        SpecError: names the field and the reason.
        UnknownSchemeError: a media URI that no worker can read.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if "media" in given:
        given["media"] = media_uris(given["media"])
    try:
        return JobSpec.model_validate(given)
    except ValidationError as error:
        raise spec_error(error) from None


def schedule_spec(fields: Mapping[str, Any]) -> ScheduleSpec:
    """Validate the fields of a schedule. Raises SpecError, which names the field and the reason."""
    try:
        return ScheduleSpec.model_validate(fields)
    except ValidationError as error:
        raise spec_error(error) from None


def export_spec(prefix: str, export_format: str) -> ExportSpec:
    """Validate where results are to go. Raises SpecError, which names the field and the reason."""
    return ExportSpec(prefix=prefix, format=cast("ExportFormat", export_format))


def without_export(options: Mapping[str, Any]) -> tuple[ExportSpec | None, dict[str, Any]]:
    """Where the results are to go by `export_to` and `export_format`, and the other options. Raises SpecError."""
    rest = dict(options)
    prefix, export_format = rest.pop("export_to", None), rest.pop("export_format", "parquet")
    return (None if prefix is None else export_spec(prefix, export_format)), rest


def prefix_spec(prefix: str, fields: Mapping[str, Any]) -> PrefixSpec:
    """Validate a prefix and its options; None means not given. Raises SpecError, which names the field."""
    given = {name: value for name, value in fields.items() if value is not None}
    if not isinstance(given.get("tasks"), (Sequence, NoneType)):
        given["tasks"] = [given["tasks"]]
    try:
        return PrefixSpec.model_validate({"prefix": prefix, **given})
    except ValidationError as error:
        raise spec_error(error) from None


def checked_specs(specs: Iterable[JobSpec | Mapping[str, Any]]) -> Iterator[JobSpec]:
    """Specs one by one, each checked; the error of a wrong one says which it is, counting from 0."""
    for number, spec in enumerate(specs):
        try:
            if isinstance(spec, JobSpec):
                for uri in spec.media:
                    check_uri(uri)
                yield spec
            else:
                yield job_spec(spec)
        except SpecError as error:
            raise type(error)(
                error.message, subject=f"job {number}, {error.subject}", next_step=error.next_step
            ) from None
