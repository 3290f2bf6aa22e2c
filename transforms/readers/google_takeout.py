"""google_takeout: Fitbit and Google Fit in a Google Takeout archive, or single files out of it.

Folders of a Takeout hold names and are translated, so files are known by their own name:
``steps-2024-01-05.json`` of the Fitbit export (also of an older account archive),
``heart_rate_2024-01-05.csv`` of Google's, ``Daily activity metrics.csv`` and ``All Data`` of Google
Fit. A single JSON file of any name is read if it is a saved reply of the Fitbit Web API. A file of
a known kind that is not used (``calories-*.json``) is one row, set aside by its kind, its records
not counted; all others (profile, places, pictures) are not opened, and a note says how many.

The same is told several times: per minute and per day, in Fitbit's JSON and in Google's CSV. One
telling counts for each topic and local day, the first of: minutes merged by Fitbit, minutes by data
source, totals; rows of the others are set aside as ``told_again``. Weight is the exception: the CSV
states its unit and goes first.

Times of CSV with ``Z`` are instants, except in files of one row a day, where they are the date.
Heart rate variability details have no zone and are taken for local time, as sleep is: their order
beside sleep is what public readers found; Google does not say. For JSON see
:mod:`transforms.formats.fitbit_json`.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import orjson
import polars as pl

from transforms.formats import fitbit_json as fitbit
from transforms.formats.archive import Member, is_archive, members, unwanted
from transforms.formats.delimited import delimited, header_names
from transforms.formats.fitbit_json import ROWS, WEIGHT, Dialect, Row, not_used, sample
from transforms.formats.json_records import (
    QUOTED,
    BrokenError,
    Json,
    blocks,
    decoded,
    mapped,
    objects,
    text_of,
    write_entries,
)
from transforms.formats.owners import known_owner
from transforms.formats.takeout_csv import (
    FIT,
    OBSERVATION,
    SAMPLE,
    TABLES,
    Table,
    in_shape,
    table_rows,
)
from transforms.formats.text import Text, text
from transforms.instants import with_instants
from transforms.landing import LANDING, Opened, Reading, UnreadableError, shaped

BIG = 32 << 20
"""Bytes; a larger file goes to disk as it is read, smaller ones are gathered."""
GATHERED_ROWS = 500_000
REPLY_BYTES = 100_000_000
COPY_BYTES = 1 << 20
LINES = "rows.txt"
TOLD_AGAIN = "record_not_used:told_again"


UNUSED: Final = re.compile(
    r"(calories|distance|altitude|floors|height|sedentary_minutes|lightly_active_minutes"
    r"|moderately_active_minutes|very_active_minutes|active_minutes|active_zone_minutes"
    r"|active zone minutes|time_in_heart_rate_zones?|calories_in_heart_rate_zone"
    r"|demographic_vo2_max|run_vo2_max|daily_vo2_max|vo2_max|swim_lengths_data|water_logs"
    r"|estimated_oxygen_variation|sleep_score|stress score|respiratory rate summary"
    r"|heart rate variability histogram|computed temperature|device temperature"
    r"|wrist temperature|manual temperature|body_temperature|core_body_temperature"
    r"|daily_readiness|daily readiness score|cardio_load|activity_level|sedentary_period"
    r"|daily_heart_rate_zones|daily_sleep_temperature_derivations|snore details"
    r"|respiratory_rate_sleep_summary|userexercisesplits|usersleepscores)"
    r"(?:[-_ ].*)?\.(?:json|csv)",
    re.IGNORECASE,
)
EXPORT: Final = re.compile(r"([a-z_]+)-\d[^/]*\.json", re.IGNORECASE)
FIT_DATA: Final = re.compile(r"(?:derived|raw)_com\.google\.[^/]*\.json", re.IGNORECASE)
NAMES: Final = tuple((re.compile(rf"{t.name}\.csv", re.IGNORECASE), t) for t in TABLES)

Fold = Callable[[Member, Text, "_Spool"], None]


def read(opened: Opened) -> Reading:
    """Read a Takeout archive, one file of it, or a saved reply of the Fitbit Web API.

    Options of the source: ``weight_unit`` (``kg``, ``lb``), ``intraday_times`` (``utc``, else
    ``local``).

    Raises:
        UnreadableError: damaged archive, nothing in it that is read, a single file of no known
            kind, or nobody knows whose it is.
    """
    patient_id = known_owner(opened)
    options = opened.source.options
    unit = options.get("weight_unit")
    dialect = Dialect(str(unit) if unit else None, options.get("intraday_times") != "local")
    lines = opened.scratch / LINES
    with lines.open("wb") as out:
        spool = _Spool(opened.scratch, out, dialect, is_single=not is_archive(opened))
        count = sum(_read_member(opened, member, spool) for member in members(opened, is_wanted))
    if not count and not spool.is_single:
        raise UnreadableError("archive_empty")
    others = unwanted(opened, is_wanted)
    notes = (f"{others} files of the archive are of kinds that are not read",) if others else ()
    rows = _once_told(spool.rows(), opened.source.time_zone)
    return Reading(
        tables={table: _landed(rows, table, patient_id) for table in (SAMPLE, OBSERVATION)},
        rejects=_rejects(rows),
        rows_in=spool.count,
        notes=notes,
        lines=lines,
    )


def is_wanted(name: str) -> bool:
    """Whether a file of an archive holds what is read, or is set aside by its kind."""
    base = PurePosixPath(name.replace("\\", "/")).name
    return bool(UNUSED.fullmatch(base)) or _fold(base) is not None


def _fold(base: str) -> Fold | None:
    """How a file of this name is read."""
    exported = EXPORT.fullmatch(base)
    if exported and exported[1].lower() in fitbit.EXPORT:
        return _exported(exported[1].lower())
    if FIT_DATA.fullmatch(base):
        return _add_fit_data
    table = next((table for pattern, table in NAMES if pattern.fullmatch(base)), None)
    return _tabled(table) if table else None


# ---------------------------------------------------------------- the rows of all files


@dataclass
class _Spool:
    """Rows and lines of the files read so far: on disk, but for what is still being gathered."""

    scratch: Path
    lines: BinaryIO
    dialect: Dialect
    is_single: bool
    count: int = 0
    files: list[Path] = field(default_factory=list)
    gathered: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame) -> None:
        """Rows whose lines are numbered within the archive."""
        self.gathered.append(rows)
        if sum(len(frame) for frame in self.gathered) >= GATHERED_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered."""
        if self.gathered:
            pl.concat(self.gathered).write_ipc(self.next_file(), compression="lz4")
            self.gathered.clear()

    def next_file(self) -> Path:
        """A new file for rows."""
        self.files.append(self.scratch / f"rows-{len(self.files):06d}.arrow")
        return self.files[-1]

    def refuse(self, reason: str, shown: str) -> None:
        """One row, for a file as a whole."""
        self.lines.write(shown.encode(errors="replace").translate(None, b"\r\n") + b"\n")
        self.count += 1
        row = {"line": self.count, "part": 0, "reason": reason}
        self.add(pl.from_dicts([row], schema=ROWS))

    def rows(self) -> pl.LazyFrame:
        """All rows, in order."""
        self.flush()
        empty = ROWS.to_frame().lazy()
        return pl.concat([empty, pl.scan_ipc(self.files)]) if self.files else empty


def _read_member(opened: Opened, member: Member, spool: _Spool) -> int:
    """Add a file's rows; a file of the archive that cannot be read is one row."""
    base = PurePosixPath(member.name.replace("\\", "/")).name
    fold = _fold(base) or (_add_reply if spool.is_single else None)
    if UNUSED.fullmatch(base):
        spool.refuse(f"record_not_used:{_kind(base)}", base)
        return 1
    try:
        clean = text(replace(opened, path=member.path, name=base))
        if fold is None:
            raise UnreadableError("format_unknown")
        fold(member, clean, spool)
    except UnreadableError as error:
        if spool.is_single:
            raise
        spool.refuse(error.reason, base)
    return 1


def _kind(base: str) -> str:
    found = UNUSED.fullmatch(base)
    return re.sub(r"[^a-z0-9]+", "_", found[1].lower()) if found else "other"


def _once_told(rows: pl.LazyFrame, zone: str) -> pl.LazyFrame:
    """``rows`` with a reason for those whose topic a better telling tells for the same day."""
    tellings = rows.select("topic", "rank").unique().collect(engine="streaming")
    several = tellings.drop_nulls().group_by("topic").len().filter(pl.col("len") > 1)["topic"]
    if several.is_empty():
        return rows
    at = pl.when(pl.col("topic").is_in(several.implode())).then("source_observed_at")
    dated = with_instants(rows.with_columns(told=at), "told", zone, prefix="told").rename(
        {"told_on": "day"}
    )
    best = (
        dated.filter(pl.col("day").is_not_null(), pl.col("reason").is_null())
        .group_by("topic", "day")
        .agg(best=pl.col("rank").min())
        .collect(engine="streaming")
    )
    again = pl.when(pl.col("rank") > pl.col("best")).then(pl.lit(TOLD_AGAIN))
    return dated.join(best.lazy(), on=["topic", "day"], how="left", maintain_order="left").select(
        *(name for name in ROWS if name != "reason"), pl.coalesce("reason", again).alias("reason")
    )


def _landed(rows: pl.LazyFrame, table: str, patient_id: str) -> pl.LazyFrame:
    kept = rows.filter(pl.col("table") == table, pl.col("reason").is_null())
    columns = [name for name in LANDING[table] if name in ROWS]
    return shaped(table, kept.select("line", "part", *columns, patient_id=pl.lit(patient_id)))


def _rejects(rows: pl.LazyFrame) -> pl.LazyFrame:
    """One row for each refused line, however many parts it would have had."""
    refused = rows.filter(pl.col("reason").is_not_null())
    told = refused.select("line", "reason", source_row=pl.lit(None, pl.String))
    return told.unique(subset="line", keep="any", maintain_order=True)


# ---------------------------------------------------------------- JSON


def _exported(kind: str) -> Fold:
    entry = fitbit.EXPORT[kind]
    series = fitbit.SERIES.get(kind)

    def add(member: Member, clean: Text, spool: _Spool) -> None:
        with clean.path.open("rb") as stream:
            head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        if head.startswith(b"{"):
            _add_reply(member, clean, spool)
            return
        if not head.startswith(b"["):
            raise UnreadableError("json_broken")
        for lines in _entries(clean.path, b"[", spool):
            rows = series.rows if series else partial(fitbit.entry_rows, entry=entry)
            spool.add(rows(lines, dialect=spool.dialect))

    return add


def _entries(path: Path, opening: bytes, spool: _Spool) -> Iterator[pl.DataFrame]:
    """The entries of the array that begins after ``opening``, in spans, numbered, kept as lines.
    What follows the array is one more."""
    start = spool.lines.tell()
    with mapped(path) as data:
        at = data.find(opening) + len(opening)
        found = write_entries(data, at, spool.lines, is_mended=True)
        after = data[found.after : found.after + QUOTED].lstrip(b"} \t\r\n")
    spool.lines.write(after.translate(None, b"\r\n") + b"\n" if after else b"")
    spool.lines.flush()
    with (spool.scratch / LINES).open("rb") as written:
        written.seek(start)
        for block in blocks(written):
            lines = pl.scan_lines(block, name="text").collect()
            numbers = pl.int_range(spool.count + 1, spool.count + 1 + pl.len(), dtype=pl.Int64)
            spool.count += len(lines)
            yield lines.select(numbers.alias("line"), pl.col("text").fill_null(""))


def _add_reply(_: Member, clean: Text, spool: _Spool) -> None:
    """The records of a saved reply of the Web API."""
    if clean.path.stat().st_size > REPLY_BYTES:
        raise UnreadableError("too_large", "a reply is parsed whole")
    written = clean.path.read_text(encoding="utf-8")
    if not written.lstrip().startswith(("{", "[")):
        raise UnreadableError("format_unknown")
    try:
        reply = decoded(written, REPLY_BYTES)
    except BrokenError as error:
        raise UnreadableError(error.code) from None
    if not isinstance(reply, dict) or not fitbit.is_reply(reply):
        raise UnreadableError("format_unknown", "no known kind of file, and no reply of the API")
    told = fitbit.reply_rows(reply, spool.dialect)
    found: list[Row] = []
    for line, (record, rows) in enumerate(told, start=spool.count + 1):
        found += [{**row, "line": line, "part": part} for part, row in enumerate(rows)]
        spool.lines.write(_dumped(record) + b"\n")
    spool.count += len(told)
    if found:
        spool.add(pl.from_dicts(found, schema=ROWS))


def _dumped(record: object) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:  # nested deeper than may be written back, or an integer beyond 64 bits
        return b"null"


# ---------------------------------------------------------------- Google Fit's points

FIT_HEAD = re.compile(
    rb'^\s*\{\s*"Data Source"\s*:\s*"([^"\\]{0,300})"\s*,\s*"Data Points"\s*:\s*\['
)
FIT_SOURCES: Mapping[str, tuple[str, str, str]] = {
    "derived:com.google.step_count.delta:com.google.android.gms:estimated_steps": (
        *("steps", "intVal", "{#}"),
    ),
    "derived:com.google.heart_rate.bpm:com.google.android.gms:merge_heart_rate_bpm": (
        *("heart_rate", "fpVal", "/min"),
    ),
    "derived:com.google.weight:com.google.android.gms:merge_weight": (WEIGHT, "fpVal", "kg"),
    "derived:com.google.sleep.segment:com.google.android.gms:merged": (
        *("sleep_duration", "intVal", ""),
    ),
}
"""Data source -> kind or code, the value's name, unit. Of the many sources of one kind only Fit's
own merged stream is read: the others tell the same steps again."""
FIT_SLEEP = {"2": "sleep", "4": "light", "5": "deep", "6": "rem"}
"""Sleep segment types of the Fit API that are sleep; 1 is awake, 3 out of bed."""


def _add_fit_data(member: Member, clean: Text, spool: _Spool) -> None:
    with clean.path.open("rb") as stream:
        head = FIT_HEAD.match(stream.read(1000))
    if head is None:
        raise UnreadableError("json_broken")
    path = FIT_SOURCES.get(head[1].decode())
    if path is None:
        data_type = re.fullmatch(r"\w+:com\.google\.([a-z_.]{1,60}):.*", head[1].decode())
        shown = data_type[1].replace(".", "_") if data_type else "other"
        spool.refuse(f"record_not_used:fit_{shown}", PurePosixPath(member.name).name)
        return
    for lines in _entries(clean.path, head[0], spool):
        spool.add(fitbit.entry_rows(lines, _point(*path), spool.dialect))


def _point(kind: str, name: str, unit: str) -> Callable[[Json, Dialect], list[Row]]:
    def point(entry: Json, _: Dialect) -> list[Row]:
        values = [item.get("value") for item in objects(entry.get("fitValue"))]
        told = [text_of(value.get(name)) for value in values if isinstance(value, dict)]
        value = told[0] if told else None
        start, end = (_instant(entry.get(f"{side}TimeNanos")) for side in ("start", "end"))
        if kind == "sleep_duration":
            stage = FIT_SLEEP.get(value or "")
            row = sample(kind, start, None, None, source_ended_at=end, source_code=stage)
            topic: Row = {"topic": "fit sleep", "device": FIT, "rank": 0}
            return [{**row, **topic}] if stage else not_used("awake")
        if kind == WEIGHT:
            coded: Row = {"table": OBSERVATION, "code_system": "loinc", "source_code": WEIGHT}
            coded |= {"source_value": value, "source_unit": unit, "source_observed_at": start}
            return [coded]
        row = sample(kind, start, value, unit, source_ended_at=end if end != start else None)
        return [{**row, "topic": f"fit {kind}", "device": FIT, "rank": 0}]

    return point


def _instant(nanoseconds: object) -> str | None:
    """Nanoseconds since 1970 as ISO text; anything else as it came."""
    shown = text_of(nanoseconds)
    if shown is None or not re.fullmatch(r"-?\d{1,20}", shown):
        return shown
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(shown) // 1000)
    except OverflowError:
        return shown
    return at.replace(tzinfo=None).isoformat() + "Z"


# ---------------------------------------------------------------- CSV


def _tabled(table: Table) -> Fold:
    def add(member: Member, clean: Text, spool: _Spool) -> None:
        if _ends(clean) == 1 and not spool.is_single:
            return  # a header alone, or the words "no data"
        header = _header(clean)
        found = delimited(clean, ",", must_close=spool.is_single, names=header)
        if not found.rows_in:
            return
        place = _numbers(clean, found.rows_in, spool)
        stem = PurePosixPath(member.name.replace("\\", "/")).stem[:10]
        misfits = found.rejects.select("line", "reason")
        rows = pl.concat([table_rows(found.rows, table, stem), in_shape(misfits)])
        numbered = place(rows)
        if clean.path.stat().st_size > BIG:
            spool.flush()
            numbered.sink_ipc(spool.next_file(), compression="lz4")
        else:
            spool.add(numbered.collect(engine="streaming"))

    return add


def _header(clean: Text) -> tuple[str, ...]:
    try:
        names = tuple(name.lower() for name in header_names(clean, ",", 1))
    except csv.Error:  # a bare carriage return inside a name
        raise UnreadableError("header_missing") from None
    if len({*names}) < len([name for name in names if name]) + ("" in names):
        raise UnreadableError("header_duplicate")
    return names


def _ends(clean: Text) -> int:
    """How many lines a file has, blank ones too."""
    with clean.path.open("rb") as stream:
        blocks = iter(lambda: stream.read(COPY_BYTES), b"")
        return sum(block.count(b"\n") for block in blocks) + (not clean.is_closed)


def _numbers(clean: Text, count: int, spool: _Spool) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """Copy the rows to the archive's lines; what gives a row of this file its line there."""
    before = spool.count
    spool.count += count
    is_plain = not clean.has("\r") and _ends(clean) == count + 1
    with clean.path.open("rb") as stream:
        stream.readline()
        if is_plain:
            shutil.copyfileobj(stream, spool.lines, COPY_BYTES)
            spool.lines.write(b"" if clean.is_closed else b"\n")
            return lambda rows: rows.with_columns(line=pl.col("line") + (before - 1))
        rows = (line.rstrip(b"\r\n") for line in stream)
        spool.lines.writelines(row + b"\n" for row in rows if row)
    kept = clean.lines().filter(pl.col("line") > 1, pl.col("text") != "").select("line")
    places = kept.with_row_index("place", offset=before + 1)
    return lambda rows: rows.join(places, on="line", maintain_order="left").select(
        pl.col("place").cast(pl.Int64).alias("line"), pl.exclude("line", "place")
    )
