"""Whether a decoder may pass over frames that no other frame refers to: the others then come out the same.

Format: ISO/IEC 14496-15, 8.3.3.1 (hvcC).
"""

from __future__ import annotations

from av.video.codeccontext import VideoCodecContext

NEVER_REFERENCED_AGAIN = frozenset({"h264", "mpeg4", "mpeg2video"})
"""Their non-reference frames (nal_ref_idc 0, B pictures) are none for every other frame."""
HVCC_VERSION = 1
HVCC_LAYERS_BYTE = 21


def may_skip_nonreference(context: VideoCodecContext) -> bool:
    """HEVC calls frames so that are not referred to on their own temporal layer: right for all if there is but one."""
    name, extradata = context.codec.canonical_name, context.extradata or b""
    if name == "hevc" and len(extradata) > HVCC_LAYERS_BYTE and extradata[0] == HVCC_VERSION:
        return extradata[HVCC_LAYERS_BYTE] >> 3 & 7 == 1
    return name in NEVER_REFERENCED_AGAIN
