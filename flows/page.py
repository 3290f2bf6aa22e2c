"""The night's page: one static, escaped page of counts, in place of Data Docs."""

from __future__ import annotations

import json

import duckdb

from flows.account import account_of
from flows.mail import environment
from flows.night import Night
from transforms.catalog.rule import STATUSES
from warehouse.store import frame


def write(night: Night) -> None:
    """Write ``report/<night>.html``, readable by the owner only; it replaces itself."""
    if night.published is None:
        return
    with duckdb.connect(str(night.published), read_only=True) as con:
        text = environment().get_template("page.html.j2").render(_facts(night, con))
    target = night.home.report / f"{night.as_of.isoformat()}.html"
    partial = target.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o600)
    partial.rename(target)


def _facts(night: Night, con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    changed = night.counts["transform"]["patients changed"]
    warnings = sum(1 for verdict in night.verdicts if not verdict[-1])
    attrition = "SELECT * FROM cohort_attrition WHERE cohort = 'climbing_unseen' ORDER BY step"
    reasons = (
        "SELECT source, split_part(reason, ':', 1) AS reason, count(*) AS n, "
        "any_value(what_to_do) AS sentence FROM (SELECT source, unnest(reasons) AS reason, "
        "what_to_do FROM quarantine WHERE state = 'waiting') GROUP BY ALL ORDER BY n DESC, 1, 2"
    )
    forecasts = (
        "SELECT * FROM prediction_check WHERE grouped_by <> 'lab' OR n >= 20 "
        "ORDER BY analyte DESC, grouped_by, CASE grouped_by WHEN 'draws' THEN level END, n DESC"
    )
    cohorts = (
        "SELECT d.cohort, d.sentence, count(c.patient_id) FILTER (c.left_on IS NULL) AS n, "
        "count(c.patient_id) FILTER (c.left_on IS NOT NULL) AS n_left FROM cohort_definition d "
        "LEFT JOIN cohort c USING (cohort) GROUP BY ALL ORDER BY d.cohort"
    )
    steps = night.ledger.rows("SELECT * FROM step WHERE run_id = ? ORDER BY rowid", [night.run_id])
    return {
        "account": account_of(con, night.as_of, warnings, changed),
        "site": night.settings.site.name,
        "run_id": night.run_id,
        "code_version": night.code_version,
        "statuses": STATUSES,
        "cohorts": frame(con, cohorts).to_dicts(),
        "attrition": frame(con, attrition).to_dicts(),
        "quarantine": frame(con, reasons).to_dicts(),
        "forecasts": frame(con, forecasts).to_dicts(),
        "verdicts": night.verdicts,
        "steps": [{**dict(row), "counts": json.loads(row["counts"])} for row in steps],
    }
