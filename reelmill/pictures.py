"""Reading a frame again, to look at it: from this machine's files, or from S3 with the caller's own credentials."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from reelmill.errors import PictureError
from reelmill.extras import extra
from reelmill.job_results import StoredMedia
from reelmill.schema import ReelmillError
from reelmill.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef
    from PIL import Image

# Only what workers read too: some of Pillow's other formats start programs.
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "TIFF",
    "BMP",
    "AVIF",
    "JPEG2000",
    "PPM",
    "PSD",
    "DDS",
    "QOI",
    "ICNS",
    "ICO",
    "SGI",
)


def read_picture(media: StoredMedia, index: int) -> Image.Image:
    """That frame of the media, upright.

    Raises:
        PictureError: gone, replaced, not readable from here, or the frame is not found in it.
        MissingExtraError: Pillow or boto3 (extra `export`), or the video decoders (extra `worker`) are missing.
    """
    with _local_file(media) as path:
        if path.stat().st_size != media.facts.size_bytes:
            raise PictureError("has been replaced since it was read", subject=media.uri)
        return _image(path, media.uri) if media.facts.kind == "image" else _video_frame(path, media.uri, index)


@contextmanager
def _local_file(media: StoredMedia) -> Iterator[Path]:
    if not media.uri.startswith("file://"):
        with tempfile.TemporaryDirectory(prefix="reelmill-") as directory:
            yield _downloaded(media, Path(directory) / "object")
        return
    path = Path(unquote(media.uri.removeprefix("file://")))
    if not path.is_file():
        raise PictureError("there is no such file on this machine", subject=media.uri)
    yield path


def _downloaded(media: StoredMedia, path: Path) -> Path:
    """The version that the worker read, whole."""
    with extra("export", purpose="reading from S3"):
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    endpoint_url = settings().s3_endpoint_url
    bucket, _, key = media.uri.removeprefix("s3://").partition("/")
    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
    if media.version_id:
        request["VersionId"] = media.version_id
    elif media.etag:
        request["IfMatch"] = media.etag
    try:
        # As workers do: MinIO and friends rarely have a host name per bucket.
        config = Config(s3={"addressing_style": "path" if endpoint_url else "auto"})
        client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)
        with path.open("wb") as file:
            shutil.copyfileobj(client.get_object(**request)["Body"], file)
    except (BotoCoreError, ClientError, OSError) as error:
        raise PictureError(f"cannot be read from here ({error})", subject=media.uri) from error
    return path


def _image(path: Path, uri: str) -> Image.Image:
    with extra("export", purpose="drawing boxes"):
        from PIL import Image, ImageOps
    try:
        with Image.open(path, formats=FORMATS) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"cannot be read ({error})", subject=uri) from error


def _video_frame(path: Path, uri: str, index: int) -> Image.Image:
    with extra("worker", purpose="reading a frame of a video"):
        from PIL import Image

        from pipelines.media.probe import open_reader
        from pipelines.media.types import DecodeLimits
    try:
        with open_reader(str(path), uri, DecodeLimits(max_pixels=settings().max_pixels)) as reader:
            picture = next(reader.read((index,))).picture
    except ReelmillError as error:
        raise PictureError(error.message, subject=uri) from error
    return picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
