"""What was said, without anything to hold it against: for comparing two runs."""

from __future__ import annotations

from collections.abc import Iterator

from reelmill.eval.shape import shape_labels
from reelmill.eval.verdict import Place, Verdict
from reelmill.job_results import JobResults


def observed(found: JobResults) -> tuple[Verdict, ...]:
    """A verdict without truth for every row of a job; `score` is what was asked for: captions, answers or boxes."""
    uris = tuple(media.uri for media in found.media)
    labels = shape_labels(found)
    turns: dict[Place, int] = {}
    verdicts = []
    for place, score, said, boxes in _rows(uris, found):
        turn = turns[place] = turns.get(place, -1) + 1
        numbered = Place(uris, place.kind, place.asked, place.segment, turn, place.image, place.frame_index)
        verdicts.append(Verdict(numbered, score, said, (), False, (), labels, boxes))
    return tuple(verdicts)


def _rows(
    uris: tuple[str, ...], found: JobResults
) -> Iterator[tuple[Place, str, str, tuple[tuple[float, float, float, float], ...]]]:
    for caption in found.captions:
        yield Place(uris, "caption", "", caption.segment), "captions", caption.text, ()
    for answer in found.answers:
        yield Place(uris, "answer", answer.question, answer.segment), "answers", answer.text, ()
    for row in found.groundings:
        boxes = tuple((box.x1_px, box.y1_px, box.x2_px, box.y2_px) for box in row.boxes)
        place = Place(uris, "boxes", row.phrase, row.segment, 0, row.frame.media_ordinal, row.frame.frame_index)
        yield place, "boxes", row.status, boxes
