"""What a terminal would obey: escape sequences in file names and in what models say are not shown to it."""

from __future__ import annotations

_KEPT = "\n\t"
_CONTROLS = {code: None for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in _KEPT}


def without_controls(text: str) -> str:
    """The text without C0 and C1 control characters; line breaks and tabs stay, of an escape sequence its letters."""
    return text.translate(_CONTROLS)
