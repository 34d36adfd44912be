"""Lines of a file on their way to jobs: bad ones are noted with their number, and do not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reelmill.errors import ManifestError, SpecError
from reelmill.ledger.imports import ImportedLine, Tally
from reelmill.schema import JobSpec

MOST_PROBLEMS = 10_000
"""A file with more bad lines is not what it was taken for."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says, or why nothing can be read from it. Numbers begin at 1."""

    number: int
    fields: Mapping[str, Any] | None = None
    problem: str | None = None


@dataclass
class Reading:
    """Turns lines into specs, once, and knows afterwards how many there were and which were bad.

    Args:
        name: of the file, for errors.
        job: makes a line's spec, or raises SpecError.
        models: names that jobs may ask for.
        strict: the first bad line is an error.
    """

    name: str
    job: Callable[[Mapping[str, Any]], JobSpec]
    models: Collection[str]
    strict: bool = False
    lines: int = 0
    problems: list[ImportedLine] = field(default_factory=list)

    def specs(self, lines: Iterable[Line]) -> Iterator[JobSpec]:
        """The good ones, one by one.

        Raises:
            ManifestError: a bad line, if strict; more than MOST_PROBLEMS of them; none that is good.
        """
        good = 0
        for line in lines:
            self.lines += 1
            spec = self._spec(line)
            if spec is not None:
                good += 1
                yield spec
        if not good:
            why = f": line {self.problems[0].line}, {self.problems[0].message}" if self.problems else ""
            raise ManifestError(f"no line of it can become a job{why}", subject=self.name)

    def tally(self) -> Tally:
        """What was read so far."""
        return Tally(self.lines, self.problems)

    def _spec(self, line: Line) -> JobSpec | None:
        problem = line.problem
        if line.fields is not None:
            try:
                spec = self.job(line.fields)
            except SpecError as error:
                problem = f"{error.subject}: {error.message}" if error.subject else error.message
            else:
                if spec.model in self.models:
                    return spec
                problem = f"no worker has ever served the model {spec.model!r}"
        self._note(line, problem or "")
        return None

    def _note(self, line: Line, message: str) -> None:
        if self.strict:
            raise ManifestError(message, subject=f"{self.name}, line {line.number}", next_step="Nothing was submitted")
        name = (line.fields or {}).get("custom_id")
        self.problems.append(ImportedLine(line.number, message, name if isinstance(name, str) else None))
        if len(self.problems) > MOST_PROBLEMS:
            advice = f"The first: line {self.problems[0].line}, {self.problems[0].message}. Nothing was submitted"
            raise ManifestError(f"more than {MOST_PROBLEMS:,} bad lines", subject=self.name, next_step=advice)
