"""Reading what is known: a file of JSON lines, or a directory with `truth.jsonl` in it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from reelmill.errors import LabelledFileError, SpecError
from reelmill.eval.lines import MediaLine
from reelmill.eval.truth import LabelledMedia, TrueAnswer, TrueTask
from reelmill.schema.frozen import spec_error
from reelmill.uris import media_uris

TRUTH_FILE = "truth.jsonl"


def read_labelled(path: Path) -> tuple[LabelledMedia, ...]:
    """Everything in the file, one entry per media in the order of their first lines.

    Media without a scheme are files beside the labelled file.

    Raises:
        LabelledFileError: there is no such file, or a line that cannot be understood; says which and why.
    """
    file = path / TRUTH_FILE if path.is_dir() else path
    found: dict[tuple[str, ...], list[TrueTask]] = {}
    for uris, tasks in _lines(file):
        found.setdefault(uris, []).extend(tasks)
    if not found:
        raise LabelledFileError("has no line", subject=str(file))
    return tuple(LabelledMedia(uris, _each_once(tasks)) for uris, tasks in found.items())


def sampled(media: Sequence[LabelledMedia], limit: int | None, seed: int) -> tuple[LabelledMedia, ...]:
    """At most `limit` of them, drawn by chance, in their order; the same seed draws the same."""
    if limit is None or limit >= len(media):
        return tuple(media)
    chosen = random.Random(seed).sample(range(len(media)), limit)
    return tuple(media[place] for place in sorted(chosen))


def _lines(file: Path) -> Iterator[tuple[tuple[str, ...], tuple[TrueTask, ...]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelledFileError(f"cannot be read ({error})", subject=str(file)) from error
    # Not splitlines: a line separator inside a caption is no end of a line of JSON.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _line(file, number, line)


def _line(file: Path, number: int, line: str) -> tuple[tuple[str, ...], tuple[TrueTask, ...]]:
    where = f"{file}, line {number}"
    try:
        known = MediaLine.model_validate(json.loads(line))
        return media_uris([_reference(file.parent, name) for name in known.media]), known.truths()
    except ValidationError as error:
        problem = spec_error(error)
        raise LabelledFileError(f"{problem.subject}: {problem.message}", subject=where) from None
    except SpecError as error:
        raise LabelledFileError(f"media: {error.message}", subject=where, next_step=error.next_step) from None
    except (ValueError, RecursionError) as error:
        raise LabelledFileError(f"not JSON: {error}", subject=where) from error


def _reference(folder: Path, name: str) -> str | Path:
    return name if "://" in name else folder / name


def _each_once(tasks: Sequence[TrueTask]) -> tuple[TrueTask, ...]:
    """Without questions that stand there twice: they are asked once. Turns of a conversation may repeat."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for task in tasks:
        key = (type(task), *(getattr(task, name, None) for name in ("question", "phrase", "prompt")))
        if key not in seen or (isinstance(task, TrueAnswer) and task.turn is not None):
            kept.append(task)
        seen.add(key)
    return tuple(kept)
