"""Attention over the slabs: each request reads its own keys where they lie, not those of its neighbours."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from pipelines.model.continuous.plan import Plan, Speakers, Stretch

NAME = "reelmill_slab"


def use_slab_attention(language_model: Any) -> None:
    """Let a model attend by this module from now on; it is then called with a `plan` only."""
    AttentionInterface.register(NAME, slab_attention)
    language_model.set_attn_implementation(NAME)


def slab_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: None, **kwargs: Any
) -> tuple[torch.Tensor, None]:
    """transformers' attention function: stores what is new, then looks back.

    query [1, heads, tokens, width] → [1, tokens, heads, width].
    """
    plan: Plan = kwargs["plan"]
    scale: float | None = kwargs.get("scaling")
    queries, new = query[0].transpose(0, 1), torch.cat((key, value))  # [tokens, heads, width], [2, heads, …]
    output = torch.empty_like(queries, memory_format=torch.contiguous_format)
    for part in plan.parts:
        store = part.store[module.layer_idx]
        store[:, part.rows, :, part.places] = new[:, :, part.span].permute(2, 0, 1, 3)
        if part.speakers is not None:
            output[part.speakers.span] = _speak(queries, store, part.speakers, scale)
        for stretch in part.stretches:
            output[stretch.span] = _read(queries, new, store, stretch, scale)
    return output[None], None


def _speak(queries: torch.Tensor, store: torch.Tensor, speakers: Speakers, scale: float | None) -> torch.Tensor:
    """[speakers, heads, width]. The query heads that share a key are its several queries."""
    keys, values = store[:, speakers.rows, :, : speakers.most_cached]
    mine = queries[speakers.span]
    grouped = mine.reshape(len(mine), keys.shape[1], -1, mine.shape[-1])
    said = scaled_dot_product_attention(grouped, keys, values, attn_mask=speakers.bias, scale=scale)
    return said.reshape(mine.shape)


def _read(
    queries: torch.Tensor, new: torch.Tensor, store: torch.Tensor, stretch: Stretch, scale: float | None
) -> torch.Tensor:
    """[tokens of the stretch, heads, width]. A head of keys is a batch of its own, read by its query heads."""
    keys, values = new[:, :, stretch.span] if stretch.seen is None else store[:, stretch.row, :, : stretch.end]
    mine = queries[stretch.span].transpose(0, 1)  # [heads, tokens, width]
    grouped = mine.reshape(len(keys), -1, *mine.shape[1:])
    keys, values = (part[:, None].expand(-1, grouped.shape[1], -1, -1) for part in (keys, values))
    said = scaled_dot_product_attention(
        grouped, keys, values, attn_mask=stretch.seen, is_causal=stretch.seen is None, scale=scale
    )
    return said.reshape(mine.shape).transpose(0, 1)
