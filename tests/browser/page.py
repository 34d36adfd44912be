"""The report page as a browser shows it."""

from __future__ import annotations

import io
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

    def open(self, *media: ReportMedia, **options: Any) -> Page:
        """Write a page of these and show it."""
        self._chromium.get(write_report(self._path, media, **options).as_uri())
        return self

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
