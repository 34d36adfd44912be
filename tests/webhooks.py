"""A receiver of webhooks over HTTP, on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What came in; `answers` says with which status each is answered, the last one for all that follow."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [204])
    location: str = ""
    drip_s: float = 0.0
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the end of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append((self.path, headers, body))
            status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            if receiver.drip_s:
                self.drip(receiver.drip_s)
                return
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def drip(self, for_s: float) -> None:
            """A status line that never ends, a byte now and then."""
            self.wfile.write(b"HTTP/1.1")
            ends_at = time.monotonic() + for_s
            while time.monotonic() < ends_at:
                try:
                    self.wfile.write(b".")
                except OSError:
                    return
                time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook?k=v"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
