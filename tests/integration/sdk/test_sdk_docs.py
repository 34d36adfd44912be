"""The page about the SDK says nothing that does not run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import reelmill
from tests.integration.sdk import conftest
from tests.services import S3Server

PAGE = Path(__file__).parents[3] / "docs" / "sdk.md"


@pytest.fixture
def cat(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture in S3 and here; the worker finds in every picture what it finds in this one."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (640, 480), "white").save("cat.png")
    s3_server.client.put_object(Bucket="archive", Key="cat.png", Body=Path("cat.png").read_bytes())
    plain = conftest.result

    def found() -> Any:
        result = plain()
        facts = replace(result.media[0], kind="image", size_bytes=Path("cat.png").stat().st_size)
        return replace(result, media=(facts,))

    monkeypatch.setattr(conftest, "result", found)


def snippets() -> str:
    """The Python of the page as one program, on its own lines, so that an error names the page's line."""
    page = PAGE.read_text(encoding="utf-8")
    python = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)
    lines = [""] * (page.count("\n") + 1)
    for block in python.finditer(page):
        start = page[: block.start(1)].count("\n")
        for number, line in enumerate(block.group(1).splitlines()):
            lines[start + number] = line
    return "\n".join(lines)


@pytest.mark.usefixtures("mill", "worker", "cat")
def test_every_snippet_of_the_page_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippets(), str(PAGE), "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    for promised in re.findall(r"print\(\w+\)  # (.*)", PAGE.read_text(encoding="utf-8")):
        assert promised in printed
    assert {path.name for path in Path().iterdir()} == {
        "cat.png",
        "cat-with-boxes.png",
        "small.png",
        "results.jsonl",
        "results.csv",
        "results.parquet",
    }
    with Image.open("cat-with-boxes.png") as picture:
        assert picture.getpixel((64, 150)) != (255, 255, 255)


def test_every_error_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"\b[A-Z]\w+Error\b", PAGE.read_text(encoding="utf-8")))
    assert named <= set(reelmill.__all__)
