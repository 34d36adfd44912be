"""What is trained is what production reads: prompts, tiles, and the published checkpoint."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from demo import text
from demo.learn import answer_logits
from demo.net import Shapes, Size
from demo.probe import greedy
from demo.publish import publish
from demo.samples import IGNORE, Encoder, cell_targets, make_sample
from demo.tiles import grid_for, tile_image
from demo.tokenizer import ADDED_TOKENS, load_tokenizer, save_tokenizer, token_id, train_tokenizer
from demo.world import Scene, make_scene, render
from pipelines.media.tiling import tile_picture
from pipelines.media.types import TilingSpec
from pipelines.model.load import load_model

TINY = Size(0, vit_width=64, vit_inner=96, vit_layers=2, vit_heads=4, width=64, inner=96, layers=2, heads=4, kv_heads=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(), path)
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


def tiny(tokenizer: Tokenizer) -> Shapes:
    """Random weights that are exact in bfloat16, so that publishing loses nothing; it never says an added token."""
    torch.manual_seed(5)
    model = Shapes(replace(TINY, vocabulary=tokenizer.get_vocab_size()))
    model.language_model["lm_head"].weight.data.normal_(std=0.5)
    model.language_model["lm_head"].weight.data[-len(ADDED_TOKENS) :] = 0
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


def test_the_tokenizer_survives_its_files(tokenizer: Tokenizer) -> None:
    words = text.prefix(1) + text.question_part("What is <ref>the red circle</ref>? 你好 10 😀")
    ids = tokenizer.encode(words, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == words
    assert max(ids) < tokenizer.get_vocab_size()
    assert len(tokenizer.encode("1000").ids) == 4


@pytest.mark.parametrize(
    "size", [(1920, 1080), (800, 800), (720, 1280), (150, 150), (640, 480), (600, 900), (900, 300)]
)
def test_training_tiles_equal_production_tiles(size: tuple[int, int]) -> None:
    image = render(make_scene(random.Random(1), size[0] / size[1]), size)
    columns, rows = grid_for(size, 4, 112)
    ours = tile_image(image, 4, 112)
    assert len(ours) == columns * rows + (columns * rows > 1)
    assert np.array_equal(ours, tile_picture(image, TilingSpec(tile_size=112, max_tiles=4, thumbnail=True), 4))


@pytest.mark.parametrize(("layout", "frames"), [("single", 0), ("2x1", 0), ("video", 4)])
def test_the_published_model_says_what_the_trained_one_says(
    folder: Path, tokenizer: Tokenizer, tmp_path: Path, layout: str, frames: int
) -> None:
    model = tiny(tokenizer)
    publish(model, folder, tmp_path)
    sample = make_sample(random.Random(2), layout, frames)
    (ours,) = greedy(model, tokenizer, Encoder(tokenizer), layout, [(sample, sample.long[0])], limit=12, halved=False)
    question = sample.long[0].question
    tiles, counts = torch.from_numpy(sample.tiles), [len(sample.tiles)]
    if layout == "video":
        question = "".join(f"Frame{i + 1}: <image>\n" for i in range(frames)) + question
        counts = [1] * frames
    loaded = load_model(str(tmp_path), dtype="float32", device="cpu")
    options = {"max_new_tokens": 12, "do_sample": False}
    assert loaded.chat(tiles, question, options, num_patches_list=counts) == ours.strip()


def test_questions_side_by_side_are_read_as_if_each_were_alone(tokenizer: Tokenizer) -> None:
    model, encoder = tiny(tokenizer), Encoder(tokenizer)
    image_token = token_id(tokenizer, "<IMG_CONTEXT>")
    sample = make_sample(random.Random(4), "single")
    together = encoder.batch("single", [sample])
    with torch.no_grad():
        visual = model.see(torch.from_numpy(together.tiles))
        logits, _ = answer_logits(model, together, visual, image_token)
        parts = []
        for item in sample.rounds:
            alone = encoder.batch("single", [replace(sample, long=(item,), short=())], conversation=True)
            parts.append(answer_logits(model, alone, visual, image_token)[0])
    assert torch.allclose(logits, torch.cat(parts), atol=1e-4)


def test_only_answers_are_learned(tokenizer: Tokenizer) -> None:
    sample = make_sample(random.Random(4), "single")
    batch = Encoder(tokenizer).batch("single", [sample])
    learned = batch.targets[0][batch.targets[0] != IGNORE].tolist()
    said = "".join(text.answer_part(item.answer) for item in sample.rounds)
    assert tokenizer.decode(learned, skip_special_tokens=False) == said


def test_every_shape_has_a_cell_unless_two_share_one() -> None:
    scene: Scene = make_scene(random.Random(3), count=2)
    cells = cell_targets(scene.shapes, scene, 0.0)
    assert cells.shape == (16, 7)
    assert 1 <= cells[:, 0].sum() <= 2
    x1, y1, x2, y2 = scene.shapes[0].box((1000, 1000))
    assert any(np.allclose(row[3:] * 1000, (x1, y1, x2, y2), atol=0.5) for row in cells)
