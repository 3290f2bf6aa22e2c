"""oura: the Oura ring's account export (JSON, or its CSV files in a zip) and pages of its API.

An export names each collection (``sleep``, ``daily_activity``, ``heartrate`` ...); a page of the
API (``{"data": [...], "next_token": ...}``) does not, and a record is then known by its fields.
The older names of version 1 (``rmssd``, ``hypnogram_5min`` ...) are read too. Scores, readiness,
temperature deviations and tags are set aside, tags without their text.

Decided: of a night the five-minute stages become sleep, cut at the end of the bedtime; the total is
used only where there are none. A night's mean heart and breathing rate are marked ``average``, its
lowest heart rate is the resting one. A day's count has the day as its interval. A zero in place of
a rate is Oura's way to say that none was measured.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby, islice
from pathlib import PurePath

from transforms.formats.gathered import JSON, Row, broken, reading_of, records_of, unused
from transforms.formats.json_records import (
    MAX_RECORD,
    QUOTED,
    BrokenError,
    Json,
    Number,
    Records,
    Run,
    Shape,
    decoded,
)
from transforms.formats.owners import known_owner
from transforms.formats.text import Text
from transforms.landing import Opened, Reading, UnreadableError

KINDS: Mapping[str, str] = {
    "sleep": "sleep",
    "sleepmodel": "sleep",
    "sleepperiods": "sleep",
    "dailyactivity": "activity",
    "activity": "activity",
    "heartrate": "heart",
    "dailyspo2": "oxygen",
    "spo2": "oxygen",
    "workout": "workout",
    "workouts": "workout",
    "ringconfiguration": "ring",
    "ringconfigurations": "ring",
}
"""A collection's name without case and underscores -> what its records are."""
FIELDS: Sequence[tuple[frozenset[str], str]] = (
    (frozenset({"bpm", "timestamp"}), "heart"),
    (frozenset({"bedtime_start", "bedtime_end"}), "sleep"),
    (frozenset({"spo2_percentage"}), "oxygen"),
    (frozenset({"activity", "start_datetime"}), "workout"),
    (frozenset({"steps", "active_calories"}), "activity"),
    (frozenset({"steps", "cal_active"}), "activity"),
    (frozenset({"hardware_type"}), "ring"),
    (frozenset({"temperature_deviation"}), "daily_readiness"),
    (frozenset({"tag_type_code"}), "enhanced_tag"),
    (frozenset({"tags"}), "tag"),
)
"""The fields by which a record of an unnamed collection is known."""
SHAPE = Shape(
    lists=frozenset({"data", "sleep", "daily_activity", "heartrate", "daily_spo2", "workout"}),
    nests=frozenset({"sleep", "daily_activity", "heartrate", "daily_spo2", "workout"}),
    every_list=True,
    unsaid=frozenset({"comment", "text", "note", "notes", "label", "custom_name", "email"}),
)
ENDINGS = (*JSON, ".csv")
STAGES = {"1": "deep", "2": "light", "3": "rem", "4": "awake"}
STAGE_LENGTH = timedelta(minutes=5)
NOT_SLEEP = ("deleted", "rest")
"""Types of a bedtime that is none: taken back by Oura, or lying awake."""
NIGHTLY: Sequence[tuple[tuple[str, str], str, str, str | None]] = (
    (("average_heart_rate", "hr_average"), "heart_rate", "beats/min", "average"),
    (("lowest_heart_rate", "hr_lowest"), "resting_heart_rate", "beats/min", None),
    (("average_hrv", "rmssd"), "heart_rate_variability_rmssd", "ms", None),
    (("average_breath", "breath_average"), "respiratory_rate", "breaths/min", "average"),
)
"""Field (version 2, version 1), kind, unit and method of what is told of a whole bedtime."""
AT_ONCE = 10_000
"""Rows of a CSV file that are kept at a time."""
LINE_ENDS = re.compile(r"[\r\n]+")
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ZERO = re.compile(r"0+(?:\.0*)?")

Rings = Sequence[tuple[str, str]]
"""Day of set-up and hardware of every ring, in order of day."""


def read(opened: Opened) -> Reading:
    """Read an export or a page of the API; times keep the offset they are written with.

    Raises:
        UnreadableError: empty or damaged file, an archive without such files, or nobody knows
            whose it is.
    """
    patient_id = known_owner(opened)
    records = records_of(opened, SHAPE, ENDINGS, _keep)
    interpret = partial(_rows, patient_id, _rings(records))
    return reading_of(opened, records, interpret, endings=ENDINGS)


def _rows(patient_id: str, rings: Rings, record: Json, run: Run) -> Iterator[Row]:
    kind = _kind(record, run)
    rows = _BY_KIND.get(kind)
    if rows is None:
        raise unused(kind)
    for cells in rows(record):
        shared = {"patient_id": patient_id, "device": _device(rings, cells)}
        yield "sample", {**shared, **cells}


def _kind(record: Json, run: Run) -> str:
    """What a record is: by its collection's name, its fields, or the name of its file."""
    for key in reversed(run.place[1:]):
        if key != "data":
            return KINDS.get(_plain(key), key)
    for fields, kind in FIELDS:
        if fields <= record.keys():
            return kind
    stem = PurePath(run.place[0]).stem
    return KINDS.get(_plain(stem), "other")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


# ---------------------------------------------------------------- rows by kind

Cells = dict[str, str | None]


def _sample(
    kind: str, start: str, end: str | None = None, value: str | None = None, unit: str | None = None
) -> Cells:
    return {
        "kind": kind,
        "source_value": value,
        "source_unit": unit,
        "source_observed_at": start,
        "source_ended_at": end,
    }


def _text(record: Json, *names: str) -> str:
    """The first of the fields that is filled, which must be text."""
    found = _filled(record, *names)
    if not isinstance(found, str) or isinstance(found, Number):
        raise broken(names[0])
    return found


def _number(record: Json, *names: str) -> str | None:
    """The first of the fields that is filled, which must be a number; None where none is."""
    found = _filled(record, *names)
    if found is None:
        return None
    if not isinstance(found, Number):
        raise broken(names[0])
    return str(found)


def _filled(record: Json, *names: str) -> object:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _next_day(day: str) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        raise broken("day") from None


def _sleep(record: Json) -> Iterator[Cells]:
    """A bedtime: its stages asleep, its length, and what is told of the whole of it."""
    kind = record.get("type")
    if kind in NOT_SLEEP:
        raise unused(f"sleep-{kind}")
    start, end = _text(record, "bedtime_start"), _text(record, "bedtime_end")
    yield from _asleep(record, start, end)
    yield _sample("in_bed_duration", start, end)
    is_night = kind in {None, "long_sleep"}
    for names, measured, unit, method in NIGHTLY:
        value = _number(record, *names)
        is_due = is_night or measured != "resting_heart_rate"
        if value is not None and is_due and not _ZERO.fullmatch(value):
            yield {**_sample(measured, start, end, value, unit), "method": method}


def _asleep(record: Json, start: str, end: str) -> Iterator[Cells]:
    stages = _filled(record, "sleep_phase_5_min", "hypnogram_5min")
    if stages:
        yield from _stages(str(stages), start, end)
    elif (total := _number(record, "total_sleep_duration", "total")) is not None:
        yield {**_sample("sleep_duration", start, end, total, "s"), "source_code": "total"}


def _stages(stages: str, start: str, end: str) -> Iterator[Cells]:
    """Neighbouring five minutes of one stage as one interval."""
    if not set(stages) <= STAGES.keys():
        raise broken("sleep_phase_5_min")
    try:
        begin, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
        for stage, run in groupby(stages):
            until = begin + len([*run]) * STAGE_LENGTH
            stop = min(until, last)
            if STAGES[stage] != "awake" and begin < stop:
                asleep = _sample("sleep_duration", begin.isoformat(), stop.isoformat())
                yield {**asleep, "source_code": STAGES[stage]}
            begin = until
    except (ValueError, TypeError, OverflowError):
        raise broken("bedtime_start") from None


def _activity(record: Json) -> Iterator[Cells]:
    """A day's steps and active energy."""
    day = _text(record, "day", "summary_date")
    steps, energy = _number(record, "steps"), _number(record, "active_calories", "cal_active")
    if steps is not None:
        yield _sample("steps", day, _next_day(day), steps, "steps")
    if energy is not None:
        yield _sample("active_energy", day, _next_day(day), energy, "kcal")


def _heart(record: Json) -> Iterator[Cells]:
    source = record.get("source")
    beats = _sample("heart_rate", _text(record, "timestamp"), None, _number(record, "bpm"), "bpm")
    yield {**beats, "source_code": source if isinstance(source, str) else None}


def _oxygen(record: Json) -> Iterator[Cells]:
    """The mean of a day's sleep."""
    found = record.get("spo2_percentage")
    value = _number(found, "average") if isinstance(found, dict) else None
    if value is not None:
        yield {
            **_sample("oxygen_saturation", _text(record, "day"), None, value, "%"),
            "method": "average",
        }


def _workout(record: Json) -> Iterator[Cells]:
    start, end = _text(record, "start_datetime"), _text(record, "end_datetime")
    yield {**_sample("workout_duration", start, end), "source_code": _text(record, "activity")}


_BY_KIND = {
    "sleep": _sleep,
    "activity": _activity,
    "heart": _heart,
    "oxygen": _oxygen,
    "workout": _workout,
}


# ---------------------------------------------------------------- rings


def _rings(records: Records) -> Rings:
    """Every ring of the account, so that a sample knows which one it came from."""
    found = {}
    if not any(_is_of_rings(run) for run in records.runs):
        return ()
    for _, run, text in records.lines():
        if _is_of_rings(run) and '"hardware_type"' in text:
            ring = _ring(text)
            found[str(ring.get("set_up_at") or "")[:10]] = str(ring.get("hardware_type") or "")
    return sorted(found.items())


def _is_of_rings(run: Run) -> bool:
    return any(KINDS.get(_plain(PurePath(key).stem)) == "ring" for key in run.place)


def _ring(text: str) -> Json:
    try:
        ring = decoded(text)
    except BrokenError:
        return {}
    return ring if isinstance(ring, dict) else {}


def _device(rings: Rings, cells: Cells) -> str:
    """The ring in use that day; the first one known for what was before its set-up."""
    day = str(cells["source_observed_at"])[:10]
    worn = [hardware for since, hardware in rings if since <= day] or [h for _, h in rings[:1]]
    return " ".join(["Oura Ring", *worn[-1:]]).strip()


# ---------------------------------------------------------------- CSV


def _keep(records: Records, clean: Text, name: str) -> None:
    """The records of JSON, or of an export's CSV file as JSON of the same fields."""
    with clean.path.open(encoding="utf-8", newline="") as stream:
        header = stream.readline(MAX_RECORD)
        stream.seek(0)
        if header.lstrip()[:1] in {"{", "["} or not name.casefold().endswith(".csv"):
            records.keep(clean, name)
            return
        stem = PurePath(name).stem
        written = _written(stream, stem, ";" if ";" in header else ",")
        while some := "".join(islice(written, AT_ONCE)):
            records.append(some.encode(), (name, stem))


def _written(stream: Iterable[str], stem: str, separator: str) -> Iterator[str]:
    rows = csv.reader(stream, delimiter=separator, strict=True)
    try:
        names: list[str] = next(rows, [])
    except csv.Error:
        raise UnreadableError("header_missing") from None
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield "no row\n"
            continue
        if cells:
            yield LINE_ENDS.sub(" ", _record(stem, names, cells)) + "\n"


def _record(stem: str, names: Sequence[str], cells: Sequence[str]) -> str:
    """A row as an object; one that does not fit as text that is none."""
    if len(cells) != len(names):
        shown = ";".join(cells)[:QUOTED] if _plain(stem) in KINDS else ""
        return f"{len(cells)} fields: {shown}"
    filled = (f"{json.dumps(key)}:{_value(cell)}" for key, cell in zip(names, cells, strict=True))
    return "{" + ",".join(filled) + "}"


def _value(cell: str) -> str:
    """A cell as JSON: numbers and JSON stand as they are."""
    if not cell or cell == "null":
        return "null"
    if _DIGITS.fullmatch(cell):
        return cell
    try:
        is_json = cell[0] in "{[" and json.loads(cell) is not None
    except (ValueError, RecursionError):
        is_json = False
    return cell if is_json else json.dumps(cell, ensure_ascii=False)
