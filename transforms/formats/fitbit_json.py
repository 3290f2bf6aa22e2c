"""Fitbit's JSON to landing rows: the files of an account's export and the replies of its Web API.

Times. Minute and second series and workouts of the export (``MM/DD/YY HH:MM:SS``) are UTC: people
who held them beside Google's CSV of the same minutes, stamped ``Z``, found them equal; one public
reader takes them for local, so ``intraday_times = "local"`` under the source's options says
otherwise. Sleep, weight and everything of the Web API is local time without a zone; a resting heart
rate belongs to a local date. Of weight the unit follows the account and stands nowhere: the option
``weight_unit`` says it, else the row waits without one.

Sleep. Of a log with stages, each asleep stage is a sample worth its ``seconds``; the short wakes,
which lie inside the stages, are cut out, so that the sum is the log's ``minutesAsleep``. Classic
logs call restless sleep awake, and so does this. The log itself is time in bed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from transforms.formats.json_records import (
    MAX_RECORD,
    BrokenError,
    Json,
    Number,
    decoded,
    objects,
    text_of,
)

Row = dict[str, object]

COLUMNS = (
    *("kind", "device", "method", "code_system", "source_code", "source_value", "source_unit"),
    *("source_observed_at", "source_ended_at", "result_id"),
)
ROWS = pl.Schema(
    {
        "line": pl.Int64,
        "part": pl.Int32,
        "table": pl.String,
        "reason": pl.String,
        "topic": pl.String,
        "rank": pl.Int8,
        **dict.fromkeys(COLUMNS, pl.String),
    }
)
"""What a file's entries become: rows of a landing table, or a reason. ``topic`` is what is told,
``rank`` which telling of it this is: of a day's tellings only the lowest is used."""
BROKEN: Row = {"reason": "json_broken"}

DEVICE = "Fitbit"
"""The make; these files do not say which tracker."""
WEIGHT, BMI, BODY_FAT = "29463-7", "39156-5", "41982-0"
ASLEEP = ("asleep", "light", "deep", "rem")
PER_MINUTE, COUNT, COUNT_A_DAY = "/min", "{#}", "{#}/d"

_TEXT = r'"([ !#-\[\]-~]*)"'
_NUMBER = r"(-?[0-9][0-9.eE+-]*)"
STEPS_FORM = rf'^ *\{{ *"dateTime" *: *{_TEXT} *, *"value" *: *(?:{_TEXT}|{_NUMBER}) *\}} *$'
HEART_FORM = (
    rf'^ *\{{ *"dateTime" *: *{_TEXT} *, *"value" *: *\{{ *"bpm" *: *{_NUMBER}'
    rf' *, *"confidence" *: *{_NUMBER} *\}} *\}} *$'
)
"""The whole of an entry as the export writes it. What is written otherwise is parsed one by one."""
_US_TIME = r"^(\d{2})/(\d{2})/(\d{2}) (\d{2}:\d{2}:\d{2})$"
_US_DATE = r"^(\d{2})/(\d{2})/(\d{2})$"
_WORD = r"[A-Za-z][A-Za-z0-9_-]{0,39}"


@dataclass(frozen=True)
class Dialect:
    """What the settings say of an account's files: the unit of weight, and whether the export's
    minute series are in UTC."""

    weight_unit: str | None = None
    is_utc: bool = True

    @property
    def mark(self) -> str:
        """What is written after a time of the series."""
        return "Z" if self.is_utc else ""


Entry = Callable[[Json, Dialect], list[Row]]


def not_used(kind: str) -> list[Row]:
    """One row set aside; a kind that is no plain word is not repeated."""
    shown = kind if re.fullmatch(_WORD, kind) else "other"
    return [{"reason": f"record_not_used:{shown}"}]


def sample(kind: str, at: str | None, value: str | None, unit: str | None, **more: object) -> Row:
    """A row of ``sample``."""
    told = {"source_observed_at": at, "source_value": value, "source_unit": unit}
    return {"table": "sample", "kind": kind, "device": DEVICE, **told, **more}


# ---------------------------------------------------------------- series, a span at a time


@dataclass(frozen=True)
class Series:
    """A file of many short entries of one form.

    ``form`` matches an entry as the export writes it, its time in group 1; ``value`` and
    ``reason`` are expressions over its groups; ``entry`` reads what is written otherwise.
    """

    kind: str
    unit: str
    form: str
    value: pl.Expr
    reason: pl.Expr
    entry: Entry

    def rows(self, lines: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
        """The rows of entries: ``line`` and ``text``."""
        found = lines.with_columns(found=pl.col("text").str.extract_groups(self.form))
        found = found.unnest("found")
        is_usual = pl.col("1").is_not_null() & (pl.col("text").str.len_bytes() <= MAX_RECORD)
        iso = f"20$3-$1-${{2}}T${{4}}{dialect.mark}"
        rows = found.filter(is_usual).select(
            "line",
            part=pl.lit(0, pl.Int32),
            table=pl.lit("sample"),
            reason=self.reason,
            topic=pl.lit(self.kind),
            rank=pl.lit(0, pl.Int8),
            kind=pl.lit(self.kind),
            device=pl.lit(DEVICE),
            source_value=self.value,
            source_unit=pl.lit(self.unit),
            source_observed_at=pl.col("1").str.replace(_US_TIME, iso),
        )
        usual = rows.match_to_schema(ROWS, missing_columns="insert")
        rest = found.filter(~is_usual).select("line", "text")
        return pl.concat([usual, entry_rows(rest, self.entry, dialect)])


def entry_rows(lines: pl.DataFrame, entry: Entry, dialect: Dialect) -> pl.DataFrame:
    """Rows of entries parsed one by one; several rows of an entry are its parts."""
    found: list[Row] = []
    for line, text in lines.iter_rows():
        try:
            value = decoded(text)
        except BrokenError as error:
            told: list[Row] = [{"reason": error.code}]
        else:
            told = entry(value, dialect) if isinstance(value, dict) else [BROKEN]
        found += [{**row, "line": line, "part": part} for part, row in enumerate(told)]
    return pl.from_dicts(found, schema=ROWS) if found else ROWS.to_frame()


# ---------------------------------------------------------------- entries of the export


def us_time(text: str | None, mark: str = "") -> str | None:
    """``MM/DD/YY HH:MM:SS`` as ISO text, with ``mark`` after it; any other text as it came.

    >>> us_time("12/31/25 23:59:00", "Z")
    '2025-12-31T23:59:00Z'
    """
    return re.sub(_US_TIME, rf"20\3-\1-\2T\4{mark}", text) if text else text


def us_date(text: str | None) -> str | None:
    """``MM/DD/YY`` as ISO text; any other text as it came."""
    return re.sub(_US_DATE, r"20\3-\1-\2", text) if text else text


def steps(entry: Json, dialect: Dialect) -> list[Row]:
    """``{dateTime, value}``."""
    at = us_time(text_of(entry.get("dateTime")), dialect.mark)
    row = sample("steps", at, text_of(entry.get("value")), COUNT)
    return [{**row, "topic": "steps", "rank": 0}]


def heart_rate(entry: Json, dialect: Dialect) -> list[Row]:
    """``{dateTime, value: {bpm, confidence}}``; confidence 0 is a placeholder, no measurement."""
    value = entry.get("value")
    told = value if isinstance(value, dict) else {"bpm": value}
    if text_of(told.get("confidence")) == "0":
        return not_used("confidence_0")
    at = us_time(text_of(entry.get("dateTime")), dialect.mark)
    row = sample("heart_rate", at, text_of(told.get("bpm")), PER_MINUTE)
    return [{**row, "topic": "heart_rate", "rank": 0}]


def resting_heart_rate(entry: Json, _: Dialect) -> list[Row]:
    """``{dateTime, value: {date, value, error}}``; days without a value are padded with 0."""
    value = entry.get("value")
    told = value if isinstance(value, dict) else {"value": value, "date": entry.get("dateTime")}
    date = text_of(told.get("date"))
    if date is None and text_of(told.get("value")) in ("0", "0.0", None):
        return not_used("padding")
    row = sample("resting_heart_rate", us_date(date), text_of(told.get("value")), PER_MINUTE)
    return [{**row, "topic": "resting_heart_rate", "rank": 0}]


def weight(entry: Json, dialect: Dialect) -> list[Row]:
    """A weight log of the export or the Web API: weight, body mass index, body fat."""
    date, time = us_date(text_of(entry.get("date"))), text_of(entry.get("time"))
    common: Row = {
        "table": "observation",
        "code_system": "loinc",
        "source_observed_at": f"{date}T{time}" if date and time else date,
        "result_id": text_of(entry.get("logId")),
        "topic": "weight",
        "rank": 1,
    }
    units = {"weight": dialect.weight_unit, "bmi": "kg/m2", "fat": "%"}
    codes = {"weight": WEIGHT, "bmi": BMI, "fat": BODY_FAT}
    told = [
        {**common, "source_code": codes[name], "source_unit": units[name], "source_value": value}
        for name in units
        if (value := text_of(entry.get(name))) is not None
    ]
    return told or [{"reason": "row_empty"}]


def exercise(entry: Json, dialect: Dialect) -> list[Row]:
    """A workout of the export or the Web API, over its own interval."""
    name = text_of(entry.get("activityName")) or text_of(entry.get("name"))
    length = _milliseconds(entry)
    if length is None:
        return not_used("workout_without_duration")
    code: Row = {"source_code": name, "topic": "workout", "rank": 0}
    start = _start(entry, dialect)
    end = _after(start, length)
    if end is None:  # a day without a time of day: the stated length alone
        return [sample("workout_duration", start, str(length), "ms", **code)]
    return [sample("workout_duration", start, None, None, source_ended_at=end, **code)]


def _milliseconds(entry: Json) -> int | None:
    value = entry.get("duration")
    return int(value) if isinstance(value, Number) and value.isdigit() else None


def _start(entry: Json, dialect: Dialect) -> str | None:
    start, date = text_of(entry.get("startTime")), text_of(entry.get("startDate"))
    if date is None:
        return us_time(start, dialect.mark)
    return date if entry.get("hasStartTime") is False or not start else f"{date}T{start}"


def _after(start: str | None, milliseconds: int) -> str | None:
    """The time so much later, with the offset that ``start`` has; None without a time of day."""
    if start is None or "T" not in start:
        return None
    try:
        end = datetime.fromisoformat(start) + timedelta(milliseconds=milliseconds)
    except (ValueError, OverflowError):
        return None
    return end.isoformat().replace("+00:00", "Z")


# ---------------------------------------------------------------- sleep


def sleep(entry: Json, _: Dialect) -> list[Row]:
    """A sleep log: time in bed, and its asleep stages or, without them, its minutes asleep."""
    start, end = text_of(entry.get("startTime")), text_of(entry.get("endTime"))
    topic: Row = {"topic": "sleep", "rank": 0}
    told = [_in_bed(entry, start, end)]
    levels = entry.get("levels")
    stages = objects(levels.get("data")) if isinstance(levels, dict) else []
    wakes = objects(levels.get("shortData")) if isinstance(levels, dict) else []
    for stage in stages:
        if stage.get("level") in ASLEEP:
            told += _pieces(stage, [wake for wake in wakes if wake.get("level") == "wake"])
    if not stages:
        minutes = text_of(entry.get("minutesAsleep"))
        told.append(sample("sleep_duration", start, minutes, "min", source_ended_at=end))
    return [{**row, **topic} for row in told]


def _in_bed(entry: Json, start: str | None, end: str | None) -> Row:
    if end is not None:
        return sample("in_bed_duration", start, None, None, source_ended_at=end)
    return sample("in_bed_duration", start, text_of(entry.get("timeInBed")), "min")


def _pieces(stage: Json, wakes: list[Json]) -> list[Row]:
    """A stage without the wakes inside it."""
    level, start = text_of(stage.get("level")), text_of(stage.get("dateTime"))
    interval = _interval(stage)
    cuts = sorted(cut for wake in wakes if interval and (cut := _interval(wake)))
    inside = [cut for cut in cuts if interval and cut[0] < interval[1] and interval[0] < cut[1]]
    if interval is None or not inside:
        value = text_of(stage.get("seconds"))
        return [sample("sleep_duration", start, value, "s", source_code=level)]
    return [
        sample("sleep_duration", at.isoformat(), _seconds(at, until), "s", source_code=level)
        for at, until in _uncut(interval, inside)
    ]


def _interval(told: Json) -> tuple[datetime, datetime] | None:
    start, seconds = told.get("dateTime"), told.get("seconds")
    try:
        begun = datetime.fromisoformat(str(start)).replace(tzinfo=None)
        return begun, begun + timedelta(seconds=int(str(seconds)))
    except (ValueError, OverflowError):
        return None


def _uncut(
    whole: tuple[datetime, datetime], cuts: list[tuple[datetime, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    at, end = whole
    for begun, ended in cuts:
        if at < begun:
            yield at, begun
        at = max(at, ended)
    if at < end:
        yield at, end


def _seconds(start: datetime, end: datetime) -> str:
    return f"{(end - start).total_seconds():g}"


# ---------------------------------------------------------------- replies of the Web API


def reply_rows(reply: Json, dialect: Dialect) -> list[tuple[object, list[Row]]]:
    """The records of a saved reply, each with the rows it becomes.

    A day's total is set aside where the same reply tells the day's minutes; totals without a
    date (``summary``, ``goals``) and lists that are not read are one record each.
    """
    told: list[tuple[object, list[Row]]] = []
    for key, value in reply.items():
        if key in LISTS and isinstance(value, list):
            told += [(item, _listed(key, item, reply, dialect)) for item in value]
        elif key in INTRADAY and isinstance(value, dict) and isinstance(value.get("dataset"), list):
            told += [(item, _minute(key, item, reply)) for item in value["dataset"]]
        else:
            told.append((None, not_used(key)))
    return told


def is_reply(value: object) -> bool:
    """Whether a JSON value looks like a reply of the Web API: one of its lists is there."""
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in LISTS)


def _listed(key: str, item: object, reply: Json, dialect: Dialect) -> list[Row]:
    if not isinstance(item, dict):
        return [BROKEN]
    if isinstance(item.get("value"), dict) and (path := NIGHTLY.get(key)):
        kind, name, unit = path
        number = text_of(item["value"].get(name))
        at = text_of(item.get("dateTime"))
        return [sample(kind, at, number, unit)] if number else not_used("day_total")
    if _is_told_by_minute(key, item, reply):
        return not_used("total_of_the_minutes")
    return LISTS[key](item, dialect)


def _is_told_by_minute(key: str, item: Json, reply: Json) -> bool:
    minutes = reply.get(f"{key}-intraday")
    return (
        isinstance(minutes, dict)
        and bool(minutes.get("dataset"))
        and _day(reply, key) == (item.get("dateTime"))
    )


def _day(reply: Json, key: str) -> object:
    """The date of a reply's minutes, which give the time of day only: that of its one total."""
    days = objects(reply.get(key))
    return days[0].get("dateTime") if len(days) == 1 else None


def _minute(key: str, item: object, reply: Json) -> list[Row]:
    if not isinstance(item, dict):
        return [BROKEN]
    kind, unit = INTRADAY[key]
    if kind is None:
        return not_used(key)
    date, time = text_of(_day(reply, key.removesuffix("-intraday"))), text_of(item.get("time"))
    at = f"{date}T{time}" if date and time else time
    return [sample(kind, at, text_of(item.get("value")), unit)]


def _day_steps(item: Json, _: Dialect) -> list[Row]:
    value = text_of(item.get("value"))
    return [sample("steps", text_of(item.get("dateTime")), value, COUNT_A_DAY)]


def _day_weight(item: Json, dialect: Dialect) -> list[Row]:
    return weight({"date": item.get("dateTime"), "weight": item.get("value")}, dialect)


def _unused(_: Json, __: Dialect) -> list[Row]:
    return not_used("day_total")


LISTS: Mapping[str, Entry] = {
    "activities-steps": _day_steps,
    "activities-heart": _unused,
    "activities": exercise,
    "weight": weight,
    "body-weight": _day_weight,
    "fat": weight,
    "sleep": sleep,
    "hrv": _unused,
    "br": _unused,
    **dict.fromkeys(
        (
            *("activities-calories", "activities-distance", "activities-floors"),
            *("activities-elevation", "activities-minutesSedentary", "activities-tracker-steps"),
            *("activities-minutesLightlyActive", "activities-minutesFairlyActive"),
            *("activities-minutesVeryActive", "activities-active-zone-minutes"),
        ),
        _unused,
    ),
}
"""List of a reply -> how an entry of it is read."""
NIGHTLY = {
    "activities-heart": ("resting_heart_rate", "restingHeartRate", PER_MINUTE),
    "hrv": ("heart_rate_variability_rmssd", "dailyRmssd", "ms"),
    "br": ("respiratory_rate", "breathingRate", PER_MINUTE),
}
"""List of a reply -> kind, name inside ``value``, and unit of a day's one number."""
INTRADAY: Mapping[str, tuple[str | None, str | None]] = {
    "activities-steps-intraday": ("steps", COUNT),
    "activities-heart-intraday": ("heart_rate", PER_MINUTE),
    "activities-calories-intraday": (None, None),
    "activities-distance-intraday": (None, None),
    "activities-floors-intraday": (None, None),
    "activities-elevation-intraday": (None, None),
}

EXPORT: Mapping[str, Entry] = {
    "steps": steps,
    "heart_rate": heart_rate,
    "resting_heart_rate": resting_heart_rate,
    "sleep": sleep,
    "weight": weight,
    "exercise": exercise,
}
"""File of the export, by the word before its date -> how an entry of it is read."""

SERIES: Mapping[str, Series] = {
    "steps": Series(
        "steps", COUNT, STEPS_FORM, pl.coalesce("2", "3"), pl.lit(None, pl.String), steps
    ),
    "heart_rate": Series(
        *("heart_rate", PER_MINUTE, HEART_FORM, pl.col("2")),
        reason=pl.when(pl.col("3") == "0").then(pl.lit("record_not_used:confidence_0")),
        entry=heart_rate,
    ),
}
"""The same of those files that hold a row a minute or second."""
