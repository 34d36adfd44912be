"""The application: addresses, and what answers them. Reads only: there is no address that changes anything."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from reelmill.errors import DatabaseUnavailableError, NotFoundError, SpecError
from reelmill.ledger.database import Database
from reelmill.live.asked import identifier, number
from reelmill.live.door import Door, Doorkeeper
from reelmill.live.placeholder import placeholder
from reelmill.live.shelf import Place, Shelf, SourceOpener
from reelmill.live.views import Content, Views
from reelmill.live.words import marked, moment
from reelmill.report.look import asset, templates
from reelmill.schema import ReelmillError

PICTURE_AGE_S = 3600
ASSET_AGE_S = 365 * 24 * 3600
Endpoint = Callable[[Request], Awaitable[Response]]


def live_app(database: Database, opener: SourceOpener, door: Door) -> ASGIApp:
    """The ASGI application.

    Args:
        database: best one made with `read_only_s`.
        opener: makes the reader of frames; called once in each of a few threads.
        door: who may come in.
    """
    views = Views(database)
    shelf = Shelf(database, opener)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        shelf.close()

    async def frame(request: Request) -> Response:
        given = request.path_params
        names = ("part", "media", "index")
        place = Place(identifier(given["job_id"]), *(number(given[name], name) for name in names))
        picture = await shelf.picture(place)
        if picture.jpeg is None:
            return Response(placeholder(picture.missing, picture.aspect), 404, media_type="image/svg+xml")
        headers = {"Cache-Control": f"private, max-age={PICTURE_AGE_S}"}
        return Response(picture.jpeg, headers=headers, media_type="image/jpeg")

    of_batch = _page("batch", lambda r: views.batch(identifier(r.path_params["batch_id"]), r.query_params))
    of_job = _page("job", lambda r: views.job(identifier(r.path_params["job_id"]), r.query_params))
    app = Starlette(
        routes=[
            Route("/", _page("batches", lambda request: views.batches(request.query_params))),
            Route("/batches/{batch_id}", of_batch),
            Route("/jobs", _page("batch", lambda request: views.alone(request.query_params))),
            Route("/jobs/{job_id}", of_job),
            Route("/jobs/{job_id}/parts/{part}/frames/{media}-{index}.jpg", frame),
            Route("/search", _page("search", lambda request: views.search(request.query_params))),
            Route("/assets/{name}", _asset),
        ],
        exception_handlers={HTTPException: _not_there, ReelmillError: _problem, Exception: _broken},
        lifespan=lifespan,
    )
    # Around everything: what answers when something broke included.
    return Doorkeeper(app, door)


def _page(name: str, read: Callable[[Request], Content]) -> Endpoint:
    """A page from its template; the ledger is read beside the event loop."""

    def made(request: Request) -> str:
        return _rendered(name, **read(request), here=request.url.path)

    async def endpoint(request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(made, request))

    return endpoint


async def _asset(request: Request) -> Response:
    body = _assets().get(request.path_params["name"])
    if body is None:
        raise HTTPException(404)
    headers = {"Cache-Control": f"private, max-age={ASSET_AGE_S}, immutable"}
    return Response(body, headers=headers, media_type=mimetypes.guess_type(request.path_params["name"])[0])


async def _problem(_: Request, error: Exception) -> Response:
    """What a user can act on, as a page."""
    if not isinstance(error, ReelmillError):
        raise error
    statuses = {NotFoundError: 404, SpecError: 400, DatabaseUnavailableError: 503}
    status = next((status for kind, status in statuses.items() if isinstance(error, kind)), 500)
    return HTMLResponse(_rendered("problem", error=error, going=status == 503, here="/"), status)


async def _not_there(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code != 404:
        return Response(error.detail, error.status_code, headers=error.headers)
    return await _problem(request, NotFoundError("there is no such page", subject=request.url.path[:80]))


async def _broken(_: Request, error: Exception) -> Response:
    """Ours to mend; the server writes the traceback to its log."""
    unknown = ReelmillError("the page could not be made", next_step="The log of `reelmill serve` says more")
    return HTMLResponse(_rendered("problem", error=unknown, going=False, here="/"), 500)


def _rendered(name: str, **content: Any) -> str:
    return _templates().get_template(f"{name}.html.jinja").render(content)


@cache
def _templates() -> Environment:
    shared = templates()
    environment = shared.overlay(
        loader=ChoiceLoader([PackageLoader("reelmill.live", "templates"), *filter(None, [shared.loader])])
    )
    version = hashlib.sha256("".join(_assets().values()).encode()).hexdigest()[:12]
    environment.globals = {**environment.globals, "assets_version": version}
    environment.filters = {**environment.filters, "marked": marked, "moment": moment}
    return environment


@cache
def _assets() -> dict[str, str]:
    """By name: the style and script of the report, each followed by what a live page has besides."""
    return {
        "page.css": asset("page.css") + _own("live.css"),
        "page.js": asset("frames.js") + _own("live.js"),
        "icon.svg": _own("icon.svg"),
    }


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
