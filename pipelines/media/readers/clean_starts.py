"""Which keyframes are clean starts: open groups of pictures and intra refresh have others.

After a seek to one of those, decoders drop or damage the first pictures, and a reader that counts pictures is off.
Format: ITU-T H.264, 7.4.1 (NAL unit types); ISO/IEC 14496-15, 5.3.3 (avcC).
"""

from __future__ import annotations

from collections.abc import Callable

from av.packet import Packet
from av.video.stream import VideoStream

ALWAYS_CLEAN = frozenset({"vp8", "vp9"})
H264_IDR = 5
AVCC_VERSION = 1

CleanStart = Callable[["Packet[VideoStream]"], bool]


def clean_start_check(stream: VideoStream) -> CleanStart:
    """A function that tells of a keyframe's packet whether it is a clean start; where unknown, it is not."""
    codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata or b""
    if codec in ALWAYS_CLEAN:
        return lambda packet: True
    if codec == "h264" and len(extradata) > 4 and extradata[0] == AVCC_VERSION:
        length_size = (extradata[4] & 3) + 1
        return lambda packet: _has_idr(bytes(packet), length_size)
    return lambda packet: False


def _has_idr(data: bytes, length_size: int) -> bool:
    """Walk over the NAL units, each behind its length."""
    start = 0
    while start + length_size < len(data):
        body = start + length_size
        if data[body] & 0x1F == H264_IDR:
            return True
        start = body + int.from_bytes(data[start:body])
    return False
