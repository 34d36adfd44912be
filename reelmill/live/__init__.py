"""The live page: batches, their media and what was said of them, from the ledger as it stands, for reading only."""

from reelmill.live.app import live_app
from reelmill.live.door import Door
from reelmill.live.server import Server

__all__ = ["Door", "Server", "live_app"]
