"""Kill, cut, fill and freeze everything around real workers, and then count: nothing lost, doubled or misattributed.

Postgres, Redis, an S3 server and worker processes of its own. Every picture carries its number in black and white
squares, and the bench's model reads it back from the tiles that it is given: an answer that does not name the picture
whose row it stands in is misattributed. Seeded: each family of faults draws kinds and pauses from its own generator;
when exactly a fault meets which job is up to the machine.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0, help="How long faults are injected")
    parser.add_argument("--jobs", type=int, default=None, help="Submit so many, evenly over the time")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--spare", type=int, default=0, help="Workers that no fault ends; they are watched for growth")
    parser.add_argument("--pause-s", type=float, default=None, help="Between the faults of a family, on average")
    parser.add_argument("--fault", action="append", default=[], help="Only this one, again and again; see --list")
    parser.add_argument("--list", action="store_true", help="Name the faults, and do nothing")
    parser.add_argument("--keep", action="store_true", help="Leave logs and media where they are, and say where")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    # The decoder processes import this package too, before they may start a thread.
    from benchmarks.chaos.bench import PAUSE_S, Plan, run_plan
    from benchmarks.chaos.table import print_table

    if arguments.list:
        return {"faults": print_table()}
    # A single fault comes twice as often.
    pause_s = arguments.pause_s or (PAUSE_S / 2 if len(arguments.fault) == 1 else PAUSE_S)
    plan = Plan(
        arguments.seed,
        arguments.minutes * 60,
        arguments.jobs,
        arguments.workers,
        tuple(arguments.fault),
        arguments.spare,
        pause_s,
    )
    account = run_plan(plan, keep=arguments.keep)
    if not account.holds:
        sys.stdout.write(account.json() + "\n")
        raise SystemExit(1)
    return account.document()
