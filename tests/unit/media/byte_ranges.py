"""ByteRanges of bytes in memory, which count what was asked for."""

from collections.abc import Callable


class MemoryRanges:
    """`asked` are (start, size, until); `before_read` is called with the number of the question and may raise."""

    def __init__(self, data: bytes, before_read: Callable[[int], object] = lambda number: None) -> None:
        self._data, self._before_read = data, before_read
        self.size_bytes = len(data)
        self.asked: list[tuple[int, int, int]] = []

    @property
    def read_bytes(self) -> int:
        return sum(size for _, size, _ in self.asked)

    def read(self, start: int, size: int, until: int) -> bytes:
        assert size > 0
        assert start + size <= until <= self.size_bytes
        self._before_read(len(self.asked))
        self.asked.append((start, size, until))
        return self._data[start : start + size]
