"""For the standard command: `celery -A worker.app worker`. Everything comes from REELMILL_… variables."""

from __future__ import annotations

from reelmill.settings import settings
from worker.factory import make_app

app = make_app(settings())
