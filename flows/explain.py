"""Explain: why a patient has this status, from the published warehouse alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import polars as pl

from flows.beside_text import (
    beside,
    measured_lately,
    pattern_said,
    profile,
    profile_lines,
    weight_said,
)
from flows.pictures.rows import DOUBTFUL, platform_name
from transforms.catalog.next_tests import next_tests
from transforms.catalog.rule import RULE, STATUSES
from transforms.counterfactuals import changes, next_draw
from transforms.frozen import FrozenModel, decoded
from warehouse.store import frame

BARS = "▁▂▃▄▅▆▇█"
GLUCOSE_SPAN = (70.0, 126.0)
"""mg/dL: the scale of glucose's bars, up to the threshold of diabetes."""
LIMITS = (
    "A mark is a reason to look, made from laboratory results that can be checked one by one.",
    "It is not a diagnosis, names no tissue, and gives no time to diabetes.",
    "A person without a mark is not thereby well; guidelines do not endorse screening insulin.",
)


class UnknownPatientError(LookupError):
    """The published warehouse does not know the patient."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind one status; ``draws`` are rows of ``fasting_pair`` with their files."""

    patient_id: str
    as_of: date
    status: str
    meaning: str
    reason: str
    tier: str | None
    rule_version: str
    trend: dict[str, Any] | None
    evidence: dict[str, Any]
    draws: list[dict[str, Any]]
    platform_changes: list[str]
    beside: list[str]
    tissues: list[dict[str, Any]]
    tissues_together: str | None
    what_would_change_it: list[str]
    missing: list[str]
    next_tests: list[str]
    limits: tuple[str, ...] = LIMITS

    def as_json(self) -> str:
        """The explanation for machines."""
        return json.dumps(asdict(self), default=str, ensure_ascii=False, indent=2)


def explanation(con: duckdb.DuckDBPyConnection, patient_id: str) -> Explanation:
    """Why ``patient_id`` has the status it has; a merged record answers for its survivor.

    Raises:
        UnknownPatientError: no such patient.
    """
    found = frame(
        con,
        "SELECT s.* FROM patient_status s WHERE s.patient_id = coalesce((SELECT survivor_id "
        "FROM store.patient_alias WHERE patient_id = $1), $1)",
        [patient_id],
    ).to_dicts()
    if not found:
        raise UnknownPatientError("no such patient in the published warehouse")
    status = found[0]
    trends = frame(con, "SELECT * FROM trend WHERE patient_id = ?", [status["patient_id"]])
    trend = next(trends.iter_rows(named=True), None)
    draws = _draws(con, status["patient_id"])
    evidence = json.loads(status["evidence"])
    return Explanation(
        patient_id=status["patient_id"],
        as_of=status["as_of"],
        status=status["status"],
        meaning=STATUSES[status["status"]],
        reason=status["reason"],
        tier=status["tier"],
        rule_version=status["rule_version"],
        trend=trend,
        evidence=evidence,
        draws=draws.to_dicts(),
        platform_changes=_platform_changes(draws.filter("used").to_dicts()),
        beside=[*beside(con, status["patient_id"]), *filter(None, [weight_said(trend)])],
        tissues=profile(con, status["patient_id"]),
        tissues_together=pattern_said(con, status["patient_id"]),
        what_would_change_it=_changes(con, draws, trend, status),
        missing=evidence.get("missing") or [],
        next_tests=_next_tests(draws, trend, status, measured_lately(con, status["patient_id"])),
    )


def _next_tests(
    draws: pl.DataFrame,
    trend: dict[str, Any] | None,
    status: dict[str, Any],
    measured: list[str],
) -> list[str]:
    if status["status"] == "excluded":
        return []
    doubtful = draws.filter("used", pl.col("p_bad") >= DOUBTFUL)
    n_pairs = trend["n_pairs"] if trend else 0
    doubts = doubtful["likely"].to_list()
    return next_tests({**status, "n_pairs": n_pairs, "doubts": doubts, "measured": measured})


def _platform_changes(used: list[dict[str, Any]]) -> list[str]:
    """Where the series passes from one laboratory or assay to another, and what was done."""
    changes = []
    for before, after in pairwise(used):
        here, there = platform_name(before), platform_name(after)
        step = after["platform_effect"] - before["platform_effect"]
        if here != there or step:
            known = f"reads {np.expm1(step):+.0%} for insulin, which is taken off"
            done = known if step else "no difference is taken off"
            changes.append(f"{after['drawn_on']}: from {here} to {there}; {done}")
    return changes


def _model(con: duckdb.DuckDBPyConnection, version: str) -> FrozenModel:
    found = frame(con, "SELECT content FROM model WHERE model_version = ?", [version])
    return decoded(found["content"][0])


def _draws(con: duckdb.DuckDBPyConnection, patient_id: str) -> pl.DataFrame:
    return frame(
        con,
        "SELECT p.drawn_on, p.insulin_uiu_ml, p.glucose_mg_dl, p.lab, p.assay, p.used, p.reason, "
        "p.p_bad, p.likely, e.p_fasting, e.evidence AS fasting_evidence, "
        "p.insulin_comparator, p.repeats, p.is_ill, p.platform_effect, "
        "(SELECT string_agg(place, '; ' ORDER BY place) FROM (SELECT f.source || '/' || f.file "
        "|| ' (' || left(f.sha256, 8) || ') line ' "
        "|| string_agg(DISTINCT o.line::VARCHAR, ', ' ORDER BY o.line::VARCHAR) "
        "AS place FROM observation o "
        "JOIN source_file f USING (file_id) WHERE o.patient_id = p.patient_id "
        "AND o.observed_on = p.drawn_on AND o.analyte IN ('insulin', 'glucose') "
        "GROUP BY f.source, f.file, f.sha256)) AS lines "
        "FROM fasting_pair p LEFT JOIN fasting_evidence e USING (patient_id, drawn_on) "
        "WHERE p.patient_id = ? ORDER BY p.drawn_on",
        [patient_id],
    )


def _changes(
    con: duckdb.DuckDBPyConnection,
    draws: pl.DataFrame,
    trend: dict[str, Any] | None,
    status: dict[str, Any],
) -> list[str]:
    """What the next draw would have to be for another outcome, glucose as it is now."""
    n_pairs = trend["n_pairs"] if trend else 0
    then = None
    if trend and status["status"] != "excluded" and n_pairs >= RULE.min_pairs - 1:
        model, used = _model(con, trend["model_version"]), draws.filter("used")
        then = next_draw(used, trend["glucose_level_mg_dl"], status["as_of"], model, RULE)
    return [*barred_now(draws, status["as_of"]), *changes(status["status"], n_pairs, then, RULE)]


def barred_now(draws: pl.DataFrame, as_of: date) -> list[str]:
    """That the next draw would not be used either, where the newest is barred by what is on record.

    >>> draws = pl.DataFrame({"drawn_on": [date(2026, 1, 9)], "reason": ["during metformin"]})
    >>> barred_now(draws, date(2026, 3, 1))
    ['The newest draw is not used (during metformin); what follows is of a draw when that is over.']
    >>> barred_now(draws, date(2028, 3, 1))
    []
    """
    newest = draws.sort("drawn_on").tail(1).drop_nulls("reason")
    recent = newest.filter(pl.col("drawn_on") >= as_of - timedelta(days=RULE.max_age_days))
    return [
        f"The newest draw is not used ({reason}); what follows is of a draw when that is over."
        for reason in recent["reason"]
        if reason.startswith("during ")
    ]


def bars(values: list[float | None], span: tuple[float, float] | None = None) -> str:
    """A line of blocks from low to high; a gap where there is no value.

    ``span`` fixes the ends of the scale, so that what is flat looks flat; without it the scale
    runs from the lowest value to the highest.

    >>> bars([1, None, 3])
    '▁ █'
    >>> bars([90.0, 92.0], GLUCOSE_SPAN)
    '▃▄'
    """
    known = [value for value in values if value is not None]
    low, high = span or (min(known, default=0.0), max(known, default=0.0))
    step = (high - low) / (len(BARS) - 1) or 1.0
    heights = (None if v is None else min(max(round((v - low) / step), 0), 7) for v in values)
    return "".join(" " if height is None else BARS[height] for height in heights)


def as_text(found: Explanation) -> str:
    """The explanation for people, plain text."""
    tier = f", tier {found.tier}" if found.tier else ""
    lines = [
        f"{found.patient_id}: {found.status.replace('_', ' ')}{tier}, as of {found.as_of} "
        f"(rule {found.rule_version})",
        f"  {found.meaning}",
        f"  Because {found.reason.rstrip('.')}.",
        *_trend_lines(found),
        "",
        "  Draws",
        *(line for draw in found.draws for line in _draw_lines(draw)),
        *([] if found.draws else ["    none"]),
        *_listed("Platform changes within the draws used", found.platform_changes),
        *_listed("Beside it, deciding nothing", found.beside),
        *_listed("What would change it", found.what_would_change_it),
        *_listed("Next best tests", found.next_tests),
        *profile_lines(found.tissues, found.tissues_together),
        "",
        f"  Missing to say more: {', '.join(found.missing) or 'nothing that the rule asks for'}",
        *(f"  {text}" for text in found.limits),
    ]
    return "\n".join(lines)


def _listed(title: str, items: list[str]) -> list[str]:
    return ["", f"  {title}", *(f"    {text}" for text in items)] if items else []


def _trend_lines(found: Explanation) -> list[str]:
    trend = found.trend
    if trend is None:
        return []
    used = [draw for draw in found.draws if draw["used"]]
    insulin = bars([draw["insulin_uiu_ml"] for draw in used])
    glucose = bars([draw["glucose_mg_dl"] for draw in used], GLUCOSE_SPAN)
    return [
        "",
        f"  insulin {insulin}  now {trend['insulin_level_uiu_ml']:.1f} uIU/mL "
        f"({trend['insulin_level_low']:.1f} to {trend['insulin_level_high']:.1f}), "
        f"{trend['insulin_slope_pct_year']:+.0f} % a year ("
        f"{trend['insulin_slope_low']:+.0f} to {trend['insulin_slope_high']:+.0f})",
        f"  glucose {glucose}  now {trend['glucose_level_mg_dl']:.0f} mg/dL "
        f"({trend['glucose_level_low']:.0f} to {trend['glucose_level_high']:.0f}), "
        f"{trend['glucose_slope_mg_dl_year']:+.1f} mg/dL a year ("
        f"{trend['glucose_slope_low']:+.1f} to {trend['glucose_slope_high']:+.1f})",
        "  in brackets: 90 % intervals",
        f"  probability: climbing unseen {trend['p_climbing_unseen']:.2f}, insulin climbing "
        f"{trend['p_insulin_climbing']:.2f}, glucose fine {trend['p_glucose_fine']:.2f}, "
        f"insulin high {trend['p_insulin_high']:.2f}; by trend model {trend['model_version']}",
    ]


def _use(draw: dict[str, Any]) -> str:
    if not draw["used"]:
        return f"not used: {draw['reason']}"
    ill = ", counts for less: ill" if draw["is_ill"] else ""
    is_doubtful = draw["p_bad"] is not None and draw["p_bad"] >= DOUBTFUL
    doubt = f", but {draw['p_bad']:.0%} likely {draw['likely']}" if is_doubtful else ""
    return f"used{doubt}{ill}"


def _draw_lines(draw: dict[str, Any]) -> list[str]:
    known = draw["fasting_evidence"]
    said = [f"      {draw['p_fasting']:.0%} likely fasting: {known}"] if known else []
    return [_draw_line(draw), *said]


def _draw_line(draw: dict[str, Any]) -> str:
    value = f"{draw['insulin_comparator'] or ''}{draw['insulin_uiu_ml'] or 0:.1f}"
    insulin = "     -" if draw["insulin_uiu_ml"] is None else f"{value:>6}"
    glucose = "   -" if draw["glucose_mg_dl"] is None else f"{draw['glucose_mg_dl']:4.0f}"
    use = _use(draw)
    platform = platform_name(draw)
    return (
        f"    {draw['drawn_on']}  insulin {insulin}  glucose {glucose}  {use:<30} "
        f"{platform}; {draw['lines'] or ''}"
    )
