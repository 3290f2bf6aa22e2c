"""nightscout: the entries of a Nightscout site, as JSON, NDJSON or CSV, and OpenAPS's glucose.json.

``sgv`` is a sensor's value and always mg/dL, whatever unit the site displays; below 39 it is an
error code of the sensor and never a value (so says Nightscout's own display). ``mbg`` is a meter's
reading. Calibrations, treatments, device states and profiles are set aside by kind, with their
time and kind alone: their notes and names are not kept.

``date``, in milliseconds since 1970, is the instant and outranks ``dateString``. Local time is
told by ``utcOffset`` (minutes) and, where that is 0 or missing, by the offset in ``dateString``:
uploaders that send UTC leave 0 there, which says nothing of where the wearer lives, so the time is
then given as UTC. Without ``date`` the text of ``dateString`` stands as it is.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from transforms.delimited import MAX_LINE, delimited, header_names
from transforms.instants import offset_minutes
from transforms.json_documents import Document, Entry, documents, is_json, is_lines, lines
from transforms.landing import Opened, Reading, UnreadableError, no_rejects, shaped
from transforms.readers.dexcom import patient, with_roles
from transforms.text import Text, text

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
COLLECTIONS = ("result", "entries", "treatments", "devicestatus", "profile")
"""Keys under which an answer or a backup holds its documents."""
API_COLUMNS = ("stamp", "date", "sgv", "direction", "device")
"""The columns of the site's CSV, which has no header."""

LOWEST_VALUE, HIGHEST_ERROR = 39, 12
METER_CODE = "41653-7"
"""LOINC: glucose in capillary blood by glucometer, mass."""
SOONEST_MS, LATEST_MS = 100_000_000_000, 4_102_444_800_000
"""1973 and 2100: a ``date`` outside is none in milliseconds."""
MOST_OFFSET = 14 * 60
AT_ONCE = 20_000
MOST_FIELD = 1000
WITHHELD = "not kept, it may hold a name"
_LINE_END = re.compile(r"\s*[\r\n]\s*")


@dataclass(frozen=True)
class Entries:
    """Rows of :data:`ROWS`, rejects, their count, and the text whose lines are the rows."""

    rows: pl.LazyFrame
    rejects: pl.LazyFrame
    rows_in: int
    lines: Path


def read(opened: Opened) -> Reading:
    """Read entries: samples of the sensor, observations of the meter.

    Raises:
        UnreadableError: neither JSON nor such a table, nothing in it is of Nightscout, or nobody
            knows whose it is.
    """
    clean = text(opened)
    entries = _json(clean, opened.scratch) if is_json(clean) else _table(clean)
    rows = entries.rows.with_columns(time=_time()).with_columns(verdict=_verdict())
    patient_id = patient(opened, rows, (pl.col("device"),))
    return Reading(
        tables={"sample": _samples(rows, patient_id), "observation": _meter(rows, patient_id)},
        rejects=pl.concat([entries.rejects, _set_aside(rows)]),
        rows_in=entries.rows_in,
        lines=entries.lines,
    )


# ---------------------------------------------------------------- JSON


def _json(clean: Text, scratch: Path) -> Entries:
    """An array, a stream of lines, or one object that is or holds documents."""
    if is_lines(clean):
        entries = _kept(lines(clean.path), scratch, None, clean.path)
    else:
        entries = _kept(documents(clean.path, COLLECTIONS), scratch, scratch / "entries.ndjson")
    is_known = entries.rows.select((pl.col("kind") != "other").any()).collect().item()
    if entries.rows_in and not is_known:
        raise UnreadableError("format_unknown", "nothing in it is a document of Nightscout")
    return entries


def _kept(
    entries: Iterator[Entry], scratch: Path, copy: Path | None, original: Path | None = None
) -> Entries:
    """Entries as frames in ``scratch``, a batch at a time; their text as lines of ``copy``."""
    paths: list[Path] = []
    rejects, rows_in = [no_rejects()], 0
    while batch := list(islice(entries, AT_ONCE)):
        rows_in += len(batch)
        rows = _rows(batch)
        bad = _unfit(rows)
        paths.append(scratch / f"entries-{len(paths):06d}.arrow")
        rows.join(bad, on="line", how="anti").write_ipc(paths[-1])
        rejects.append(bad.lazy())
        if copy:
            _copy_lines(batch, rows["kind"].to_list(), copy)
    frame = pl.scan_ipc(paths) if paths else ROWS.to_frame().lazy()
    return Entries(frame, pl.concat(rejects), rows_in, original or copy or scratch)


def _copy_lines(entries: Sequence[Entry], kinds: Sequence[str | None], copy: Path) -> None:
    """A line for each entry: its text, which has no line end inside a string. Other kinds than
    those that are read may hold names; their lines stay empty."""
    with copy.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        for entry, kind in zip(entries, kinds, strict=True):
            written = entry.text if kind in READ else ""
            stream.write(_LINE_END.sub(" ", written) if "\n" in written else written)
            stream.write("\n")


def _rows(entries: Sequence[Entry]) -> pl.DataFrame:
    """Rows of :data:`ROWS`, one for each entry; no kind where it is no JSON object."""
    documents = [entry.document or {} for entry in entries]
    columns = {name: _column(documents, keys) for name, keys in FIELDS.items()}
    kinds = [None if entry.document is None else _kind(entry.document) for entry in entries]
    return pl.DataFrame(
        {"line": [entry.line for entry in entries], "kind": kinds, **columns}, schema=ROWS
    )


def _column(documents: Sequence[Document], keys: tuple[str, ...]) -> pl.Series:
    values = [document.get(keys[0]) for document in documents]
    for key in keys[1:]:
        pairs = zip(values, documents, strict=True)
        values = [document.get(key) if value is None else value for value, document in pairs]
    try:
        return pl.Series(values, dtype=pl.String, strict=True)
    except (TypeError, UnicodeEncodeError, pl.exceptions.PolarsError):
        return pl.Series(
            [value if value is None else _text(value) for value in values], dtype=pl.String
        )


def _text(value: object) -> str:
    """As in the file; of MongoDB's ``{"$numberLong": "1"}`` its content."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))).startswith("$"):
        return _text(value[key])
    return json.dumps(value)


def _kind(document: Document) -> str:
    """One of the words of this module, never the document's own."""
    stated = document.get("type")
    if stated in TYPES and "eventType" not in document:
        return str(stated)
    return next((kind for key, kind in TELLING.items() if key in document), "other")


def _unfit(rows: pl.DataFrame) -> pl.DataFrame:
    """Rejects: what is no JSON object, and entries with a NUL or something endless in a field."""
    fields = [pl.col(name) for name in FIELDS]
    is_nul = pl.any_horizontal(field.str.contains("\x00", literal=True) for field in fields)
    is_long = pl.any_horizontal(field.str.len_bytes() > MOST_FIELD for field in fields)
    reason = (
        pl.when(pl.col("kind").is_null()).then(pl.lit("json_broken"))
        .when(is_nul).then(pl.lit("nul_byte"))
        .when(is_long).then(pl.lit("line_too_long"))
    )  # fmt: skip
    return rows.select("line", reason=reason, source_row=pl.lit(WITHHELD)).drop_nulls("reason")


# ---------------------------------------------------------------- CSV


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
        cells = next(csv.reader([written[:MAX_LINE].replace("\x00", "")], delimiter=separator))
        if len(cells) == len(API_COLUMNS) and re.fullmatch(r"\d{12,14}", cells[1]):
            return separator, 0, API_COLUMNS
        if "sgv" in cells and {"date", "dateString"} & set(cells):
            return separator, line, _named(header_names(clean, separator, line))
    raise UnreadableError("format_unknown", "neither JSON nor the columns of Nightscout's CSV")


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
    is_value = (kind != "sgv") | _is_molar() | (_sgv() >= LOWEST_VALUE)
    is_deleted = pl.col("valid").str.to_lowercase() == "false"
    aside = (
        pl.when(is_deleted).then(pl.lit("deleted"))
        .when(~kind.is_in(READ)).then(kind)
        .when(is_value.fill_null(value=True)).then(None)
        .when(_sgv() <= HIGHEST_ERROR).then(pl.lit("error_code"))
        .otherwise(pl.lit("below_39"))
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
