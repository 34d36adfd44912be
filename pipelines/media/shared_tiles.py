"""Tiles in an anonymous memory file: written by the decoder process, sealed, mapped by the parent without a copy."""

from __future__ import annotations

import fcntl
import mmap
import os

import numpy as np

from pipelines.media.types import Tiles

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
"""A file that could still shrink or change would let the decoder process crash the parent or alter what it reads."""


class TileFile:
    """The writer's side: one array of tiles in a memory file."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._memory: mmap.mmap | None = None

    def new_tiles(self, tile_count: int, side: int) -> Tiles:
        """A zeroed uint8 array [tile_count, side, side, 3] to be filled."""
        size = tile_count * side * side * 3
        self._descriptor = os.memfd_create("tiles", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        if not size:  # every window is known already; the kernel maps no empty files
            return np.empty((0, side, side, 3), np.uint8)
        os.ftruncate(self._descriptor, size)
        self._memory = mmap.mmap(self._descriptor, size)
        return np.frombuffer(self._memory, np.uint8).reshape(tile_count, side, side, 3)

    def seal(self) -> int:
        """Make the file immutable. No array of it may be alive any more.

        Returns:
            its descriptor, which `close` closes.
        """
        if self._memory is not None:
            self._memory.close()
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, SEALS)
        return self._descriptor

    def close(self) -> None:
        """Close the descriptor; arrays that still live keep their memory."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def map_tiles(descriptor: int, tile_count: int, side: int) -> Tiles:
    """The reader's side: the tiles of a sealed file, whose memory is freed with the array.

    The mapping is private, so the array is writable (torch warns of others) at no cost while nobody writes.

    Raises:
        ValueError: not sealed, or not of this size.
    """
    size = tile_count * side * side * 3
    if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & SEALS != SEALS or os.fstat(descriptor).st_size != size:
        raise ValueError("the memory file is not sealed or not of the promised size")
    if not size:
        return np.empty((0, side, side, 3), np.uint8)
    memory = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
    return np.frombuffer(memory, np.uint8).reshape(tile_count, side, side, 3)
