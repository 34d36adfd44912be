"""After the storm: what was promised against what stands in the ledger."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from benchmarks.chaos.evidence import JobFound, Tried
from benchmarks.chaos.pictures import Kind, Picture
from benchmarks.chaos.producer import QUESTIONS, Register
from benchmarks.chaos.worker import said

ENDED = ("succeeded", "failed", "cancelled")
SHOWN = 10
"""Problems that are told of each kind."""
EXPECTED_CODES = {
    Kind.KILLS: {"worker_lost"},
    Kind.NO_MEMORY: {"internal_error"},
    Kind.CRASHES_DECODER: {"decoder_crashed"},
    Kind.HANGS_DECODER: {"decode_timeout"},
    # Whichever limit it meets first: on a busy machine that of time.
    Kind.BLOATS_DECODER: {"media_too_large", "decode_timeout"},
}

_JOBS = """
    SELECT j.id, j.state, j.error_code, j.error_message, j.crashes, j.attempt, m.uri, m.etag,
           (SELECT count(*) FROM segments s WHERE s.job_id = j.id) AS segments,
           ARRAY(SELECT text FROM captions c WHERE c.job_id = j.id) AS captions,
           ARRAY(SELECT text FROM answers a WHERE a.job_id = j.id ORDER BY ordinal) AS answers,
           ARRAY(SELECT outcome FROM attempts t WHERE t.job_id = j.id) AS outcomes,
           (SELECT json_agg(json_build_array(worker_id, outcome, error_code) ORDER BY attempt)
            FROM attempts t WHERE t.job_id = j.id) AS tried
    FROM jobs j JOIN media m ON m.job_id = j.id
"""


@dataclass
class Account:
    """What was found. `problems` says the breaches in words.

    Attributes:
        lost: accepted, and without an end.
        duplicated: more than one job, or other than one set of rows and one success of it.
        misattributed: answers of another picture, or of another version of it.
        unleased: running when no worker is alive any more.
        stray: results without success, jobs that nobody submitted, attempts that outlive their job.
        innocent: failed although nothing was wrong with the job itself.
        found: the jobs, for the checks of single faults.
        seen: what was seen of the fault, and `missing` what was not, where one was injected alone.
    """

    seed: int
    jobs: int = 0
    states: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    duplicated: int = 0
    misattributed: int = 0
    unleased: int = 0
    stray: int = 0
    innocent: int = 0
    worked_twice: int = 0
    refused: int = 0
    seconds: float = 0.0
    endings: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    found: list[JobFound] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    watched: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every invariant does."""
        broken = self.lost or self.duplicated or self.misattributed or self.unleased or self.stray
        return not (broken or self.missing)

    def document(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "jobs": self.jobs,
            **{state: self.states[state] for state in ENDED},
            "faults": dict(sorted(self.faults.items())),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "misattributed": self.misattributed,
            "unleased": self.unleased,
            "stray": self.stray,
            "innocent_failed": self.innocent,
            "codes": dict(sorted(self.codes.items())),
            "attempts": dict(sorted(Counter(tried.outcome for job in self.found for tried in job.attempts).items())),
            "worked_twice": self.worked_twice,
            "submits_refused": self.refused,
            "worker_endings": self.endings,
            "seconds": round(self.seconds, 1),
            **({"seen": self.seen, "missing": self.missing} if self.seen or self.missing else {}),
            **({"watched": self.watched} if self.watched else {}),
        }

    def json(self) -> str:
        return json.dumps(self.document())

    def complain(self, about: str, words: str) -> None:
        """Count a breach, and tell the first ones."""
        count = getattr(self, about) + 1
        setattr(self, about, count)
        if count <= SHOWN:
            self.problems.append(f"{about}: {words}")


def account_for(seed: int, database_url: str, register: Register) -> Account:
    """Compare the register with the ledger, when nothing moves any more."""
    account = Account(seed, jobs=len(register.accepted))
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        rows = connection.execute(_JOBS).fetchall()
    by_number: dict[int, list[DictRow]] = {}
    for row in rows:
        by_number.setdefault(int(PurePosixPath(row["uri"]).stem), []).append(row)
    for number, picture in register.accepted.items():
        found = by_number.pop(number, [])
        if not found:
            account.complain("lost", f"picture {number} was accepted and has no job")
        if len(found) > 1:
            account.complain("duplicated", f"picture {number} has {len(found)} jobs")
        for row in found[:1]:
            _one_job(account, row, picture, register)
    for number in by_number:
        account.complain("stray", f"picture {number} has a job and was never accepted")
    return account


def _one_job(account: Account, row: DictRow, picture: Picture, register: Register) -> None:
    name = f"job {row['id']} of picture {picture.number} ({picture.kind.name})"
    account.states[row["state"]] += 1
    account.worked_twice += row["attempt"] > 1
    account.found.append(_job_found(row, picture, register))
    if row["state"] not in ENDED:
        account.complain("lost", f"{name} is still {row['state']}")
    if row["state"] == "running":
        account.complain("unleased", f"{name} runs, and no worker does")
    if row["state"] == "failed":
        _failed(account, row, picture, name)
    if row["state"] == "succeeded":
        _succeeded(account, row, picture, register, name)
    elif row["segments"] or row["captions"] or row["answers"]:
        account.complain("stray", f"{name} {row['state']} and has results")
    if row["state"] in ENDED and "running" in row["outcomes"]:
        account.complain("stray", f"{name} has ended, an attempt of it has not")


def _job_found(row: DictRow, picture: Picture, register: Register) -> JobFound:
    return JobFound(
        picture=picture,
        state=row["state"],
        error_code=row["error_code"],
        crashes=row["crashes"],
        attempts=tuple(Tried(*each) for each in row["tried"] or ()),
        version_read=_version_read(row, picture, register),
    )


def _failed(account: Account, row: DictRow, picture: Picture, name: str) -> None:
    account.codes[row["error_code"]] += 1
    expected = EXPECTED_CODES.get(picture.kind, {"object_changed"})
    if row["error_code"] not in expected:
        account.innocent += 1
        if account.innocent <= SHOWN:
            account.problems.append(f"failed: {name}: {row['error_code']}: {row['error_message']}")


def _succeeded(account: Account, row: DictRow, picture: Picture, register: Register, name: str) -> None:
    counts = (row["segments"], len(row["captions"]), len(row["answers"]), row["outcomes"].count("succeeded"))
    if counts != (1, 1, len(QUESTIONS), 1):
        account.complain("duplicated", f"{name} has (segments, captions, answers, successes) {counts}")
        return
    version = _version_read(row, picture, register)
    expected = Picture(picture.number, version, picture.kind)
    texts = [*row["captions"], *row["answers"]]
    named = all(text.startswith(said(expected, "")) for text in texts)
    asked = all(question in text for question, text in zip(QUESTIONS, row["answers"], strict=True))
    if not (named and asked):
        account.complain("misattributed", f"{name} of version {version} was answered {texts}")


def _version_read(row: DictRow, picture: Picture, register: Register) -> int:
    """Which version of the object the ledger says was read."""
    return int(row["etag"] == register.etags.get((picture.number, 1)))
