"""Arriving persons."""

from __future__ import annotations

from expectations.base import RowExpectation
from expectations.shared import PatientIsNamed, ReportTimeIsReadable

__all__ = ["PatientIsNamed", "ReportTimeIsReadable"]


class BirthDateIsReadable(RowExpectation):
    sentence = "The date of birth cannot be read: use YYYY-MM-DD."
    fails_where = "source_birth_date IS NOT NULL AND birth_date IS NULL"


class BirthDateIsPossible(RowExpectation):
    sentence = "The date of birth lies before 1900 or after the night. Check it at the source."
    fails_where = "birth_date < DATE '1900-01-01' OR birth_date > known_at + INTERVAL 1 DAY"


class PatientIsNotMergedIntoItself(RowExpectation):
    sentence = "The patient is merged into itself. Correct merged_into."
    fails_where = "merged_into = patient_id"


class SexIsUnderstood(RowExpectation):
    level = "warn"
    sentence = "The sex is not understood and counts as unknown."
    fails_where = "source_sex IS NOT NULL AND sex IS NULL"
