"""The neural network: transformers' InternVL vision model and projector beside a stock causal language model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, InternVLConfig, InternVLVisionConfig, InternVLVisionModel
from transformers.models.internvl.modeling_internvl import InternVLMultiModalProjector

from pipelines.model.config import CheckpointConfig, VisionShape
from pipelines.model.language_model import build_language_model


class Network(nn.Module):
    """Parts of one checkpoint. Any causal language model of transformers fits as `language_model`."""

    def __init__(self, config: CheckpointConfig, attention: str) -> None:
        super().__init__()
        vision, language_model = _vision_config(config.vision, attention), build_language_model(config.text, attention)
        self.vision_tower: Any = InternVLVisionModel(vision)
        self.multi_modal_projector: Any = InternVLMultiModalProjector(
            InternVLConfig(
                vision_config=vision,
                text_config=language_model.config,
                downsample_ratio=config.downsample_ratio,
                attn_implementation=attention,
            )
        )
        self.language_model: Any = language_model
        # Only what a caller asks for governs generation, not defaults that a config carries along.
        self.language_model.generation_config = GenerationConfig()

    @property
    def device(self) -> torch.device:
        """Where embeddings are."""
        return self.embedding_weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What features and embeddings are computed in."""
        return self.embedding_weight.dtype

    @property
    def embedding_weight(self) -> torch.Tensor:
        """[vocabulary, hidden]"""
        weight: torch.Tensor = self.language_model.get_input_embeddings().weight
        return weight

    def features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Normalised pixels [tiles, 3, size, size] to features [tiles, tokens per tile, hidden]."""
        hidden = self.vision_tower(pixel_values=pixel_values).last_hidden_state[:, 1:]  # without CLS
        features: torch.Tensor = self.multi_modal_projector(pixel_shuffle(hidden))
        return features


def pixel_shuffle(hidden: torch.Tensor) -> torch.Tensor:
    """Fold each 2×2 square of patches into the channels ("v2" order: row of the square, then column).

    [tiles, side², channels] → [tiles, (side/2)², 4·channels].
    """
    tiles, patches, channels = hidden.shape
    half = int(patches**0.5) // 2
    squares = hidden.reshape(tiles, half, 2, half, 2, channels).permute(0, 1, 3, 2, 4, 5)
    return squares.reshape(tiles, half * half, 4 * channels)


def _vision_config(shape: VisionShape, attention: str) -> Any:
    return InternVLVisionConfig(
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        attention_bias=shape.qkv_bias,
        use_qk_norm=shape.qk_norm,
        intermediate_size=shape.intermediate_size,
        hidden_act=shape.activation,
        norm_type=shape.norm,
        layer_norm_eps=shape.norm_epsilon,
        image_size=shape.image_size,
        patch_size=shape.patch_size,
        use_mean_pooling=True,  # else a layer norm that checkpoints do not have is added
        attn_implementation=attention,
    )
