"""A worker as `reelmill worker` starts it, of the model that the settings name. `python -m benchmarks._serve`."""

from __future__ import annotations

from reelmill.settings import load_settings
from worker.lifecycle import run_worker

if __name__ == "__main__":
    run_worker(load_settings())
