"""An Oura account's export from simple rows: nights, days and heart beats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Night:
    """A bedtime: ISO 8601 with offset; a digit of ``stages`` is five minutes (1 deep, 2 light,
    3 REM, 4 awake); ``rmssd`` in ms."""

    start: str
    end: str
    stages: str
    lowest_heart_rate: int
    rmssd: int


@dataclass(frozen=True)
class Day:
    """A day's steps and active energy (kcal)."""

    day: str
    steps: int
    active_calories: int


@dataclass(frozen=True)
class Beat:
    """Heart rate (/min) at a moment, and what the person did then."""

    timestamp: str
    bpm: int
    source: str


def export(
    nights: Iterable[Night] = (),
    days: Iterable[Day] = (),
    beats: Iterable[Beat] = (),
    ring: str | None = None,
) -> bytes:
    """The export's JSON; ``ring`` is the hardware of the account's one ring."""
    rings: list[dict[str, object]] = (
        [{"hardware_type": ring, "set_up_at": "2020-01-01T00:00:00+00:00"}] if ring else []
    )
    collections: dict[str, list[dict[str, object]]] = {
        "sleep": [_night(night) for night in nights],
        "daily_activity": [vars(day) for day in days],
        "heartrate": [vars(beat) for beat in beats],
        "ring_configuration": rings,
    }
    return json.dumps(collections, ensure_ascii=False).encode()


def page(beats: Iterable[Beat]) -> bytes:
    """A page of the API's heart rate collection, which does not name itself."""
    return json.dumps({"data": [vars(beat) for beat in beats], "next_token": None}).encode()


def _night(night: Night) -> dict[str, object]:
    asleep = sum(stage != "4" for stage in night.stages)
    return {
        "day": night.end[:10],
        "bedtime_start": night.start,
        "bedtime_end": night.end,
        "type": "long_sleep",
        "sleep_phase_5_min": night.stages,
        "total_sleep_duration": 300 * asleep,
        "lowest_heart_rate": night.lowest_heart_rate,
        "average_hrv": night.rmssd,
    }
