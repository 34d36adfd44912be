"""A picture of how training goes: held-out images with the true boxes, the boxes found and the captions said."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw
from tokenizers import Tokenizer

from demo import text
from demo.batches import Encoder
from demo.net import Shapes
from demo.probe import greedy
from demo.samples import Round, Sample, make_sample

SIDE_PX, LINE_PX, COLUMNS, COUNT = 224, 16, 4, 8
ANSWER_TOKENS = 48
FOUND, TRUE = (255, 0, 160), (0, 190, 0)


def draw_progress(model: Shapes, tokenizer: Tokenizer, seed: int, path: Path) -> None:
    """Write a PNG with eight images of one tile: true boxes green, found ones pink, the caption said below."""
    rng, encoder = random.Random(seed), Encoder(tokenizer)
    samples = [make_sample(rng, "single") for _ in range(COUNT)]
    asked = [
        next(item for item in sample.long if item.kind == "boxes" or item is sample.long[-1]) for sample in samples
    ]
    captions = [Round("caption", text.IMAGE_CAPTION_PROMPT, "")] * COUNT
    boxes, words = (
        greedy(model, tokenizer, encoder, "single", list(zip(samples, items, strict=True)))
        for items in (asked, captions)
    )
    sheet = Image.new("RGB", (COLUMNS * SIDE_PX, COUNT // COLUMNS * (SIDE_PX + 4 * LINE_PX)), "white")
    for place, (sample, item) in enumerate(zip(samples, asked, strict=True)):
        card = _card(sample, item, boxes[place], words[place])
        sheet.paste(card, (place % COLUMNS * SIDE_PX, place // COLUMNS * card.height))
    sheet.save(path)


def _card(sample: Sample, asked: Round, found: str, said: str) -> Image.Image:
    card = Image.new("RGB", (SIDE_PX, SIDE_PX + 4 * LINE_PX), "white")
    card.paste(Image.fromarray(sample.tiles[-1]).resize((SIDE_PX, SIDE_PX)))
    draw = ImageDraw.Draw(card)
    for colour, answer in ((TRUE, asked.answer), (FOUND, found)):
        for x1, y1, x2, y2 in text.boxes_in(answer):
            left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
            draw.rectangle([value * SIDE_PX // 1000 for value in (left, top, right, bottom)], outline=colour, width=2)
    phrase = asked.answer.split("<ref>")[-1].split("</ref>")[0]
    for line, words in enumerate((phrase, said[:36], said[36:72], said[72:108])):
        draw.text((2, SIDE_PX + line * LINE_PX), words, fill="black")
    return card
