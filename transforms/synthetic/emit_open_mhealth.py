"""Open mHealth data points from simple rows, one per line: the inverse of its reader.

What is written are the header (id, schema, source, user) and a body with one quantity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

VERSIONS = {"blood-glucose": "4.0", "body-weight": "3.0", "heart-rate": "2.0", "step-count": "3.0"}


@dataclass(frozen=True)
class DataPoint:
    """One point: schema, its value's digits and unit, ISO 8601 times, whose, by what, its id.

    ``end`` makes the time an interval; ``more`` are further properties of the body.
    """

    schema: str
    value: str
    unit: str
    start: str
    end: str | None = None
    user_id: str | None = None
    source_name: str = "Meter"
    record_id: str = "1"
    more: Mapping[str, str] = field(default_factory=dict)


def ndjson(points: Iterable[DataPoint]) -> bytes:
    """The points, one per line, UTF-8."""
    return "".join(f"{_point(point)}\n" for point in points).encode()


def array(points: Iterable[DataPoint]) -> bytes:
    """The points as one JSON array, over several lines."""
    return ("[\n  " + ",\n  ".join(map(_point, points)) + "\n]\n").encode()


def _point(point: DataPoint) -> str:
    return f'{{"header": {json.dumps(_header(point))}, "body": {_body(point)}}}'


def _header(point: DataPoint) -> dict[str, object]:
    version = VERSIONS.get(point.schema, "1.0")
    return {
        "id": point.record_id,
        "schema_id": {"namespace": "omh", "name": point.schema, "version": version},
        "acquisition_provenance": {"source_name": point.source_name, "modality": "sensed"},
        "user_id": point.user_id,
    }


def _body(point: DataPoint) -> str:
    """The value is written as its digits, which a float would change."""
    name, unit = point.schema.replace("-", "_"), json.dumps(point.unit)
    frame: dict[str, object] = {"date_time": point.start}
    if point.end is not None:
        frame = {"time_interval": {"start_date_time": point.start, "end_date_time": point.end}}
    rest = json.dumps({"effective_time_frame": frame, **point.more})
    return f'{{"{name}": {{"value": {point.value}, "unit": {unit}}}, {rest[1:]}'
