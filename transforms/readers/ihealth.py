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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from transforms.formats.gathered import Row, UnfitError, reading_of, records_of, unused
from transforms.formats.json_records import BrokenError, Json, Number, Run, Shape, decoded, text_of
from transforms.formats.owners import known_owner
from transforms.formats.text import text
from transforms.landing import Opened, Reading, UnreadableError

Record = Callable[[Json, Json], list[Row]]

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


def read(opened: Opened) -> Reading:
    """Read one saved reply; values in the reply's unit, times with the record's offset.

    Raises:
        UnreadableError: not such a reply, too large to be parsed whole, or nobody knows whose it
            is.
    """
    reply, patient_id = _reply(opened), known_owner(opened)
    records = records_of(opened, SHAPE)
    reading = reading_of(opened, records, partial(_rows, patient_id, reply))
    is_page = bool(reply.get("NextPageUrl"))
    return replace(reading, notes=("further pages of this reply exist",)) if is_page else reading


def _reply(opened: Opened) -> Json:
    """The reply as a whole: units and options stand beside its lists."""
    if opened.path.stat().st_size > MAX_BYTES:
        raise UnreadableError("too_large", "a reply is parsed whole")
    try:
        reply = decoded(text(opened).path.read_text(encoding="utf-8"), MAX_BYTES)
    except BrokenError as error:
        raise UnreadableError(error.code) from None
    if not isinstance(reply, dict) or not any(isinstance(reply.get(key), list) for key in LISTS):
        raise UnreadableError("format_unknown", "no list of an iHealth reply")
    return reply | dict(opened.source.options)


def _rows(patient_id: str, reply: Json, record: Json, run: Run) -> Iterator[Row]:
    rows = LISTS.get(run.place[-1])
    if rows is None:
        raise unused(run.place[-1])
    found = rows(record, reply)
    if not found:
        raise UnfitError("row_empty")
    for table, cells in found:
        yield table, {"patient_id": patient_id, **cells}


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
    return [_observation(item, code, at, value, unit, comment=meal)] if value else []


def _oxygen(item: Json, _: Json) -> list[Row]:
    at, value = _wall(item.get("MDate"), item.get("TimeZone")), _measured(text_of(item.get("BO")))
    told = [_sample(item, "oxygen_saturation", at, value, "%")] if value else []
    return told + _pulse(item, at)


def _sleep(item: Json, _: Json) -> list[Row]:
    """Minutes asleep, under the name of hours (their share of the time in bed is the stated
    efficiency), and the time in bed."""
    start, end = (_wall(item.get(f"{side}Time"), item.get("TimeZone")) for side in ("Start", "End"))
    minutes = _measured(text_of(item.get("HoursSlept")))
    in_bed = _sample(item, "in_bed_duration", start, None, None, source_ended_at=end)
    asleep = _sample(item, "sleep_duration", start, minutes, "min", source_ended_at=end)
    return [in_bed, asleep] if minutes else [in_bed]


def _sport(item: Json, reply: Json) -> list[Row]:
    as_text = _wall if reply.get("sport_times") == "local" else _instant
    start, end = (
        as_text(item.get(f"Sport{side}Time"), item.get("TimeZone")) for side in ("Start", "End")
    )
    name = text_of(item.get("SportName"))
    told = {"source_ended_at": end, "source_code": name}
    return [_sample(item, "workout_duration", start, None, None, **told)] if end else []


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
SHAPE = Shape(lists=frozenset(LISTS), every_list=True, unsaid=frozenset({"Note"}))


def _pulse(item: Json, at: str | None) -> list[Row]:
    value = _measured(text_of(item.get("HR")))
    return [_sample(item, "heart_rate", at, value, "/min")] if value else []


def _sample(
    item: Json, kind: str, at: str | None, value: str | None, unit: str | None, **more: str | None
) -> Row:
    method = "manual" if item.get("DataSource") == "Manual" else None
    told = {"source_observed_at": at, "source_value": value, "source_unit": unit}
    return "sample", {"kind": kind, "device": "iHealth", "method": method, **told, **more}


def _observation(
    item: Json, code: str, at: str | None, value: str | None, unit: str | None, **more: str | None
) -> Row:
    told = {"source_observed_at": at, "source_value": value, "source_unit": unit}
    coded = {"code_system": "loinc", "source_code": code, "result_id": text_of(item.get("DataID"))}
    return "observation", {**coded, **told, **more}


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
    if not isinstance(seconds, Number) or not re.fullmatch(r"\d{1,10}", seconds):
        return None
    return datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None) if int(seconds) else None


def _zone(offset: object) -> tuple[timedelta, str] | None:
    """``-0800``, ``+05:30``, ``-8`` or ``5.5`` as a shift and as ISO text."""
    told = re.fullmatch(r"([+-]?)(\d{1,2})(?:(?::?(\d{2}))|\.(\d{1,2}))?", text_of(offset) or "")
    if told is None:
        return None
    minutes = int(told[3] or 0) + round(60 * float(f"0.{told[4] or 0}"))
    sign = "-" if told[1] == "-" else "+"
    shift = timedelta(hours=int(told[2]), minutes=minutes)
    return (-shift if sign == "-" else shift), f"{sign}{int(told[2]):02}:{minutes:02}"
