"""Where the samples of an ISO media file lie that is read by ranges."""

from __future__ import annotations

from pipelines.errors import WholeFileNeededError
from pipelines.media.ranges import Extent
from pipelines.media.readers.completeness import iso_boxes
from pipelines.media.source import MediaSource

BOX_HEAD_BYTES = 16
MAX_BOXES = 64
"""Each costs a request."""


def find_payload(source: MediaSource) -> None:
    """Tell a ranged ISO media file where its samples lie.

    Raises:
        WholeFileNeededError: no ISO media, or fragmented: its index lies scattered, and a seek into it goes astray.
    """
    file = source.ranged
    if file is None:
        return
    if source.format.reader_format != "mov":
        raise WholeFileNeededError(f"{source.format.name} is not read by ranges", subject=source.name)
    payload = []
    for count, box in enumerate(iso_boxes(source.file, file.size_bytes), 1):
        if box.kind == b"moof" or count > MAX_BOXES:
            raise WholeFileNeededError("is fragmented", subject=source.name)
        end = min(box.end, file.size_bytes)
        if box.kind == b"mdat" and end > box.start + BOX_HEAD_BYTES:
            payload.append(Extent(box.start + BOX_HEAD_BYTES, end))
    file.know_payload(payload)
