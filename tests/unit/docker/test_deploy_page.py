"""What docs/deploy.md tells people to type is what this version understands."""

from __future__ import annotations

import configparser
import re
import shlex

from reelmill.settings import Settings
from tests.unit.docker.files import REPOSITORY, parses

PAGE = (REPOSITORY / "docs" / "deploy.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_command_on_the_page_is_understood() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("reelmill ")]
    assert len(lines) > 10
    for line in lines:
        parses(shlex.split(line)[1:])


def test_every_verb_option_and_setting_named_on_the_page_exists() -> None:
    for verb, option in re.findall(r"`reelmill (\w+)((?: --[\w-]+)*)`", PAGE):
        if verb != "worker":
            parses([verb, *option.split()])
    settings = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    named = set(re.findall(r"REELMILL_([A-Z0-9_]+)", PAGE))
    assert named <= set(settings)
    for name, default in re.findall(r"^\| `REELMILL_(\w+)` \| (\d+) \|", PAGE, re.MULTILINE):
        assert settings[name] == float(default), name


def test_the_unit_starts_a_worker_and_gives_it_time_to_drain() -> None:
    (text,) = (block for block in blocks("ini") if "[Unit]" in block)
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    service = unit["Service"]
    command = shlex.split(service["ExecStart"])
    assert command[0].endswith("/bin/reelmill")
    parses(command[1:])
    assert service.getint("TimeoutStopSec") > Settings().drain_s
    assert service["RestartPreventExitStatus"].split() == ["1", "2"]


def test_every_file_named_on_the_page_exists() -> None:
    named = set(re.findall(r"\bdocker/[\w.]+[\w]", PAGE)) - {"docker/.env"}
    assert {"docker/Dockerfile", "docker/compose.yaml", "docker/compose.gpu.yaml"} <= named
    assert all((REPOSITORY / name).exists() for name in named)


def test_every_section_is_reached_from_the_top() -> None:
    sections = [
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", PAGE, re.M)
    ]
    assert re.findall(r"\(#([\w-]+)\)", PAGE) == sections
