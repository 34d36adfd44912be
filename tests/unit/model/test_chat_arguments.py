"""The edges of chat() and batch_chat(): as published where that answers, a typed error where that fails obscurely."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.errors import ContextExceededError, PromptError
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.internvl import InternVL
from reelmill.schema.tasks import Generation

from .conftest import Golden

Behaviour = dict[str, dict[str, Any]]
SHORT = {"max_new_tokens": 8, "do_sample": False}
QUESTION = "Please describe the image shortly."


def call(model: InternVL, golden: Golden, row: dict[str, Any]) -> Any:
    """The recorded call: img1_palette has 3 tiles, img2_grey 1; 4 tiles are both."""
    args = copy.deepcopy(row["args"])
    tiles = {
        3: golden.pixels["img1_palette"],
        1: golden.pixels["img2_grey"],
        4: torch.cat([golden.pixels["img1_palette"], golden.pixels["img2_grey"]]),
    }
    pixels = None if args.pop("pixel_values") is None else tiles[row["args"]["pixel_values"][0]]
    method = getattr(model, row["method"])
    return method(pixels, generation_config=row["generation_config_in"], **args)


@pytest.mark.parametrize(
    "name",
    [
        "two_placeholders_one_count",
        "placeholder_without_pixels",
        "placeholder_in_the_middle",
        "verbose",
        "verbose_return_history",
        "return_history_mutates",
        "eos_overwritten",
        "batch_two_placeholders_in_one",
    ],
)
def test_what_the_reference_answers_is_answered_and_printed_alike(
    model: InternVL, golden: Golden, behaviour: Behaviour, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    row = behaviour[name]
    result = call(model, golden, row)
    if row["result_type"] == "tuple":
        result = [result[0], [list(turn) for turn in result[1]]]
    assert result == row["result"]
    assert capsys.readouterr().out == row["stdout"]


@pytest.mark.parametrize(
    ("name", "warning"),
    [("batch_image_counts", "num_patches_list"), ("batch_more_questions_than_counts", "only so many of the 3")],
)
def test_what_the_reference_only_hints_at_is_a_warning(
    model: InternVL, golden: Golden, behaviour: Behaviour, name: str, warning: str
) -> None:
    with pytest.warns(match=warning):
        assert call(model, golden, behaviour[name]) == behaviour[name]["result"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("sum_mismatch", "adds up to 1 tiles, pixel_values has 3"),
        ("history_without_placeholder", "1 pictures for 0 <image>"),
        ("empty_history_list", "1 pictures for 0 <image>"),
        ("one_placeholder_two_counts", "2 pictures for 1 <image>"),
        ("batch_history", "batch_chat has no history"),
        ("batch_return_history", "batch_chat has no history"),
        ("batch_no_counts", "num_patches_list is missing"),
        ("batch_fewer_questions_than_counts", "1 questions for 2 entries"),
        ("batch_counts_not_checked", "adds up to 6 tiles, pixel_values has 4"),
    ],
)
def test_where_the_reference_fails_obscurely_a_prompt_error_says_why(
    model: InternVL, golden: Golden, behaviour: Behaviour, name: str, complaint: str
) -> None:
    assert "raises" in behaviour[name]
    with pytest.raises(PromptError, match=complaint):
        call(model, golden, behaviour[name])


def test_every_recorded_edge_is_tested_here(behaviour: Behaviour) -> None:
    source = Path(__file__).read_text()
    assert [name for name in behaviour if f'"{name}"' not in source] == []


def test_the_callers_history_and_settings_stay_as_they_were(model: InternVL) -> None:
    history, settings = [["Hello, who are you?", "I am."]], dict(SHORT)
    _, longer = model.chat(None, "Can you tell me a story?", settings, history=history, return_history=True)
    assert history == [["Hello, who are you?", "I am."]]
    assert settings == SHORT
    assert len(longer) == 2


@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(1, 112, 112, 3), torch.zeros(3, 112, 112), torch.zeros(1, 3, 112, 112, dtype=torch.uint8)],
)
def test_pixels_of_another_form_are_refused(model: InternVL, pixels: torch.Tensor) -> None:
    with pytest.raises(PromptError, match=re.escape(str(list(pixels.shape)))):
        model.encode(pixels)


def test_no_tiles_at_all_are_refused(model: InternVL) -> None:
    with pytest.raises(PromptError, match="no tiles"):
        model.chat(torch.zeros(0, 3, 112, 112), QUESTION, SHORT)


def test_tiles_of_another_size_than_the_prompt_expects_are_refused(model: InternVL) -> None:
    with pytest.raises(PromptError, match="16 context tokens for 4 visual features"):
        model.chat(torch.zeros(1, 3, 56, 56), QUESTION, SHORT)


def test_negative_counts_are_refused(model: InternVL, golden: Golden) -> None:
    with pytest.raises(PromptError, match="negative"):
        model.chat(golden.pixels["img2_grey"], "<image><image>", SHORT, num_patches_list=[2, -1])


@pytest.mark.parametrize("settings", [{"max_new_token": 8}, {"max_new_tokens": -1}])
def test_settings_that_transformers_does_not_know_or_take_are_refused(
    model: InternVL, settings: dict[str, object]
) -> None:
    with pytest.raises(PromptError, match="generation_config"):
        model.chat(None, "Hello", settings)


def test_our_own_settings_do_as_well_as_the_dictionary(model: InternVL) -> None:
    assert model.chat(None, "Hello", Generation(max_new_tokens=8)) == model.chat(None, "Hello", SHORT)


def test_a_seed_decides_what_is_sampled_and_leaves_other_random_numbers_alone(model: InternVL) -> None:
    settings = Generation(max_new_tokens=8, do_sample=True, temperature=2.0, seed=3)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = model.chat(None, "Hello", settings)
    assert torch.equal(torch.rand(1), expected)
    assert model.chat(None, "Hello", settings) == first
    others = {str(model.chat(None, "Hello", settings.model_copy(update={"seed": seed}))) for seed in range(4, 8)}
    assert others != {first}


def test_a_prompt_past_the_window_is_refused_with_the_numbers(copy_checkpoint: Callable[..., Path]) -> None:
    model = InternVL(load_checkpoint(str(copy_checkpoint(llm_config={"max_position_embeddings": 82})), device="cpu"))
    with pytest.raises(ContextExceededError, match=r"82 tokens and an answer of up to 8 .* window of 82"):
        model.chat(None, "Hello, who are you?", SHORT)
