"""What is true of a scene: its caption, questions with one right answer, and phrases that name shapes.

The grammar is small and canonical on purpose, so that "exactly right" is well defined.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo.world.scene import COLOURS, FORMS, Scene, Shape

PLACES: dict[int, tuple[str, ...]] = {
    2: ("on the left", "on the right"),
    3: ("on the left", "in the middle", "on the right"),
}


@dataclass(frozen=True)
class AskTask:
    """A question, its one right answer, and the slice it is counted under."""

    question: str
    truth: str
    slice: str


@dataclass(frozen=True)
class GroundTask:
    """A phrase and the shapes that it names, as indices into `scene.shapes` (left to right at the start)."""

    phrase: str
    shapes: tuple[int, ...]


def caption(scene: Scene) -> str:
    """ "A red circle on the left and a blue square on the right." """
    names = [_a(shape.name) for shape in scene.shapes]
    places = PLACES.get(len(names))
    if places:
        return _sentence(_join([f"{name} {place}" for name, place in zip(names, places, strict=True)]))
    return _sentence(_join(names)) if len(names) == 1 else f"From left to right: {_join(names)}."


def video_caption(scene: Scene) -> str:
    """ "A red circle moves right and a blue square stays still.", in the order of the first frame."""
    return _sentence(_join([f"{_a(shape.name)} {_verb(shape)}" for shape in scene.shapes]))


def asks(scene: Scene, rng: random.Random) -> list[AskTask]:
    """All kinds of questions about a still scene that have one right answer, one or two of each kind."""
    tasks = [_count_all(scene), *_counts(scene, rng), _exists(scene, rng), _far(scene, rng)]
    for task in (_colour(scene, rng), _form(scene, rng), _beside(scene, rng)):
        if task is not None:
            tasks.append(task)
    return tasks


def video_asks(scene: Scene, rng: random.Random) -> list[AskTask]:
    """Questions about a moving scene."""
    movers = [shape for shape in scene.shapes if shape.direction is not None]
    shape = rng.choice(movers)
    other = rng.choice(scene.shapes)
    tasks = [
        AskTask(f"Which direction does the {shape.name} move?", str(shape.direction), "motion"),
        AskTask(f"Does the {other.name} move?", "yes" if other.direction else "no", "motion"),
        AskTask("How many shapes move?", str(len(movers)), "motion"),
        *_counts(scene, rng),
        _count_all(scene),
        _exists(scene, rng),
    ]
    return tasks + [task for task in (_colour(scene, rng), _form(scene, rng)) if task is not None]


def grounds(scene: Scene) -> list[GroundTask]:
    """Every phrase that names at least one shape: "the red circle", "the red circles", "the circles"."""
    tasks = []
    for name in dict.fromkeys(shape.name for shape in scene.shapes):
        named = _indices([shape.name == name for shape in scene.shapes])
        tasks.append(GroundTask(f"the {_plural(name, len(named))}", named))
    for form in dict.fromkeys(shape.form for shape in scene.shapes):
        named = _indices([shape.form == form for shape in scene.shapes])
        if len(named) > 1 and len({scene.shapes[i].colour for i in named}) > 1:
            tasks.append(GroundTask(f"the {_plural(form, len(named))}", named))
    return tasks


def _indices(wanted: list[bool]) -> tuple[int, ...]:
    return tuple(i for i, is_wanted in enumerate(wanted) if is_wanted)


def _counts(scene: Scene, rng: random.Random) -> list[AskTask]:
    """One count by colour and form, one by colour or form alone; mostly of what is there."""
    model = rng.choice(scene.shapes)
    here = rng.random() < 0.7
    colour = model.colour if here or rng.random() < 0.5 else rng.choice(list(COLOURS))
    form = model.form if here or rng.random() < 0.5 else rng.choice(FORMS)
    both = sum(shape.colour == colour and shape.form == form for shape in scene.shapes)
    tasks = [AskTask(f"How many {colour} {form}s are there?", str(both), "counts")]
    if rng.random() < 0.5:
        total = sum(shape.form == form for shape in scene.shapes)
        return [*tasks, AskTask(f"How many {form}s are there?", str(total), "counts")]
    total = sum(shape.colour == colour for shape in scene.shapes)
    return [*tasks, AskTask(f"How many {colour} shapes are there?", str(total), "counts")]


def _count_all(scene: Scene) -> AskTask:
    return AskTask("How many shapes are there?", str(len(scene.shapes)), "counts")


def _exists(scene: Scene, rng: random.Random) -> AskTask:
    model = rng.choice(scene.shapes)
    colour, form = model.colour, model.form
    if rng.random() < 0.6:
        colour, form = (colour, rng.choice(FORMS)) if rng.random() < 0.5 else (rng.choice(list(COLOURS)), form)
    found = any(shape.colour == colour and shape.form == form for shape in scene.shapes)
    return AskTask(f"Is there {_a(f'{colour} {form}')}?", "yes" if found else "no", "exists")


def _far(scene: Scene, rng: random.Random) -> AskTask:
    """Shapes are kept in order from left to right."""
    side = rng.choice(("left", "right"))
    shape = scene.shapes[0 if side == "left" else -1]
    return AskTask(f"Which shape is farthest to the {side}?", shape.name, "position")


def _beside(scene: Scene, rng: random.Random) -> AskTask | None:
    unique = [i for i, shape in enumerate(scene.shapes) if _is_unique(scene, shape)]
    if len(unique) < 2:
        return None
    one, two = rng.sample(unique, 2)
    question = f"Is the {scene.shapes[one].name} to the left of the {scene.shapes[two].name}?"
    return AskTask(question, "yes" if one < two else "no", "position")


def _is_unique(scene: Scene, shape: Shape) -> bool:
    return sum(other.name == shape.name for other in scene.shapes) == 1


def _colour(scene: Scene, rng: random.Random) -> AskTask | None:
    forms = [shape.form for shape in scene.shapes]
    single = [shape for shape in scene.shapes if forms.count(shape.form) == 1]
    if not single:
        return None
    shape = rng.choice(single)
    return AskTask(f"What color is the {shape.form}?", shape.colour, "attributes")


def _form(scene: Scene, rng: random.Random) -> AskTask | None:
    colours = [shape.colour for shape in scene.shapes]
    single = [shape for shape in scene.shapes if colours.count(shape.colour) == 1]
    if not single:
        return None
    shape = rng.choice(single)
    return AskTask(f"What shape is the {shape.colour} object?", shape.form, "attributes")


def _verb(shape: Shape) -> str:
    if shape.present[0] > 0:
        return "appears"
    if shape.present[1] < 1:
        return "disappears"
    return f"moves {shape.direction}" if shape.direction else "stays still"


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _plural(name: str, count: int) -> str:
    return f"{name}s" if count > 1 else name


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
