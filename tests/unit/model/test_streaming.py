"""An answer's pieces, put together, are the answer."""

import json

import pytest

from pipelines.model.reader import Reader
from pipelines.model.streaming import Listener
from pipelines.model.template import find_template
from pipelines.model.tokenizer import load_tokenizer

from .conftest import GOLDEN


def heard(reader: Reader, ids: list[int]) -> list[str]:
    """The pieces that a listener is told."""
    pieces: list[str] = []
    listener = Listener(pieces.append)
    for count in range(1, len(ids)):
        listener.hear(reader.so_far(ids[:count]))
    listener.hear(reader.answer(ids))
    return pieces


@pytest.mark.parametrize(
    ("name", "family", "template"),
    [
        ("internvl2_5-qwen2", "qwen2", "internvl2_5"),
        ("internvl2-phi3", "phi3", "phi3-chat"),
        ("internvl2-llama", "llama", "Hermes-2"),
    ],
)
def test_pieces_add_up_to_every_recorded_answer(name: str, family: str, template: str) -> None:
    reader = Reader(load_tokenizer(GOLDEN / name, family, find_template(template)), find_template(template))
    facts = json.loads((GOLDEN / name / "golden.json").read_bytes())["conversations"]
    for conversation in (found for found in facts.values() if found["call"] == "chat"):
        pieces = heard(reader, conversation["generated_ids"][0])
        assert "".join(pieces) == conversation["response"]
        assert len(pieces) > 1 or len(conversation["response"]) < 4


def test_half_a_character_waits_for_its_other_half() -> None:
    tokenizer = load_tokenizer(GOLDEN / "internvl2_5-qwen2", "qwen2", find_template("internvl2_5"))
    pieces = heard(Reader(tokenizer, find_template("internvl2_5")), tokenizer.encode("a 😀"))
    assert "".join(pieces) == "a 😀"
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


def test_a_stop_made_of_half_characters_is_found_once_it_is_whole() -> None:
    template = find_template("internvl2_5")
    tokenizer = load_tokenizer(GOLDEN / "internvl2_5-qwen2", "qwen2", template)
    reader, ids = Reader(tokenizer, template, ("😀",)), tokenizer.encode("a " * 40 + "b 😀")
    stopped = [reader.just_stopped(ids[:count]) for count in range(1, len(ids) + 1)]
    assert stopped == [False] * (len(ids) - 1) + [True]
    assert reader.answer(ids) == "".join(heard(reader, ids)) == ("a " * 40 + "b").strip()
