"""The same world in Chinese: a caption, questions and phrases."""

from __future__ import annotations

import random

from demo.world.questions import AskTask, GroundTask
from demo.world.scene import COLOURS, FORMS, Scene, Shape

CAPTION_PROMPT = "请描述这张图片。"
COLOUR_NAMES = dict(zip(COLOURS, ("红色", "绿色", "蓝色", "黄色", "紫色", "橙色"), strict=True))
FORM_NAMES = dict(zip(FORMS, ("圆形", "正方形", "三角形", "星形"), strict=True))
PLACES = {2: ("左边是", "右边是"), 3: ("左边是", "中间是", "右边是")}
DIRECTIONS = {"left": "左", "right": "右", "up": "上", "down": "下"}


def chinese_name(shape: Shape) -> str:
    """ "红色圆形"."""
    return COLOUR_NAMES[shape.colour] + FORM_NAMES[shape.form]


def chinese_caption(scene: Scene) -> str:
    """ "左边是红色圆形，右边是蓝色正方形。" """
    names = [chinese_name(shape) for shape in scene.shapes]
    places = PLACES.get(len(names))
    if places:
        return "，".join(place + name for place, name in zip(places, names, strict=True)) + "。"
    return f"{'从左到右：' if len(names) > 1 else ''}{'、'.join(names)}。"


def chinese_asks(scene: Scene, rng: random.Random) -> list[AskTask]:
    """How many there are, of everything and of one form; and the colour of a form that is there once."""
    form = rng.choice(FORMS)
    count = sum(shape.form == form for shape in scene.shapes)
    tasks = [
        AskTask("一共有几个图形？", str(len(scene.shapes)), "counts"),
        AskTask(f"有几个{FORM_NAMES[form]}？", str(count), "counts"),
    ]
    forms = [shape.form for shape in scene.shapes]
    single = [shape for shape in scene.shapes if forms.count(shape.form) == 1]
    if single:
        shape = rng.choice(single)
        tasks.append(AskTask(f"{FORM_NAMES[shape.form]}是什么颜色？", COLOUR_NAMES[shape.colour], "attributes"))
    return tasks


def chinese_motion(scene: Scene, rng: random.Random) -> AskTask:
    """Where a moving shape goes."""
    shape = rng.choice([shape for shape in scene.shapes if shape.direction])
    return AskTask(f"{chinese_name(shape)}往哪边移动？", DIRECTIONS[str(shape.direction)], "motion")


def chinese_phrase(scene: Scene, rng: random.Random) -> GroundTask:
    """A phrase, and all that it names."""
    name = chinese_name(rng.choice(scene.shapes))
    return GroundTask(name, tuple(i for i, shape in enumerate(scene.shapes) if chinese_name(shape) == name))
