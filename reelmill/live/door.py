"""Who may come in, and what every answer says to the browser: pure ASGI, around the whole application."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHORTEST_TOKEN = 16
COOKIE_DAYS = 30
SECURITY_HEADERS: Mapping[str, str] = {
    # Boxes are placed by style attributes, with our own numbers; everything else comes from files of ours.
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src-elem 'self'; "
    "style-src-attr 'unsafe-inline'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in.

    Attributes:
        token: what visitors show: `Authorization: Bearer …`, or once `?token=…`, which leaves a cookie. None: nobody is
            asked, and only requests to a loopback name are answered: a page elsewhere that has its own name point here
            (DNS rebinding) reads nothing.
        port: distinguishes the cookies of several pages on one machine.
    """

    token: str | None
    port: int

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return f"reelmill-{self.port}"

    @property
    def cookie_value(self) -> str:
        """What the cookie holds: proof of the token, not the token."""
        return hmac.new((self.token or "").encode(), b"reelmill cookie", hashlib.sha256).hexdigest()

    def admits(self, headers: Headers) -> bool:
        """Whether these headers are those of a visitor who may come in."""
        if self.token is None:
            host = headers.get("host", "")
            return is_loopback(host if host.endswith("]") else host.rpartition(":")[0] or host)
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return (scheme.lower() == "bearer" and _same(shown.strip(), self.token)) or _same(cookie, self.cookie_value)

    def opens_with(self, shown: str) -> bool:
        """Whether this is the token."""
        return self.token is not None and _same(shown, self.token)


def new_token() -> str:
    """One that nobody guesses."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Doorkeeper:
    """ASGI middleware: turns away whom the door does not admit, and writes the security headers on every answer."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (self._turned_away(scope) or self._app)(scope, receive, send_safely)

    def _turned_away(self, scope: Scope) -> Response | None:
        shown = QueryParams(scope["query_string"]).get("token")
        if shown is not None and self._door.opens_with(shown):
            return self._welcome(scope)
        if self._door.admits(Headers(scope=scope)):
            return None
        if self._door.token is None:
            return PlainTextResponse(
                "This page answers to localhost alone. Start it with --token for other names.", 403
            )
        return PlainTextResponse(
            "This page asks for its token: open the link that `reelmill serve` printed, or send it as "
            "`Authorization: Bearer …`.",
            401,
            {"WWW-Authenticate": 'Bearer realm="reelmill"'},
        )

    def _welcome(self, scope: Scope) -> Response:
        """Leaves the cookie, and the address without the token: it stays in no history and no bookmark."""
        left = QueryParams(
            [(name, value) for name, value in QueryParams(scope["query_string"]).multi_items() if name != "token"]
        )
        # Exactly one slash: a path like //elsewhere would lead to another host.
        path = "/" + scope["path"].lstrip("/")
        answer = RedirectResponse(f"{path}?{left}" if left else path, 303)
        answer.set_cookie(
            self._door.cookie,
            self._door.cookie_value,
            max_age=COOKIE_DAYS * 24 * 3600,
            httponly=True,
            # Not strict: the link may stand on another site.
            samesite="lax",
            secure=scope["scheme"] == "https",
        )
        return answer


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode())
