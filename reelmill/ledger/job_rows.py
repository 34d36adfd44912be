"""Job specs as rows: the text of each column, made once for settings that many jobs share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from reelmill.ledger.ids import new_id
from reelmill.ledger.text import clean, clean_json, clean_or_none, to_json
from reelmill.schema import Generation, JobSpec, Sampling, Task

_TASKS: TypeAdapter[tuple[Task, ...]] = TypeAdapter(tuple[Task, ...])
_CACHED_SETTINGS = 1024


class JobRow(NamedTuple):
    """Columns of a job that is about to be inserted, in the order of the staging table."""

    id: UUID
    model: str
    priority: int
    max_attempts: int
    client_token: str | None
    labels: str
    tasks: str
    sampling: str
    generation: str
    media: list[str]


class JobRows:
    """Iterates over specs as rows, with rising ids; counts them and remembers their models."""

    def __init__(self, specs: Iterable[JobSpec]) -> None:
        self._rows = (self._row(spec) for spec in specs)
        self._settings = _SettingsJson()
        self.count = 0
        self.models: set[str] = set()

    def __iter__(self) -> Iterator[JobRow]:
        return self._rows

    def _row(self, spec: JobSpec) -> JobRow:
        self.count += 1
        self.models.add(spec.model)
        tasks, sampling, generation = self._settings.of(spec)
        return JobRow(
            id=new_id(),
            model=spec.model,
            priority=spec.priority,
            max_attempts=spec.max_attempts,
            client_token=clean_or_none(spec.client_token),
            labels=without_nul(to_json(spec.labels)) if spec.labels else "{}",
            tasks=tasks,
            sampling=sampling,
            generation=generation,
            media=[clean(uri) for uri in spec.media],
        )


class _SettingsJson:
    """JSON of tasks and settings. Jobs of a batch mostly share the very objects: those are dumped once."""

    def __init__(self) -> None:
        self._cache: dict[tuple[int, ...], tuple[JobSpec, tuple[str, str, str]]] = {}

    def of(self, spec: JobSpec) -> tuple[str, str, str]:
        key = (id(spec.sampling), id(spec.generation), *map(id, spec.tasks))
        # Keeping the spec keeps its objects alive, so that their ids are not given to others.
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _CACHED_SETTINGS:
                self._cache.clear()
            found = self._cache[key] = (spec, _dump(spec.tasks, spec.sampling, spec.generation))
        return found[1]


def _dump(tasks: tuple[Task, ...], sampling: Sampling, generation: Generation) -> tuple[str, str, str]:
    return (
        without_nul(_TASKS.dump_json(tasks).decode()),
        sampling.model_dump_json(),
        generation.model_dump_json(),
    )


def without_nul(document: str) -> str:
    """JSON may say NUL, JSONB may not."""
    return to_json(clean_json(json.loads(document))) if "\\u0000" in document else document
