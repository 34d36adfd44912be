from __future__ import annotations

import json
import re
import tomllib

from reelmill.settings import Settings
from tests.unit.docker.files import DOCKER, REPOSITORY, dockerfile, parses

PUBLISHED = ("cpu", "gpu")


def of_stage(stage: str, keyword: str) -> list[str]:
    return [line.argument for line in dockerfile() if (line.stage, line.keyword) == (stage, keyword)]


def test_base_images_have_a_full_version() -> None:
    stages = {line.stage for line in dockerfile()}
    bases = {line.argument.split()[0] for line in dockerfile() if line.keyword == "FROM"} - stages
    assert bases
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z-]+", base) for base in bases)


def test_what_is_published_runs_as_nobody_special_and_checks_its_health() -> None:
    assert of_stage("runtime", "USER") == ["10001"]
    for stage in PUBLISHED:
        assert of_stage(stage, "FROM") == [f"runtime AS {stage}"]
        assert {line.keyword for line in dockerfile() if line.stage == stage} == {"FROM", "COPY"}


def test_its_commands_are_verbs_of_this_version_without_a_shell_between() -> None:
    assert of_stage("runtime", "ENTRYPOINT") == ['["reelmill"]']
    parses(json.loads(of_stage("runtime", "CMD")[0]))
    check = json.loads(of_stage("runtime", "HEALTHCHECK")[0].partition("CMD ")[2])
    assert check[0] == "reelmill"
    parses(check[1:])


def test_torch_comes_first_and_every_installation_keeps_to_the_tested_versions() -> None:
    for target in PUBLISHED:
        installs = [run for run in of_stage(f"build-{target}", "RUN") if "pip install" in run]
        assert installs[0].endswith(" torch")
        assert {"cpu": "[worker]", "gpu": "[worker,int8]"}[target] in installs[1]
        assert all("-c constraints.txt" in run for run in installs)
    assert re.search(r"^torch==", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)


def test_all_packages_are_copied_and_let_through_and_nothing_else_is() -> None:
    copied = {name for argument in of_stage("package", "COPY") for name in argument.split()[:-1]}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert copied == packages | {"pyproject.toml", "README.md", "LICENSE"}
    let_through = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    assert let_through == copied | {"constraints.txt"}
    assert all((REPOSITORY / name).exists() for name in let_through)


def test_it_sets_only_known_settings_and_no_secrets() -> None:
    named = {name for line in dockerfile() for name in re.findall(r"REELMILL_([A-Z_]+)=", line.argument)}
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}
    assert not any(re.search("password|secret|token|_key", line.argument, re.IGNORECASE) for line in dockerfile())
    assert not any(line.keyword in ("ADD", "ARG") for line in dockerfile())
