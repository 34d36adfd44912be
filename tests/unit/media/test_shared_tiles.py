import fcntl
import os

import numpy as np
import pytest

from pipelines.media.shared_tiles import TileFile, map_tiles


def test_tiles_cross_over_and_outlive_the_file() -> None:
    file = TileFile()
    tiles = file.new_tiles(2, 4)
    tiles[:] = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(tiles.shape)
    expected = tiles.copy()
    del tiles
    mapped = map_tiles(file.seal(), 2, 4)
    file.close()
    np.testing.assert_array_equal(mapped, expected)
    mapped[0] = 0


def test_a_sealed_file_can_neither_change_nor_shrink() -> None:
    file = TileFile()
    file.new_tiles(1, 4)
    descriptor = file.seal()
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 1)
    file.close()


def test_a_file_that_could_still_shrink_is_not_mapped() -> None:
    descriptor = os.memfd_create("tiles", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, 48)
    with pytest.raises(ValueError, match="not sealed"):
        map_tiles(descriptor, 1, 4)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    assert map_tiles(descriptor, 1, 4).shape == (1, 4, 4, 3)
    with pytest.raises(ValueError, match="promised size"):
        map_tiles(descriptor, 2, 4)
    os.close(descriptor)
