"""The dashboard in a real headless Chromium: its tabs, its pictures, and what each chart was answered."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from dashboards.environment import SupersetError

PATIENCE_S = 120
_FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars", "--lang=en"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_ASKS = "/api/v1/chart/data"
# Charts that are not in sight are not asked for; a loading one has a spinner.
_WAITING = "return document.querySelectorAll('.loading, [data-test=loading-indicator], .ant-spin-spinning').length"
# Bars grow into their place.
_DRAWN_S = 3.0
_BOTTOM = """
return Math.max(...[...document.querySelectorAll('.dashboard-component-chart-holder')].map(
    (each) => each.getBoundingClientRect().bottom))
"""
_CHARTS = "fetch(`/api/v1/dashboard/${arguments[0]}/charts`).then((said) => said.json()).then(arguments[1])"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the chart-data API said of one chart: rows, or the error."""

    chart: int
    rows: tuple[dict[str, Any], ...]
    error: str | None


@contextmanager
def chromium(directory: Path) -> Iterator[Chrome]:
    """Raises SupersetError where there is none."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise SupersetError("no Chromium here", next_step="apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={directory}", *(("--no-sandbox",) if os.geteuid() == 0 else ())):
        options.add_argument(flag)
    started = Chrome(options=options, service=ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()


class DashboardPage:
    def __init__(self, driver: Chrome, width: int = 1440, height: int = 2200) -> None:
        self._driver = driver
        self._wait: WebDriverWait[Chrome] = WebDriverWait(driver, PATIENCE_S)
        self._asked: dict[str, int] = {}
        self.answers: dict[int, Answer] = {}
        self._width = width
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def log_in(self, address: str, user: str, password: str) -> None:
        self._driver.get(f"{address}/login/")
        name = self._wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, "input#username"))
        name.send_keys(user)
        self._driver.find_element(By.CSS_SELECTOR, "input#password").send_keys(password + Keys.ENTER)
        self._wait.until(lambda driver: "/login" not in driver.current_url)

    def open(self, url: str) -> None:
        self._driver.get(url)
        self._wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, ".dashboard-component-tabs [role=tab]"))

    def charts(self, slug: str) -> dict[int, str]:
        """The names of a dashboard's charts by their number."""
        said = self._driver.execute_async_script(_CHARTS, slug)
        return {chart["id"]: chart["slice_name"] for chart in said["result"]}

    def tabs(self) -> list[str]:
        return [tab.text for tab in self._driver.find_elements(By.CSS_SELECTOR, ".dashboard-component-tabs [role=tab]")]

    def show(self, tab: str) -> None:
        """Open a tab and wait until all of its charts are drawn."""
        tabs = self._driver.find_elements(By.CSS_SELECTOR, ".dashboard-component-tabs [role=tab]")
        next(found for found in tabs if found.text == tab).click()
        self.settle()

    def search(self, words: str) -> None:
        """Type into the filter Search and apply it."""
        field = self._driver.find_element(By.ID, "NATIVE_FILTER-search")
        # Nothing can be typed until it has been opened, and a new word is an option after a moment.
        field.find_element(By.XPATH, "./ancestor::div[contains(@class, 'ant-select-selector')]").click()
        self._wait.until(lambda _: field.get_attribute("readonly") is None)
        field.send_keys(words)
        self._wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, f".ant-select-item[title='{words}']"))
        field.send_keys(Keys.ENTER + Keys.ESCAPE)
        self._driver.find_element(By.CSS_SELECTOR, "[data-test='filter-bar__apply-button']").click()
        self.settle()

    def settle(self) -> None:
        """Wait until nothing has loaded for two seconds, then read what the charts were answered."""
        deadline, quiet_since = time.monotonic() + PATIENCE_S, time.monotonic()
        while time.monotonic() - quiet_since < 2:
            if time.monotonic() > deadline:
                raise SupersetError(f"a chart has not been drawn within {PATIENCE_S} s", next_step="Look at its page")
            if self._driver.execute_script(_WAITING):
                quiet_since = time.monotonic()
            self._read_log()
            time.sleep(0.25)

    def picture(self, path: Path) -> None:
        """A PNG of the dashboard, as far down as it has charts, once they have come to rest."""
        time.sleep(_DRAWN_S)
        bottom = self._driver.execute_script(_BOTTOM)
        clip = {"x": 0, "y": 0, "width": self._width, "height": bottom + 16, "scale": 1}
        shot = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))

    def _read_log(self) -> None:
        for entry in self._driver.get_log("performance"):  # type: ignore[no-untyped-call]
            event = json.loads(entry["message"])["message"]
            told = event["params"]
            if event["method"] == "Network.requestWillBeSent" and _ASKS in told["request"]["url"]:
                asked = json.loads(told["request"].get("postData", "{}"))
                self._asked[told["requestId"]] = int(asked.get("form_data", {}).get("slice_id", 0))
            elif event["method"] == "Network.loadingFinished" and told["requestId"] in self._asked:
                self._take(told["requestId"])

    def _take(self, request: str) -> None:
        body = self._driver.execute_cdp_cmd("Network.getResponseBody", {"requestId": request})["body"]
        chart = self._asked.pop(request)
        if chart:
            self.answers[chart] = read_answer(chart, json.loads(body))


def read_answer(chart: int, said: dict[str, Any]) -> Answer:
    """Of one response of the chart-data API."""
    results = said.get("result")
    if not isinstance(results, list):
        return Answer(chart, (), json.dumps(said)[:500])
    errors = [result["error"] for result in results if result.get("error")]
    rows = tuple(row for result in results for row in result.get("data") or ())
    return Answer(chart, rows, errors[0] if errors else None)
