"""Rows to the files of a Google Takeout with Fitbit data, and the archive around them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

EXPORT = "Takeout/Fitbit/Global Export Data"
GOOGLE = "Takeout/Fitbit/Physical Activity_GoogleData"
_US = "%m/%d/%y %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of sleep: its name, when it began on the wall clock, how many seconds it lasted."""

    level: str
    start: datetime
    seconds: int


def steps_json(rows: Sequence[tuple[datetime, int]]) -> bytes:
    """``steps-*.json``: UTC minute and count each."""
    entries = [{"dateTime": at.strftime(_US), "value": str(count)} for at, count in rows]
    return _pretty(entries)


def heart_rate_json(rows: Sequence[tuple[datetime, int, int]]) -> bytes:
    """``heart_rate-*.json``: UTC second, beats per minute and confidence (0 to 3) each."""
    entries = [
        {"dateTime": at.strftime(_US), "value": {"bpm": bpm, "confidence": confidence}}
        for at, bpm, confidence in rows
    ]
    return _pretty(entries)


def sleep_json(logs: Sequence[Sequence[Stage]], short_wakes: Sequence[Stage] = ()) -> bytes:
    """``sleep-*.json``: a log for each night's stages; the short wakes are the first's."""
    return _pretty(
        [
            _log(number, stages, short_wakes if number == 1 else ())
            for number, stages in enumerate(logs, start=1)
        ]
    )


def weight_json(rows: Sequence[tuple[datetime, float]]) -> bytes:
    """``weight-*.json``: wall-clock time and weight in the account's unit each."""
    entries = [
        {
            "logId": number,
            "weight": value,
            "date": at.strftime("%m/%d/%y"),
            "time": at.strftime("%H:%M:%S"),
        }
        for number, (at, value) in enumerate(rows, start=1)
    ]
    return _pretty(entries)


def google_csv(rows: pl.DataFrame, value: str) -> bytes:
    """A file of Google's own: ``at`` (UTC), ``value`` and ``device`` as their columns."""
    columns = rows.select(
        pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("timestamp"),
        pl.col("value").alias(value),
        pl.col("device").alias("data source"),
    )
    return columns.write_csv().encode()


def takeout_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of files by path; the same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()


def _pretty(entries: Sequence[object]) -> bytes:
    """As Fitbit writes it: an entry's members on lines of their own, entries joined by ``},{``."""
    written = [json.dumps(entry, indent=2, separators=(",", " : ")) for entry in entries]
    return f"[{','.join(written)}]".encode()


def _log(number: int, stages: Sequence[Stage], short_wakes: Sequence[Stage]) -> dict[str, object]:
    start = stages[0].start
    end = stages[-1].start + timedelta(seconds=stages[-1].seconds)
    levels = {"data": _told(stages), "shortData": _told(short_wakes)}
    return {
        "logId": number,
        "dateOfSleep": f"{end:%Y-%m-%d}",
        "startTime": start.isoformat(timespec="milliseconds"),
        "endTime": end.isoformat(timespec="milliseconds"),
        "type": "stages",
        "levels": levels,
    }


def _told(stages: Sequence[Stage]) -> list[dict[str, object]]:
    return [
        {
            "dateTime": stage.start.isoformat(timespec="milliseconds"),
            "level": stage.level,
            "seconds": stage.seconds,
        }
        for stage in stages
    ]
