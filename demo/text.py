"""The words that the model sees: template internvl2_5, prompts for images and videos, and the grounding answer."""

from __future__ import annotations

import re
from collections.abc import Iterable

SYSTEM_MESSAGE = (
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)
IMAGE_CAPTION_PROMPT = "Please describe the image in detail."
VIDEO_CAPTION_PROMPT = "Describe this video in detail."
GROUND_PROMPT = "Please provide the bounding box coordinates of the region this sentence describes: <ref>{}</ref>"
IMAGE_TOKENS_PER_TILE = 16
_BOX = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")


def image_tokens(tiles: int) -> str:
    return f"<img>{'<IMG_CONTEXT>' * (IMAGE_TOKENS_PER_TILE * tiles)}</img>"


HEAD = f"<|im_start|>system\n{SYSTEM_MESSAGE}<|im_end|>\n<|im_start|>user\n"


def prefix(tiles: int, frames: int = 0) -> str:
    """Everything before the question: of one image of `tiles` tiles, or of `frames` frames with one tile each."""
    if not frames:
        return f"{HEAD}{image_tokens(tiles)}\n"
    return HEAD + "".join(f"Frame{i + 1}: {image_tokens(1)}\n" for i in range(frames))


def images_prefix(images: int, tiles: int) -> str:
    """Everything before the question about several images of `tiles` tiles each."""
    return HEAD + "".join(f"Image-{i + 1}: {image_tokens(tiles)}\n" for i in range(images))


def question_part(question: str) -> str:
    return f"{question}<|im_end|>\n<|im_start|>assistant\n"


def answer_part(answer: str) -> str:
    return f"{answer}<|im_end|>"


def next_round(question: str) -> str:
    """What joins a further round of one conversation to the answer before it."""
    return f"\n<|im_start|>user\n{question_part(question)}"


def ground_answer(phrase: str, boxes: Iterable[tuple[int, int, int, int]]) -> str:
    """Boxes are x1, y1, x2, y2 in thousandths of the full image; none where nothing is named. Without blanks: short."""
    listed = ",".join(f"[{x1},{y1},{x2},{y2}]" for x1, y1, x2, y2 in boxes)
    return f"<ref>{phrase}</ref><box>[{listed}]</box>"


def boxes_in(answer: str) -> list[tuple[int, int, int, int]]:
    """All `[x1, y1, x2, y2]` of an answer, as they stand."""
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in _BOX.findall(answer)]


def coarse(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """To the nearest ten: a tile's pixel is nine thousandths wide, so a finer last digit would be noise to learn."""
    x1, y1, x2, y2 = (10 * round(value / 10) for value in box)
    return x1, y1, x2, y2


def thousandths(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Pixel box to integers 0-1000."""
    x1, y1, x2, y2 = (
        round(1000 * min(max(value / side, 0.0), 1.0)) for value, side in zip(box, (*size, *size), strict=True)
    )
    return x1, y1, x2, y2
