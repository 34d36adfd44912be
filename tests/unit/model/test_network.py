"""What the network adds to transformers' parts."""

import torch

from pipelines.model.network import pixel_shuffle


def test_pixel_shuffle_joins_each_square_of_four_patches_row_by_row() -> None:
    side, channels = 4, 2
    hidden = torch.arange(side * side * channels).reshape(1, side * side, channels)
    shuffled = pixel_shuffle(hidden)
    patch = hidden.reshape(side, side, channels)
    squares = [
        torch.cat([patch[2 * row + dy, 2 * column + dx] for dy in (0, 1) for dx in (0, 1)])
        for row in range(2)
        for column in range(2)
    ]
    assert torch.equal(shuffled[0], torch.stack(squares))
