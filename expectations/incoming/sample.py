"""Arriving device samples."""

from __future__ import annotations

from expectations.base import RowExpectation


class PatientIsNamed(RowExpectation):
    sentence = "The sample names no patient. Drop the file into a folder named for the patient."
    fails_where = "patient_id IS NULL"


class TimeIsReadable(RowExpectation):
    sentence = "The time of the sample cannot be read."
    fails_where = "observed_at IS NULL"


class TimeIsNotFuture(RowExpectation):
    sentence = "The sample lies after the night it came in: the device's clock may be wrong."
    fails_where = "observed_at > known_at + INTERVAL 48 HOUR"


class TimeIsWithinDevices(RowExpectation):
    sentence = "The sample lies before 1990: the device's clock was not set."
    fails_where = "observed_at < TIMESTAMP '1990-01-01'"


class ValueIsNumber(RowExpectation):
    sentence = "The sample's value is missing or no number."
    fails_where = "number IS NULL"


class UnitIsKnown(RowExpectation):
    sentence = "The sample's unit is missing or not known for its kind."
    fails_where = "number IS NOT NULL AND value IS NULL"


class ValueIsPossible(RowExpectation):
    sentence = "The value is outside what the device can measure: probably a unit slip."
    fails_where = "value < low OR value > high"


class ClockIsSure(RowExpectation):
    level = "warn"
    sentence = "A local time that the clock change skipped or repeated; the stated rule was used."
    fails_where = "observed_doubt IS NOT NULL"
