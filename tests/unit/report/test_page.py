from __future__ import annotations

import base64
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reelmill.report import ReportBox, ReportError, ReportFigure, ReportFrame, ReportMedia, ReportText, write_report

HOSTILE = "</script></style><script>alert(1)</script><img src=x onerror='alert(2)'>\" onload=\"alert(3) {{ 7*7 }}"


class Page(HTMLParser):
    """The tags with their attributes, and the visible text, as a browser reads them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = False
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if name in (attributes.get("class") or "").split()]


def placed(page: Page) -> list[dict[str, float]]:
    return [
        {name: float(value) for name, value in re.findall(r"(\w+):(-?[\d.]+)%", attributes["style"] or "")}
        for attributes in page.of_class("box")
    ]


def page_of(tmp_path: Path, *media: ReportMedia, **options: object) -> Page:
    return Page(write_report(tmp_path / "report.html", media, **options))  # type: ignore[arg-type]


def with_boxes(*boxes: ReportBox) -> ReportMedia:
    return ReportMedia("s3://b/k", "succeeded", frames=(ReportFrame(b"jpeg", None, boxes),))


def test_a_hostile_name_anywhere_stays_text(tmp_path: Path) -> None:
    media = ReportMedia(
        uri=HOSTILE,
        state=HOSTILE,
        facts=(HOSTILE,),
        frames=(
            ReportFrame(b"jpeg", 1.0, (ReportBox(HOSTILE, 1, 2, 3, 4), ReportBox(HOSTILE, 1, 2, 3, 4, truth=True))),
        ),
        captions=(ReportText(HOSTILE, HOSTILE, HOSTILE, False),),
        answers=(ReportText(HOSTILE, HOSTILE, HOSTILE, None),),
        error=ReportError(HOSTILE, HOSTILE, HOSTILE),
    )

    hostile = page_of(tmp_path, media, title=HOSTILE, figures=[ReportFigure(HOSTILE, HOSTILE)])
    harmless = page_of(tmp_path, media)

    def skeleton(page: Page) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in page.tags if tag not in ("ul", "li", "strong")]

    assert [tag for tag, _ in hostile.tags].count("script") == 1
    assert [attributes["src"] for tag, attributes in hostile.tags if tag == "img"] == [
        "data:image/jpeg;base64,anBlZw=="
    ]
    assert not [attributes for _, attributes in hostile.tags if any(name.startswith("on") for name in attributes)]
    assert len(skeleton(hostile)) - len(skeleton(harmless)) == 1  # the one <span> of the figure
    assert hostile.text.count(HOSTILE) >= 12


def test_boxes_stand_at_their_percentage_of_the_frame(tmp_path: Path) -> None:
    page = page_of(tmp_path, with_boxes(ReportBox("cat", 100, 250, 400, 750)))

    assert placed(page) == [{"left": 10.0, "top": 25.0, "width": 30.0, "height": 50.0}]
    assert page.of_class("box")[0]["title"] == "cat"


def test_boxes_outside_the_frame_or_turned_around_are_drawn_inside_it(tmp_path: Path) -> None:
    page = page_of(tmp_path, with_boxes(ReportBox("a", 1200, 500, -50, 100), ReportBox("b", math.nan, 0, 1, 1)))

    assert placed(page) == [{"left": 0.0, "top": 10.0, "width": 100.0, "height": 40.0}]


def test_equal_labels_share_a_colour_across_frames_and_true_boxes_are_marked(tmp_path: Path) -> None:
    frames = (
        ReportFrame(b"1", 0.0, (ReportBox("cat", 0, 0, 9, 9), ReportBox("dog", 0, 0, 9, 9))),
        ReportFrame(b"2", 1.0, (ReportBox("dog", 0, 0, 9, 9), ReportBox("dog", 0, 0, 9, 8, truth=True))),
    )

    boxes = page_of(tmp_path, ReportMedia("s3://b/k", "succeeded", frames=frames)).of_class("box")

    hues = [re.findall(r"hue\d", box["class"] or "")[0] for box in boxes]
    assert hues[1] == hues[2] == hues[3] != hues[0]
    assert ["truth" in (box["class"] or "").split() for box in boxes] == [False, False, False, True]


def test_each_frame_carries_its_own_picture_and_time(tmp_path: Path) -> None:
    frames = (ReportFrame(b"first", 3.75), ReportFrame(b"second", 3725.0))

    page = page_of(tmp_path, ReportMedia("s3://b/k", "succeeded", frames=frames))

    pictures = [base64.b64decode((a["src"] or "").split(",")[1]) for tag, a in page.tags if tag == "img"]
    assert pictures == [b"first", b"second"]
    assert page.text.index("0:03.8") < page.text.index("1:02:05")


def test_the_truth_is_shown_where_the_answer_is_not_right(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        ReportMedia(
            "s3://b/k",
            "succeeded",
            answers=(ReportText("How many?", "three", "3", True), ReportText("Colour?", "green", "vermilion", False)),
        ),
    )

    assert "vermilion" in page.text
    assert page.text.count("✓") == page.text.count("✗") == 1
    assert page.text.count("truth") == 1


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    page = page_of(tmp_path, with_boxes())

    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "a")]


def test_a_failed_write_leaves_the_earlier_page_and_no_scraps(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", [with_boxes()])
    before = path.read_bytes()

    with pytest.raises(TypeError):
        write_report(path, [ReportMedia("s3://b/k", "failed", frames=(ReportFrame("not bytes"),))])  # type: ignore[arg-type]

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
