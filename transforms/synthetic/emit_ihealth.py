"""Rows to saved replies of the iHealth Open API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

Record = dict[str, object]


def pressure_reply(rows: Sequence[tuple[datetime, float, float]], unit: int = 0) -> bytes:
    """Blood pressure: time with offset, systolic, diastolic each; unit 0 mmHg, 1 kPa."""
    records = [{**_stamped(at), "HP": high, "LP": low, "HR": 0} for at, high, low in rows]
    return _reply("BPDataList", records, BPUnit=unit)


def glucose_reply(rows: Sequence[tuple[datetime, float]], unit: int = 0) -> bytes:
    """Meter glucose: time with offset and value each; unit 0 mg/dL, 1 mmol/L."""
    return _reply("BGDataList", [{**_stamped(at), "BG": bg} for at, bg in rows], BGUnit=unit)


def weight_reply(rows: Sequence[tuple[datetime, float]], unit: int = 0) -> bytes:
    """Body weight: time with offset and value each; unit 0 kg, 1 pound, 2 stone."""
    records: list[Record] = [{**_stamped(at), "WeightValue": kg, "BMI": 0} for at, kg in rows]
    return _reply("WeightDataList", records, WeightUnit=unit)


def sleep_reply(rows: Sequence[tuple[datetime, datetime, int]]) -> bytes:
    """Sleep: start and end with offset, minutes asleep each."""
    records = [
        {**_zoned(start), "StartTime": _wall(start), "EndTime": _wall(end), "HoursSlept": minutes}
        for start, end, minutes in rows
    ]
    return _reply("SRDataList", records)


def _stamped(at: datetime) -> Record:
    return {**_zoned(at), "MDate": _wall(at), "DataID": f"id-{at:%Y%m%d%H%M%S}"}


def _zoned(at: datetime) -> Record:
    return {"TimeZone": f"{at:%z}", "DataSource": "FromDevice", "Note": ""}


def _wall(at: datetime) -> int:
    """The wall clock as if it were UTC, in seconds."""
    return int(at.replace(tzinfo=UTC).timestamp())


def _reply(name: str, records: Sequence[Record], **units: int) -> bytes:
    page = {"CurrentRecordCount": len(records), "NextPageUrl": "", "RecordCount": len(records)}
    return json.dumps({name: records, **units, **page}, indent=4).encode()
