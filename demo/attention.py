"""Attention for training: over short sequences, and over questions side by side behind one prefix."""

from __future__ import annotations

import torch
from torch import Tensor

Spans = tuple[tuple[int, int], ...]
"""Behind the prefix of a sequence: runs of (how many, how long) questions that see the prefix and themselves only."""


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Plain attention: for sequences as short as ours, the fused CPU kernel's backward pass is several times slower."""
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e4)
    return torch.matmul(scores.softmax(-1, dtype=scores.dtype), v)


def attend(q: Tensor, k: Tensor, v: Tensor, spans: Spans) -> Tensor:
    """Causal attention over a prefix that the questions behind it share.

    q [n, heads, length, head]; k and v [n, kv heads, length, head]. Each question is attended to as a short sequence of
    its own, so the cost does not grow with their number squared; nothing of the prefix is copied for it.
    """
    start = q.shape[2] - sum(count * size for count, size in spans)
    prefix_k, prefix_v = k[:, :, :start], v[:, :, :start]
    parts, at = [_whole(q[:, :, :start], prefix_k, prefix_v)], start
    for count, size in spans:
        own = slice(at, at + count * size)
        parts.append(_questions(q[:, :, own], (k[:, :, own], v[:, :, own]), (prefix_k, prefix_v), count))
        at = own.stop
    return torch.cat(parts, dim=2)


def _whole(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Plain causal attention; query heads that share keys are stacked along the length."""
    n, heads, length, head = q.shape
    groups = heads // k.shape[1]
    stacked = q.reshape(n, -1, groups * length, head)
    causal = torch.ones(length, length, dtype=torch.bool, device=q.device).tril().repeat(groups, 1)
    return attention(stacked, k, v, causal).reshape(n, heads, length, head)


def _questions(q: Tensor, own: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor], count: int) -> Tensor:
    """`count` questions side by side: each sees the prefix (`seen`) and what is before it in itself."""
    n, heads, length, head = q.shape
    groups, size, start = heads // own[0].shape[1], length // count, seen[0].shape[2]
    q = q * head**-0.5
    to_seen = torch.matmul(q.reshape(n, -1, groups * length, head), seen[0].transpose(-1, -2))
    k, v = (x.reshape(n, -1, 1, count, size, head) for x in own)
    to_own = torch.matmul(q.reshape(n, -1, groups, count, size, head), k.transpose(-1, -2))
    later = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    to_own = to_own.masked_fill(later, -1e4).reshape(n, -1, groups * length, size)
    shares = torch.cat([to_seen, to_own], dim=-1).softmax(-1, dtype=q.dtype)
    from_own = torch.matmul(shares[..., start:].reshape(n, -1, groups, count, size, size), v)
    out = torch.matmul(shares[..., :start], seen[1]).reshape(n, heads, length, head)
    return out + from_own.reshape(n, heads, length, head)
