"""What LMDeploy's pipeline streams, added up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.errors import ContextExceededError, ModelError, ModelServerError, PromptError
from pipelines.model.backends.saying import Saying
from pipelines.model.repetition import text_loops
from pipelines.model.types import Completion
from reelmill.schema.results import FinishReason

_ENDINGS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "length": "length"}
_TOO_LONG = "context_length_exceeded"
_PERMANENT = ("invalid_request", "unsupported_feature", "preprocess_failed")


@dataclass(slots=True)
class LMDeployReply:
    """Adds up the `lmdeploy.messages.Response`s of one answer; each holds what is new in it."""

    saying: Saying
    submitted_at: float
    started_at: float = field(default_factory=time.perf_counter)
    _token_ids: list[int] = field(default_factory=list)
    _first_at: float | None = None
    _last: Any = None

    def hear(self, piece: Any) -> None:
        """Take the next piece."""
        self._first_at = self._first_at or time.perf_counter()
        self._token_ids += piece.token_ids or ()
        self._last = piece
        self.saying.add(piece.text)

    def completion(self) -> Completion:
        """The whole answer.

        Raises:
            ContextExceededError, PromptError: the request is what it is.
            ModelServerError: the engine failed or broke off.
        """
        finish_reason = self._finish_reason()
        ended_at = time.perf_counter()
        first_at = self._first_at or ended_at
        return Completion(
            text=self.saying.whole(),
            raw_text=self.saying.said,
            token_ids=tuple(self._token_ids),
            prompt_tokens=self._last.input_token_len,
            finish_reason=finish_reason,
            wait_s=self.started_at - self.submitted_at,
            prefill_s=first_at - self.started_at,
            generate_s=ended_at - first_at,
            counted_tokens=self._last.generate_token_len,
        )

    def _finish_reason(self) -> FinishReason:
        if self.saying.stopped:
            return "stop"
        if self._last is None or self._last.finish_reason not in _ENDINGS:
            raise self._failure()
        ending = _ENDINGS[self._last.finish_reason]
        return "repetitive" if ending == "length" and text_loops(self.saying.said) else ending

    def _failure(self) -> ModelError:
        code = getattr(self._last, "error_code", None)
        message = f"LMDeploy: {getattr(self._last, 'error_message', None) or 'the answer breaks off'}"
        if code == _TOO_LONG:
            return ContextExceededError(message)
        return PromptError(message) if code in _PERMANENT else ModelServerError(message)
