"""Persons."""

from __future__ import annotations

from expectations.base import RowExpectation


class PersonHasStatus(RowExpectation):
    sentence = "A person has no status: not evaluated must be said too."
    fails_where = "patient_id NOT IN (SELECT patient_id FROM store.patient_status)"
