"""Where the frames of a page come from on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from reelmill.settings import settings

if TYPE_CHECKING:
    from reelmill.report import PictureSource

PACKAGES = ("av", "PIL", "numpy", "boto3")


@contextmanager
def picture_source(wanted: bool) -> Iterator[PictureSource]:
    """The media themselves, if this installation can read them; a source without pictures, and why, else."""
    from reelmill.report import NoPictures

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if not wanted:
        yield NoPictures("left out (--no-frames)")
    elif missing:
        yield NoPictures(
            f"{', '.join(missing)} not installed on the machine that made this page: pip install 'reelmill[worker]'"
        )
    else:
        from worker.pictures import StoredPictures

        with StoredPictures(settings()) as source:
            yield source
