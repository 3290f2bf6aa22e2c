"""withings: the Withings data export (CSV files, alone or in their zip) and replies of its API.

Of the export: weight, bp, height, sleep, activities, the days' steps and active calories, and the
devices' own series of steps, heart rate and sleep states. Of the API: measure groups, daily and
intraday activity, sleep summaries and states. Goals, measures that may be another person's
(attribution 1), body composition in kilograms and places are set aside.

A measure of the API is an integer and a power of ten; its decimal text is written without a float
in between. Type 12 is set aside: some scales tell the room's temperature by it. A night is the sum
of its stages asleep, a day's count has the day as its interval. Instants are epochs: they are
written on the clock of the zone that the reply names, else in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial

import polars as pl

from transforms.formats.gathered import Row, broken, reading_of, records_of, unused
from transforms.formats.json_records import Json, Number, Run, Shape
from transforms.formats.owners import known_owner
from transforms.formats.withings_files import holds_tables, tables_read
from transforms.landing import Opened, Reading

SHAPE = Shape(
    lists=frozenset({"measuregrps", "activities", "series", "devices", "goals"}),
    nests=frozenset({"body"}),
    maps=frozenset({"series"}),
    told=frozenset({"timezone"}),
    unsaid=frozenset({"comment", "comments", "note", "notes"}),
)

RESULTS: Mapping[str, tuple[str, str]] = {
    "1": ("29463-7", "kg"),
    "4": ("8302-2", "m"),
    "6": ("41982-0", "%"),
    "9": ("8462-4", "mm[Hg]"),
    "10": ("8480-6", "mm[Hg]"),
    "71": ("8310-5", "Cel"),
}
"""Type of a measure -> LOINC and unit (Withings API reference, measure getmeas)."""
SAMPLES: Mapping[str, tuple[str, str]] = {
    "11": ("heart_rate", "beats/min"),
    "54": ("oxygen_saturation", "%"),
}
REAL = "1"
"""Category of a measure; 2 is a goal."""
AMBIGUOUS = "1"
"""Attribution to a user who may be another."""
BY_HAND = ("2", "4")
STATES = {"1": "light", "2": "deep", "3": "rem"}
ASLEEP = ("lightsleepduration", "deepsleepduration", "remsleepduration")
_WHOLE = re.compile(r"-?\d{1,15}")
_POWER = re.compile(r"-?\d{1,2}")
_QUARTER = 900
"""Seconds; no zone changes its offset within a quarter of an hour."""
LAST_EPOCH = 253_370_764_800
"""The year 9999; a later one is no second."""


def read(opened: Opened) -> Reading:
    """Read an export, one of its files, or a reply of the API.

    Raises:
        UnreadableError: empty or damaged file, none of these, or nobody knows whose it is.
    """
    patient_id = known_owner(opened)
    if holds_tables(opened):
        return tables_read(opened, patient_id)
    records = records_of(opened, SHAPE)
    return reading_of(opened, records, partial(_rows, patient_id))


def _rows(patient_id: str, record: Json, run: Run) -> Iterator[Row]:
    zone = record.get("timezone", run.context.get("timezone"))
    rows = _BY_PLACE.get(run.place[-1])
    if rows is None or len(run.place) == 1:
        raise unused(run.place[-1]) if len(run.place) > 1 else broken("no measurements")
    for table, cells in rows(record, _Clock(zone if isinstance(zone, str) else None)):
        yield table, {"patient_id": patient_id, **cells}


# ---------------------------------------------------------------- numbers and times


class _Clock:
    """Epochs as ISO text on the wall clock of a zone, in UTC where it is not known."""

    def __init__(self, zone: str | None) -> None:
        self.zone = zone

    def text(self, epoch: object, name: str) -> str:
        """The instant of a field ``name``.

        Raises:
            UnfitError: it is no whole number of seconds.
        """
        if not isinstance(epoch, Number) or not _WHOLE.fullmatch(epoch):
            raise broken(name)
        return self.at(int(epoch), name)

    def at(self, seconds: int, name: str) -> str:
        if not 0 <= seconds < LAST_EPOCH:
            raise broken(name)
        utc = datetime.fromtimestamp(seconds, UTC)
        east = _minutes_east(self.zone, seconds // _QUARTER) if self.zone else None
        if east is None:
            return utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        sign, (hours, minutes) = "-" if east < 0 else "+", divmod(abs(east), 60)
        wall = (utc + timedelta(minutes=east)).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{wall}{sign}{hours:02}:{minutes:02}"


@lru_cache(maxsize=200_000)
def _minutes_east(zone: str, quarter: int) -> int | None:
    """Minutes east of UTC in a zone; None for a zone that is none. Polars brings the zones."""
    try:
        at = pl.Series([quarter * _QUARTER]).cast(pl.Int64)
        utc = pl.from_epoch(at, time_unit="s").dt.replace_time_zone("UTC")
        wall = utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        return int((wall - utc.dt.replace_time_zone(None)).dt.total_minutes()[0])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        return None


def _decimal(measure: Json) -> str:
    """``value * 10 ** unit``, exactly.

    >>> _decimal({"value": Number("72500"), "unit": Number("-3")})
    '72.500'
    """
    value, power = measure.get("value"), measure.get("unit")
    if not (isinstance(value, Number) and isinstance(power, Number)):
        raise broken("measures.value")
    if not (_WHOLE.fullmatch(value) and _POWER.fullmatch(power)):
        raise broken("measures.value")
    return f"{Decimal(value).scaleb(int(power)):f}"


def _number(record: Json, name: str) -> str | None:
    """A field's number; None where it is not filled."""
    found = record.get(name)
    if found is None:
        return None
    if not isinstance(found, Number):
        raise broken(name)
    return str(found)


def _device(record: Json) -> str:
    """Maker, model, and what tells two of a model apart."""
    told = (record.get(name) for name in ("model", "deviceid"))
    return " ".join(["Withings", *(str(word) for word in told if isinstance(word, str) and word)])


def _sample(kind: str, start: str, end: str | None, value: str | None, unit: str | None) -> Json:
    return {
        "kind": kind,
        "source_value": value,
        "source_unit": unit,
        "source_observed_at": start,
        "source_ended_at": end,
    }


# ---------------------------------------------------------------- rows


def _group(record: Json, clock: _Clock) -> Iterator[Row]:
    """What was measured at one time."""
    if record.get("category", Number(REAL)) != REAL:
        raise unused("goal")
    attribution = record.get("attrib")
    if attribution == AMBIGUOUS:
        raise unused("ambiguous-user")
    measures = record.get("measures")
    if not isinstance(measures, list) or not all(isinstance(m, dict) for m in measures):
        raise broken("measures")
    used = [m for m in measures if m.get("type") in RESULTS or m.get("type") in SAMPLES]
    if not used:
        raise unused("measures-" + "-".join(sorted({str(m.get("type")) for m in measures})))
    observed = clock.text(record.get("date"), "date")
    for measure in used:
        value, kind = _decimal(measure), str(measure["type"])
        if kind in RESULTS:
            yield "observation", _result(record, kind, value, observed)
        else:
            named, unit = SAMPLES[kind]
            method = "manual" if attribution in BY_HAND else None
            cells = _sample(named, observed, None, value, unit)
            yield "sample", {**cells, "device": _device(record), "method": method}


def _result(record: Json, kind: str, value: str, observed: str) -> Json:
    code, unit = RESULTS[kind]
    group, changed = record.get("grpid"), record.get("modified") or record.get("created")
    return {
        "code_system": "loinc",
        "source_code": code,
        "source_value": value,
        "source_unit": unit,
        "source_observed_at": observed,
        "source_reported_at": _Clock(None).text(changed, "modified") if changed else None,
        "assay": _device(record),
        "result_id": f"{group}/{kind}" if isinstance(group, Number) else None,
        "comment": "entered by hand" if record.get("attrib") in BY_HAND else None,
    }


def _day(record: Json, _: _Clock) -> Iterator[Row]:
    """A day's activity: its steps and active energy."""
    day = record.get("date")
    try:
        after = (datetime.fromisoformat(str(day)) + timedelta(days=1)).date().isoformat()
    except (ValueError, OverflowError):
        raise broken("date") from None
    for name, kind, unit in (("steps", "steps", "steps"), ("calories", "active_energy", "kcal")):
        value = _number(record, name)
        if value is not None:
            cells = _sample(kind, str(day), after, value, unit)
            yield "sample", {**cells, "device": _device(record)}


def _series(record: Json, clock: _Clock) -> Iterator[Row]:
    """A night, one of its states, or a moment of the day: the reply's name is not in it."""
    if "startdate" in record and isinstance(record.get("data"), dict):
        yield from _night(record, clock)
    elif "startdate" in record and "state" in record:
        yield from _state(record, clock)
    elif len(record) == 1 and isinstance(moment := next(iter(record.values())), dict):
        yield from _moment(next(iter(record)), moment, clock)
    else:
        raise unused("series")


def _night(record: Json, clock: _Clock) -> Iterator[Row]:
    """A summary: the sum of its stages asleep, the time in bed, mean heart and breathing rate."""
    start, end = _ends(record, clock)
    data, shared = record["data"], {"device": _device(record)}
    stages = [stage for name in ASLEEP if (stage := _number(data, name)) is not None]
    if stages:
        asleep = f"{sum(map(Decimal, stages)):f}"
        night = _sample("sleep_duration", start, end, asleep, "s")
        yield "sample", {**shared, **night, "source_code": "light+deep+rem"}
    yield "sample", {**shared, **_sample("in_bed_duration", start, end, None, None)}
    rates = (("hr_average", "heart_rate", "bpm"), ("rr_average", "respiratory_rate", "/min"))
    for name, kind, unit in rates:
        value = _number(data, name)
        if value is not None and Decimal(value):
            cells = _sample(kind, start, end, value, unit)
            yield "sample", {**shared, **cells, "method": "average"}


def _ends(record: Json, clock: _Clock) -> tuple[str, str]:
    return (
        clock.text(record.get("startdate"), "startdate"),
        clock.text(record.get("enddate"), "enddate"),
    )


def _state(record: Json, clock: _Clock) -> Iterator[Row]:
    state = str(record["state"])
    if state not in STATES:
        raise unused("awake" if state == "0" else "sleep-state")
    cells = _sample("sleep_duration", *_ends(record, clock), None, None)
    yield "sample", {**cells, "device": _device(record), "source_code": STATES[state]}


def _moment(epoch: str, record: Json, clock: _Clock) -> Iterator[Row]:
    """Some seconds or minutes of a day: steps and active energy over them, heart rate at once."""
    start = clock.text(Number(epoch), "series")
    length = _number(record, "duration")
    end = start
    if length is not None and _WHOLE.fullmatch(length):
        end = clock.at(int(epoch) + int(length), "duration")
    shared = {"device": _device(record)}
    for name, kind, unit in (("steps", "steps", "steps"), ("calories", "active_energy", "kcal")):
        value = _number(record, name)
        if value is not None:
            yield "sample", {**shared, **_sample(kind, start, end, value, unit)}
    rate = _number(record, "heart_rate")
    if rate is not None:
        yield "sample", {**shared, **_sample("heart_rate", start, None, rate, "bpm")}


_BY_PLACE = {"measuregrps": _group, "activities": _day, "series": _series}
