"""Fasting pairs."""

from __future__ import annotations

from expectations.base import RowExpectation


class UsedPairIsWhole(RowExpectation):
    sentence = "A used pair lacks insulin or glucose, or is not above zero."
    fails_where = (
        "used AND (insulin_uiu_ml IS NULL OR glucose_mg_dl IS NULL OR insulin_uiu_ml <= 0 "
        "OR glucose_mg_dl <= 0)"
    )


class UnusedPairHasReason(RowExpectation):
    sentence = "A pair is not used and nobody says why."
    fails_where = "NOT used AND reason IS NULL"
