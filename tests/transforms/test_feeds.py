"""A feed that changes its unit and not its label; feeds that merely vary."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from transforms.feeds import switches

INSULIN_LN, SPREAD = math.log(9.0), 0.55


def file(number: int, n: int = 40, mean: float = INSULIN_LN, **facts: Any) -> dict[str, Any]:
    row = {
        "source": "lab",
        "lab": "A",
        "analyte": "insulin",
        "timing": "any",
        "ucum": "u[IU]/mL",
        "file_id": number,
        "n": n,
        "mean_ln": mean,
        "var_ln": SPREAD**2,
        "approval": None,
    }
    return row | facts


def found_in(*files: dict[str, Any]) -> pl.DataFrame:
    return switches(pl.DataFrame(files, schema_overrides={"approval": pl.Int64}))


def jumped(*files: dict[str, Any]) -> dict[int, str]:
    found = found_in(*files)
    return dict(found.select("file_id", "likely_unit").rows())


BEFORE = [file(number, mean=INSULIN_LN + wobble) for number, wobble in enumerate((0.1, -0.1, 0))]
IN_PMOL = INSULIN_LN + math.log(6.0)


def test_a_feed_that_sends_pmol_under_its_old_label_jumps() -> None:
    assert jumped(*BEFORE, file(3, mean=IN_PMOL), file(4)) == {3: "pmol/L"}


def test_a_feed_that_says_its_new_unit_does_not() -> None:
    assert jumped(*BEFORE, file(3, mean=IN_PMOL, ucum="pmol/L"), file(4)) == {}


def test_a_file_of_heavier_patients_is_no_jump() -> None:
    assert jumped(*BEFORE, file(3, mean=INSULIN_LN + math.log(2.0))) == {}


def test_a_jump_that_no_unit_explains_is_left_to_a_person() -> None:
    assert jumped(*BEFORE, file(3, mean=INSULIN_LN + math.log(2.9))) == {}


def test_a_feed_stays_held_until_a_person_decides() -> None:
    later = [file(number, mean=IN_PMOL) for number in (3, 4, 5)]
    assert jumped(*BEFORE, *later) == {3: "pmol/L", 4: "pmol/L", 5: "pmol/L"}
    decided = file(4, mean=IN_PMOL, approval=1)
    assert jumped(*BEFORE, later[0], decided, later[2]) == {3: "pmol/L"}


def test_an_approved_conversion_continues_the_feed() -> None:
    converted = file(3, mean=IN_PMOL, ucum="pmol/L", approval=1)
    assert jumped(*BEFORE, converted, file(4, mean=IN_PMOL, ucum="pmol/L"), file(5)) == {}


def test_a_decision_is_no_leave_to_jump_again_until_the_next_one() -> None:
    decided = [file(at, mean=IN_PMOL, ucum="pmol/L", approval=1) for at in (3, 4)]
    back = file(5, mean=INSULIN_LN, ucum="pmol/L", approval=1)
    assert list(jumped(*BEFORE, *decided, back)) == [5]  # uIU/mL and mIU/L are one size
    again = file(6, mean=INSULIN_LN, ucum="pmol/L", approval=2)
    assert jumped(*BEFORE, *decided, again) == {}


def test_other_feeds_go_on() -> None:
    others = [file(number, lab="B") for number in range(3)]
    found = found_in(*BEFORE, *others, file(3, mean=IN_PMOL), file(3, lab="B"))
    assert found.select("lab", "file_id").rows() == [("A", 3)]


def test_a_feed_of_a_few_rows_a_night_is_judged_with_the_nights_before() -> None:
    few = [file(10 + night, n=4, mean=IN_PMOL) for night in range(4)]
    held = jumped(*BEFORE, *few)
    assert set(held) == {12, 13}
    assert jumped(*BEFORE, *(file(10 + night, n=4) for night in range(4))) == {}


def test_a_new_feed_has_nothing_to_jump_from() -> None:
    assert jumped(file(0, n=20), file(1, mean=IN_PMOL)) == {}


@pytest.mark.parametrize(
    ("analyte", "unit", "likely", "usual", "slipped"),
    [
        ("glucose", "mg/dL", "mmol/L", 92.0, 5.1),
        ("glucose", "mmol/L", "mg/dL", 5.1, 92.0),
        ("hba1c", "%", "mmol/mol", 5.5, 36.6),
        ("hba1c", "mmol/mol", "%", 36.6, 5.5),
        ("triglyceride", "mg/dL", "mmol/L", 110.0, 1.24),
        ("creatinine", "mg/dL", "umol/L", 0.9, 79.6),
    ],
)
def test_the_usual_slips_are_named(
    analyte: str, unit: str, likely: str, usual: float, slipped: float
) -> None:
    facts = {"analyte": analyte, "ucum": unit, "var_ln": 0.02}
    past = [file(number, mean=math.log(usual), **facts) for number in range(3)]
    assert jumped(*past, file(3, mean=math.log(slipped), **facts)) == {3: likely}
    assert jumped(*past, file(3, mean=math.log(usual * 1.1), **facts)) == {}
