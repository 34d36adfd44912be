"""s3:// prefixes, listed by ListObjectsV2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from reelmill.archive.listing import ListedObject, ListedPage
from reelmill.errors import ArchiveError, ArchiveUnavailableError
from reelmill.extras import extra

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PAGE_KEYS = 1000
"""The most that S3 lists at a time."""
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
TRIES_PER_REQUEST = 4
COLD_STORAGE = frozenset({"GLACIER", "DEEP_ARCHIVE"})
CREDENTIALS = "Give whoever lists it (the workers, or you in a dry run) AWS credentials or a role"
REFUSALS = {
    401: ("listing is refused", CREDENTIALS),
    403: ("listing is refused", "Give whoever lists it s3:ListBucket on this bucket"),
    404: ("there is no such bucket", "Check its name, and REELMILL_S3_ENDPOINT_URL"),
}
PASSING_CODES = frozenset({"SlowDown", "Throttling", "RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken", "429"})


class S3Listing:
    """Keys in the order of their bytes, which is S3's: any key can be gone on from.

    Raises:
        MissingExtraError: boto3 is not installed.
    """

    def __init__(self, prefix: str, endpoint_url: str | None) -> None:
        self._prefix = prefix
        self._bucket, _, self._start_of_keys = prefix.partition("://")[2].partition("/")
        with typed_errors(prefix):
            self._client = new_client(endpoint_url)

    def pages(self, after: str | None) -> Iterator[ListedPage]:
        """PAGE_KEYS each; `after` and the cursors are keys, quoted: the ledger cannot hold each of them."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._start_of_keys, "MaxKeys": PAGE_KEYS}
        if after is not None:
            request["StartAfter"] = unquote(after)
        while True:
            with typed_errors(self._prefix):
                answer = self._client.list_objects_v2(**request)
            contents = answer.get("Contents", [])
            if contents:
                yield ListedPage([self._listed(found) for found in contents], quote(contents[-1]["Key"]))
            if not answer.get("IsTruncated"):
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def _listed(self, found: Any) -> ListedObject:
        key: str = found["Key"]
        return ListedObject(
            key=key[len(self._start_of_keys) :],
            uri=f"s3://{self._bucket}/{key}",
            etag=found["ETag"],
            size_bytes=found["Size"],
            modified_at=found["LastModified"],
            archived=found.get("StorageClass") in COLD_STORAGE and not _restored(found),
        )


def _restored(found: Any) -> bool:
    status = found.get("RestoreStatus", {})
    return "RestoreExpiryDate" in status and not status.get("IsRestoreInProgress")


def new_client(endpoint_url: str | None) -> S3Client:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": TRIES_PER_REQUEST, "mode": "standard"},
        # MinIO and friends rarely have a host name per bucket.
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)


@contextmanager
def typed_errors(subject: str) -> Iterator[None]:
    """boto3's errors as ours. Only codes are quoted: messages of S3 may carry credentials and signed requests."""
    with extra("worker", purpose=subject):
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
        )
    try:
        yield
    except ClientError as error:
        raise _of_response(error.response, subject) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ArchiveError("no S3 credentials", subject=subject, next_step=CREDENTIALS) from error
    except (ParamValidationError, ValueError) as error:
        advice = "Check the bucket's name and REELMILL_S3_ENDPOINT_URL"
        raise ArchiveError("cannot be asked for", subject=subject, next_step=advice) from error
    except BotoCoreError as error:
        raise ArchiveUnavailableError(f"S3 cannot be reached ({type(error).__name__})", subject=subject) from error


def _of_response(response: Any, subject: str) -> ArchiveError:
    code = str(response.get("Error", {}).get("Code", "unknown"))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in PASSING_CODES or status == 429 or status >= 500:
        return ArchiveUnavailableError(f"S3 answered {status} {code}", subject=subject)
    words, advice = REFUSALS.get(status, ("S3 refuses to list it", ""))
    return ArchiveError(f"{words} ({status} {code})", subject=subject, next_step=advice)
