"""Many sources in one home of a few nights, each looked at as if it were alone there.

A night costs seconds whatever came on it; a test that asks only what became of its own files
need not have the night for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from flows.home import Home
from tests.flows.once import alone
from tests.flows.scene import NIGHT, Scene, scene

Files = Mapping[str, str | bytes]
"""``source/name`` in the inbox -> content."""

DAYS = tuple(NIGHT + timedelta(days=night) for night in range(3))

OWN = ("observation", "observation_history", "sample", "quarantine", "source_file")
"""What says of each row which source sent it."""
OF_PATIENTS = ("patient_status", "fasting_pair", "wearable_day")
PATIENTS = " UNION ".join(
    f"SELECT patient_id FROM store.{table} WHERE source IN {{sources}}"
    for table in ("patient", "observation", "sample", "condition")
)


class Sender:
    """What sources of one test send, night after night, and how they are set."""

    def __init__(self, *nights: Files, settings: str = "") -> None:
        self.nights = nights
        self.settings = settings
        self.sources = frozenset(name.split("/")[0] for files in nights for name in files)


def listed(names: Iterable[str]) -> str:
    """Names as SQL lists them."""
    return "(" + ", ".join(f"'{name}'" for name in sorted(names)) + ")"


def source(name: str, reader: str, more: str = "") -> str:
    """Settings of a source."""
    return f'[sources.{name}]\nreader = "{reader}"\n{more}'


def sends(name: str, reader: str, *nights: Files) -> Sender:
    """A source of that name alone; its files are named without it."""
    named = ({f"{name}/{file}": content for file, content in night.items()} for night in nights)
    return Sender(*named, settings=source(name, reader))


@dataclass(frozen=True)
class Alone(Scene):
    """A home of which only what some sources sent is seen, and the patients they know."""

    sources: frozenset[str]

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the published warehouse about these sources."""
        names = listed(self.sources)
        known = f"patient_id IN ({PATIENTS.format(sources=names)})"
        wanted = dict.fromkeys(OWN, f"source IN {names}") | dict.fromkeys(OF_PATIENTS, known)
        link = str(self.home.warehouse / "undertow.duckdb")
        with duckdb.connect(link, read_only=True) as con:
            ((file,),) = con.execute("SELECT current_catalog()").fetchall()
            for table, which in wanted.items():
                con.execute(f'CREATE TEMP VIEW {table} AS FROM "{file}".main.{table} WHERE {which}')
            return con.execute(query, list(parameters)).fetchall()


@dataclass(frozen=True)
class Nights:
    """A home as each of its nights left it."""

    homes: tuple[Scene, ...]

    def after(self, sender: Sender, night: int = 1) -> Alone:
        """What had become of a sender's files after its first night, or a later one."""
        return Alone(self.homes[night - 1].home, sender.sources)

    def replay(self, night: int) -> bool:
        """Whether that night, replayed after all of them, gives its digest again: asked once, since
        a home that another worker replays is busy."""
        last = self.homes[-1]
        kept = last.home.root.with_name(f"replayed-{night}")
        with alone(last.home.root):
            if not kept.exists():
                kept.write_text(str(last.run("replay", str(DAYS[night - 1])).code))
        return kept.read_text() == "0"


def run_nights(root: Path, senders: Iterable[Sender]) -> None:
    """Make the homes: everything that is sent on a night comes on that night."""
    senders = list(senders)
    home = scene(root / "home")
    home.set("".join(sender.settings for sender in senders))
    for at, day in enumerate(DAYS):
        for sender in senders:
            for name, content in dict(enumerate(sender.nights)).get(at, {}).items():
                home.drop(name, content)
        home.night(day)
        home.copied(root / f"after-{day}")
    assert shared(home, senders) == [], "each sender has sources and patients of its own"


def shared(home: Scene, senders: list[Sender]) -> list[str]:
    """Sources and patients of which more than one sender tells."""
    sources = [name for sender in senders for name in sender.sources]
    people = [
        patient
        for sender in senders
        if sender.sources
        for (patient,) in home.rows(PATIENTS.format(sources=listed(sender.sources)))
    ]
    return [name for name, n in Counter(sources + people).items() if n > 1]


def nights(root: Path) -> Nights:
    """The homes that were made there."""
    return Nights(tuple(Scene(Home(root / f"after-{day}")) for day in DAYS))
