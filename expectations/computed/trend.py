"""Trends."""

from __future__ import annotations

from expectations.base import RowExpectation


class ProbabilitiesAreProbabilities(RowExpectation):
    sentence = "A probability lies outside 0 to 1 or is missing."
    fails_where = (
        "p_climbing_unseen IS NULL OR p_climbing_unseen NOT BETWEEN 0 AND 1 "
        "OR p_insulin_climbing NOT BETWEEN 0 AND 1 OR p_glucose_fine NOT BETWEEN 0 AND 1 "
        "OR p_shuffled NOT BETWEEN 0 AND 1 OR pit_insulin NOT BETWEEN 0 AND 1 "
        "OR pit_glucose NOT BETWEEN 0 AND 1"
    )


class JointIsNotAboveItsParts(RowExpectation):
    sentence = "P(climbing and fine) is above P(climbing) or P(fine)."
    fails_where = "p_climbing_unseen > least(p_insulin_climbing, p_glucose_fine) + 0.02"


class IntervalHoldsItsSlope(RowExpectation):
    sentence = "An interval's ends are the wrong way round."
    fails_where = (
        "insulin_slope_low > insulin_slope_high OR glucose_slope_low > glucose_slope_high "
        "OR insulin_level_low > insulin_level_high OR glucose_level_low > glucose_level_high"
    )


class LevelIsPlausible(RowExpectation):
    level = "warn"
    sentence = "A fitted level lies outside what people have; look at the draws."
    fails_where = (
        "insulin_level_uiu_ml NOT BETWEEN 0.3 AND 300 OR glucose_level_mg_dl NOT BETWEEN 35 AND 500"
    )
