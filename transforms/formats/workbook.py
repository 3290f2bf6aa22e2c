"""Workbooks to cells of text: .xlsx, .xls and .ods, known by their first bytes.

Measured reason for the trial in a process of its own: the parser makes room for the whole
rectangle that a sheet's cells span, and a file of five kilobytes that names its last cell, or a
damaged old one, asks for 500 GB; that ends the process at once, with nothing to catch.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import fastexcel
import polars as pl

from transforms.landing import UnreadableError

ZIPPED, OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
MAX_UNPACKED = 2_000_000_000
"""Bytes; a workbook is read whole into memory."""
MAX_MEMORY = 4_000_000_000
"""Bytes of address space in which a workbook must open."""
MAX_SECONDS = 600

_TRIAL = """
import sys
path, sheet, memory = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
except (ImportError, ValueError, OSError):
    pass
import fastexcel
with open(path, "rb") as stream:
    book = fastexcel.read_excel(stream.read())
place = sheet[1:] if sheet[0] == "=" else int(sheet)
book.load_sheet(place, header_row=None, skip_rows=0, dtypes="string")
"""


def is_workbook(path: Path) -> bool:
    """Whether the file begins as a workbook does."""
    with path.open("rb") as stream:
        return stream.read(4) in (ZIPPED, OLD)


def sheet(path: Path, wanted: str | int) -> pl.DataFrame:
    """A sheet's cells as text, columns ``c0`` ..., from its first row on; blank cells are null.

    Args:
        path: the workbook.
        wanted: the sheet's name, or its number from 1.

    Raises:
        UnreadableError: damaged, too large, without that sheet, or the sheet holds nothing.
    """
    content = path.read_bytes()
    _check_size(content)
    place = wanted if isinstance(wanted, str) else wanted - 1
    _try_apart(path, place)
    try:
        book = fastexcel.read_excel(content)
        cells = book.load_sheet(place, header_row=None, skip_rows=0, dtypes="string").to_polars()
    except fastexcel.SheetNotFoundError:
        raise UnreadableError("format_unknown", f"no sheet {wanted!r} in the workbook") from None
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001 the parser's panics are no Exception
        raise UnreadableError("format_unknown", f"workbook: {type(error).__name__}") from None
    if not cells.width:
        raise UnreadableError("file_empty", "the sheet holds nothing")
    cells.columns = [f"c{i}" for i in range(cells.width)]
    return cells.select(_text(name) for name in cells.columns)


def sheet_header(cells: pl.DataFrame, row: int) -> tuple[str, ...]:
    """The names in the sheet's row ``row``; a name broken over lines is one with blanks.

    Raises:
        UnreadableError: nothing stands there, or two columns have the same name.
    """
    if cells.height < row or not any(cells.row(row - 1)):
        raise UnreadableError("header_missing", f"no header in row {row}")
    names = tuple(" ".join((name or "").split()) for name in cells.row(row - 1))
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UnreadableError("header_duplicate", f"column {', '.join(twice)}")
    return names


def _check_size(content: bytes) -> None:
    if not content.startswith(ZIPPED):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise UnreadableError("format_unknown", "workbook: damaged or cut") from None
    if size > MAX_UNPACKED:
        raise UnreadableError("too_large", f"more than {MAX_UNPACKED} bytes unpacked")


def _try_apart(path: Path, place: str | int) -> None:
    """Open the sheet in another process first. What raises there raises here too, and is told;
    only a process that was ended is a reason not to try."""
    named = f"={place}" if isinstance(place, str) else str(place)
    command = [sys.executable, "-I", "-c", _TRIAL, str(path), named, str(MAX_MEMORY)]
    try:
        # our own interpreter and program; the file's name is one of its arguments
        ended = subprocess.run(command, capture_output=True, check=False, timeout=MAX_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise UnreadableError("too_large", f"does not open within {MAX_SECONDS} s") from None
    if ended.returncode not in (0, 1):
        raise UnreadableError("too_large", "its cells span more than fits into memory")


def _text(name: str) -> pl.Expr:
    """A cell's text; Excel keeps a day as its midnight and a time as one of its first days."""
    cell = (
        pl.col(name)
        .str.strip_chars()
        .str.replace(r"^(\d{4}-\d{2}-\d{2}) 00:00:00$", "${1}")
        .str.replace(r"^1899-12-3[01] (\d{2}:\d{2}:\d{2}(?:\.\d+)?)$", "${1}")
        .str.replace(r"^1899-12-3[01]$", "00:00:00")
    )
    return pl.when(cell != "").then(cell).alias(name)
