"""Boxes on pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from reelmill.drawing import corners_px
from reelmill.errors import PictureError
from reelmill.frame import Frame
from reelmill.schema import Box
from tests.unit.door.samples import CAT, stored

WHITE = (255, 255, 255)


def white(width: int = 640, height: int = 480, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), "white")


def frame(*boxes: Box) -> Frame:
    return Frame(stored(), 3, 0.125, boxes)


def changed(picture: Image.Image) -> tuple[int, int, int, int]:
    """The pixels that are no longer white."""
    mask = picture.convert("L").point(lambda value: 255 if value < 250 else 0)
    found = mask.getbbox()
    assert found is not None
    return found


def test_a_box_is_drawn_where_it_is_and_its_inside_stays() -> None:
    picture = frame(replace(CAT, label="")).draw(white())
    assert changed(picture) == (64, 96, 193, 193)
    assert picture.getpixel((128, 144)) == WHITE


def test_the_picture_may_have_any_size_and_mode_and_is_not_changed() -> None:
    small = white(320, 240, "L")
    picture = frame(replace(CAT, label="")).draw(small)
    assert (picture.size, picture.mode, changed(picture)) == ((320, 240), "RGB", (32, 48, 97, 97))
    assert small.getextrema() == (255, 255)


def test_the_label_stands_above_the_box_or_inside_where_there_is_no_room() -> None:
    left, top, right, bottom = changed(frame(CAT).draw(white()))
    assert (left, right, bottom) == (64, 193, 193)
    assert 60 < top < 96
    at_the_top = replace(CAT, y1=0.0)
    assert changed(frame(at_the_top).draw(white()))[1] == 0


def test_labels_are_told_apart_by_colour_and_keep_it_on_other_frames() -> None:
    def colour(label: str, *others: Box) -> object:
        return frame(replace(CAT, label=label), *others).draw(white()).getpixel((64, 150))

    assert colour("cat") != colour("dog")
    assert colour("cat") == colour("cat", replace(CAT, label="dog", x1=500.0, x2=600.0))


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        (replace(CAT, x1=300, x2=100, y1=400, y2=200), (64, 96, 192, 192)),
        (replace(CAT, x1=-50, y1=-1, x2=1200, y2=1000.1), (0, 0, 639, 479)),
    ],
)
def test_corners_out_of_order_or_outside_still_make_a_box(box: Box, corners: tuple[float, ...]) -> None:
    assert corners_px(box, (640, 480)) == pytest.approx(corners)


def test_whatever_a_model_said_as_a_label_can_be_drawn() -> None:
    for label in ("猫", "a\nb\tc", "x" * 5000, "\ud800"):
        frame(replace(CAT, label=label)).draw(white())


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(PictureError, match=r"480 × 640.*640 × 480"):
        frame(CAT).draw(white(480, 640))
    assert frame(CAT).draw(white(99, 74)).size == (99, 74)


def test_a_photo_is_turned_upright_by_its_exif() -> None:
    photo = white(480, 640)
    photo.getexif()[0x0112] = 6
    assert frame(CAT).draw(photo).size == (640, 480)
