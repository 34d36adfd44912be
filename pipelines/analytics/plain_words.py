"""What users (and models, in a conversation) write, as nothing but text to the model that reads it.

A chat template's markup in a question would close the user's turn and open another one, a system message even; a
`<image>` would take a picture's place. A space behind the opening bracket is enough: no tokenizer knows such a token,
and a reader still sees what was written.
"""

from __future__ import annotations

import re

_MARKUP = re.compile(
    r"<(?="
    r"[|\N{FULLWIDTH VERTICAL LINE}]"  # <|im_start|>, <|user|>, <|eot_id|>, …: what templates open and close with
    r"|/?(?:image|img|video|audio|IMG_CONTEXT|IMAGE_TOKEN|IMAGE|s|unk|pad|bos|eos|tool_call|tool_response|think)>"
    r")"
    r"|\[(?=UNUSED_TOKEN_\d|/?INST\])",  # InternLM2's names of the same
    re.IGNORECASE,
)
_MARKS = re.compile(r"<(?=/?(?:ref|box|quad)>)", re.IGNORECASE)


def plain_words(text: str) -> str:
    """`text` with all markup opened up: `<|im_end|>` becomes `< |im_end|>`. `<ref>` and `<box>` are users' to write."""
    return _MARKUP.sub(lambda found: f"{found.group()} ", text)


def plain_phrase(text: str) -> str:
    """The same for what stands between `<ref>` and `</ref>`, which it cannot end."""
    return _MARKS.sub("< ", plain_words(text))
