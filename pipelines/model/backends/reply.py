"""An answer as it arrives, piece by piece."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from openai.types.chat import ChatCompletionChunk

from pipelines.errors import ModelServerError, PromptError, ServerUnavailableError
from pipelines.model.types import Completion

_ENDINGS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "length": "length"}


@dataclass(slots=True)
class Reply:
    """Adds up the pieces of one answer."""

    server: str
    submitted_at: float
    started_at: float = field(default_factory=time.perf_counter)
    _pieces: list[str] = field(default_factory=list)
    _ending: str | None = None
    _first_at: float | None = None
    _prompt_tokens: int = 0
    _output_tokens: int | None = None

    def hear(self, chunk: ChatCompletionChunk) -> None:
        """Take the next piece."""
        for choice in chunk.choices[:1]:
            if choice.delta.content:
                self._first_at = self._first_at or time.perf_counter()
                self._pieces.append(choice.delta.content)
            self._ending = choice.finish_reason or self._ending
        if chunk.usage is not None:
            self._prompt_tokens, self._output_tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens

    def completion(self) -> Completion:
        """The whole answer. A server that does not count its tokens sends about one per piece.

        Raises:
            ServerUnavailableError: it breaks off.
            PromptError: the server will not answer this.
            ModelServerError: it ended for a reason that is not known here.
        """
        said, ended_at = "".join(self._pieces), time.perf_counter()
        first_at = self._first_at or ended_at
        return Completion(
            text=said.strip(),
            raw_text=said,
            token_ids=(),
            prompt_tokens=self._prompt_tokens,
            finish_reason=self._finish_reason(),
            wait_s=self.started_at - self.submitted_at,
            prefill_s=first_at - self.started_at,
            generate_s=ended_at - first_at,
            counted_tokens=len(self._pieces) if self._output_tokens is None else self._output_tokens,
        )

    def _finish_reason(self) -> Literal["stop", "length"]:
        if self._ending is None:
            raise ServerUnavailableError("the answer breaks off", subject=self.server)
        if self._ending == "content_filter":
            raise PromptError(
                "withholds its answer (content_filter)",
                subject=self.server,
                next_step="Ask in other words",
            )
        if self._ending not in _ENDINGS:
            raise ModelServerError(f"the answer ended with {self._ending!r}", subject=self.server)
        return _ENDINGS[self._ending]
