"""Write a trained model in the original InternVL2.5 layout: what a published checkpoint's folder holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from demo.net import Shapes, Size
from demo.tiles import MEAN, STD
from demo.tokenizer import load_tokenizer, token_id

MAX_DYNAMIC_PATCH = 4
TOKENIZER_FILES = (
    "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json",
)  # fmt: skip
REMOTE_CODE = {
    "AutoConfig": "configuration_internvl_chat.InternVLChatConfig",
    "AutoModel": "modeling_internvl_chat.InternVLChatModel",
    "AutoModelForCausalLM": "modeling_internvl_chat.InternVLChatModel",
}


def publish(model: Shapes, tokenizer_folder: Path, out: Path) -> None:
    """bfloat16 weights, configs and tokenizer into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(tokenizer_folder)
    end, pad = token_id(tokenizer, "<|im_end|>"), token_id(tokenizer, "<|endoftext|>")
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer_folder / name, out / name)
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    # Written for its owner only; a checkpoint is for everybody.
    (out / "model.safetensors").chmod(0o644)
    _write(out / "config.json", _config(model.size, end, pad))
    _write(out / "generation_config.json", {"_from_model_config": True, "eos_token_id": [end, pad]})
    _write(out / "preprocessor_config.json", _preprocessor(model.size))


def _config(size: Size, end: int, pad: int) -> dict[str, Any]:
    return {
        "architectures": ["InternVLChatModel"],
        "auto_map": REMOTE_CODE,
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": size.tile,
        "llm_config": _llm_config(size, end, pad),
        "max_dynamic_patch": MAX_DYNAMIC_PATCH,
        "min_dynamic_patch": 1,
        "model_type": "internvl_chat",
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internvl2_5",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": _vision_config(size),
    }


def _llm_config(size: Size, end: int, pad: int) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": pad,
        "eos_token_id": end,
        "hidden_act": "silu",
        "hidden_size": size.width,
        "initializer_range": 0.02,
        "intermediate_size": size.inner,
        "max_position_embeddings": 4096,
        "max_window_layers": size.layers,
        "model_type": "qwen2",
        "num_attention_heads": size.heads,
        "num_hidden_layers": size.layers,
        "num_key_value_heads": size.kv_heads,
        "pad_token_id": None,
        "rms_norm_eps": 1e-6,
        "rope_theta": size.rope_theta,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": size.vocabulary,
    }


def _vision_config(size: Size) -> dict[str, Any]:
    return {
        "architectures": ["InternVisionModel"],
        "attention_dropout": 0.0,
        "drop_path_rate": 0.0,
        "dropout": 0.0,
        "hidden_act": "gelu",
        "hidden_size": size.vit_width,
        "image_size": size.tile,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": size.vit_inner,
        "layer_norm_eps": 1e-6,
        "model_type": "intern_vit_6b",
        "norm_type": "layer_norm",
        "num_attention_heads": size.vit_heads,
        "num_channels": 3,
        "num_hidden_layers": size.vit_layers,
        "patch_size": size.patch,
        "qk_normalization": False,
        "qkv_bias": True,
        "torch_dtype": "bfloat16",
        "use_flash_attn": True,
    }


def _preprocessor(size: Size) -> dict[str, Any]:
    return {
        "crop_size": size.tile,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "resample": 3,
        "size": size.tile,
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
