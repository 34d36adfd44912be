"""The tables, as SQLAlchemy metadata, by theme. The migrations make them; a test keeps the two equal.

Written for people who write SQL: text, numbers, timestamps, coordinates in source pixels. JSONB only where the
content is truly open (tasks, settings, labels). A new module of tables is imported here, or the migrations miss it.
"""

from __future__ import annotations

from reelmill.ledger.tables import exports, fleet, jobs, notifications, results, scans, schedules
from reelmill.ledger.tables.columns import metadata

__all__ = ["exports", "fleet", "jobs", "metadata", "notifications", "results", "scans", "schedules"]
