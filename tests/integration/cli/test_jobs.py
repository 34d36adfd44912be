from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pipelines.errors import NotMediaError, TruncatedMediaError
from reelmill.embedded import ServiceUrls
from tests.integration.cli.commands import reelmill, reelmill_process

WAITS = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'SELECT state FROM jobs%'
"""
ASK = ("--caption", "--ground", "the cat")


@pytest.mark.usefixtures("mill")
def test_a_batch_can_be_followed_from_submit_to_results_errors_and_cancel(work_next: Callable[..., None]) -> None:
    uris = ("s3://b/1.png", "s3://b/2.png", "s3://b/3.png", "s3://b/[red]4.png")
    submitted = reelmill_process("submit", *uris, *ASK, "--json")
    batch = submitted.json["batch"]
    assert (submitted.code, submitted.json["total"]) == (0, 4)

    work_next(caption="a [bold]cat[/bold] sits")
    work_next(error=TruncatedMediaError("ends too early", subject="s3://b/2.png"))
    work_next(error=NotMediaError("a text file"))

    status = reelmill("status", batch, "--json").json
    assert {key: status[key] for key in ("total", "queued", "succeeded", "failed", "done")} == {
        "total": 4,
        "queued": 1,
        "succeeded": 1,
        "failed": 2,
        "done": False,
    }

    (found,) = reelmill("results", batch, "--json").lines
    assert found["media"][0]["uri"] == "s3://b/1.png"
    assert found["captions"][0]["generated"]["text"] == "a [bold]cat[/bold] sits"
    assert found["groundings"][0]["boxes"][0]["x2_px"] == 192
    shown = reelmill("results", batch).out
    assert "a [bold]cat[/bold] sits" in shown
    assert "64,72 – 192,144 px" in shown

    errors = reelmill("errors", batch, "--json").lines
    assert [(error["media"], error["error_code"]) for error in errors] == [
        (["s3://b/2.png"], "media_truncated"),
        (["s3://b/3.png"], "media_not_recognised"),
    ]
    shown = reelmill("errors", batch).out
    assert "media_truncated  1 job" in shown
    assert shown.count("s3://b/2.png") == 1
    assert "s3://b/3.png: a text file" in shown
    assert "Upload the whole object again" in shown

    assert reelmill("cancel", batch, "--json").json["cancelled"] == 1
    assert f"batch {batch}" in reelmill("status", batch).out
    assert [line["batch"] for line in reelmill("status", "--json").lines] == [batch]


def test_options_become_the_jobs_settings(mill: ServiceUrls) -> None:
    submitted = reelmill(
        *("submit", "s3://b/1.mp4", "--ask", "one?", "--ask", "two?", "--bound", 1, 2.5, "--window", 0.5),
        *("--num-segments", 3, "--max-tiles", 4, "--max-new-tokens", 9, "--priority", 7, "--label", "a=b=c", "--json"),
    )

    with psycopg.connect(mill.database_url) as connection:
        row = connection.execute("SELECT id::text, tasks, sampling, generation, priority, labels FROM jobs").fetchone()
    assert row is not None
    identity, tasks, sampling, generation, priority, labels = row
    assert submitted.json == {"job": identity}
    assert tasks[0]["questions"] == ["one?", "two?"]
    assert [sampling[name] for name in ("bound", "window_s", "num_segments", "max_tiles")] == [[1, 2.5], 0.5, 3, 4]
    assert (generation["max_new_tokens"], priority, labels) == (9, 7, {"a": "b=c"})


def test_a_summary_is_asked_for_beside_captions_of_windows_or_scenes_and_nothing_else(mill: ServiceUrls) -> None:
    for cut in (("--window", 30), ("--scenes",)):
        reelmill("submit", "s3://b/1.mp4", "--caption", "--summary", *cut, "--json")
    with psycopg.connect(mill.database_url) as connection:
        (windows, in_windows), (scenes, in_scenes) = connection.execute(
            "SELECT tasks, sampling FROM jobs ORDER BY id"
        ).fetchall()
    assert windows == scenes == [{"kind": "caption", "prompt": None, "summary": True}]
    assert (in_windows["window_s"], in_windows.get("scenes")) == (30, None), "older workers can read it"
    assert (in_scenes["window_s"], in_scenes["scenes"]) == (None, True)

    for options, said in (
        (("--caption", "--summary"), "window_s"),
        (("--ask", "What?", "--summary", "--window", 1), "--caption"),
        (("--caption", "--scenes", "--window", 1), "not both"),
    ):
        refused = reelmill("submit", "s3://b/1.mp4", *options, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (2, "spec_invalid")
        assert said in json.dumps(refused.json["error"])


def test_one_job_takes_all_uris_in_order(mill: ServiceUrls) -> None:
    job = reelmill("submit", "s3://b/2", "s3://b/1", "--caption", "--one-job", "--json").json["job"]

    assert reelmill("status", job, "--json").json["media"] == ["s3://b/2", "s3://b/1"]


def test_waiting_for_a_job_that_was_cancelled_ends_with_1(mill: ServiceUrls) -> None:
    with psycopg.connect(mill.database_url, autocommit=True) as connection:
        connection.execute(
            """
            CREATE FUNCTION call_off() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.state := 'cancelled'; NEW.finished_at := now(); RETURN NEW; END $$
            """
        )
        connection.execute("CREATE TRIGGER off BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION call_off()")

    waited = reelmill("submit", "s3://b/1", "--caption", "--wait", "--json")

    assert (waited.code, waited.json["state"]) == (1, "cancelled")


def test_ctrl_c_while_waiting_says_which_job_goes_on(mill: ServiceUrls) -> None:
    # Where the tests run in the background the signal is ignored, and children inherit that.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "reelmill", "submit", "s3://b/1", "--caption"]
    waiting = subprocess.Popen([*command, "--wait", "--json"], stdout=subprocess.PIPE, text=True)
    with psycopg.connect(mill.database_url, autocommit=True) as connection:
        while not (row := connection.execute("SELECT id::text FROM jobs").fetchone()):
            time.sleep(0.05)
        # It asks for the state only once it waits, where Ctrl-C is expected.
        while not connection.execute(WAITS).fetchone():
            time.sleep(0.05)
    waiting.send_signal(signal.SIGINT)
    out, _ = waiting.communicate(timeout=30)

    assert waiting.returncode == 130
    error = json.loads(out)["error"]
    assert (error["code"], error["subject"]) == ("interrupted", row[0])


@pytest.mark.usefixtures("mill")
@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("submit", "https://b/1.png", "--caption"), "uri_scheme_unknown", 2),
        (("submit", "no-such-file.png", "--caption"), "spec_invalid", 2),
        (("submit", "s3://b/1.png"), "spec_invalid", 2),
        (("submit", "s3://b/1.png", "--caption", "--label", "alone"), "spec_invalid", 2),
        (("submit", "s3://b/1.png", "--caption", "--model", "unheard-of"), "model_unknown", 2),
        (("status", "not-an-id"), "spec_invalid", 2),
        (("status", uuid.UUID(int=7)), "not_found", 1),
        (("submit", "--no-such-option"), "usage", 2),
        (("frobnicate",), "usage", 2),
    ],
)
def test_errors_are_json_with_a_code_and_a_next_step(arguments: tuple[str, ...], code: str, exit_code: int) -> None:
    ran = reelmill(*arguments, "--json")

    assert (ran.code, ran.error["code"]) == (exit_code, code)
    assert set(ran.error) == {"code", "message", "subject", "next_step"}
    assert ran.error["next_step"]
    assert ran.err == ""


@pytest.mark.usefixtures("mill")
def test_people_get_the_message_and_the_next_step_without_a_traceback() -> None:
    ran = reelmill_process("submit", "https://b/1.png", "--caption")

    assert (ran.code, ran.out) == (2, "")
    assert "https://b/1.png: the scheme 'https' cannot be read" in ran.err
    assert "Use s3://bucket/key" in ran.err
    assert "Traceback" not in ran.err


def test_questions_can_ask_for_a_schema_and_for_choices(tmp_path: Path) -> None:
    file = tmp_path / "sign.json"
    file.write_text('{"type": "object", "properties": {"text": {"type": "string"}}}')
    asked = ("--ask-json", "What does it say?", str(file), "--ask-choice", "Is it wet?", "yes,no")
    (shown,) = reelmill("submit", "s3://b/1.png", *asked, "--dry-run", "--json").json["specs"]
    assert [task.get("json_schema", {}).get("type") for task in shown["tasks"]] == ["object", None]
    assert [task.get("choices") for task in shown["tasks"]] == [None, ["yes", "no"]]
    refused = reelmill("submit", "s3://b/1.png", "--ask-json", "?", str(tmp_path / "absent.json"), "--dry-run")
    assert refused.code == 2
    assert "absent.json" in refused.err
