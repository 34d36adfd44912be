"""`ask`: one question about files here, printed as it is answered, by this process or another backend."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reelmill.cli.output import Json, error_console, write_json
from reelmill.cli.template import Stop
from reelmill.controls import without_controls
from reelmill.errors import SpecError
from reelmill.extras import extra
from reelmill.settings import Settings, settings

if TYPE_CHECKING:
    from pipelines.analytics.scene import Scene
    from pipelines.model.types import Backend, ModelInfo
    from reelmill.schema import Generation, Sampling

History = list[tuple[str, str]]
Quantization = Literal["none", "int8"]
BackendName = Literal["transformers", "openai", "lmdeploy"]


def ask(
    words: Annotated[
        list[str], typer.Argument(metavar="[FILE]... QUESTION", help="Images, or one video; then the question.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", help="Directory or hub id of the checkpoint.", show_default="REELMILL_MODEL"),
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Ask on: a line each, an empty one ends.")] = False,
    segments: Annotated[int, typer.Option(min=1, max=1024, help="Frames taken of a video.")] = 8,
    max_tiles: Annotated[
        int | None, typer.Option(min=1, max=128, help="Most tiles of an image; several images share them.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, max=65536, help="The longest answer.")] = 512,
    stop: Stop = None,
    backend: Annotated[
        BackendName | None,
        typer.Option(
            help="Who answers: this process, a server (REELMILL_OPENAI_…), LMDeploy.", show_default="transformers"
        ),
    ] = None,
    quantization: Annotated[
        Quantization | None, typer.Option(help="int8 needs bitsandbytes.", show_default="REELMILL_QUANTIZATION")
    ] = None,
    past_window: Annotated[
        bool, typer.Option("--past-window", help="Answer prompts beyond the model's window too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a question about images or a video, now, without database or queue.

    The answer is printed as it is generated; with --json, each turn is one object when it is whole.

    Example: `reelmill ask photo.jpg "What is on the table?" --model OpenGVLab/InternVL3-1B`
    """
    *names, question = words
    options = {"model": model, "backend": backend, "quantization": quantization, "past_window": past_window or None}
    in_force = _in_force(options)
    files = [_existing(Path(file)) for file in names]
    from reelmill.schema import Generation, Sampling

    generation = Generation(max_new_tokens=max_new_tokens, stop=tuple(stop or ()))
    with extra("worker", purpose="`reelmill ask`"):
        from worker.backends import load_backend
    asked = load_backend(in_force)
    try:
        scene = _scene(files, asked.info, Sampling(num_segments=segments, max_tiles=max_tiles)) if files else None
        _talk(_Conversation(asked, scene, generation, as_json), question, chat=chat)
    finally:
        asked.close()


def _in_force(options: dict[str, Any]) -> Settings:
    """The settings with what was given on the command line; a revision belongs to the model of the settings.

    Whoever asks now does not wait for a server to come up.

    Raises:
        SpecError: no model where one has to be loaded.
    """
    given = {name: value for name, value in options.items() if value is not None}
    revision = {} if options["model"] is None else {"model_revision": None}
    in_force = settings().model_copy(update=given | revision | {"openai_start_s": 0.0})
    if in_force.model is None and in_force.backend != "openai":
        raise SpecError("no model to ask", next_step="Give `--model PATH_OR_HUB_ID`, or set REELMILL_MODEL")
    return in_force


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise SpecError("is no file here", subject=str(file), next_step="The last word is the question; quote it")
    return file


def _scene(files: list[Path], info: ModelInfo, sampling: Sampling) -> Scene:
    """The files as one scene, decoded in a sandbox with the limits that workers have."""
    from pipelines.analytics.scene import SourceMedia, build_scenes, tiling_for
    from pipelines.media.decode import DecodePool
    from pipelines.media.types import DecodeLimits, DecodeRequest

    in_force = settings()
    limits = DecodeLimits(
        max_pixels=in_force.max_pixels,
        timeout_s=in_force.decode_timeout_s,
        memory_bytes=in_force.decode_memory_mb * 2**20,
    )
    tiling = tiling_for(sampling, info, len(files))
    sources = []
    with DecodePool(1) as decoders:
        for ordinal, file in enumerate(files):
            request = DecodeRequest(str(file), str(file), sampling, tiling, limits)
            sources.append(SourceMedia(ordinal, str(file), str(ordinal), decoders.decode(request)))
        (scene,) = build_scenes(sources, tiling)
    return scene


@dataclass(frozen=True, slots=True, eq=False)
class _Conversation:
    """Who is asked about what, and how the answers are shown."""

    backend: Backend
    scene: Scene | None
    generation: Generation
    as_json: bool

    def answer(self, question: str, history: History) -> History:
        """Show the answer, while it comes or as one JSON object; returns the history with it."""
        from pipelines.analytics.prompts import about
        from pipelines.model.types import ChatRequest

        opening = question if history or self.scene is None else about(self.scene, question)
        request = ChatRequest(
            opening,
            None if self.scene is None else self.scene.visual,
            tuple(history),
            self.generation,
            on_text=None if self.as_json else _write,
        )
        said = self.backend.submit(request).result().text
        if self.as_json:
            write_json({"question": question, "answer": said})
        else:
            _write("\n")
        return [*history, (opening, said)]


def _talk(conversation: _Conversation, question: str, *, chat: bool) -> None:
    history: History = []
    asked: str | None = question
    while asked:
        history = conversation.answer(asked, history)
        asked = _next_question() if chat else None


def _next_question() -> str | None:
    """A line of standard input; None where there is none, or an empty one."""
    if sys.stdin.isatty():
        error_console().print("[dim]?[/] ", end="")
    return sys.stdin.readline().strip() or None


def _write(text: str) -> None:
    sys.stdout.write(without_controls(text))
    sys.stdout.flush()
