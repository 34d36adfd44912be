"""Where the samples of an ISO media file lie that is read by ranges."""

from __future__ import annotations

from pipelines.errors import WholeFileNeededError
from pipelines.media.ranges import Extent
from pipelines.media.readers.completeness import iso_boxes
from pipelines.media.source import MediaSource

BOX_HEAD_BYTES = 16
MIN_BYTES_PER_BOX = 256 * 1024
"""A request for each of many small fragments takes longer than fetching them all."""
FREE_BOXES = 32


def find_payload(source: MediaSource) -> None:
    """Tell a ranged ISO media file where its samples lie.

    Raises:
        WholeFileNeededError: no ISO media, or too many fragments.
    """
    file = source.ranged
    if file is None:
        return
    if source.format.reader_format != "mov":
        raise WholeFileNeededError(f"{source.format.name} is not read by ranges", subject=source.name)
    payload = []
    for count, box in enumerate(iso_boxes(source.file, file.size_bytes), 1):
        if count > FREE_BOXES and box.end < count * MIN_BYTES_PER_BOX:
            raise WholeFileNeededError("has many small fragments", subject=source.name)
        end = min(box.end, file.size_bytes)
        if box.kind == b"mdat" and end > box.start + BOX_HEAD_BYTES:
            payload.append(Extent(box.start + BOX_HEAD_BYTES, end))
    file.know_payload(payload)
