"""Going on from a published checkpoint, whatever tokens its tokenizer has."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from demo.net import Shapes
from demo.tokenizer import NUMBER_TOKENS, load_tokenizer

EMBEDDING, HEAD = "language_model.model.embed_tokens.weight", "language_model.lm_head.weight"


def warm_start(model: Shapes, tokenizer: Tokenizer, checkpoint: Path) -> None:
    """Take the checkpoint's weights over; a token that it does not know starts as what it was spelled with there."""
    weights = {name: value.float() for name, value in load_file(checkpoint / "model.safetensors").items()}
    known = load_tokenizer(checkpoint)
    embedding, head = weights[EMBEDDING], weights[HEAD]
    spelled = [_spelling(token, known) for token in _tokens(tokenizer)]
    weights[EMBEDDING] = torch.stack([embedding[torch.tensor(ids)].mean(0) for ids in spelled])
    # What is said is chosen before any of it is said: by its first piece.
    weights[HEAD] = torch.stack([head[ids[0]] for ids in spelled])
    if known.token_to_id(NUMBER_TOKENS[0]) is None:
        digits = torch.tensor([known.token_to_id(str(digit)) for digit in range(10)])
        rows = torch.tensor([tokenizer.token_to_id(token) for token in NUMBER_TOKENS])
        weights[EMBEDDING][rows], weights[HEAD][rows] = _numbers(embedding[digits]), _numbers(head[digits])
    model.load_state_dict(weights)


def _tokens(tokenizer: Tokenizer) -> list[str]:
    return [str(tokenizer.id_to_token(number)) for number in range(tokenizer.get_vocab_size())]


def _spelling(token: str, known: Tokenizer) -> list[int]:
    number = known.token_to_id(token)
    if number is not None:
        return [number]
    words = known.decoder.decode([token])
    return known.encode(words, add_special_tokens=False).ids or [0]


def _numbers(digits: Tensor) -> Tensor:
    """A number said digit by digit was placed by its first digit: one token for it starts between two of those."""
    places = (torch.arange(10, 1001, 10) / 100 - 0.5).clamp(1.0, 9.0)
    below = places.long().clamp(max=8)
    share = (places - below)[:, None]
    return (1 - share) * digits[below] + share * digits[below + 1]
