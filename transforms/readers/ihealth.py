"""ihealth: saved replies of the iHealth Open API (v2) as JSON.

One list of records in a reply: activity, blood pressure, glucose, sleep, oxygen, sport or weight.
The unit of a list is a number beside it (``BPUnit`` ...). Zero stands for "not measured".

Times. ``MDate``, ``StartTime`` and ``EndTime`` are seconds since 1970 of the *wall clock*, with the
offset in ``TimeZone``: in real replies they precede ``LastChangeTime``, which is UTC, by just that
offset. ``SportStartTime`` and ``SportEndTime`` do not: there the second of the entry and the second
of the change agree in UTC, so they are read as instants. One public mapper takes them for wall
clock too; ``sport_times = "local"`` under the source's options says so. Activity is a day's total
as of its last sync, so its time is the day.

Notes are free text and are left out of what the quarantine shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import orjson
import polars as pl

from transforms.json_entries import BrokenError, Json, any_json, text_of
from transforms.landing import LANDING, REJECTS, Opened, Reading, UnreadableError, shaped
from transforms.readers.dexcom import patient
from transforms.text import text

Row = dict[str, object]
Record = Callable[[Json, Json], list[Row]]

SAMPLE, OBSERVATION = "sample", "observation"
COLUMNS = tuple(dict.fromkeys((*LANDING[SAMPLE], *LANDING[OBSERVATION])))
ROWS = pl.Schema(
    {
        "line": pl.Int64,
        "part": pl.Int32,
        "table": pl.String,
        "reason": pl.String,
        **dict.fromkeys(COLUMNS, pl.String),
    }
)
MAX_BYTES = 100_000_000
UNITS: Mapping[str, Mapping[str, str]] = {
    "BPUnit": {"0": "mm[Hg]", "1": "kPa"},
    "BGUnit": {"0": "mg/dL", "1": "mmol/L"},
    "WeightUnit": {"0": "kg", "1": "[lb_av]", "2": "[stone_av]"},
}
"""Name beside a list -> number -> unit. Any other number is no unit, and the rows wait."""
GLUCOSE = {"mg/dL": "41653-7", "mmol/L": "14743-9"}
SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"
WEIGHT, BMI, BODY_FAT = "29463-7", "39156-5", "41982-0"
_WORD = r"[A-Za-z][A-Za-z0-9_-]{0,39}"


def read(opened: Opened) -> Reading:
    """Read one saved reply; values in the reply's unit, times with the record's offset.

    Raises:
        UnreadableError: not such a reply, too large to be parsed whole, or nobody knows whose it
            is.
    """
    reply = _reply(opened)
    if opened.source.options.get("sport_times") == "local":
        reply["sport_times"] = "local"
    patient_id = patient(opened, pl.LazyFrame(), ())
    records = [
        (key, item)
        for key, value in reply.items()
        if key.endswith("DataList") and isinstance(value, list)
        for item in value
    ]
    lines = opened.scratch / "rows.txt"
    lines.write_bytes(b"".join(_shown(item) + b"\n" for _, item in records))
    found = [
        {**row, "line": line, "part": part}
        for line, (key, item) in enumerate(records, start=1)
        for part, row in enumerate(_rows(key, item, reply))
    ]
    rows = pl.from_dicts(found, schema=ROWS) if found else ROWS.to_frame()
    return Reading(
        tables={table: _landed(rows, table, patient_id) for table in (SAMPLE, OBSERVATION)},
        rejects=_rejects(rows),
        rows_in=lines.read_bytes().count(b"\n"),
        notes=_notes(reply),
        lines=lines,
    )


def _reply(opened: Opened) -> Json:
    if opened.path.stat().st_size > MAX_BYTES:
        raise UnreadableError("too_large", "a reply is parsed whole")
    clean = text(opened).path.read_text(encoding="utf-8").removeprefix("\ufeff")
    try:
        reply = any_json(clean)
    except BrokenError as error:
        raise UnreadableError(error.reason) from None
    if not isinstance(reply, dict) or not any(
        key in LISTS and isinstance(value, list) for key, value in reply.items()
    ):
        raise UnreadableError("format_unknown", "no list of an iHealth reply")
    return reply


def _shown(item: object) -> bytes:
    kept = {k: v for k, v in item.items() if k != "Note"} if isinstance(item, dict) else None
    try:
        return orjson.dumps(kept)
    except TypeError:  # nested deeper than may be written back, or an integer beyond 64 bits
        return b"null"


def _notes(reply: Json) -> tuple[str, ...]:
    """Whether the reply is one page of several."""
    following = reply.get("NextPageUrl")
    return ("further pages of this reply exist",) if following else ()


def _rows(key: str, item: object, reply: Json) -> list[Row]:
    if key not in LISTS:
        shown = key if re.fullmatch(_WORD, key) else "other"
        return [{"reason": f"record_not_used:{shown}"}]
    if not isinstance(item, dict):
        return [{"reason": "json_broken"}]
    return LISTS[key](item, reply) or [{"reason": "row_empty"}]


def _landed(rows: pl.DataFrame, table: str, patient_id: str) -> pl.LazyFrame:
    kept = rows.lazy().filter(pl.col("table") == table)
    named = kept.with_columns(patient_id=pl.lit(patient_id))
    return shaped(table, named.select("line", "part", *LANDING[table]))


def _rejects(rows: pl.DataFrame) -> pl.LazyFrame:
    refused = rows.lazy().filter(pl.col("reason").is_not_null())
    return refused.select("line", "reason", source_row=pl.lit(None, pl.String)).select(*REJECTS)


# ---------------------------------------------------------------- one record of each list


def _activity(item: Json, _: Json) -> list[Row]:
    steps = text_of(item.get("Steps"))
    if _measured(steps) is None and item.get("DataSource") == "Manual":
        return []
    at = _wall(item.get("MDate"), item.get("TimeZone"))
    return [_sample(item, "steps", at[:10] if at else at, steps, "{#}/d")]


def _blood_pressure(item: Json, reply: Json) -> list[Row]:
    unit, at = _unit(reply, "BPUnit"), _wall(item.get("MDate"), item.get("TimeZone"))
    told = [
        _observation(item, code, at, value, unit)
        for code, name in ((SYSTOLIC, "HP"), (DIASTOLIC, "LP"))
        if (value := _measured(text_of(item.get(name))))
    ]
    return told + _pulse(item, at)


def _glucose(item: Json, reply: Json) -> list[Row]:
    unit, value = _unit(reply, "BGUnit"), _measured(text_of(item.get("BG")))
    at, meal = _wall(item.get("MDate"), item.get("TimeZone")), text_of(item.get("DinnerSituation"))
    code = GLUCOSE.get(unit or "", GLUCOSE["mg/dL"])
    return [{**_observation(item, code, at, value, unit), "comment": meal}] if value else []


def _oxygen(item: Json, _: Json) -> list[Row]:
    at, value = _wall(item.get("MDate"), item.get("TimeZone")), _measured(text_of(item.get("BO")))
    told = [_sample(item, "oxygen_saturation", at, value, "%")] if value else []
    return told + _pulse(item, at)


def _sleep(item: Json, _: Json) -> list[Row]:
    """Minutes asleep, under the name of hours (their share of the time in bed is the stated
    efficiency), and the time in bed."""
    start, end = (_wall(item.get(f"{side}Time"), item.get("TimeZone")) for side in ("Start", "End"))
    minutes = _measured(text_of(item.get("HoursSlept")))
    in_bed = _sample(item, "in_bed_duration", start, None, None) | {"source_ended_at": end}
    asleep = _sample(item, "sleep_duration", start, minutes, "min") | {"source_ended_at": end}
    return [in_bed, asleep] if minutes else [in_bed]


def _sport(item: Json, reply: Json) -> list[Row]:
    as_text = _wall if reply.get("sport_times") == "local" else _instant
    start, end = (
        as_text(item.get(f"Sport{side}Time"), item.get("TimeZone")) for side in ("Start", "End")
    )
    named: Row = {"source_ended_at": end, "source_code": text_of(item.get("SportName"))}
    return [_sample(item, "workout_duration", start, None, None) | named] if end else []


def _weight(item: Json, reply: Json) -> list[Row]:
    at = _wall(item.get("MDate"), item.get("TimeZone"))
    units = {"WeightValue": _unit(reply, "WeightUnit"), "BMI": "kg/m2", "FatValue": "%"}
    codes = {"WeightValue": WEIGHT, "BMI": BMI, "FatValue": BODY_FAT}
    return [
        _observation(item, codes[name], at, value, units[name])
        for name in units
        if (value := _measured(text_of(item.get(name))))
    ]


LISTS: Mapping[str, Record] = {
    "ARDataList": _activity,
    "BPDataList": _blood_pressure,
    "BGDataList": _glucose,
    "BODataList": _oxygen,
    "SRDataList": _sleep,
    "SPORTDataList": _sport,
    "WeightDataList": _weight,
}


def _pulse(item: Json, at: str | None) -> list[Row]:
    value = _measured(text_of(item.get("HR")))
    return [_sample(item, "heart_rate", at, value, "/min")] if value else []


def _sample(item: Json, kind: str, at: str | None, value: str | None, unit: str | None) -> Row:
    method = "manual" if item.get("DataSource") == "Manual" else None
    told = {"source_observed_at": at, "source_value": value, "source_unit": unit}
    return {"table": SAMPLE, "kind": kind, "device": "iHealth", "method": method, **told}


def _observation(item: Json, code: str, at: str | None, value: str | None, unit: str | None) -> Row:
    told = {"source_observed_at": at, "source_value": value, "source_unit": unit}
    coded = {"code_system": "loinc", "source_code": code, "result_id": text_of(item.get("DataID"))}
    return {"table": OBSERVATION, **coded, **told}


def _measured(value: str | None) -> str | None:
    """The text of a value, None where it is the zero that stands for none."""
    return None if value is None or re.fullmatch(r"-?0*(\.0*)?", value.strip()) else value


def _unit(reply: Json, name: str) -> str | None:
    return UNITS[name].get(text_of(reply.get(name)) or "")


# ---------------------------------------------------------------- times


def _wall(seconds: object, offset: object) -> str | None:
    """Seconds of the wall clock as ISO text with the offset; without one it is local time."""
    at, zone = _at(seconds), _zone(offset)
    return f"{at.isoformat()}{zone[1] if zone else ''}" if at else text_of(seconds)


def _instant(seconds: object, offset: object) -> str | None:
    """Seconds of UTC as ISO text on the wall clock of the offset."""
    at, zone = _at(seconds), _zone(offset)
    if at is None:
        return text_of(seconds)
    return f"{(at + zone[0]).isoformat()}{zone[1]}" if zone else f"{at.isoformat()}Z"


def _at(seconds: object) -> datetime | None:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds < 1 << 33:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _zone(offset: object) -> tuple[timedelta, str] | None:
    """``-0800``, ``+05:30``, ``-8`` or ``5.5`` as a shift and as ISO text."""
    told = re.fullmatch(r"([+-]?)(\d{1,2})(?:(?::?(\d{2}))|\.(\d{1,2}))?", text_of(offset) or "")
    if told is None:
        return None
    minutes = int(told[3] or 0) + round(60 * float(f"0.{told[4] or 0}"))
    sign = "-" if told[1] == "-" else "+"
    shift = timedelta(hours=int(told[2]), minutes=minutes)
    return (-shift if sign == "-" else shift), f"{sign}{int(told[2]):02}:{minutes:02}"
