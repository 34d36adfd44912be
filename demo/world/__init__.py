"""The shapes world: coloured shapes on flat backgrounds, still or in linear motion, with their exact truth.

`make_scene` draws a plain scene by chance and `more_scenes` the others, `render` paints them, `questions`,
`more_questions` and `chinese` say what is true of them, and `write_world` puts media and `truth.jsonl` into a folder.
"""

from demo.world.draw import render
from demo.world.media import MediaSpec, plan, write_world
from demo.world.questions import AskTask, GroundTask, asks, caption, grounds, video_asks, video_caption
from demo.world.scene import COLOURS, FORMS, Scene, Shape, make_scene
from demo.world.truth import Truth, box_at, read_truth

__all__ = [
    "COLOURS",
    "FORMS",
    "AskTask",
    "GroundTask",
    "MediaSpec",
    "Scene",
    "Shape",
    "Truth",
    "asks",
    "box_at",
    "caption",
    "grounds",
    "make_scene",
    "plan",
    "read_truth",
    "render",
    "video_asks",
    "video_caption",
    "write_world",
]
