"""Times and found words as people read them."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup, escape

from reelmill.ledger.search import MARK


def moment(when: datetime) -> Markup:
    """A time in UTC; the page's script says it in the reader's own zone."""
    text = when.astimezone().strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), text)


def marked(snippet: str) -> Markup:
    """A snippet of a search, the words found in it marked."""
    pieces = snippet.split(MARK)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )
