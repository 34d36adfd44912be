"""Rotary position embeddings: which a checkpoint has, and how those that change with length stay stateless.

dynamic (InternLM2.5): past the trained window the base grows with the sequence (NTK-aware scaling).
longrope ("su", Phi-3-128k): past it a second set of frequencies is used.
linear, yarn, llama3: other frequencies from the first token on, whatever the length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipelines.model.section import Section

RopeKind = Literal["default", "linear", "dynamic", "longrope", "yarn", "llama3"]
Stretch = Literal["within", "beyond", "own"]
_OPTIONS: dict[str, dict[str, float]] = {
    # 0: only where the config says it, else transformers computes it from the factor.
    "yarn": {"beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": 0.0, "mscale": 0.0, "mscale_all_dim": 0.0},
    "llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0},
}


@dataclass(frozen=True, slots=True)
class RopeShape:
    """Rotary embeddings of a language model.

    Attributes:
        positions: `max_position_embeddings` of its config.
        trained_tokens: the window past which frequencies change.
        context_tokens: the window that the checkpoint was published with, scaling included.
        long_factors, short_factors: of longrope, one per pair of channels; otherwise empty.
        options: of yarn and llama3, by transformers' names.
    """

    kind: RopeKind
    theta: float
    factor: float
    positions: int
    trained_tokens: int
    context_tokens: int
    long_factors: tuple[float, ...] = ()
    short_factors: tuple[float, ...] = ()
    options: tuple[tuple[str, float], ...] = ()

    def stretch(self, prompt_tokens: int, max_new_tokens: int) -> Stretch:
        """With which neighbours a request has the frequencies that it has alone.

        "within" the trained window and "beyond" it (longrope only) they are fixed; what is its "own" follows its
        length from token to token, so it runs alone.
        """
        if self.kind not in ("dynamic", "longrope") or prompt_tokens + max_new_tokens <= self.trained_tokens:
            return "within"
        return "beyond" if self.kind == "longrope" and prompt_tokens > self.trained_tokens else "own"

    def parameters(self) -> dict[str, Any]:
        """transformers' `rope_parameters`."""
        shared: dict[str, Any] = {"rope_type": self.kind, "rope_theta": self.theta}
        if self.kind == "longrope":
            return shared | {
                "long_factor": list(self.long_factors),
                "short_factor": list(self.short_factors),
                "original_max_position_embeddings": self.trained_tokens,
                "factor": self.factor,
            }
        if self.options:
            shared |= {"original_max_position_embeddings": self.trained_tokens, **dict(self.options)}
        return shared if self.kind == "default" else shared | {"factor": self.factor}

    def unscaled(self) -> RopeShape:
        """Plain rotary embeddings, whose window is the one trained."""
        return RopeShape("default", self.theta, 1.0, self.positions, self.positions, self.positions)


def read_rope(section: Section, head_dimension: int) -> RopeShape:
    """The rope of an `llm_config`, in the older spelling (`rope_scaling`) or the newer one (`rope_parameters`).

    Raises:
        CheckpointError: a kind not known here, or factors that do not fit the heads.
    """
    positions = section.count("max_position_embeddings")
    scaling = section.optional("rope_parameters") or section.optional("rope_scaling")
    theta = section.get("rope_theta", float, 10_000.0)
    if scaling is None:
        return RopeShape("default", theta, 1.0, positions, positions, positions)
    theta = scaling.get("rope_theta", float, theta)
    kind = scaling.get("rope_type", str, "") or scaling.get("type", str, "default")
    if kind in ("su", "longrope"):
        return _long(section, scaling, theta, positions, head_dimension)
    if kind == "linear":
        return RopeShape("linear", theta, _factor(scaling), positions, positions, positions)
    if kind == "dynamic":
        factor = _factor(scaling)
        return RopeShape("dynamic", theta, factor, positions, positions, int(positions * factor))
    if kind == "default":
        return RopeShape("default", theta, 1.0, positions, positions, positions)
    if kind == "yarn":
        return _static("yarn", section, scaling, theta)
    if kind == "llama3":
        return _static("llama3", section, scaling, theta)
    raise scaling.refuse("type", f"is {kind!r}; known are default, linear, dynamic, su, longrope, yarn and llama3")


def _long(section: Section, scaling: Section, theta: float, positions: int, head_dimension: int) -> RopeShape:
    trained = section.get("original_max_position_embeddings", int, 0) or scaling.count(
        "original_max_position_embeddings"
    )
    long, short = (tuple(map(float, scaling.need(f"{name}_factor", list))) for name in ("long", "short"))
    if not len(long) == len(short) == head_dimension // 2:
        raise scaling.refuse("long_factor", f"and short_factor must have {head_dimension // 2} entries")
    return RopeShape("longrope", theta, positions / trained, positions, trained, positions, long, short)


def _static(kind: Literal["yarn", "llama3"], section: Section, scaling: Section, theta: float) -> RopeShape:
    positions, factor = section.count("max_position_embeddings"), _factor(scaling)
    trained = scaling.count("original_max_position_embeddings", positions)
    options = tuple((name, scaling.get(name, float, default)) for name, default in _OPTIONS[kind].items())
    window = max(positions, int(trained * factor)) if kind == "yarn" else positions
    given = tuple((name, value) for name, value in options if value)
    return RopeShape(kind, theta, factor, positions, trained, window, options=given)


def _factor(scaling: Section) -> float:
    factor = scaling.need("factor", float)
    if factor < 1:
        raise scaling.refuse("factor", f"is {factor}, below 1")
    return factor


def reset_rope(language_model: Any) -> None:
    """Forget the lengths seen so far: the next prompt finds the frequencies that the first one found."""
    rotary = language_model.model.rotary_emb
    if rotary.rope_type == "dynamic":
        rotary.inv_freq = rotary.original_inv_freq.clone()
        rotary.max_seq_len_cached = rotary.original_max_seq_len
