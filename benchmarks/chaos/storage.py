"""An S3 server over HTTP (moto's) behind a layer that fails, dawdles and cuts as it is told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

BUCKET = "chaos"
SLOW_S = 1.5
Trouble = Literal["500", "503", "slow", "cut"]
STATUS = {"500": ("500 Internal Server Error", "InternalError"), "503": ("503 Slow Down", "SlowDown")}
Start = Callable[..., Any]


@dataclass
class FaultyApp:
    """A WSGI application around another. `trouble` meets reads of objects, `share` of them."""

    inner: Callable[[dict[str, Any], Start], Iterable[bytes]]
    trouble: Trouble | None = None
    share: float = 0.7
    rng: random.Random = field(default_factory=random.Random)
    met: int = 0
    """Reads that met trouble so far."""

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        reads = environ["REQUEST_METHOD"] == "GET" and "list-type" not in environ.get("QUERY_STRING", "")
        trouble = self.trouble if reads and self.rng.random() < self.share else None
        self.met += trouble is not None
        if trouble in STATUS:
            status, code = STATUS[str(trouble)]
            body = f"<Error><Code>{code}</Code><Message>chaos</Message></Error>".encode()
            start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        if trouble == "slow":
            time.sleep(SLOW_S)
        answer = self.inner(environ, start)
        return _cut(answer) if trouble == "cut" else answer


def _cut(answer: Iterable[bytes]) -> Iterator[bytes]:
    """Half of what was announced; the server then closes the connection."""
    body = b"".join(answer)
    yield body[: len(body) // 2]
    raise ConnectionAbortedError("cut by the bench")


@dataclass(frozen=True, slots=True)
class Storage:
    """The server, and the bench's own way in, which no trouble meets."""

    app: FaultyApp
    endpoint_url: str
    client: Any

    def put(self, key: str, body: bytes) -> str:
        """Store it; returns its ETag."""
        return str(self.client.put_object(Bucket=BUCKET, Key=key, Body=body)["ETag"])


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "chaos", "AWS_SECRET_ACCESS_KEY": "chaos", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def own_storage(seed: int) -> Iterator[Storage]:
    """The server for the length of the block."""
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any, **__: Any) -> None:
            """Nothing to standard error."""

    app = FaultyApp(DomainDispatcherApplication(create_backend_app), rng=random.Random(seed))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint_url = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id="chaos",
        aws_secret_access_key="chaos",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    try:
        yield Storage(app, endpoint_url, client)
    finally:
        server.shutdown()
        thread.join(timeout=10)
