"""The stepped generator: nothing of it reaches beyond its own model."""

from __future__ import annotations

import torch

from pipelines.model.continuous.generator import Generator, Output, twin
from pipelines.model.internvl import InternVL
from reelmill.schema.tasks import Generation

from .conftest import budget


def test_it_leaves_the_random_state_of_the_process_alone(model: InternVL) -> None:
    before = torch.get_rng_state()
    generator = Generator(twin(model.network.language_model), model.tokenizer.stop_id, budget())
    generator.add("a", [1, 2, 3], Generation(do_sample=True, temperature=2.0), 4)
    while not any(output.finished for output in generator.step()):
        pass
    generator.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_twin_shares_every_weight_and_nothing_that_changes(model: InternVL) -> None:
    original = model.network.language_model
    copied = twin(original)
    weights = {name: weight.data_ptr() for name, weight in original.named_parameters()}
    assert {name: weight.data_ptr() for name, weight in copied.named_parameters()} == weights
    assert copied.config is not original.config
    assert copied.model.rotary_emb.inv_freq.data_ptr() != original.model.rotary_emb.inv_freq.data_ptr()


def said(generator: Generator, prompt: list[int]) -> list[int]:
    """What comes alone, to the last token."""
    generator.add("it", prompt, Generation(), 8)
    outputs: list[Output] = []
    while not (outputs and outputs[-1].finished):
        outputs += generator.step()
    return [output.token_id for output in outputs]


def test_a_prompt_says_the_same_whether_its_beginning_is_found_or_forgotten(model: InternVL) -> None:
    generator = Generator(twin(model.network.language_model), model.tokenizer.stop_id, budget())
    prompt = list(range(5, 60))
    first = said(generator, prompt)
    assert said(generator, prompt) == first
    generator.forget_prefixes()
    assert said(generator, prompt) == first
    generator.close()
