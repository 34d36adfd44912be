"""The live page in a real browser, served by its own process over a real ledger and real files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from selenium.webdriver.remote.webelement import WebElement

from demo.world import COLOURS, Truth
from pipelines.errors import TruncatedMediaError
from reelmill.ledger.database import Database
from reelmill.schema import Caption, JobResult, JobSpec
from tests.browser.live import Mill, frames_of, percent, said, served, spec, true_result, write_truths
from tests.browser.page import Page
from tests.workers import wait_until

HOSTILE = "</script></style><script>window.hit=1</script><img src=x onerror='window.hit=2'>\"' onload=\"window.hit=3"
BOX_EDGE_PX = 1.5


@dataclass(frozen=True)
class Live:
    """What is served: the mill behind it, the truth of its media, the first batch and its jobs by name."""

    url: str
    mill: Mill
    folder: Path
    truths: dict[str, Truth]
    batch: UUID
    jobs: dict[str, UUID]


@pytest.fixture(scope="module")
def live(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("media").resolve()
    truths = write_truths(folder)
    database = Database(module_database_url)
    mill = Mill(database)
    gone, broken = ((folder / name).as_uri() for name in ("gone.png", "broken.mp4"))
    batch = mill.submit(
        *(spec(folder / name, truth, labels={"camera": "door"}) for name, truth in truths.items()),
        *(JobSpec(media=(uri,), tasks=(Caption(),)) for uri in (gone, broken)),
        name="night",
        site="north",
    )
    jobs = {name: mill.work(true_result(truth, windows=_windows(name))) for name, truth in truths.items()}
    jobs["gone.png"] = mill.work(true_result(truths["img_wide.png"]))
    jobs["broken.mp4"] = mill.work(TruncatedMediaError("ends too early", subject=broken))
    with served(module_database_url, file_roots=f'["{folder}"]') as running:
        yield Live(running.url.rstrip("/"), mill, folder, truths, batch, jobs)
    database.close()


def _windows(name: str) -> int:
    return 4 if "windows" in name else 1


def names(page: Page) -> list[str]:
    return [name.text for name in page.all(".card h2 .name")]


def picture(page: Page, element: WebElement) -> Image.Image:
    """The element as the browser paints it."""
    page.script("arguments[0].scrollIntoView({block: 'center'})", element)
    shown = "const each = arguments[0].querySelector('img'); return each.complete && each.naturalWidth > 0"
    wait_until(lambda: page.script(shown, element))
    return Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")


def test_batches_are_listed_with_their_progress_and_lead_to_their_jobs(live: Live, page: Page) -> None:
    page.visit(live.url)

    row = page.one(f"#batch-{live.batch}")
    assert "5 succeeded" in row.text
    assert "1 failed" in row.text
    assert "site=north" in row.text
    page.all("h2 a", row)[0].click()
    assert names(page) == [*live.truths, "gone.png", "broken.mp4"]
    assert page.one(".why").text == "media_truncated 1"
    page.one(".why a").click()
    assert names(page) == ["broken.mp4"]
    assert page.console() == []


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["img_wide.png", "img_high.jpg", "vid_whole.mp4", "vid_windows.mp4"])
def test_every_box_lies_on_its_shape_in_its_frame(live: Live, page: Page, name: str, width: int) -> None:
    truth = live.truths[name]
    page.window(width, 900)
    page.visit(f"{live.url}/jobs/{live.jobs[name]}")
    tasks = [dict(task) for task in truth.tasks if task["kind"] == "ground"]
    drawn = page.all(".part .frame")
    assert len(drawn) == len(frames_of(truth))

    for element, sampled in zip(drawn, frames_of(truth), strict=True):
        right = [(str(task["phrase"]), box) for task in tasks for box in percent(truth, task, sampled.frame_index)]
        frame = page.rectangle(element)
        boxes = page.all(".box", element)
        places = [page.rectangle(box).within(frame) for box in boxes]
        slack = BOX_EDGE_PX * 100 / min(frame.right - frame.left, frame.bottom - frame.top)
        assert [box.get_attribute("title") for box in boxes] == [phrase for phrase, _ in right]
        assert [pytest.approx(box, abs=slack) for _, box in right] == places
        page.script("document.body.classList.add('no-box')")
        painted = picture(page, element)
        page.script("document.body.classList.remove('no-box')")
        for phrase, box in right:
            if colour := COLOURS.get(phrase.split()[1]):
                at = (painted.width * (box[0] + box[2]) / 200, painted.height * (box[1] + box[3]) / 200)
                assert _distance(painted.getpixel((int(at[0]), int(at[1]))), colour) < 60, (phrase, sampled)


def _distance(seen: object, colour: tuple[int, int, int]) -> int:
    assert isinstance(seen, tuple)
    return max(abs(one - other) for one, other in zip(seen, colour, strict=True))


def test_states_kinds_and_labels_narrow_the_list(live: Live, page: Page) -> None:
    found = {}
    for query in ("state=failed", "kind=video", "kind=image&state=succeeded", "label=camera%3Ddoor&kind=image"):
        page.visit(f"{live.url}/batches/{live.batch}?{query}")
        found[query] = names(page)

    assert found == {
        "state=failed": ["broken.mp4"],
        "kind=video": ["vid_whole.mp4", "vid_windows.mp4"],
        "kind=image&state=succeeded": ["img_wide.png", "img_high.jpg", "gone.png"],
        "label=camera%3Ddoor&kind=image": ["img_wide.png", "img_high.jpg"],
    }


def test_the_filter_form_keeps_the_state_that_was_chosen(live: Live, page: Page) -> None:
    page.visit(f"{live.url}/batches/{live.batch}?state=succeeded")

    page.one("input[name=label]").send_keys("camera=door")
    page.one(".bar button").click()

    assert names(page) == list(live.truths)
    assert page.one(".bar .chip[aria-current]").text == "succeeded 5"


def test_a_search_leads_to_the_part_where_it_was_said(live: Live, page: Page) -> None:
    page.visit(f"{live.url}/batches/{live.batch}")
    field = page.one(".find input[name=q]")
    words = next(task["truth"] for task in live.truths["vid_windows.mp4"].tasks if task["kind"] == "caption")
    field.send_keys(str(words))
    field.submit()

    assert page.one("h1").text == words
    rows = page.all(".row")
    assert [page.all(".name", row)[0].text for row in rows] == ["vid_windows.mp4"] * 4
    assert page.all("mark", rows[0])
    page.all("h2 a", rows[2])[0].click()
    part = int(page.script("return location.hash").removeprefix("#part-"))
    assert page.script("return document.querySelector(':target .said').textContent") == words
    assert page.all(".span")[part].text.startswith(str(words)[:20])
    assert page.console() == []


def test_the_timeline_leads_to_each_part_and_marks_the_sampled_frames(live: Live, page: Page) -> None:
    page.visit(f"{live.url}/jobs/{live.jobs['vid_windows.mp4']}")
    track = page.rectangle(page.one(".track"))

    spans = [page.rectangle(span).within(track) for span in page.all(".span")]
    marks = [page.rectangle(mark).within(track) for mark in page.all(".track i")]

    assert [(round(left), round(right)) for left, _, right, _ in spans] == [(0, 25), (25, 50), (50, 75), (75, 100)]
    expected = [100 * frame.frame_index / 60 for frame in frames_of(live.truths["vid_windows.mp4"])]
    assert [(left + right) / 2 for left, _, right, _ in marks] == pytest.approx(expected, abs=0.3)
    page.all(".span")[3].click()
    assert page.one(":target h3").text == "0:03.8 – 0:05.0"


def test_pages_follow_each_other_in_both_directions_and_miss_nothing(live: Live, page: Page) -> None:
    batch = live.mill.submit(
        *(JobSpec(media=(f"s3://b/{n:02d}.png",), tasks=(Caption(),), priority=-9) for n in range(60)), name="long"
    )
    page.visit(f"{live.url}/batches/{batch}")
    seen = [names(page)]
    for way in ("next", "next", "prev", "first", "last", "prev"):
        page.one(f".pages [rel={way}]").click()
        seen.append(names(page))

    every = [f"{n:02d}.png" for n in range(60)]
    assert seen == [every[:24], every[24:48], every[48:], every[24:48], every[:24], every[36:], every[12:36]]
    assert page.all(".pages [rel=next]")


def test_progress_and_cards_follow_the_mill_without_a_reload(live: Live, page: Page) -> None:
    spec_ = spec(live.folder / "img_wide.png", live.truths["img_wide.png"], priority=9)
    batch = live.mill.submit(spec_, spec_, name="moving")
    page.visit(f"{live.url}/batches/{batch}")
    page.script("window.same = true")
    first = [card.get_attribute("data-state") for card in page.all(".card")]

    live.mill.work(true_result(live.truths["img_wide.png"]))

    wait_until(lambda: bool(page.all(".card[data-state=succeeded] .box")), why=lambda: page.one("body").text)
    assert first == ["queued", "queued"]
    assert [card.get_attribute("data-state") for card in page.all(".card")] == ["succeeded", "queued"]
    wait_until(lambda: "1 of 2 jobs finished" in page.one("#progress").text)
    assert page.script("return window.same")
    live.mill.work(true_result(live.truths["img_wide.png"]))
    wait_until(lambda: not page.script("return document.body.hasAttribute('data-going')"))
    assert len(page.all(".card[data-state=succeeded]")) == 2


def test_a_media_that_is_gone_shows_its_boxes_on_a_picture_that_says_why(live: Live, page: Page) -> None:
    page.visit(f"{live.url}/jobs/{live.jobs['gone.png']}")

    frame = page.one(".part .frame")
    painted = picture(page, frame)
    box = page.rectangle(frame)

    assert painted.getcolors(256 * 256)
    assert (box.right - box.left) / (box.bottom - box.top) == pytest.approx(16 / 9, abs=0.02)
    assert len(page.all(".box", frame)) == 2


def test_hostile_names_answers_and_labels_stay_text(live: Live, page: Page) -> None:
    truth = live.truths["img_wide.png"]
    path = live.folder / f"{HOSTILE.replace('/', '∕')}.png"
    path.write_bytes((live.folder / "img_wide.png").read_bytes())
    uri = f"file://{path}"
    batch = live.mill.submit(
        JobSpec(media=(uri,), tasks=(Caption(),), labels={HOSTILE: HOSTILE}, priority=9),
        name=HOSTILE,
        **{HOSTILE: HOSTILE},
    )
    live.mill.submit(JobSpec(media=(uri,), tasks=(Caption(),), priority=9), name="fails")
    job = live.mill.work(_hostile_result(truth))
    failed = live.mill.work(TruncatedMediaError(HOSTILE, subject=HOSTILE, next_step=HOSTILE))

    quoted = "%3Cscript%3Ewindow.hit%3D4%3C%2Fscript%3E"
    for address in (
        *("/", f"/batches/{batch}", f"/jobs/{job}", f"/jobs/{failed}", f"/batches/{batch}?label={quoted}"),
        *(
            "/search?q=window.hit",
            f"/search?q={quoted}&prefix={quoted}",
            f"/batches/{batch}?state={quoted}",
            f"/{quoted}",
        ),
    ):
        page.visit(live.url + address)
        assert page.script("return window.hit === undefined"), address
        assert len(page.all("script")) == 1, address
        assert page.all("img[onerror]") == [], address
        assert page.all("body[onload]") == [], address
    page.console()


def _hostile_result(truth: Truth) -> JobResult:
    result = true_result(truth)
    words = said(HOSTILE)
    return replace(
        result,
        media=tuple(replace(media, format=HOSTILE, codec=HOSTILE) for media in result.media),
        captions=tuple(replace(row, generated=words) for row in result.captions),
        answers=tuple(replace(row, question=HOSTILE, generated=words) for row in result.answers),
        groundings=tuple(
            replace(row, phrase=HOSTILE, boxes=tuple(replace(box, label=HOSTILE) for box in row.boxes))
            for row in result.groundings
        ),
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_reaches_past_the_edge_and_words_can_be_read(live: Live, page: Page, width: int, scheme: str) -> None:
    page.window(width, 900)
    page.colours(scheme)
    for address in (
        *("/", f"/batches/{live.batch}", f"/jobs/{live.jobs['vid_windows.mp4']}", "/search?q=red"),
        *(f"/jobs/{live.jobs['broken.mp4']}", "/batches/nonsense"),
    ):
        page.visit(live.url + address)
        assert page.script("return document.documentElement.scrollWidth") == width, address
        for selector in (".muted", ".told", ".count", ".chip", ".span", "dt", ".said", "mark", ".error code"):
            contrast = page.contrast(selector)
            assert contrast is None or contrast >= 4.5, (address, selector, contrast)


def test_pages_are_read_without_javascript(live: Live, page: Page) -> None:
    with page.without_scripts():
        page.visit(f"{live.url}/batches/{live.batch}")
        assert names(page) == [*live.truths, "gone.png", "broken.mp4"]
        page.all(".card h2 a")[3].click()
        assert len(page.all(".part .box")) > 0
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", page.one(".how").text)


def test_a_visitor_with_the_link_stays_and_one_without_is_turned_away(
    live: Live, page: Page, module_database_url: str
) -> None:
    with served(module_database_url, "--token", "correct horse battery") as guarded:
        address, _, query = guarded.url.partition("?")
        page.visit(address)
        assert "asks for its token" in page.one("body").text
        page.visit(f"{address}batches/{live.batch}?{query}&state=failed")
        assert "token" not in page.script("return location.href")
        assert names(page) == ["broken.mp4"]
        page.visit(address)
        assert page.one("h1").text == "Batches"
        assert page.script("return document.cookie") == ""


def test_the_page_says_when_its_server_is_gone(live: Live, page: Page, module_database_url: str) -> None:
    with served(module_database_url) as brief:
        page.visit(brief.url)
        assert brief.terminate() == 0
        wait_until(lambda: page.one("#lost").is_displayed())
    page.console()
