"""nightscout: the entries of a Nightscout site, as JSON, NDJSON or CSV, and OpenAPS's glucose.json.

``sgv`` is a sensor's value and always mg/dL, whatever unit the site displays; 0 to 12 are error
codes of the sensor and never values, 13 to 38 are lows, which the site shows as "LOW". ``mbg`` is a
meter's reading. Calibrations, treatments, device states and profiles are set aside by kind, with
their time and kind alone: their notes and names are not kept.

``date``, in milliseconds since 1970, is the instant and outranks ``dateString``. Local time is
told by ``utcOffset`` (minutes) and, where that is 0 or missing, by the offset in ``dateString``:
uploaders that send UTC leave 0 there, which says nothing of where the wearer lives, so the time is
then given as UTC. Without ``date`` the text of ``dateString`` stands as it is.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from transforms.formats.delimited import delimited, header_names
from transforms.formats.json_records import BrokenError, Json, Records, Shape, decoded
from transforms.formats.owners import known_owner
from transforms.formats.text import BLOCK, Text, text
from transforms.instants import offset_minutes
from transforms.landing import Opened, Reading, UnreadableError, no_rejects, shaped
from transforms.readers.dexcom import with_roles

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("_id", "identifier"),
    "sgv": ("sgv",),
    "mbg": ("mbg",),
    "date": ("date", "mills"),
    "stamp": ("dateString", "sysTime"),
    "offset": ("utcOffset",),
    "device": ("device",),
    "unit": ("units",),
    "valid": ("isValid",),
}
"""Column -> the keys of a document that may hold it, the first that does counts."""
KEYS = tuple(key for keys in FIELDS.values() for key in keys)
ROWS = pl.Schema({"line": pl.Int64, "kind": pl.String, **dict.fromkeys(FIELDS, pl.String)})
READ = ("sgv", "mbg")
TYPES = ("sgv", "mbg", "cal", "food", "activity")
TELLING = {
    "eventType": "treatment",
    "sgv": "sgv",
    "mbg": "mbg",
    "slope": "cal",
    "defaultProfile": "profile",
    "store": "profile",
    "iob": "iob",
    **dict.fromkeys(("openaps", "loop", "pump", "uploader", "uploaderBattery"), "devicestatus"),
}
"""A key that tells the kind of a document without a known ``type``."""
SHAPE = Shape(frozenset({"result", "entries", "treatments", "devicestatus", "profile"}))
"""An answer or a backup holds its documents under these keys."""
API_COLUMNS = ("stamp", "date", "sgv", "direction", "device")
"""The columns of the site's CSV, which has no header."""

HIGHEST_ERROR = 12
"""A sensor's codes end here; what lies between them and 39, where it shows "LOW", is a low."""
METER_CODE = "41653-7"
"""LOINC: glucose in capillary blood by glucometer, mass."""
SOONEST_MS, LATEST_MS = 100_000_000_000, 4_102_444_800_000
"""1973 and 2100: a ``date`` outside is none in milliseconds."""
MOST_OFFSET = 14 * 60
AT_ONCE = 5_000
MOST_FIELD = 1000
WITHHELD = "not kept, it may hold a name"


@dataclass(frozen=True)
class Entries:
    """Rows of :data:`ROWS`, rejects, their count, and the text whose lines are the rows."""

    rows: pl.LazyFrame
    rejects: pl.LazyFrame
    rows_in: int
    lines: Path | None


def read(opened: Opened) -> Reading:
    """Read entries: samples of the sensor, observations of the meter.

    Raises:
        UnreadableError: neither JSON nor such a table, nothing in it is of Nightscout, or nobody
            knows whose it is.
    """
    clean = text(opened)
    entries = _json(clean, opened.scratch) if _is_json(clean) else _table(clean)
    rows = entries.rows.with_columns(time=_time()).with_columns(verdict=_verdict())
    patient_id = known_owner(opened, rows, (pl.col("device"),))
    return Reading(
        tables={"sample": _samples(rows, patient_id), "observation": _meter(rows, patient_id)},
        rejects=pl.concat([entries.rejects, _set_aside(rows)]),
        rows_in=entries.rows_in,
        lines=entries.lines,
    )


# ---------------------------------------------------------------- JSON


def _json(clean: Text, scratch: Path) -> Entries:
    """An array, a stream of lines, or one object that is or holds documents, a batch at a time."""
    records = Records(scratch / "records.ndjson", SHAPE)
    records.keep(clean, "")
    copy, numbered = scratch / "entries.ndjson", records.lines()
    paths: list[Path] = []
    rejects = [no_rejects()]
    while batch := [written for _, _, written in islice(numbered, AT_ONCE)]:
        rows = _rows(batch, AT_ONCE * len(paths) + 1)
        bad = _unfit(rows)
        paths.append(scratch / f"entries-{len(paths):06d}.arrow")
        rows.select(*ROWS).join(bad, on="line", how="anti").write_ipc(paths[-1])
        rejects.append(bad.lazy())
        _copy_lines(batch, rows["kind"].to_list(), copy)
    frame = pl.scan_ipc(paths) if paths else ROWS.to_frame().lazy()
    is_known = frame.select((pl.col("kind") != "other").any()).collect().item()
    if paths and not is_known:
        raise UnreadableError(*_why_unknown(pl.concat(rejects)))
    return Entries(frame, pl.concat(rejects), records.count(), copy if paths else None)


def _why_unknown(rejects: pl.LazyFrame) -> tuple[str, str]:
    if rejects.collect()["reason"].to_list() == ["json_broken"]:
        return "json_broken", "not one whole JSON document"
    return "format_unknown", "nothing in it is a document of Nightscout"


def _copy_lines(written: Sequence[str], kinds: Sequence[str | None], copy: Path) -> None:
    """A line for each entry. Other kinds than those that are read may hold names; their lines
    stay empty."""
    shown = (text if kind in READ else "" for text, kind in zip(written, kinds, strict=True))
    with copy.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{text}\n" for text in shown)


def _rows(written: Sequence[str], first: int) -> pl.DataFrame:
    """Rows of :data:`ROWS` with a ``reason``, one for each entry; no kind where there is one."""
    kinds, reasons, *told = zip(*map(_told, written), strict=True)
    values = pl.DataFrame({key: _column(found) for key, found in zip(KEYS, told, strict=True)})
    fields = (pl.coalesce(keys).alias(name) for name, keys in FIELDS.items())
    return values.select(
        pl.Series("line", range(first, first + len(written)), pl.Int64),
        pl.Series("kind", kinds, pl.String),
        *fields,
        pl.Series("reason", reasons, pl.String),
    )


def _told(written: str) -> tuple[object, ...]:
    """Kind, why it cannot be read, and the values of :data:`KEYS`. An entry is let go at once:
    thousands of objects would keep the interpreter busy looking for rubbish among them."""
    try:
        entry = decoded(written)
        reason = None if isinstance(entry, dict) else "json_broken"
    except BrokenError as error:
        entry, reason = {}, error.code
    known = entry if isinstance(entry, dict) else {}
    return (None if reason else _kind(known), reason, *map(known.get, KEYS))


def _column(values: Sequence[object]) -> pl.Series:
    try:
        return pl.Series(values, dtype=pl.String, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series([v if v is None else _text(v) for v in values], dtype=pl.String)


def _text(value: object) -> str:
    """As in the file; of MongoDB's ``{"$numberLong": "1"}`` its content."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))).startswith("$"):
        return _text(value[key])
    return json.dumps(value)


def _kind(document: Json) -> str:
    """One of the words of this module, never the document's own."""
    stated = document.get("type")
    if stated in TYPES and "eventType" not in document:
        return str(stated)
    return next((kind for key, kind in TELLING.items() if key in document), "other")


def _unfit(rows: pl.DataFrame) -> pl.DataFrame:
    """Rejects: what is no JSON object, and entries with something endless in a field."""
    is_long = pl.any_horizontal(pl.col(name).str.len_bytes() > MOST_FIELD for name in FIELDS)
    reason = pl.coalesce("reason", pl.when(is_long).then(pl.lit("line_too_long")))
    return rows.select("line", reason=reason, source_row=pl.lit(WITHHELD)).drop_nulls("reason")


# ---------------------------------------------------------------- CSV


def _is_json(clean: Text) -> bool:
    with clean.path.open("rb") as stream:
        return stream.read(BLOCK).lstrip()[:1] in (b"[", b"{")


def _table(clean: Text) -> Entries:
    """The site's CSV (tab or comma, no header), or a table whose header names the same fields."""
    separator, header_line, names = _layout(clean)
    table = delimited(clean, separator, header_line, must_close=header_line > 0, names=names)
    rows = with_roles(table.rows, FIELDS)
    stated = pl.col("type") if "type" in names else pl.lit(None, pl.String)
    kind = pl.when(pl.col("sgv").is_not_null()).then(pl.lit("sgv"))
    known = pl.when(stated.is_in(TYPES)).then(stated)
    rows = rows.with_columns(kind=pl.coalesce(known, kind, pl.lit("other")))
    is_cut = _is_cut(rows, clean) if header_line == 0 else pl.lit(value=False)
    rows = rows.with_columns(is_cut=is_cut)
    cut = rows.filter("is_cut").select(
        "line", reason=pl.lit("last_line_open"), source_row=pl.col("text")
    )
    fit = rows.filter(~pl.col("is_cut")).select(*ROWS)
    return Entries(fit, pl.concat([table.rejects, cut]), table.rows_in, clean.path)


def _layout(clean: Text) -> tuple[str, int, tuple[str, ...]]:
    top = clean.lines().filter(pl.col("text") != "").head(1).collect()
    line, written = top.row(0)
    for separator in ("\t", ",", ";"):
        cells = _cells(written, separator)
        if len(cells) == len(API_COLUMNS) and re.fullmatch(r"\d{12,14}", cells[1]):
            return separator, 0, API_COLUMNS
        if "sgv" in cells and {"date", "dateString"} & set(cells):
            return separator, line, _named(header_names(clean, separator, line))
    raise UnreadableError("format_unknown", "neither JSON nor the columns of Nightscout's CSV")


def _cells(written: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([written.replace("\x00", "")], delimiter=separator))
    except csv.Error:
        return []


def _named(cells: Sequence[str]) -> tuple[str, ...]:
    roles = {key: name for name, keys in FIELDS.items() for key in keys[:1]}
    return tuple(
        roles.get(cell, cell if cell == "type" else f"column_{index}")
        for index, cell in enumerate(cells, start=1)
    )


def _is_cut(rows: pl.LazyFrame, clean: Text) -> pl.Expr:
    """The site's CSV ends without a line end. Its last line is whole if its last field, the
    device, is: other rows have one, and this has not."""
    told = rows.select(pl.col("line").max(), pl.col("device").is_not_null().any())
    last, has_device = told.collect(engine="streaming").row(0)
    if clean.is_closed or not has_device:
        return pl.lit(value=False)
    return (pl.col("line") == pl.lit(last)) & pl.col("device").is_null()


# ---------------------------------------------------------------- from entries to rows


def _time() -> pl.Expr:
    """ISO text of the instant with its local offset, else the entry's own text."""
    given = pl.col("date").cast(pl.Float64, strict=False)
    ms = pl.when(given.is_between(SOONEST_MS, LATEST_MS)).then(given.round().cast(pl.Int64))
    minutes = _offset()
    wall = pl.from_epoch(ms + minutes.fill_null(0).cast(pl.Int64) * 60_000, time_unit="ms")
    told = pl.concat_str(wall.dt.strftime("%Y-%m-%dT%H:%M:%S%.3f"), _zone(minutes))
    return pl.coalesce(told, "stamp", "date")


def _offset() -> pl.Expr:
    """Minutes east of UTC, null where nothing but UTC is told."""
    stated = pl.col("offset").cast(pl.Float64, strict=False).round(0)
    stamped = offset_minutes(pl.col("stamp"))
    told = (pl.when((m != 0) & (m.abs() <= MOST_OFFSET)).then(m) for m in (stated, stamped))
    return pl.coalesce(*told).cast(pl.Int32)


def _zone(minutes: pl.Expr) -> pl.Expr:
    sign = pl.when(minutes < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    hours, rest = minutes.abs() // 60, minutes.abs() % 60
    digits = (part.cast(pl.String).str.zfill(2) for part in (hours, rest))
    told = pl.concat_str(sign, pl.concat_str(*digits, separator=":"))
    return pl.when(minutes.is_null()).then(pl.lit("Z")).otherwise(told)


def _verdict() -> pl.Expr:
    """Null for what is read, else why the entry is set aside."""
    kind = pl.col("kind")
    is_error = (kind == "sgv") & ~_is_molar() & _sgv().is_between(0, HIGHEST_ERROR)
    is_deleted = pl.col("valid").str.to_lowercase() == "false"
    aside = (
        pl.when(is_deleted).then(pl.lit("deleted"))
        .when(~kind.is_in(READ)).then(kind)
        .when(is_error).then(pl.lit("error_code"))
    )  # fmt: skip
    return pl.concat_str(pl.lit("record_not_used:"), aside)


def _sgv() -> pl.Expr:
    return pl.col("sgv").cast(pl.Float64, strict=False)


def _is_molar() -> pl.Expr:
    return pl.col("unit").str.to_lowercase().str.starts_with("mmol").fill_null(value=False)


def _unit() -> pl.Expr:
    """mg/dL. An entry that says mmol/L of itself is believed where its value has decimals; a
    whole number could be an error code, so its unit stays unknown and it waits."""
    is_whole = _sgv() == _sgv().round()
    molar = pl.when(~is_whole).then(pl.lit("mmol/L"))
    return pl.when(_is_molar()).then(molar).otherwise(pl.lit("mg/dL"))


def _samples(rows: pl.LazyFrame, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "sample",
        rows.filter(pl.col("verdict").is_null(), pl.col("kind") == "sgv").select(
            "line",
            "device",
            patient_id=pl.lit(patient_id),
            kind=pl.lit("sensor_glucose"),
            source_value="sgv",
            source_unit=_unit(),
            source_observed_at="time",
        ),
    )


def _meter(rows: pl.LazyFrame, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "observation",
        rows.filter(pl.col("verdict").is_null(), pl.col("kind") == "mbg").select(
            "line",
            patient_id=pl.lit(patient_id),
            code_system=pl.lit("loinc"),
            source_code=pl.lit(METER_CODE),
            source_value="mbg",
            source_unit=pl.lit("mg/dL"),
            source_observed_at="time",
            result_id="id",
        ),
    )


def _set_aside(rows: pl.LazyFrame) -> pl.LazyFrame:
    time = pl.when(pl.col("time").str.contains(r"^[\d:.TZ+-]+$")).then("time")
    return rows.filter(pl.col("verdict").is_not_null()).select(
        "line",
        reason="verdict",
        source_row=pl.concat_str(time, "kind", separator=" ", ignore_nulls=True),
    )
