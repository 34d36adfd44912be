"""A worker whose every stage is real but the model: it answers at once. `python -m benchmarks.instant`."""

from __future__ import annotations

from concurrent.futures import Future

from pipelines.model.types import ChatRequest, Completion, ModelInfo
from reelmill.settings import Settings, load_settings
from worker.lifecycle import run_worker

INFO = ModelInfo(
    path="instant",
    revision=None,
    family="none",
    template="none",
    dtype="none",
    device="cpu",
    tile_size=448,
    tokens_per_tile=256,
    max_tiles=12,
    use_thumbnail=True,
    context_tokens=32_768,
)


class InstantBackend:
    """Says the same to everything, without looking."""

    info = INFO

    def submit(self, request: ChatRequest) -> Future[Completion]:
        future: Future[Completion] = Future()
        future.set_result(Completion("A picture.", "A picture.", (1, 2), 300, "stop"))
        return future

    def close(self) -> None:
        """Nothing to stop."""


def load(_: Settings) -> InstantBackend:
    return InstantBackend()


if __name__ == "__main__":
    run_worker(load_settings(), load)
