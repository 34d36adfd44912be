"""What a worker found out about a job: plain values, ready to become rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

MediaKind = Literal["image", "video"]
FinishReason = Literal["stop", "length", "repetitive"]
"""It ended by itself or at a `stop` text; was cut off at `max_new_tokens`; ran into a loop and was stopped."""
GroundingStatus = Literal["found", "absent", "malformed"]


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """One media object as it was really read. Sizes in pixels, upright; times in seconds.

    `sha256` is None where only parts of the object were read.
    """

    ordinal: int
    kind: MediaKind
    format: str
    width: int
    height: int
    size_bytes: int
    sha256: str | None
    codec: str | None = None
    frame_count: int = 1
    duration_s: float | None = None
    fps: float | None = None
    decode_errors: int = 0


@dataclass(frozen=True, slots=True)
class FrameRef:
    """A frame that was read: which media, its index there (0 for an image) and its time in seconds."""

    media_ordinal: int
    frame_index: int
    timestamp_s: float | None
    tile_count: int


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """A stretch of a video (or all images of a job) that was answered as one."""

    ordinal: int
    start_s: float | None
    end_s: float | None
    frames: tuple[FrameRef, ...]


@dataclass(frozen=True, slots=True)
class Generated:
    """The model's words: `text` without the template's markup, `raw_text` as they came."""

    text: str
    raw_text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CaptionResult:
    """`task` is the place in the job's tasks."""

    segment: int
    task: int
    generated: Generated

    @property
    def text(self) -> str:
        """What the model said."""
        return self.generated.text


@dataclass(frozen=True, slots=True)
class SummaryResult:
    """What the captions of a video's parts come to, as the language model put it.

    Attributes:
        task: the place of their Caption in the job's tasks.
        captions: how many they were.
        requests: how many prompts it took; several where not all of them fitted into one.
        generated: the last prompt's answer; its tokens are those of all the prompts together.
    """

    task: int
    captions: int
    requests: int
    generated: Generated

    @property
    def text(self) -> str:
        """What the model said."""
        return self.generated.text


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """`ordinal` is the question's place in its task.

    Attributes:
        value: the answer as JSON, where a schema was asked for and the answer is of it.
        probabilities: of each choice, summing to 1, where choices were given.
        problem: why there is no such value; `generated.raw_text` is what the model said instead.
    """

    segment: int
    task: int
    ordinal: int
    question: str
    generated: Generated
    value: Any = None
    probabilities: dict[str, float] | None = None
    problem: str | None = None

    @property
    def text(self) -> str:
        """What the model said."""
        return self.generated.text


@dataclass(frozen=True, slots=True)
class Box:
    """Corners in 0–1000 of the upright source, as the model said them, and in its pixels."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float
    x1_px: float
    y1_px: float
    x2_px: float
    y2_px: float


@dataclass(frozen=True, slots=True)
class GroundingResult:
    """One phrase looked for in one frame. `malformed` keeps the raw text and says why in `problem`."""

    segment: int
    task: int
    ordinal: int
    phrase: str
    frame: FrameRef
    status: GroundingStatus
    generated: Generated
    boxes: tuple[Box, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Wall seconds that one job spent in each stage of its last attempt, in their order.

    Their sum is the attempt's time, but for moments between the stages and for room in memory that it waited for
    (`max_tile_mb`). Questions are asked together, so the model's four stages are those of the slowest one; turns of a
    conversation follow each other and add up.

    Attributes:
        fetch_s: from asking for the first media to holding the last.
        decode_s: media to tiles, the wait for a free decode process included.
        wait_s: in the engine's queue.
        vision_s: tiles encoded, together with those of other requests in the same pass.
        prefill_s: from there to the first token; 0 where the engine cannot tell (then generate_s has it).
        generate_s: from the first token to the last.
        write_s: the database wrote the results, up to the commit; the ledger knows it, the worker says 0.
    """

    fetch_s: float = 0.0
    decode_s: float = 0.0
    wait_s: float = 0.0
    vision_s: float = 0.0
    prefill_s: float = 0.0
    generate_s: float = 0.0
    write_s: float = 0.0


@dataclass(frozen=True, slots=True)
class JobResult:
    """Everything that one succeeded attempt writes, in one transaction."""

    media: tuple[MediaFacts, ...]
    segments: tuple[SegmentResult, ...]
    captions: tuple[CaptionResult, ...] = ()
    answers: tuple[AnswerResult, ...] = ()
    groundings: tuple[GroundingResult, ...] = ()
    times: StageTimes = field(default_factory=StageTimes)
    summaries: tuple[SummaryResult, ...] = ()

    @property
    def generated(self) -> tuple[Generated, ...]:
        """All that the model said."""
        seen: tuple[CaptionResult | SummaryResult | AnswerResult | GroundingResult, ...] = (
            *self.captions,
            *self.summaries,
            *self.answers,
            *self.groundings,
        )
        return tuple(row.generated for row in seen)
