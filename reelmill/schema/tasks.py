"""What can be asked of a media object, and how it is sampled and answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StringConstraints,
    model_serializer,
    model_validator,
)

from reelmill.schema.frozen import Frozen
from reelmill.schema.json_schemas import SchemaLike, check_schema, schema_of

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32_768)]
ChoiceText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]


StopText = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]


MIN_SCENE_S = 1.0


def _several(value: Any) -> Any:
    """One text alone is meant as a tuple of one."""
    return (value,) if isinstance(value, str) else value


class Caption(Frozen):
    """Describe the media.

    Attributes:
        prompt: replaces the model cards' own wording ("Please describe the image in detail.").
        summary: of a video in parts (`Sampling(window_s=…)` or `scenes`), what its captions come to: the language model
            is given them with their times, without pictures. A text instead of True says what to make of them.
    """

    kind: Literal["caption"] = "caption"
    prompt: Text | None = None
    # As `stop` below: not there where nothing is asked for.
    summary: StrictBool | Text = Field(default=False, exclude_if=lambda asked: asked is False)

    def __init__(self, prompt: str | None = None, **data: Any) -> None:
        super().__init__(**{"prompt": prompt, **data})


class Ask(Frozen):
    """Ask one or several questions: independent ones, or turns of one conversation.

    Attributes:
        json_schema: each answer is JSON of this schema (`schema=` takes a pydantic model or a dict), and stands in
            `value`; an answer that is not says why in `problem`.
        choices: each answer is one of these, the likeliest; `probabilities` has all of them.
    """

    kind: Literal["ask"] = "ask"
    questions: tuple[Text, ...] = Field(min_length=1, max_length=256)
    conversation: bool = False
    json_schema: dict[str, Any] | None = None
    choices: tuple[ChoiceText, ...] | None = Field(default=None, min_length=2, max_length=64)

    def __init__(self, *questions: str, schema: SchemaLike | None = None, **data: Any) -> None:
        given = {} if schema is None else {"json_schema": schema_of(schema)}
        super().__init__(**({"questions": questions} if questions else {}), **given, **data)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.json_schema is not None and self.choices is not None:
            raise ValueError("an answer is of a schema or one of choices, not both")
        if self.json_schema is not None:
            check_schema(self.json_schema)
        if self.choices is not None and len(set(self.choices)) != len(self.choices):
            raise ValueError("two choices are the same")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Plain questions stay what older workers can read."""
        return {name: value for name, value in dump(self).items() if value is not None}


class Ground(Frozen):
    """Find what each phrase names: boxes per phrase (and per sampled frame of a video)."""

    kind: Literal["ground"] = "ground"
    phrases: tuple[Text, ...] = Field(min_length=1, max_length=256)

    def __init__(self, *phrases: str, **data: Any) -> None:
        super().__init__(**({"phrases": phrases} if phrases else {}), **data)


Task = Annotated[Caption | Ask | Ground, Field(discriminator="kind")]


class Sampling(Frozen):
    """Which frames are read, and how many tiles an image becomes.

    Attributes:
        num_segments: frames taken from each segment of a video, evenly spaced (the cards' `get_index`).
        bound: (start, end) in seconds of the only stretch to look at; the whole video by default.
        window_s: cut the video (or the bound) into windows of this many seconds, each answered on its own.
        scenes: cut it where the picture changes at once instead, into its shots; workers need `reelmill[scenes]`.
        min_scene_s: a shot that is shorter belongs to its neighbour.
        max_tiles: most tiles of an image, thumbnail not counted; the checkpoint's `max_dynamic_patch` by default.
            Images of one job share it.
        max_tiles_per_frame: the same for one video frame; the model cards use 1.
        thumbnail: add the whole image as a last tile when it was cut into several.
        resize: "exact" equals the published reference bit for bit (Pillow); "fast" uses torch's antialiased
            bicubic on uint8, within 2/255 of it.
    """

    num_segments: int = Field(default=8, ge=1, le=1024)
    bound: tuple[float, float] | None = None
    window_s: float | None = Field(default=None, gt=0)
    scenes: bool = Field(default=False, exclude_if=lambda asked: not asked)
    min_scene_s: float = Field(default=MIN_SCENE_S, gt=0, exclude_if=lambda seconds: seconds == MIN_SCENE_S)
    max_tiles: int | None = Field(default=None, ge=1, le=128)
    max_tiles_per_frame: int = Field(default=1, ge=1, le=128)
    thumbnail: bool = True
    resize: Literal["exact", "fast"] = "exact"

    @model_validator(mode="after")
    def _bound_in_order(self) -> Self:
        if self.bound is not None and not 0 <= self.bound[0] < self.bound[1]:
            raise ValueError("bound must be (start, end) in seconds with 0 <= start < end")
        return self

    @model_validator(mode="after")
    def _one_way_to_cut(self) -> Self:
        if self.scenes and self.window_s is not None:
            raise ValueError("a video is cut into windows (window_s) or into scenes, not both")
        return self

    @property
    def in_parts(self) -> bool:
        """Whether a video is answered in several segments."""
        return self.scenes or self.window_s is not None


class Generation(Frozen):
    """How an answer is generated; greedy unless `do_sample`. Names are those of transformers.

    Attributes:
        stop: up to four texts; an answer ends before the first of them that it would hold. White space counts. A beam
            search runs to its end and is cut there.
    """

    max_new_tokens: int = Field(default=512, ge=1, le=65_536)
    do_sample: bool = False
    temperature: float = Field(default=1.0, gt=0, le=10)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=50, ge=0)
    repetition_penalty: float = Field(default=1.0, gt=0, le=10)
    num_beams: int = Field(default=1, ge=1, le=16)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    # Not there where nothing is asked for: fingerprints stay what they were, and workers of the last release read it.
    stop: Annotated[tuple[StopText, ...], BeforeValidator(_several)] = Field(
        default=(), max_length=4, exclude_if=lambda texts: not texts
    )


def check_summaries(tasks: Iterable[Task], sampling: Sampling) -> None:
    """Raise ValueError where a summary is asked for of what is not in parts."""
    if not sampling.in_parts and any(isinstance(task, Caption) and task.summary for task in tasks):
        raise ValueError("a summary is of the captions of a video's parts: set sampling.window_s or sampling.scenes")
