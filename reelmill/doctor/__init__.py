"""What is in force on this machine, and whether each part works: `reelmill doctor`."""

from reelmill.doctor.check import Check, Status
from reelmill.doctor.diagnosis import Diagnosis, diagnose
from reelmill.doctor.in_force import SettingInForce, settings_in_force

__all__ = ["Check", "Diagnosis", "SettingInForce", "Status", "diagnose", "settings_in_force"]
