"""A bucket that is only a listing: a real HTTP server that answers ListObjectsV2 for as many keys as one likes.

moto needs seconds for some thousand keys; this one writes a page as fast as a page can be written. It has no objects to
read, and asks for no credentials.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

PAGE_KEYS = 1000
MODIFIED = "2026-01-01T00:00:00.000Z"


class Bucket:
    """Keys `00000000.jpg` and so on (or the given ones). Every `changed_every`th has another ETag than before."""

    def __init__(self, count: int = 0, *, changed_every: int = 0, keys: list[str] | None = None) -> None:
        self._keys = None if keys is None else sorted(keys, key=str.encode)
        self._count = count if self._keys is None else len(self._keys)
        self._changed_every = changed_every

    def page(self, prefix: str, after: str, most: int) -> str:
        """The XML of up to `most` keys behind `after`. Prefixes are for show: everything lies below each of them."""
        first = self._place_behind(after.removeprefix(prefix)) if after else 0
        last = min(first + most, self._count)
        contents = "".join(self._entry(prefix, number) for number in range(first, last))
        more = last < self._count
        token = f"<NextContinuationToken>{quote(prefix + self._key(last - 1))}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}"
            "</ListBucketResult>"
        )

    def _place_behind(self, key: str) -> int:
        if self._keys is not None:
            return sum(each.encode() <= key.encode() for each in self._keys)
        return int(key.partition(".")[0]) + 1

    def _key(self, number: int) -> str:
        return f"{number:08d}.jpg" if self._keys is None else self._keys[number]

    def _entry(self, prefix: str, number: int) -> str:
        changed = self._changed_every and number % self._changed_every == 0
        return (
            f"<Contents><Key>{quote(prefix + self._key(number))}</Key><LastModified>{MODIFIED}</LastModified>"
            f"<ETag>&quot;{number:031x}{int(bool(changed))}&quot;</ETag><Size>{100_000 + number}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )


def handler(bucket: Bucket) -> type[BaseHTTPRequestHandler]:
    """What answers requests with pages of this bucket."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            after = asked.get("continuation-token") or asked.get("start-after", "")
            body = bucket.page(asked.get("prefix", ""), after, int(asked.get("max-keys", PAGE_KEYS))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler


@contextmanager
def listing_server(bucket: Bucket) -> Iterator[str]:
    """The server's URL, while the block runs, in a thread of this process."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(bucket)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def main() -> None:
    """Serve until killed; says the URL first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--changed-every", type=int, default=0)
    arguments = parser.parse_args()
    bucket = Bucket(arguments.count, changed_every=arguments.changed_every)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(bucket)) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
