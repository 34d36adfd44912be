"""Attention over the cache: each request reads its own row, and a prefix is read once for all who share it."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from pipelines.model.continuous.plan import Audience, Plan, Speakers, Stretch


def attend(plan: Plan, layer: int, queries: torch.Tensor, new: torch.Tensor, scale: float) -> torch.Tensor:
    """What the tokens of a step see in one layer: stores what is new, then looks back.

    Args:
        queries: [tokens, heads, width].
        new: their keys and values [tokens, 2, heads of keys, width].

    Returns:
        [tokens, heads, width]
    """
    output = torch.empty_like(queries, memory_format=torch.contiguous_format)
    masses = torch.empty(queries.shape[:2], device=queries.device) if plan.audiences else None
    for part in plan.parts:
        store = part.store[layer]
        store[:, part.rows, :, part.places] = new[part.span]
        if part.speakers is not None:
            _speak(queries, store, part.speakers, scale, output, masses)
        for stretch in part.stretches:
            output[stretch.span] = _read(queries, new, layer, store, stretch, scale)
    if masses is not None:
        for audience in plan.audiences:
            _recall(queries, layer, audience, scale, output, masses)
    return output


def _speak(
    queries: torch.Tensor,
    store: torch.Tensor,
    speakers: Speakers,
    scale: float,
    output: torch.Tensor,
    masses: torch.Tensor | None,
) -> None:
    """Each speaker and its own row. The query heads that share a key are its several queries."""
    keys, values = store[:, speakers.rows, :, : speakers.most_cached]
    mine = queries[speakers.span]
    grouped = mine.reshape(len(mine), keys.shape[1], -1, mine.shape[-1])
    if masses is None or not speakers.shares:
        said = scaled_dot_product_attention(grouped, keys, values, attn_mask=speakers.bias, scale=scale)
    else:
        said, mass = weighed_attention(grouped, keys, values, speakers.bias, scale)
        masses[speakers.span] = mass.reshape(mine.shape[:2])
    output[speakers.span] = said.reshape(mine.shape)


def _recall(
    queries: torch.Tensor,
    layer: int,
    audience: Audience,
    scale: float,
    output: torch.Tensor,
    masses: torch.Tensor,
) -> None:
    """Add what an audience sees in its prefix, all of it in one product, to what each saw in its row.

    Softmax over both is the mean of the two, weighed by the sums of their exponents: e^a / (e^a + e^b) = σ(a − b).
    """
    keys, values = audience.prefix.store[layer, :, None, :, : audience.shared]
    mine = queries[audience.tokens]  # [n, heads, width]
    together = mine.view(len(mine), keys.shape[1], -1, mine.shape[-1]).transpose(0, 1)
    said, mass = weighed_attention(together.flatten(1, 2)[None], keys, values, None, scale)
    said = said.view(together.shape).transpose(0, 1).reshape(mine.shape)
    mass = mass.view(together.shape[:-1]).transpose(0, 1).reshape(mine.shape[:2])
    share = torch.sigmoid(masses[audience.tokens] - mass)[..., None]
    output[audience.tokens] = torch.lerp(said.float(), output[audience.tokens].float(), share).to(output.dtype)


def weighed_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention [batch, heads, queries, width], and the logarithm of the sum of each query's exponents, in float32."""
    if queries.device.type == "cpu":
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        said, mass = flash(queries, keys, values, 0.0, False, attn_mask=bias, scale=scale)
        return said, mass
    return plain_weighed_attention(queries, keys, values, bias, scale)


def plain_weighed_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in products that every device has."""
    scores = (queries @ keys.transpose(-1, -2)).float() * scale
    if bias is not None:
        scores += bias
    mass = scores.logsumexp(-1)
    return (scores - mass[..., None]).exp().to(values.dtype) @ values, mass


def _read(
    queries: torch.Tensor, new: torch.Tensor, layer: int, store: torch.Tensor, stretch: Stretch, scale: float
) -> torch.Tensor:
    """[tokens of the stretch, heads, width]. A head of keys is a batch of its own, read by its query heads."""
    seen = new[stretch.span].permute(1, 2, 0, 3) if stretch.seen is None else store[:, stretch.row, :, : stretch.end]
    if stretch.prefix is not None:
        seen = torch.cat((stretch.prefix.store[layer, :, :, : stretch.shared], seen), 2)
    mine = queries[stretch.span].transpose(0, 1)  # [heads, tokens, width]
    grouped = mine.reshape(seen.shape[1], -1, *mine.shape[1:])
    keys, values = (part[:, None].expand(-1, grouped.shape[1], -1, -1) for part in seen)
    said = scaled_dot_product_attention(
        grouped, keys, values, attn_mask=stretch.seen, is_causal=stretch.seen is None, scale=scale
    )
    return said.reshape(mine.shape).transpose(0, 1)
