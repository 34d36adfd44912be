"""`python -m benchmarks NAME [options] [--json]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.iterdir()
    if (path.suffix == ".py" or (path / "__init__.py").exists())
    and not path.stem.startswith("_")
    and path.stem not in {"mill", "instant"}
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    # Only the one that runs is imported: another one's torch would count in its memory.
    for name in NAMES:
        sub = names.add_parser(name, add_help=name in sys.argv[1:2])
        sub.add_argument("--json", action="store_true", help="one JSON object as the last line")
        if name in sys.argv[1:2]:
            module = importlib.import_module(f"benchmarks.{name}")
            sub.description = module.__doc__
            module.add_arguments(sub)
    arguments = parser.parse_args()
    result = module.run(arguments)
    if not arguments.json:
        sys.stdout.write(f"{arguments.name} on {platform.machine()}, {os.cpu_count()} cores\n")
    sys.stdout.write(json.dumps(result, indent=None if arguments.json else 2) + "\n")


if __name__ == "__main__":
    main()
