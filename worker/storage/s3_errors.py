"""boto3's errors as ours. Only codes are quoted: messages of S3 may carry credentials and signed requests."""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from worker.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageError,
    StorageUnavailableError,
)

PASSING_CODES = frozenset({"SlowDown", "Throttling", "RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken", "429"})
BY_STATUS: dict[int, tuple[type[StorageError], str]] = {
    401: (AccessDeniedError, "refused"),
    403: (AccessDeniedError, "refused (S3 says so too of a missing key when s3:ListBucket is not granted)"),
    404: (ObjectNotFoundError, "there is no such object"),
    412: (ObjectChangedError, "was replaced since its version was pinned"),
}


def typed_error(error: Exception, uri: str) -> StorageError:
    """The StorageError for whatever boto3 raised."""
    if isinstance(error, ClientError):
        return _of_response(error, uri)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return AccessDeniedError(
            "no S3 credentials", subject=uri, next_step="Give the worker AWS credentials or a role"
        )
    if isinstance(error, (ParamValidationError, ValueError)):
        return StorageError(
            "cannot be asked for", subject=uri, next_step="Check bucket, key and REELMILL_S3_ENDPOINT_URL"
        )
    return StorageUnavailableError(f"S3 cannot be reached ({type(error).__name__})", subject=uri)


def _of_response(error: ClientError, uri: str) -> StorageError:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in PASSING_CODES or status == 429 or status >= 500:
        return StorageUnavailableError(f"S3 answered {status} {code}", subject=uri)
    kind, words = BY_STATUS.get(status, (StorageError, "S3 refused the request"))
    return kind(f"{words} ({status} {code})", subject=uri)
