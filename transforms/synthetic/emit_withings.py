"""Withings measurements from simple rows: a reply of the API, and files of the export."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Group:
    """What was measured at one time: id, Unix seconds, (type, decimal text) pairs, and how it is
    attributed (0 the user's, 1 perhaps another's, 2 by hand) and meant (1 real, 2 a goal)."""

    number: int
    at: int
    measures: Sequence[tuple[int, str]]
    attrib: int = 0
    category: int = 1


@dataclass(frozen=True)
class Series:
    """A line of a device's series: its start (ISO 8601 with offset), lengths (s) and values."""

    start: str
    lengths: Sequence[int]
    values: Sequence[int]


def reply(groups: Iterable[Group], zone: str | None = None) -> bytes:
    """The API's answer to ``getmeas``; ``zone`` is the user's."""
    listed = [_group(group) for group in groups]
    body = {"updatetime": 0, "timezone": zone, "measuregrps": listed}
    return json.dumps({"status": 0, "body": body}).encode()


def series_csv(lines: Iterable[Series]) -> bytes:
    """A ``raw_*.csv``."""
    rows = (f'{s.start},"{_list(s.lengths)}","{_list(s.values)}"\n' for s in lines)
    return ("start,duration,value\n" + "".join(rows)).encode()


def weight_csv(weights: Iterable[tuple[str, str]], unit: str = "kg") -> bytes:
    """A ``weight.csv`` of local times (``2024-03-01 07:00:00``) and weights."""
    names = ("Weight", "Fat mass", "Bone mass", "Muscle mass", "Hydration")
    header = ",".join(["Date", *(f'"{name} ({unit})"' for name in names), "Comments"])
    return "".join([f"{header}\n", *(f'"{at}",{kg},,,,,\n' for at, kg in weights)]).encode()


def _group(group: Group) -> dict[str, object]:
    return {
        "grpid": group.number,
        "attrib": group.attrib,
        "date": group.at,
        "category": group.category,
        "measures": [_measure(kind, value) for kind, value in group.measures],
    }


def _measure(kind: int, value: str) -> dict[str, int]:
    """An integer and a power of ten, as many digits as the text has."""
    exact = Decimal(value).as_tuple()
    power = int(exact.exponent)
    return {"value": int(Decimal(value).scaleb(-power)), "type": kind, "unit": power}


def _list(numbers: Sequence[int]) -> str:
    return "[" + ",".join(map(str, numbers)) + "]"
