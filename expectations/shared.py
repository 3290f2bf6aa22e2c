"""Expectations that several tables share: one class, one name, imported where it applies.

Great Expectations knows a class by its name alone, so every name is used once.
"""

from __future__ import annotations

from expectations.base import RowExpectation


class PatientIsNamed(RowExpectation):
    sentence = (
        "The row names no patient. Send it again with its patient_id; a device's file goes into a "
        "folder named for the patient."
    )
    fails_where = "patient_id IS NULL"


class StatusIsKnown(RowExpectation):
    sentence = (
        "The status is no code of HL7 table 0085 and no FHIR status: it might take the row back. "
        "Correct it at the source."
    )
    fails_where = "source_status IS NOT NULL AND status IS NULL"


class TimeIsReadable(RowExpectation):
    sentence = "The time cannot be read: ISO 8601 day, local time, or time with offset."
    fails_where = "observed_at IS NULL"


class TimeIsNotFuture(RowExpectation):
    sentence = "The time lies after the night it came in: check the date, or the device's clock."
    fails_where = "observed_at > known_at + INTERVAL 48 HOUR"


class TimeIsWithinLiving(RowExpectation):
    sentence = "The time lies before 1900. Check the date at its source."
    fails_where = "observed_at < TIMESTAMP '1900-01-01'"


class ValueIsPossible(RowExpectation):
    sentence = (
        "The value is outside what is possible in its unit: probably a unit or decimal slip at "
        "the source."
    )
    fails_where = "value < low OR value > high"


class ClockIsSure(RowExpectation):
    level = "warn"
    sentence = "A local time that the clock change skipped or repeated; the stated rule was used."
    fails_where = "observed_doubt IS NOT NULL"


class ReportTimeIsReadable(RowExpectation):
    sentence = "reported_at cannot be read, so which version is the latest is not known."
    fails_where = "source_reported_at IS NOT NULL AND reported_at IS NULL"


class EntryIsNamed(RowExpectation):
    sentence = "The entry has neither code nor name. Send it again."
    fails_where = "code IS NULL AND name IS NULL"


class DatesAreReadable(RowExpectation):
    sentence = "A start or end date cannot be read: use YYYY-MM-DD."
    fails_where = (
        "(source_start IS NOT NULL AND start_on IS NULL) "
        "OR (source_end IS NOT NULL AND end_on IS NULL)"
    )


class EndFollowsStart(RowExpectation):
    sentence = "The entry ends before it starts. Check both dates at the source."
    fails_where = "end_on < start_on"


class StartIsStated(RowExpectation):
    level = "warn"
    sentence = "No start date: the entry counts from the beginning of the record."
    fails_where = "source_start IS NULL"
