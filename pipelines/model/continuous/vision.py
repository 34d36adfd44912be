"""What requests look at: encoded once per content, kept in the visual vocabulary, written into prompts as ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipelines.errors import PromptError
from pipelines.model.continuous.slots import LAST_ID, Holding, Slots, VocabularyShape
from pipelines.model.continuous.visual_vocabulary import VisualVocabulary
from pipelines.model.internvl import InternVL
from pipelines.model.schedule import Ticket


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The pictures of one request, in the vocabulary until it is released."""

    ticket: Ticket
    holdings: tuple[Holding, ...]

    @property
    def unwritten_tiles(self) -> int:
        """Tiles that somebody has to encode before the request can start."""
        return sum(len(holding.tiles) for holding in self.holdings if not holding.written)


class Vision:
    """The visual vocabulary of one engine, used by its thread."""

    def __init__(self, model: InternVL, vocabulary: VisualVocabulary, last_id: int = LAST_ID) -> None:
        self._model, self._vocabulary = model, vocabulary
        per_tile = model.info.tokens_per_tile
        shape = VocabularyShape(len(vocabulary.table) // per_tile, per_tile, vocabulary.words, last_id)
        self.slots = Slots(shape)

    def take(self, ticket: Ticket) -> Look | None:
        """Room for what a request looks at; None while those in flight leave none."""
        found: list[Holding] = []
        for key, tiles in _pictures(ticket):
            holding = self.slots.acquire(key, len(tiles))
            if holding is None:
                self.release(Look(ticket, tuple(found)))
                return None
            found.append(holding)
        return Look(ticket, tuple(found))

    def release(self, look: Look) -> None:
        """The request ended."""
        for holding in look.holdings:
            self.slots.release(holding)

    def write(self, looks: Sequence[Look]) -> None:
        """Encode what is not in the table yet, each content once.

        Raises:
            torch.OutOfMemoryError, and whatever else the device raises.
        """
        missing: dict[Holding, npt.NDArray[np.uint8]] = {}
        for look in looks:
            for holding, (_, tiles) in zip(look.holdings, _pictures(look.ticket), strict=True):
                if not holding.written:
                    missing[holding] = tiles
        if not missing:
            return
        features = self._model.encode(np.concatenate(list(missing.values())))
        self._vocabulary.write([number for holding in missing for number in holding.ids], features)
        _wait_for(features.device)
        for holding in missing:
            holding.written = True

    def prompt(self, look: Look) -> list[int]:
        """The request's ids, with those of what it sees for its context tokens.

        Raises:
            PromptError: as many context tokens as features is not what there is.
        """
        visual = iter([number for holding in look.holdings for number in holding.ids])
        context = self._model.tokenizer.image_context_id
        ids = [next(visual, context) if word == context else word for word in look.ticket.ids]
        if next(visual, None) is not None or (look.holdings and context in ids):
            raise PromptError("the context tokens of the prompt are not as many as its visual features")
        return ids


def _pictures(ticket: Ticket) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    if ticket.visual is None:
        return
    start = 0
    for key, count in zip(ticket.visual.content_keys, ticket.visual.tiles_per_image, strict=True):
        yield key, ticket.visual.tiles[start : start + count]
        start += count


def _wait_for(device: torch.device) -> None:
    """Steps run on a stream of their own, which knows nothing of what is still being written."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
