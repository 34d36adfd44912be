"""The report page in a real browser."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from reelmill.report import ReportBox, ReportError, ReportFrame, ReportMedia, ReportText, ReportTime
from tests.browser.page import Page, jpeg, luminance

HOSTILE = "</script></style><script>window.hit=1</script><img src=x onerror='window.hit=2'>\"' onload=\"window.hit=3"
LONG = "an-endless-name-without-a-place-to-break-" * 12
DOG = ReportBox("the dog", 100, 250, 400, 750)
CAT = ReportBox("the cat", 0, 0, 1000, 1000)


def image(name: str, *boxes: ReportBox, size: tuple[int, int] = (640, 360), said: str = "") -> ReportMedia:
    captions = (ReportText("", said),) if said else ()
    return ReportMedia(
        f"s3://b/{name}", "succeeded", frames=(ReportFrame(jpeg(*size), None, boxes),), captions=captions
    )


def frames(name: str, *sizes: tuple[int, int]) -> ReportMedia:
    each = tuple(ReportFrame(jpeg(*size), float(place), (DOG, CAT)) for place, size in enumerate(sizes))
    return ReportMedia(f"s3://b/{name}", "succeeded", frames=each)


FAILED = ReportMedia(
    "s3://b/cut.mp4", "failed", error=ReportError("media_truncated", "ends too early", "Upload it again")
)
EVERYTHING = (
    image("a.png", DOG, said="A dog in the snow."),
    image("b.png", said="A cat in the grass."),
    frames("c.mp4", (480, 270), (480, 270), (480, 270)),
    FAILED,
    ReportMedia("s3://b/d.png", "queued"),
)


def places(page: Page) -> list[tuple[float, float, float, float]]:
    """Every box in percent of the picture that it lies on."""
    found = []
    for frame in page.all(".frame"):
        (picture,) = page.all("img", frame)
        outer = page.rectangle(picture)
        found += [page.rectangle(box).within(outer) for box in page.all(".box", frame)]
    return found


def test_the_page_loads_without_a_word_on_the_console_and_fetches_nothing(page: Page) -> None:
    page.open(*EVERYTHING)

    loaded = page.script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert page.console() == []
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert page.script("return [...document.images].every((each) => each.complete && each.naturalWidth > 0)")


def test_filtering_takes_every_word_of_names_answers_labels_and_errors(page: Page) -> None:
    page.open(*EVERYTHING)

    found = {}
    for words in ("SNOW dog", "the cat", "truncated", "mp4", "unheard-of"):
        page.type(words)
        found[words] = page.shown()

    assert found == {
        "SNOW dog": ["s3://b/a.png"],
        "the cat": ["s3://b/b.png", "s3://b/c.mp4"],
        "truncated": ["s3://b/cut.mp4"],
        "mp4": ["s3://b/c.mp4", "s3://b/cut.mp4"],
        "unheard-of": [],
    }
    assert page.one("#none").is_displayed()


def test_states_and_words_narrow_together_and_the_number_is_said(page: Page) -> None:
    page.open(*EVERYTHING)

    page.one(".chip[data-state=succeeded]").click()
    succeeded = page.shown()
    page.type("mp4")

    assert succeeded == ["s3://b/a.png", "s3://b/b.png", "s3://b/c.mp4"]
    assert page.shown() == ["s3://b/c.mp4"]
    assert page.one("#shown").text == "1 of 5 shown"
    page.one(".chip[data-state='']").click()
    assert page.shown() == ["s3://b/c.mp4", "s3://b/cut.mp4"]


def test_enter_in_the_filter_does_not_leave_the_page(page: Page) -> None:
    page.open(*EVERYTHING)

    page.type("snow" + Keys.ENTER)

    assert page.shown() == ["s3://b/a.png"]


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize(
    "media",
    [
        pytest.param(image("wide", DOG, CAT, size=(1920, 400)), id="a wide picture"),
        pytest.param(image("high", DOG, CAT, size=(300, 2000)), id="a picture higher than the window"),
        pytest.param(image("small", DOG, CAT, size=(60, 40)), id="a small picture"),
        pytest.param(frames("video", *[(480, 270)] * 8), id="frames of a video"),
        pytest.param(frames("odd", (480, 270), (200, 480), (300, 300)), id="pictures of different shapes in a row"),
    ],
)
def test_boxes_lie_where_they_should_on_their_picture(page: Page, media: ReportMedia, width: int) -> None:
    page.window(width, 900)
    page.open(media)

    found = places(page)

    expected = [(10, 25, 40, 75), (0, 0, 100, 100)] * len(media.frames)
    assert [place == pytest.approx(right, abs=0.6) for place, right in zip(found, expected, strict=True)] == [
        True
    ] * len(expected), found


def test_a_frame_becomes_large_by_click_or_key_and_its_boxes_grow_with_it(page: Page) -> None:
    page.open(frames("video", *[(480, 270)] * 8))
    second = page.all(".frame")[1]
    small = page.rectangle(second)

    second.click()
    large = page.rectangle(second)
    assert large.right - large.left > 2 * (small.right - small.left)
    assert places(page)[2] == pytest.approx((10, 25, 40, 75), abs=0.6)
    second.send_keys(Keys.ENTER)

    back = page.rectangle(second)
    assert back.right - back.left == pytest.approx(small.right - small.left)


def test_labels_are_read_on_a_large_frame_and_do_not_cover_a_small_one(page: Page) -> None:
    page.open(frames("video", *[(480, 270)] * 4))
    last = page.all(".frame")[3]

    hidden = [label.is_displayed() for label in page.all("b", last)]
    last.click()

    assert hidden == [False, False]
    assert [label.text for label in page.all("b", last) if label.is_displayed()] == ["the dog", "the cat"]


def test_boxes_and_true_boxes_can_be_switched_off_where_there_are_any(page: Page) -> None:
    true = ReportBox("the dog", 100, 200, 300, 400, truth=True)

    def visible() -> list[bool]:
        return [box.is_displayed() for box in page.all(".box")]

    page.open(image("a", DOG, true))
    boxes, truth = page.all(".switch input")
    shown = [visible()]
    for switch in (truth, boxes):
        switch.click()
        shown.append(visible())

    assert shown == [[True, True], [True, False], [False, False]]
    page.open(image("a"))
    assert [switch.is_displayed() for switch in page.all(".switch")] == [False, False]


def test_hostile_names_and_answers_stay_text(page: Page) -> None:
    box = ReportBox(HOSTILE, 1, 2, 3, 4)
    line = ReportText(HOSTILE, HOSTILE, HOSTILE, False, HOSTILE, HOSTILE)
    media = ReportMedia(
        uri=f"s3://b/{HOSTILE}",
        state=HOSTILE,
        facts=(HOSTILE,),
        frames=(ReportFrame(jpeg(64, 64), 1.0, (box,), name=HOSTILE),),
        captions=(line,),
        answers=(line,),
        groundings=(line,),
        error=ReportError(HOSTILE, HOSTILE, HOSTILE),
        times=(ReportTime(HOSTILE, 1.0),),
        other_uris=(HOSTILE,),
        missing=HOSTILE,
        job=HOSTILE,
    )

    page.open(media, title=HOSTILE, subtitle=HOSTILE, note=HOSTILE)
    page.type("onload")

    assert page.script("return window.hit === undefined")
    assert len(page.all("img")) == len(page.all("script")) == len(page.all("style")) == 1
    assert page.script("return document.title") == HOSTILE
    assert page.script("return document.querySelector('h2').textContent").strip() == f"s3://b/{HOSTILE}"
    assert page.script("return document.querySelector('.card').textContent.split('window.hit=1').length") > 12
    assert page.console() == []


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_reaches_past_the_edge_of_the_window(page: Page, width: int) -> None:
    page.window(width, 900)
    line = ReportText(LONG, LONG, LONG, False, "0:00.0 – 1:00.0", "the dog")
    media = ReportMedia(
        uri=f"s3://{LONG}/{LONG}",
        state="failed",
        facts=(LONG,),
        frames=(ReportFrame(jpeg(640, 360), 1.0, (DOG,), name=LONG), ReportFrame(None, 2.0, (DOG,))),
        captions=(line,),
        answers=(line,),
        error=ReportError(LONG, LONG, LONG),
        times=tuple(ReportTime(f"stage {number}", 1.5) for number in range(8)),
        missing=LONG,
        job=LONG,
    )

    page.open(media, image("wide", DOG, size=(1920, 200)), title=LONG, subtitle=LONG, note=LONG)

    assert page.script("return document.documentElement.scrollWidth") == width
    outside = page.script(
        """
        return [...document.querySelectorAll('body *')].filter((each) => {
            const place = each.getBoundingClientRect();
            return place.width && !each.closest('.frame') && (place.right > innerWidth + 1 || place.left < -1);
        }).map((each) => each.outerHTML.slice(0, 80))
        """
    )
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_the_light_and_in_the_dark(page: Page, scheme: str) -> None:
    page.colours(scheme)
    page.open(*EVERYTHING, note="The first 4 of 5 jobs.")

    contrasts = {
        selector: page.contrast(selector)
        for selector in ("h1", ".note", ".muted", ".said", "dt", ".error code", ".error .next", ".state.failed")
    }
    body = page.script("return getComputedStyle(document.body).backgroundColor")

    assert {selector: ratio for selector, ratio in contrasts.items() if ratio is None or ratio < 4.5} == {}
    assert (luminance(body) < 0.1) is (scheme == "dark")


def test_where_a_frame_cannot_be_read_its_boxes_lie_on_an_empty_one_of_its_shape(page: Page) -> None:
    lost = ReportFrame(None, 3.0, (DOG,), aspect=2.0)
    page.open(ReportMedia("s3://b/v.mp4", "succeeded", frames=(lost,), missing="may not be read"))

    blank = page.rectangle(page.one(".frame"))
    box = page.rectangle(page.one(".box"))

    assert (blank.right - blank.left) / (blank.bottom - blank.top) == pytest.approx(2.0, abs=0.01)
    assert box.within(blank) == pytest.approx((10, 25, 40, 75), abs=0.6)
    assert "may not be read" in page.one(".missing").text
