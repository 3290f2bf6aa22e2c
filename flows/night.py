"""The night: named steps over plain functions, walked here or as Prefect tasks.

``STEPS`` is the one list. Each step takes the :class:`Night`, does its part and returns counts;
everything that passes between steps is in the night's staging tables, the ledger, or the build.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from flows import heartbeat
from flows.home import Home, locked, make, working_space
from flows.settings import Settings
from flows.version import version as version_of
from transforms.approvals import Approval
from warehouse import heartbeats
from warehouse.ledger import Ledger

Clock = Callable[[], datetime]
Progress = Callable[[str, int, int], None]
Counts = dict[str, int]


class PastNightError(RuntimeError):
    """The date lies before the last completed night."""


class NightFailedError(RuntimeError):
    """A step failed; the message names it and what to do, never a value."""


@dataclass
class Night:
    """One execution of a night and what its steps share."""

    home: Home
    settings: Settings
    ledger: Ledger
    as_of: date
    clock: Clock
    scratch: Path
    progress: Progress
    run_id: str
    code_version: str
    started_at: datetime
    con: duckdb.DuckDBPyConnection | None = None
    counts: dict[str, Counts] = field(default_factory=dict)
    lines: Mapping[int, Path] = field(default_factory=dict)
    verdicts: list[tuple[object, ...]] = field(default_factory=list)
    digest: str = ""
    published: Path | None = None
    build_folder: Path | None = None
    rebuild: bool = False
    approvals: tuple[Approval, ...] = ()
    remarks: list[str] = field(default_factory=list)
    record: Path | None = None

    @property
    def db(self) -> duckdb.DuckDBPyConnection:
        """The build's connection; steps before ``read`` have none."""
        if self.con is None:
            raise NightFailedError("the warehouse is not open")
        return self.con

    @property
    def build(self) -> Path:
        """The file under construction: beside the published ones, so that a rename is atomic."""
        return (self.build_folder or self.own_folder) / ".build.duckdb"

    @property
    def own_folder(self) -> Path:
        """Where the care team's file is published: analysts do not look into ``care/``."""
        is_apart = self.settings.privacy.pseudonym_key_file is not None
        return self.home.care if is_apart else self.home.warehouse

    def close(self) -> None:
        """Close the build's connection if it is open."""
        if self.con is not None:
            self.con.close()
            self.con = None


@dataclass(frozen=True, slots=True)
class Step:
    """A named step. ``retries`` is above zero only for steps that do nothing but input and
    output."""

    name: str
    run: Callable[[Night], Counts]
    retries: int = 0


def business_date(now: datetime, zone: str) -> date:
    """The local calendar day of the site."""
    return now.astimezone(ZoneInfo(zone)).date()


@contextmanager
def opened(
    home: Home, settings: Settings, clock: Clock, progress: Progress, as_of: date | None = None
) -> Iterator[Night]:
    """A night under the home's lock, noted in the ledger, its working space wiped afterwards.

    Raises:
        LockedError: another run holds the lock.
        PastNightError: ``as_of`` lies before the last completed night.
    """
    make(home)
    if settings.privacy.pseudonym_key_file:
        home.care.mkdir(mode=0o700, exist_ok=True)
        home.care.chmod(0o700)
    with locked(home), working_space(home) as scratch:
        ledger = Ledger(home.ledger)
        try:
            yield _begun(home, settings, ledger, clock, progress, as_of, scratch)
        finally:
            ledger.close()


def _begun(
    home: Home,
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    progress: Progress,
    as_of: date | None,
    scratch: Path,
) -> Night:
    now = clock().astimezone(UTC)
    night = as_of or business_date(now, settings.site.time_zone)
    last = ledger.last_night()
    if last and night < last:
        raise PastNightError(
            f"the night of {last} is done; {night} lies before it. `undertow replay {night}` "
            "shows a past night again"
        )
    run_id = f"{night.isoformat()}-{uuid.uuid4().hex[:8]}"
    approvals = ledger.approvals(night)
    version = str(version_of(settings, approvals))
    ledger.begin(run_id, night, now, version)
    return Night(
        home, settings, ledger, night, clock, scratch, progress, run_id, version, now,
        approvals=approvals,
    )  # fmt: skip


def walk(night: Night, steps: tuple[Step, ...]) -> dict[str, Counts]:
    """Run the steps in this process, in order."""
    with finished(night):
        for step in steps:
            perform(night, step)
    return night.counts


def perform(night: Night, step: Step) -> Counts:
    """Run one step and note its counts and seconds in the ledger."""
    began = night.clock()
    night.progress(step.name, 0, 0)
    counts = step.run(night)
    night.counts[step.name] = counts
    seconds = (night.clock() - began).total_seconds()
    night.ledger.note_step(night.run_id, step.name, seconds, counts)
    return counts


@contextmanager
def finished(night: Night) -> Iterator[None]:
    """Close the run in the ledger, however it ends."""
    try:
        yield
    except BaseException as error:
        night.close()
        night.ledger.finish(night.run_id, night.clock(), "failed", problem=type(error).__name__)
        raise
    night.close()
    _end(night)


def _end(night: Night) -> None:
    """The night is whole: its end and its heartbeat are one."""
    published = night.published.name if night.published else ""
    now = night.clock()
    with night.ledger.transaction():
        night.ledger.finish(night.run_id, now, "done", digest=night.digest, warehouse=published)
        counts = heartbeat.counted(night.counts)
        beat = heartbeats.note(night.ledger, night.as_of.isoformat(), night.run_id, now, counts)
    heartbeat.write(night.home.heartbeat, beat)
