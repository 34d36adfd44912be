"""What `eval` does, step by step: read, ask, show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import console, error_console, write_error, write_json
from reelmill.cli.pictures import picture_source
from reelmill.cli.report import MOST_PICTURE_BYTES, followed
from reelmill.cli.target import opened
from reelmill.errors import LocalWorkerError, MissingExtraError, SpecError
from reelmill.schema import Generation, Sampling

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.eval.run import Check, Judged
    from reelmill.eval.scores import Score
    from reelmill.eval.truth import LabelledMedia
    from reelmill.eval.verdict import Verdict


@dataclass(frozen=True, slots=True)
class How:
    """How media are asked: by a worker of our own (`model`), a running one, or not at all (`batch` has been)."""

    model: str | None
    served_model_name: str
    batch: str | None
    sampling: Sampling
    generation: Generation
    labelled: Path


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: a title, labels to break down by, and a page of so many media (0: none)."""

    title: str
    slices: tuple[str, ...]
    report: Path
    worst: int


def read(path: Path, limit: int | None, seed: int) -> tuple[LabelledMedia, ...]:
    """The labelled media, or a sample. Raises LabelledFileError."""
    from reelmill.eval.labelled_file import read_labelled, sampled

    return sampled(read_labelled(path), limit, seed)


def show_plan(media: Sequence[LabelledMedia], *, as_json: bool) -> None:
    """What would be asked; nothing is submitted."""
    from reelmill.cli.show_eval import plan_table
    from reelmill.eval.judge import judge

    tasks = Counter(verdict.score for each in media for verdict in judge(each, None))
    if as_json:
        write_json({"dry_run": True, "media": len(media), "tasks": dict(sorted(tasks.items()))})
    else:
        console().print(plan_table(tasks))
        console().print(f"{len(media):,} media, a job each. Nothing was submitted.")


def ask(media: Sequence[LabelledMedia], how: How, *, as_json: bool) -> tuple[Judged, ...]:
    """Put the media through the mill and judge what comes back; with a batch, what came back before."""
    from reelmill.eval.run import by_media, judged, wait

    with _batch(media, how) as (batch, check):
        with _interruptible(batch, how, as_json=as_json):
            status = wait(batch, check, progress=not as_json)
        failed = {error.media for error in batch.errors()}
        results = by_media(batch.results())
    if as_json:
        write_json({"batch": batch.id, "total": status.total, **asdict(status)})
    found = judged(media, results, failed if how.batch else {each.uris for each in media})
    if not found:
        raise SpecError(
            "holds none of these media", subject=f"batch {batch.id}", next_step="Name the file that it was made from"
        )
    if not as_json:
        error_console().print(f"batch {batch.id}  {status}", soft_wrap=True, markup=False)
    return found


def show_scores(judged: Sequence[Judged], view: View, *, as_json: bool) -> None:
    """Scores, slices, the page of the worst cases; for programs one JSON object per line, the headline last."""
    from reelmill.cli.show_eval import scores_table, slices_table
    from reelmill.eval.scores import headline, scores, slices

    verdicts = [verdict for each in judged for verdict in each.verdicts]
    found, parts = (*scores(verdicts), *_wording(verdicts)), slices(verdicts, view.slices)
    page = _page(judged, found, view, shown=not as_json) if view.worst else None
    if as_json:
        for score in (*found, *parts):
            write_json({"score": asdict(score)})
        if page is not None:
            write_json({"report": page})
        write_json(headline(found))
        return
    console().print(scores_table(found))
    console().print(slices_table(parts))
    unanswered = sum(each.found is None for each in judged)
    if unanswered:
        error_console().print(f"{unanswered:,} media have no answer: all that is known of them counts as wrong.")
    if page is not None:
        console().print(f"The worst cases: {page}", soft_wrap=True, markup=False)


def show_drift(media: Sequence[LabelledMedia] | None, first: str, second: str, *, as_json: bool) -> bool:
    """Whether two runs answer the same; True if they differ."""
    from reelmill.cli.show_eval import drift_table
    from reelmill.eval.drift import compare, conclusion

    lines = compare(_verdicts(first, media), _verdicts(second, media), with_truth=media is not None)
    if not lines:
        raise SpecError("have no media and task in common", subject=f"{first} and {second}")
    words = conclusion(lines)
    if as_json:
        for line in lines:
            write_json({"task": {**asdict(line), "agreement": line.agreement, "words": line.words}})
        asked, same = sum(line.count for line in lines), sum(line.same for line in lines)
        write_json({"verdict": words, "asked": asked, "same": same, "agreement": same / asked})
    else:
        console().print(drift_table(lines))
    return any(line.differs for line in lines)


@contextmanager
def _batch(media: Sequence[LabelledMedia], how: How) -> Iterator[tuple[Batch, Check]]:
    """The batch to be scored, with somebody to work it."""
    from reelmill.client import Client
    from reelmill.eval.run import Questioning, own_worker, submit

    with ExitStack() as stack:
        name, check = how.served_model_name, _nothing
        if how.model is not None:
            name, check = stack.enter_context(own_worker(how.model, media))
        if how.batch is not None:
            yield stack.enter_context(_known(how.batch)), check
            return
        client = stack.enter_context(Client())
        asking = Questioning(name, how.sampling, how.generation)
        yield submit(client, media, asking, f"eval {how.labelled.name}"), check


def _nothing() -> None:
    """The check of somebody else's worker."""


@contextmanager
def _known(batch_id: str) -> Iterator[Batch]:
    from reelmill.batch import Batch

    with opened(batch_id) as found:
        if not isinstance(found, Batch):
            raise SpecError("is a job, not a batch", subject=batch_id)
        yield found


@contextmanager
def _interruptible(batch: Batch, how: How, *, as_json: bool) -> Iterator[None]:
    """Ctrl-C ends the waiting; what has been answered is not lost."""
    try:
        yield
    except KeyboardInterrupt:
        advice = f"`{_same(batch, how)}` goes on with it"
        write_error("interrupted", "not done yet", subject=str(batch.id), next_step=advice, as_json=as_json)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except LocalWorkerError as error:
        advice = f"{error.next_step}; `{_same(batch, how)}` goes on with it"
        raise LocalWorkerError(error.message, subject=error.subject, next_step=advice) from error


def _same(batch: Batch, how: How) -> str:
    """The command that goes on with this batch."""
    return f"reelmill eval {how.labelled}{f' --model {how.model}' if how.model else ''} --batch {batch.id}"


def _wording(verdicts: Sequence[Verdict]) -> tuple[Score, ...]:
    """BLEU and chrF of the captions, where sacrebleu is installed."""
    from reelmill.eval.wording import wording_scores

    captions = [verdict for verdict in verdicts if verdict.place.kind == "caption"]
    try:
        return wording_scores([each.said for each in captions], [each.truths for each in captions])
    except MissingExtraError as error:
        error_console().print(f"Without BLEU and chrF: {error.message}. {error.next_step}", markup=False)
        return ()


def _page(judged: Sequence[Judged], found: Sequence[Score], view: View, *, shown: bool) -> Path | None:
    """The worst cases as a page; None when nothing is wrong."""
    from reelmill.eval.page import figures, report_media, worst
    from reelmill.report import BoundedPictures, write_report

    wrong = worst(judged, view.worst)
    if not wrong:
        return None
    with picture_source(True) as source:
        media = list(
            followed(report_media(wrong, BoundedPictures(source, MOST_PICTURE_BYTES)), len(wrong), shown=shown)
        )
    subtitle = f"the {len(wrong):,} worst of {len(judged):,} media"
    title = f"reelmill eval: {view.title}"
    return write_report(view.report, media, title=title, figures=figures(found), subtitle=subtitle).resolve()


def _verdicts(run: str, media: Sequence[LabelledMedia] | None) -> list[Verdict]:
    """What a batch, or a file of `results -f jsonl`, said: of the labelled media, or of all that there are."""
    from reelmill.eval.judge import judge
    from reelmill.eval.observed import observed
    from reelmill.eval.run import by_media
    from reelmill.export import read_jsonl

    if Path(run).is_file():
        results = by_media(read_jsonl(run))
    else:
        with _known(run) as batch:
            results = by_media(batch.results())
    if media is None:
        return [verdict for found in results.values() for verdict in observed(found)]
    return [verdict for each in media if each.uris in results for verdict in judge(each, results[each.uris])]
