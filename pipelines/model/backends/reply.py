"""An answer as it arrives, piece by piece."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from openai.types.chat import ChatCompletionChunk

from pipelines.errors import ModelServerError, PromptError, ServerUnavailableError
from pipelines.model.backends.saying import Saying
from pipelines.model.repetition import text_loops
from pipelines.model.types import Completion
from reelmill.schema.results import FinishReason

_ENDINGS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "length": "length"}


@dataclass(slots=True)
class Reply:
    """Adds up the pieces of one answer."""

    saying: Saying
    server: str
    submitted_at: float
    started_at: float = field(default_factory=time.perf_counter)
    first_tokens: dict[str, float] | None = None
    """What the first token could have been, with the logarithms of their probabilities, where the server tells."""
    _pieces: int = 0
    _ending: str | None = None
    _first_at: float | None = None
    _prompt_tokens: int = 0
    _output_tokens: int | None = None

    def hear(self, chunk: ChatCompletionChunk) -> bool:
        """Take the next piece; False once the answer was stopped and the server talks on."""
        for choice in chunk.choices[:1]:
            if self.first_tokens is None and choice.logprobs is not None and choice.logprobs.content:
                self.first_tokens = {each.token: each.logprob for each in choice.logprobs.content[0].top_logprobs}
            if choice.delta.content:
                if self.saying.stopped:
                    return False
                self._take(choice.delta.content)
            self._ending = choice.finish_reason or self._ending
        if chunk.usage is not None:
            self._prompt_tokens, self._output_tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
        return True

    def _take(self, piece: str) -> None:
        self._first_at = self._first_at or time.perf_counter()
        self._pieces += 1
        self.saying.add(piece)

    def completion(self) -> Completion:
        """The whole answer. A server that does not count its tokens sends about one per piece.

        Raises:
            ServerUnavailableError: it breaks off.
            PromptError: the server will not answer this.
            ModelServerError: it ended for a reason that is not known here.
        """
        finish_reason = self._finish_reason()
        ended_at = time.perf_counter()
        first_at = self._first_at or ended_at
        return Completion(
            text=self.saying.whole(),
            raw_text=self.saying.said,
            token_ids=(),
            prompt_tokens=self._prompt_tokens,
            finish_reason=finish_reason,
            wait_s=self.started_at - self.submitted_at,
            prefill_s=first_at - self.started_at,
            generate_s=ended_at - first_at,
            counted_tokens=self._pieces if self._output_tokens is None else self._output_tokens,
        )

    def _finish_reason(self) -> FinishReason:
        if self.saying.stopped:
            return "stop"
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
        ending = _ENDINGS[self._ending]
        return "repetitive" if ending == "length" and text_loops(self.saying.said) else ending
