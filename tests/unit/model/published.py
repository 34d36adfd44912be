"""Sizes in the published config.json of every model of the cards.

The vocabulary of InternVL2-40B, -Llama3-76B and InternVL3-9B is that of their language model and the nine tokens
that InternVL adds; no other shape depends on it. InternLM3's sizes are those of internlm/internlm3-8b-instruct's
config.json (128,512 tokens there).
"""

from __future__ import annotations

from typing import Any

VISION_300M = {
    "image_size": 448,
    "patch_size": 14,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "norm_type": "layer_norm",
    "qkv_bias": True,
    "qk_normalization": False,
}
VISION_6B = {
    "image_size": 448,
    "patch_size": 14,
    "hidden_size": 3200,
    "intermediate_size": 12800,
    "num_hidden_layers": 45,
    "num_attention_heads": 25,
    "norm_type": "rms_norm",
    "qkv_bias": False,
    "qk_normalization": True,
}


def text(family: str, hidden: int, mlp: int, layers: int, heads: int, kv_heads: int, vocabulary: int) -> dict[str, Any]:
    return {
        "model_type": family,
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": 32768,
    }


INTERNLM2_20B = text("internlm2", 6144, 16384, 48, 48, 8, 92553)
INTERNLM2_7B = text("internlm2", 4096, 14336, 32, 32, 8, 92553)
INTERNLM2_2B = text("internlm2", 2048, 8192, 24, 16, 8, 92553)
QWEN2_5_72B = text("qwen2", 8192, 29568, 80, 64, 8, 151674)
QWEN2_5_32B = text("qwen2", 5120, 27648, 64, 40, 8, 151674)
QWEN2_5_0_5B = text("qwen2", 896, 4864, 24, 14, 2, 151674)
PHI3 = text("phi3", 3072, 8192, 32, 32, 32, 32020) | {
    "max_position_embeddings": 131072,
    "original_max_position_embeddings": 4096,
    "sliding_window": 262144,
    "rope_scaling": {"type": "su", "long_factor": [1.0] * 48, "short_factor": [1.0] * 48},
}
INTERNLM3 = text("internlm3", 4096, 10240, 48, 32, 2, 128521) | {
    "head_dim": 128,
    "bias": False,
    "qkv_bias": False,
    "rope_theta": 50000000,
    "rope_scaling": {"rope_type": "dynamic", "factor": 6.0},
}

PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "InternVL2-1B": (VISION_300M, text("qwen2", 896, 4864, 24, 14, 2, 151655), "Hermes-2"),
    "InternVL2-2B": (VISION_300M, INTERNLM2_2B, "internlm2-chat"),
    "InternVL2-4B": (VISION_300M, PHI3, "phi3-chat"),
    "InternVL2-8B": (VISION_300M, INTERNLM2_7B, "internlm2-chat"),
    "InternVL2-26B": (VISION_6B, INTERNLM2_20B, "internlm2-chat"),
    "InternVL2-40B": (VISION_6B, text("llama", 7168, 20480, 60, 56, 8, 64009), "Hermes-2"),
    "InternVL2-Llama3-76B": (VISION_6B, text("llama", 8192, 28672, 80, 64, 8, 128265), "Hermes-2"),
    "InternVL2_5-1B": (VISION_300M, QWEN2_5_0_5B, "internvl2_5"),
    "InternVL2_5-2B": (VISION_300M, INTERNLM2_2B, "internvl2_5"),
    "InternVL2_5-4B": (VISION_300M, text("qwen2", 2048, 11008, 36, 16, 2, 151674), "internvl2_5"),
    "InternVL2_5-8B": (VISION_300M, INTERNLM2_7B, "internvl2_5"),
    "InternVL2_5-26B": (VISION_6B, INTERNLM2_20B, "internvl2_5"),
    "InternVL2_5-38B": (VISION_6B, QWEN2_5_32B, "internvl2_5"),
    "InternVL2_5-78B": (VISION_6B, QWEN2_5_72B, "internvl2_5"),
    "InternVL3-1B": (VISION_300M, QWEN2_5_0_5B, "internvl2_5"),
    "InternVL3-2B": (VISION_300M, text("qwen2", 1536, 8960, 28, 12, 2, 151674), "internvl2_5"),
    "InternVL3-8B": (VISION_300M, text("qwen2", 3584, 18944, 28, 28, 4, 151674), "internvl2_5"),
    "InternVL3-9B": (VISION_300M, INTERNLM3, "internvl2_5"),
    "InternVL3-14B": (VISION_300M, text("qwen2", 5120, 13824, 48, 40, 8, 151674), "internvl2_5"),
    "InternVL3-38B": (VISION_6B, QWEN2_5_32B, "internvl2_5"),
    "InternVL3-78B": (VISION_6B, QWEN2_5_72B, "internvl2_5"),
}


def config_of(name: str) -> dict[str, Any]:
    """config.json of a published model, as far as shapes depend on it."""
    vision, llm, template = PUBLISHED[name]
    return {
        "model_type": "internvl_chat",
        "template": template,
        "force_image_size": 448,
        "max_dynamic_patch": 12,
        "downsample_ratio": 0.5,
        "ps_version": "v2",
        "select_layer": -1,
        "use_thumbnail": True,
        "vision_config": vision,
        "llm_config": llm,
    }


def tensors_of(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published checkpoint's tensors, from the sizes and the published modules alone."""
    vision, llm, _ = PUBLISHED[name]
    channels, hidden = vision["hidden_size"], llm["hidden_size"]
    projector = {
        "mlp1.0.weight": (4 * channels,),
        "mlp1.0.bias": (4 * channels,),
        "mlp1.1.weight": (hidden, 4 * channels),
        "mlp1.1.bias": (hidden,),
        "mlp1.3.weight": (hidden, hidden),
        "mlp1.3.bias": (hidden,),
    }
    return _vision(vision) | projector | {f"language_model.{key}": shape for key, shape in _text(llm).items()}


def _vision(vision: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width, mlp, patch = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    found: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (1, 1, width),
        "embeddings.position_embedding": (1, 1 + (vision["image_size"] // patch) ** 2, width),
        "embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "embeddings.patch_embedding.bias": (width,),
    }
    layer: dict[str, tuple[int, ...]] = {
        "ls1": (width,),
        "ls2": (width,),
        "attn.qkv.weight": (3 * width, width),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "mlp.fc1.weight": (mlp, width),
        "mlp.fc1.bias": (mlp,),
        "mlp.fc2.weight": (width, mlp),
        "mlp.fc2.bias": (width,),
        "norm1.weight": (width,),
        "norm2.weight": (width,),
    }
    layer |= {"attn.qkv.bias": (3 * width,)} if vision["qkv_bias"] else {}
    layer |= {"norm1.bias": (width,), "norm2.bias": (width,)} if vision["norm_type"] == "layer_norm" else {}
    layer |= {"attn.q_norm.weight": (width,), "attn.k_norm.weight": (width,)} if vision["qk_normalization"] else {}
    for number in range(vision["num_hidden_layers"]):
        found |= {f"encoder.layers.{number}.{key}": shape for key, shape in layer.items()}
    return {f"vision_model.{key}": shape for key, shape in found.items()}


def _text(llm: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    hidden, vocabulary, family = llm["hidden_size"], llm["vocab_size"], llm["model_type"]
    embedding, head = ("model.tok_embeddings", "output") if family == "internlm2" else ("model.embed_tokens", "lm_head")
    found: dict[str, tuple[int, ...]] = {
        f"{embedding}.weight": (vocabulary, hidden),
        f"{head}.weight": (vocabulary, hidden),
        "model.norm.weight": (hidden,),
    }
    for number in range(llm["num_hidden_layers"]):
        found |= {f"model.layers.{number}.{key}": shape for key, shape in _text_layer(llm).items()}
    return found


def _text_layer(llm: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    hidden, mlp = llm["hidden_size"], llm["intermediate_size"]
    head = llm.get("head_dim", hidden // llm["num_attention_heads"])
    queries, keys = head * llm["num_attention_heads"], head * llm["num_key_value_heads"]
    if llm["model_type"] == "internlm2":
        return {
            "attention.wqkv.weight": (queries + 2 * keys, hidden),
            "attention.wo.weight": (hidden, queries),
            "feed_forward.w1.weight": (mlp, hidden),
            "feed_forward.w3.weight": (mlp, hidden),
            "feed_forward.w2.weight": (hidden, mlp),
            "attention_norm.weight": (hidden,),
            "ffn_norm.weight": (hidden,),
        }
    shared: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.o_proj.weight": (hidden, queries),
        "mlp.down_proj.weight": (hidden, mlp),
    }
    if llm["model_type"] == "phi3":
        fused = {
            "self_attn.qkv_proj.weight": (queries + 2 * keys, hidden),
            "mlp.gate_up_proj.weight": (2 * mlp, hidden),
        }
        return shared | fused
    shared |= {"mlp.gate_proj.weight": (mlp, hidden), "mlp.up_proj.weight": (mlp, hidden)}
    for name, rows in (("q", queries), ("k", keys), ("v", keys)):
        shared[f"self_attn.{name}_proj.weight"] = (rows, hidden)
        if llm["model_type"] == "qwen2":
            shared[f"self_attn.{name}_proj.bias"] = (rows,)
    return shared
