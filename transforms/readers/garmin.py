"""garmin: FIT files of a watch, scale or cuff, alone or in a zip, and Garmin's own account export.

A row is one data message of a FIT file, or one entry of a JSON list of the account export (daily
summaries, sleep, body weight). Kinds that are not used are set aside by their message's name.

Steps and active energy stand in a FIT file as totals that grow from local midnight, one counter per
activity. What a file says last of a counter and day becomes one sample of that day; the growing
totals before it are set aside. Differences between neighbouring totals would need the file before
(a watch hands over several files a day), and without it they would lose or double what lies
between. A day's total says again what an earlier file said of it, under the same key
and replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import orjson
import polars as pl

from transforms.formats import fit
from transforms.formats.archive import FREE_BYTES, ZIP, Member, is_archive, members, unwanted
from transforms.formats.fit_rows import (
    ASLEEP,
    ROWS,
    TOTALS,
    Rows,
    arranged,
    last_totals,
    quotes,
    refused,
    rows_of,
)
from transforms.landing import (
    REJECTS,
    Opened,
    Reading,
    UnreadableError,
    shaped,
)

SPILL_ROWS = 200_000
MOST_JSON_BYTES = 32 << 20
DATE = r"\d{4}-\d{2}-\d{2}"


def read(opened: Opened) -> Reading:
    """Read one FIT file, or a zip of them and of the account export's JSON files.

    Times have the offset that the file's own local time stamps tell, else they are UTC.

    Raises:
        UnreadableError: nothing of it is readable, or nobody knows whose it is.
    """
    kept = _Kept(opened)
    with kept.lines.open("wb") as lines:
        for member in _members(opened):
            got = _member(opened, member)
            lines.write(got.told.write_csv(include_header=False, quote_style="never").encode())
            kept.take(got)
    if not kept.count:
        raise UnreadableError("archive_empty" if is_archive(opened) else "file_empty")
    return _reading(opened, kept)


@dataclass
class _Kept:
    """What was read so far; rows are written to the private folder before they grow too many."""

    opened: Opened
    count: int = 0
    totals: list[pl.DataFrame] = field(default_factory=list)
    serials: set[str] = field(default_factory=set)
    waiting: list[pl.DataFrame] = field(default_factory=list)
    spilled: list[Path] = field(default_factory=list)

    @property
    def lines(self) -> Path:
        """The text whose lines are the rows."""
        return self.opened.scratch / "garmin-lines.txt"

    def take(self, got: Rows) -> None:
        """Keep one file's rows under the numbers that follow the ones before."""
        self.waiting.append(got.rows.with_columns(pl.col("line") + self.count))
        self.totals.append(got.totals.with_columns(pl.col("line") + self.count))
        self.serials |= got.serials
        self.count += len(got.told)
        if sum(len(frame) for frame in self.waiting) > SPILL_ROWS:
            path = self.opened.scratch / f"garmin-{len(self.spilled)}.parquet"
            pl.concat(self.waiting).write_parquet(path)
            self.spilled.append(path)
            self.waiting = []

    def rows(self) -> pl.LazyFrame:
        """All rows."""
        spilled = [pl.scan_parquet(path) for path in self.spilled]
        return pl.concat([*spilled, pl.concat([*self.waiting, _daily(self.totals)]).lazy()])


def _reading(opened: Opened, kept: _Kept) -> Reading:
    patient, rows = _patient(opened, kept.serials), kept.rows()
    tables = {
        table: shaped(table, rows.filter(table=table).with_columns(patient_id=pl.lit(patient)))
        for table in ("sample", "observation")
    }
    left = unwanted(opened, _is_wanted)
    return Reading(
        tables=tables,
        rejects=rows.filter(pl.col("reason").is_not_null()).select(*REJECTS),
        rows_in=kept.count,
        notes=(f"{left} other files of the archive are not used",) if left else (),
        lines=kept.lines,
    )


def _patient(opened: Opened, serials: set[str]) -> str:
    """The folder's patient, else the one mapped by the file's stem or a device's serial."""
    mapped = opened.source.patients
    named = opened.patient_id or mapped.get(PurePath(opened.name).stem)
    people = {mapped[serial] for serial in serials if serial in mapped}
    if not named and len(people) > 1:
        raise UnreadableError("file_unknown", "its serials are mapped to several patients")
    if not named and not people:
        raise UnreadableError("file_unknown", "neither a folder nor a mapping names a patient")
    return named or people.pop()


def _is_wanted(name: str) -> bool:
    return name.casefold().endswith((".fit", ".zip")) or _account_kind(name) is not None


def _is_fit(name: str) -> bool:
    return name.casefold().endswith(".fit")


def _members(opened: Opened) -> Iterator[Member]:
    """The files to read; of an archive inside the archive (the account export keeps its FIT files
    so) its files instead, once and within what the outer one may unpack to."""
    size = opened.path.stat().st_size
    left = min(opened.unpacked_bytes, max(FREE_BYTES, size * opened.unpack_ratio))
    for member in members(opened, _is_wanted):
        inner = replace(
            opened, path=member.path, name=member.name, scratch=opened.scratch / "inner"
        )
        if member.path == opened.path or not is_archive(inner):
            yield member
            continue
        inner.scratch.mkdir(exist_ok=True)
        try:
            for found in members(replace(inner, unpacked_bytes=left), _is_fit):
                left -= found.path.stat().st_size
                yield found
        except UnreadableError as problem:
            if problem.reason == "too_large":
                raise
            yield member


def _member(opened: Opened, member: Member) -> Rows:
    try:
        return _rows(opened, member)
    except UnreadableError as problem:
        if not is_archive(opened):
            raise
        return refused([f"{problem.reason}:{problem.detail}"])


def _rows(opened: Opened, member: Member) -> Rows:
    size, kind = member.path.stat().st_size, _account_kind(member.name)
    if not size:
        raise UnreadableError("file_empty")
    if size > fit.MOST_BYTES:
        raise UnreadableError("too_large", f"a file of more than {fit.MOST_BYTES >> 20} MB")
    data = member.path.read_bytes()
    if kind:
        return _entries(kind, data)
    try:
        return rows_of(fit.messages(data), opened.source.time_zone)
    except fit.NoFitError:
        reason = "archive_broken" if data.startswith(ZIP) else "format_unknown"
        raise UnreadableError(reason, "no FIT file") from None


def _daily(totals: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The last totals of all files as samples of their day; lines that give no other row and were
    outgrown are set aside."""
    told = pl.concat([pl.DataFrame(schema=TOTALS), *totals])
    last = last_totals(told)
    outgrown = told.filter(~pl.col("has_other")).join(last, on="line", how="anti").unique("line")
    samples = last.with_columns(
        table=pl.lit("sample"),
        method=pl.col("source_code"),
        source_value=pl.col("value"),
        source_unit=pl.col("kind").replace_strict({"steps": "steps", "active_energy": "kcal"}),
        source_observed_at=pl.col("day"),
    )
    aside = outgrown.select("line", reason=pl.lit("record_not_used:monitoring_total"))
    return pl.concat([arranged(samples), arranged(aside)])


def _account_kind(name: str) -> str | None:
    """Which list of the account export a file holds, by its name."""
    base = PurePath(name.casefold()).name
    found = (kind for pattern, kind in ACCOUNT.items() if re.fullmatch(pattern, base))
    return next(found, None)


def _entries(kind: str, data: bytes) -> Rows:
    """The entries of one list of the account export."""
    if len(data) > MOST_JSON_BYTES:
        raise UnreadableError("too_large", f"a list of more than {MOST_JSON_BYTES >> 20} MB")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UnreadableError("json_broken", "not valid JSON") from None
    listed = document if isinstance(document, list) else [document]
    rows: list[dict[str, object]] = []
    for line, entry in enumerate(listed, 1):
        found = ENTRY[kind](entry) if isinstance(entry, dict) else []
        why = f"record_not_used:{kind}" if isinstance(entry, dict) else "json_broken:no object"
        rows += [{"line": line, "part": part, **row} for part, row in enumerate(found)]
        rows += [] if found else [{"line": line, "reason": why}]
    frame = arranged(pl.DataFrame(rows, schema_overrides=ROWS))
    base = pl.DataFrame({"line": range(1, len(listed) + 1)}, schema={"line": pl.Int64})
    plain = base.with_columns(name=pl.lit(kind), source_observed_at=pl.lit(None, dtype=pl.String))
    told = quotes(plain, frame).select(pl.col("told").str.replace_all(r"\p{C}", " "))
    return Rows(frame, pl.DataFrame(schema=TOTALS), told)


def _summary(entry: Mapping[str, Any]) -> list[dict[str, object]]:
    """A daily summary: the day's steps, resting heart rate and active energy."""
    fields = {
        "totalSteps": ("steps", "steps"),
        "restingHeartRate": ("resting_heart_rate", "bpm"),
        "activeKilocalories": ("active_energy", "kcal"),
    }
    day = _written(entry.get("calendarDate"))
    return [
        _of_account("sample", kind=kind, source_value=_written(entry[name]), source_unit=unit)
        | {"source_observed_at": day[:10] if day and re.match(DATE, day) else day}
        for name, (kind, unit) in fields.items()
        if entry.get(name) is not None
    ]


def _night(entry: Mapping[str, Any]) -> list[dict[str, object]]:
    """A night: how long each stage was; when each was is not told."""
    began, ended = (_written(entry.get(f"sleep{end}TimestampGMT")) for end in ("Start", "End"))
    return [
        _of_account("sample", kind="sleep_duration", source_code=stage, method=stage)
        | {"source_value": _written(entry[f"{stage}SleepSeconds"]), "source_unit": "s"}
        | {"source_observed_at": _utc(began), "source_ended_at": _utc(ended)}
        for stage in ASLEEP.values()
        if entry.get(f"{stage}SleepSeconds")
    ]


def _weighing(entry: Mapping[str, Any]) -> list[dict[str, object]]:
    """A body weight in grams; its time is the wall clock's."""
    told, head = entry.get("weight"), entry.get("metaData")
    grams = told.get("weight") if isinstance(told, dict) else told
    at = head.get("calendarDate") if isinstance(head, dict) else None
    if grams is None:
        return []
    weight = _of_account("observation", code_system="loinc", source_code="29463-7")
    weight |= {"source_value": _written(grams), "source_unit": "g"}
    return [weight | {"source_observed_at": _written(at)}]


def _of_account(table: str, **columns: str | None) -> dict[str, object]:
    device = {"device": "Garmin Connect"} if table == "sample" else {}
    return {"table": table, **device, **columns}


def _written(value: object) -> str | None:
    """A JSON value as its text; one that is no plain value is cut short and left to the gate."""
    if value is None:
        return None
    return value[:100] if isinstance(value, str) else orjson.dumps(value).decode()[:100]


def _utc(text: str | None) -> str | None:
    return text and (text if text.endswith("Z") else f"{text}Z")


ENTRY: Mapping[str, Callable[[Mapping[str, Any]], list[dict[str, object]]]] = {
    "daily_summary": _summary,
    "sleep": _night,
    "biometrics": _weighing,
}
ACCOUNT = {
    r"udsfile.*\.json": "daily_summary",
    r".*sleepdata\.json": "sleep",
    r".*userbiometrics\.json": "biometrics",
}
"""Pattern of a file's name in lower case -> the kind of its entries."""
