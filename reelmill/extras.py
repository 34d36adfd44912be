"""Libraries that only some users need: imported when used, and a typed error with the pip line where they lack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reelmill.errors import MissingExtraError


@contextmanager
def extra(name: str, *, purpose: str) -> Iterator[None]:
    """Imports inside the block may lack what this extra of reelmill brings.

    Args:
        name: as in `pip install 'reelmill[name]'`.
        purpose: what the library is needed for: the subject of the error.

    Raises:
        MissingExtraError: a module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"needs {(error.name or 'a library').partition('.')[0]}, which is not installed",
            subject=purpose,
            next_step=f"pip install 'reelmill[{name}]'",
        ) from error
