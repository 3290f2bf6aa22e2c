"""The CSV files of the Withings data export, by column, a file at a time.

A file is known by its columns where they are its own, else by its name. Sums of days and a
device's own series stand side by side in one export: each keeps its device, so that nobody adds
them. A series holds lists of lengths and values in one line (``[60,60]``, ``[12,7]``), which become
as many samples of that line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import polars as pl

from transforms.formats.archive import is_archive, members, unwanted
from transforms.formats.delimited import delimited, header_names
from transforms.formats.gathered import as_file, is_file
from transforms.formats.text import Text, text
from transforms.instants import OFFSET, local
from transforms.landing import REJECTS, Opened, Reading, UnreadableError, shaped

OWN_WORDS = ("comments", "notes", "data", "gps", "night events")
"""Columns of a person's own words and ways, left out of what is quoted."""
STATES = {"1": "light", "2": "deep", "3": "rem"}
ASLEEP = ("light (s)", "deep (s)", "rem (s)")
COLUMNS = {
    "weight": ("weight (",),
    "bp": ("systolic", "diastolic"),
    "height": ("height (",),
    "sleep": ("from", "to", "light (s)"),
    "activities": ("from", "to", "activity type"),
}
"""File -> how the columns begin that only it has."""
NAMES = (
    (r"aggregates_steps", "day_steps"),
    (r"aggregates_calories_earned", "day_energy"),
    (r"raw_\w+_steps", "steps"),
    (r"raw_\w+_calories-earned", "energy"),
    (r"raw_\w+_sleep[- ]state", "states"),
    (r"raw_(?:tracker_|bed_|hr_)hr", "heart"),
)
"""What the name of a file without columns of its own begins with -> what it holds."""
LENGTHS = r"^\[?\s*\d{1,9}(?:\s*,\s*\d{1,9})*\s*\]?$"
VALUES = r"^\[?[^\[\],]+(?:,[^\[\],]+)*\]?$"
TRACKER = pl.lit("Withings tracker")
MOST_BYTES = 100_000_000
"""Of one file, unpacked: its lines are held in memory. Years of a device's series are some MB."""
AT_ONCE = 20_000
"""Lines whose lists are taken apart at a time."""
_UNIT = re.compile(r"\((.+)\)")
_DAY = "%Y-%m-%d"
_WALL = "%Y-%m-%dT%H:%M:%S"

Part = tuple[str, pl.LazyFrame]


def holds_tables(opened: Opened) -> bool:
    """Whether the file is one of the export, or an archive with any of them."""
    if is_archive(opened):
        return unwanted(opened, lambda name: not is_table(name)) > 0
    with opened.path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1] not in {b"{", b"["}


def is_table(name: str) -> bool:
    """Whether a member of an archive is a file of the export that is read."""
    own = PurePath(name).stem.casefold() in COLUMNS
    return is_file(name, ".csv") and (own or _named(name) is not None)


def tables_read(opened: Opened, patient_id: str) -> Reading:
    """Read the export's files.

    Raises:
        UnreadableError: empty, damaged, beyond :data:`MOST_BYTES`, or none of these files.
    """
    lines, parts, rejects, count = opened.scratch / "lines.txt", list[Part](), [], 0
    for member in members(opened, is_table):
        if member.path.stat().st_size > MOST_BYTES:
            raise UnreadableError("too_large", f"a table of more than {MOST_BYTES} bytes")
        clean = text(as_file(opened, member))
        found, wrong, own = _file(clean, member.name, count, opened.scratch)
        parts += found
        rejects.append(wrong)
        count += _written(own, lines)
    if not rejects:
        raise UnreadableError("archive_empty", "no file of the export")
    left = unwanted(opened, is_table)
    return Reading(
        tables=_joined(parts, patient_id),
        rejects=pl.concat(rejects),
        rows_in=count,
        notes=(f"{left} other files of the archive were not read",) if left else (),
        lines=lines if count else None,
    )


def _joined(parts: list[Part], patient_id: str) -> dict[str, pl.LazyFrame]:
    """The frames of all files by landing table."""
    return {
        table: pl.concat(
            shaped(table, frame.with_columns(patient_id=pl.lit(patient_id)))
            for name, frame in parts
            if name == table
        )
        for table in sorted({name for name, _ in parts})
    }


def _named(name: str) -> str | None:
    stem = PurePath(name).stem.casefold()
    return next((kind for pattern, kind in NAMES if re.match(pattern, stem)), None)


def _kind(header: tuple[str, ...], name: str) -> str:
    for kind, own in COLUMNS.items():
        if all(any(column.startswith(begin) for column in header) for begin in own):
            return kind
    found = _named(name)
    if found is None:
        raise UnreadableError("format_unknown", "no file of a Withings export by name or columns")
    return found


def _file(
    clean: Text, name: str, before: int, scratch: Path
) -> tuple[list[Part], pl.LazyFrame, pl.DataFrame]:
    """One file's landing rows, its rejects, and the text of its rows in order.

    Lines are counted on from ``before``, blank ones left out: they are no rows.
    """
    header = tuple(column.casefold() for column in header_names(clean, ",", 1))
    kind, table = _kind(header, name), delimited(clean, names=header)
    wrong, rows = table.rejects.collect(), table.rows.collect()
    lines = pl.concat([wrong.select("line", text="source_row"), rows.select("line", "text")])
    order = lines.sort("line").select("line", row=pl.int_range(before + 1, before + 1 + pl.len()))
    numbered = rows.drop("text").join(order, on="line").with_columns(line="row").drop("row")
    refused = wrong.join(order, on="line").select("reason", line="row")
    parts, rejects = list[Part](), [_rejects(refused)]
    for n, some in enumerate(numbered.iter_slices(AT_ONCE)):
        found = [
            (into, _stored(frame, scratch / f"withings-{before:012d}-{n}-{i}.arrow"))
            for i, (into, frame) in enumerate(_BY_KIND[kind](some.lazy(), header))
        ]
        parts += found
        rejects.append(_left(some, found, kind))
    return parts, pl.concat(rejects).lazy(), _quoted(clean, order, header)


def _stored(frame: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    frame.collect().write_ipc(path, compression="lz4")
    return pl.scan_ipc(path)


def _rejects(found: pl.DataFrame) -> pl.DataFrame:
    return found.select("line", "reason", source_row=pl.lit(None, dtype=pl.String)).cast(
        dict(REJECTS)  # type: ignore[arg-type]
    )


def _left(rows: pl.DataFrame, parts: list[Part], kind: str) -> pl.DataFrame:
    """The rows that gave nothing: awake all along, nothing filled in, or lists that do not fit."""
    used = [frame.select(pl.col("line").unique()).collect()["line"] for _, frame in parts]
    taken = pl.concat([rows["line"].clear(), *used])
    left = rows.filter(~pl.col("line").is_in(taken.unique().implode()))
    if kind not in {"steps", "energy", "states", "heart"}:
        return _rejects(left.select("line", reason=pl.lit("row_empty")))
    awake = pl.lit("record_not_used:awake" if kind == "states" else "row_empty")
    reason = pl.when(_fits()).then(awake).otherwise(pl.lit("json_broken:duration and value"))
    lists = _filled(left.lazy(), ("duration", "value"))
    return _rejects(lists.select("line", reason=reason).collect())


def _quoted(clean: Text, order: pl.DataFrame, header: tuple[str, ...]) -> pl.DataFrame:
    """``text`` of the rows; of a file with a person's own words only the first two fields."""
    lines = clean.lines().collect().join(order, on="line").sort("line")
    if not set(header) & set(OWN_WORDS):
        return lines.select("text")
    return lines.select(text=pl.col("text").str.extract(r"^([^,]*,[^,]*)"))


def _written(lines: pl.DataFrame, path: Path) -> int:
    with path.open("ab") as out:
        lines.select(pl.col("text").fill_null("")).write_csv(
            out, include_header=False, quote_style="never"
        )
    return lines.height


# ---------------------------------------------------------------- rows by file


def _result(rows: pl.LazyFrame, part: int, code: str, column: str, unit: str) -> Part:
    return "observation", rows.filter(pl.col(column).is_not_null()).select(
        "line",
        part=pl.lit(part),
        code_system=pl.lit("loinc"),
        source_code=pl.lit(code),
        source_value=column,
        source_unit=pl.lit(unit),
        source_observed_at="date",
    )


def _sample(
    rows: pl.LazyFrame, part: int | pl.Expr, kind: str, unit: str | None, **cells: pl.Expr | str
) -> Part:
    """Samples; ``cells`` are columns of the landing table, or expressions for them."""
    device = cells.pop("device", pl.lit("Withings"))
    return "sample", rows.select(
        "line",
        part=pl.lit(part) if isinstance(part, int) else part,
        kind=pl.lit(kind),
        device=device,
        source_unit=pl.lit(unit, dtype=pl.String),
        **cells,
    )


def _filled(rows: pl.LazyFrame, names: tuple[str, ...]) -> pl.LazyFrame:
    """``rows`` with every named column stripped, blank ones and absent ones null."""
    given = rows.collect_schema().names()
    stripped = {name: pl.col(name).str.strip_chars() for name in names if name in given}
    return rows.with_columns(
        pl.when(stripped[name] != "").then(stripped[name]).alias(name)
        if name in stripped
        else pl.lit(None, dtype=pl.String).alias(name)
        for name in names
    )


def _unit_of(header: tuple[str, ...], begin: str) -> tuple[str, str]:
    """The column that begins so, and the unit in its name."""
    column = next(name for name in header if name.startswith(begin))
    found = _UNIT.search(column)
    return column, found[1] if found else ""


def _weight(rows: pl.LazyFrame, header: tuple[str, ...]) -> Iterator[Part]:
    column, unit = _unit_of(header, "weight (")
    yield _result(_filled(rows, ("date", column)), 0, "29463-7", column, unit)


def _height(rows: pl.LazyFrame, header: tuple[str, ...]) -> Iterator[Part]:
    column, unit = _unit_of(header, "height (")
    yield _result(_filled(rows, ("date", column)), 0, "8302-2", column, unit)


def _pressure(rows: pl.LazyFrame, _: tuple[str, ...]) -> Iterator[Part]:
    filled = _filled(rows, ("date", "systolic", "diastolic", "heart rate"))
    yield _result(filled, 0, "8480-6", "systolic", "mm[Hg]")
    yield _result(filled, 1, "8462-4", "diastolic", "mm[Hg]")
    beats = filled.filter(pl.col("heart rate").is_not_null())
    yield _sample(
        beats, 2, "heart_rate", "bpm", source_value="heart rate", source_observed_at="date"
    )


def _sleep(rows: pl.LazyFrame, _: tuple[str, ...]) -> Iterator[Part]:
    filled = _filled(rows, ("from", "to", *ASLEEP, "average heart rate"))
    nights = filled.filter(pl.col("from").is_not_null())
    span = {"source_observed_at": "from", "source_ended_at": "to"}
    asleep = nights.filter(pl.any_horizontal(pl.col(ASLEEP).is_not_null()))
    stages = pl.lit("light+deep+rem")
    yield _sample(
        asleep, 0, "sleep_duration", "s", source_value=_total(), source_code=stages, **span
    )
    yield _sample(nights, 1, "in_bed_duration", None, **span)
    rate = pl.col("average heart rate")
    beats = nights.filter(rate.is_not_null() & (rate != "0"))
    method = pl.lit("average")
    yield _sample(beats, 2, "heart_rate", "bpm", source_value=rate, method=method, **span)


def _total() -> pl.Expr:
    """The seconds asleep; the first that is no number, should there be one, for the gate to see."""
    strange = (pl.when(~pl.col(name).str.contains(r"^\d+$")).then(name) for name in ASLEEP)
    total = pl.sum_horizontal(pl.col(name).cast(pl.Int64, strict=False) for name in ASLEEP)
    return pl.coalesce(*strange, total.cast(pl.String))


def _workouts(rows: pl.LazyFrame, _: tuple[str, ...]) -> Iterator[Part]:
    filled = _filled(rows, ("from", "to", "activity type"))
    timed = filled.filter(pl.col("from").is_not_null())
    span = {"source_observed_at": "from", "source_ended_at": "to"}
    yield _sample(timed, 0, "workout_duration", None, source_code="activity type", **span)


def _day(kind: str, unit: str) -> Callable[[pl.LazyFrame, tuple[str, ...]], Iterator[Part]]:
    def parts(rows: pl.LazyFrame, _: tuple[str, ...]) -> Iterator[Part]:
        filled = _filled(rows, ("date", "value")).filter(pl.col("value").is_not_null())
        after = pl.col("date").str.to_date(_DAY, strict=False).dt.offset_by("1d")
        end = after.dt.to_string(_DAY)
        cells = {"source_value": "value", "source_observed_at": "date"}
        yield _sample(filled, 0, kind, unit, source_ended_at=end, **cells)

    return parts


def _series(
    kind: str, unit: str | None, *, is_span: bool
) -> Callable[[pl.LazyFrame, tuple[str, ...]], Iterator[Part]]:
    """A device's own series: one sample an element of its lists."""

    def parts(rows: pl.LazyFrame, _: tuple[str, ...]) -> Iterator[Part]:
        cells: dict[str, pl.Expr | str] = {"device": TRACKER, "source_value": "value"}
        ends: dict[str, pl.Expr | str] = {"source_ended_at": "end"} if is_span else {}
        part = pl.col("part")
        yield _sample(
            _elements(rows), part, kind, unit, source_observed_at="begin", **cells, **ends
        )

    return parts


def _states(rows: pl.LazyFrame, _: tuple[str, ...]) -> Iterator[Part]:
    """States asleep, worth their own length."""
    asleep = _elements(rows).filter(pl.col("value").is_in(list(STATES)))
    yield _sample(
        asleep,
        pl.col("part"),
        "sleep_duration",
        None,
        device=TRACKER,
        source_code=pl.col("value").replace_strict(STATES, return_dtype=pl.String),
        source_observed_at="begin",
        source_ended_at="end",
    )


def _fits() -> pl.Expr:
    """Whether a line's lists are lists, and as long as each other."""
    lengths, values = pl.col("duration"), pl.col("value")
    same = lengths.str.count_matches(",") == values.str.count_matches(",")
    is_list = lengths.str.contains(LENGTHS) & values.str.contains(VALUES)
    return (is_list & same).fill_null(value=False)


def _elements(rows: pl.LazyFrame) -> pl.LazyFrame:
    """``line``, ``part``, ``begin``, ``end`` and ``value`` of every element."""
    listed = _filled(rows, ("start", "duration", "value")).filter(_fits())
    split = pl.col("duration", "value").str.strip_chars("[] ").str.split(",")
    each = listed.select("line", "start", split).explode("duration", "value")
    length = pl.col("duration").str.strip_chars().cast(pl.Int64)
    begun = each.select(
        "line",
        pl.col("value").str.strip_chars(),
        part=pl.int_range(pl.len()).over("line"),
        wall=local(pl.col("start")),
        start="start",
        offset=pl.col("start").str.extract(OFFSET).fill_null(""),
        after=length.cum_sum().over("line"),
        length=length,
    )
    return begun.select(
        "line",
        "part",
        "value",
        begin=pl.coalesce(_moment(pl.col("after") - pl.col("length")), "start"),
        end=_moment(pl.col("after")),
    )


def _moment(seconds: pl.Expr) -> pl.Expr:
    wall = (pl.col("wall") + pl.duration(seconds=seconds)).dt.to_string(_WALL)
    return pl.concat_str(wall, "offset")


_BY_KIND = {
    "weight": _weight,
    "height": _height,
    "bp": _pressure,
    "sleep": _sleep,
    "activities": _workouts,
    "day_steps": _day("steps", "steps"),
    "day_energy": _day("active_energy", "kcal"),
    "steps": _series("steps", "steps", is_span=True),
    "energy": _series("active_energy", "kcal", is_span=True),
    "heart": _series("heart_rate", "bpm", is_span=False),
    "states": _states,
}
