"""Prompts are the published ones, character by character."""

import pytest

from pipelines.errors import CheckpointError, PromptError
from pipelines.model.template import Conversation, build_prompt, find_template

from .conftest import Golden

TEMPLATE = find_template("internvl2_5")


def test_every_recorded_prompt_is_rebuilt(golden: Golden) -> None:
    for name in golden.single:
        facts = golden.conversation(name)
        values = golden.pixel_values(facts)
        counts = facts["num_patches_list"] or ([] if values is None else [len(values)])
        history = tuple((asked, said) for asked, said in facts["history_in"] or ())
        prompt = build_prompt(TEMPLATE, Conversation(golden.asked(name), history), [16 * count for count in counts])
        assert prompt == facts["prompt"], name


def test_the_checkpoints_system_message_replaces_the_templates() -> None:
    prompt = build_prompt(TEMPLATE, Conversation("Hi"), (), "You see.")
    assert prompt == "<|im_start|>system\nYou see.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_pictures_fill_the_users_turns_in_order_and_spare_the_answers() -> None:
    conversation = Conversation("and <image>?", (("<image>", "an <image>"),))
    prompt = build_prompt(TEMPLATE, conversation, (1, 2), "S")
    turns = prompt.split("<|im_start|>")
    assert turns[2] == "user\n<img><IMG_CONTEXT></img><|im_end|>\n"
    assert turns[3] == "assistant\nan <image><|im_end|>\n"
    assert turns[4] == "user\nand <img><IMG_CONTEXT><IMG_CONTEXT></img>?<|im_end|>\n"


def test_placeholders_beyond_the_pictures_stay_as_they_are() -> None:
    assert "<img><IMG_CONTEXT></img> <image>" in build_prompt(TEMPLATE, Conversation("<image> <image>"), (1,))


def test_more_pictures_than_placeholders_are_refused() -> None:
    with pytest.raises(PromptError, match="2 pictures for 1"):
        build_prompt(TEMPLATE, Conversation("<image>"), (1, 1))


def test_hermes_closes_its_turns_without_a_line_break() -> None:
    prompt = build_prompt(find_template("Hermes-2"), Conversation("Hi"), (), "S")
    assert prompt == "<|im_start|>system\nS<|im_end|><|im_start|>user\nHi<|im_end|><|im_start|>assistant\n"


def test_an_answer_ends_at_the_stop_token_and_is_stripped() -> None:
    assert TEMPLATE.answer(" yes \n<|im_end|>\n<|im_start|>user") == "yes"


def test_an_unknown_template_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match="vicuna"):
        find_template("vicuna")
