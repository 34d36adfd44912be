"""config.json of an InternVL checkpoint, as far as the model and its prompts need it.

Two layouts: the original one (`llm_config`, a template by name), and that of transformers' own InternVL (`-hf`:
`text_config`, no template).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pipelines.errors import CheckpointError
from pipelines.model.section import Section, read_object
from pipelines.model.text_config import TextShape, read_text

Layout = Literal["original", "hf"]

_HF_TILES = 12
"""transformers' own default."""
_HF_TEMPLATE = "internvl2_5"
"""`-hf` conversions name no template; the models they are made of (InternVL2.5, InternVL3) share this one."""


@dataclass(frozen=True, slots=True)
class VisionShape:
    """The vision transformer. Sizes in pixels; `qk_norm` spans the whole width, not one head."""

    image_size: int
    patch_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    activation: str
    norm: Literal["layer_norm", "rms_norm"]
    norm_epsilon: float
    qkv_bias: bool
    qk_norm: bool


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """What a checkpoint is. `system_message` None means the template's own."""

    layout: Layout
    vision: VisionShape
    text: TextShape
    template: str
    system_message: str | None
    tile_size: int
    max_tiles: int
    use_thumbnail: bool
    downsample_ratio: float

    @property
    def tokens_per_tile(self) -> int:
        """Tokens that one tile becomes: patches, less the pixel shuffle."""
        return int((self.tile_size // self.vision.patch_size) ** 2 * self.downsample_ratio**2)


QUANTISED_ADVICE = (
    "Serve it with `--backend lmdeploy` or by a server (`--backend openai`), or take the unquantised checkpoint"
)


def quantisation(directory: Path) -> str | None:
    """The method by which a checkpoint's weights are stored quantised ("awq", …); None where they are not.

    Raises:
        CheckpointError: no such file, or not JSON.
    """
    file = directory / "config.json"
    root = Section(read_object(file), file)
    parts = [root, *(part for name in ("llm_config", "text_config") if (part := root.optional(name)))]
    for part in parts:
        settings = part.optional("quantization_config")
        if settings is not None:
            return settings.get("quant_method", str, "quantised")
    return None


def read_config(directory: Path, *, quantised: bool = False) -> CheckpointConfig:
    """Read `directory`/config.json.

    Args:
        quantised: whether a checkpoint of quantised weights is welcome.

    Raises:
        CheckpointError: no such file, not JSON, a missing or impossible key, or an architecture not known here.
    """
    file = directory / "config.json"
    root = Section(read_object(file), file)
    method = quantisation(directory)
    if method is not None and not quantised:
        raise CheckpointError(
            f"`quantization_config` says {method}: quantised weights are not loaded here",
            subject=str(file),
            next_step=QUANTISED_ADVICE,
        )
    readers = {"internvl_chat": _original, "internvl": _hf}
    model_type = root.get("model_type", str, "")
    if model_type not in readers:
        raise root.refuse("model_type", f"is {model_type!r}; InternVL checkpoints are {' or '.join(readers)}")
    config = readers[model_type](root)
    if config.downsample_ratio != 0.5:
        raise root.refuse("downsample_ratio", "must be 0.5")
    if config.tile_size % (2 * config.vision.patch_size):
        pixels = 2 * config.vision.patch_size
        raise root.refuse("force_image_size", f"must be a multiple of {pixels} pixels (two patches)")
    return config


def _original(root: Section) -> CheckpointConfig:
    if root.get("select_layer", int, -1) != -1:
        raise root.refuse("select_layer", "must be -1 (features of the last layer)")
    if root.get("ps_version", str, "v2") != "v2":
        raise root.refuse("ps_version", "must be v2")
    vision = _vision(root.section("vision_config"))
    dynamic = root.get("dynamic_image_size", bool, True)
    return CheckpointConfig(
        layout="original",
        vision=vision,
        text=read_text(root.section("llm_config")),
        template=root.need("template", str),
        system_message=root.get("system_message", str, "") or None,
        tile_size=root.get("force_image_size", int, vision.image_size),
        max_tiles=root.get("max_dynamic_patch", int, 12) if dynamic else 1,
        use_thumbnail=root.get("use_thumbnail", bool, True),
        downsample_ratio=root.get("downsample_ratio", float, 0.5),
    )


def _hf(root: Section) -> CheckpointConfig:
    if root.get("vision_feature_layer", int, -1) != -1:
        raise root.refuse("vision_feature_layer", "must be -1 (features of the last layer)")
    vision = _hf_vision(root.section("vision_config"))
    text = read_text(root.section("text_config"), published_code=False)
    return CheckpointConfig(
        layout="hf",
        vision=vision,
        text=replace(text, tied_embeddings=root.get("tie_word_embeddings", bool, True)),
        template=_HF_TEMPLATE,
        system_message=None,
        tile_size=vision.image_size,
        max_tiles=_processor_tiles(root),
        use_thumbnail=True,
        downsample_ratio=root.get("downsample_ratio", float, 0.5),
    )


def _processor_tiles(root: Section) -> int:
    """`-hf` checkpoints say it in the settings of their image processor, in a file of its own or of the processor's."""
    for name, key in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        file = root.beside(name)
        found = Section(read_object(file), file) if file.is_file() else None
        found = found.optional(key) if found is not None and key is not None else found
        if found is not None and found.has("max_patches"):
            return found.count("max_patches")
    return _HF_TILES


def _vision(section: Section) -> VisionShape:
    return VisionShape(
        image_size=section.count("image_size"),
        patch_size=section.count("patch_size"),
        hidden_size=section.count("hidden_size"),
        intermediate_size=section.count("intermediate_size"),
        layers=section.count("num_hidden_layers"),
        heads=section.count("num_attention_heads"),
        activation=section.get("hidden_act", str, "gelu"),
        norm=_norm(section, "rms_norm"),
        norm_epsilon=section.get("layer_norm_eps", float, 1e-6),
        qkv_bias=section.get("qkv_bias", bool, False),
        qk_norm=section.get("qk_normalization", bool, True),
    )


def _hf_vision(section: Section) -> VisionShape:
    """Missing keys have the defaults of transformers' InternVLVisionConfig."""
    if not section.get("use_mean_pooling", bool, True):
        raise section.refuse("use_mean_pooling", "must be true: InternVL has no layer norm behind its encoder")
    return VisionShape(
        image_size=section.side("image_size"),
        patch_size=section.side("patch_size"),
        hidden_size=section.count("hidden_size", 1024),
        intermediate_size=section.count("intermediate_size", 4096),
        layers=section.count("num_hidden_layers", 24),
        heads=section.count("num_attention_heads", 16),
        activation=section.get("hidden_act", str, "gelu"),
        norm=_norm(section, "layer_norm"),
        norm_epsilon=section.get("layer_norm_eps", float, 1e-6),
        qkv_bias=section.get("attention_bias", bool, False),
        qk_norm=section.get("use_qk_norm", bool, False),
    )


def _norm(section: Section, default: str) -> Literal["layer_norm", "rms_norm"]:
    norm = section.get("norm_type", str, default)
    if norm not in ("layer_norm", "rms_norm"):
        raise section.refuse("norm_type", f"is {norm!r}; known are layer_norm and rms_norm")
    return "layer_norm" if norm == "layer_norm" else "rms_norm"
