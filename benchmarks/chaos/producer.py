"""Submits jobs all the time, and remembers which were accepted."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from benchmarks.chaos.pictures import Kind, Picture
from benchmarks.chaos.storage import BUCKET, Storage
from reelmill import Ask, Caption, Client, JobSpec
from reelmill.schema import ReelmillError

MOST_OPEN = 60
"""Jobs that are queued or running, where no pace is set."""
MOST_AT_ONCE = 8
MOST_BEHIND = 50
"""Jobs of one submit, where a pace is set."""
MOST_WANTED = 4
SCAN_OBJECTS = 12
SCAN_SHARE = 0.03
SLOW_SHARE = 0.04
RETRY_S = 0.3
TRIES = {Kind.NO_MEMORY: 3}
PATIENT = 30
"""Tries of all others: an outage of the bench's making should not fail them."""
QUESTIONS = ("What is it?", "Where is it?")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast jobs are submitted: `jobs` in all, evenly over `seconds`; without a number, as fast as they are done."""

    jobs: int | None
    seconds: float

    def due(self, accepted: int, elapsed_s: float) -> int:
        """How many jobs are to be submitted now, the bounded number of one submit."""
        if self.jobs is None:
            raise ValueError("no pace is set")
        return min(MOST_BEHIND, self.jobs - accepted, int(self.jobs * elapsed_s / self.seconds) - accepted)


@dataclass
class Register:
    """What was promised: pictures by number, and the ETag of each version of those in S3."""

    accepted: dict[int, Picture] = field(default_factory=dict)
    etags: dict[tuple[int, int], str] = field(default_factory=dict)
    replaced: set[int] = field(default_factory=set)
    refused: int = 0
    scans: int = 0


class Producer:
    """A thread with a client of its own, which goes through the proxies as the workers do."""

    def __init__(
        self, client: Client, database_url: str, storage: Storage, media: Path, rng: random.Random, pace: Pace
    ) -> None:
        self.register = Register()
        self._client, self._database_url, self._storage = client, database_url, storage
        self._media, self._rng, self._pace = media, rng, pace
        self._lock = threading.Lock()
        self._next = 0
        self._keys: dict[int, str] = {}
        self._wanted: list[Kind] = []
        self._started_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer")

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._thread.start()

    @property
    def behind(self) -> bool:
        """Whether jobs that were asked for are still to be submitted."""
        return self._pace.jobs is not None and len(self.register.accepted) < self._pace.jobs

    def stop(self) -> None:
        """After what is under way was accepted."""
        self._stopped.set()
        self._thread.join()

    def ask_for(self, kind: Kind, most: int = MOST_WANTED) -> bool:
        """One job of this kind soon; False where so many of them wait to be submitted already.

        On a slow machine faults would otherwise come faster than jobs, and there would be nothing else.
        """
        with self._lock:
            free = self._wanted.count(kind) < most
            if free:
                self._wanted.append(kind)
        return free

    def open_of(self, kind: Kind) -> int:
        """Jobs of this kind that are queued or running. Raises psycopg.Error."""
        statement = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND labels ->> 'kind' = %s"
        with psycopg.connect(self._database_url, connect_timeout=3) as connection:
            found = connection.execute(statement, (kind.name,)).fetchone()
        return int(found[0]) if found else 0

    def new_spec(self, kind: Kind = Kind.PLAIN) -> tuple[Picture, JobSpec]:
        """A picture in its place, and a job for it that nobody has submitted yet."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            in_s3 = self._rng.random() < 0.5
        picture = Picture(number, 0, kind)
        uri = self.put(f"jobs/{number}.png", picture) if in_s3 else self._write(picture)
        spec = JobSpec(
            media=(uri,),
            tasks=(Caption(), Ask(*QUESTIONS)),
            client_token=f"chaos-{number}",
            labels={"kind": kind.name},
            max_attempts=TRIES.get(kind, PATIENT),
        )
        return picture, spec

    def put(self, key: str, picture: Picture) -> str:
        """Store a picture in S3; returns its URI."""
        self._keys[picture.number] = key
        self.register.etags[picture.number, picture.version] = self._storage.put(key, picture.png())
        return f"s3://{BUCKET}/{key}"

    def replace(self, number: int) -> bool:
        """Put another version under the name of this job's object; False when it is not in S3, or was before."""
        with self._lock:
            key = self._keys.get(number)
            if key is None or number in self.register.replaced:
                return False
            self.register.replaced.add(number)
        self.put(key, replace(self.register.accepted[number], version=1))
        return True

    def accept(self, pictures: Sequence[Picture]) -> None:
        """These were promised."""
        self.register.accepted.update({picture.number: picture for picture in pictures})

    def submit(self, kinds: Sequence[Kind]) -> None:
        """Until they are accepted: the token makes it safe to try again after an unknown end."""
        self.resubmit([self.new_spec(kind) for kind in kinds])

    def resubmit(self, made: Sequence[tuple[Picture, JobSpec]]) -> None:
        """The same of specs that exist, and may have been accepted."""
        while True:
            try:
                if len(made) == 1:
                    spec = made[0][1]
                    self._client.submit(
                        spec.media[0],
                        tasks=spec.tasks,
                        client_token=spec.client_token,
                        max_attempts=spec.max_attempts,
                        labels=spec.labels,
                    )
                else:
                    self._client.submit_many(spec for _, spec in made)
            except ReelmillError:
                self.register.refused += 1
                time.sleep(RETRY_S)
            else:
                self.accept([picture for picture, _ in made])
                return

    def _run(self) -> None:
        while not self._stopped.is_set():
            count = self._next_count()
            if count <= 0:
                self._stopped.wait(RETRY_S)
            elif self._rng.random() < SCAN_SHARE:
                self.scan()
            else:
                self.submit(self._kinds(count))

    def _next_count(self) -> int:
        """How many jobs the next submit has, the asked for ones left out."""
        if self._pace.jobs is not None:
            return self._pace.due(len(self.register.accepted), time.monotonic() - self._started_at)
        return self._rng.randint(1, MOST_AT_ONCE) if self._open_jobs() < MOST_OPEN else 0

    def _kinds(self, count: int) -> list[Kind]:
        with self._lock:
            wanted, self._wanted = self._wanted, []
        return [*wanted, *(Kind.SLOW if self._rng.random() < SLOW_SHARE else Kind.PLAIN for _ in range(count))]

    def scan(self) -> list[int]:
        """Submit a prefix of new objects; returns their numbers.

        Submitted again after an unknown end, it finds nothing new: still a job for each.
        """
        with self._lock:
            self.register.scans += 1
            prefix = f"scans/{self.register.scans}"
            first, self._next = self._next, self._next + SCAN_OBJECTS
        pictures = [Picture(number) for number in range(first, first + SCAN_OBJECTS)]
        for picture in pictures:
            self.put(f"{prefix}/{picture.number}.png", picture)
        while True:
            try:
                tasks = (Caption(), Ask(*QUESTIONS))
                self._client.submit_prefix(f"s3://{BUCKET}/{prefix}/", tasks=tasks, max_attempts=PATIENT)
            except ReelmillError:
                self.register.refused += 1
                time.sleep(RETRY_S)
            else:
                self.accept(pictures)
                return [picture.number for picture in pictures]

    def _open_jobs(self) -> int:
        with suppress(psycopg.Error), psycopg.connect(self._database_url, connect_timeout=3) as connection:
            found = connection.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
            return int(found[0]) if found else 0
        return MOST_OPEN

    def _write(self, picture: Picture) -> str:
        path = self._media / f"{picture.number}.png"
        path.write_bytes(picture.png())
        return path.as_uri()
