"""`reelmill demo`: the whole mill on media with known truth, from rendering to a report page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo.judge import Verdict, judge
from demo.pages import report_media
from demo.score import Tally
from demo.show import results_table, scores_table
from demo.world import Truth, plan, read_truth, write_world
from reelmill import Ask, Caption, Client, Generation, Ground, JobSpec
from reelmill.batch import Batch
from reelmill.embedded import ServiceUrls, psql_command, up
from reelmill.ledger.migrate import upgrade
from reelmill.ledger.results import JobResults
from reelmill.report import ReportFigure, write_report
from reelmill.settings import settings
from worker.pictures import StoredPictures

MODEL = Path(__file__).parent / "model"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo makes, and where. `folder` holds the media, `report` is the page."""

    folder: Path = Path(".reelmill/demo")
    report: Path = Path("report.html")
    media: int = 18
    long_videos: int = 1
    seed: int = 2026
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """How it went: jobs by state, scores in [0, 1], and where to look next."""

    total: int
    succeeded: int
    scores: Mapping[str, float]
    report: Path
    psql: str


def run(options: DemoOptions, console: Console) -> DemoOutcome:
    """Render, start the mill, submit, wait, compare, write the page."""
    console.print(f"[bold]1[/] Rendering {options.media} images and videos of coloured shapes …")
    write_world(options.folder, options.seed, plan(options.media, long_videos=options.long_videos))
    truths = list(read_truth(options.folder))
    console.print("[bold]2[/] Starting the embedded Postgres and Redis …")
    urls = up()
    upgrade(urls.database_url)
    console.print("[bold]3[/] Starting a worker with the shapes model, and submitting …")
    with _worker(options, urls) as worker_log:
        batch = _submit(options, urls, truths)
        status = batch.wait(progress=True)
    tally = Tally()
    results = {Path(found.media[0].uri).name: found for found in batch.results()}
    verdicts = {truth.media: _judged(truth, results.get(truth.media), tally) for truth in truths}
    console.print(results_table(truths, verdicts))
    console.print(scores_table(tally))
    _write_page(options, truths, results, verdicts, tally)
    for error in batch.errors():
        console.print(f"[red]{error.error_code}[/] {error.error_message}")
    psql = psql_command(urls)
    console.print(f"The page:    {options.report.resolve()}")
    console.print(f"The rows:    {psql}", soft_wrap=True)
    console.print("             SELECT m.uri, c.text FROM captions c JOIN media m USING (job_id);")
    console.print(f"The worker's log: {worker_log}.  `reelmill down` stops Postgres and Redis.")
    return DemoOutcome(status.total, status.succeeded, tally.scores(), options.report.resolve(), psql)


def _submit(options: DemoOptions, urls: ServiceUrls, truths: list[Truth]) -> Batch:
    client = Client(database_url=urls.database_url, redis_url=urls.redis_url)
    return client.submit_many((_spec(options.folder, truth) for truth in truths), name="demo")


def _spec(folder: Path, truth: Truth) -> JobSpec:
    questions = dict.fromkeys(task["question"] for task in truth.tasks if task["kind"] == "ask")
    phrases = dict.fromkeys(task["phrase"] for task in truth.tasks if task["kind"] == "ground")
    return JobSpec(
        media=((folder / truth.media).resolve().as_uri(),),
        tasks=(Caption(), Ask(*questions), Ground(*phrases)),
        generation=Generation(max_new_tokens=96),
    )


@contextmanager
def _worker(options: DemoOptions, urls: ServiceUrls) -> Iterator[Path]:
    """A real worker process, drained at the end."""
    log_path = options.folder / "worker.log"
    environment = os.environ | {
        "REELMILL_DATABASE_URL": urls.database_url,
        "REELMILL_REDIS_URL": urls.redis_url,
        "REELMILL_FILE_ROOTS": f'["{options.folder.resolve()}"]',
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1))),
    }
    command = [sys.executable, "-m", "reelmill", "worker", "--model", str(MODEL)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--concurrency", str(options.concurrency)], env=environment, stdout=log, stderr=log
        )
        try:
            yield log_path
        finally:
            process.terminate()
            process.wait(timeout=60)


def _judged(truth: Truth, found: JobResults | None, tally: Tally) -> tuple[Verdict, ...]:
    return judge(truth, found.captions, found.answers, found.groundings, tally) if found else ()


def _write_page(
    options: DemoOptions,
    truths: list[Truth],
    results: Mapping[str, JobResults],
    verdicts: Mapping[str, tuple[Verdict, ...]],
    tally: Tally,
) -> None:
    in_force = settings().model_copy(update={"file_roots": (options.folder.resolve(),)})
    with StoredPictures(in_force) as source:
        media = [
            report_media(source, truth, results[truth.media], verdicts[truth.media])
            for truth in truths
            if truth.media in results
        ]
    figures = [ReportFigure(name.replace("_", " "), f"{score:.0%}") for name, score in tally.scores().items()]
    write_report(options.report, media, title="reelmill demo: coloured shapes", figures=figures)
