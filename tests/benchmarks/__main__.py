"""`python -m tests.benchmarks [--scale F]`: ours beside a floor, in one run, as ratios.

Every case runs in fresh processes, ours, the floor and the peer in turn; the table shows the
median ratios of CPU seconds to the floor's and to the peer's, the median seconds (wall, indicative:
machines are noisy; CPU of all threads) and the peak memory of the largest process. A scale of 0.1
is 100 MB of a phone's export and 100 people's sensors, 1.0 a gigabyte and 1,000 people. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import cases


@dataclass(frozen=True)
class Took:
    """What one process took: seconds by the wall and of all its threads, and peak megabytes."""

    wall: float
    cpu: float
    peak: float


def measured(case: str, role: str, folder: Path, size: int) -> Took:
    """Run one case in a fresh process."""
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
    wall = time.perf_counter() - began
    return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--scale", type=float, default=0.1, help="1.0: the sizes of the goals")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="")
    given = options.parse_args()
    print(f"{'case':<34}{'rows':>12}{'to floor':>10}{'to peer':>10}  wall s, CPU s, peak MB")
    for name, case in cases.CASES.items():
        if given.only in name:
            _show(name, case, max(int(case.size * given.scale), 1000), given.rounds)


def _show(name: str, case: cases.Case, size: int, rounds: int) -> None:
    roles = ("ours", "floor", "peer") if case.peer else ("ours", "floor")
    with tempfile.TemporaryDirectory() as folder:
        case.prepare(Path(folder), size)
        runs = [
            {role: measured(name, role, Path(folder), size) for role in roles}
            for _ in range(rounds)
        ]
    ratios = "".join(f"{_ratio(runs, role):>10}" for role in ("floor", "peer"))
    took = "; ".join(f"{role} {_said([run[role] for run in runs])}" for role in roles)
    print(f"{name:<34}{size:>12,}{ratios}  {took}", flush=True)


def _ratio(runs: list[dict[str, Took]], to: str) -> str:
    if to not in runs[0]:
        return "-"
    return f"{statistics.median(run['ours'].cpu / run[to].cpu for run in runs):.1f}"


def _said(took: list[Took]) -> str:
    wall, cpu = (statistics.median(getattr(t, name) for t in took) for name in ("wall", "cpu"))
    return f"{wall:.2f} {cpu:.2f} {max(t.peak for t in took):.0f}"


if __name__ == "__main__":
    main()
