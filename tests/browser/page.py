"""The report page as a browser shows it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from reelmill.report import ReportMedia, write_report


def jpeg(width: int, height: int) -> bytes:
    """A picture of this size."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "#888").save(buffer, "JPEG")
    return buffer.getvalue()


PAINTED = "const then = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => then()))"
COLOURS = """
    const each = document.querySelector(arguments[0]);
    if (!each) return null;
    let behind = each;
    const clear = (colour) => colour === 'rgba(0, 0, 0, 0)';
    while (clear(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    return [getComputedStyle(each).color, getComputedStyle(behind).backgroundColor];
"""


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2.2."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    """Contrast ratio as in WCAG 2.2: 4.5 is enough for text."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@dataclass(frozen=True)
class Rectangle:
    """Where something stands in the window, in CSS pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, outer: Rectangle) -> tuple[float, float, float, float]:
        """The corners in percent of another rectangle."""
        width, height = outer.right - outer.left, outer.bottom - outer.top
        return (
            (self.left - outer.left) * 100 / width,
            (self.top - outer.top) * 100 / height,
            (self.right - outer.left) * 100 / width,
            (self.bottom - outer.top) * 100 / height,
        )


class Page:
    def __init__(self, chromium: Chrome, path: Path) -> None:
        self._chromium = chromium
        self._path = path
        self._scripts = True

    def open(self, *media: ReportMedia, **options: Any) -> Page:
        """Write a page of these and show it."""
        return self.visit(write_report(self._path, media, **options).as_uri())

    def visit(self, url: str) -> Page:
        """Show what a server has there."""
        self._chromium.get(url)
        if self._scripts:
            # Cards get their sizes with the first paint: places that are measured before it move.
            self._chromium.execute_async_script(PAINTED)
        return self

    @contextmanager
    def without_scripts(self) -> Iterator[None]:
        """Pages that are opened inside run no script of theirs."""
        self._scripts = False
        self._chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            yield
        finally:
            self._scripts = True
            self._chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def contrast(self, selector: str) -> float | None:
        """Of the first element's text on what is behind it; None where there is no such element."""
        found = self.script(COLOURS, selector)
        return _contrast(*found) if found else None

    def window(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def colours(self, scheme: str) -> None:
        """ "light" or "dark", as the system would ask for it."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def script(self, body: str, *arguments: Any) -> Any:
        return self._chromium.execute_script(body, *arguments)

    def console(self) -> list[str]:
        """What the console has said since the last call."""
        return [entry["message"] for entry in self._chromium.get_log("browser")]

    def all(self, selector: str, inside: WebElement | None = None) -> list[WebElement]:
        return (inside or self._chromium).find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        (found,) = self.all(selector)
        return found

    def type(self, words: str) -> None:
        field = self.one("#filter")
        field.clear()
        field.send_keys(words)

    def shown(self) -> list[str]:
        """The names of the cards that can be seen."""
        return [card.find_element(By.TAG_NAME, "h2").text for card in self.all(".card") if card.is_displayed()]

    def rectangle(self, element: WebElement) -> Rectangle:
        box = self.script("return arguments[0].getBoundingClientRect()", element)
        return Rectangle(box["left"], box["top"], box["right"], box["bottom"])
