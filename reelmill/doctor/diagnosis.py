"""The whole examination."""

from __future__ import annotations

from dataclasses import dataclass

from reelmill.doctor.check import Check, Status
from reelmill.doctor.in_force import SettingInForce, settings_in_force
from reelmill.doctor.machine import check_machine
from reelmill.doctor.services import check_services
from reelmill.errors import SettingsError
from reelmill.settings import load_settings


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The settings in force and what was found. Settings are empty when they could not be read."""

    settings: tuple[SettingInForce, ...]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """No check failed; warnings do not count."""
        return all(check.status is not Status.FAIL for check in self.checks)


def diagnose() -> Diagnosis:
    """Read the environment now and check each part; bad settings are a finding, not an exception."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return Diagnosis((), (Check.failed("settings", error),))
    return Diagnosis(settings_in_force(settings), (*check_services(settings), *check_machine(settings)))
