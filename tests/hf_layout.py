"""Checkpoints in transformers' own layout, written by transformers from one in the original layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from transformers import InternVLConfig, InternVLForConditionalGeneration

from pipelines.model.checkpoint import load_checkpoint

# The published layout of a turn, and nothing else: where a picture stands decides where its tokens are.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{{ '<IMG_CONTEXT>' if part['type'] == 'image' else part['text'] }}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def written_by_transformers(case: Path, directory: Path, *, tied: bool = False) -> Path:
    """The weights of a golden case as transformers' own InternVL, saved by it, with the case's tokenizer."""
    network = load_checkpoint(str(case), device="cpu").network
    config = InternVLConfig(
        vision_config=network.vision_tower.config.to_dict(),
        text_config=network.language_model.config.to_dict(),
        tie_word_embeddings=tied,
    )
    model = InternVLForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(network.vision_tower.state_dict())
    model.model.multi_modal_projector.load_state_dict(network.multi_modal_projector.state_dict())
    model.model.language_model.load_state_dict(network.language_model.model.state_dict())
    if not tied:
        model.lm_head.load_state_dict(network.language_model.lm_head.state_dict())
    model.save_pretrained(directory)
    for name in ("tokenizer_config.json", "added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt"):
        if (case / name).exists():
            shutil.copyfile(case / name, directory / name)
    return directory


def with_processor(directory: Path, original: Path) -> Path:
    """What transformers' own InternVL processor needs besides, for a Qwen2 checkpoint; cut as the original is."""
    config = json.loads((original / "config.json").read_bytes())
    side = config["force_image_size"]
    names = json.loads((original / "preprocessor_config.json").read_bytes())
    _update(directory / "generation_config.json", eos_token_id=config["llm_config"]["eos_token_id"])
    token_ids = json.loads((original / "added_tokens.json").read_bytes())
    _update(directory / "config.json", image_token_id=token_ids["<IMG_CONTEXT>"])
    _update(
        directory / "tokenizer_config.json",
        extra_special_tokens={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<|video_pad|>",
        },
    )
    _update(
        directory / "preprocessor_config.json",
        image_processor_type="GotOcr2ImageProcessorPil",
        crop_to_patches=True,
        max_patches=config["max_dynamic_patch"],
        size={"height": side, "width": side},
        image_mean=names["image_mean"],
        image_std=names["image_std"],
    )
    (directory / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    tokens = (side // config["vision_config"]["patch_size"] // 2) ** 2
    _update(directory / "processor_config.json", processor_class="InternVLProcessor", image_seq_length=tokens)
    return directory


def _update(file: Path, **values: object) -> None:
    known = json.loads(file.read_bytes()) if file.exists() else {}
    file.write_text(json.dumps(known | values))
