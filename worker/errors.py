"""What can go wrong in the worker outside media and model.

WorkerError
├── StorageError
│   ├── ObjectNotFoundError       no such key or file
│   ├── AccessDeniedError         credentials or bucket policy refuse it
│   ├── OutsideFileRootsError     file:// outside REELMILL_FILE_ROOTS
│   ├── OutsideExportPrefixesError  results would be left outside REELMILL_EXPORT_PREFIXES
│   ├── ObjectTooLargeError       larger than REELMILL_MAX_OBJECT_BYTES
│   ├── ObjectChangedError        replaced since its version was pinned
│   └── StorageUnavailableError   transient: 5xx, throttling, connection cut, disk full
├── WorkerConfigError             the worker cannot start like this
├── WebhookError                  transient: a webhook was not taken
│   └── WebhookRefusedError       nor will it be: a private address, or they said that it is gone
├── LeaseLostError                the job belongs to another worker by now; nothing may be written
└── InternalError                 transient: a bug of ours or a memory limit; the next try may have better luck
"""

from __future__ import annotations

from reelmill.schema.errors import ReelmillError


class WorkerError(ReelmillError):
    code = "worker_error"


class StorageError(WorkerError):
    code = "storage_error"


class ObjectNotFoundError(StorageError):
    code = "object_not_found"
    advice = "Check the bucket and key"


class AccessDeniedError(StorageError):
    code = "access_denied"
    advice = "Give the worker's credentials s3:GetObject on this object"


class OutsideFileRootsError(StorageError):
    code = "outside_file_roots"
    advice = "Add the directory to the worker's REELMILL_FILE_ROOTS if it may be read"


class OutsideExportPrefixesError(StorageError):
    code = "outside_export_prefixes"
    advice = "Add the prefix to the worker's REELMILL_EXPORT_PREFIXES if results may be left there"


class ObjectTooLargeError(StorageError):
    code = "object_too_large"
    advice = "Raise REELMILL_MAX_OBJECT_BYTES if it should be read"


class ObjectChangedError(StorageError):
    code = "object_changed"
    advice = "Submit it again to work on the new version"


class StorageUnavailableError(StorageError):
    code = "storage_unavailable"
    transient = True


class WorkerConfigError(WorkerError):
    code = "worker_config"


class LeaseLostError(WorkerError):
    code = "lease_lost"


class InternalError(WorkerError):
    code = "internal_error"
    transient = True


class WebhookError(WorkerError):
    code = "webhook_undelivered"
    transient = True


class WebhookRefusedError(WebhookError):
    code = "webhook_refused"
    transient = False
    advice = "Give a public address, or allow others with REELMILL_WEBHOOK_PRIVATE_ADDRESSES"
