"""The shapes world: coloured shapes on flat backgrounds, still or in linear motion, with their exact truth.

`make_scene` draws a scene by chance, `render` paints it, `questions` says what is true of it, and
`write_world` puts media files and `truth.jsonl` into a folder.
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
