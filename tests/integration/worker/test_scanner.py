"""Archives on a real S3 server and on disk: exactly the right jobs, whoever lists them and however often they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from reelmill import ArchiveError, Ask, Caption, Client, WaitTimeoutError
from reelmill.archive import s3_listing
from reelmill.batch import Batch
from reelmill.bells import Bells
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from reelmill.ledger.scans import ScanView
from reelmill.ledger.workers import register_model
from reelmill.settings import load_settings
from tests.listing_server import Bucket, listing_server
from tests.services import S3Server
from tests.workers import REPOSITORY, rows, wait_until
from worker.scanner import Scanner

PAGE, MANY = 10, 25
ODD_NAMES = (
    "plain.jpg",
    "with space+plus.jpg",
    "ünïcödé-日本-😀.jpg",
    "percent%20%2F.jpg",
    "quote\"'back\\slash.jpg",
    "/leading.jpg",
    "double//slash.jpg",
    "question?mark#hash.jpg",
    "{brace},comma\ttab.jpg",
)


@pytest.fixture
def prefix(s3_server: S3Server) -> str:
    """A prefix of this test alone."""
    return f"s3://{s3_server.bucket}/{uuid4().hex}/"


@pytest.fixture
def client(mill: ServiceUrls, s3_server: S3Server) -> Iterator[Client]:
    database = Database(mill.database_url)
    register_model(database, "default", path="org/m", revision="r1", family="internvl", dtype="bfloat16")
    database.close()
    with Client() as client:
        yield client


@pytest.fixture
def scan(mill: ServiceUrls, client: Client) -> Iterator[Callable[[], None]]:
    """Lists what waits to be listed, in this process."""
    database = Database(mill.database_url)
    yield lambda: Scanner(load_settings(), database, Bells(mill.redis_url), "scanner").tick()
    database.close()


def put(server: S3Server, prefix: str, *names: str, body: bytes = b"x") -> None:
    for name in names:
        server.put(prefix.removeprefix(f"s3://{server.bucket}/") + name, body)


def delete(server: S3Server, prefix: str, name: str) -> None:
    key = prefix.removeprefix(f"s3://{server.bucket}/") + name
    server.client.delete_object(Bucket=server.bucket, Key=key)


def scanned(batch: Batch) -> ScanView:
    scan = batch.scan
    assert scan is not None
    return scan


def queued(mill: ServiceUrls, batch: Batch) -> list[str]:
    """The URIs of a batch's jobs, in the order of their names."""
    query = 'SELECT uri FROM media JOIN jobs ON jobs.id = job_id WHERE batch_id = %s ORDER BY uri COLLATE "C"'
    return [str(uri) for (uri,) in rows(mill.database_url, query, batch.id)]


def finish_all(mill: ServiceUrls) -> None:
    rows(mill.database_url, "UPDATE jobs SET state = 'succeeded', finished_at = now() RETURNING 1")


def test_between_two_runs_only_what_was_added_or_replaced_becomes_a_job(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    put(s3_server, prefix, "kept.jpg", "replaced.jpg", "removed.jpg", "notes.txt", "thumbs/kept.jpg")
    first = client.submit_prefix(prefix, tasks=Caption(), exclude=["thumbs/*"], name="night")
    scan()
    assert queued(mill, first) == [f"{prefix}{name}.jpg" for name in ("kept", "removed", "replaced")]
    assert scanned(first).counts.skipped == {"excluded": 1, "not_media": 1}
    finish_all(mill)
    put(s3_server, prefix, "added.mp4")
    put(s3_server, prefix, "replaced.jpg", body=b"another")
    delete(s3_server, prefix, "removed.jpg")
    second = client.submit_prefix(prefix, tasks=Caption(), exclude=["thumbs/*"])
    scan()
    assert queued(mill, second) == [f"{prefix}added.mp4", f"{prefix}replaced.jpg"]
    assert scanned(second).counts.skipped == {"done": 1, "excluded": 1, "not_media": 1}
    forced = client.submit_prefix(prefix, tasks=Caption(), only_new=False)
    scan()
    assert queued(mill, forced) == [f"{prefix}kept.jpg", f"{prefix}thumbs/kept.jpg"]
    assert (first.name, scanned(forced).counts.skipped) == ("night", {"active": 2, "not_media": 1})


def test_jobs_read_the_very_version_that_was_listed(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    put(s3_server, prefix, "a.jpg")
    client.submit_prefix(prefix, tasks=Caption())
    scan()
    key = prefix.removeprefix(f"s3://{s3_server.bucket}/") + "a.jpg"
    head = s3_server.client.head_object(Bucket=s3_server.bucket, Key=key)
    assert rows(mill.database_url, "SELECT etag, size_bytes FROM media") == [(head["ETag"], 1)]


def test_names_of_all_kinds_are_listed_once_and_can_be_fetched(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], s3_server: S3Server, prefix: str, tmp_path: Path
) -> None:
    from worker.storage import Storage

    longest = "l" * (1024 - len(prefix.removeprefix(f"s3://{s3_server.bucket}/")) - 4) + ".jpg"
    names = (*ODD_NAMES, longest)
    put(s3_server, prefix, *names, body=b"odd")
    batch = client.submit_prefix(prefix, tasks=Caption())
    scan()
    assert queued(mill, batch) == sorted((prefix + name for name in names), key=str.encode)
    storage = Storage(load_settings())
    for uri in queued(mill, batch):
        with storage.fetch(uri, None, tmp_path) as fetched:
            assert fetched.size_bytes == 3


def test_names_that_moto_cannot_take_are_listed_too(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], set_environment: Callable[..., None]
) -> None:
    names = [
        "line\nbreak.jpg",
        "carriage\rreturn.jpg",
        "\u200bno width.jpg",
        "control\x01.jpg",
        "../up.jpg",
        "nul\0.jpg",
    ]
    with listing_server(Bucket(keys=names)) as url:
        set_environment(s3_endpoint_url=url)
        batch = client.submit_prefix("s3://odd/a/", tasks=Caption())
        scan()
    assert queued(mill, batch) == sorted((f"s3://odd/a/{name}" for name in names[:-1]), key=str.encode)
    assert scanned(batch).counts.skipped == {"unusable_name": 1}


def test_folders_empty_objects_and_sizes_are_left_out_with_their_reason(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    put(s3_server, prefix, "folder.jpg/", "empty.jpg", body=b"")
    put(s3_server, prefix, "small.jpg", body=b"1")
    put(s3_server, prefix, "large.jpg", body=b"1" * 100)
    put(s3_server, prefix, "right.JPG", body=b"1" * 10)
    batch = client.submit_prefix(prefix, tasks=Caption(), min_bytes=5, max_bytes=50)
    old = client.submit_prefix(prefix, tasks=Ask("?"), since="2100-01-01")
    scan()
    assert queued(mill, batch) == [f"{prefix}right.JPG"]
    assert scanned(batch).counts.skipped == {"empty": 1, "folder": 1, "too_large": 1, "too_small": 1}
    assert scanned(old).counts.skipped["before_since"] == 4


def test_an_archive_that_cannot_be_listed_fails_its_scan_and_ends_the_wait(
    client: Client, scan: Callable[[], None]
) -> None:
    batch = client.submit_prefix("s3://no-such-bucket/a/", tasks=Caption())
    with pytest.raises(WaitTimeoutError, match="waiting for a process that lists s3://no-such-bucket/a/"):
        batch.wait(timeout=0, progress=False)
    scan()
    assert batch.wait(timeout=10, progress=False).total == 0
    failed = scanned(batch)
    assert (failed.state, failed.error_code) == ("failed", "archive_unreadable")
    assert "there is no such bucket" in str(failed.error_message)
    with pytest.raises(ArchiveError, match="no such bucket"):
        client.submit_prefix("s3://no-such-bucket/a/", tasks=Caption(), dry_run=True)


def test_a_bucket_that_refuses_to_be_listed_says_what_to_grant(
    client: Client, scan: Callable[[], None], refusing_server: str, set_environment: Callable[..., None]
) -> None:
    set_environment(s3_endpoint_url=refusing_server)
    batch = client.submit_prefix("s3://private/a/", tasks=Caption())
    scan()
    failed = scanned(batch)
    assert failed.error_message == "s3://private/a/: listing is refused (403 AccessDenied)"
    assert "s3:ListBucket" in str(failed.error_next_step)


@pytest.fixture
def refusing_server() -> Iterator[str]:
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<Error><Code>AccessDenied</Code><Message>secret</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    put(s3_server, prefix, "a.jpg", "b.jpg", "c.txt")
    client.submit_prefix(prefix, tasks=Caption(), limit=1)
    scan()
    preview = client.submit_prefix(prefix, tasks=Caption(), dry_run=True)
    assert (preview.listed, preview.jobs, preview.jobs_bytes) == (3, 1, 1)
    assert (preview.skipped, preview.sample) == ({"active": 1, "not_media": 1}, (f"{prefix}b.jpg",))
    assert rows(mill.database_url, "SELECT count(*) FROM batches") == [(1,)]


def test_directories_are_walked_and_their_files_become_jobs(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], media_dir: Path
) -> None:
    names = ["a.jpg", "b/c.jpg", "b/d/e f%.mp4", "b.jpg", os.fsdecode(b"raw\xff.jpg")]
    for name in [*names, "note.txt"]:
        path = media_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (media_dir / "loop").symlink_to(media_dir)
    batch = client.submit_prefix(media_dir.as_uri(), tasks=Caption())
    scan()
    assert queued(mill, batch) == sorted((media_dir / name).as_uri() for name in names)
    assert scanned(batch).counts.skipped == {"link": 1, "not_media": 1}
    rewritten = media_dir / "a.jpg"
    rewritten.write_bytes(b"another")
    finish_all(mill)
    again = client.submit_prefix(media_dir.as_uri(), tasks=Caption())
    scan()
    assert queued(mill, again) == [rewritten.as_uri()]


def test_files_are_gone_on_with_after_any_of_them(media_dir: Path) -> None:
    from reelmill.archive.file_listing import FileListing

    for name in ("a/b/1", "a/b/2", "a/c", "a.jpg", "ab", "b/1", "b/ä", "c"):
        path = media_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    listing = FileListing(media_dir.as_uri(), None)

    def after(cursor: str | None) -> list[str]:
        return [
            found.uri.removeprefix(f"{media_dir.as_uri()}/") for page in listing.pages(cursor) for found in page.objects
        ]

    everything = after(None)
    assert len(everything) == 8
    for place, name in enumerate(everything):
        assert after(name) == everything[place + 1 :]


SCAN = """
import sys, time
import structlog
from reelmill.archive import s3_listing
from reelmill.bells import Bells
from reelmill.ledger.database import Database
from reelmill.settings import load_settings
from reelmill.urls import service_urls
from worker import scanner
slow, real, s3_listing.PAGE_KEYS = float(sys.argv[1]), scanner.advance_scan, int(sys.argv[2])
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
def advance(*arguments, **named):
    moved = real(*arguments, **named)
    print("page", flush=True)
    time.sleep(slow)
    return moved
scanner.advance_scan = advance
settings = load_settings()
urls = service_urls(settings)
scanner.Scanner(settings, Database(urls.database_url), Bells(urls.redis_url), "child").tick()
"""


@contextmanager
def scanning_process(slow_s: float) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCAN, str(slow_s), str(PAGE)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_scan_killed_in_the_middle_goes_on_elsewhere_and_nothing_is_lost_or_doubled(
    mill: ServiceUrls, client: Client, scan: Callable[[], None], many: S3Server, set_environment: Callable[..., None]
) -> None:
    set_environment(lease_s="2")
    batch = client.submit_prefix(f"s3://{many.bucket}/", tasks=Caption())
    with scanning_process(slow_s=60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "page\n"
        scan()
        assert scanned(batch).counts.listed == PAGE, "the one that is alive is left alone"
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: scan() is None and scanned(batch).state.done, timeout_s=60)
    assert (scanned(batch).counts.listed, scanned(batch).counts.accepted) == (MANY, MANY)
    assert queued(mill, batch) == [f"s3://{many.bucket}/{number:05d}.jpg" for number in range(MANY)]


@pytest.fixture(scope="module")
def many(s3_server: S3Server) -> S3Server:
    """A bucket of three pages, when pages are as small as PAGE."""
    s3_server.client.create_bucket(Bucket="many")
    for number in range(MANY):
        s3_server.client.put_object(Bucket="many", Key=f"{number:05d}.jpg", Body=b"x")
    return S3Server(s3_server.endpoint_url, "many", s3_server.client, s3_server.environment)


def test_two_that_scan_at_once_share_nothing_and_miss_nothing(
    mill: ServiceUrls, client: Client, many: S3Server
) -> None:
    batch = client.submit_prefix(f"s3://{many.bucket}/", tasks=Caption())
    with scanning_process(slow_s=0.3) as first, scanning_process(slow_s=0.3) as second:
        output = [process.communicate(timeout=90)[0] for process in (first, second)]
    assert sorted(output, key=len) == ["", "page\npage\npage\n"]
    assert batch.status.queued == MANY


def test_housekeeping_alone_lists_and_gives_the_scan_back_on_sigterm(
    mill: ServiceUrls, client: Client, s3_server: S3Server, prefix: str, tmp_path: Path
) -> None:
    put(s3_server, prefix, "a.jpg")
    batch = client.submit_prefix(prefix, tasks=Caption())
    environment: dict[str, Any] = os.environ | {"REELMILL_HOUSEKEEPING_S": "0.2"}
    process = subprocess.Popen([sys.executable, "-m", "reelmill", "housekeep"], env=environment, cwd=REPOSITORY)
    try:
        wait_until(lambda: not batch.status.scanning)
        assert batch.status.queued == 1
        process.terminate()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_scanner_that_leaves_gives_its_scan_back_after_the_page_under_way(
    mill: ServiceUrls, client: Client, many: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker import scanner as module

    monkeypatch.setattr(s3_listing, "PAGE_KEYS", PAGE)
    database = Database(mill.database_url)
    scanner = Scanner(load_settings(), database, Bells(mill.redis_url), "leaving")
    real = module.advance_scan

    def advance_and_leave(*arguments: Any, **named: Any) -> Any:
        scanner.leave()
        return real(*arguments, **named)

    monkeypatch.setattr(module, "advance_scan", advance_and_leave)
    batch = client.submit_prefix(f"s3://{many.bucket}/", tasks=Caption())
    scanner.tick()
    assert (scanned(batch).state, scanned(batch).counts.listed) == ("queued", PAGE)
    monkeypatch.undo()
    Scanner(load_settings(), database, Bells(mill.redis_url), "next").tick()
    assert (scanned(batch).state, scanned(batch).counts.accepted) == ("succeeded", MANY)
    database.close()
