"""Tiles as the vision model takes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from pipelines.errors import PromptError

Pixels = npt.NDArray[np.uint8] | torch.Tensor
"""uint8 tiles [n, size, size, 3], or published pixel values: normalised floats [n, 3, size, size]."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(tiles: Pixels, device: torch.device) -> torch.Tensor:
    """Pixel values [n, 3, size, size] on `device`; what is normalised already keeps its dtype.

    uint8 tiles travel as bytes and become (x / 255 − mean) / std in float32 there, the published transform's numbers.

    Raises:
        PromptError: another shape or dtype.
    """
    if tiles.ndim == 4 and isinstance(tiles, torch.Tensor) and tiles.is_floating_point() and tiles.shape[1] == 3:
        return tiles.to(device)
    if tiles.ndim != 4 or tiles.shape[3] != 3 or tiles.dtype not in (torch.uint8, np.uint8):
        raise PromptError(
            f"pixels are {tiles.dtype} {list(tiles.shape)}",
            next_step="Give uint8 tiles [n, size, size, 3] or float pixel values [n, 3, size, size]",
        )
    pixels = (tiles if isinstance(tiles, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(tiles))).to(device)
    values = torch.empty((len(pixels), 3, *pixels.shape[1:3]), device=device)
    # Plane by plane and in place: a third of the time of whole-tensor arithmetic on a CPU, and the same bits.
    for channel, (mean, std) in enumerate(zip(_MEAN, _STD, strict=True)):
        values[:, channel].copy_(pixels[..., channel]).div_(255).sub_(mean).div_(std)
    return values
