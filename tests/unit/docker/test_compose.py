from __future__ import annotations

import re
from typing import Any

import pytest

from reelmill.settings import Settings
from tests.unit.docker.files import DOCKER, REPOSITORY, compose, parses

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
ONE_SHOT = "migrate"
OURS = ("migrate", "worker")
KEEPS_ROOT = "minio"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_restarted_and_checked(name: str) -> None:
    service = SERVICES[name]
    image, _, tag = service["image"].partition(":")
    assert image
    assert tag
    assert tag != "latest"
    assert service["restart"] == ("on-failure" if name == ONE_SHOT else "unless-stopped")
    check = service["healthcheck"]
    assert check == {"disable": True} if name == ONE_SHOT else check["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_writes_to_its_image_or_gains_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if name != KEEPS_ROOT:
        assert service["user"].partition(":")[0] not in ("", "0", "root")


def test_nothing_listens_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any("network_mode" in service for service in SERVICES.values())


def test_passwords_come_from_outside_and_must_be_given() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w*PASSWORD)([^}]*)\}", text)) == {
        (name, ":?") for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "MINIO_PASSWORD")
    }
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name:
                assert value.startswith("${"), name


def test_services_wait_for_what_they_need_to_be_well() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed == ONE_SHOT else "service_healthy"
            assert how == {"condition": expected}
    assert set(SERVICES["worker"]["depends_on"]) == {"migrate", "redis", "minio"}
    assert set(SERVICES["migrate"]["depends_on"]) == {"postgres"}


def test_volumes_are_declared_and_all_used() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    named = {source for source in mounted if source.isalpha()}
    assert named == set(compose()["volumes"])


@pytest.mark.parametrize("file", ["compose.yaml", "compose.gpu.yaml"])
def test_our_commands_are_verbs_and_options_of_this_version(file: str) -> None:
    for name, service in compose(file)["services"].items():
        if name in OURS:
            parses([re.sub(r"\$\{\w+:-(.*)\}", r"\1", part) for part in service["command"]])


def test_our_services_set_known_settings_and_build_known_targets() -> None:
    known = {f"REELMILL_{name.upper()}" for name in Settings.model_fields}
    for name in OURS:
        ours = {key for key in SERVICES[name]["environment"] if key.startswith("REELMILL_")}
        assert ours
        assert ours <= known
        assert SERVICES[name]["user"] == "10001"
        assert (DOCKER / SERVICES[name]["build"]["context"]).resolve() == REPOSITORY
    dockerfile = (DOCKER / "Dockerfile").read_text()
    for service in (SERVICES["worker"], compose("compose.gpu.yaml")["services"]["worker"]):
        assert f" AS {service['build']['target']}\n" in dockerfile


def test_a_worker_has_time_to_drain_before_it_is_killed() -> None:
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > Settings().drain_s
