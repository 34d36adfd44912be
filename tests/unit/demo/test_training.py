"""What is trained is what production reads: prompts, tiles, and the published checkpoint."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer

from demo import progress, text, train
from demo.average import Average
from demo.batches import IGNORE, Encoder, cell_targets
from demo.learn import answer_logits, word_loss
from demo.net import Shapes, Size
from demo.probe import greedy
from demo.publish import publish
from demo.samples import View, make_sample
from demo.stream import step_batches
from demo.tiles import grid_for, tile_image
from demo.tokenizer import ADDED_TOKENS, NUMBER_TOKENS, load_tokenizer, save_tokenizer, token_id, train_tokenizer
from demo.warm import warm_start
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
    assert [len(tokenizer.encode(number).ids) for number in ("1000", "10", "1010", "7")] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    "size", [(1920, 1080), (800, 800), (720, 1280), (150, 150), (640, 480), (600, 900), (900, 300)]
)
def test_training_tiles_equal_production_tiles(size: tuple[int, int]) -> None:
    image = render(make_scene(random.Random(1), size[0] / size[1]), size)
    columns, rows = grid_for(size, 4, 112)
    ours = tile_image(image, 4, 112)
    assert len(ours) == columns * rows + (columns * rows > 1)
    assert np.array_equal(ours, tile_picture(image, TilingSpec(tile_size=112, max_tiles=4, thumbnail=True), 4))


@pytest.mark.parametrize(("layout", "frames"), [("single", 0), ("2x1", 0), ("pair", 0), ("video", 4)])
def test_the_published_model_says_what_the_trained_one_says(
    folder: Path, tokenizer: Tokenizer, tmp_path: Path, layout: str, frames: int
) -> None:
    model = tiny(tokenizer)
    publish(model, folder, tmp_path)
    sample = make_sample(random.Random(2), layout, frames)
    asked = sample.rounds[0]
    (ours,) = greedy(model, tokenizer, Encoder(tokenizer), layout, [(sample, asked)], limit=12, halved=False)
    question = asked.question
    tiles, counts = torch.from_numpy(sample.tiles), [len(sample.tiles)]
    if layout == "video":
        question = "".join(f"Frame{i + 1}: <image>\n" for i in range(frames)) + question
        counts = [1] * frames
    if layout == "pair":
        question, counts = f"Image-1: <image>\nImage-2: <image>\n{question}", [1, 1]
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
            alone = encoder.batch("single", [replace(sample, dialogue=(item,))], conversation=True)
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
    cells = cell_targets(View(0, scene))
    assert cells.shape == (16, 7)
    assert 1 <= cells[:, 0].sum() <= 2
    x1, y1, x2, y2 = scene.shapes[0].box((1000, 1000))
    assert any(np.allclose(row[3:] * 1000, (x1, y1, x2, y2), atol=0.5) for row in cells)


def test_a_corner_that_is_nearly_right_costs_less_than_one_that_is_far_off(tokenizer: Tokenizer) -> None:
    sample = make_sample(random.Random(4), "single")
    batch = Encoder(tokenizer).batch("single", [sample])
    targets = torch.from_numpy(batch.targets[batch.targets != IGNORE])
    first = token_id(tokenizer, NUMBER_TOKENS[0])
    numbers = range(first, first + len(NUMBER_TOKENS))
    corners = (targets >= first) & (targets < numbers.stop)
    assert corners.sum() >= 4

    def loss(off: int) -> float:
        """Of a model that is sure of everything, and `off` tokens beside every corner."""
        said = torch.where(corners, (targets + off).clamp(first, numbers.stop - 1), targets)
        return float(word_loss(torch.nn.functional.one_hot(said, 1000).float() * 9, targets, batch, numbers))

    assert loss(0) < loss(1) < loss(2) < loss(5)
    assert loss(5) == pytest.approx(loss(9), abs=1e-3)


def test_a_checkpoint_of_another_vocabulary_is_gone_on_from(folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = tiny(tokenizer)
    publish(model, folder, tmp_path / "published")
    same = Shapes(model.size)
    warm_start(same, tokenizer, tmp_path / "published")
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in model.state_dict().items())
    save_tokenizer(other := train_tokenizer(seed=1, vocabulary_size=700), tmp_path)
    moved = Shapes(replace(model.size, vocabulary=other.get_vocab_size()))
    warm_start(moved, other, tmp_path / "published")
    before, after = (each.language_model["model"].embed_tokens.weight for each in (model, moved))
    for token in ("340", "<IMG_CONTEXT>", "a"):
        assert torch.equal(after[token_id(other, token)], before[token_id(tokenizer, token)])


def test_what_is_published_is_the_mean_of_the_last_steps(tokenizer: Tokenizer) -> None:
    model = tiny(tokenizer)
    average, weight = Average(model), model.mlp1[1].weight
    start = weight.data.clone()
    for _ in range(100):
        weight.data += 0.01
        average.update(model)
    mean = float((average.model.mlp1[1].weight - start).mean())
    assert 0.85 < mean < 0.95
    restored = Average(tiny(tokenizer))
    restored.restore(average.state())
    assert (restored.steps, float((restored.model.mlp1[1].weight - start).mean())) == (100, pytest.approx(mean))


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "Size", lambda vocabulary: replace(TINY, vocabulary=vocabulary))
    shutil.copytree(folder, tmp_path / "work")
    plan = train.Plan(tmp_path / "work", tmp_path / "out", seed=3)
    first = train.Trainer(plan)
    batches = [step_batches(Encoder(first.tokenizer), random.Random(seed), "see") for seed in range(2)]
    first.step(batches[0], "see")
    first.steps, first.spent_s = 1, 12.5
    first._save()
    second = train.Trainer(plan)
    assert (second.steps, second.spent_s, second.average.steps) == (1, 12.5, 1)
    for trainer in (first, second):
        trainer.step(batches[1], "see")
    one, two = first.average.model.state_dict(), second.average.model.state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_time_in_which_a_training_is_stopped_does_not_count() -> None:
    plan, at_wall = train.Plan(Path(), Path()), time.monotonic()
    begin = plan.clock()
    time.sleep(0.3)
    assert plan.clock() - begin < 0.5 * (time.monotonic() - at_wall)


def test_progress_is_a_picture_of_what_the_model_sees(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "ANSWER_TOKENS", 3)
    progress.draw_progress(tiny(tokenizer), tokenizer, 5, tmp_path / "seen.png")
    pixels = np.asarray(Image.open(tmp_path / "seen.png"))
    assert pixels.shape == (2 * (224 + 64), 4 * 224, 3)
    assert (pixels == (0, 190, 0)).all(axis=-1).sum() > 200


@pytest.mark.parametrize("phase", ["see", "single", "all"])
def test_the_same_seed_gives_the_same_batches(tokenizer: Tokenizer, phase: str) -> None:
    one, two = (step_batches(Encoder(tokenizer), random.Random(9), phase) for _ in range(2))
    assert [batch.kind for batch in one] == [batch.kind for batch in two]
    for left, right in zip(one, two, strict=True):
        assert np.array_equal(left.tiles, right.tiles)
        assert np.array_equal(left.ids, right.ids)
        assert left.ids.max() < tokenizer.get_vocab_size()
