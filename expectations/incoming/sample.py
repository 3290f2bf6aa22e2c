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


class DeviceClockIsSet(RowExpectation):
    sentence = (
        "The time is the first day of a device's calendar (1970, 1980, 1989, 2000 or 2001): its "
        "clock was not set. Nobody can say when it was; set the clock and send later data."
    )
    fails_where = (
        "observed_on IN (DATE '1970-01-01', DATE '1980-01-01', DATE '1980-01-06', "
        "DATE '1989-12-31', DATE '2000-01-01', DATE '2001-01-01')"
    )


class SampleIsNumber(RowExpectation):
    sentence = "The sample's value is missing or no number."
    fails_where = "number IS NULL"


class SampleUnitIsKnown(RowExpectation):
    sentence = "The sample's unit is missing or not known for its kind."
    fails_where = "number IS NOT NULL AND value IS NULL"


class SampleEndIsReadable(RowExpectation):
    sentence = "The end of the sample's interval cannot be read, so its length is not known."
    fails_where = "source_ended_at IS NOT NULL AND ended_at IS NULL"


class SampleEndsAfterItBegins(RowExpectation):
    sentence = "The sample ends before it begins: two dates in disorder, or a clock set back."
    fails_where = "ended_at < observed_at"


class SampleKindIsKnown(RowExpectation):
    sentence = "What was sampled is no name of the analyte catalog: a mapping is wrong."
    fails_where = "high IS NULL"
