"""Cohorts."""

from __future__ import annotations

from expectations.base import RowExpectation


class StayEndsAfterItBegan(RowExpectation):
    sentence = "A stay in a cohort ends before it begins."
    fails_where = "left_on <= entered_on"
