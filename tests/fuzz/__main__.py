"""``python -m tests.fuzz [reader ...] [--seconds N] [--seed S] [--plain] [--folder F]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.guided import why_not
from tests.fuzz.running import ENDLESS, Plan, run
from transforms.readers import reader_names


def main() -> int:
    """Fuzz the readers named, or all of them, one after the other; 1 if anything was found."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz")
    asked.add_argument("readers", nargs="*", metavar="reader", help="all of them by default")
    asked.add_argument("--seconds", type=float, default=60, help="for each reader")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--plain", action="store_true", help="without guidance by coverage")
    asked.add_argument("--folder", type=Path, help="for what is found")
    given = asked.parse_args()
    unknown = set(given.readers) - set(reader_names())
    if unknown:
        asked.error(f"no reader is named {', '.join(sorted(unknown))}")
    if not given.plain and why_not():
        sys.stdout.write(f"Plain changes only: {why_not()}.\n")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    is_guided = not given.plain and not why_not()
    names = tuple(given.readers) or reader_names()
    found = run(Plan(names, given.seed, given.seconds, ENDLESS, folder, is_guided))
    for each in found:
        sys.stdout.write(
            f"{each.reader}: {each.told}\n  {folder / each.file} (seed {each.of_seed})\n"
        )
    sys.stdout.write(f"{len(found)} found in {len(names)} readers; see {folder}.\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
