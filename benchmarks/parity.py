"""Recorded conversations of the published model against ours: prompts, features, logits, ids and texts, in float32.

Each conversation goes through the engine alone, then all of them together. A batch that the engine does not form the
same way (a picture without tiles, or a length past the rope window, where the longest prompt decides for the whole
batch) goes through `batch_chat` both times.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks._golden import NEW_TOKENS, GoldenCase, Recorded
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.template import Conversation, build_prompt


@dataclass
class Tally:
    """Counts of one case, and its worst differences."""

    case: str
    conversations: int = 0
    ids_equal: int = 0
    text_equal: int = 0
    prompt_equal: int = 0
    max_abs_features: float = 0.0
    max_abs_logits: float = 0.0

    def add(self, other: Tally) -> None:
        """Count another case too."""
        for name in ("conversations", "ids_equal", "text_equal", "prompt_equal"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("max_abs_features", "max_abs_logits"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


@dataclass(frozen=True)
class Said:
    """Answers to the rows of one conversation."""

    ids: list[tuple[int, ...]]
    texts: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cases, and where they run."""
    parser.add_argument("cases", nargs="+", type=Path, metavar="DIR", help="golden case directories")
    parser.add_argument("--device", default="cpu")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """A line per case; the sum over all is the result."""
    total = Tally("all")
    for directory in arguments.cases:
        tally = compare(GoldenCase(directory.resolve()), arguments.device)
        total.add(tally)
        sys.stdout.write(json.dumps(vars(tally)) + "\n")
        sys.stdout.flush()
    return vars(total)


def compare(case: GoldenCase, device: str) -> Tally:
    """Everything that was recorded of one case."""
    # The published model has no limit at its window: what was recorded there must come out too.
    model = InternVL(load_checkpoint(str(case.directory), dtype="float32", device=device), past_window=True)
    tally = Tally(case.directory.name, conversations=len(case.conversations))
    for tiles, expected in case.features():
        tally.max_abs_features = max(tally.max_abs_features, _worst(model.encode(tiles), expected))
    rows = {name: case.rows(name) for name in case.conversations}
    tally.prompt_equal = sum(all(_prompt(model, row) for row in recorded) for recorded in rows.values())
    engine = SimpleEngine(model)
    alone = {name: _alone(engine, model, case, recorded, tally) for name, recorded in rows.items()}
    together = _together(engine, model, case, rows)
    engine.close()
    for name, recorded in rows.items():
        both = (alone[name], together[name])
        tally.ids_equal += all(said.ids == [row.generated_ids for row in recorded] for said in both)
        tally.text_equal += all(said.texts == [row.response for row in recorded] for said in both)
    return tally


def _prompt(model: InternVL, row: Recorded) -> bool:
    conversation = Conversation(row.question, row.history)
    tokens = [count * model.info.tokens_per_tile for count in row.tiles_per_image]
    prompt = build_prompt(model.template, conversation, tokens, model.config.system_message)
    return prompt == row.prompt and model.prompt_ids(conversation, row.tiles_per_image) == list(row.input_ids)


def _alone(engine: SimpleEngine, model: InternVL, case: GoldenCase, rows: list[Recorded], tally: Tally) -> Said:
    if not _for_engine(model, rows):
        return _batch(model, case, rows, tally)
    found = []
    for row in rows:
        with _overheard(model) as steps:
            found.append(engine.submit(row.request()).result())
        tally.max_abs_logits = max(tally.max_abs_logits, row.worst([step[0] for step in steps]))
    return Said([said.token_ids for said in found], [said.text for said in found])


def _together(
    engine: SimpleEngine, model: InternVL, case: GoldenCase, rows: dict[str, list[Recorded]]
) -> dict[str, Said]:
    whole = {name: recorded for name, recorded in rows.items() if _for_engine(model, recorded)}
    futures = {name: [engine.submit(row.request()) for row in recorded] for name, recorded in whole.items()}
    answers = {name: [future.result() for future in waiting] for name, waiting in futures.items()}
    found = {name: Said([a.token_ids for a in said], [a.text for a in said]) for name, said in answers.items()}
    others = {name: recorded for name, recorded in rows.items() if name not in whole}
    return found | {name: _batch(model, case, recorded, Tally("")) for name, recorded in others.items()}


def _batch(model: InternVL, case: GoldenCase, rows: list[Recorded], tally: Tally) -> Said:
    """A recorded batch through `batch_chat`; greedy ids are the highest logits of each step."""
    name = rows[0].conversation
    facts = case.conversations[name]
    greedy = {"max_new_tokens": NEW_TOKENS, "do_sample": False}
    with _overheard(model) as steps:
        texts = model.batch_chat(case.tiles(name), facts["questions"], greedy, facts["num_patches_list"])
    tally.max_abs_logits = max(tally.max_abs_logits, *(row.worst([step[row.row] for step in steps]) for row in rows))
    ids = torch.stack(steps, dim=1).argmax(-1).tolist()
    return Said([_cut(said, model.tokenizer.stop_id) for said in ids], texts)


def _for_engine(model: InternVL, rows: Iterable[Recorded]) -> bool:
    rope = model.config.text.rope
    rows = list(rows)
    same = len(rows) == 1 or all(rope.stretch(len(row.input_ids), NEW_TOKENS) == "within" for row in rows)
    return same and all(row.fits_an_engine for row in rows)


@contextmanager
def _overheard(model: InternVL) -> Iterator[list[torch.Tensor]]:
    """Logits [rows, vocabulary] of every step, heard at the language model's head."""
    steps: list[torch.Tensor] = []
    head = model.network.language_model.lm_head
    hook = head.register_forward_hook(lambda _module, _inputs, output: steps.append(output[:, -1]))
    try:
        yield steps
    finally:
        hook.remove()


def _cut(ids: list[int], stop: int) -> tuple[int, ...]:
    return tuple(ids[: ids.index(stop) + 1] if stop in ids else ids)


def _worst(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.detach().cpu().float() - expected.float()).abs().max())
