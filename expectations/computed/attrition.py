"""Attrition: in every stratum the steps add up, and the last one ends at the cohort."""

from __future__ import annotations

from expectations.base import RowExpectation


class StepsAddUp(RowExpectation):
    sentence = "A step of the attrition does not follow from the one before it."
    fails_where = (
        "(cohort, sex, age_band, reason_id) IN (SELECT (cohort, sex, age_band, reason_id) FROM ("
        "SELECT *, lag(number_subjects) OVER w AS subjects, lag(number_records) OVER w AS records "
        "FROM store.attrition WINDOW w AS (PARTITION BY cohort, sex, age_band ORDER BY reason_id)) "
        "WHERE subjects <> number_subjects + excluded_subjects "
        "OR records <> number_records + excluded_records "
        "OR (subjects IS NULL AND excluded_subjects + excluded_records <> 0))"
    )


class StrataAddUp(RowExpectation):
    sentence = "The strata of a step of the attrition do not add up to everybody."
    fails_where = (
        "(cohort, reason_id) IN (SELECT (cohort, reason_id) FROM store.attrition "
        "GROUP BY cohort, reason_id HAVING "
        "sum(number_subjects) FILTER (sex = 'all' AND age_band = 'all') "
        "<> sum(number_subjects) FILTER (sex <> 'all' AND age_band <> 'all') "
        "OR sum(number_records) FILTER (sex = 'all' AND age_band = 'all') "
        "<> sum(number_records) FILTER (sex <> 'all' AND age_band <> 'all'))"
    )


class AttritionEndsAtTheCohort(RowExpectation):
    sentence = "The last step of an attrition is not the number of members tonight."
    fails_where = (
        "sex = 'all' AND age_band = 'all' AND (cohort, reason_id) IN (SELECT (cohort, reason_id) "
        "FROM (SELECT cohort, max(reason_id) AS reason_id, "
        "arg_max(number_subjects, reason_id) AS n FROM store.attrition "
        "WHERE sex = 'all' AND age_band = 'all' GROUP BY cohort) "
        "LEFT JOIN (SELECT cohort, count(*) AS members FROM store.cohort WHERE left_on IS NULL "
        "GROUP BY cohort) USING (cohort) WHERE n <> coalesce(members, 0))"
    )
