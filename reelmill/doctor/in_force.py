"""The settings that count here, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from reelmill.settings import PREFIX, Settings

MASK = "***"


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A variable, its value as text (passwords masked) and its source: "default" or "environment"."""

    name: str
    value: str
    source: str


def settings_in_force(settings: Settings) -> tuple[SettingInForce, ...]:
    """Every setting, in the order of the settings class."""
    return tuple(
        SettingInForce(
            name=PREFIX + name.upper(),
            value=_shown(getattr(settings, name)),
            source="environment" if name in settings.model_fields_set else "default",
        )
        for name in Settings.model_fields
    )


def masked(url: str) -> str:
    """The URL with its password, and whatever follows the path, hidden; what is no URL is hidden whole."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if not parts.scheme or "://" not in url or not (parts.hostname or parts.path):
        return MASK
    user, at, host = parts.netloc.rpartition("@")
    user = f"{user.split(':')[0]}:{MASK}" if ":" in user else user
    return urlunsplit((parts.scheme, user + at + host, parts.path, MASK if parts.query else "", ""))


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return masked(value.get_secret_value())
    if isinstance(value, str) and "://" in value:
        return masked(value)
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return str(value)
