"""Attention over a paged cache without a flash kernel: each request reads its own keys, not those of its neighbours.

transformers' own way without such a kernel is one masked matrix of all queries against all keys of the batch, whose
cost grows with the square of the requests in it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "reelmill_paged"


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Requests that are computed together: n with one query each, or one with several.

    Attributes:
        queries: where they are in the packed rows.
        pages: of the cache, [n, most pages]; None where keys are the packed rows at `queries` and nothing else.
        seen: which keys a query sees, [n, 1, queries each, keys]; None for all up to itself.
    """

    queries: torch.Tensor
    pages: torch.Tensor | None
    seen: torch.Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Who attends to what in one step, whose layers share the `lengths` object."""

    lengths: torch.Tensor
    groups: tuple[_Group, ...]


_step = threading.local()


def use_paged_attention(language_model: Any) -> None:
    """Let a model attend by this module from now on; it then works with a paged cache only."""
    AttentionInterface.register(NAME, paged_attention)
    language_model.set_attn_implementation(NAME)


def paged_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: None, **kwargs: Any
) -> tuple[torch.Tensor, None]:
    """transformers' attention function. query [1, heads, tokens, width] → [1, tokens, heads, width]."""
    cache, scale = kwargs.pop("cache"), kwargs.get("scaling")
    allocator = cache.layer_to_allocator[module.layer_idx]
    plan = _plan(allocator, kwargs)
    # Without anything to read back, the cache only stores what is new.
    stored_only = kwargs | {"read_index": [index[:0] for index in kwargs["read_index"]]}
    cache.update(key_states=key, value_states=value, layer_idx=module.layer_idx, kwargs=stored_only)
    stores = allocator.get_cache_for_block_table(module.layer_idx)
    output = torch.empty_like(query)
    for group in plan.groups:
        output[:, :, group.queries] = _attend(query, (key, value), stores, group, scale)
    return output.transpose(1, 2).contiguous(), None


def _attend(
    query: torch.Tensor,
    new: tuple[torch.Tensor, torch.Tensor],
    stores: tuple[torch.Tensor, torch.Tensor],
    group: _Group,
    scale: float | None,
) -> torch.Tensor:
    """[1, heads, tokens of the group, width]."""
    heads, width, kv_heads = query.shape[1], query.shape[3], new[0].shape[1]
    if group.pages is None:
        keys, values = (part[:, :, group.queries] for part in new)
    else:
        keys, values = (_paged(store, group.pages) for store in stores)
    queries = query[0, :, group.queries]
    if len(group.queries) == len(keys):  # one query each: the heads that share a key are its several queries
        rows = queries.transpose(0, 1).reshape(-1, kv_heads, heads // kv_heads, width)
        said = scaled_dot_product_attention(rows, keys, values, attn_mask=group.seen, scale=scale)
        return said.reshape(1, -1, heads, width).transpose(1, 2)
    keys, values = (part.repeat_interleave(heads // kv_heads, dim=1) for part in (keys, values))
    return scaled_dot_product_attention(
        queries[None], keys, values, attn_mask=group.seen, is_causal=group.seen is None, scale=scale
    )


def _paged(store: torch.Tensor, pages: torch.Tensor) -> torch.Tensor:
    """A store [pages, tokens, heads, width] at `pages` [n, m] as [n, heads, m · tokens, width]."""
    found = store.index_select(0, pages.flatten())
    return found.view(len(pages), -1, *store.shape[2:]).transpose(1, 2)


def _plan(allocator: Any, kwargs: dict[str, Any]) -> _Plan:
    lengths = kwargs["cu_seq_lens_q"]
    last: _Plan | None = getattr(_step, "plan", None)
    if last is not None and last.lengths is lengths:
        return last
    asked = list(pairwise(lengths.tolist()))
    read = list(pairwise(kwargs["cu_seq_lens_k"][allocator.layer_type].tolist()))
    index = kwargs["read_index"][allocator.index]
    single = [(q, k) for q, k in zip(asked, read, strict=True) if q[1] - q[0] == 1 and len(index)]
    several = [(q, k) for q, k in zip(asked, read, strict=True) if q[1] - q[0] > 1 or not len(index)]
    groups = [_prefill(q, k, index, allocator.tokens_per_page) for q, k in several]
    if single:
        queries = torch.tensor([q[0] for q, _ in single], device=index.device)
        groups.append(_Group(queries, *_pages([k for _, k in single], index, allocator.tokens_per_page)))
    plan = _step.plan = _Plan(lengths, tuple(groups))
    return plan


def _prefill(asked: tuple[int, int], read: tuple[int, int], index: torch.Tensor, page_tokens: int) -> _Group:
    queries = torch.arange(*asked, device=index.device)
    if len(queries) == read[1] - read[0]:
        return _Group(queries, None, None)
    pages, seen = _pages([read], index, page_tokens)
    ends = torch.arange(len(queries), device=index.device)[:, None] + (read[1] - read[0] - len(queries))
    return _Group(queries, pages, torch.arange(seen.shape[-1], device=index.device) <= ends)


def _pages(read: Sequence[tuple[int, int]], index: torch.Tensor, page_tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The pages [n, m] that hold the stretches of `index` (places of tokens in the cache), and which are real."""
    starts, ends = torch.tensor(read, device=index.device).T[:, :, None]
    longest = max(end - start for start, end in read)
    firsts = starts + torch.arange(0, longest, page_tokens, device=index.device)
    pages = index[torch.minimum(firsts, ends - 1)] // page_tokens
    places = starts + torch.arange(pages.shape[1] * page_tokens, device=index.device)
    return pages, (places < ends)[:, None, None]
