"""Tensor names of InternVL checkpoints and of the parameters that they become here, both directions.

The parameters are those of `network.Network`: `vision_tower` and `multi_modal_projector` are transformers' InternVL
parts, `language_model` is its stock causal language model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.model.config import CheckpointConfig, VisionShape
from pipelines.model.keymap_text import text_maps
from pipelines.model.tensor_map import KeyMap

_VISION_LAYER = {
    "attn.proj.weight": "attention.projection_layer.weight",
    "attn.proj.bias": "attention.projection_layer.bias",
    "ls1": "lambda_1",
    "ls2": "lambda_2",
    "mlp.fc1.weight": "mlp.fc1.weight",
    "mlp.fc1.bias": "mlp.fc1.bias",
    "mlp.fc2.weight": "mlp.fc2.weight",
    "mlp.fc2.bias": "mlp.fc2.bias",
    "norm1.weight": "layernorm_before.weight",
    "norm2.weight": "layernorm_after.weight",
}
_VISION_EMBEDDINGS = {
    "class_embedding": "cls_token",
    "position_embedding": "position_embeddings",
    "patch_embedding.weight": "patch_embeddings.projection.weight",
    "patch_embedding.bias": "patch_embeddings.projection.bias",
}
_PROJECTOR = {"mlp1.0": "layer_norm", "mlp1.1": "linear_1", "mlp1.3": "linear_2"}
_HF_PREFIXES = {
    r"^model\.(vision_tower|multi_modal_projector)\.": r"\1.",
    r"^model\.language_model\.": "language_model.model.",
    r"^lm_head\.": "language_model.lm_head.",
}


def key_maps(config: CheckpointConfig) -> tuple[KeyMap, ...]:
    """Every tensor of a checkpoint of this config; each parameter is in exactly one of them."""
    original = (*_vision(config.vision), *_projector(), *text_maps(config.text))
    if config.layout == "original":
        return original
    return tuple(KeyMap(name, (name,)) for entry in original for name in entry.parameters)


def stored_name(config: CheckpointConfig, name: str) -> str:
    """A tensor's name in a file as `key_maps` spells it: `-hf` checkpoints have an older and a newer spelling."""
    if config.layout == "hf":
        for pattern, replacement in _HF_PREFIXES.items():
            name = re.sub(pattern, replacement, name)
    return name


def _vision(shape: VisionShape) -> Iterator[KeyMap]:
    for original, name in _VISION_EMBEDDINGS.items():
        yield KeyMap(f"vision_model.embeddings.{original}", (f"vision_tower.embeddings.{name}",))
    for layer in range(shape.layers):
        yield from _vision_layer(shape, f"vision_model.encoder.layers.{layer}.", f"vision_tower.encoder.layer.{layer}.")


def _vision_layer(shape: VisionShape, original: str, ours: str) -> Iterator[KeyMap]:
    for theirs, name in _VISION_LAYER.items():
        yield KeyMap(original + theirs, (ours + name,))
    for kind in ("weight", "bias") if shape.qkv_bias else ("weight",):
        parts = tuple(f"{ours}attention.{part}_proj.{kind}" for part in "qkv")
        yield KeyMap(f"{original}attn.qkv.{kind}", parts, shares=(1, 1, 1))
    if shape.norm == "layer_norm":
        yield KeyMap(f"{original}norm1.bias", (f"{ours}layernorm_before.bias",))
        yield KeyMap(f"{original}norm2.bias", (f"{ours}layernorm_after.bias",))
    if shape.qk_norm:
        yield KeyMap(f"{original}attn.q_norm.weight", (f"{ours}attention.q_norm.weight",))
        yield KeyMap(f"{original}attn.k_norm.weight", (f"{ours}attention.k_norm.weight",))


def _projector() -> Iterator[KeyMap]:
    for original, name in _PROJECTOR.items():
        for kind in ("weight", "bias"):
            yield KeyMap(f"{original}.{kind}", (f"multi_modal_projector.{name}.{kind}",))
