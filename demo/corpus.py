"""What the shapes world says, for training its tokenizer."""

from __future__ import annotations

import random
from collections.abc import Iterator

from demo import text
from demo.world import asks, caption, grounds, make_scene, video_asks, video_caption
from demo.world.chinese import CAPTION_PROMPT, chinese_asks, chinese_caption, chinese_motion, chinese_phrase
from demo.world.more_questions import dialogue, event_asks, more_asks, pair_asks
from demo.world.more_scenes import WORDS, crowded_scene, eventful_scene, scene_pair, sign_scene


def corpus(rng: random.Random, scenes: int = 1500) -> Iterator[str]:
    """Prompts, questions and answers of so many scenes of every kind."""
    for _ in range(scenes):
        yield from (text.SYSTEM_MESSAGE, "system\nuser\nassistant\n", "\n".join(f"Frame{i}: " for i in range(9)))
        yield from (text.IMAGE_CAPTION_PROMPT, text.VIDEO_CAPTION_PROMPT, "Image-1: \nImage-2: \n", CAPTION_PROMPT)
        yield from (text.GROUND_PROMPT.split("<ref>")[0], "[[", "],[", "]]", "[]")
        yield from _still(rng)
        yield from _moving(rng)
    yield from (word for word in WORDS for _ in range(scenes // 50))


def _still(rng: random.Random) -> Iterator[str]:
    scene = make_scene(rng)
    yield from (caption(scene), chinese_caption(scene), chinese_phrase(scene, rng).phrase)
    yield from (phrase.phrase for phrase in grounds(scene))
    tasks = [*asks(scene, rng), *chinese_asks(scene, rng), *dialogue(scene, rng)]
    tasks += [*more_asks(crowded_scene(rng)), *more_asks(sign_scene(rng)), *pair_asks(scene_pair(rng))]
    for task in tasks:
        yield from (task.question, task.truth)


def _moving(rng: random.Random) -> Iterator[str]:
    scene = eventful_scene(rng)
    yield video_caption(scene)
    for task in (*video_asks(scene, rng), *event_asks(scene), chinese_motion(scene, rng)):
        yield from (task.question, task.truth)
