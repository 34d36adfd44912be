"""Where media comes from: s3:// and file://, always the version that was pinned."""

from worker.storage.objects import FetchedObject, ObjectVersion, RangedObject
from worker.storage.storage import Storage

__all__ = ["FetchedObject", "ObjectVersion", "RangedObject", "Storage"]
