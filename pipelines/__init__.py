"""The media and the model. No Celery, no Redis, no SQL in here."""
