from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from reelmill.settings import Settings
from worker.checkup import check_up
from worker.pulse import ProcessRecord, Pulse, born_at, read_record

STALE_S = 30.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(health_dir=tmp_path / "health", lease_s=STALE_S)


def record_of(settings: Settings) -> ProcessRecord:
    (path,) = (settings.health_dir or Path()).glob("*.json")
    record = read_record(path)
    assert record is not None
    return record


def leave(settings: Settings, record: ProcessRecord, name: str = "one") -> None:
    """Leave a record as another process of this machine would."""
    directory = settings.health_dir or Path()
    directory.mkdir(exist_ok=True)
    (directory / f"{socket.gethostname()}-{name}.json").write_text(json.dumps(asdict(record)))


def a_record(**changes: object) -> ProcessRecord:
    """Of a process that runs (this one), well and ready."""
    now, pid = time.monotonic(), os.getpid()
    well = ProcessRecord("worker", pid, 1, born_at(pid) or 0, "default", "ready", 0, now, now, STALE_S)
    return replace(well, **changes)  # type: ignore[arg-type]


def test_a_worker_is_alive_from_its_start_and_ready_when_it_has_loaded(settings: Settings) -> None:
    pulse = Pulse(settings).start()
    found = check_up(settings)
    assert not found.not_live
    assert found.not_ready == (f"worker {os.getpid()} is loading",)
    pulse.saw_database()
    pulse.become("ready")
    assert not check_up(settings).not_ready
    pulse.become("draining")
    assert check_up(settings).not_ready
    pulse.stop()
    assert check_up(settings).not_live


def test_a_beat_keeps_a_worker_alive(settings: Settings) -> None:
    pulse = Pulse(settings).start()
    before = record_of(settings).beat_at
    pulse.beat()
    assert record_of(settings).beat_at > before


def test_a_silent_process_is_not_alive(settings: Settings) -> None:
    leave(settings, a_record(beat_at=time.monotonic() - STALE_S - 5))
    assert "has been silent for 3" in check_up(settings).not_live[0]


def test_a_worker_out_of_touch_with_its_database_is_alive_but_not_ready(settings: Settings) -> None:
    leave(settings, a_record(database_at=time.monotonic() - STALE_S - 5))
    found = check_up(settings)
    assert not found.not_live
    assert "does not reach its database" in found.not_ready[0]


def test_a_supervisor_is_ready_with_all_its_processes(settings: Settings) -> None:
    own_pid = os.getpid()
    leave(settings, a_record(role="supervisor", replicas=2), "supervisor")
    leave(settings, a_record(parent_pid=own_pid), "first")
    assert check_up(settings).not_ready == (f"1 of 2 processes run below supervisor {own_pid}",)
    leave(settings, a_record(parent_pid=own_pid), "second")
    assert not check_up(settings).not_ready


def test_records_of_dead_processes_do_not_count_and_are_cleared_away(settings: Settings) -> None:
    """A pid that now belongs to another process must not pass for the one that was killed."""
    leave(settings, a_record(born_at=1), "recycled")
    leave(settings, a_record(pid=2**22 + 1), "gone")
    assert not check_up(settings).processes
    Pulse(settings).start()
    assert record_of(settings).pid == os.getpid()


def test_a_directory_that_cannot_be_written_does_not_stop_a_worker(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pulse = Pulse(Settings(health_dir=tmp_path / "file" / "health")).start()
    pulse.become("ready")
    pulse.stop()
