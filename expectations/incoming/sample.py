"""Arriving device samples."""

from __future__ import annotations

from expectations.base import RowExpectation
from expectations.shared import (
    ClockIsSure,
    PatientIsNamed,
    TimeIsNotFuture,
    TimeIsReadable,
    TimeIsWithinLiving,
    ValueIsPossible,
)

__all__ = [
    "ClockIsSure",
    "PatientIsNamed",
    "TimeIsNotFuture",
    "TimeIsReadable",
    "TimeIsWithinLiving",
    "ValueIsPossible",
]


class TimeIsWithinDevices(RowExpectation):
    level = "warn"
    sentence = "The sample lies before 1990: a clock that was not set, or dates that were shifted."
    fails_where = "observed_at < TIMESTAMP '1990-01-01'"


class SampleIsNumber(RowExpectation):
    sentence = "The sample's value is missing or no number."
    fails_where = "number IS NULL"


class SampleUnitIsKnown(RowExpectation):
    sentence = "The sample's unit is missing or not known for its kind."
    fails_where = "number IS NOT NULL AND value IS NULL"
