"""``undertow cohort list`` and ``show``: definitions, their life, their criteria, their members."""

from __future__ import annotations

from typing import Any

import duckdb

from transforms.catalog.acceptance import VERSIONS, fingerprint
from transforms.catalog.criteria import Definition, criteria

Row = dict[str, Any]
Members = dict[tuple[str, str], tuple[int, int]]


class UnknownCohortError(LookupError):
    """No cohort has that name, or no version that number."""


def members(con: duckdb.DuckDBPyConnection) -> Members:
    """Cohort and version -> members tonight, and people who were ever in."""
    rows = con.execute(
        "SELECT cohort, definition_version, count_if(left_on IS NULL), "
        "count(DISTINCT patient_id) FROM cohort GROUP BY ALL"
    ).fetchall()
    return {(cohort, version): (now, ever) for cohort, version, now, ever in rows}


def listed(counted: Members) -> tuple[list[Row], str]:
    """Every version of every cohort; ``counted`` may be empty where nothing is published."""
    rows = [_row(each, counted) for each in VERSIONS]
    lines = [f"{'cohort':<28}{'version':>7}  {'state':<11}{'since':<12}{'tonight':>8}{'ever':>8}"]
    lines += [
        f"{row['cohort']:<28}{row['version']:>7}  {row['state']:<11}{row['accepted_on'] or '':<12}"
        f"{_count(row['tonight']):>8}{_count(row['ever']):>8}"
        for row in rows
    ]
    return rows, "\n".join(lines)


def _count(n: int | None) -> str:
    return "-" if n is None else f"{n:,}"


def _row(each: Definition, counted: Members) -> Row:
    known = counted.get((each.name, each.version), (0, 0))
    tonight, ever = known if counted and each.state == "accepted" else (None, None)
    return {
        "cohort": each.name,
        "version": each.version,
        "state": each.state,
        "accepted_on": str(each.accepted_on) if each.accepted_on else None,
        "tonight": tonight,
        "ever": ever,
    }


def shown(name: str, version: str | None, counted: Members) -> tuple[Row, str]:
    """One definition whole: the version asked for, else the one in force.

    Raises:
        UnknownCohortError: naming what there is.
    """
    own = [each for each in VERSIONS if each.name == name]
    if not own:
        names = ", ".join(sorted({each.name for each in VERSIONS}))
        raise UnknownCohortError(f"no such cohort; there are {names}")
    wanted = [e for e in own if (e.version == version if version else e.state == "accepted")]
    if not wanted:
        raise UnknownCohortError(f"{name} has versions {', '.join(e.version for e in own)}")
    each = wanted[-1]
    asked: list[Row] = [
        {
            "criterion": item.criterion,
            "asks": item.asks,
            "value": item.value_column,
            "must_be": item.must_be,
            "bound": item.bound,
            "unit": item.unit,
            "any_of": item.any_of,
        }
        for item in criteria(each)
    ]
    row = _row(each, counted) | {
        "sentence": each.sentence,
        "rule": each.rule.version,
        "fingerprint": fingerprint(each),
        "criteria": asked,
    }
    return row, _told(row)


def _told(row: Row) -> str:
    since = f" since {row['accepted_on']}" if row["accepted_on"] else ""
    lines = [
        f"{row['cohort']} {row['version']}: {row['state']}{since}, by rule {row['rule']}",
        f"  {row['sentence']}",
        f"  members tonight {_count(row['tonight'])}, ever {_count(row['ever'])}",
        "",
        "  A member meets every criterion:",
    ]
    for item in row["criteria"]:
        unit = "" if item["unit"] == "1" else f" {item['unit']}"
        bound = "its own limit" if item["bound"] is None else f"{item['bound']:g}{unit}"
        one = f" (one of {item['any_of'].replace('_', ' ')})" if item["any_of"] else ""
        lines.append(f"    {item['asks']}{one}")
        lines.append(f"      {item['criterion']}: {item['value']} {item['must_be']} {bound}")
    return "\n".join([*lines, "", f"  fingerprint {row['fingerprint']}"])
