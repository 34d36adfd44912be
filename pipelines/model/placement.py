"""Which GPU holds which layer: the placement of the model cards' `split_model`, for any number of GPUs."""

from __future__ import annotations

import math


def layer_places(layers: int, gpus: int) -> tuple[int, ...]:
    """The GPU of each layer of the language model.

    The first GPU also holds the vision model, embeddings, norm and head, and counts as half; the last layer is beside
    the head.
    """
    if gpus == 1:
        return (0,) * layers
    share = math.ceil(layers / (gpus - 0.5))
    counts = [math.ceil(share * 0.5)] + [share] * (gpus - 1)
    places = [gpu for gpu, count in enumerate(counts) for _ in range(count)][:layers]
    return (*places[:-1], 0)
