"""What must hold of every file, however broken: refused, or each row in its place.

The limits of time and memory end the process, so they are set in one that was started for it.
"""

from __future__ import annotations

import faulthandler
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from transforms.catalog.reasons import REASONS
from transforms.conform import Arrival, conform
from transforms.landing import PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers import Read

SECONDS = 20
MEMORY = 6_000_000_000
"""Address space. An idle process with all readers has one of 1 GB, most of it not resident."""
WRITTEN = 1_000_000_000
"""Bytes of one file."""


@dataclass(frozen=True)
class Case:
    """A file and its circumstances. ``wrap`` makes the file of its content: what is changed lies
    inside of a checksum or an archive, where plain changes would all end at the first check."""

    content: bytes
    name: str
    options: Mapping[str, object] = field(default_factory=dict)
    zone: str = "UTC"
    patient_id: str | None = "P1"
    wrap: Callable[[bytes], bytes] = bytes


def broken(name: str, read: Read, case: Case) -> str | None:
    """What does not hold of ``case``, in a sentence, or None."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        landed, scratch = home / "landed", home / "scratch"
        landed.write_bytes(case.wrap(case.content))
        scratch.mkdir()
        source = Source(name, name, case.zone, case.options)
        opened = Opened(landed, case.name, source, scratch, case.patient_id)
        with watched(scratch) as trespasses:
            told = _outcome(read, opened)
        if trespasses:
            return trespasses[0]
        left = sorted(path.name for path in home.iterdir())
        return told or (None if left == ["landed", "scratch"] else "wrote beside its scratch")


def _outcome(read: Read, opened: Opened) -> str | None:
    try:
        return misplaced(read(opened), opened.source)
    except UnreadableError as error:
        return None if error.reason in REASONS else f"refuses for a reason unknown: {error.reason}"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 a panic of Polars is no Exception
        return f"raises {_told(error)}"


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "transforms" in Path(frame.filename).parts]
    place = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else "?"
    return f"{type(error).__name__} in {place}: {str(error)[:200]}"


def misplaced(reading: Reading, source: Source) -> str | None:
    """What is wrong with the places of the rows of ``reading``, in a sentence, or None."""
    arrival = Arrival(
        source.name, 1, date(2026, 6, 1), source.time_zone, reading.time_formats, reading.decimal
    )
    landed = {name: _conformed(name, rows, arrival) for name, rows in reading.tables.items()}
    for table, rows in landed.items():
        if rows.select("line", "part").is_duplicated().any():
            return f"two rows of {table} have the same line and part"
    rejects = reading.rejects.cast(REJECTS).collect()  # type: ignore[arg-type]
    reasons = {reason and reason.split(":")[0] for reason in rejects["reason"].unique()}
    every = pl.concat(rows.select("line", "source_row") for rows in (*landed.values(), rejects))
    lines = every["line"].unique()
    wrong = {
        f"rejects for a reason unknown: {reasons - set(REASONS)}": reasons - set(REASONS),
        f"holds {len(lines)} lines and counts {reading.rows_in}": len(lines) != reading.rows_in,
        "has a row without a line": lines.has_nulls(),
        "has a row that can not be quoted": not _is_quotable(reading, every),
    }
    return next((sentence for sentence, is_so in wrong.items() if is_so), None)


def _conformed(table: str, rows: pl.LazyFrame, arrival: Arrival) -> pl.DataFrame:
    """Line, part and text of the rows, taken in batches as a night takes them."""
    batches = conform(table, rows, arrival).collect_batches(maintain_order=True)
    schema = pl.Schema(PLACE)
    return pl.concat([schema.to_frame(), *(batch.select(*PLACE).cast(schema) for batch in batches)])


def _is_quotable(reading: Reading, rows: pl.DataFrame) -> bool:
    """Each row has its own words, or is a line of the text from which the quarantine quotes, or
    stands under the number that was counted; and no line lies beyond (a header may come first)."""
    count = reading.rows_in
    if reading.lines is not None:
        count = pl.scan_lines(reading.lines, name="text").select(pl.len()).collect().item()
        if not rows["line"].is_between(1, max(count, reading.rows_in + 1)).all():
            return False
    wordless = rows.filter(pl.col("source_row").is_null())
    return bool(wordless["line"].is_between(1, count).all())


class _Watch:
    """What the process may write, while somebody looks. An audit hook stays for good."""

    folder: Path | None = None
    is_hooked = False
    trespasses: list[str] = []  # noqa: RUF012 the process has one


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """While it lasts, files that Python opens to write outside of ``folder``, processes it starts
    and addresses it asks for are noted."""
    if not _Watch.is_hooked:
        sys.addaudithook(_audit)
        _Watch.is_hooked = True
    _Watch.folder, _Watch.trespasses = folder, []
    try:
        yield _Watch.trespasses
    finally:
        _Watch.folder = None


FORBIDDEN = ("socket.", "os.system", "os.exec", "ctypes.dlopen", "ftplib")
TRIAL = [sys.executable, "-I"]
"""How a workbook is tried apart: our own interpreter, and nothing of the file in its program."""
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")


def _audit(event: str, of: tuple[object, ...]) -> None:
    folder = _Watch.folder
    if folder is None:
        return
    if event.startswith(FORBIDDEN):
        _Watch.trespasses.append(f"does {event}")
    if event == "subprocess.Popen" and list(of[1])[:2] != TRIAL:  # type: ignore[call-overload]
        _Watch.trespasses.append("starts a program")
    if event == "open" and _writes(of[1], of[2]) and not _is_within(of[0], folder):
        _Watch.trespasses.append("writes outside of its scratch")
    if event in CHANGES and not _is_within(of[0], folder):
        _Watch.trespasses.append(f"does {event} outside of its scratch")


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & 3)


def _is_within(path: object, folder: Path) -> bool:
    is_path = isinstance(path, str | bytes | Path)
    return is_path and Path(str(path)).resolve().is_relative_to(folder.resolve())


def bound_memory() -> None:
    """Let this process end rather than take more memory or disk than a file may."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, WRITTEN))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextmanager
def bound_time(processor: int = SECONDS, clock: int = 10 * SECONDS) -> Iterator[None]:
    """End the process, from whatever it does, if this takes longer: of the processor's time, since
    others share it; and of the clock's, for what only waits. Both in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + processor
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    faulthandler.dump_traceback_later(clock, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
