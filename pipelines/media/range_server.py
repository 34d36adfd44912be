"""The parent's answers to a decoder that asks for bytes of the file it decodes."""

from __future__ import annotations

import time

from pipelines.errors import CancelledError
from pipelines.media.ranges import ByteRanges
from pipelines.media.wire import NO_BYTES, RangeQuestion
from reelmill.schema.errors import ReelmillError


class RangeServer:
    """Serves one file, for one decode. Attributes:

    failure: why bytes did not come. The decoder is told nothing of it, and its own answer counts no more.
    waited_s: seconds that storage took: they are not the decoder's.
    """

    def __init__(self, ranges: ByteRanges | None) -> None:
        self._ranges = ranges
        self.failure: ReelmillError | None = None
        self.waited_s = 0.0

    def answer(self, question: RangeQuestion) -> bytes:
        """The bytes, or none.

        Raises:
            EOFError: the decoder asked for something else than bytes of this file: it can be trusted no more.
            CancelledError: the job was cancelled.
        """
        if self._ranges is None or not question.within(self._ranges.size_bytes):
            raise EOFError("it asked for bytes that are not the file's")
        if self.failure is not None:
            return NO_BYTES
        started = time.monotonic()
        try:
            return self._ranges.read(question.start, question.size, question.until)
        except CancelledError:
            raise
        except ReelmillError as error:
            self.failure = error
            return NO_BYTES
        finally:
            self.waited_s += time.monotonic() - started
