"""Cutting pictures into tiles while the next ones are decoded."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from pipelines.media.tiling import Picture, TilePlan, cut_tiles
from pipelines.media.types import Tiles


class TileCutter:
    """Fills `tiles` [pictures × plan.tile_count, size, size, 3] in order; they are whole when the `with` has ended.

    With several threads the resizing is theirs (Pillow and torch let go of the interpreter's lock): as many pictures as
    threads wait or are cut at a time. With one it is the caller's.

    Raises:
        MemoryError: of any picture, at a later call or at the end.
    """

    def __init__(self, plan: TilePlan, tiles: Tiles, threads: int) -> None:
        self._plan, self._tiles, self._threads = plan, tiles, threads
        self._pictures = 0
        self._pending: deque[Future[None]] = deque()
        self._stack = ExitStack()
        self._executor = self._stack.enter_context(ThreadPoolExecutor(threads, "tiles")) if threads > 1 else None

    def cut(self, picture: Picture) -> None:
        """The next picture, which must not change any more."""
        out = self._next_tiles()
        if self._executor is None:
            cut_tiles(picture, self._plan, out)
            return
        self._wait_for_all_but(self._threads - 1)
        self._pending.append(self._executor.submit(cut_tiles, picture, self._plan, out))

    def repeat(self) -> None:
        """The last picture again."""
        out = self._next_tiles()
        self._wait_for_all_but(0)
        before = (self._pictures - 2) * self._plan.tile_count
        out[:] = self._tiles[before : before + self._plan.tile_count]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._wait_for_all_but(0)

    def _next_tiles(self) -> Tiles:
        start = self._pictures * self._plan.tile_count
        self._pictures += 1
        return self._tiles[start : start + self._plan.tile_count]

    def _wait_for_all_but(self, count: int) -> None:
        while len(self._pending) > count:
            self._pending.popleft().result()
