"""What a report shows: plain values that the caller fills in. Nothing in them is trusted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportBox:
    """A rectangle on a frame: corners in 0–1000 of it, as models say them. `truth` boxes are drawn dashed."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float
    truth: bool = False


@dataclass(frozen=True, slots=True)
class ReportFrame:
    """A sampled frame and the boxes found on it.

    Attributes:
        jpeg: its JPEG file; None where the frame could not be read: an empty one of `aspect` is drawn.
        src: the picture's address on a page that a server shows; such a page carries no `jpeg`.
        width: of the source in pixels: what has an address has its size before it has arrived.
        timestamp_s: None for an image.
        media: which of the job's media, from 0; `index`: the frame's place in it.
        name: what to call it where there are several images.
        aspect: width / height.
    """

    jpeg: bytes | None
    timestamp_s: float | None = None
    boxes: tuple[ReportBox, ...] = ()
    media: int = 0
    index: int = 0
    name: str = ""
    aspect: float = 16 / 9
    src: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True)
class ReportText:
    """What the model said, to what, and (where it is known) what was right.

    `where` is the stretch of the video; `label` is the boxes' label that this is about, for its colour.
    """

    asked: str
    said: str
    truth: str | None = None
    right: bool | None = None
    where: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class ReportError:
    """Why a job failed, and what to do next."""

    code: str
    message: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class ReportTime:
    """Wall seconds in one stage."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportMedia:
    """One job of the batch: a media object, or an ordered set of images.

    Attributes:
        uri: where it lies; shown as text, never as a link. `other_uris`: the further images of the job.
        state: the job's state in lower case.
        job: its id.
        facts: short remarks for the heading, such as "1920 × 1080" and "60.0 s".
        frames: the sampled frames, in order.
        missing: why frames are not shown; empty when they are.
        left_out: what else there is, and is not shown here.
        summaries, captions, answers, groundings: what was said.
        times: stages in their order.
    """

    uri: str
    state: str
    facts: tuple[str, ...] = ()
    frames: tuple[ReportFrame, ...] = ()
    summaries: tuple[ReportText, ...] = ()
    captions: tuple[ReportText, ...] = ()
    answers: tuple[ReportText, ...] = ()
    error: ReportError | None = None
    groundings: tuple[ReportText, ...] = ()
    times: tuple[ReportTime, ...] = ()
    other_uris: tuple[str, ...] = ()
    missing: str = ""
    left_out: str = ""
    job: str = ""


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A number for the top of the page, such as ("boxes at IoU > 0.5", "81%")."""

    name: str
    value: str
