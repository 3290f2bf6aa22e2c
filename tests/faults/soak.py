"""Publish again and again under continuous readers, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from warehouse import publish
from warehouse.reading import connect

FIRST = date(2026, 1, 1)


@dataclass
class Soak:
    """What readers saw, and how long each swap and each whole publish took, in seconds."""

    reads: int = 0
    nights: int = 0
    errors: list[str] = field(default_factory=list)
    back: int = 0
    torn: int = 0
    held: int = 0
    swaps: list[float] = field(default_factory=list)
    publishes: list[float] = field(default_factory=list)


def soak(folder: Path, publishes: int, readers: int) -> Soak:
    """Publish ``publishes`` nights beside ``readers`` readers.

    Every fourth connection of a reader stays open over later publishes, so that old versions are
    held all the time. A night's number stands in two tables: a reader who sees two is torn.
    """
    _publish(folder, 0)
    stop = folder / "stop"
    command = [sys.executable, "-m", "tests.faults.soak", str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(readers)]
    for process in running:  # each has read once
        assert process.stdout
        process.stdout.readline()
    seen = Soak()
    for number in range(1, publishes + 1):
        whole, swap = _publish(folder, number)
        seen.publishes.append(whole)
        seen.swaps.append(swap)
    stop.touch()
    for process in running:
        out, _ = process.communicate(timeout=120)
        told = json.loads(out.splitlines()[-1])
        seen.reads += told["reads"]
        seen.nights = max(seen.nights, told["nights"])
        seen.errors += told["errors"]
        seen.back += told["back"]
        seen.torn += told["torn"]
        seen.held += told["held"]
    return seen


def _publish(folder: Path, number: int) -> tuple[float, float]:
    build = folder / ".build.duckdb"
    publish.begin_build(publish.current(folder), build)
    with duckdb.connect(str(build)) as con:
        con.execute("CREATE SCHEMA IF NOT EXISTS soak")
        con.execute("CREATE TABLE IF NOT EXISTS soak.night (as_of DATE, number INTEGER)")
        con.execute("CREATE TABLE IF NOT EXISTS soak.status (number INTEGER, i INTEGER)")
        con.execute("DELETE FROM soak.night")
        night = [FIRST + timedelta(days=number), number]
        con.execute("INSERT INTO soak.night VALUES (?, ?)", night)
        con.execute("DELETE FROM soak.status")
        con.execute("INSERT INTO soak.status SELECT ?, i FROM range(20000) r(i)", [number])
    times: list[float] = []
    swap = publish.swap

    def timed(folder: Path, target: Path) -> None:
        began = time.perf_counter()
        swap(folder, target)
        times.append(time.perf_counter() - began)

    publish.swap = timed
    try:
        began = time.perf_counter()
        publish.publish(folder, build, f"{number:04}")
        times.append(time.perf_counter() - began)
    finally:
        publish.swap = swap
    publish.prune(folder, 3)
    return times[1], times[0]


def read(folder: Path) -> dict[str, object]:
    """Read until told to stop; what was seen."""
    seen = Soak()
    last, nights, held = FIRST, set[date](), []
    while not (folder / "stop").exists() or not seen.reads:
        try:
            con = connect(folder / publish.LINK)
            night, number = con.execute("SELECT as_of, number FROM soak.night").fetchall()[0]
            found = con.execute("SELECT DISTINCT number FROM soak.status").fetchall()
            if seen.reads % 4 == 0:
                held.append((con, night))
                seen.held += 1
                seen.torn += sum(
                    old.execute("SELECT as_of FROM soak.night").fetchall() != [(then,)]
                    for old, then in held
                )
            else:
                con.close()
            if len(held) > 5:
                held.pop(0)[0].close()
        except duckdb.Error as error:
            seen.errors.append(type(error).__name__)
            continue
        seen.reads += 1
        seen.torn += found != [(number,)]
        seen.back += night < last
        last = max(night, last)
        nights.add(night)
        if seen.reads == 1:
            print("reading", flush=True)  # noqa: T201 told to the one who started it
    return {
        "reads": seen.reads, "nights": len(nights), "errors": seen.errors, "back": seen.back,
        "torn": seen.torn, "held": seen.held,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(read(Path(sys.argv[1]))))  # noqa: T201
