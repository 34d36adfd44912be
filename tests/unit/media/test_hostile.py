"""The quick files of `python -m benchmarks hostile`: right frames, or a typed error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hostile import images, traps, videos
from benchmarks.hostile.bench import judge, made_scene, settings_for
from benchmarks.hostile.canary import canary
from benchmarks.hostile.cases import Case, Scene
from benchmarks.hostile.mill import Worker

CASES = [case for module in (images, videos, traps) for case in module.cases() if case.quick]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with canary() as server:
        yield made_scene(tmp_path_factory.mktemp("hostile"), server.url, seed=1)
        assert server.hits == 0, "a file had its reader ask a server"


@pytest.fixture(scope="module")
def worker(scene: Scene) -> Iterator[Worker]:
    worker = Worker(settings_for(scene))
    yield worker
    worker.close()
    assert worker.restarts == 0, "a file ended the worker"


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case.name)[1:41])
def test_a_hostile_file_gives_right_frames_or_an_error_that_names_it(case: Case, scene: Scene, worker: Worker) -> None:
    (judged,) = judge([case], scene, worker)
    allowed = {
        "frames": ("right_frames",),
        "error": ("typed_error",),
        "either": ("right_frames", "typed_error", "counted_damage"),
    }
    assert judged.outcome in allowed[case.expect], judged
    assert not judged.over_limits


def test_the_judge_sees_what_is_stolen(scene: Scene, worker: Worker) -> None:
    stolen = Case("stolen.png", lambda path, scene: path.write_bytes(scene.secret.read_bytes()), "error")
    (judged,) = judge([stolen], scene, worker)
    assert judged.outcome == "untyped"


def test_the_canary_sees_who_asks(scene: Scene) -> None:
    import urllib.request

    with canary() as server:
        urllib.request.urlopen(server.url).close()
        assert server.hits == 1


def test_names_of_odd_characters_stay_below_the_folder(scene: Scene) -> None:
    assert all(Path(name).name == name for name in traps.ODD_NAMES)
