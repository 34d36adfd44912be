"""Where a batch leaves its results as files, and in which format."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints, field_validator

from reelmill.schema.frozen import Frozen

ExportFormat = Literal["parquet", "jsonl"]


class ExportSpec(Frozen):
    """A prefix and a format. The files of a batch lie below the prefix in a folder of the batch: `batch=ID/`.

    Attributes:
        prefix: `s3://bucket/start-of-keys/` or `file:///directory/`; it is taken as a folder, with a slash at its end.
        format: `parquet` (a row per caption, answer and box, see ResultRow) or `jsonl` (a line per job, whole).
    """

    prefix: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[^\x00-\x1f\x7f]+$")]
    format: ExportFormat = "parquet"

    @field_validator("prefix")
    @classmethod
    def _folder(cls, prefix: str) -> str:
        scheme, _, rest = prefix.partition("://")
        known = (scheme == "s3" and bool(rest.partition("/")[0])) or (scheme == "file" and rest.startswith("/"))
        if not known:
            raise ValueError("results go to s3://bucket/start-of-keys/ or file:///directory/")
        if scheme == "file" and ".." in rest.split("/"):
            raise ValueError("a directory is named without ..")
        return prefix.rstrip("/") + "/" if rest.strip("/") else prefix

    def location(self, batch_id: UUID) -> str:
        """The folder of this batch."""
        return f"{self.prefix}batch={batch_id}/"
