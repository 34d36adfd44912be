"""`python -m demo.evaluate`: the published checkpoint on unseen media files, loaded as a real one is.

It renders a fresh world to files, reads them back, and asks everything that the truth knows. No queue and no database:
that road is the demo's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image

from demo import text
from demo.score import Tally, parse_boxes
from demo.tiles import tile_image
from demo.world import Truth, box_at, plan, read_truth, write_world
from pipelines.media.sampling import get_index
from pipelines.model.internvl import InternVL
from pipelines.model.load import load_model

GENERATION = {"max_new_tokens": 96, "do_sample": False}
FRAMES = 8

Tiles = NDArray[np.uint8]


def evaluate(model: InternVL, folder: Path, max_tiles: int | None = None) -> Tally:
    """Everything in a folder that `write_world` filled, asked and compared; `max_tiles` of an image, or the model's."""
    tally = Tally()
    for truth in read_truth(folder):
        if truth.kind == "video":
            _video(model, folder / truth.media, truth, tally)
        else:
            _image(model, folder / truth.media, truth, max_tiles or model.info.max_tiles, tally)
    return tally


def _image(model: InternVL, path: Path, truth: Truth, max_tiles: int, tally: Tally) -> None:
    with Image.open(path) as image:
        tiles = tile_image(image.convert("RGB"), max_tiles, model.info.tile_size)
    asked = [(task, f"<image>\n{_question(task, truth.kind)}") for task in truth.tasks]
    answers = _ask_all(model, tiles, [len(tiles)], [question for _, question in asked])
    for (task, _), answer in zip(asked, answers, strict=True):
        _compare(task, answer, truth, 0, tally)


def _video(model: InternVL, path: Path, truth: Truth, tally: Tally) -> None:
    indices, frames = zip(*_frames(path, truth), strict=True)
    tiles = np.concatenate([tile_image(frame, 1, model.info.tile_size) for frame in frames])
    head = "".join(f"Frame{i + 1}: <image>\n" for i in range(len(tiles)))
    asked = [task for task in truth.tasks if task["kind"] != "ground"]
    questions = [head + _question(task, truth.kind) for task in asked]
    for task, answer in zip(asked, _ask_all(model, tiles, [1] * len(tiles), questions), strict=True):
        _compare(task, answer, truth, 0, tally)
    for task in truth.tasks:
        if task["kind"] == "ground":
            question = f"<image>\n{_question(task, truth.kind)}"
            answers = model.batch_chat(
                torch.from_numpy(tiles), [question] * len(tiles), GENERATION, num_patches_list=[1] * len(tiles)
            )
            for index, answer in zip(indices, answers, strict=True):
                _compare(task, answer, truth, index, tally)


def _frames(path: Path, truth: Truth) -> Iterator[tuple[int, Image.Image]]:
    wanted = set(get_index(None, truth.fps, truth.frames - 1, 0, FRAMES).tolist())
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                yield index, Image.fromarray(frame.to_ndarray(format="rgb24"))


def _ask_all(model: InternVL, tiles: Tiles, pictures: list[int], questions: Sequence[str]) -> list[str]:
    pixels = torch.from_numpy(tiles)
    if len(pictures) > 1:
        return [str(model.chat(pixels, question, GENERATION, num_patches_list=pictures)) for question in questions]
    repeated = pixels.repeat(len(questions), 1, 1, 1)
    return model.batch_chat(repeated, questions, GENERATION, num_patches_list=pictures * len(questions))


def _question(task: Mapping[str, Any], kind: str) -> str:
    if task["kind"] == "caption":
        return text.VIDEO_CAPTION_PROMPT if kind == "video" else text.IMAGE_CAPTION_PROMPT
    return str(task["question"]) if task["kind"] == "ask" else text.GROUND_PROMPT.format(task["phrase"])


def _compare(task: Mapping[str, Any], answer: str, truth: Truth, frame: int, tally: Tally) -> None:
    if task["kind"] == "caption":
        tally.caption(task["truth"], answer, truth.kind)
    elif task["kind"] == "ask":
        tally.answer(task["truth"], answer, task["slice"])
    else:
        size = (truth.width, truth.height)
        boxes = [text.thousandths(box_at(track, frame, truth.frames), size) for track in task["tracks"]]
        tally.boxes(boxes, parse_boxes(answer), truth.kind)


def main(
    model: Annotated[Path, typer.Option(help="Folder of the checkpoint.")] = Path("demo/model"),
    seed: Annotated[int, typer.Option(help="Seed of the world; training never draws from these.")] = 424242,
    count: Annotated[int, typer.Option(help="Media files.")] = 100,
    max_tiles: Annotated[
        int | None, typer.Option(min=1, help="Tiles of an image; by default the checkpoint's.")
    ] = None,
    video_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the files that are videos.")] = 0.3,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
) -> None:
    """Score the checkpoint on unseen media; the last line is one JSON object."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), seed, plan(count, video_share))
        tally = evaluate(load_model(str(model), dtype="float32", device="cpu"), Path(folder), max_tiles)
    sys.stdout.write(json.dumps({"results": tally.counts()}) + "\n")
    sys.stdout.write(json.dumps({name: round(value, 4) for name, value in tally.scores().items()}) + "\n")


if __name__ == "__main__":
    typer.run(main)
