"""Read: landed files to staged rows, each file on its own so that a bad one harms no other."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
from polars.exceptions import PanicException

from flows.home import Home
from flows.opening import open_landed
from flows.settings import Settings
from transforms.approvals import Approval
from transforms.conform import Arrival, conform
from transforms.landing import REJECTS, Reading, Source, UnreadableError
from transforms.readers import reader
from warehouse.account import unaccounted
from warehouse.landed import DamagedError, verified
from warehouse.store import forget, receive, reject

Progress = Callable[[str, int, int], None]
File = Mapping[str, str | int | None]
SMALL_ROWS = 10_000
OF_THE_MACHINE = frozenset(
    os.strerror(number)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE)
)
"""What a disk says. Polars passes the words on and not the number."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What reading did: files, staged rows, rejected rows; and where files' lines can be quoted."""

    files: int
    staged: int
    rejected: int
    lines: Mapping[int, Path]


def read_files(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    files: Sequence[File],
    scratch: Path,
    progress: Progress,
    approvals: Sequence[Approval] = (),
) -> Intake:
    """Stage every file; what cannot be read goes among the rejected, with its reason."""
    staged = rejected = 0
    lines: dict[int, Path] = {}
    for done, file in enumerate(files):
        progress("read", done, len(files))
        counts = _read(con, home, settings, file, scratch, lines, approvals)
        staged, rejected = staged + counts[0], rejected + counts[1]
    for file_id in unaccounted(con):
        forget(con, file_id)
        rejected += _reject_file(con, file_id, UnreadableError("rows_unaccounted"))
    progress("read", len(files), len(files))
    return Intake(len(files), staged, rejected, lines)


def quote(con: duckdb.DuckDBPyConnection, lines: Mapping[int, Path]) -> None:
    """Give rejected rows their source text, from the lines of their file."""
    wanted = con.execute(
        "SELECT DISTINCT file_id FROM staging.rejected "
        "WHERE source_row IS NULL AND line IS NOT NULL"
    ).fetchall()
    for (file_id,) in wanted:
        if file_id in lines:
            _quote(con, file_id, lines[file_id])


def _quote(con: duckdb.DuckDBPyConnection, file_id: int, path: Path) -> None:
    numbers = con.execute(
        "SELECT DISTINCT line FROM staging.rejected WHERE file_id = ? AND source_row IS NULL",
        [file_id],
    ).pl()
    text = pl.scan_lines(path, name="text", row_index_name="line", row_index_offset=1)
    rows = (
        text.with_columns(pl.col("line").cast(pl.Int64))
        .join(numbers.lazy(), on="line", how="semi")
        .collect(engine="streaming")
    )
    con.register("batch", rows.to_arrow())
    con.execute(
        "UPDATE staging.rejected SET source_row = batch.text FROM batch "
        "WHERE rejected.file_id = ? AND rejected.line = batch.line AND source_row IS NULL",
        [file_id],
    )
    con.unregister("batch")


def _read(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    file: File,
    scratch: Path,
    lines: dict[int, Path],
    approvals: Sequence[Approval],
) -> tuple[int, int]:
    """Stage one file; return staged and rejected rows."""
    file_id, folder = int(str(file["file_id"])), scratch / str(file["file_id"])
    folder.mkdir()
    source = settings.source(str(file["source"]))
    _note(con, file, source)
    try:
        reading = reading_of(home, settings, file, source, folder)
        return _stage(con, reading, arrival_of(file, source, reading, approvals), lines)
    except UnreadableError as error:
        problem = error
    except DamagedError:
        problem = UnreadableError("damaged")
    except PanicException as error:  # derives from BaseException: not caught below
        problem = UnreadableError("reader_failed", type(error).__name__)
    except Exception as error:  # a file must not end the night; only its class is told
        if _is_of_machine(error):
            raise
        problem = UnreadableError("reader_failed", type(error).__name__)
    forget(con, file_id)
    lines.pop(file_id, None)
    return 0, _reject_file(con, file_id, problem)


def _is_of_machine(error: Exception) -> bool:
    """A full or failing disk is no fault of the file, which would else wait for no reason."""
    told = str(error)
    return isinstance(error, duckdb.IOException | OSError) and any(
        words in told for words in OF_THE_MACHINE
    )


def _note(con: duckdb.DuckDBPyConnection, file: File, source: Source | None) -> None:
    known_at = f"{file['known_on']} 00:00:00"
    con.execute(
        "INSERT INTO staging.file VALUES (?, ?, ?, ?, ?, ?, NULL, 0)",
        [file["file_id"], file["source"], file["name"], file["sha256"], known_at]
        + [source.reader if source else None],
    )


def reading_of(
    home: Home, settings: Settings, file: File, source: Source | None, folder: Path
) -> Reading:
    """What the source's reader makes of a landed file (a row of the ledger).

    Raises:
        UnreadableError: no such source, or the file as a whole cannot be read.
        DamagedError: not the bytes that landed.
    """
    if source is None:
        raise UnreadableError("source_unknown")
    limits = (settings.limits.unpacked_bytes, settings.limits.unpack_ratio)
    path = verified(home.landed, str(file["sha256"]))
    patient = str(file["patient_id"]) if file["patient_id"] else None
    opened = open_landed(path, str(file["name"]), patient, source, folder, limits)
    return reader(source.reader)(opened)


def arrival_of(
    file: File, source: Source | None, reading: Reading, approvals: Sequence[Approval]
) -> Arrival:
    """How a landed file is to be understood, with the approvals that concern it."""
    known_on = date.fromisoformat(str(file["known_on"]))
    facts = (str(file["source"]), str(file["sha256"]), known_on)
    return Arrival(
        source=str(file["source"]),
        file_id=int(str(file["file_id"])),
        known_on=known_on,
        time_zone=source.time_zone if source else "UTC",
        time_formats=reading.time_formats,
        decimal=reading.decimal,
        codes=source.codes if source else {},
        approvals=tuple(given for given in approvals if given.concerns(*facts)),
    )


def _stage(
    con: duckdb.DuckDBPyConnection, reading: Reading, arrival: Arrival, lines: dict[int, Path]
) -> tuple[int, int]:
    con.execute(
        "UPDATE staging.file SET rows_in = ?, notes = ? WHERE file_id = ?",
        [reading.rows_in, "; ".join(reading.notes) or None, arrival.file_id],
    )
    if reading.lines:
        lines[arrival.file_id] = reading.lines
    is_small = reading.rows_in < SMALL_ROWS
    staged = sum(
        receive(con, table, conform(table, rows, arrival), is_small=is_small)
        for table, rows in reading.tables.items()
    )
    return staged, reject(con, arrival.file_id, reading.rejects)


def _reject_file(con: duckdb.DuckDBPyConnection, file_id: int, problem: UnreadableError) -> int:
    """A file that cannot be split into rows is one row that waits."""
    reason = f"{problem.reason}:{problem.detail}" if problem.detail else problem.reason
    told = pl.LazyFrame(
        {"line": [1], "reason": [reason], "source_row": [json.dumps({"file": "as landed"})]},
        schema=REJECTS,
    )
    con.execute("UPDATE staging.file SET rows_in = 1 WHERE file_id = ?", [file_id])
    return reject(con, file_id, told)
