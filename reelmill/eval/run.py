"""One evaluation: what is known goes through the mill as a batch, and what comes back is judged."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reelmill.batch import Batch
from reelmill.client import Client
from reelmill.embedded import ServiceUrls, up
from reelmill.errors import DatabaseUnavailableError, WaitTimeoutError
from reelmill.eval.asking import job_of
from reelmill.eval.judge import judge
from reelmill.eval.truth import LabelledMedia
from reelmill.eval.verdict import Verdict
from reelmill.job_results import JobResults
from reelmill.ledger.migrate import upgrade
from reelmill.ledger.views import BatchStatus
from reelmill.local_worker import LocalWorker
from reelmill.schema import DEFAULT_MODEL, Generation, Sampling
from reelmill.settings import Settings, settings
from reelmill.urls import service_urls

ANSWERS_DEPEND_ON = ("model_revision", "dtype", "quantization", "engine", "backend")
"""Settings of a worker."""
Check = Callable[[], None]
LOOK_S = 30.0
"""How often a command that waits looks after its own worker."""


@dataclass(frozen=True, slots=True)
class Questioning:
    """How media are asked: of which model, with which sampling and generation."""

    model: str = DEFAULT_MODEL
    sampling: Sampling = field(default_factory=Sampling)
    generation: Generation = field(default_factory=Generation)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came back of one media; `found` is None where its job did not succeed."""

    media: LabelledMedia
    found: JobResults | None
    verdicts: tuple[Verdict, ...]


def submit(client: Client, media: Sequence[LabelledMedia], how: Questioning, name: str) -> Batch:
    """Accept one job per media, as one batch."""
    specs = (job_of(each, how.model, how.sampling, how.generation) for each in media)
    return client.submit_many(specs, name=name, labels={"reelmill": "eval"})


def wait(batch: Batch, check: Check, *, progress: bool) -> BatchStatus:
    """Wait until every job has reached its end; raises what `check` raises."""
    while True:
        try:
            return batch.wait(timeout=LOOK_S, progress=progress)
        except WaitTimeoutError:
            check()


def judged(
    media: Sequence[LabelledMedia], results: Mapping[tuple[str, ...], JobResults], failed: Collection[tuple[str, ...]]
) -> tuple[Judged, ...]:
    """Every media that was worked, in their order; media that are in neither were not asked, and count for nothing."""
    return tuple(
        Judged(each, results.get(each.uris), judge(each, results.get(each.uris)))
        for each in media
        if each.uris in results or each.uris in failed
    )


def by_media(results: Iterable[JobResults]) -> dict[tuple[str, ...], JobResults]:
    """The last result of each media (or ordered set of them)."""
    return {tuple(media.uri for media in found.media): found for found in results}


@contextmanager
def own_worker(model: str, media: Sequence[LabelledMedia]) -> Iterator[tuple[str, Check]]:
    """A worker with this model on the named or else the embedded services.

    Gives the name that jobs ask for, and a check that raises once the worker has died.

    Raises:
        LocalWorkerError: the model cannot be served.
        EmbeddedServicesError.
    """
    in_force = settings()
    urls = _urls(in_force)
    upgrade(urls.database_url)
    name = served_name(model, in_force)
    handle, log_path = tempfile.mkstemp(prefix="reelmill-eval-", suffix=".log")
    os.close(handle)
    worker = LocalWorker(model, file_roots(media, in_force), Path(log_path), name, in_force.concurrency)
    with worker.running(urls) as check:
        yield name, check
    # After an error it is kept: the error names it.
    Path(log_path).unlink()


def served_name(model: str, in_force: Settings) -> str:
    """Of this checkpoint with these settings alone: no other worker takes these jobs, and the same can go on."""
    resolved = str(Path(model).resolve()) if Path(model).exists() else model
    what = (resolved, *(getattr(in_force, name) for name in ANSWERS_DEPEND_ON))
    return f"eval-{hashlib.sha256(repr(what).encode()).hexdigest()[:12]}"


def file_roots(media: Sequence[LabelledMedia], in_force: Settings) -> tuple[Path, ...]:
    """The directories of all files, and those that are allowed already."""
    paths = [Path(unquote(urlsplit(uri).path)) for each in media for uri in each.uris if uri.startswith("file://")]
    parents = {path.parent for path in paths}
    return (*in_force.file_roots, *sorted(parent for parent in parents if not parents.intersection(parent.parents)))


def _urls(in_force: Settings) -> ServiceUrls:
    try:
        return service_urls(in_force)
    except DatabaseUnavailableError:
        return up()
