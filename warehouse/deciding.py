"""What decides of tonight's cohorts, kept in SQL beside what the transforms found in frames.

The views ``criterion_value``, ``why`` and ``why_not`` compare these values with the bounds of the
table ``criterion``. Nothing here reads the table ``cohort``: that both come to the same members is
a test of either.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import duckdb

from transforms.catalog.corroboration import CONTRADICTIONS
from transforms.catalog.patterns import PATTERNS
from transforms.catalog.rule import RULE, Rule
from transforms.catalog.tables import DERIVED
from warehouse.store import replace

_DRAWS = """
WITH newest AS (
    SELECT patient_id, max(drawn_on) AS drawn_on,
        count_if({raised}) - arg_max({raised}::INT, drawn_on) AS raised_before,
        arg_max(p_glucose_rising, drawn_on) AS p_glucose_rising,
        arg_max(p_insulin_climbing, drawn_on) AS p_insulin_climbing
    FROM store.trend_at_draw GROUP BY patient_id
),
glucose AS (
    SELECT patient_id, arg_max(glucose_mg_dl, drawn_on, 2) AS newest_two
    FROM store.fasting_pair WHERE used GROUP BY patient_id
),
draw AS (
    SELECT p.patient_id, drawn_on, raised_before, p_glucose_rising, p_insulin_climbing,
        date_sub('year', birth_date, coalesce(drawn_on, {night})) AS age_years,
        CASE WHEN len(newest_two) = 2 THEN list_min(newest_two) END AS lower_glucose_mg_dl
    FROM store.person p LEFT JOIN newest USING (patient_id)
        LEFT JOIN glucose USING (patient_id)
),
barred AS ({barred})
SELECT patient_id, drawn_on, age_years, coalesce(n_exclusions, 0) AS n_exclusions,
    raised_before, lower_glucose_mg_dl,
    (coalesce(raised_before, 0) > 0)::BIGINT + coalesce({up}, false)::BIGINT
        + coalesce(p_insulin_climbing < {flat_p}, false)::BIGINT
        AS decompensation_signs
FROM draw LEFT JOIN barred USING (patient_id) ORDER BY patient_id
"""
_SIGNS = """
WITH evidence AS (
    SELECT patient_id, kind, max(observed_on) AS observed_on,
        arg_max(value, observed_on) AS value, arg_max("limit", observed_on) AS "limit"
    FROM store.corroboration WHERE says IS NOT NULL AND observed_on <= {night}
        AND kind IN (SELECT kind FROM ({kinds})) GROUP BY ALL
),
sign AS (
    SELECT patient_id, tissue || '.' || signal AS sign, max(observed_on) AS observed_on,
        arg_max(coalesce(course, ''), observed_on) AS course
    FROM store.tissue_value WHERE observed_on <= {night}
        AND tissue || '.' || signal IN ({signs}) GROUP BY ALL
),
worse AS (SELECT patient_id, sign FROM sign WHERE course = 'worsening' AND {fresh}),
worsening AS (
    SELECT cohort, patient_id, count(DISTINCT one) AS n_worsening
    FROM ({pairs}) pair JOIN worse ON worse.sign = one
        SEMI JOIN worse w ON w.patient_id = worse.patient_id AND w.sign = other GROUP BY ALL
),
last AS (
    SELECT patient_id, d.drawn_on,
        greatest(d.drawn_on, e.observed_on) AS evidence_day,
        greatest(d.drawn_on, s.observed_on) AS sign_day
    FROM store.deciding_draw d
    LEFT JOIN ({newest_evidence}) e USING (patient_id)
    LEFT JOIN ({newest_sign}) s USING (patient_id)
),
other AS (
    SELECT cohort, patient_id,
        count_if(course <> '' AND {fresh}) AS n_others_known,
        count_if(course = 'worsening' AND observed_on >= sign_day - {max_age_days})
            AS n_others_worsening
    FROM ({others}) JOIN sign USING (sign)
        JOIN last USING (patient_id)
    GROUP BY ALL
),
seen AS (
    SELECT cohort, patient_id, evidence_day AS observed_on, value AS evidence_value,
        "limit" AS evidence_limit, evidence.observed_on AS evidence_on
    FROM ({kinds}) JOIN evidence USING (kind)
        JOIN last USING (patient_id)
    UNION ALL BY NAME
    SELECT name AS cohort, patient_id, sign_day AS observed_on
    FROM (SELECT unnest([{patterns}]) AS name)
        CROSS JOIN last SEMI JOIN sign USING (patient_id)
),
aged AS (
    SELECT seen.*, date_sub('year', birth_date, observed_on) AS age_years
    FROM seen JOIN store.person USING (patient_id)
),
day AS (SELECT DISTINCT patient_id, observed_on FROM aged),
barred AS ({barred})
SELECT aged.cohort, aged.patient_id, observed_on, age_years,
    coalesce(n_exclusions, 0) AS n_exclusions, evidence_value, evidence_limit, evidence_on,
    coalesce(n_worsening, 0) AS n_worsening,
    coalesce(n_others_known, 0) AS n_others_known,
    coalesce(n_others_worsening, 0) AS n_others_worsening
FROM aged LEFT JOIN barred ON barred.patient_id = aged.patient_id AND on_day = observed_on
    LEFT JOIN worsening w ON w.cohort = aged.cohort AND w.patient_id = aged.patient_id
    LEFT JOIN other o ON o.cohort = aged.cohort AND o.patient_id = aged.patient_id
ORDER BY aged.patient_id
"""


def keep_draws(con: duckdb.DuckDBPyConnection, as_of: date, rule: Rule = RULE) -> int:
    """Replace ``deciding_draw``: of everyone's newest used draw what its trend does not hold.

    Reads ``person``, ``trend_at_draw``, ``fasting_pair`` and ``exclusion``; who has no draw is
    judged on the night.
    """
    night = f"DATE '{as_of}'"
    suffices = f"n_pairs >= {rule.min_pairs} AND last_on - first_on >= {rule.min_span_days}"
    high = f"p_insulin_high >= {rule.high_p} AND p_glucose_fine >= {rule.glucose_fine_p}"
    twice = f"lower_glucose_mg_dl >= {rule.glucose_limit}"
    rows = _DRAWS.format(
        night=night,
        raised=f"({suffices} AND ({high} OR p_climbing_unseen >= {rule.tier_b_p}))",
        up=f"{twice} OR p_glucose_rising >= {rule.glucose_rising_p}",
        flat_p=rule.insulin_flat_p,
        barred=_barred("draw", f"coalesce(drawn_on, {night})", night),
    )
    return replace(con, DERIVED["deciding_draw"], "true", rows)


def keep_signs(con: duckdb.DuckDBPyConnection, as_of: date, rule: Rule = RULE) -> int:
    """Replace ``deciding_sign``: what decides of the cohorts of other signs, per person and cohort.

    Reads ``person``, ``deciding_draw``, ``corroboration``, ``tissue_value`` and ``exclusion``. A
    sign counts for ``rule.max_age_days``; who has none of a cohort's signs has no row of it.
    """
    night = f"DATE '{as_of}'"
    pairs = [
        (p.name, one, other) for p in PATTERNS for pair in p.pairs for one, other in _ways(pair)
    ]
    others = [(p.name, sign.name) for p in PATTERNS for sign in p.not_worsening]
    rows = _SIGNS.format(
        night=night,
        max_age_days=rule.max_age_days,
        fresh=f"observed_on >= {night} - {rule.max_age_days}",
        kinds=_rows([(each.name, each.kind) for each in CONTRADICTIONS], "cohort, kind"),
        pairs=_rows(pairs, "cohort, one, other"),
        others=_rows(others, "cohort, sign"),
        patterns=_listed(pattern.name for pattern in PATTERNS),
        signs=_listed(sorted({sign.name for pattern in PATTERNS for sign in pattern.signs})),
        newest_evidence=_newest("evidence"),
        newest_sign=_newest("sign"),
        barred=_barred("day", "observed_on", night),
    )
    return replace(con, DERIVED["deciding_sign"], "true", rows)


def _barred(people: str, day: str, night: str) -> str:
    """How many exclusions of ``people`` held on their ``day`` or began since, by the night."""
    held = f"coalesce(start_on <= {day}, true) AND coalesce(end_on >= {day}, true)"
    began = f"start_on > {day} AND start_on <= {night}"
    return (
        f"SELECT patient_id, {day} AS on_day, count(*) AS n_exclusions FROM {people} "
        f"JOIN store.exclusion USING (patient_id) WHERE ({held}) OR ({began}) GROUP BY ALL"
    )


def _newest(seen: str) -> str:
    return f"SELECT patient_id, max(observed_on) AS observed_on FROM {seen} GROUP BY patient_id"


def _ways(pair: tuple[str, str]) -> Iterable[tuple[str, str]]:
    """A pair seen from either side."""
    return (pair, pair[::-1])


def _rows(rows: Iterable[tuple[str, ...]], columns: str) -> str:
    """A query of these rows."""
    values = ", ".join(f"({_listed(row)})" for row in rows)
    return f"SELECT * FROM (VALUES {values}) listed({columns})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
