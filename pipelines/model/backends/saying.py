"""The text of one answer as it arrives: told on, and ended before what stops it."""

from __future__ import annotations

from pipelines.model.stops import Stops
from pipelines.model.streaming import Listener
from pipelines.model.types import ChatRequest


class Saying:
    """Adds up the pieces of what is said to a request. `said` is all of it."""

    def __init__(self, request: ChatRequest, separator: str | None = None) -> None:
        """`separator` is what a template writes behind every answer, where that arrives with it."""
        separators = (separator,) if separator else ()
        self._separators, self._stop = Stops(separators), request.generation.stop
        self._ends = Stops((*separators, *self._stop))
        self._listener = Listener(request.on_text) if request.on_text is not None else None
        self.said = ""

    def add(self, piece: str) -> None:
        """Hear the next piece."""
        self.said += piece
        if self._listener is not None:
            self._listener.hear(self._ends.certain(self.said).strip())

    @property
    def stopped(self) -> bool:
        """Whether it holds one of the request's `stop` texts. Not every server stops there."""
        answer = self._separators.before(self.said)
        return any(text in answer for text in self._stop)

    def whole(self) -> str:
        """The answer, now that nothing more comes."""
        answer = self._ends.before(self.said).strip()
        if self._listener is not None:
            self._listener.hear(answer)
        return answer
