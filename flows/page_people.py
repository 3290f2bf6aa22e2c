"""Who is new tonight: for the care team's copy of the page alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from flows.pictures.drawing import Picture
from flows.pictures.reading import series_of
from flows.pictures.series import series_picture
from transforms.telling import SECTIONS
from warehouse.store import frame

Row = dict[str, Any]
MOST_PICTURES = 100
"""A page of more would open slowly; the others are in its tables and in the work-list."""
_SECTION_OF = {
    "opened": "new",
    "reopened": "new",
    "stepped_up": "stepped_up",
    "retracted": "retracted",
    "escalated": "escalated",
    "woke": "reminder",
}
_HAPPENED = (
    "SELECT e.alert_id, e.event, e.because, a.patient_id, a.rule, a.tier, s.status, s.reason, "
    "t.p_climbing_unseen FROM store.alert_event e JOIN store.alert a USING (alert_id) "
    "LEFT JOIN store.patient_status s USING (patient_id) LEFT JOIN store.trend t "
    "USING (patient_id) WHERE e.night = ? AND NOT e.by_hand "
    f"AND e.event IN ({', '.join(repr(event) for event in _SECTION_OF)}) "
    "QUALIFY row_number() OVER (PARTITION BY e.alert_id ORDER BY e.event_id DESC) = 1 "
    "ORDER BY a.tier NULLS LAST, t.p_climbing_unseen DESC NULLS LAST, e.alert_id"
)


def happened(con: duckdb.DuckDBPyConnection, night: date) -> list[Row]:
    """What happened to alerts in a night, in the sections of a digest: whom it is about, why, and
    a picture of the first :data:`MOST_PICTURES`."""
    rows = frame(con, _HAPPENED, [night]).to_dicts()
    left = MOST_PICTURES
    sections = []
    for kind, title in SECTIONS.items():
        people = [row for row in rows if _SECTION_OF.get(row["event"]) == kind]
        n = len(people[:left]) if kind != "retracted" else 0
        left -= n
        entries = [
            {**row, "picture": _picture(con, row["patient_id"]) if place < n else None}
            for place, row in enumerate(people)
        ]
        if entries:
            sections.append({"kind": kind, "title": title, "entries": entries})
    return sections


def _picture(con: duckdb.DuckDBPyConnection, patient_id: str) -> Picture | None:
    return series_picture(series_of(con, patient_id))
