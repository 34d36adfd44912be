"""Progress of a wait: a bar where it can be redrawn, lines elsewhere."""

from __future__ import annotations

import importlib.util
import io

import pytest
from rich.console import Console

from reelmill import progress, progress_bar
from reelmill.ledger.views import BatchStatus
from reelmill.progress import batch_progress, clock
from reelmill.progress_bar import bar


class FakeTime:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(progress, "time", fake)
    monkeypatch.setattr(progress_bar, "time", fake)
    return fake


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_lines_go_to_standard_error_and_count_failures(
    time: FakeTime, capsys: pytest.CaptureFixture[str]
) -> None:
    with batch_progress("batch 7", shown=True) as show:
        show(BatchStatus(queued=5))
        show(BatchStatus(running=1, succeeded=2, failed=1, cancelled=1))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["batch 7  0/5", "batch 7  4/5  1 running, 1 failed, 1 cancelled"]


def test_nothing_is_printed_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with batch_progress("batch", shown=False) as show:
        show(BatchStatus(succeeded=2), "waiting")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_lines_come_soon_at_first_and_each_minute_later(time: FakeTime, capsys: pytest.CaptureFixture[str]) -> None:
    with batch_progress("b", shown=True) as show:
        for second in range(3600):
            time.now_s = 100.0 + second
            show(BatchStatus(queued=4000 - second, succeeded=second))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "b  5/4,000  1.0 jobs/s  1:06:35 left"
    assert 60 <= len(lines) <= 70
    assert lines[-1].startswith("b  3,599/4,000")


def test_nothing_new_is_not_told_again(time: FakeTime, capsys: pytest.CaptureFixture[str]) -> None:
    with batch_progress("b", shown=True) as show:
        for second in range(500):
            time.now_s = 100.0 + second
            show(BatchStatus(queued=5), "no worker is alive for model '[red]x'")
    assert capsys.readouterr().err == "b  0/5  no worker is alive for model '[red]x'\n"


def test_what_was_seen_last_is_told_when_waiting_breaks_off(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with batch_progress("b", shown=True) as show:
            show(BatchStatus(queued=2))
            show(BatchStatus(queued=1, succeeded=1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "b  1/2" in capsys.readouterr().err


def test_the_bar_shows_rate_time_left_failures_and_what_is_waited_for(time: FakeTime) -> None:
    console = terminal()
    with bar("batch 7", console) as show:
        show(BatchStatus(queued=1000, succeeded=500))
        time.now_s += 10
        show(BatchStatus(queued=899, running=1, succeeded=595, failed=5), "no worker for [red]x")
    frame = written(console)
    for part in ("batch 7", "600/1500", "10.0 jobs/s", "1:30 left", "1 running, 5 failed", "no worker for [red]x"):
        assert part in frame


def test_a_notebook_without_widgets_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich would show nothing at all there, but a warning."""
    notebook = Console(force_jupyter=True)
    known = importlib.util.find_spec

    def without_widgets(name: str, package: str | None = None) -> object:
        return None if name == "ipywidgets" else known(name, package)

    monkeypatch.setattr(progress, "find_spec", without_widgets)
    assert not progress._can_redraw(notebook)
    monkeypatch.setattr(progress, "find_spec", lambda name: object())
    assert progress._can_redraw(notebook)
    assert progress._can_redraw(terminal())
    assert not progress._can_redraw(Console(file=io.StringIO()))


def test_seconds_are_told_as_a_clock() -> None:
    assert [clock(seconds) for seconds in (0.4, 75, 3725)] == ["0:00", "1:15", "1:02:05"]
