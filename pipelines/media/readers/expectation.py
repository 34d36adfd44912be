"""Which stretches of a file that is read by ranges will be read."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.errors import WholeFileNeededError
from pipelines.media.readers.skipping_decoder import stretches
from pipelines.media.readers.video_file import VideoFile

MAX_SHARE = 0.5
"""Of the file: fetching more than this by ranges is not worth the requests."""


def expect_frames(video: VideoFile, indices: Sequence[int]) -> None:
    """Tell a ranged file which bytes the wanted frames take: from the keyframe's packet to the last wanted frame's.

    Raises:
        WholeFileNeededError: the index leads to no stretches, or they are most of the file.
    """
    file, places = video.source.ranged, video.index.places
    if file is None:
        return
    if not video.index.keyframes or places is None:
        raise WholeFileNeededError("has no index to seek by", subject=video.source.name)
    times = video.index.times
    extents = [
        places.between(stretch.keyframe.time if stretch.keyframe else None, [times[i] for i in stretch.indices])
        for stretch in stretches(video.index, tuple(dict.fromkeys(indices)))
    ]
    if sum(extent.end - extent.start for extent in extents) > MAX_SHARE * file.size_bytes:
        raise WholeFileNeededError("most of it is wanted", subject=video.source.name)
    file.expect(extents)
