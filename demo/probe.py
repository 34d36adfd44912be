"""A quick held-out look during training: exact answers by teacher forcing, boxes by greedy decoding."""

from __future__ import annotations

import random
from collections import defaultdict

import torch
from tokenizers import Tokenizer

from demo import text
from demo.batches import Encoder
from demo.learn import answer_logits, embed
from demo.net import Shapes
from demo.samples import Round, Sample, make_sample
from demo.tokenizer import token_id
from reelmill.eval.overlap import iou

LAYOUTS = {"single": 32, "2x1": 24, "2x2": 16, "pair": 24, "video": 24}


@torch.no_grad()
def probe(model: Shapes, tokenizer: Tokenizer, seed: int, videos: bool) -> dict[str, float]:
    """Share of answers exactly right per kind, `boxes` exact to the token, `boxes_iou50` by greedy decoding."""
    hits: dict[str, list[float]] = defaultdict(list)
    encoder = Encoder(tokenizer)
    for layout, count in LAYOUTS.items():
        if layout != "single" and not videos:
            continue
        rng = random.Random(f"{seed}/{layout}")
        samples = [make_sample(rng, layout, 8) for _ in range(count)]
        _exact(model, tokenizer, encoder, layout, samples, hits)
        if layout not in ("video", "pair"):
            _boxes(model, tokenizer, encoder, layout, samples, hits)
    return {name: sum(values) / len(values) for name, values in sorted(hits.items())}


def _exact(
    model: Shapes,
    tokenizer: Tokenizer,
    encoder: Encoder,
    layout: str,
    samples: list[Sample],
    hits: dict[str, list[float]],
) -> None:
    """Greedy decoding equals the truth exactly when every token is right given the ones before it."""
    batch = encoder.batch(layout, samples)
    with torch.autocast(model.device.type, torch.bfloat16):
        visual = model.see(torch.from_numpy(batch.tiles).to(model.device))
        logits, targets = answer_logits(model, batch, visual, token_id(tokenizer, "<IMG_CONTEXT>"))
    right = (logits.argmax(-1) == targets).tolist()
    at = 0
    for sample in samples:
        for item in sample.rounds:
            length = len(tokenizer.encode(text.answer_part(item.answer), add_special_tokens=False).ids)
            hits[item.kind].append(float(all(right[at : at + length])))
            at += length


def _boxes(
    model: Shapes,
    tokenizer: Tokenizer,
    encoder: Encoder,
    layout: str,
    samples: list[Sample],
    hits: dict[str, list[float]],
) -> None:
    asked = [(sample, item) for sample in samples for item in sample.long[-1:] if item.kind == "boxes"]
    answers = greedy(model, tokenizer, encoder, layout, asked)
    for (_, item), answer in zip(asked, answers, strict=True):
        truth, found = text.boxes_in(item.answer), text.boxes_in(answer)
        for index, box in enumerate(truth):
            overlap = iou(box, found[index]) if index < len(found) else 0.0
            hits[f"iou50_{layout}"].append(float(overlap >= 0.5))
            hits["mean_iou"].append(overlap)


@torch.no_grad()
def greedy(
    model: Shapes,
    tokenizer: Tokenizer,
    encoder: Encoder,
    layout: str,
    asked: list[tuple[Sample, Round]],
    limit: int = 72,
    halved: bool = True,
) -> list[str]:
    """Plain greedy decoding without a cache; one question per sample, all with the same number of tiles.

    `halved` computes in bfloat16 where training does.
    """
    image_token, end = token_id(tokenizer, "<IMG_CONTEXT>"), token_id(tokenizer, "<|im_end|>")
    prompts = [
        tokenizer.encode(sample.prefix + text.question_part(item.question), add_special_tokens=False).ids
        for sample, item in asked
    ]
    tiles = torch.cat([torch.tensor(sample.tiles) for sample, _ in asked]).to(model.device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
    ids = torch.zeros(len(prompts), int(lengths.max()) + limit, dtype=torch.long, device=model.device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, device=model.device)
    rows = torch.arange(len(prompts), device=model.device)
    done = torch.zeros(len(prompts), dtype=torch.bool, device=model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=halved):
        visual = model.see(tiles)
        for step in range(limit):
            length = int(lengths.max()) + step
            positions = torch.arange(length, device=model.device).expand(len(prompts), -1)
            states = model.read(embed(model, ids[:, :length], visual, image_token), positions)
            token = model.language_model["lm_head"](states[rows, lengths + step - 1]).argmax(-1)
            token = torch.where(done, end, token)
            ids[rows, lengths + step] = token
            done |= token == end
            if bool(done.all()):
                break
    return [
        tokenizer.decode(ids[row, start : start + limit].tolist(), skip_special_tokens=False).split("<|im_end|>")[0]
        for row, start in enumerate(lengths.tolist())
    ]
