"""open_mhealth: Open mHealth and IEEE 1752.1 data points, or bare bodies of them, in JSON.

One document a file, an array, a data series (one header, a list of bodies) or one point per line.
A point's header names its schema; a bare body tells it by the property only that schema has. What
the schema forbids (an unknown unit or word, a number as text, half an interval) is rejected.

Decided: a statistic over a time (minimum, maximum ...) is no reading and is set aside; only the
mean heart rate, breathing rate or oxygen saturation of at most a day is kept, marked ``average``,
and the sum of steps or sleep. Glucose of an unstated specimen is a meter's, never a laboratory's.
A result over an interval stands at its start. ``resting`` is no schema: a heart rate at rest stays
a heart rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial

from transforms.formats.gathered import Row, broken, reading_of, records_of, unused
from transforms.formats.json_records import Json, Number, Run, Shape
from transforms.formats.owners import owner
from transforms.landing import Opened, Reading, UnreadableError

SHAPE = Shape(
    lists=frozenset({"body", "data", "data_points", "dataPoints"}),
    told=frozenset({"header"}),
    unsaid=frozenset({"user_notes"}),
)

MASSES = frozenset({"fg", "pg", "ng", "ug", "mg", "g", "kg", "Metric Ton", "gr", "oz", "lb", "Ton"})
LENGTHS = frozenset({"fm", "pm", "nm", "um", "mm", "cm", "m", "km", "in", "ft", "yd", "mi"})
SECONDS: Mapping[str, Decimal] = {
    "sec": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "wk": Decimal(604800),
    "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
    "ps": Decimal("1e-12"),
}
"""Seconds of a unit of time; a month and a year have no fixed length."""
DURATIONS = frozenset({*SECONDS, "Mo", "yr"})

STATISTICS = frozenset(
    {
        *("average", "count", "maximum", "median", "minimum", "standard deviation", "sum"),
        *("variance", "20th percentile", "80th percentile", "lower quartile", "upper quartile"),
        *("quartile deviation", "1st quintile", "2nd quintile", "3rd quintile", "4th quintile"),
    }
)
WORDS: Mapping[str, frozenset[str]] = {
    "descriptive_statistic": STATISTICS,
    "temporal_relationship_to_sleep": frozenset({"before sleeping", "during sleep", "on waking"}),
    "temporal_relationship_to_physical_activity": frozenset(
        {"at rest", "active", "before exercise", "after exercise", "during exercise"}
    ),
    "temporal_relationship_to_meal": frozenset(
        {
            *("fasting", "not fasting", "before meal", "after meal", "before breakfast"),
            *("after breakfast", "before lunch", "after lunch", "before dinner", "after dinner"),
            "2 hours postprandial",
        }
    ),
    "specimen_source": frozenset(
        {
            *("breath", "capillary blood", "interstitial fluid", "lacrimal fluid", "plasma"),
            *("saliva", "serum", "sweat", "tears", "urine", "whole blood"),
        }
    ),
    "blood_specimen_type": frozenset({"capillary blood", "plasma", "serum", "whole blood"}),
}
"""Property -> the words its schema allows."""

METER = {"mg/dL": "41653-7", "mmol/L": "14743-9"}
LABORATORY = {"mg/dL": "2345-7", "mmol/L": "14749-6"}
SPECIMENS: Mapping[str | None, Mapping[str, str] | str] = {
    None: METER,
    "capillary blood": METER,
    "whole blood": METER,
    "plasma": LABORATORY,
    "serum": LABORATORY,
    "interstitial fluid": "sensor_glucose",
}
"""Specimen -> LOINC by unit, or the kind of sample; glucose of any other specimen is not used."""
BY_OXIMETER = (None, "peripheral", "capillary", "arterial")
DAY = timedelta(hours=25)
"""The longest local day."""


@dataclass(frozen=True)
class Measure:
    """One schema's quantity.

    ``kind`` of a sample, or ``loinc`` of a result; ``units`` its schema allows; ``bare``: the unit
    of a value that is written as a number alone; ``plain``: statistics that are a reading still;
    ``is_span``: nothing without an interval.
    """

    name: str
    units: frozenset[str]
    kind: str = ""
    loinc: str = ""
    bare: str | None = None
    plain: frozenset[str] = frozenset()
    is_span: bool = False


AVERAGE, SUM = frozenset({"average"}), frozenset({"sum", "count"})
MEASURES: Mapping[str, Measure] = {
    "body-weight": Measure("body_weight", MASSES, loinc="29463-7"),
    "body-height": Measure("body_height", LENGTHS, loinc="8302-2"),
    "waist-circumference": Measure("waist_circumference", LENGTHS, loinc="8280-0"),
    "body-mass-index": Measure("body_mass_index", frozenset({"kg/m2"}), loinc="39156-5"),
    "body-temperature": Measure("body_temperature", frozenset("KFC"), loinc="8310-5"),
    "body-fat-percentage": Measure("body_fat_percentage", frozenset("%"), loinc="41982-0"),
    "systolic": Measure("systolic_blood_pressure", frozenset({"mmHg"}), loinc="8480-6"),
    "diastolic": Measure("diastolic_blood_pressure", frozenset({"mmHg"}), loinc="8462-4"),
    "blood-glucose": Measure("blood_glucose", frozenset(METER)),
    "heart-rate": Measure("heart_rate", frozenset({"beats/min"}), kind="heart_rate", plain=AVERAGE),
    "respiratory-rate": Measure(
        "respiratory_rate", frozenset({"breaths/min"}), kind="respiratory_rate", plain=AVERAGE
    ),
    "oxygen-saturation": Measure(
        "oxygen_saturation", frozenset("%"), kind="oxygen_saturation", plain=AVERAGE
    ),
    "step-count": Measure(
        "step_count", frozenset({"steps"}), kind="steps", bare="steps", plain=SUM, is_span=True
    ),
    "sleep-duration": Measure("sleep_duration", DURATIONS, kind="sleep_duration", plain=SUM),
    "total-sleep-time": Measure("total_sleep_time", DURATIONS, kind="sleep_duration", plain=SUM),
}
EPISODE = frozenset(
    {
        *("latency_to_sleep_onset", "latency_to_arising", "wake_after_sleep_onset"),
        *("number_of_awakenings", "is_main_sleep", "sleep_maintenance_efficiency_percentage"),
    }
)
"""Properties that only a sleep episode has."""
FRAME = frozenset({"effective_time_frame", "user_notes", *WORDS})
"""Properties that no schema is known by."""


@dataclass(frozen=True)
class Point:
    """One data point: its schema, its body, and what every row of it says."""

    schema: str
    body: Json
    shared: Mapping[str, str | None]
    record_id: str | None
    start: str | None
    end: str | None


def read(opened: Opened) -> Reading:
    """Read data points; times as they are written, with their offset.

    Raises:
        UnreadableError: empty file, or nobody knows whose it is: neither the folder, nor a
            mapping, nor any header; or a folder's file names several people.
    """
    records, named = records_of(opened, SHAPE), owner(opened)
    people: set[str] = set()
    reading = reading_of(opened, records, partial(_rows, opened, named, people))
    if named and len(people) > 1:
        raise UnreadableError("file_unknown", "its data points name several people")
    if not named and not people and reading.tables:
        raise UnreadableError("file_unknown", "no folder, mapping or header names a patient")
    return reading


def _rows(
    opened: Opened, named: str | None, people: set[str], record: Json, run: Run
) -> Iterator[Row]:
    header, body = _parts(record, run)
    user = _text(header.get("user_id"))
    people.update({user} if user else ())
    patient_id = named or opened.source.patients.get(user or "") or user
    point = _point(header, body, patient_id)
    _check_words(body)
    rows = [*_BY_SCHEMA.get(point.schema, _measured)(point)]
    if point.start is None:
        raise broken("effective_time_frame is missing")
    yield from rows


def _parts(record: Json, run: Run) -> tuple[Json, Json]:
    """Header and body; a data series has its header outside, a bare body has none."""
    around = run.context.get("header")
    header, body = record.get("header"), record
    if header is None and isinstance(around, dict):
        header = {**around, "id": None, "uuid": None}
    if "header" in record or isinstance(record.get("body"), dict):
        body = record.get("body", {})
    if not isinstance(body, dict):
        raise broken("body")
    return header if isinstance(header, dict) else {}, body


def _point(header: Json, body: Json, patient_id: str | None) -> Point:
    origin = header.get("acquisition_provenance")
    origin = origin if isinstance(origin, dict) else {}
    modality = origin.get("modality", header.get("modality"))
    shared = {
        "patient_id": patient_id,
        "device": _device(header, origin),
        "method": "manual" if modality == "self-reported" else None,
    }
    schema = _schema(header, body)
    record_id = _text(header.get("id")) or _text(header.get("uuid"))
    return Point(schema, body, shared, record_id, *_times(body))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _device(header: Json, origin: Json) -> str | None:
    """Who measured: the source's name, and the sheets of an IEEE header (maker, model)."""
    stated = header.get("external_datasheets")
    sheets = stated if isinstance(stated, list) else []
    listed = [sheet for sheet in sheets if isinstance(sheet, dict)]
    told = [origin.get("source_name"), *(sheet.get("datasheet_reference") for sheet in listed)]
    found = [word for word in map(_text, told) if word]
    return " ".join(found) or None


def _schema(header: Json, body: Json) -> str:
    """The schema's name: the header's, else the one whose own property the body has."""
    stated = header.get("schema_id")
    name = stated.get("name") if isinstance(stated, dict) else None
    if isinstance(name, str):
        return name.replace("_", "-")
    if EPISODE & body.keys():
        return "sleep-episode"
    for schema, measure in MEASURES.items():
        if measure.name in body:
            return "blood-pressure" if schema in PRESSURES else schema
    if "activity_name" in body:
        return "physical-activity"
    own = sorted(body.keys() - FRAME)
    raise unused(own[0]) if own else broken("no measure")


def _check_words(body: Json) -> None:
    for name, allowed in WORDS.items():
        if name in body and not (isinstance(body[name], str) and body[name] in allowed):
            raise broken(name)


# ---------------------------------------------------------------- time


def _times(body: Json) -> tuple[str | None, str | None]:
    """Start, or moment, and end; early versions of some schemas allow a body without them."""
    frame = body.get("effective_time_frame")
    if frame is None:
        return None, None
    if not isinstance(frame, dict) or ("date_time" in frame) == ("time_interval" in frame):
        raise broken("effective_time_frame")
    if "date_time" in frame:
        return _moment(frame, "date_time"), None
    return _interval(frame["time_interval"])


def _interval(interval: object) -> tuple[str, str | None]:
    if not isinstance(interval, dict):
        raise broken("time_interval")
    names = interval.keys() & {"start_date_time", "end_date_time", "duration", "date"}
    if names == {"start_date_time", "end_date_time"}:
        return _moment(interval, "start_date_time"), _moment(interval, "end_date_time")
    if names == {"start_date_time", "duration"}:
        start = _moment(interval, "start_date_time")
        return start, _shifted(start, _length(interval["duration"]))
    if names == {"end_date_time", "duration"}:
        end = _moment(interval, "end_date_time")
        return _shifted(end, -_length(interval["duration"])), end
    if names == {"date"} and "part_of_day" in interval:
        return _moment(interval, "date"), None
    raise broken("time_interval")


def _moment(times: Json, name: str) -> str:
    """The text of a time. A number would be an epoch whose unit nobody states."""
    found = times[name]
    if isinstance(found, Number) or not isinstance(found, str) or not found.strip():
        raise broken(name)
    return found


def _length(duration: object) -> timedelta:
    value, unit = _quantity(duration, DURATIONS, "duration")
    try:
        return timedelta(seconds=float(Decimal(value) * SECONDS[unit]))
    except (KeyError, OverflowError, InvalidOperation):
        raise broken("duration") from None


def _shifted(moment: str, by: timedelta) -> str:
    try:
        return (datetime.fromisoformat(moment.strip()) + by).isoformat()
    except (ValueError, OverflowError):
        raise broken("time_interval") from None


# ---------------------------------------------------------------- rows by schema


def _quantity(found: object, units: frozenset[str], name: str) -> tuple[str, str]:
    """Value and unit of a quantity."""
    if not isinstance(found, dict):
        raise broken(name)
    value, unit = found.get("value"), found.get("unit")
    if not isinstance(value, Number):
        raise broken(f"{name}.value")
    if not isinstance(unit, str) or unit not in units:
        raise broken(f"{name}.unit")
    return value, unit


def _measured(point: Point) -> Iterator[Row]:
    """A schema with one quantity."""
    measure = MEASURES.get(point.schema)
    if measure is None:
        raise unused(point.schema)
    yield _row(point, measure)


def _row(point: Point, measure: Measure) -> Row:
    found = point.body.get(measure.name)
    if measure.bare and isinstance(found, Number):
        value, unit = str(found), measure.bare
    else:
        value, unit = _quantity(found, measure.units, measure.name)
    if measure.is_span and point.start and not point.end:
        raise broken("effective_time_frame: needs an interval")
    _check_use(point, measure)
    if measure.kind:
        return _sample(point, measure.kind, value, unit)
    return _result(point, measure.loinc, value, unit)


def _check_use(point: Point, measure: Measure) -> None:
    """Whether the number is a reading, not a statistic of many, and of a kind we use."""
    stated = point.body.get("descriptive_statistic")
    is_daily = stated != "average" or _is_within_a_day(point)
    has_denominator = "descriptive_statistic_denominator" in point.body
    if stated and not (stated in measure.plain and is_daily and not has_denominator):
        raise unused(f"{point.schema}-{stated}".replace(" ", "-"))
    if measure.name == "oxygen_saturation" and point.body.get("system") not in BY_OXIMETER:
        raise unused("oxygen-saturation-system")


def _is_within_a_day(point: Point) -> bool:
    try:
        start, end = (datetime.fromisoformat(str(time)) for time in (point.start, point.end))
        return end - start <= DAY
    except (ValueError, TypeError):
        return False


def _sample(point: Point, kind: str, value: str | None, unit: str | None) -> Row:
    stated = point.body.get("descriptive_statistic")
    cells = {
        **point.shared,
        "kind": kind,
        "source_code": point.body.get("temporal_relationship_to_physical_activity"),
        "source_value": value,
        "source_unit": unit,
        "source_observed_at": point.start,
        "source_ended_at": point.end,
    }
    return "sample", {**cells, "method": "average"} if stated == "average" else cells


def _result(point: Point, loinc: str, value: str, unit: str, fasting: str | None = None) -> Row:
    return "observation", {
        "patient_id": point.shared["patient_id"],
        "code_system": "loinc",
        "source_code": loinc,
        "source_value": value,
        "source_unit": unit,
        "source_observed_at": point.start,
        "source_fasting": fasting,
        "assay": point.shared["device"],
        "result_id": point.record_id,
    }


def _glucose(point: Point) -> Iterator[Row]:
    """Interstitial glucose is a sensor's sample, blood's a result of a meter or laboratory."""
    measure, body = MEASURES["blood-glucose"], point.body
    value, unit = _quantity(body.get(measure.name), measure.units, measure.name)
    _check_use(point, measure)
    specimen = body.get("specimen_source", body.get("blood_specimen_type"))
    if specimen not in SPECIMENS:
        raise unused(f"blood-glucose-{specimen}".replace(" ", "-"))
    use = SPECIMENS[specimen]
    if isinstance(use, str):
        yield _sample(point, use, value, unit)
    else:
        yield _result(point, use[unit], value, unit, _fasting(body))


def _fasting(body: Json) -> str | None:
    """``before meal`` says nothing of the hours before it."""
    relation = str(body.get("temporal_relationship_to_meal"))
    if relation == "fasting":
        return "yes"
    is_fed = relation.startswith("after") or relation in {"not fasting", "2 hours postprandial"}
    return "no" if is_fed else None


PRESSURES = ("systolic", "diastolic")


def _pressures(point: Point) -> Iterator[Row]:
    for name in PRESSURES:
        table, cells = _row(point, MEASURES[name])
        own = point.record_id and f"{point.record_id}/{name}"
        yield table, {**cells, "result_id": own}


def _sleep(point: Point) -> Iterator[Row]:
    """An episode: the time asleep where it is stated, else the episode's own length."""
    if point.start and not point.end:
        raise broken("effective_time_frame: needs an interval")
    value = unit = None
    if "total_sleep_time" in point.body:
        value, unit = _quantity(point.body["total_sleep_time"], DURATIONS, "total_sleep_time")
    _check_use(point, MEASURES["total-sleep-time"])
    table, cells = _sample(point, "sleep_duration", value, unit)
    yield table, {**cells, "source_code": "sleep-episode"}


def _activity(point: Point) -> Iterator[Row]:
    """A workout, worth its own length."""
    name = _text(point.body.get("activity_name"))
    if name is None or isinstance(name, Number):
        raise broken("activity_name")
    if point.start and not point.end:
        raise unused("physical-activity-without-end")
    table, cells = _sample(point, "workout_duration", None, None)
    yield table, {**cells, "source_code": name}


_BY_SCHEMA = {
    "blood-glucose": _glucose,
    "blood-pressure": _pressures,
    "sleep-episode": _sleep,
    "physical-activity": _activity,
}
