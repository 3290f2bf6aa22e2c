"""xpt: SAS transport files, version 5 or 8, as NHANES publishes them (SAS technical note TS-140).

The observations are decoded to a CSV in the scratch folder, and the mapping of the source's
settings is applied to that as to any other table (docs/table.md): observation n is line n + 1.
A numeric missing value is empty, a special one its letter (".A"), both missing to the mapping.
Dates and times that the variable's format marks as such become ISO 8601.

For NHANES a mapping is built in, of the columns named in :data:`NHANES`. Its files do not say when
the blood was drawn: until the settings state a constant ``observed_at``, their rows wait.

Measured reason for own decoding: zero is all bits zero in IBM's floating point, and decoders that
only move its exponent make 5.397605e-79 of it.
"""

from __future__ import annotations

import codecs
import mmap
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.formats import table_mapping
from transforms.formats.table_mapping import MISSING, TableMapping
from transforms.landing import REJECTS, Opened, Reading, UnreadableError
from transforms.readers import table

__all__ = ["mapping", "read"]

Bytes = NDArray[np.uint8]

LIBRARY = (b"HEADER RECORD*******LIBRARY ", b"HEADER RECORD*******LIBV8   ")
CARD = 80
"""Bytes; everything in the file begins at a multiple of it, except the observations."""
NUMERIC, NAMESTR = 1, (140, 136)
BATCH = 1 << 24
MAX_WIDTH = 1 << 24
EPOCH = np.datetime64("1960-01-01T00:00:00", "us")
LETTERS = "._ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPECIAL = tuple(f".{letter}" for letter in LETTERS[1:])

DATES = ("DATE", "MMDDYY", "DDMMYY", "YYMMDD", "E8601DA", "B8601DA", "IS8601DA", "WEEKDATE")
DATETIMES = ("DATETIME", "DATEAMPM", "E8601DT", "B8601DT", "IS8601DT")
TIMES = ("TIME", "HHMM", "TIMEAMPM", "E8601TM", "B8601TM")
"""SAS formats of days, and of seconds, since 1960, and of seconds since midnight."""

SEQN = "SEQN"
NHANES: dict[str, Any] = {
    "shape": "wide",
    "patient_id": SEQN,
    "fasting": "PHAFSTHR",
    "analytes": {
        # LBDINLC is 1 where the value is a fill for "below the limit of detection"
        "LBXIN": {
            "code": "20448-7",
            "unit": "uIU/mL",
            "below_limit": {"column": "LBDINLC", "equals": ["1"]},
        },
        "LBXGLU": {"code": "2345-7", "unit": "mg/dL"},
        "LBXGH": {"code": "4548-4", "unit": "%"},
        "LBDHDD": {"code": "2085-9", "unit": "mg/dL"},
        "LBXTC": {"code": "2093-3", "unit": "mg/dL"},
        "LBXTR": {"code": "2571-8", "unit": "mg/dL"},
        "LBDLDL": {"code": "13457-7", "unit": "mg/dL"},
        "BMXWT": {"code": "29463-7", "unit": "kg"},
        "BMXHT": {"code": "8302-2", "unit": "cm"},
        "BMXBMI": {"code": "39156-5", "unit": "kg/m2"},
        "BMXWAIST": {"code": "8280-0", "unit": "cm"},
    },
    "patient": {"age_years": "RIDAGEYR", "sex": "RIAGENDR", "sex_values": {"1": "M", "2": "F"}},
    "flags": {"RIDEXPRG": {"equals": ["1"], "condition": {"code": "Z33.1", "name": "pregnant"}}},
    "constants": {},
}
"""NHANES variables since 1999 -> our codes: units of the published codebooks. Codes that claim
nothing of fasting: ``PHAFSTHR``, the hours, says it where a file has it. The minutes beside it
(``PHAFSTMN``) only add to whole hours and are left out."""

OF_THE_FILE = ("delimiter", "header_row", "names", "sheet", "unterminated_last_row")
"""Settings of a mapping that a transport file itself answers."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its name, whether it is a number, its place and bytes in an observation, and
    the name of its format."""

    name: str
    is_number: bool
    start: int
    width: int
    format: str


@dataclass(frozen=True, slots=True)
class Member:
    """The one data set of a file: variables, bytes of an observation, where they begin and how
    many there are, and bytes of one more that was cut off."""

    variables: tuple[Variable, ...]
    width: int
    start: int
    count: int
    cut: int


def read(opened: Opened) -> Reading:
    """Read one data set.

    Args:
        opened: the file; its source's options are a mapping as the ``table`` reader's, or the
            parts of it that are to be added to :data:`NHANES`.

    Raises:
        UnreadableError: not a transport file, damaged, or of several data sets.
        ValueError: the mapping is wrong.
    """
    member = _member(opened.path)
    options = _options(opened.source.options, [one.name for one in member.variables])
    encoding = codecs.lookup(str(options.get("encoding", "utf-8"))).name
    clean = opened.scratch / "observations.csv"
    undecodable = _write_csv(opened.path, member, encoding, clean)
    mapped = {key: value for key, value in options.items() if key not in OF_THE_FILE}
    mapped["encoding"] = "utf-8"  # of the text just written
    if lacking := _lacking(mapped):
        return _with_cut(_waiting(clean, member, lacking), member)
    source = replace(opened.source, options=mapped)
    rows = table.read(replace(opened, path=clean, source=source))
    return _with_cut(_without(rows, undecodable), member)


def mapping(options: Mapping[str, object]) -> TableMapping:
    """The checked mapping of ``options``, for settings; of a file with every NHANES variable.

    Raises:
        ValueError: naming every wrong key, one a line, its value and what is allowed.
    """
    wrong = [f"{key}: a transport file says it itself" for key in OF_THE_FILE if key in options]
    if wrong:
        raise ValueError("\n".join(wrong))
    whole = _options(options, None)
    if whole.get("patient_id") == SEQN:  # undated, its rows wait and say so
        dated = {"observed_at": "2000-01-01", **_table(whole.get("constants"))}
        whole = {**whole, "constants": dated}
    return table_mapping.mapping(whole)


def _options(given: Mapping[str, object], header: list[str] | None) -> dict[str, Any]:
    """The mapping: the source's own, or NHANES's of the columns there are, with what is given."""
    settings = {"missing": [*MISSING, *SPECIAL], **given}
    if not {"analytes", "shape", "value", "patient_id"}.isdisjoint(given):
        return settings
    constants = {**NHANES["constants"], **_table(given.get("constants"))}
    built = NHANES if header is None else _of_columns(header)
    return {**built, **settings, "constants": constants}


def _table(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _of_columns(header: list[str]) -> dict[str, Any]:
    """The built-in mapping without the columns that a file lacks."""
    there = set(header)
    analytes = {
        name: {k: v for k, v in item.items() if k != "below_limit" or v["column"] in there}
        for name, item in NHANES["analytes"].items()
        if name in there
    }
    person = {k: v for k, v in NHANES["patient"].items() if k == "sex_values" or v in there}
    if "sex" not in person:
        person.pop("sex_values")
    return {
        **{key: NHANES[key] for key in ("shape", "patient_id")},
        **({"fasting": "PHAFSTHR"} if "PHAFSTHR" in there else {}),
        "analytes": analytes,
        "patient": person,
        "flags": {name: item for name, item in NHANES["flags"].items() if name in there},
    }


def _lacking(options: Mapping[str, Any]) -> str:
    """Why no row of the file can be read with what the settings say; empty if they can."""
    if "analytes" in options and not any(
        (options["analytes"], options.get("patient"), options.get("flags"))
    ):
        return "column_missing:none of the variables is known; map them in the source's table"
    is_dated = options.get("observed_at") or _table(options.get("constants")).get("observed_at")
    if not is_dated and options.get("patient_id") == SEQN:
        return "column_missing:observed_at, a constant of the source's table for NHANES"
    return ""


def _waiting(clean: Path, member: Member, reason: str) -> Reading:
    rows = pl.LazyFrame({"line": pl.int_range(2, member.count + 2, eager=True, dtype=pl.Int64)})
    rejects = rows.select("line", reason=pl.lit(reason), source_row=pl.lit(None, pl.String))
    return Reading({}, rejects, member.count, lines=clean)


def _with_cut(rows: Reading, member: Member) -> Reading:
    """An observation that the end of the file cuts off is a row too."""
    if not member.cut:
        return replace(rows, rows_in=member.count)
    told = f'{{"bytes": {member.cut}, "of": {member.width}}}'
    cut = {"line": [member.count + 2], "reason": ["last_line_open"], "source_row": [told]}
    rejects = pl.concat([rows.rejects, pl.LazyFrame(cut, schema=REJECTS)])
    return replace(rows, rejects=rejects, rows_in=member.count + 1)


def _without(rows: Reading, undecodable: list[int]) -> Reading:
    """Observations whose text is of another encoding are rejected and not read."""
    if not undecodable:
        return rows
    lines = [one + 2 for one in undecodable]
    is_sound = ~pl.col("line").is_in(lines)
    bad = pl.LazyFrame({"line": lines, "reason": "encoding"}).with_columns(
        source_row=pl.lit(None, pl.String)
    )
    return replace(
        rows,
        tables={name: frame.filter(is_sound) for name, frame in rows.tables.items()},
        rejects=pl.concat([rows.rejects.filter(is_sound), bad.cast(REJECTS)]),  # type: ignore[arg-type]
    )


def _member(path: Path) -> Member:
    """Where the observations lie, by the headers."""
    if path.stat().st_size < CARD:
        raise UnreadableError("format_unknown", "shorter than the header of a transport file")
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if data[:28] not in LIBRARY:
            raise UnreadableError("format_unknown", "no SAS transport file")
        head = _card(data, 0, b"MEMB")
        names = _card(data, head, b"NAMES", b"NAMST")
        size, count = _digits(data[head + 73 : head + 78]), _digits(data[names + 53 : names + 58])
        if size not in NAMESTR or not count or names + CARD + size * count > len(data):
            raise UnreadableError("format_unknown", "its header names no variables")
        is_8 = data[:28] == LIBRARY[1]
        place = names + CARD
        variables = [
            _variable(data[at : at + size], is_8=is_8)
            for at in range(place, place + size * count, size)
        ]
        start = _card(data, place + size * count, b"OBS") + CARD
        return _measured(data, tuple(variables), start)


def _card(data: mmap.mmap, start: int, *kinds: bytes) -> int:
    """The first header card of one of the kinds at or after ``start``."""
    at = -(-start // CARD) * CARD
    while (at := data.find(b"HEADER RECORD*******", at)) >= 0:
        if at % CARD == 0 and data[at + 20 : at + 28].startswith(kinds):
            return at
        at += 1
    raise UnreadableError("format_unknown", f"no {kinds[0].decode()} header: damaged or cut")


def _digits(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def _variable(item: bytes, *, is_8: bool) -> Variable:
    long = item[88:120].rstrip(b" \0") if is_8 else b""
    name = (long or item[8:16].rstrip(b" \0")).decode("latin-1")
    if any(character < " " for character in name):
        raise UnreadableError("format_unknown", "a variable's name is damaged")
    kind, width = int.from_bytes(item[:2], "big"), int.from_bytes(item[4:6], "big")
    if kind not in (NUMERIC, 2) or not width or (kind == NUMERIC and not 2 <= width <= 8):
        raise UnreadableError("format_unknown", "a variable of no known type and length")
    form = item[56:64].rstrip(b" \0").decode("latin-1").upper()
    return Variable(name, kind == NUMERIC, int.from_bytes(item[84:88], "big"), width, form)


def _measured(data: mmap.mmap, variables: tuple[Variable, ...], start: int) -> Member:
    """Count whole observations; blanks fill the last card, and are none."""
    width = sum(one.width for one in variables)
    names = [one.name for one in variables]
    if start > len(data):
        raise UnreadableError("format_unknown", "cut inside its header")
    if width > MAX_WIDTH or any(one.start + one.width > width for one in variables):
        raise UnreadableError("format_unknown", "variables that lie outside of an observation")
    if len(set(names)) < len(names) or not all(names):
        raise UnreadableError("header_duplicate", "two variables of one name, or of none")
    if _second(data, start):
        raise UnreadableError("format_unknown", "several data sets in one file: send each alone")
    count, rest = divmod(len(data) - start, width)
    is_whole, is_blank = len(data) % CARD == 0, _is_blank(data, len(data) - rest, rest)
    has_fill = is_whole or any(one.is_number for one in variables)  # no number is all blanks
    while has_fill and is_blank and count and _is_fill(data, start + (count - 1) * width, width):
        count -= 1
    is_fill = is_whole and is_blank and rest < CARD
    return Member(variables, width, start, count, 0 if is_fill else rest)


def _is_blank(data: mmap.mmap, at: int, size: int) -> bool:
    return not data[at : at + size].strip(b" ")


def _is_fill(data: mmap.mmap, at: int, width: int) -> bool:
    """Whether what looks like an observation is made of the last card's blanks alone."""
    return len(data) - at < CARD and _is_blank(data, at, width)


def _second(data: mmap.mmap, start: int) -> bool:
    try:
        _card(data, start, b"MEMB")
    except UnreadableError:
        return False
    return True


def _write_csv(path: Path, member: Member, encoding: str, target: Path) -> list[int]:
    """Write all observations as text; return those with text of another encoding, from 0."""
    undecodable: list[int] = []
    names = [one.name for one in member.variables]
    with path.open("rb") as stream, target.open("wb") as out:
        stream.seek(member.start)
        _append(pl.DataFrame(schema=dict.fromkeys(names, pl.String)), out, header=True)
        for first, rows in _batches(stream, member):
            texts = [_text(rows, one, encoding) for one in member.variables]
            bad = np.logical_or.reduce([is_bad for _, is_bad in texts])
            undecodable += (first + np.flatnonzero(bad)).tolist()
            columns = dict(zip(names, (text for text, _ in texts), strict=True))
            _append(pl.DataFrame(columns), out, header=False)
    return undecodable


def _append(frame: pl.DataFrame, out: BufferedWriter, *, header: bool) -> None:
    """A lone column is quoted: an empty line would be no row."""
    style: Any = "always" if frame.width == 1 and not header else "necessary"
    frame.write_csv(out, include_header=header, quote_style=style)


def _batches(stream: BufferedReader, member: Member) -> Iterator[tuple[int, Bytes]]:
    """The number of the first observation, and some observations as rows of bytes."""
    most = max(1, BATCH // member.width)
    for first in range(0, member.count, most):
        count = min(most, member.count - first)
        block = np.frombuffer(stream.read(count * member.width), np.uint8)
        yield first, block.reshape(count, member.width)


def _text(rows: Bytes, one: Variable, encoding: str) -> tuple[pl.Series, NDArray[np.bool_]]:
    """A variable's texts, null where missing, and where they cannot be decoded."""
    cells = np.ascontiguousarray(rows[:, one.start : one.start + one.width])
    if one.is_number:
        return _number_text(cells, one.format), np.zeros(len(cells), np.bool_)
    text = _words(cells.view(f"S{one.width}").ravel(), encoding)
    plain = text.str.strip_chars_end(" ").str.replace_all(r"[\r\n]+", " ")
    return plain.set(plain == "", None), text.is_null().to_numpy()


def _words(cells: NDArray[np.bytes_], encoding: str) -> pl.Series:
    """Decoded texts, null where they cannot be: all at once, else each different one."""
    if encoding == "utf-8":
        try:
            return pl.Series(cells.tolist(), dtype=pl.Binary).cast(pl.String)
        except pl.exceptions.PolarsError:  # and not null, for a lenient cast
            pass
    different, place = np.unique(cells, return_inverse=True)
    return pl.Series([_decoded(word, encoding) for word in different], dtype=pl.String)[place]


def _decoded(word: bytes, encoding: str) -> str | None:
    try:
        return word.decode(encoding)
    except UnicodeDecodeError:
        return None


def _number_text(cells: Bytes, form: str) -> pl.Series:
    values, letters = floats(cells)
    text = pl.Series(values).cast(pl.String).str.strip_suffix(".0")
    if (moments := _moments(values, form)) is not None:
        text = moments.zip_with(moments.is_not_null(), text)
    special = pl.Series([None, None, *SPECIAL], dtype=pl.String)[letters]
    return text.zip_with(pl.Series(letters == 0), special)


def floats(cells: Bytes) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """IBM's floating point to ours.

    Args:
        cells: (n, 2 to 8) bytes; what a short number lacks at its end is zero.

    Returns:
        n numbers (exact where 53 bits hold them, else rounded to nearest), and n kinds of missing:
        0 is none, else 1 + the place of its letter in :data:`LETTERS`. A missing number is 0.

    >>> floats(np.frombuffer(bytes.fromhex("c276a000000000002e00000000000000"), np.uint8)
    ...        .reshape(2, 8))
    (array([-118.625,    0.   ]), array([0, 1], dtype=uint8))
    """
    whole = np.zeros((len(cells), 8), np.uint8)
    whole[:, : cells.shape[1]] = cells
    bits = whole.view(">u8").ravel().astype(np.uint64)
    fraction = bits & np.uint64((1 << 56) - 1)
    exponent = (whole[:, 0] & 0x7F).astype(np.int32)
    # 16 ** (exponent - 64) times a fraction of 56 bits; zero has no exponent that means anything
    size = np.ldexp(fraction.astype(np.float64), 4 * exponent - 312)
    is_negative = (whole[:, 0] & 0x80).astype(np.bool_) & (fraction > 0)
    kinds = np.zeros(256, np.uint8)
    kinds[list(LETTERS.encode())] = np.arange(1, len(LETTERS) + 1)
    letters = np.where(fraction == 0, kinds[whole[:, 0]], 0).astype(np.uint8)
    return np.where(is_negative, -size, size), letters


def _moments(values: NDArray[np.float64], form: str) -> pl.Series | None:
    """ISO texts of numbers whose format says day, time or both; null outside of years 1582-9999."""
    base = re.sub(r"^((?:MM|DD|YY){3})[BCDNPS]$", r"\1", form)
    if base not in (*DATES, *DATETIMES, *TIMES):
        return None
    seconds = values * 86400 if base in DATES else values
    low, high = (0.0, 86400.0) if base in TIMES else YEARS
    is_possible = (seconds >= low) & (seconds < high)
    whole = np.where(is_possible, seconds, 0.0)
    times = EPOCH + np.rint(whole * 1e6).astype("timedelta64[us]")
    written = pl.Series(times).dt.to_string(_ISO[base in DATES, base in TIMES])
    return written.set(pl.Series(~is_possible), None)


_ISO = {
    (True, False): "%Y-%m-%d",
    (False, False): "%Y-%m-%dT%H:%M:%S%.f",
    (False, True): "%H:%M:%S%.f",
}
YEARS = (-138061 * 86400.0, 2936547 * 86400.0)
"""Seconds from 1960 to the first day of SAS's calendar, and past the last with four digits."""
