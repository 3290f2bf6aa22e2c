"""`python -m tests.benchmarks.worklist [--alerts N]`: the work-list of many open alerts.

A warehouse and a ledger are made by SQL, then the page is asked in this process: the list first,
again, the last page, filtered, and once more after an answer. Shown are the median seconds by the
wall and of the CPU, and the peak memory. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from tests.flows import scene as scenes
from tests.flows.scene import Scene
from tests.flows.worklist.visiting import Visit, enrol, visit
from transforms.alerting import Happening
from warehouse import alerts
from warehouse.ledger import Ledger
from warehouse.publish import begin_build, publish

NIGHT = date(2026, 3, 1)
AT = datetime(2026, 3, 1, 5, tzinfo=UTC)
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
PER_MAIL = 25


def number(n: int) -> str:
    """A work-list number."""
    return "".join(DIGITS[(n * 7919 >> 5 * place) % 32] for place in range(8))


def home(root: Path, count: int) -> Scene:
    """A home with so many open alerts, all told, two panels."""
    made = scenes.scene(root / "home")
    made.set('[alerts]\npanels_file = "panels.csv"\n[worklist]\nusers_file = "users.toml"\n')
    rows = (f"P{n:06},{('north', 'south')[n % 2]}\n" for n in range(count))
    (made.home.root / "panels.csv").write_text(f"patient_id,panel\n{''.join(rows)}")
    enrol(made, nurse=())
    build = root / "build.duckdb"
    begin_build(None, build)
    with duckdb.connect(str(build)) as con:
        con.execute("INSERT INTO store.tonight (as_of) VALUES (?)", [NIGHT])
        con.execute(
            "INSERT INTO store.episode (patient_id, rule, began_on, p) SELECT printf('P%06d', i), "
            "'climbing_unseen', DATE '2025-01-10', .3 + i % 70 / 100 FROM range(?) t(i)",
            [count],
        )
    publish(made.home.warehouse, build, "20260301")
    ledger = Ledger(made.home.ledger)
    with ledger.transaction():
        alerts.note(ledger, _events(count), NIGHT, AT)
        for mail in range(-(-count // PER_MAIL)):
            ledger.write(
                "INSERT INTO outbox (message_id, recipient, kind, night, message, state) "
                "VALUES (?, 'a@x.example', 'digest', ?, x'00', 'sent')",
                [f"<{mail}@x>", NIGHT.isoformat()],
            )
    ledger.close()
    return made


def _events(count: int) -> Iterable[Happening]:
    for n in range(count):
        opened = {"patient_id": f"P{n:06}", "rule": "climbing_unseen", "episode": "2025-01-10"}
        yield Happening(number(n), "opened", {**opened, "tier": "ABC"[n % 3]})
        told = {"recipient": "a@x.example", "message_id": f"<{n // PER_MAIL}@x>", "section": "new"}
        yield Happening(number(n), "told", told)


def took(page: Visit, path: str, rounds: int) -> str:
    """Median milliseconds of one address: by the wall, of the CPU."""
    wall, cpu = [], []
    for _ in range(rounds):
        began, spent = time.perf_counter(), time.process_time()
        assert page.look(path).status_code == 200, path
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - spent)
    return f"{1000 * statistics.median(wall):8.0f} {1000 * statistics.median(cpu):8.0f}"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--alerts", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=9)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = visit(home(Path(folder), given.alerts))
        assert page.sign_in().status_code == 303
        print(f"{given.alerts:,} open alerts{'':<20}wall ms   CPU ms")
        print(f"{'the list, first':<32}{took(page, '/', 1)}")
        print(f"{'the list, again':<32}{took(page, '/', given.rounds)}")
        print(f"{'its last page':<32}{took(page, '/?page=100000', given.rounds)}")
        print(f"{'by panel and tier':<32}{took(page, '/?panel=north&tier=A', given.rounds)}")
        print(f"{'only mine':<32}{took(page, '/?mine=1', given.rounds)}")
        assert page.answer(number(1), "acknowledge", note="").status_code == 303
        print(f"{'the list after an answer':<32}{took(page, '/', 1)}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of the process, the making of the home included: {peak:.0f} MB")


if __name__ == "__main__":
    main()
