"""The live page over HTTP: who may come in, what is read from the database, and what becomes of frames."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psycopg
import pytest
import uvicorn
from PIL import Image
from psycopg import sql
from sqlalchemy import event, make_url

from benchmarks._archive_rows import fill
from reelmill.errors import AddressError
from reelmill.job_results import StoredMedia
from reelmill.ledger.database import Database
from reelmill.ledger.listing import JobFilter, list_jobs
from reelmill.ledger.roles import Access, grant
from reelmill.live import Door, Server, live_app
from reelmill.report import NoPictures, Pictures
from reelmill.schema import Caption, Generated, JobSpec, SummaryResult
from tests.browser.live import Mill, served, spec, true_result, write_truths
from tests.workers import wait_until

TOKEN = "correct horse battery"
JOBS = 10_000
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@dataclass
class Answer:
    status: int
    body: str
    response: HTTPResponse

    def header(self, name: str) -> str:
        return self.response.getheader(name) or ""


def get(url: str, path: str = "/", *, method: str = "GET", **headers: str) -> Answer:
    port = make_url(url).port
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read().decode("utf-8", "replace")
    connection.close()
    return Answer(response.status, body, response)


@dataclass
class Grey:
    """Grey pictures, and which media were read; `gate` holds reading back."""

    read_of: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open(self) -> Iterator[Grey]:
        yield self

    def read(self, media: StoredMedia, indices: Sequence[int]) -> Pictures:
        assert self.gate.wait(60)
        self.read_of.append((media.uri, tuple(indices)))
        buffer = io.BytesIO()
        Image.new("RGB", (32, 18), "grey").save(buffer, "JPEG")
        return Pictures({index: buffer.getvalue() for index in indices})


@contextmanager
def running(database: Database, source: Grey | NoPictures, token: str | None = None) -> Iterator[str]:
    """The application in this process, so that what it reads can be counted."""

    @contextmanager
    def opener() -> Iterator[Grey | NoPictures]:
        yield source

    with Server("127.0.0.1", 0) as server:
        app = live_app(database, opener, Door(token, server.port))
        loop = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=loop.run, args=([server._socket],))
        thread.start()
        try:
            yield server.url
        finally:
            loop.should_exit = True
            thread.join(60)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, read_only_s=20)
    yield opened
    opened.close()


@pytest.fixture
def page(database: Database) -> Iterator[str]:
    with running(database, NoPictures("none here")) as url:
        yield url


@pytest.fixture
def mill(database_url: str) -> Iterator[Mill]:
    writable = Database(database_url)
    yield Mill(writable)
    writable.close()


def test_every_answer_forbids_foreign_scripts_frames_and_guessing(page: str) -> None:
    for path in ("/", "/nothing", "/assets/page.js", "/batches/x", "/jobs/x/parts/0/frames/0-0.jpg"):
        answer = get(page, path)
        assert "default-src 'none'" in answer.header("Content-Security-Policy")
        assert "frame-ancestors 'none'" in answer.header("Content-Security-Policy")
        assert "unsafe-inline" not in answer.header("Content-Security-Policy").replace(
            "style-src-attr 'unsafe-inline'", ""
        )
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("Referrer-Policy") == "no-referrer"
    assert get(page).header("Cache-Control") == "no-store"


def test_what_broke_is_told_without_its_insides_and_forbids_as_much(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelmill.live.views.list_jobs", lambda *_, **__: 1 / 0)

    answer = get(page, "/jobs")

    assert answer.status == 500
    assert "internal_error" in answer.body
    assert "ZeroDivisionError" not in answer.body
    assert "default-src 'none'" in answer.header("Content-Security-Policy")


def test_without_a_token_only_loopback_names_are_answered(page: str) -> None:
    port = make_url(page).port
    answers = {
        host: get(page, Host=host).status
        for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "127.0.0.2", f"rebound.example:{port}", "")
    }

    assert answers == {
        f"localhost:{port}": 200,
        "127.0.0.1": 200,
        f"[::1]:{port}": 200,
        "127.0.0.2": 200,
        f"rebound.example:{port}": 403,
        "": 403,
    }


def test_with_a_token_every_address_asks_for_it(database: Database) -> None:
    with running(database, NoPictures(""), TOKEN) as url:
        for path in ("/", "/nothing", "/assets/page.js", "/jobs/x/parts/0/frames/0-0.jpg", "/search?q=a&token=wrong"):
            refused = get(url, path)
            assert (refused.status, refused.header("Content-Security-Policy")[:11]) == (401, "default-src")
        assert get(url, Authorization="Bearer wrong").status == 401
        assert get(url, Authorization="Bearer ").status == 401
        assert get(url, Authorization=f"Basic {TOKEN}").status == 401
        assert get(url, Cookie=f"reelmill-{make_url(url).port}={TOKEN}").status == 401
        assert get(url, Authorization=f"Bearer {TOKEN}").status == 200
        assert get(url, Authorization=f"Bearer {TOKEN}", Host="page.example").status == 200


def test_the_link_leaves_a_cookie_and_the_address_without_the_token(database: Database) -> None:
    with running(database, NoPictures(""), TOKEN) as url:
        welcome = get(url, f"/search?q=red+panda&token={quote(TOKEN)}&kind=answer")
        cookie = welcome.header("Set-Cookie")

        assert (welcome.status, welcome.header("Location")) == (303, "/search?q=red+panda&kind=answer")
        assert TOKEN not in cookie
        assert {"httponly", "samesite=lax"} <= set(cookie.lower().replace(" ", "").split(";"))
        assert get(url, Cookie=cookie.partition(";")[0]).status == 200
        assert get(url, f"//elsewhere.example/?token={quote(TOKEN)}").header("Location") == "/elsewhere.example/"


def test_what_cannot_be_asked_is_told_on_a_page(page: str) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    statuses = {
        path: get(page, path).status
        for path in (
            *(f"/batches/{unknown}", "/batches/x", f"/jobs/{unknown}", "/jobs/'", "/assets/../door.py", "/?before=x"),
            *("/jobs?state=done", "/jobs?kind=sound", "/search?q=%22%22", f"/search?q=panda&batch={unknown}"),
            *("/jobs?after=x", "/search?q=%00", "/jobs?label=%00", "/jobs?error=%00&state=failed"),
        )
    }

    assert statuses == {
        **dict.fromkeys(statuses, 404),
        **dict.fromkeys(("/jobs?state=done", "/jobs?kind=sound", "/search?q=%22%22", "/search?q=%00"), 400),
        **dict.fromkeys(("/jobs?label=%00", "/jobs?error=%00&state=failed"), 200),
    }
    assert "spec_invalid" in get(page, "/jobs?state=done").body


def test_nothing_can_be_changed(page: str, database: Database) -> None:
    assert {get(page, "/", method=method).status for method in ("POST", "PUT", "DELETE", "PATCH")} == {405}
    assert get(page, "/", method="HEAD").status == 200
    with pytest.raises(Exception, match="read-only transaction"), database.statement() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")
    with pytest.raises(Exception, match="read-only transaction"), database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")


def test_a_role_that_may_only_read_is_enough(mill: Mill, database_url: str, tmp_path: Path) -> None:
    truths = write_truths(tmp_path)
    batch = mill.submit(spec(tmp_path / "img_wide.png", truths["img_wide.png"]), name="seen")
    job = mill.work(true_result(truths["img_wide.png"]))
    role = sql.Identifier(f"page-{mill.database.url.database}")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(role))
        grant(mill.database, role._obj[0], Access.VIEWER)
        try:
            url = make_url(database_url).set(username=role._obj[0], password="secret")
            with served(url.render_as_string(hide_password=False), file_roots=f'["{tmp_path}"]') as running_page:
                paths = ("/", f"/batches/{batch}", f"/jobs/{job}", "/jobs", "/search?q=shape")
                assert [get(running_page.url, path).status for path in paths] == [200] * 5
                frame = get(running_page.url, f"/jobs/{job}/parts/0/frames/0-0.jpg")
                assert (frame.status, frame.header("Content-Type")) == (200, "image/jpeg")
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


@contextmanager
def asked_of(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements of the block, each with its values."""
    seen: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, values: Any, *_: object) -> None:
        if not statement.startswith("SET LOCAL"):
            seen.append((statement, values))

    event.listen(database._engine, "before_cursor_execute", note)
    yield seen
    event.remove(database._engine, "before_cursor_execute", note)


def test_the_last_page_of_ten_thousand_media_costs_what_the_first_does(database: Database, database_url: str) -> None:
    fill(database_url, 2 * JOBS)
    batch = UUID("00000000-0000-7000-8000-000000000000")
    with running(database, NoPictures("none here")) as url:
        get(url, f"/batches/{batch}")
        costs = []
        for query in (
            "",
            "?before=ffffffff-ffff-ffff-ffff-ffffffffffff",
            "?state=succeeded",
            "?kind=video&label=camera=door",
        ):
            with asked_of(database) as asked:
                answer = get(url, f"/batches/{batch}{query}")
            assert answer.status == 200
            assert answer.body.count("<article") == 24
            costs.append(len(asked))
    assert max(costs) <= 6
    assert _rows_read(database_url, batch) <= 5 * 25 * 2


def _rows_read(database_url: str, batch: UUID) -> int:
    """How many rows Postgres reads for the list of a page in the middle of the batch."""
    database = Database(database_url)
    middle = list(list_jobs(database, JobFilter(batch), most=JOBS // 2))[-1]
    with asked_of(database) as asked:
        list_jobs(database, JobFilter(batch), most=25, after=middle)
    database.close()
    ((statement, values),) = asked
    with psycopg.connect(database_url, autocommit=True) as connection:
        plan: Any = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).fetchone()
    return _rows_of(plan[0][0]["Plan"])


def _rows_of(node: Any) -> int:
    """Of the scans of tables below this node of a plan."""
    below = sum(_rows_of(child) for child in node.get("Plans", []))
    read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return below + (round(read) if "Relation Name" in node else 0)


def _one_video(mill: Mill, folder: Path) -> tuple[str, list[str]]:
    """A job, and the addresses of its frames."""
    truths = write_truths(folder)
    mill.submit(spec(folder / "vid_whole.mp4", truths["vid_whole.mp4"]))
    job = mill.work(true_result(truths["vid_whole.mp4"]))
    result = true_result(truths["vid_whole.mp4"])
    return str(job), [f"/jobs/{job}/parts/0/frames/0-{frame.frame_index}.jpg" for frame in result.segments[0].frames]


def test_the_frames_of_a_filmstrip_are_read_together_and_once(mill: Mill, database: Database, tmp_path: Path) -> None:
    _, addresses = _one_video(mill, tmp_path)
    source = Grey()
    answers: list[Answer] = []
    with running(database, source) as url:
        threads = [threading.Thread(target=lambda at=at: answers.append(get(url, at))) for at in addresses]  # type: ignore[misc]
        for thread in threads:
            thread.start()
        source.gate.set()
        for thread in threads:
            thread.join(60)
        again = get(url, addresses[0])

    assert [answer.status for answer in (*answers, again)] == [200] * 9
    assert [(uri.rpartition("/")[2], len(indices)) for uri, indices in source.read_of] == [("vid_whole.mp4", 8)]


def test_only_frames_that_were_sampled_are_read(mill: Mill, database: Database, tmp_path: Path) -> None:
    job, addresses = _one_video(mill, tmp_path)
    source = Grey()
    source.gate.set()
    others = (
        addresses[0].replace("0-0", "0-1"),
        addresses[0].replace("0-0", "1-0"),
        addresses[0].replace("0-0", "x-y"),
    )
    with running(database, source) as url:
        statuses = [get(url, path).status for path in (*others, f"/jobs/{job}/parts/7/frames/0-0.jpg")]

    assert statuses == [404, 404, 400, 404]
    assert source.read_of == []


def test_pages_are_made_while_frames_are_slow(mill: Mill, database: Database, tmp_path: Path) -> None:
    job, addresses = _one_video(mill, tmp_path)
    source = Grey()
    with running(database, source) as url:
        threads = [threading.Thread(target=get, args=(url, at)) for at in addresses * 8]
        for thread in threads:
            thread.start()
        assert get(url, f"/jobs/{job}").status == 200
        source.gate.set()
        for thread in threads:
            thread.join(60)


def test_why_a_frame_cannot_be_had_stands_on_the_picture_in_its_place(
    mill: Mill, database: Database, tmp_path: Path
) -> None:
    _, addresses = _one_video(mill, tmp_path)
    with running(database, NoPictures("<b>gone</b> & not coming back")) as url:
        answer = get(url, addresses[0])

    assert (answer.status, answer.header("Content-Type")) == (404, "image/svg+xml")
    assert "&lt;b&gt;gone&lt;/b&gt; &amp; not coming back" in answer.body
    assert 'viewBox="0 0 480 270"' in answer.body
    assert answer.header("Cache-Control") == "no-store"


def test_a_replaced_media_is_not_shown_in_place_of_the_one_that_was_worked_on(
    mill: Mill, database_url: str, tmp_path: Path
) -> None:
    _, addresses = _one_video(mill, tmp_path)
    (tmp_path / "vid_whole.mp4").write_bytes((tmp_path / "vid_windows.mp4").read_bytes())
    with served(database_url, file_roots=f'["{tmp_path}"]') as running_page:
        answer = get(running_page.url, addresses[0])

    assert answer.status == 404
    assert "replaced" in answer.body


def test_no_address_but_a_token_is_made_beyond_loopback(database_url: str) -> None:
    with served(database_url, "--host", "0.0.0.0") as open_page:
        token = open_page.url.partition("?token=")[2]
        assert len(token) >= 32
        assert get(open_page.url).status == 401
        assert get(open_page.url, Authorization=f"Bearer {token}").status == 200


def test_the_token_of_the_environment_is_asked_for_on_loopback_too(database_url: str) -> None:
    with served(database_url, serve_token=TOKEN) as running_page:
        assert (get(running_page.url).status, get(running_page.url, Authorization=f"Bearer {TOKEN}").status) == (
            401,
            200,
        )


def test_sigterm_ends_it_at_once_also_while_a_browser_holds_a_connection(database_url: str) -> None:
    with served(database_url) as running_page:
        port = make_url(running_page.url).port
        with socket.create_connection(("127.0.0.1", port or 0)) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(15) == b"HTTP/1.1 200 OK"
            assert running_page.terminate() == 0


def test_a_port_that_is_taken_and_a_host_that_is_not_ours_are_typed_errors() -> None:
    with Server("127.0.0.1", 0) as first, pytest.raises(AddressError, match=r"127.0.0.1:\d+: .*in use.*--port 0"):
        Server("127.0.0.1", first.port)
    for host in ("203.0.113.7", "no-such-host.invalid"):
        with pytest.raises(AddressError, match=re.escape(host)):
            Server(host, 0)


def test_a_short_token_and_a_missing_database_are_told_before_anything_listens(database_url: str) -> None:
    def ran(*options: str, url: str = database_url) -> tuple[int, str]:
        command = [sys.executable, "-m", "reelmill", "serve", "--port", "0", *options]
        environment = os.environ | {"REELMILL_DATABASE_URL": url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    code, said = ran("--token", "short")
    assert (code, "shorter than 16" in said) == (2, True)
    code, said = ran(url="postgresql://nobody@127.0.0.1:1/none")
    assert (code, "database_unavailable" in said) == (3, True)


def test_a_database_that_goes_away_is_told_and_comes_back(mill: Mill, database_url: str) -> None:
    mill.submit(JobSpec(media=("s3://b/a.png",), tasks=(Caption(),)), name="kept")
    database = Database(database_url, read_only_s=20)
    name = database.url.database
    with (
        running(database, NoPictures("")) as url,
        psycopg.connect(database_url, dbname="postgres", autocommit=True) as other,
    ):
        assert "kept" in get(url).body
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(str(name))))
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        wait_until(lambda: get(url, "/jobs").status == 503)
        assert "database_unavailable" in get(url, "/jobs").body
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(str(name))))
        wait_until(lambda: get(url, "/jobs").status == 200)
    database.close()


def test_a_summary_stands_once_on_its_videos_page_and_is_found_by_search(
    mill: Mill, database: Database, tmp_path: Path
) -> None:
    truth = write_truths(tmp_path)["vid_windows.mp4"]
    batch = mill.submit(spec(tmp_path / "vid_windows.mp4", truth))
    words = Generated("A long walk <b>uphill</b>.", "", "stop", 60, 7)
    found = replace(true_result(truth, windows=4), summaries=(SummaryResult(0, 4, 1, words),))
    job = mill.work(found)
    with running(database, NoPictures("none here")) as url:
        one, second_page = get(url, f"/jobs/{job}").body, get(url, f"/jobs/{job}?part=3").body
        card, search = get(url, f"/batches/{batch}").body, get(url, "/search?q=uphill&kind=summary").body
        others = get(url, "/search?q=uphill&kind=caption").body
    told = "A long walk &lt;b&gt;uphill&lt;/b&gt;."
    assert [page.count(told) for page in (one, second_page, card)] == [1, 1, 1]
    assert one.index(told) < one.index('id="part-0"'), "above the parts"
    assert f'href="/jobs/{job}"' in search
    assert "<mark>uphill</mark>" in search
    assert "<mark>" not in others
