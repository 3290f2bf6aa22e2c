"""Arriving conditions."""

from __future__ import annotations

from expectations.shared import (
    DatesAreReadable,
    EndFollowsStart,
    EntryIsNamed,
    PatientIsNamed,
    ReportTimeIsReadable,
    StartIsStated,
    StatusIsKnown,
)

__all__ = [
    "DatesAreReadable",
    "EndFollowsStart",
    "EntryIsNamed",
    "PatientIsNamed",
    "ReportTimeIsReadable",
    "StartIsStated",
    "StatusIsKnown",
]
