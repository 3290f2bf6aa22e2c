"""Kept results."""

from __future__ import annotations

from expectations.base import RowExpectation


class ValueHasUnit(RowExpectation):
    sentence = "A kept value has no unit."
    fails_where = "value IS NOT NULL AND unit IS NULL"


class VersionEndsAfterItWasKnown(RowExpectation):
    sentence = "A version was superseded before it was known."
    fails_where = "superseded_at < known_at"


class ResultStandsOnce(RowExpectation):
    sentence = "Two versions of one result stand at the same time."
    fails_where = (
        "superseded_at IS NULL AND result_id IS NOT NULL AND (source, result_id, analyte, "
        "coalesce(timing, '')) IN (SELECT (source, result_id, analyte, coalesce(timing, '')) FROM "
        "store.observation WHERE superseded_at IS NULL AND result_id IS NOT NULL "
        "GROUP BY source, result_id, analyte, coalesce(timing, '') HAVING count(*) > 1)"
    )
