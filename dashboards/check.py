"""`python -m dashboards.check`: the dashboard in a real Superset and a real browser, on a mill filled with rows.

Opens every tab, and fails if a chart was not asked for, was answered with an error or without rows; searches; takes
pictures of the tabs, as in README.md. Not among the tests of `make test`: Superset is 0.8 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from benchmarks._archive_rows import fill
from benchmarks.mill import own_mill
from dashboards.browser import Answer, DashboardPage, chromium
from dashboards.bundle import SOURCES
from dashboards.environment import HOST, Environment, SupersetError
from reelmill.cli.output import console
from reelmill.ledger.database import Database
from reelmill.ledger.schedule_ticks import run_schedule_now
from reelmill.ledger.schedules import add_schedule
from reelmill.schema import Caption, PrefixSpec
from reelmill.schema.schedule import ScheduleSpec

START_WITHIN_S = 900
SLUG = "reelmill"
SEARCHED = "red panda"
# What the filters say, in the address: a week by days, as many batches are of interest in a picture.
WEEK = (
    "(NATIVE_FILTER-time:(extraFormData:(time_range:'Last week'),filterState:(value:'Last week'),id:NATIVE_FILTER-time,"
    "ownState:()),NATIVE_FILTER-grain:(extraFormData:(time_grain_sqla:P1D),filterState:(label:Day,value:!(P1D)),"
    "id:NATIVE_FILTER-grain,ownState:()))"
)


def main() -> int:
    """Exit code 1, with what is wrong, if one chart is."""
    options = _options()
    with own_mill(log_level="WARNING") as urls:
        _fill(urls.database_url, options.rows)
        with _superset(options) as address, tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as driver:
            wrong = _check(DashboardPage(driver), address, options)
    for line in wrong or ["every chart was answered"]:
        console().print(line, markup=False, soft_wrap=True)
    return 1 if wrong else 0


def problems(charts: dict[int, str], answers: dict[int, Answer]) -> list[str]:
    """What is wrong with the charts of a dashboard: not asked for, an error, or nothing to show."""
    found = []
    for number, name in charts.items():
        answer = answers.get(number)
        if answer is None:
            found.append(f"{name}: was not asked for")
        elif answer.error is not None:
            found.append(f"{name}: {answer.error}")
        elif not answer.rows:
            found.append(f"{name}: no rows")
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m dashboards.check", description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000, help="jobs in the mill (30000)")
    parser.add_argument("--port", type=int, default=8189, help="of Superset, on 127.0.0.1 (8189)")
    parser.add_argument("--home", type=Path, default=Path(".superset"), help="of Superset, 0.8 GB (.superset)")
    parser.add_argument("--pictures", type=Path, default=Path(".superset/pictures"), help="where pictures go")
    return parser.parse_args()


def _fill(url: str, rows: int) -> None:
    fill(url, rows)
    database = Database(url)
    archive = PrefixSpec(prefix="s3://archive/incoming/", tasks=(Caption(),))
    add_schedule(database, ScheduleSpec(name="nightly", cron="0 2 * * *", archive=archive))
    run_schedule_now(database, "nightly")
    database.close()


def _check(page: DashboardPage, address: str, options: argparse.Namespace) -> list[str]:
    dashboard = f"{address}/superset/dashboard/{SLUG}/"
    page.log_in(address, "admin", Environment(options.home).secrets.admin)
    page.open(dashboard)
    for tab in page.tabs():
        page.show(tab)
    charts = page.charts(SLUG)
    expected = len(list((SOURCES / "charts").glob("*.yaml")))
    wrong = problems(charts, page.answers)
    if len(charts) != expected:
        wrong.append(f"the dashboard has {len(charts)} charts, the bundle {expected}")
    options.pictures.mkdir(parents=True, exist_ok=True)
    page.open(f"{dashboard}?native_filters={WEEK}")
    for tab in page.tabs():
        page.show(tab)
        if tab == page.tabs()[-1]:
            wrong += _search(page, {name: number for number, name in charts.items()})
        page.picture(options.pictures / f"superset-{tab.split()[0].lower()}.png")
    return wrong


def _search(page: DashboardPage, numbers: dict[str, int]) -> list[str]:
    """On the tab that is open: words in any order and form are in every caption, and not in every one before."""
    before = page.answers[numbers["Captions found"]].rows
    page.search(SEARCHED)
    after = page.answers[numbers["Captions found"]].rows
    shown = [row["caption"] for row in page.answers[numbers["Captions"]].rows]
    missed = [caption for caption in shown if not all(word in caption for word in SEARCHED.split())]
    if missed or not 0 < after[0]["Captions"] < before[0]["Captions"]:
        return [f"the search for {SEARCHED!r}: {after} of {before}, without the words: {missed[:3]}"]
    return []


@contextmanager
def _superset(options: argparse.Namespace) -> Iterator[str]:
    """`make dashboards`, without make, against the mill of the environment; its address."""
    address = f"http://{HOST}:{options.port}"
    command = [sys.executable, "-m", "dashboards", "--port", str(options.port), "--home", str(options.home)]
    with subprocess.Popen(command) as process:
        try:
            _wait(address, process)
            yield address
        finally:
            process.terminate()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + START_WITHIN_S
    while monotonic() < deadline:
        if process.poll() is not None:
            raise SupersetError(f"it ended with {process.returncode}", next_step="It has said why above")
        with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=10):
            return
        sleep(1)
    raise SupersetError(f"no answer within {START_WITHIN_S} s", subject=address)


if __name__ == "__main__":
    sys.exit(main())
