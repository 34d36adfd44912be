"""A small HTTP server that answers a chat completion in all the ways in which one can go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Exchange"], None]
MODELS = {
    "object": "list",
    "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "t", "max_model_len": 99}],
}


def chunk(words: str | None, ending: str | None = None, **more: Any) -> dict[str, Any]:
    """One event of a streamed answer."""
    choice = {"index": 0, "delta": {"content": words} if words else {}, "finish_reason": ending}
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice], **more}


@dataclass
class FaultyServer:
    """`behaviours` are used up one per request; the last one stays."""

    base_url: str
    behaviours: list[Behaviour] = field(default_factory=list)
    models: dict[str, Any] = field(default_factory=lambda: MODELS)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    going_on: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    under_way: int = 0
    most_under_way: int = 0

    def next_behaviour(self) -> Behaviour:
        with self.lock:
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    world: FaultyServer
    asked: dict[str, Any]
    protocol_version = "HTTP/1.0"  # the end of the connection ends the answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing to standard error."""

    def do_GET(self) -> None:
        self.world.keys.append(self.headers.get("Authorization"))
        self.reply(200, self.world.models)

    def do_POST(self) -> None:
        world = self.world
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with world.lock:
            world.requests.append(self.asked)
            world.under_way += 1
            world.most_under_way = max(world.most_under_way, world.under_way)
        try:
            world.next_behaviour()(self)
        except OSError:
            world.hung_up.set()
        finally:
            with world.lock:
                world.under_way -= 1

    def reply(self, status: int, body: Any, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def stream(self, *chunks: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for one in chunks:
            self.say(one)

    def say(self, one: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(one)}\n\n".encode())
        self.wfile.flush()


def good(exchange: Exchange) -> None:
    """Answers with the last user message, if it is plain text."""
    said = exchange.asked["messages"][-1]["content"]
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    exchange.stream(chunk(f" re: {said}"), chunk(None, "stop"), {**chunk(None), "choices": [], "usage": usage})


def fails(status: int, body: Any, **headers: str) -> Behaviour:
    """An error status."""
    return lambda exchange: exchange.reply(status, body, **headers)


def streams(*chunks: dict[str, Any]) -> Behaviour:
    """These events, then the end of the connection."""
    return lambda exchange: exchange.stream(*chunks)


def endless(exchange: Exchange) -> None:
    """Goes on until the other side hangs up."""
    exchange.stream(chunk("a"))
    exchange.world.going_on.set()
    while not exchange.world.stopped.wait(0.02):
        exchange.say(chunk("a"))


def silent(exchange: Exchange) -> None:
    """Takes the request and says nothing until the test is over."""
    exchange.world.going_on.set()
    exchange.world.stopped.wait(120)


@contextmanager
def faulty_server(*behaviours: Behaviour) -> Iterator[FaultyServer]:
    """The server, on a free port of this machine."""
    handler = type("Handler", (Exchange,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    world = FaultyServer(f"http://127.0.0.1:{server.server_port}/v1", list(behaviours))
    handler.world = world  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield world
    finally:
        world.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
