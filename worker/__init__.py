"""The Celery app, its runner, housekeeping, storage and lifecycle."""
