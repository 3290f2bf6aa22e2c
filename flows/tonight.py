"""Tonight: what depends on the night's date, in one cheap pass over everyone.

Status, cohorts and attrition, what comparable people's signals are, the checks of the model and of
the list, and the catalogs as tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import duckdb
import polars as pl

from flows.standing import spans, write
from transforms import attrition, frozen
from transforms.attrition import Way, strata
from transforms.catalog.criteria import criterion_frame
from transforms.catalog.definitions import cohort_definition_frame
from transforms.catalog.index_page import definition_frame
from transforms.catalog.rule import RULE
from transforms.catalog.tables import DERIVED
from transforms.catalog.tissues import signals_frame
from transforms.checks import list_check, prediction_checks
from transforms.cohorts import cohorts, ways
from transforms.comparable import reference
from transforms.corroboration import contradiction_ways, contradictions
from transforms.episodes import episodes
from transforms.exclusions import excluded_spans, minor_spans
from transforms.frozen import FrozenModel
from transforms.patterns import pattern_ways, patterns
from transforms.rhythm import feed_checks
from transforms.statuses import at_draws, draw_facts, statuses
from transforms.tissues import tissue_patterns
from warehouse import deciding, feeds
from warehouse.store import frame, replace

Models = Sequence[FrozenModel]
Counts = dict[str, int]
_SIGN = "patient_id, tissue, signal, observed_on, platform, value, course"
_FINDING = "patient_id, kind, observed_on, says"
_WORSENING = "SELECT DISTINCT patient_id FROM store.tissue_value WHERE course = 'worsening'"
_NOT_FINE = "SELECT DISTINCT patient_id FROM store.corroboration WHERE says = 'not fine'"


def findings(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """What the rule says after every draw of everyone (:func:`transforms.statuses.at_draws`)."""
    series = frame(
        con,
        "SELECT d.*, t.p_without_one FROM store.trend_at_draw d LEFT JOIN store.trend t "
        "ON t.patient_id = d.patient_id AND t.last_on = d.drawn_on",
    )
    pairs = frame(
        con, "SELECT patient_id, drawn_on, glucose_mg_dl FROM store.fasting_pair WHERE used"
    )
    return at_draws(series.lazy(), pairs.lazy())


def tonight(con: duckdb.DuckDBPyConnection, as_of: date, models: Models) -> Counts:
    """Replace what depends on the date; returns the rows written per table."""
    con.execute("CREATE OR REPLACE TEMP TABLE affected AS SELECT patient_id FROM store.person")
    excluded = excluded_spans(spans(con, "condition"), spans(con, "medication"))
    excluded = excluded.collect().lazy()
    found = findings(con).collect().lazy()
    newest = found.group_by("patient_id", maintain_order=True).last()
    people = frame(con, "SELECT patient_id, birth_date, sex FROM store.person").lazy()
    draws = frame(con, "SELECT patient_id, used, reason FROM store.fasting_pair").lazy()
    status = statuses(people, newest, draw_facts(draws), excluded, as_of).collect().lazy()
    barred = pl.concat([excluded, minor_spans(people, RULE.adult_age)])
    signs = _rows_of(con, "tissue_value", _SIGN, _WORSENING, as_of)
    evaluated = status.filter(pl.col("ground").is_null()).select("patient_id")
    fine = found.filter(pl.col("finding").is_not_null()).join(
        evaluated, on="patient_id", how="semi"
    )
    stays = cohorts(found, barred, as_of).collect().lazy()
    rows = [
        (stays, ways(status, stays)),
        _contradicted(con, found, barred, status, as_of),
        _patterned(signs, found, barred, status, as_of),
    ]
    left_out = [each for _, many in rows for each in many]
    replace(con, DERIVED["tonight"], "true", f"SELECT DATE '{as_of}' AS as_of")
    return {
        "patient_status": write(con, "patient_status", status),
        "cohort": write(con, "cohort", pl.concat(stays for stays, _ in rows)),
        "episode": write(con, "episode", episodes(found, barred, as_of)),
        "cohort_attrition": write(con, "cohort_attrition", attrition.steps(left_out)),
        "attrition": write(
            con, "attrition", attrition.by_stratum(left_out, strata(people, as_of), draws)
        ),
        **_deciding(con, excluded, as_of),
        "tissue_pattern": write(con, "tissue_pattern", tissue_patterns(signs[1], fine, as_of)),
        "signal_reference": write(con, "signal_reference", _reference(con, signs[1], as_of)),
        "feed_check": feeds.keep_checks(con, feed_checks(feeds.arrivals(con), as_of)),
        **_checks(con),
        **_catalogs(con, models),
    }


def _contradicted(
    con: duckdb.DuckDBPyConnection,
    found: pl.LazyFrame,
    barred: pl.LazyFrame,
    status: pl.LazyFrame,
    as_of: date,
) -> tuple[pl.LazyFrame, list[Way]]:
    """Cohorts of people whose glucose something else calls not fine; only they are followed back,
    for the others what is recent suffices."""
    back, recent = _rows_of(con, "corroboration", _FINDING, _NOT_FINE, as_of)
    stays = contradictions(back, _of(found, back), barred, as_of).collect().lazy()
    return stays, contradiction_ways(status, stays, recent, found, as_of)


def _patterned(
    signs: tuple[pl.LazyFrame, pl.LazyFrame],
    found: pl.LazyFrame,
    barred: pl.LazyFrame,
    status: pl.LazyFrame,
    as_of: date,
) -> tuple[pl.LazyFrame, list[Way]]:
    """Cohorts by tissue pattern, likewise."""
    back, recent = signs
    stays = patterns(back, _of(found, back), barred, as_of).collect().lazy()
    return stays, pattern_ways(status, stays, recent, found, as_of)


def _deciding(con: duckdb.DuckDBPyConnection, excluded: pl.LazyFrame, as_of: date) -> Counts:
    """What decides of the cohorts, as values that the views compare with the criteria."""
    names = {"name": "exclusion", "from_on": "start_on", "to_on": "end_on"}
    return {
        "exclusion": write(con, "exclusion", excluded.unique().rename(names)),
        "deciding_draw": deciding.keep_draws(con, as_of),
        "deciding_sign": deciding.keep_signs(con, as_of),
    }


def _rows_of(
    con: duckdb.DuckDBPyConnection, table: str, columns: str, people: str, as_of: date
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """All rows of these people; and everyone's that are not too old."""
    oldest = as_of - timedelta(days=RULE.max_age_days + 1)
    rows = f"SELECT {columns} FROM store.{table}"
    back = frame(con, f"{rows} SEMI JOIN ({people}) USING (patient_id)")
    recent = frame(con, f"{rows} WHERE observed_on >= DATE '{oldest}'")
    return back.lazy(), recent.lazy()


def _of(findings: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    return findings.join(rows.select("patient_id").unique(), on="patient_id", how="semi")


def _reference(con: duckdb.DuckDBPyConnection, values: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Quantiles of the newest values of everyone the rule does not exclude."""
    people = frame(con, "SELECT patient_id, birth_date, sex FROM store.person")
    query = "SELECT patient_id FROM store.patient_status WHERE status <> 'excluded'"
    return reference(values, people.lazy(), frame(con, query).lazy(), as_of)


def _checks(con: duckdb.DuckDBPyConnection) -> Counts:
    """Forecasts against what came, and tonight's list against chance."""
    newest = frame(
        con,
        "SELECT t.patient_id, n_pairs, pit_insulin, pit_glucose, p_climbing_unseen, p_shuffled, "
        "p.lab, p.platform, s.status NOT IN ('excluded', 'unresolved') AS is_evaluated, "
        "coalesce(s.tier IN ('A', 'B'), false) AS is_listed FROM store.trend t "
        "JOIN store.fasting_pair p ON p.patient_id = t.patient_id AND p.drawn_on = t.last_on "
        "JOIN store.patient_status s ON s.patient_id = t.patient_id ORDER BY t.patient_id",
    )
    return {
        "prediction_check": write(con, "prediction_check", prediction_checks(newest.lazy())),
        "list_check": write(con, "list_check", list_check(newest.filter("is_evaluated"))),
    }


def _catalogs(con: duckdb.DuckDBPyConnection, models: Models) -> Counts:
    return {
        "model": write(con, "model", frozen.models_frame(models)),
        "platform": write(con, "platform", frozen.platforms_frame(models)),
        "cohort_definition": write(con, "cohort_definition", cohort_definition_frame()),
        "criterion": write(con, "criterion", criterion_frame()),
        "index_definition": write(con, "index_definition", definition_frame()),
        "tissue_signal": write(con, "tissue_signal", signals_frame()),
    }
