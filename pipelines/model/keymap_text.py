"""Tensor names of the language models in original-layout checkpoints.

Qwen2, Llama, InternLM3 and Phi-3 are stored as transformers' stock classes name them. InternLM2 has names of its own,
and one fused tensor for q, k and v: a block per kv head, in it the group's query heads, then its k and its v.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.model.tensor_map import KeyMap
from pipelines.model.text_config import TextShape

_NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight")
_PHI3_LAYER = (
    *_NORMS,
    "self_attn.qkv_proj.weight",
    "self_attn.o_proj.weight",
    "mlp.gate_up_proj.weight",
    "mlp.down_proj.weight",
)
_INTERNLM2_LAYER = {
    "attention.wo.weight": "self_attn.o_proj.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
    "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}


def text_maps(shape: TextShape) -> Iterator[KeyMap]:
    """Every tensor of the language model."""
    yield from _internlm2(shape) if shape.family == "internlm2" else _stock(shape)


def _stock(shape: TextShape) -> Iterator[KeyMap]:
    names = ["model.embed_tokens.weight", "model.norm.weight"]
    names += [] if shape.tied_embeddings else ["lm_head.weight"]
    layer_names = _PHI3_LAYER if shape.family == "phi3" else _llama_layer(shape)
    names += [f"model.layers.{layer}.{name}" for layer in range(shape.layers) for name in layer_names]
    for name in names:
        yield KeyMap(f"language_model.{name}", (f"language_model.{name}",))


def _llama_layer(shape: TextShape) -> tuple[str, ...]:
    attention = [f"self_attn.{name}_proj" for name in "qkv"]
    mlp = [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
    weights = [f"{name}.weight" for name in (*attention, "self_attn.o_proj", *mlp)]
    biased = attention * shape.qkv_bias + ["self_attn.o_proj"] * shape.output_bias + mlp * shape.mlp_bias
    return (*_NORMS, *weights, *(f"{name}.bias" for name in biased))


def _internlm2(shape: TextShape) -> Iterator[KeyMap]:
    names = {"model.tok_embeddings.weight": "model.embed_tokens.weight", "model.norm.weight": "model.norm.weight"}
    names |= {} if shape.tied_embeddings else {"output.weight": "lm_head.weight"}
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        names |= {prefix + theirs: prefix + name for theirs, name in _INTERNLM2_LAYER.items()}
        names |= {f"{prefix}attention.wo.bias": f"{prefix}self_attn.o_proj.bias"} if shape.output_bias else {}
        for kind in ("weight", "bias") if shape.qkv_bias else ("weight",):
            yield _wqkv(shape, f"language_model.{prefix}", kind)
    for original, name in names.items():
        yield KeyMap(f"language_model.{original}", (f"language_model.{name}",))


def _wqkv(shape: TextShape, prefix: str, kind: str) -> KeyMap:
    parts = tuple(f"{prefix}self_attn.{part}_proj.{kind}" for part in "qkv")
    shares = (shape.heads // shape.kv_heads, 1, 1)
    return KeyMap(f"{prefix}attention.wqkv.{kind}", parts, shares, groups=shape.kv_heads)
