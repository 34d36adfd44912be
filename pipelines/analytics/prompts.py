"""The words of the model cards around a user's question."""

from __future__ import annotations

import json

from pipelines.analytics.plain_words import plain_phrase, plain_words
from pipelines.analytics.scene import Scene, SceneKind
from reelmill.schema import Ask

PLACEHOLDER = "<image>"
CAPTION_PROMPTS: dict[SceneKind, str] = {
    "image": "Please describe the image in detail.",
    "images": "Describe the images in detail.",
    "video": "Describe this video in detail.",
}
GROUND_PROMPT = "Please provide the bounding box coordinates of the region this sentence describes: <ref>{phrase}</ref>"

SCHEMA_WORDS = "{question}\nAnswer with JSON of this schema and nothing else: {schema}"
CHOICE_WORDS = "{question}\nAnswer with one of these and nothing else: {choices}"

SUMMARY_WORDS = "A video was watched part by part. What each part shows, in the order of time:\n{parts}\n\n{asked}"
SUMMARY_PROMPT = "Summarize the whole video in one paragraph."
SUMMARY_PART_PROMPT = "Summarize these parts in a few sentences, and keep the order of what happens."


def in_form(task: Ask, question: str) -> str:
    """The question with the form that its answer is to have."""
    if task.json_schema is not None:
        return SCHEMA_WORDS.format(question=question, schema=json.dumps(task.json_schema, ensure_ascii=False))
    if task.choices is not None:
        return CHOICE_WORDS.format(question=question, choices=", ".join(task.choices))
    return question


def picture_prefix(scene: Scene) -> str:
    """The placeholders before a first question: alone, as Image-1…N, or as Frame1…N (the cards' layouts)."""
    count = len(scene.pictures)
    if scene.kind == "image":
        return PLACEHOLDER + "\n"
    name = "Image-" if scene.kind == "images" else "Frame"
    return "".join(f"{name}{number}: {PLACEHOLDER}\n" for number in range(1, count + 1))


def about(scene: Scene, text: str) -> str:
    """A first turn about the whole scene; the user's words are text, whatever markup they hold."""
    return picture_prefix(scene) + plain_words(text)


def where_is(phrase: str) -> str:
    """A first turn that asks for a phrase in a single picture."""
    return f"{PLACEHOLDER}\n{GROUND_PROMPT.format(phrase=plain_phrase(phrase))}"
