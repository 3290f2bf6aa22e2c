"""Arriving medications."""

from __future__ import annotations

from expectations.base import RowExpectation
from expectations.shared import (
    DatesAreReadable,
    EndFollowsStart,
    PatientIsNamed,
    ReportTimeIsReadable,
    StartIsStated,
    StatusIsKnown,
)

__all__ = [
    "DatesAreReadable",
    "EndFollowsStart",
    "PatientIsNamed",
    "ReportTimeIsReadable",
    "StartIsStated",
    "StatusIsKnown",
]


class MedicationIsNamed(RowExpectation):
    sentence = "The medication has neither code, name nor class. Send it again."
    fails_where = 'code IS NULL AND name IS NULL AND "class" IS NULL'
