"""The models of the cards, and what of each works here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["loads", "lmdeploy"]


@dataclass(frozen=True, slots=True)
class CardModel:
    """A published model: a vision model, a language model and a template.

    Attributes:
        state: "loads" here, or the backend that serves it (quantised weights).
    """

    name: str
    series: str
    vision: str
    language_model: str
    template: str
    state: State = "loads"


def _series(series: str, rows: str, template: str = "") -> tuple[CardModel, ...]:
    found = []
    for row in rows.strip().splitlines():
        size, vision, language_model, *own = (cell.strip() for cell in row.split("|"))
        name = f"OpenGVLab/{series}-{size}"
        found.append(CardModel(name, series, vision, language_model, own[0] if own else template))
    return tuple(found)


CARD_MODELS: tuple[CardModel, ...] = (
    *_series(
        "InternVL2",
        """
        1B | InternViT-300M | Qwen2-0.5B | Hermes-2
        2B | InternViT-300M | InternLM2-1.8B | internlm2-chat
        4B | InternViT-300M | Phi-3-mini-128k | phi3-chat
        8B | InternViT-300M | InternLM2.5-7B | internlm2-chat
        26B | InternViT-6B | InternLM2-20B | internlm2-chat
        40B | InternViT-6B | Yi-34B | Hermes-2
        Llama3-76B | InternViT-6B | Llama-3-70B | Hermes-2
        """,
    ),
    *_series(
        "InternVL2_5",
        """
        1B | InternViT-300M | Qwen2.5-0.5B
        2B | InternViT-300M | InternLM2.5-1.8B
        4B | InternViT-300M | Qwen2.5-3B
        8B | InternViT-300M | InternLM2.5-7B
        26B | InternViT-6B | InternLM2.5-20B
        38B | InternViT-6B | Qwen2.5-32B
        78B | InternViT-6B | Qwen2.5-72B
        """,
        "internvl2_5",
    ),
    CardModel(
        "OpenGVLab/InternVL2_5-78B-AWQ",
        "InternVL2_5",
        "InternViT-6B",
        "Qwen2.5-72B",
        "internvl2_5",
        "lmdeploy",
    ),
    *_series(
        "InternVL3",
        """
        1B | InternViT-300M | Qwen2.5-0.5B
        2B | InternViT-300M | Qwen2.5-1.5B
        8B | InternViT-300M | Qwen2.5-7B
        9B | InternViT-300M | InternLM3-8B
        14B | InternViT-300M | Qwen2.5-14B
        38B | InternViT-6B | Qwen2.5-32B
        78B | InternViT-6B | Qwen2.5-72B
        """,
        "internvl2_5",
    ),
)
