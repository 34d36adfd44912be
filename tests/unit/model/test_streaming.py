"""An answer's pieces, put together, are the answer."""

import json

import pytest
import torch

from pipelines.model.streaming import TextStreamer
from pipelines.model.template import find_template
from pipelines.model.tokenizer import load_tokenizer

from .conftest import GOLDEN


@pytest.mark.parametrize(
    ("name", "family", "template"),
    [
        ("internvl2_5-qwen2", "qwen2", "internvl2_5"),
        ("internvl2-phi3", "phi3", "phi3-chat"),
        ("internvl2-llama", "llama", "Hermes-2"),
    ],
)
def test_pieces_add_up_to_every_recorded_answer(name: str, family: str, template: str) -> None:
    tokenizer = load_tokenizer(GOLDEN / name, family, find_template(template))
    facts = json.loads((GOLDEN / name / "golden.json").read_bytes())["conversations"]
    for conversation in (found for found in facts.values() if found["call"] == "chat"):
        pieces: list[str] = []
        streamer = TextStreamer(tokenizer, find_template(template), pieces.append)
        for token in conversation["generated_ids"][0]:
            streamer.put(torch.tensor([token]))
        streamer.end()
        assert "".join(pieces) == conversation["response"]
        assert len(pieces) > 1 or len(conversation["response"]) < 4


def test_half_a_character_waits_for_its_other_half() -> None:
    tokenizer = load_tokenizer(GOLDEN / "internvl2_5-qwen2", "qwen2", find_template("internvl2_5"))
    pieces: list[str] = []
    streamer = TextStreamer(tokenizer, find_template("internvl2_5"), pieces.append)
    for token in tokenizer.encode("a 😀"):
        streamer.put(torch.tensor([token]))
    streamer.end()
    assert "".join(pieces) == "a 😀"
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
