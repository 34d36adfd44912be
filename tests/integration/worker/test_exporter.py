"""Results of finished batches as files: one complete set, whoever dies when, and never half of one announced."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from reelmill import Batch, Caption, Client, ExportView, SpecError
from reelmill.embedded import ServiceUrls
from reelmill.export import json_line
from reelmill.ledger.database import Database
from reelmill.ledger.export_claims import MAX_TRIES
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.scans import cancel_scan
from reelmill.schema import CaptionResult
from reelmill.settings import Settings, load_settings
from tests.integration.ledger.helpers import LastingError, result, take, words
from tests.services import S3Server
from tests.webhooks import receiving
from tests.workers import REPOSITORY
from worker import exporter as exporting
from worker.exporter import Exporter
from worker.notifier import Notifier
from worker.storage.downloads import clear_leftovers
from worker.storage.folders import S3Folder

SPEC = {"media": "s3://b/a.png", "tasks": [Caption()]}
SMALL_FILE_BYTES = 3_500
"""Two jobs in each."""


@pytest.fixture
def prefix(s3_server: S3Server, set_environment: Callable[..., None]) -> str:
    """A prefix of this test alone, that workers may write to."""
    prefix = f"s3://{s3_server.bucket}/{uuid4().hex}/"
    set_environment(export_prefixes=json.dumps([prefix]))
    return prefix


@pytest.fixture
def client(mill: ServiceUrls, prefix: str) -> Iterator[Client]:
    with Client() as client:
        yield client


@pytest.fixture
def db(mill: ServiceUrls) -> Iterator[Database]:
    db = Database(mill.database_url)
    yield db
    db.close()


@pytest.fixture
def tick(db: Database) -> Callable[[], None]:
    """A round of an exporter of this process, as if the pauses between tries were over."""

    def round_of_it() -> None:
        execute(db, "UPDATE exports SET next_try_at = now() WHERE state = 'due'")
        Exporter(load_settings(), db, "exporter", file_bytes=SMALL_FILE_BYTES).tick()

    return round_of_it


def execute(db: Database, statement: str) -> Any:
    with db.transaction() as connection:
        found = connection.execute(text(statement))
        return found.mappings().all() if found.returns_rows else None


def work(db: Database, count: int) -> None:
    """The jobs that wait succeed."""
    for number in range(count):
        found = replace(result(), captions=(CaptionResult(0, 0, words(f"number {number}")),))
        assert succeed(db, take(db).lease, found)


def worked(client: Client, db: Database, count: int, **options: Any) -> Batch:
    batch = client.submit_many([SPEC] * count, **options)
    work(db, count)
    return batch


def only(batch: Batch) -> ExportView:
    (export,) = batch.exports()
    return export


def names(server: S3Server, location: str) -> list[str]:
    key = location.removeprefix(f"s3://{server.bucket}/")
    found = server.client.list_objects_v2(Bucket=server.bucket, Prefix=key).get("Contents", [])
    return [each["Key"].removeprefix(key) for each in found]


def read(server: S3Server, location: str, name: str) -> bytes:
    key = location.removeprefix(f"s3://{server.bucket}/") + name
    body: bytes = server.client.get_object(Bucket=server.bucket, Key=key)["Body"].read()
    return body


def announced(server: S3Server, location: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(read(server, location, "_SUCCESS"))
    return told


def parquet_rows(server: S3Server, location: str) -> list[dict[str, Any]]:
    """Of all files that the last object lists, in their order."""
    files = [each["name"] for each in announced(server, location)["files"]]
    return [row for name in files for row in pq.read_table(io.BytesIO(read(server, location, name))).to_pylist()]


def expected_rows(batch: Batch, path: Path) -> list[dict[str, Any]]:
    batch.to_parquet(path)
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_a_batch_leaves_one_set_of_files_once_its_last_job_has_ended(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str, tmp_path: Path
) -> None:
    batch = client.submit_many([SPEC] * 6, export_to=prefix)
    work(db, 4)
    tick()
    assert (only(batch).state, names(s3_server, prefix)) == ("waiting", [])
    assert fail(db, take(db).lease, LastingError("no"))
    work(db, 1)
    tick()
    done = only(batch)
    assert (done.state, done.location, done.error_code) == ("succeeded", f"{prefix}batch={batch.id}/", None)
    assert names(s3_server, done.location) == ["_SUCCESS", *(f"part-0000{n}.parquet" for n in range(3))]
    assert [file.jobs for file in done.files] == [2, 2, 1]
    assert parquet_rows(s3_server, done.location) == expected_rows(batch, tmp_path / "all.parquet")
    told = announced(s3_server, done.location)
    assert (told["batch"], told["jobs"], told["rows"]) == (str(batch.id), 5, done.rows)
    assert [len(read(s3_server, done.location, file.name)) for file in done.files] == [f.bytes for f in done.files]
    before = s3_server.client.list_objects_v2(Bucket=s3_server.bucket)["Contents"]
    tick()
    assert s3_server.client.list_objects_v2(Bucket=s3_server.bucket)["Contents"] == before


def test_lines_of_json_are_those_of_the_export_by_hand(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    batch = worked(client, db, 5)
    batch.export_to(prefix, "jsonl")
    tick()
    files = [each["name"] for each in announced(s3_server, only(batch).location)["files"]]
    assert files == ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    lines = b"".join(read(s3_server, only(batch).location, name) for name in files)
    assert lines.splitlines() == [json_line(found) for found in batch.results()]


def test_an_empty_batch_has_one_file_with_columns_and_no_rows(
    client: Client, tick: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    batch = client.submit_many([], export_to=prefix)
    tick()
    assert names(s3_server, only(batch).location) == ["_SUCCESS", "part-00000.parquet"]
    table = pq.read_table(io.BytesIO(read(s3_server, only(batch).location, "part-00000.parquet")))
    assert (table.num_rows, table.column_names[:2]) == (0, ["job_id", "kind"])


DYING = """
import os, signal, sys
from reelmill.ledger.database import Database
from reelmill.settings import load_settings
from worker import export_files
from worker.exporter import Exporter
from worker.storage.folders import S3Folder

put, name_of_death, when = S3Folder.put, sys.argv[2], sys.argv[3]

def deadly(self, name, content):
    if when == "after" or name != name_of_death:
        put(self, name, content)
    if name == name_of_death:
        os.kill(os.getpid(), signal.SIGKILL)

S3Folder.put = deadly
Exporter(load_settings(), Database(sys.argv[1]), "dying", file_bytes=int(sys.argv[4])).tick()
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["part-00000.parquet", "part-00001.parquet", "_SUCCESS"])
def test_a_worker_that_is_killed_announces_no_half_set_and_the_next_one_completes_it(
    name: str,
    when: str,
    client: Client,
    db: Database,
    mill: ServiceUrls,
    tick: Callable[[], None],
    s3_server: S3Server,
    prefix: str,
    set_environment: Callable[..., None],
    tmp_path: Path,
) -> None:
    undisturbed = worked(client, db, 6)
    undisturbed.export_to(prefix)
    tick()
    batch = worked(client, db, 6, export_to=prefix)
    with receiving() as receiver:
        notifier = Notifier(Settings(webhook_secret=SecretStr("s"), webhook_private_addresses=True), db)
        batch.notify(receiver.url)
        set_environment(lease_s="1")
        arguments = [mill.database_url, name, when, str(SMALL_FILE_BYTES)]
        died = subprocess.run([sys.executable, "-c", DYING, *arguments], cwd=REPOSITORY, timeout=60, check=False)
        assert died.returncode == -signal.SIGKILL
        location = only(batch).location
        assert ("_SUCCESS" in names(s3_server, location)) == (name == "_SUCCESS" and when == "after")
        assert only(batch).state == "running"
        notifier.tick()
        assert receiver.received == []
        execute(db, "UPDATE exports SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'")
        tick()
        execute(db, "UPDATE notifications SET next_try_at = now()")
        notifier.tick()
        (exported,) = json.loads(receiver.received[0][2])["data"]["exports"]
    assert (exported["location"], exported["state"], exported["files"]) == (location, "succeeded", 3)
    assert names(s3_server, location) == names(s3_server, only(undisturbed).location)
    assert parquet_rows(s3_server, location) == expected_rows(batch, tmp_path / "all.parquet")
    counts = [(file.name, file.jobs, file.rows) for file in only(batch).files]
    assert counts == [(file.name, file.jobs, file.rows) for file in only(undisturbed).files]


def test_who_lost_the_export_to_another_worker_writes_nothing_more(
    client: Client, db: Database, s3_server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    batch = worked(client, db, 6, export_to=prefix)
    put, slow_writes = S3Folder.put, []

    def overtaken(folder: S3Folder, name: str, content: Path) -> None:
        """The first file takes longer than the lease; another worker does all of it meanwhile."""
        monkeypatch.setattr(S3Folder, "put", put)
        # A lease of no length: one of a minute is not taken from anybody in the first minute of a Postgres.
        execute(db, "UPDATE exports SET lease_s = 0, lease_expires_at = now() - interval '1 s'")
        Exporter(load_settings(), db, "other", file_bytes=SMALL_FILE_BYTES).tick()
        assert only(batch).state == "succeeded"
        monkeypatch.setattr(S3Folder, "put", lambda *_: slow_writes.append(name))
        put(folder, name, content)

    monkeypatch.setattr(S3Folder, "put", overtaken)
    Exporter(load_settings(), db, "slow", file_bytes=SMALL_FILE_BYTES).tick()
    assert slow_writes == []
    assert (only(batch).state, len(only(batch).files)) == ("succeeded", 3)
    assert parquet_rows(s3_server, only(batch).location) == expected_rows(batch, tmp_path / "all.parquet")


def test_a_file_on_its_way_is_no_leftover_to_a_worker_that_starts_meanwhile(
    client: Client, db: Database, tick: Callable[[], None], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = worked(client, db, 2, export_to=prefix)
    put = S3Folder.put

    def beside(folder: S3Folder, name: str, content: Path) -> None:
        clear_leftovers(content.parent)
        put(folder, name, content)

    monkeypatch.setattr(S3Folder, "put", beside)
    tick()
    assert only(batch).state == "succeeded"


def test_a_lease_is_kept_while_a_file_takes_long(
    client: Client,
    db: Database,
    prefix: str,
    set_environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    set_environment(lease_s="0.6")
    batch = worked(client, db, 2, export_to=prefix)
    put, others = S3Folder.put, []

    def slow(folder: S3Folder, name: str, content: Path) -> None:
        time.sleep(1.5)
        others.append(Exporter(load_settings(), db, "other").tick())
        put(folder, name, content)

    monkeypatch.setattr(S3Folder, "put", slow)
    Exporter(load_settings(), db, "slow").tick()
    assert (only(batch).state, only(batch).tries, len(others)) == ("succeeded", 1, 2)


def test_a_worker_that_leaves_gives_the_export_back_with_the_files_that_are_written(
    client: Client, db: Database, tick: Callable[[], None], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = worked(client, db, 6, export_to=prefix)
    leaving = Exporter(load_settings(), db, "leaving", file_bytes=SMALL_FILE_BYTES)
    put, written = S3Folder.put, []

    def noted(folder: S3Folder, name: str, content: Path) -> None:
        put(folder, name, content)
        written.append(name)
        leaving.leave()

    monkeypatch.setattr(S3Folder, "put", noted)
    leaving.tick()
    assert (only(batch).state, len(only(batch).files), only(batch).tries) == ("due", 1, 0)
    tick()
    assert only(batch).state == "succeeded"
    assert written == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet", "_SUCCESS"]


def test_what_is_retried_after_the_first_file_is_not_in_the_set(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    batch = client.submit_many([SPEC] * 5, export_to=prefix)
    work(db, 4)
    assert fail(db, take(db).lease, LastingError("no"))
    leaving = Exporter(load_settings(), db, "leaving", file_bytes=SMALL_FILE_BYTES)
    with pytest.MonkeyPatch.context() as patch:
        put = S3Folder.put
        patch.setattr(S3Folder, "put", lambda *arguments: (put(*arguments), leaving.leave()))
        leaving.tick()
    assert batch.retry_failed() == 1
    work(db, 1)
    tick()
    assert (only(batch).state, announced(s3_server, only(batch).location)["jobs"]) == ("succeeded", 4)
    assert batch.status.succeeded == 5


def test_what_is_retried_before_the_first_file_is_waited_for(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    batch = client.submit_many([SPEC], export_to=prefix)
    assert fail(db, take(db).lease, LastingError("no"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "open_folder", raising(LastingPassingError("not yet")))
        tick()
    execute(db, "UPDATE exports SET as_of = NULL")
    assert only(batch).state == "due"
    batch.retry_failed()
    tick()
    assert (only(batch).state, names(s3_server, only(batch).location)) == ("due", [])
    work(db, 1)
    tick()
    assert announced(s3_server, only(batch).location)["jobs"] == 1


class LastingPassingError(LastingError):
    transient = True


def raising(error: Exception) -> Callable[..., Any]:
    def fails(*_: object) -> None:
        raise error

    return fails


def test_a_storage_that_is_away_is_tried_again_with_growing_pauses_and_given_up_in_the_end(
    client: Client, db: Database, tick: Callable[[], None], prefix: str, set_environment: Callable[..., None]
) -> None:
    batch = worked(client, db, 3, export_to=prefix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.storage.s3.TRIES_PER_REQUEST", 1)
        patch.setenv("REELMILL_S3_ENDPOINT_URL", "http://127.0.0.1:9")
        tick()
        failed = only(batch)
        assert (failed.state, failed.tries, failed.error_code) == ("due", 1, "storage_unavailable")
        assert "S3 cannot be reached" in str(failed.error_message)
        pauses = [(failed.next_try_at - failed.created_at).total_seconds()]
        tick()
        pauses.append((only(batch).next_try_at - failed.next_try_at).total_seconds())
        assert 25 < pauses[0] < 60
        assert 25 < pauses[1] < 60
        execute(db, f"UPDATE exports SET tries = {MAX_TRIES - 1}")
        tick()
    assert (only(batch).state, only(batch).tries) == ("failed", MAX_TRIES)
    batch.export_to(prefix)
    assert only(batch).state == "waiting"
    tick()
    assert (only(batch).state, only(batch).error_code) == ("succeeded", None)


def test_a_bucket_that_is_not_there_fails_at_once_and_goes_on_when_asked_again(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, set_environment: Callable[..., None]
) -> None:
    bucket = f"later-{uuid4().hex}"
    set_environment(export_prefixes=f'["s3://{bucket}/"]')
    batch = worked(client, db, 2, export_to=f"s3://{bucket}")
    tick()
    failed = only(batch)
    assert (failed.state, failed.error_code) == ("failed", "object_not_found")
    assert failed.error_message == f"{failed.location}part-00000.parquet: there is no such bucket"
    s3_server.client.create_bucket(Bucket=bucket)
    assert batch.export_to(f"s3://{bucket}/") == failed.id
    tick()
    assert only(batch).state == "succeeded"


def test_a_worker_whose_loss_is_an_exports_fault_does_not_go_on_for_ever(
    client: Client, db: Database, tick: Callable[[], None], prefix: str
) -> None:
    batch = worked(client, db, 1, export_to=prefix)
    execute(
        db,
        f"""
        UPDATE exports SET state = 'running', tries = {MAX_TRIES}, lease_token = gen_random_uuid(), lease_s = 0,
               lease_expires_at = now() - interval '1 s'
        """,
    )
    tick()
    assert (only(batch).state, only(batch).error_code) == ("failed", "export_stalled")


def test_only_prefixes_that_the_settings_name_are_written_to(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    beside = f"{prefix.rstrip('/')}-beside/"
    batch = worked(client, db, 1, export_to=beside)
    tick()
    assert (only(batch).state, names(s3_server, beside)) == ("due", [])
    below = worked(client, db, 1, export_to=f"{prefix}deeper")
    tick()
    assert (only(below).state, only(batch).state) == ("succeeded", "due")


def test_files_go_below_a_directory_and_never_out_of_it_by_a_link(
    client: Client, db: Database, tick: Callable[[], None], tmp_path: Path, set_environment: Callable[..., None]
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results" / "link").symlink_to(tmp_path / "elsewhere")
    set_environment(export_prefixes=json.dumps([(tmp_path / "results").as_uri()]))
    batch = worked(client, db, 3, export_to=(tmp_path / "results").as_uri())
    leaky = worked(client, db, 1, export_to=(tmp_path / "results" / "link").as_uri())
    tick()
    folder = tmp_path / "results" / f"batch={batch.id}"
    assert sorted(path.name for path in folder.iterdir()) == ["_SUCCESS", "part-00000.parquet", "part-00001.parquet"]
    assert pq.read_table(folder, filters=None).num_rows == only(batch).rows
    assert (only(leaky).state, only(leaky).error_code) == ("failed", "outside_export_prefixes")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_batch_that_is_forgotten_meanwhile_is_written_no_further_and_its_files_stay(
    client: Client, db: Database, s3_server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = worked(client, db, 6, export_to=prefix)
    location, put = only(batch).location, S3Folder.put

    def forgotten(folder: S3Folder, name: str, content: Path) -> None:
        put(folder, name, content)
        client.forget(batch=batch)

    monkeypatch.setattr(S3Folder, "put", forgotten)
    Exporter(load_settings(), db, "exporter", file_bytes=SMALL_FILE_BYTES).tick()
    assert names(s3_server, location) == ["part-00000.parquet"]
    assert execute(db, "SELECT 1 FROM exports") == []


def test_a_webhook_waits_for_the_files_but_no_longer_than_an_hour_for_who_never_comes(
    client: Client, db: Database, tick: Callable[[], None], prefix: str
) -> None:
    notifier = Notifier(Settings(webhook_secret=SecretStr("s"), webhook_private_addresses=True), db)
    with receiving() as receiver:
        written, never = worked(client, db, 1, export_to=prefix), worked(client, db, 1, export_to="s3://b/others/")
        for batch in (written, never):
            batch.notify(receiver.url)
        notifier.tick()
        assert receiver.received == []
        tick()
        notifier.tick()
        (told,) = [json.loads(body)["data"] for _, _, body in receiver.received]
        assert (told["batch"], told["exports"][0]["state"]) == (str(written.id), "succeeded")
        assert told["exports"][0]["location"] == f"{prefix}batch={written.id}/"
        execute(db, "UPDATE exports SET due_at = due_at - interval '61 minutes'")
        notifier.tick()
        told = json.loads(receiver.received[1][2])["data"]
        assert (told["batch"], told["exports"][0]["state"]) == (str(never.id), "due")


def test_each_run_of_a_schedule_has_a_folder_of_its_own(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str
) -> None:
    archive = {"prefix": "s3://archive/in/", "tasks": [Caption()]}
    schedule = client.add_schedule("nightly", "@daily", archive, export_to=prefix, export_format="jsonl")
    assert (schedule.info.export_to, schedule.info.export_format) == (prefix, "jsonl")
    runs = []
    for _ in range(2):
        runs.append(schedule.run_now())
        cancel_scan(db, runs[-1].id)
    tick()
    assert [only(run).location for run in runs] == [f"{prefix}batch={run.id}/" for run in runs]
    assert [names(s3_server, only(run).location) for run in runs] == [["_SUCCESS", "part-00000.jsonl"]] * 2
    client.add_schedule("nightly", "@daily", archive, replace=True)
    assert schedule.info.export_to is None


def test_archives_and_manifests_leave_their_results_too(
    client: Client, db: Database, tick: Callable[[], None], s3_server: S3Server, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "lines.jsonl").write_text('{"uri": "s3://b/m.png"}\n')
    manifest = client.submit_manifest(tmp_path / "lines.jsonl", tasks=[Caption()], export_to=prefix)
    archive = client.submit_prefix("s3://archive/in/", tasks=Caption(), export_to=prefix, export_format="jsonl")
    work(db, 1)
    tick()
    assert (only(manifest).state, only(archive).state) == ("succeeded", "waiting")
    cancel_scan(db, archive.id)
    tick()
    assert (only(archive).state, only(archive).format) == ("succeeded", "jsonl")


def test_the_same_place_twice_is_once_and_another_format_there_is_refused(client: Client, prefix: str) -> None:
    batch = client.submit_many([SPEC])
    assert batch.export_to(prefix) == batch.export_to(prefix.rstrip("/"))
    with pytest.raises(SpecError, match="in the other format already"):
        batch.export_to(prefix, "jsonl")
    for bad in ("ftp://x/", "s3:///x", "results/", "file:///a/../b", "s3://b/\0"):
        with pytest.raises(SpecError):
            batch.export_to(bad)
    with pytest.raises(SpecError, match="parquet"):
        batch.export_to(prefix, "csv")  # type: ignore[arg-type]
    assert len(batch.exports()) == 1


def test_nothing_is_exported_of_a_batch_that_was_not_accepted(client: Client, db: Database, prefix: str) -> None:
    with pytest.raises(SpecError):
        client.submit_many([SPEC, {"media": "s3://b/a.png"}], export_to=prefix)
    with pytest.raises(SpecError):
        client.submit_many([SPEC], export_to="results")
    assert execute(db, "SELECT 1 FROM exports") == execute(db, "SELECT 1 FROM batches") == []


def test_a_real_housekeeping_process_writes_them(
    client: Client, db: Database, s3_server: S3Server, prefix: str
) -> None:
    from tests.workers import wait_until

    batch = worked(client, db, 2, export_to=prefix)
    command = [sys.executable, "-m", "reelmill", "housekeep"]
    with subprocess.Popen(command, env=os.environ, cwd=REPOSITORY, stderr=subprocess.PIPE) as housekeeping:
        try:
            wait_until(lambda: only(batch).state == "succeeded", timeout_s=60)
        finally:
            housekeeping.terminate()
        assert housekeeping.wait(timeout=30) == 0
    assert names(s3_server, only(batch).location) == ["_SUCCESS", "part-00000.parquet"]
