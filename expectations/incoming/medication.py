"""Arriving medications."""

from __future__ import annotations

from expectations.base import RowExpectation


class PatientIsNamed(RowExpectation):
    sentence = "The medication names no patient. Send it again with its patient_id."
    fails_where = "patient_id IS NULL"


class MedicationIsNamed(RowExpectation):
    sentence = "The medication has neither code nor name nor class. Send it again."
    fails_where = "code IS NULL AND name IS NULL AND class IS NULL"


class StatusIsKnown(RowExpectation):
    sentence = "The status is not known: it might take the entry back."
    fails_where = "source_status IS NOT NULL AND status IS NULL"


class DatesAreReadable(RowExpectation):
    sentence = "A start or end date cannot be read: use YYYY-MM-DD."
    fails_where = "(source_start IS NOT NULL AND start_on IS NULL) OR (source_end IS NOT NULL AND end_on IS NULL)"


class EndFollowsStart(RowExpectation):
    sentence = "The medication ends before it starts. Check both dates at the source."
    fails_where = "end_on < start_on"


class StartIsStated(RowExpectation):
    level = "warn"
    sentence = "No start date: the medication counts from the beginning of the record."
    fails_where = "source_start IS NULL"
