"""A file of lines becomes a batch, or, in a dry run, a count of what would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal

from reelmill.archive.lines import Line, Reading
from reelmill.archive.manifest import json_lines, manifest_job, manifest_lines
from reelmill.archive.openai_batch import openai_job
from reelmill.archive.reading import Source, opened_text
from reelmill.ledger.database import Database
from reelmill.ledger.imports import ImportedLine, import_jobs
from reelmill.ledger.submit import NewBatch, Submission, known_models
from reelmill.schema import Caption, JobSpec
from reelmill.settings import settings
from reelmill.specs import job_spec

Kind = Literal["manifest", "openai"]


@dataclass(frozen=True, slots=True)
class ManifestPreview:
    """What submitting a file would do now: lines read, jobs they would become, and the lines that are no use."""

    source: str
    lines: int
    jobs: int
    problems: tuple[ImportedLine, ...]


@dataclass(frozen=True, slots=True)
class LinesFile:
    """A manifest or an OpenAI batch file, and the template of its jobs."""

    source: Source
    kind: Kind
    template: Mapping[str, Any]
    strict: bool = False

    def submit(self, database: Database, batch: NewBatch) -> Submission:
        """Insert all good lines, or nothing. Raises ManifestError, and what `opened_text` and `import_jobs` raise."""
        with self._opened(database, str(batch.id)) as (reading, lines):
            name = os.fspath(self.source)
            specs = reading.specs(lines)
            return import_jobs(database, specs, batch=batch, kind=self.kind, source=name, tally=reading.tally)

    def preview(self, database: Database) -> ManifestPreview:
        """Read all of it, and insert nothing."""
        with self._opened(database, "preview") as (reading, lines):
            jobs = sum(1 for _ in reading.specs(lines))
        return ManifestPreview(os.fspath(self.source), reading.lines, jobs, tuple(reading.problems))

    @contextmanager
    def _opened(self, database: Database, token_prefix: str) -> Iterator[tuple[Reading, Iterator[Line]]]:
        template = line_template(self.template)
        with database.transaction() as connection:
            models = known_models(connection)
        name = os.fspath(self.source)
        with opened_text(self.source, endpoint_url=settings().s3_endpoint_url) as text:
            reading = Reading(name, self._job(template, token_prefix), models, self.strict)
            yield reading, self._lines(name, text)

    def _job(self, template: Mapping[str, Any], token_prefix: str) -> Callable[[Mapping[str, Any]], JobSpec]:
        if self.kind == "manifest":
            return manifest_job(template)
        return openai_job(template, token_prefix)

    def _lines(self, name: str, text: IO[str]) -> Iterator[Line]:
        return manifest_lines(name, text) if self.kind == "manifest" else json_lines(text)


def line_template(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, checked once; the jobs of all lines share the very objects.

    Raises:
        SpecError: names the field and the reason.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "tasks" in given and not isinstance(given["tasks"], Sequence):
        given["tasks"] = [given["tasks"]]
    checked = job_spec({"media": "s3://bucket/key", "tasks": [Caption()], **given})
    return {name: getattr(checked, name) for name in given}
