"""`reelmill demo`: the whole mill on media with known truth, from rendering to a report page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo.show import results_table
from demo.world import plan, write_world
from reelmill.cli.show_eval import scores_table
from reelmill.client import Client
from reelmill.embedded import psql_command, up
from reelmill.eval.labelled_file import read_labelled
from reelmill.eval.page import figures, report_media
from reelmill.eval.run import Judged, Questioning, by_media, judged, submit, wait
from reelmill.eval.scores import Score, scores
from reelmill.ledger.migrate import upgrade
from reelmill.local_worker import LocalWorker
from reelmill.report import write_report
from reelmill.schema import Generation
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
    write_world(options.folder, options.seed, plan(options.media, long_videos=options.long_videos, plain=True))
    media = read_labelled(options.folder)
    console.print("[bold]2[/] Starting the embedded Postgres and Redis …")
    urls = up()
    upgrade(urls.database_url)
    console.print("[bold]3[/] Starting a worker with the shapes model, and submitting …")
    client = Client(database_url=urls.database_url, redis_url=urls.redis_url)
    worker = _worker(options)
    with worker.running(urls) as check:
        batch = submit(client, media, Questioning(generation=Generation(max_new_tokens=96)), "demo")
        status = wait(batch, check, progress=True)
    found = judged(media, by_media(batch.results()), {each.uris for each in media})
    told = scores([verdict for each in found for verdict in each.verdicts])
    console.print(results_table(found))
    console.print(scores_table(told))
    _write_page(options, found, told)
    for error in batch.errors():
        console.print(f"[red]{error.error_code}[/] {error.error_message}")
    psql = psql_command(urls)
    console.print(f"The page:    {options.report.resolve()}")
    console.print(f"The rows:    {psql}", soft_wrap=True)
    console.print("             SELECT m.uri, c.text FROM captions c JOIN media m USING (job_id);")
    console.print(f"The worker's log: {worker.log_path}.  `reelmill down` stops Postgres and Redis.")
    by_name = {score.metric: score.value for score in told}
    return DemoOutcome(status.total, status.succeeded, by_name, options.report.resolve(), psql)


def _worker(options: DemoOptions) -> LocalWorker:
    log_path = options.folder / "worker.log"
    return LocalWorker(str(MODEL), (options.folder.resolve(),), log_path, concurrency=options.concurrency)


def _write_page(options: DemoOptions, found: Sequence[Judged], told: Sequence[Score]) -> None:
    in_force = settings().model_copy(update={"file_roots": (options.folder.resolve(),)})
    with StoredPictures(in_force) as source:
        media = list(report_media((each for each in found if each.found), source))
    write_report(options.report, media, title="reelmill demo: coloured shapes", figures=figures(told))
