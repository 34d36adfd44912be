"""transformers' stock causal language model for each family: InternLM2 and InternLM3 are Llama-shaped."""

from __future__ import annotations

from typing import Any

from transformers import (
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from pipelines.model.text_config import TextShape


class _Phi3(Phi3ForCausalLM):  # type: ignore[misc]
    """Keys that were cached before the window was passed keep their rotation, as in the published model.

    The stock class drops the cache there, which it can only rebuild from ids, not from embeddings.
    """

    def prepare_inputs_for_generation(self, input_ids: Any, inputs_embeds: Any = None, **kwargs: Any) -> Any:
        # transformers looks for `inputs_embeds` in this signature before it takes any.
        return GenerationMixin.prepare_inputs_for_generation(self, input_ids, inputs_embeds=inputs_embeds, **kwargs)


def build_language_model(shape: TextShape, attention: str) -> Any:
    """The model without weights. `attention`: transformers' `attn_implementation`."""
    shared = _shared(shape) | {"attn_implementation": attention}
    if shape.family == "qwen2":
        return Qwen2ForCausalLM(_qwen2(shape, shared))
    if shape.family == "phi3":
        return _Phi3(_phi3(shape, shared))
    biases = {"attention_bias": shape.qkv_bias, "mlp_bias": shape.mlp_bias}
    return LlamaForCausalLM(LlamaConfig(**shared, **biases, head_dim=shape.head_dimension))


def _shared(shape: TextShape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "hidden_act": shape.activation,
        "max_position_embeddings": shape.rope.positions,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_parameters": shape.rope.parameters(),
        "tie_word_embeddings": shape.tied_embeddings,
        "use_cache": True,  # whatever config.json says: without a cache every token costs the whole prompt
        # The published ids may lie outside a checkpoint's vocabulary; generation gets its own.
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }


def _qwen2(shape: TextShape, shared: dict[str, Any]) -> Any:
    return Qwen2Config(
        **shared,
        head_dim=shape.head_dimension,
        use_sliding_window=shape.sliding_window is not None,
        sliding_window=shape.sliding_window,
        max_window_layers=shape.full_attention_layers,
    )


def _phi3(shape: TextShape, shared: dict[str, Any]) -> Any:
    return Phi3Config(
        **shared,
        original_max_position_embeddings=shape.rope.trained_tokens,
        sliding_window=shape.sliding_window,
    )
