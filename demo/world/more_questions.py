"""What else is true of a scene: sizes, signs, what is not there, what comes and goes, how two pictures differ."""

from __future__ import annotations

import random

from demo.world.questions import AskTask, GroundTask, asks
from demo.world.scene import COLOURS, FORMS, Scene, Shape

CLEARLY_LARGER = 1.25
"""Least ratio of radii at which a shape is called the largest."""
SIGN_QUESTION = "What does the sign say?"


def more_asks(scene: Scene) -> list[AskTask]:
    """Questions about a still scene beyond the plain ones."""
    tasks = [AskTask("Is there a sign?", "yes" if scene.sign else "no", "exists")]
    if scene.sign:
        tasks.append(AskTask(SIGN_QUESTION, scene.sign.word, "reading"))
    large = sorted(scene.shapes, key=lambda shape: shape.radius)
    if len(large) > 1 and large[-1].radius >= CLEARLY_LARGER * large[-2].radius:
        tasks.append(AskTask("Which shape is the largest?", large[-1].name, "sizes"))
    return tasks


def event_asks(scene: Scene) -> list[AskTask]:
    """What comes or goes in a video, and when."""
    tasks = []
    for shape in scene.shapes:
        event = event_of(shape)
        if event:
            at = shape.present[0] or shape.present[1]
            half = "in the first half" if at < 0.5 else "in the second half"
            tasks.append(AskTask(f"Which shape {event}?", shape.name, "events"))
            tasks.append(AskTask(f"When does the {shape.name} {event[:-1]}?", half, "events"))
    return tasks


def event_of(shape: Shape) -> str | None:
    """appears, disappears, or None where it is there all the time."""
    if shape.present == (0.0, 1.0):
        return None
    return "appears" if shape.present[0] > 0 else "disappears"


def absent_phrases(scene: Scene, rng: random.Random) -> list[GroundTask]:
    """Two phrases that name nothing: one shares a colour or a form with what is there, one may share nothing."""
    here = {shape.name for shape in scene.shapes}
    model = rng.choice(scene.shapes)
    near = [f"{model.colour} {form}" for form in FORMS] + [f"{colour} {model.form}" for colour in COLOURS]
    anything = [f"{colour} {form}" for colour in COLOURS for form in FORMS]
    chosen = [rng.choice([name for name in names if name not in here]) for names in (near, anything)]
    return [GroundTask(f"the {name}", ()) for name in dict.fromkeys(chosen)]


def pair_asks(pair: tuple[Scene, Scene]) -> list[AskTask]:
    """Questions about two images that differ in one shape."""
    first, second = ({shape.name for shape in scene.shapes} for scene in pair)
    counts = [len(scene.shapes) for scene in pair]
    more = "both the same" if counts[0] == counts[1] else "the first" if counts[0] > counts[1] else "the second"
    tasks = [AskTask("Which image has more shapes?", more, "compare")]
    tasks += [AskTask("Which shape is only in the first image?", _only(first - second), "compare")]
    tasks += [AskTask("Which shape is only in the second image?", _only(second - first), "compare")]
    return tasks


def dialogue(scene: Scene, rng: random.Random) -> list[AskTask]:
    """Three rounds; the second one says "it" of what the first one was answered."""
    far = next(task for task in asks(scene, rng) if task.question.startswith("Which shape is farthest"))
    colour, form = far.truth.split()
    about = rng.choice(
        (AskTask("What color is it?", colour, "dialogue"), AskTask("What shape is it?", form, "dialogue"))
    )
    count = AskTask("How many shapes are there?", str(len(scene.shapes)), "dialogue")
    return [AskTask(far.question, far.truth, "dialogue"), about, count]


def _only(names: set[str]) -> str:
    return next(iter(names), "none")
