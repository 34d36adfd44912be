"""Where Postgres and Redis are: from the settings, else where `reelmill up` started the embedded ones."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from reelmill.embedded import ServiceUrls, locate
from reelmill.errors import BrokerUnavailableError, DatabaseUnavailableError
from reelmill.settings import Settings


def find_urls(
    settings: Settings, database_url: str | None = None, redis_url: str | None = None
) -> tuple[str, str | None]:
    """The database's and Redis' URL: an argument wins over a setting, a setting over the embedded services.

    Raises:
        DatabaseUnavailableError: no database is named, and no embedded services run.
    """
    database_url = database_url or _secret(settings.database_url)
    redis_url = redis_url or _secret(settings.redis_url)
    embedded = None if database_url and redis_url else locate()
    if embedded is not None:
        database_url = database_url or embedded.database_url
        redis_url = redis_url or embedded.redis_url
    if database_url is None:
        raise DatabaseUnavailableError("no database is named, and no embedded services run")
    return database_url, redis_url and verified(redis_url)


def verified(redis_url: str) -> str:
    """The URL; where it asks for TLS and does not say how, the server's certificate is checked.

    Celery would take any certificate then, with no more than a warning.
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "rediss" or "ssl_cert_reqs" in parse_qs(parts.query):
        return redis_url
    return f"{redis_url}{'&' if parts.query else '?'}ssl_cert_reqs=required"


def service_urls(settings: Settings) -> ServiceUrls:
    """Both URLs, for processes that need both.

    Raises:
        DatabaseUnavailableError, BrokerUnavailableError: not set, and no embedded services run.
    """
    database_url, redis_url = find_urls(settings)
    if redis_url is None:
        raise BrokerUnavailableError("no Redis is named, and no embedded services run")
    return ServiceUrls(database_url, redis_url)


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
