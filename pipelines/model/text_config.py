"""The language model in a checkpoint's config: sizes, biases and rope of each family."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.model.rope import RopeShape, read_rope
from pipelines.model.section import Section

TEXT_FAMILIES = ("qwen2", "llama", "internlm2", "internlm3", "phi3")
"""`model_type`s of language models that load here."""


@dataclass(frozen=True, slots=True)
class TextShape:
    """The language model.

    Attributes:
        qkv_bias, output_bias, mlp_bias: whether these projections have one.
        sliding_window: tokens that the layers from `full_attention_layers` on look back, None for all.
    """

    family: str
    vocabulary: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dimension: int
    activation: str
    norm_epsilon: float
    rope: RopeShape
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    sliding_window: int | None
    full_attention_layers: int
    tied_embeddings: bool

    @property
    def context_tokens(self) -> int:
        """The window, prompt and answer together."""
        return self.rope.context_tokens


@dataclass(frozen=True, slots=True)
class _Biases:
    qkv: bool
    output: bool
    mlp: bool


def read_text(section: Section, *, published_code: bool = True) -> TextShape:
    """The language model of an `llm_config` (or a `text_config`).

    Args:
        published_code: it is as the code beside original-layout checkpoints has it, not as transformers' own.

    Raises:
        CheckpointError: a family not known here, or sizes that cannot be.
    """
    family = section.need("model_type", str)
    if family not in TEXT_FAMILIES:
        raise section.refuse("model_type", f"is {family!r}; language models that load are {', '.join(TEXT_FAMILIES)}")
    heads, hidden = section.count("num_attention_heads"), section.count("hidden_size")
    kv_heads = section.count("num_key_value_heads", heads)
    if heads % kv_heads:
        raise section.refuse("num_key_value_heads", f"is {kv_heads}, which does not divide {heads} attention heads")
    head_dimension = _head_dimension(section, family, hidden, heads)
    biases = _biases(section, family)
    layers = section.count("num_hidden_layers")
    return TextShape(
        family=family,
        vocabulary=section.count("vocab_size"),
        hidden_size=hidden,
        intermediate_size=section.count("intermediate_size"),
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dimension=head_dimension,
        activation=section.get("hidden_act", str, "silu"),
        norm_epsilon=section.get("rms_norm_eps", float, 1e-6),
        rope=_rope(section, family, head_dimension, published_code),
        qkv_bias=biases.qkv,
        output_bias=biases.output,
        mlp_bias=biases.mlp,
        sliding_window=_sliding_window(section, family),
        full_attention_layers=section.get("max_window_layers", int, layers),
        tied_embeddings=section.get("tie_word_embeddings", bool, False),
    )


def _rope(section: Section, family: str, head_dimension: int, published_code: bool) -> RopeShape:
    rope = read_rope(section, head_dimension)
    # InternVL3's configs ask for dynamic NTK, but the Qwen2 that they were published with (transformers 4.37) turns
    # plainly whatever a config asks for. yarn is younger: who writes it means code that heeds it.
    ignored = family == "qwen2" and published_code and rope.kind in ("linear", "dynamic")
    return rope.unscaled() if ignored else rope


def _head_dimension(section: Section, family: str, hidden: int, heads: int) -> int:
    if family in ("internlm2", "phi3") or not section.get("head_dim", int, 0):
        if hidden % heads:
            raise section.refuse("num_attention_heads", f"is {heads}, which does not divide hidden_size {hidden}")
        return hidden // heads
    return section.count("head_dim")


def _biases(section: Section, family: str) -> _Biases:
    if family == "qwen2":
        return _Biases(qkv=True, output=False, mlp=False)
    if family == "internlm2":
        bias = section.get("bias", bool, False)
        return _Biases(qkv=bias, output=bias, mlp=False)
    if family == "internlm3":
        qkv, others = section.get("qkv_bias", bool, False), section.get("bias", bool, False)
        if qkv != others:
            raise section.refuse("qkv_bias", f"is {qkv} where `bias` is {others}; no stock model is built that way")
        return _Biases(qkv, others, others)
    if family == "llama":
        attention = section.get("attention_bias", bool, False)
        return _Biases(attention, attention, section.get("mlp_bias", bool, False))
    return _Biases(qkv=False, output=False, mlp=False)


def _sliding_window(section: Section, family: str) -> int | None:
    if family == "qwen2":
        return section.count("sliding_window") if section.get("use_sliding_window", bool, False) else None
    return (section.get("sliding_window", int, 0) or None) if family == "phi3" else None
