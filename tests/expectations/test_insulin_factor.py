"""Insulin that looks like uIU/mL times 6.945 is doubted; other pmol/L is not."""

from __future__ import annotations

import random

import duckdb
import pytest

from expectations.incoming.observation import InsulinFactorIsSix


def doubted(values: list[str]) -> int:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA staging")
        con.execute(
            "CREATE TABLE staging.observation (file_id INTEGER, lab VARCHAR, analyte VARCHAR, "
            "ucum VARCHAR, number DOUBLE, source_value VARCHAR)"
        )
        rows = [(1, "L", "insulin", "pmol/L", float(value), value) for value in values]
        con.executemany("INSERT INTO staging.observation VALUES (?, ?, ?, ?, ?, ?)", rows)
        where = InsulinFactorIsSix.fails_where
        found = con.execute(f"SELECT count(*) FROM staging.observation WHERE {where}").fetchone()
    assert found is not None
    return int(found[0])


def reported(factor: float, count: int = 40) -> list[str]:
    drawn = random.Random(7)  # noqa: S311 repeatable, no secret
    return [f"{round(drawn.lognormvariate(2, 0.5), 1) * factor:.1f}" for _ in range(count)]


def test_values_times_6_945_are_doubted() -> None:
    assert doubted(reported(6.945)) == 40


def test_values_times_6_are_not_doubted() -> None:
    assert doubted(reported(6.0)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_values_measured_in_pmol_are_not_doubted(seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311
    assert doubted([f"{drawn.lognormvariate(4, 0.5):.1f}" for _ in range(40)]) == 0


def test_too_few_values_say_nothing() -> None:
    assert doubted(reported(6.945, count=9)) == 0


def test_the_doubt_only_warns() -> None:
    assert InsulinFactorIsSix.level == "warn"
