"""Statuses."""

from __future__ import annotations

from expectations.base import RowExpectation

_KNOWN = (
    "'climbing', 'high_stable', 'high_and_climbing', 'decompensating', 'not_flagged', "
    "'unresolved', 'excluded'"
)


class PatientStatusIsKnown(RowExpectation):
    sentence = "A patient has no status, or one that the rule does not have."
    fails_where = f"status IS NULL OR status NOT IN ({_KNOWN})"


class StatusHasReason(RowExpectation):
    sentence = "A status has no reason."
    fails_where = "reason IS NULL"


class PatientHasOneStatus(RowExpectation):
    sentence = "A patient has two statuses."
    fails_where = (
        "patient_id IN (SELECT patient_id FROM store.patient_status GROUP BY patient_id "
        "HAVING count(*) > 1)"
    )


class FlaggedPatientIsMeasured(RowExpectation):
    sentence = "A patient is flagged without a trend."
    fails_where = (
        "status IN ('climbing', 'high_stable', 'high_and_climbing', 'decompensating') "
        "AND patient_id NOT IN (SELECT patient_id FROM store.trend)"
    )
