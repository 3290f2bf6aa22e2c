"""What stands beside a status, for people: corroboration, weight, tissues. None of it decides."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import duckdb

from transforms.catalog.rule import RULE
from transforms.catalog.tissues import GRADES, TISSUES, Tissue
from transforms.corroboration import evidence_beside
from warehouse.store import frame

Row = dict[str, Any]
_PROFILE = """
    SELECT tissue, signal, title, value, unit, observed_on, n, trend, course, percentile,
        n_comparable, compared_with, evidence_grade, claim, not_claimed, missing
    FROM tissue_profile WHERE patient_id = ? ORDER BY tissue, evidence_grade, title
"""
_LATELY = """
    SELECT DISTINCT kind FROM (
        SELECT patient_id, kind, observed_on FROM corroboration WHERE says IS NOT NULL UNION ALL
        SELECT patient_id, 'c_peptide', observed_on FROM index_value
        WHERE "index" = 'c_peptide_insulin' AND value IS NOT NULL) JOIN tonight
    ON observed_on BETWEEN as_of - $2::INTEGER AND as_of WHERE patient_id = $1 ORDER BY kind
"""


def beside(con: duckdb.DuckDBPyConnection, patient_id: str) -> list[str]:
    """What agrees or disagrees with fine fasting glucose, newest of each kind."""
    status = frame(
        con, "SELECT patient_id, as_of FROM patient_status WHERE patient_id = ?", [patient_id]
    )
    found = frame(con, "SELECT * FROM corroboration WHERE patient_id = ?", [patient_id])
    said = evidence_beside(status.lazy(), found.lazy()).collect()
    return said["beside"][0].split("; ") if said.height else []


def measured_lately(con: duckdb.DuckDBPyConnection, patient_id: str) -> list[str]:
    """Which of C-peptide, HbA1c and a sensor are known and not too old: none need be asked for."""
    found = frame(con, _LATELY, [patient_id, RULE.max_age_days])
    return found["kind"].to_list()


def profile(con: duckdb.DuckDBPyConnection, patient_id: str) -> list[Row]:
    """The rows of ``tissue_profile``: signals as they stand, and what was never measured."""
    return frame(con, _PROFILE, [patient_id]).to_dicts()


def pattern_said(con: duckdb.DuckDBPyConnection, patient_id: str) -> str | None:
    """What the tissues' signals do together, in a sentence."""
    found = frame(con, "SELECT sentence FROM tissue_pattern WHERE patient_id = ?", [patient_id])
    return str(found["sentence"][0]) if found.height else None


def weight_said(trend: Row | None) -> str | None:
    """How much of insulin's slope weight could explain; None where weights are not known."""
    if not trend or trend["insulin_slope_at_weight_pct_year"] is None:
        return None
    return (
        f"weight changed by {trend['weight_change_kg']:+.1f} kg over these draws; insulin "
        f"{trend['insulin_slope_pct_year']:+.0f} % a year, at one weight "
        f"{trend['insulin_slope_at_weight_pct_year']:+.0f} % "
        f"({trend['insulin_slope_at_weight_low']:+.0f} to "
        f"{trend['insulin_slope_at_weight_high']:+.0f})"
    )


def profile_lines(rows: list[Row], together: str | None) -> list[str]:
    """The profile as text; a tissue of which nothing was measured is one line."""
    if not rows:
        return []
    measured = {row["tissue"] for row in rows if row["signal"]}
    bare = [tissue.title for tissue in TISSUES if tissue.name not in measured]
    seen = [tissue for tissue in TISSUES if tissue.name in measured]
    unseen = [f"    Not evaluated, nothing was measured: {', '.join(bare)}"] if bare else []
    grades = "; ".join(f"{grade} {meaning}" for grade, meaning in GRADES.items())
    return [
        "",
        "  Tissues: signals as they stand, graded by evidence; none says which tissue is resistant",
        *(wrapped(f"Together: {together}.") if together else ()),
        *(line for tissue in seen for line in _tissue(tissue, rows)),
        *unseen,
        *wrapped(f"Grades: {grades}."),
    ]


def _tissue(tissue: Tissue, rows: list[Row]) -> list[str]:
    own = [row for row in rows if row["tissue"] == tissue.name]
    missing = [row["missing"] for row in own if not row["signal"]]
    worsens = any(row["course"] == "worsening" for row in own)
    claim = [f"May be said: {tissue.claim}"] if worsens or tissue.ceiling == "D" else []
    said = [*claim, f"May not be said: {tissue.not_claimed}", *missing]
    return [
        f"    {tissue.title}",
        *(_signal(row) for row in own if row["signal"]),
        *(line for text in said for line in wrapped(text)),
    ]


def wrapped(text: str) -> list[str]:
    """A sentence as lines that a terminal holds, indented below its tissue."""
    return textwrap.wrap(text, 100, initial_indent=" " * 9, subsequent_indent=" " * 11)


def _signal(row: Row) -> str:
    course = row["course"] or row["trend"] or ("too old" if row["missing"] else "no trend yet")
    place = f"  {place_said(row)}" if row["percentile"] is not None else ""
    return (
        f"      {row['evidence_grade']}  {row['title']:<32} {value_said(row):<16} {course:<13} "
        f"{row['observed_on']}{place}"
    )


def value_said(row: Row) -> str:
    """Three digits, and the unit without its UCUM annotation.

    >>> value_said({"value": 8083.2, "unit": "{#}/d"}), value_said({"value": 1.0817, "unit": "1"})
    ('8,083 /d', '1.08')
    """
    value, unit = row["value"], re.sub(r"\{.*?\}", "", row["unit"] or "1")
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return number if unit == "1" else f"{number} {unit}"


def place_said(row: Row) -> str:
    """Where the value lies among comparable people, none of them excluded, of one platform."""
    people = row["compared_with"].split(",")[0]
    return f"above {int(row['percentile'])} % of {row['n_comparable']} {people}"
