"""The stepped generator: nothing of it reaches beyond its own model."""

from __future__ import annotations

import torch

from pipelines.model.continuous.generator import PagedGenerator, twin
from pipelines.model.internvl import InternVL

from .conftest import budget


def test_it_leaves_the_random_state_of_the_process_alone(model: InternVL) -> None:
    before = torch.get_rng_state()
    generator = PagedGenerator(twin(model.network.language_model), model.tokenizer.stop_id, budget())
    generator.add("a", [1, 2, 3], 4)
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


def test_a_request_that_needs_no_flush_says_the_same_twice(model: InternVL) -> None:
    generator = PagedGenerator(twin(model.network.language_model), model.tokenizer.stop_id, budget())
    prompt = list(range(5, 60))
    said = []
    for name in ("first", "prefix found", "prefix forgotten"):
        if name == "prefix forgotten":
            generator.forget_prefixes()
        generator.add(name, prompt, 8)
        while not (done := [output for output in generator.step() if output.finished]):
            pass
        said.append(done[0].token_ids)
    generator.close()
    assert said[0] == said[1] == said[2]
