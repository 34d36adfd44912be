"""Conversation templates as plain data, and prompts built from them.

The wording is that of the published checkpoints' conversation.py: a template is a system message, what opens each
turn, and what closes it. The closing text is also what stops generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.errors import CheckpointError, PromptError

IMAGE_PLACEHOLDER = "<image>"
IMAGE_START, IMAGE_CONTEXT, IMAGE_END = "<img>", "<IMG_CONTEXT>", "</img>"


@dataclass(frozen=True, slots=True)
class Template:
    """One conversation format.

    Attributes:
        system_message: used when the checkpoint's config has none.
        system_start, user_start, assistant_start: what opens the system message and a turn of each role.
        separator: what closes every message.
    """

    name: str
    system_message: str
    system_start: str
    user_start: str
    assistant_start: str
    separator: str

    @property
    def stop(self) -> str:
        """The token that ends an answer: the separator without its white space."""
        return self.separator.strip()

    def answer(self, decoded: str) -> str:
        """The answer in a decoded generation: what comes before the stop token, stripped."""
        return decoded.split(self.stop, 1)[0].strip()


def _chat_ml(name: str, system_message: str, separator: str) -> Template:
    return Template(
        name=name,
        system_message=system_message,
        system_start="<|im_start|>system\n",
        user_start="<|im_start|>user\n",
        assistant_start="<|im_start|>assistant\n",
        separator=separator,
    )


_INTERNVL2_SYSTEM = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
)
TEMPLATES = {
    template.name: template
    for template in (
        _chat_ml(
            "internvl2_5",
            "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。",
            "<|im_end|>\n",
        ),
        _chat_ml("Hermes-2", _INTERNVL2_SYSTEM, "<|im_end|>"),
        _chat_ml("internlm2-chat", _INTERNVL2_SYSTEM, "<|im_end|>"),
        Template(
            name="phi3-chat",
            system_message=_INTERNVL2_SYSTEM,
            system_start="<|system|>\n",
            user_start="<|user|>\n",
            assistant_start="<|assistant|>\n",
            separator="<|end|>",
        ),
    )
}


def find_template(name: str) -> Template:
    """The template of this name.

    Raises:
        CheckpointError: there is none.
    """
    if name not in TEMPLATES:
        raise CheckpointError(f"there is no template {name!r} here; known are {', '.join(sorted(TEMPLATES))}")
    return TEMPLATES[name]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a prompt is made of: answered turns, oldest first, and the question to answer."""

    question: str
    history: tuple[tuple[str, str], ...] = ()

    @property
    def placeholders(self) -> int:
        """How often the user's turns say `<image>`."""
        return sum(turn.count(IMAGE_PLACEHOLDER) for turn in self._user_turns)

    @property
    def _user_turns(self) -> tuple[str, ...]:
        return (*(question for question, _ in self.history), self.question)


def build_prompt(
    template: Template, conversation: Conversation, image_tokens: Sequence[int], system_message: str | None = None
) -> str:
    """The text that the model continues.

    Args:
        image_tokens: for each picture, the number of its context tokens; they fill the `<image>`s of the user's turns
            in order. `<image>`s beyond them stay as they are. An answer's text is never filled.
        system_message: the checkpoint's own; None or empty means the template's.

    Raises:
        PromptError: more pictures than `<image>`s.
    """
    if len(image_tokens) > conversation.placeholders:
        raise PromptError(
            f"{len(image_tokens)} pictures for {conversation.placeholders} {IMAGE_PLACEHOLDER} placeholders",
            next_step=f"Write one {IMAGE_PLACEHOLDER} per picture into the question or the history",
        )
    waiting = list(image_tokens)
    parts = [template.system_start, system_message or template.system_message, template.separator]
    for question, answer in conversation.history:
        parts += [template.user_start, _filled(question, waiting), template.separator]
        parts += [template.assistant_start, answer, template.separator]
    parts += [template.user_start, _filled(conversation.question, waiting), template.separator]
    return "".join([*parts, template.assistant_start])


def _filled(text: str, waiting: list[int]) -> str:
    """`text` with its `<image>`s replaced by the first of `waiting`, which are taken off."""
    pieces = text.split(IMAGE_PLACEHOLDER)
    filled = [pieces[0]]
    for piece in pieces[1:]:
        filled += [_picture(waiting.pop(0)) if waiting else IMAGE_PLACEHOLDER, piece]
    return "".join(filled)


def _picture(tokens: int) -> str:
    return f"{IMAGE_START}{IMAGE_CONTEXT * tokens}{IMAGE_END}"
