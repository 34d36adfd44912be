"""A pass over one step's tokens: a stock causal language model's weights, without what its classes do around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from pipelines.model.continuous.attention import attend
from pipelines.model.continuous.plan import Plan
from pipelines.model.continuous.visual_vocabulary import VisualVocabulary

Projection = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """What one layer computes with. `mlp` takes its residual, and adds it."""

    before_attention: nn.Module
    queries_keys_values: Projection
    out: nn.Module
    scale: float
    before_mlp: nn.Module
    gate_and_up: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    activation: Projection
    down: nn.Module


class Decoder:
    """Computes what the stock classes of Llama, Qwen2 and Phi-3 compute, in fewer calls.

    Where steps are small, as on one core or on a GPU with few requests, it is those calls that they take their time
    for. Rotary embeddings are those within the trained window, whose frequencies are fixed.
    """

    def __init__(self, language_model: Any) -> None:
        inner = language_model.model
        self._embed = inner.embed_tokens
        self._words = self._embed.text if isinstance(self._embed, VisualVocabulary) else self._embed
        self._layers = [_layer(layer) for layer in inner.layers]
        self._norm, self._head = inner.norm, language_model.lm_head
        attention = inner.layers[0].self_attn
        self._width = attention.head_dim
        self._kv_heads = attention.config.num_key_value_heads
        # Not a buffer in all of them: it may still be where it was computed.
        self._frequencies = inner.rotary_emb.original_inv_freq.to(inner.norm.weight.device, torch.float32)
        self._amplitude = float(inner.rotary_emb.attention_scaling)

    def __call__(self, plan: Plan) -> torch.Tensor:
        """Logits [requests that say a token, vocabulary] of a step; its keys and values are in the cache then."""
        hidden = (self._words if plan.words_only else self._embed)(plan.ids)
        turn = self._turn(plan.positions, hidden.dtype)
        for number, layer in enumerate(self._layers):
            hidden = self._attended(hidden, number, layer, turn, plan)
            gate, up = layer.gate_and_up(_normalised(hidden, layer.before_mlp))
            hidden = _added(hidden, layer.activation(gate).mul_(up), layer.down)
        if len(plan.last) < len(hidden):
            hidden = hidden[plan.last]
        logits: torch.Tensor = self._head(_normalised(hidden, self._norm))
        return logits

    def _attended(
        self, hidden: torch.Tensor, number: int, layer: _Layer, turn: tuple[torch.Tensor, torch.Tensor], plan: Plan
    ) -> torch.Tensor:
        found = layer.queries_keys_values(_normalised(hidden, layer.before_attention))
        heads = found.view(len(found), -1, self._width)
        turning, values = heads[:, : -self._kv_heads], heads[:, -self._kv_heads :]
        turned = torch.addcmul(turning * turn[0], turning.roll(self._width // 2, -1), turn[1])
        queries, keys = turned[:, : -self._kv_heads], turned[:, -self._kv_heads :]
        seen = attend(plan, number, queries, torch.stack((keys, values), 1), layer.scale)
        return _added(hidden, seen.view(len(seen), -1), layer.out)

    def _turn(self, positions: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines, and sines with the sign that a half gets in its new place, [tokens, 1, width] each."""
        angles = positions[:, None].float() * self._frequencies
        cosines, sines = angles.cos() * self._amplitude, angles.sin() * self._amplitude
        both = torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1)
        return both[0].to(dtype)[:, None], both[1].to(dtype)[:, None]


def _layer(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    fused = hasattr(attention, "qkv_proj")
    return _Layer(
        before_attention=layer.input_layernorm,
        queries_keys_values=attention.qkv_proj
        if fused
        else _Joined(attention.q_proj, attention.k_proj, attention.v_proj),
        out=attention.o_proj,
        scale=attention.scaling,
        before_mlp=layer.post_attention_layernorm,
        gate_and_up=_Halves(mlp.gate_up_proj) if fused else _Both(mlp.gate_proj, mlp.up_proj),
        activation=mlp.activation_fn if fused else mlp.act_fn,
        down=mlp.down_proj,
    )


class _Joined:
    """Several projections of the same, side by side."""

    def __init__(self, *parts: nn.Module) -> None:
        self._parts = parts

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.cat([_projected(hidden, part) for part in self._parts], -1)


class _Both:
    """Gate and up of two projections."""

    def __init__(self, gate: nn.Module, up: nn.Module) -> None:
        self._gate, self._up = gate, up

    def __call__(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return _projected(hidden, self._gate), _projected(hidden, self._up)


class _Halves:
    """Gate and up of one projection."""

    def __init__(self, both: nn.Module) -> None:
        self._both = both

    def __call__(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = _projected(hidden, self._both).chunk(2, -1)
        return gate, up


def _normalised(hidden: torch.Tensor, norm: Any) -> torch.Tensor:
    return torch.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _projected(hidden: torch.Tensor, module: Any) -> torch.Tensor:
    """A plain layer's product; others (8 bit) know better themselves how they multiply."""
    if type(module) is nn.Linear:
        return linear(hidden, module.weight, module.bias)
    projected: torch.Tensor = module(hidden)
    return projected


def _added(residual: torch.Tensor, hidden: torch.Tensor, module: Any) -> torch.Tensor:
    """residual + the projection of `hidden`, in one call where the layer is plain."""
    if type(module) is nn.Linear and module.bias is None:
        return torch.addmm(residual, hidden, module.weight.t())
    return residual + _projected(hidden, module)
