"""`python -m tests.benchmarks [--scale F]`: ours beside a floor, in one run, as ratios.

Every case runs in a fresh process, ours and the floor in turn, three rounds; the table shows the
median ratio of wall times, the medians in seconds (indicative: machines are noisy) and the peak
memory of the largest process. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import cases


def measured(case: str, role: str, folder: Path, size: int) -> tuple[float, float]:
    """Run one case in a fresh process; seconds of the work itself and peak MB."""
    pid = os.fork()
    if pid == 0:
        os.execv(
            sys.executable,
            [sys.executable, "-m", "tests.benchmarks.cases", case, role, str(folder), str(size)],
        )
    began = time.perf_counter()
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{case} {role} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--scale", type=float, default=0.1, help="1.0: the sizes of the goals")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="")
    given = options.parse_args()
    titles = ("rows", "ratio", "ours s", "floor s", "ours MB", "floor MB")
    print(f"{'case':<34}{titles[0]:>12}" + "".join(f"{title:>10}" for title in titles[1:]))
    for name, case in cases.CASES.items():
        if given.only in name:
            _show(name, case, max(int(case.size * given.scale), 1000), given.rounds)


def _show(name: str, case: cases.Case, size: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        case.prepare(Path(folder), size)
        roles = ("ours", "floor")
        pairs = [
            [measured(name, role, Path(folder), size) for role in roles] for _ in range(rounds)
        ]
    ratio = statistics.median(ours[0] / floor[0] for ours, floor in pairs)
    seconds = [statistics.median(run[k][0] for run in pairs) for k in (0, 1)]
    memory = [max(run[k][1] for run in pairs) for k in (0, 1)]
    print(
        f"{name:<34}{size:>12,}{ratio:>10.1f}{seconds[0]:>10.2f}{seconds[1]:>10.2f}"
        f"{memory[0]:>10.0f}{memory[1]:>10.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
