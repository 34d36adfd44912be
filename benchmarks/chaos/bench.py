"""One run: services, workers and a producer, faults on top, and the account at the end."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from redis import RedisError

from benchmarks.chaos.accounting import Account, account_for
from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.faults import ALL
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.producer import Pace, Producer
from benchmarks.chaos.proxy import proxy_to
from benchmarks.chaos.reaper import KEEP
from benchmarks.chaos.servers import Servers, own_servers
from benchmarks.chaos.storage import CREDENTIALS, own_storage
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import Fault, Journal, SkippedError, World
from benchmarks.mill import environment
from reelmill import Client
from reelmill.errors import SpecError
from reelmill.ledger.migrate import upgrade
from reelmill.schema import ReelmillError

LEASE_S = 3.0
DISK_MB = 1
READY_S = 300.0
SETTLE_S = 300.0
"""Jobs that wait for their next try wait up to minutes, when everything works again."""
LATE_SHARE = 0.3
"""A producer that is behind its number of jobs gets so much more time."""
KILLS_ANY_WORKER = "job_kills_worker"
PAUSE_S = 8.0
"""Between the faults of a family, on average."""
WORKER = {
    "concurrency": "4",
    "decode_processes": "1",
    "decode_timeout_s": "5",
    "decode_memory_mb": "1024",
    "lease_s": str(LEASE_S),
    "heartbeat_s": "0.5",
    "housekeeping_s": "0.5",
    "slot_s": "5",
    "drain_s": "1",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a run.

    Attributes:
        jobs: submit so many, evenly over the time; None: as many as are done.
        faults: by name; all of them when empty.
        spared: so many of the workers are ended by no fault, and watched: do they grow?
        pause_s: between the faults of a family, on average.
    """

    seed: int
    seconds: float
    jobs: int | None
    workers: int
    faults: tuple[str, ...] = ()
    spared: int = 0
    pause_s: float = PAUSE_S

    def chosen(self) -> tuple[Fault, ...]:
        """Raises SpecError: there is no such fault."""
        known = {fault.name: fault for fault in ALL}
        for name in self.faults:
            if name not in known:
                raise SpecError("there is no such fault", subject=name, next_step="See --list")
        chosen = tuple(known[name] for name in self.faults or known)
        # It kills whoever takes it, spared or not.
        return tuple(fault for fault in chosen if not (self.spared and fault.name == KILLS_ANY_WORKER))


def run_plan(plan: Plan, *, keep: bool = False) -> Account:
    """Run it, and return the account."""
    faults, journal = plan.chosen(), Journal()
    journal.say(f"seed {plan.seed}, {plan.seconds:g} s, {plan.workers} workers, {len(faults)} kinds of faults")
    with _root(journal, keep=keep) as root, own_servers(root) as servers, ExitStack() as stack:
        world = _built(plan, root, servers, stack)
        world.fleet.wait_ready(READY_S)
        journal.say("the workers are ready")
        started, watch = time.monotonic(), Watch(world.fleet, servers) if plan.spared else None
        world.producer.start()
        if watch is not None:
            watch.start()
        _storm(plan, world, faults, journal)
        watched = watch.stop() if watch is not None else {}
        world.producer.stop()
        journal.say(f"no more faults; {len(world.producer.register.accepted)} jobs were accepted")
        _settle(world, journal)
        world.fleet.close()
        account = account_for(plan.seed, servers.database_url, world.producer.register)
        account.faults, account.endings = journal.counts, world.fleet.endings
        account.refused, account.seconds = world.producer.register.refused, time.monotonic() - started
        account.watched = watched
        if len(faults) == 1:
            _look(faults[0], account, journal, world.fleet.logs())
        for problem in account.problems:
            journal.say(problem)
    return account


def _look(fault: Fault, account: Account, journal: Journal, logs: tuple[str, ...]) -> None:
    """Whether what is expected of a fault happened: alone, all that is in the ledger is its doing."""
    times, details = journal.counts[fault.name], tuple(journal.details.get(fault.name, ()))
    sight = Sight()
    sight.insist(times > 0, "it is injected")
    fault.look(Evidence(tuple(account.found), times, details, account.endings, account.refused, logs), sight)
    account.seen, account.missing = sight.words, sight.missing
    account.problems += [f"expected, and not seen: {words}" for words in sight.missing]


@contextmanager
def _root(journal: Journal, *, keep: bool) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="reelmill-chaos-"))
    if keep:
        (root / KEEP).touch()
        journal.say(f"logs and media are in {root}")
    yield root


def _built(plan: Plan, root: Path, servers: Servers, stack: ExitStack) -> World:
    for name in ("media", "logs", "downloads", "home"):
        (root / name).mkdir()
    upgrade(servers.database_url)
    database_proxy = stack.enter_context(proxy_to(servers.postgres_port))
    producer_proxy = stack.enter_context(proxy_to(servers.postgres_port))
    redis_proxy = stack.enter_context(proxy_to(servers.redis_port))
    storage = stack.enter_context(own_storage(plan.seed))
    variables = {
        "home": str(root / "home"),
        "database_url": servers.postgres.url(database_proxy.port),
        "redis_url": servers.redis.url(redis_proxy.port),
        "s3_endpoint_url": storage.endpoint_url,
        "file_roots": f'["{root / "media"}"]',
        "download_dir": str(root / "downloads"),
        **WORKER,
    }
    disk = root / "downloads" if _mounted(root / "downloads") else None
    stack.enter_context(environment({f"REELMILL_{name.upper()}": value for name, value in variables.items()}))
    stack.enter_context(environment({**CREDENTIALS, "OMP_NUM_THREADS": "1"}))
    client = stack.enter_context(Client(servers.postgres.url(producer_proxy.port)))
    rng = random.Random(f"{plan.seed}/producer")
    producer = Producer(client, servers.database_url, storage, root / "media", rng, Pace(plan.jobs, plan.seconds))
    fleet = Fleet(plan.workers, root / "logs", os.environ, plan.spared)
    stack.callback(fleet.close)
    return World(
        root,
        servers,
        database_proxy,
        producer_proxy,
        redis_proxy,
        storage,
        fleet,
        producer,
        client,
        dict(os.environ),
        disk,
        LEASE_S,
    )


def _mounted(directory: Path) -> bool:
    """A small file system of its own, where this process may mount one."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        return False
    command = [mount, "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(directory)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _storm(plan: Plan, world: World, faults: tuple[Fault, ...], journal: Journal) -> None:
    """Each family in a thread of its own, until the time is over."""
    families: dict[str, list[Fault]] = {}
    for fault in faults:
        families.setdefault(fault.family, []).append(fault)
    lanes = [
        threading.Thread(target=_lane, args=(random.Random(f"{plan.seed}/{name}"), plan.pause_s, world, lane, journal))
        for name, lane in families.items()
    ]
    for lane in lanes:
        lane.start()
    time.sleep(plan.seconds)
    gives_up_at = time.monotonic() + plan.seconds * LATE_SHARE
    while world.producer.behind and time.monotonic() < gives_up_at:
        time.sleep(1.0)
    world.over.set()
    for lane in lanes:
        lane.join()


def _lane(rng: random.Random, pause_s: float, world: World, faults: list[Fault], journal: Journal) -> None:
    world.wait(rng.uniform(0, pause_s))
    while not world.over.is_set():
        fault = rng.choice(faults)
        try:
            journal.note(fault.name, fault.inject(world, rng))
        except SkippedError as error:
            journal.say(f"{fault.name} left out: {error}")
        except (ReelmillError, psycopg.Error, RedisError, OSError) as error:
            # The database that it needs may be down, by another fault.
            journal.say(f"{fault.name} came to nothing: {type(error).__name__}")
        world.wait(rng.expovariate(1 / pause_s))


def _settle(world: World, journal: Journal) -> None:
    """Until nothing is queued or running, and no scan either; or nothing has ended for SETTLE_S."""
    ends_at, fewest = time.monotonic() + SETTLE_S, None
    statement = """
        SELECT (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')),
               (SELECT count(*) FROM scans WHERE state IN ('queued', 'running'))
    """
    while time.monotonic() < ends_at:
        with psycopg.connect(world.servers.database_url) as connection:
            found = connection.execute(statement).fetchone()
        if found == (0, 0):
            return
        if found is not None and (fewest is None or found < fewest):
            ends_at, fewest = time.monotonic() + SETTLE_S, found
        time.sleep(0.3)
    journal.say(f"after {SETTLE_S:g} s there are still jobs and scans: {found}")
