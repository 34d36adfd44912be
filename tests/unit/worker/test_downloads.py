"""Downloads that a killed worker left behind are cleared; those that are in use never are."""

import subprocess
import sys
from pathlib import Path

from worker.storage.downloads import PREFIX, clear_leftovers, new_download

DOWNLOADING = """
import sys, time
from pathlib import Path
from worker.storage.downloads import new_download
with new_download(Path(sys.argv[1]), "s3://b/k") as made:
    made.file.write(b"half of it")
    print(made.path, flush=True)
    time.sleep(600)
"""


def test_a_killed_workers_download_is_cleared_and_a_living_ones_is_not(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", DOWNLOADING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        killed, living = (Path((worker.stdout.readline() if worker.stdout else "").strip()) for worker in workers)
        assert clear_leftovers(tmp_path) == 0
        workers[0].kill()
        workers[0].wait()
        assert (killed.read_bytes(), living.read_bytes()) == (b"half of it", b"half of it")
        assert clear_leftovers(tmp_path) == 1
        assert list(tmp_path.iterdir()) == [living]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_what_is_not_a_download_stays(tmp_path: Path) -> None:
    (tmp_path / "somebody-elses").touch()
    (tmp_path / f"{PREFIX}directory").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "somebody-elses")
    assert clear_leftovers(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert clear_leftovers(tmp_path / "nowhere") == 0


def test_downloads_of_this_worker_stay_while_they_are_open_and_go_afterwards(tmp_path: Path) -> None:
    with new_download(tmp_path, "s3://b/k") as made:
        assert clear_leftovers(tmp_path) == 0
        assert made.path.exists()
    assert list(tmp_path.iterdir()) == []
