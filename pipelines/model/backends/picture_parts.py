"""Pictures as PNG data URLs, each encoded once for all the questions about it."""

from __future__ import annotations

import asyncio
import base64
import io
from collections import OrderedDict

from PIL import Image

from pipelines.model.backends.messages import Part
from pipelines.model.backends.sheets import Sheet, picture_sheet
from pipelines.model.types import VisualInput

# A tenth of the time of Pillow's default for a few percent more bytes.
_PNG_COMPRESSION = 1


class PictureParts:
    """Content parts of pictures, the last used ones kept. Belongs to one event loop; encodes in threads beside it."""

    def __init__(self, budget_bytes: int = 256 * 2**20) -> None:
        """`budget_bytes`: of data URLs that are kept."""
        self._budget_bytes = budget_bytes
        self._kept_bytes = 0
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._encoding: dict[str, asyncio.Task[str]] = {}

    async def of(self, visual: VisualInput | None) -> list[Part]:
        """A part per picture, in order.

        Raises:
            PromptError: tiles that do not fill their grid.
        """
        if visual is None:
            return []
        urls = [await self._url(visual, index) for index in range(len(visual.tiles_per_image))]
        return [{"type": "image_url", "image_url": {"url": url}} for url in urls]

    async def _url(self, visual: VisualInput, index: int) -> str:
        key = visual.content_keys[index]
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._encoding:
            self._encoding[key] = asyncio.create_task(self._encode(key, picture_sheet(visual, index)))
        # One that is cancelled must not take the picture away from its siblings.
        return await asyncio.shield(self._encoding[key])

    async def _encode(self, key: str, sheet: Sheet) -> str:
        try:
            url = await asyncio.to_thread(png_data_url, sheet)
        finally:
            del self._encoding[key]
        self._kept[key] = url
        self._kept_bytes += len(url)
        while self._kept_bytes > self._budget_bytes:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])
        return url


def png_data_url(sheet: Sheet) -> str:
    """The picture without loss, as a URL that holds it."""
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG", compress_level=_PNG_COMPRESSION)
    return "data:image/png;base64," + base64.b64encode(file.getbuffer()).decode("ascii")
