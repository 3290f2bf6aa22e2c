"""The night: named steps over plain functions, walked here or as Prefect tasks.

``STEPS`` is the one list. Each step takes the :class:`Night`, does its part and returns counts;
everything that passes between steps is in the night's staging tables, the ledger, or the build.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib import metadata, resources
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from flows.home import Home, locked, make, working_space
from flows.settings import Settings
from transforms.approvals import Approval
from transforms.approvals import mark as approved
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
        return (self.build_folder or self.home.warehouse) / ".build.duckdb"

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


def code_version(settings: Settings, approvals: Sequence[Approval] = ()) -> str:
    """The package's version, a hash of its sources and engines, one of the sources' settings and
    one of the units approved: what decides a night beside its files, its date and the trend
    models in force."""
    digest = hashlib.sha256(f"{duckdb.__version__} {pl.__version__}".encode())
    for package in ("expectations", "flows", "transforms", "warehouse"):
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".sql"):
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    read_by = {name: part.model_dump() for name, part in sorted(settings.sources.items())}
    mapping = json.dumps([settings.site.time_zone, read_by], sort_keys=True, default=str)
    mark = hashlib.sha256(mapping.encode()).hexdigest()[:6]
    version = f"{metadata.version('undertow')}+{digest.hexdigest()[:10]}.{mark}"
    return ".".join(filter(None, [version, approved(approvals)]))


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
    version = code_version(settings, approvals)
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
    published = night.published.name if night.published else ""
    night.ledger.finish(
        night.run_id, night.clock(), "done", digest=night.digest, warehouse=published
    )
