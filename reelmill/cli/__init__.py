"""The `reelmill` command. Starts without torch, Celery or a database driver: each verb imports what it needs."""

from reelmill.cli.app import main

__all__ = ["main"]
