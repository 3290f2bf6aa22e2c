"""The arithmetic of the papers gives the worked cases; the catalog gives the arithmetic."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.transforms.index_frames import FLAGS, fasting_frame, loaded_frame
from tests.transforms.index_oracle import (
    FASTING,
    FIVE,
    LOADED,
    A,
    B,
    C,
    D,
    Ogtt,
    Person,
    area,
    mean,
)
from transforms.catalog.indices import INDICES, Index

WORKED_FASTING = {
    "homa_ir": ("1.3333", "4.2400"),
    "homa_b": ("80.0", "200.0"),
    "quicki": ("0.36593", "0.30910"),
    "firi": ("1.200", "3.816"),
    "fgir": ("15.01", "5.31"),
    "revised_quicki": ("0.42829", "0.32807"),
    "adipo_ir": ("2.40", "11.70"),
    "tyg": ("8.2913", "9.1381"),
    "tyg_bmi": ("182.41", "301.56"),
    "tyg_wc": ("646.72", "1005.19"),
    "tg_hdl": ("1.527", "5.304"),
    "mcauley": ("8.4006", "4.8369"),
    "mets_ir": ("30.307", "54.534"),
    "spise": ("8.294", "3.784"),
    "vai": ("1.2485", "3.1851"),
    "lap": ("20.0", "99.0"),
    "fli": ("9.93", "91.91"),
    "hsi": ("31.2", "45.0"),
    "fib_4": ("0.660", "1.004"),
    "lar": ("0.667", "4.400"),
    "egdr": ("11.273", "4.821"),
}
WORKED_LOADED = {
    "matsuda": ("6.579", "1.817"),
    "igi": ("0.880", "1.569"),
    "disposition": ("5.790", "2.852"),
    "hiri": ("8.05", "21.99"),
    "misi": ("11.19e-5", "4.91e-5"),
    "stumvoll_isi": ("0.1201", "0.0350"),
    "stumvoll_mcr": ("10.18", "3.24"),
    "stumvoll_isi_age": ("0.1200", "0.0256"),
    "stumvoll_isi_no_bmi": ("0.1062", "0.0437"),
    "stumvoll_first": ("889.7", "1775.5"),
    "stumvoll_second": ("242.6", "455.0"),
}
"""As printed in the clinical reference: half of the last digit is the tolerance."""
MISPRINTED = {
    (
        "fgir",
        1,
    ): "5.30",  # printed 5.31: 5.3 mmol/L is 95.48 mg/dL, over 18 is 5.305 (5.306 at 18.02)
    ("stumvoll_isi_age", 0): "0.1199",  # printed 0.1200: 0.119948
    ("stumvoll_second", 0): "242.5",  # printed 242.6: 242.549, rounded twice
}
"""(index, case) of which the last printed digit is not that of the formula; what it is."""


def half_a_digit(printed: str) -> float:
    """Half of the last digit of a printed number."""
    digits, _, power = printed.partition("e")
    return 0.501 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


@pytest.mark.parametrize("name", sorted(FASTING.keys() - {"c_peptide_insulin"}))
def test_the_papers_give_the_worked_cases_of_a_fasting_draw(name: str) -> None:
    for case, someone in enumerate((A, B)):
        printed = MISPRINTED.get((name, case), WORKED_FASTING[name][case])
        value = FASTING[name](someone)
        assert value == pytest.approx(float(printed), abs=half_a_digit(printed), rel=0)


@pytest.mark.parametrize("name", LOADED)
def test_the_papers_give_the_worked_cases_of_a_tolerance_test(name: str) -> None:
    for case, test in enumerate((C, D)):
        printed = MISPRINTED.get((name, case), WORKED_LOADED[name][case])
        value = LOADED[name](test)
        assert value == pytest.approx(float(printed), abs=half_a_digit(printed), rel=0)


@pytest.mark.parametrize(("name", "case"), MISPRINTED)
def test_a_misprint_of_the_reference_is_one_of_its_last_digit(name: str, case: int) -> None:
    printed = (WORKED_FASTING | WORKED_LOADED)[name][case]
    value = FASTING[name]((A, B)[case]) if name in FASTING else LOADED[name]((C, D)[case])
    assert value is not None
    assert half_a_digit(printed) < abs(value - float(printed)) < 2 * half_a_digit(printed)


def test_means_by_area_are_the_other_value_that_the_reference_prints_of_matsuda() -> None:
    """Case C 6.062, D 1.696 where the draws of the ends count half; ours are means of the draws."""
    for test, printed in ((C, "6.062"), (D, "1.696")):
        by_area = (area(FIVE, test.glucose) / 120, area(FIVE, test.insulin) / 120)
        by_draws = (mean(test.glucose), mean(test.insulin))
        ratio = (by_draws[0] * by_draws[1] / (by_area[0] * by_area[1])) ** 0.5
        value = LOADED["matsuda"](test)
        assert value is not None
        assert value * ratio == pytest.approx(float(printed), abs=half_a_digit(printed), rel=0)


# the catalog


C_PEPTIDE = (1.5, 3.5)
"""ng/mL taken for cases A and B, of which the reference states none."""


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
def test_the_catalog_prints_its_examples_as_the_papers_give_them(index: Index) -> None:
    """To half of the last digit that it prints, where the reference misprints as well."""
    for case, printed in enumerate(index.gives):
        if index.name in FASTING:
            value = FASTING[index.name]({**(A, B)[case], "c_peptide": C_PEPTIDE[case]})
        else:
            value = LOADED[index.name]((C, D)[case])
        assert value == pytest.approx(printed, abs=half_a_digit(repr(printed)), rel=0)


PEOPLE, SEED = 500, 7201
RANGES: dict[str, tuple[float, float]] = {
    "insulin": (0.4, 300),
    "glucose": (45, 420),
    "triglyceride": (15, 1500),
    "nefa": (0.02, 2),
    "c_peptide": (0.05, 15),
    "hdl": (8, 150),
    "hba1c": (3.5, 15),
    "alt": (4, 400),
    "ast": (4, 400),
    "ggt": (4, 900),
    "platelets": (40, 700),
    "leptin": (0.3, 150),
    "adiponectin": (0.5, 50),
    "bmi": (14, 62),
    "waist": (50, 170),
    "age": (20, 95),
}
"""Wider than people are; drawn evenly in logarithms."""
STRICTER = {
    "vai": "BMI above 40",
    "misi": "glucose does not rise after the load",
    "quicki": "insulin and glucose too low for their logarithms",
    "revised_quicki": "insulin, glucose and NEFA too low for their logarithms",
    "mets_ir": "HDL at or below 1 mg/dL",
}
"""Where the catalog is silent although the arithmetic has a value."""


def crowd(rng: np.random.Generator) -> list[Person]:
    """People whose every measurement was drawn by itself."""
    return [
        {name: float(np.exp(rng.uniform(*np.log(ends)))) for name, ends in RANGES.items()}
        | {name: float(rng.integers(2)) for name in FLAGS}
        for _ in range(PEOPLE)
    ]


def challenges(rng: np.random.Generator) -> list[Ogtt]:
    """Tolerance tests of any shape: rising, falling, with two peaks, flat, in whole mg/dL."""
    return [
        Ogtt(
            FIVE,
            [float(value) for value in rng.integers(50, 60 if flat else 320, 5)],
            [float(value) for value in rng.uniform(1, 300, 5)],
            bmi=float(rng.uniform(16, 60)),
            age=float(rng.uniform(20, 90)),
        )
        for flat in rng.random(PEOPLE) < 0.3
    ]


def said(frame: pl.DataFrame, index: Index) -> pl.DataFrame:
    """``value``, and ``reason`` where a check voids it."""
    reasons = [pl.when(check).then(pl.lit(reason)) for check, reason in index.checks]
    reason = pl.coalesce(*reasons) if reasons else pl.lit(None, pl.String)
    return frame.select(value=index.formula, reason=reason)


@pytest.fixture(scope="module")
def catalog() -> dict[str, list[tuple[float | None, float | None, str | None]]]:
    """Index -> (the papers' value, the catalog's, why the catalog has none) of each person."""
    rng = np.random.default_rng(SEED)
    people, given = crowd(rng), challenges(rng)
    fasting, loaded = fasting_frame(people), loaded_frame(given)
    found = {}
    for index in INDICES:
        is_fasting = index.name in FASTING
        own = said(fasting if is_fasting else loaded, index).rows()
        expected: list[float | None] = (
            [FASTING[index.name](one) for one in people]
            if is_fasting
            else [LOADED[index.name](test) for test in given]
        )
        found[index.name] = [(e, *row) for e, row in zip(expected, own, strict=True)]
    return found


Said = dict[str, list[tuple[float | None, float | None, str | None]]]


def test_the_catalog_and_the_papers_have_the_same_indices() -> None:
    assert {index.name for index in INDICES} == FASTING.keys() | LOADED.keys()


@pytest.mark.parametrize("name", [*FASTING, *LOADED])
def test_the_catalog_gives_the_arithmetic_of_the_papers(catalog: Said, name: str) -> None:
    """To a billionth, for 500 people with every measurement drawn by itself."""
    compared = [(e, value) for e, value, reason in catalog[name] if reason is None]
    assert len(compared) > PEOPLE / 5
    for expected, value in compared:
        assert expected is not None
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("name", [*FASTING, *LOADED])
def test_the_catalog_is_silent_where_the_papers_are(catalog: Said, name: str) -> None:
    """And beyond that only where it says that it is stricter."""
    voids = [(expected, reason) for expected, _, reason in catalog[name] if reason is not None]
    stricter = {reason for expected, reason in voids if expected is not None}
    assert stricter <= {STRICTER.get(name)}
    assert all(r is not None for e, _, r in catalog[name] if e is None)


@pytest.mark.parametrize("name", ["homa_b", "lap", "igi", "disposition", "misi", "vai"])
def test_there_are_people_for_whom_an_index_has_no_value(catalog: Said, name: str) -> None:
    assert sum(reason is not None for _, _, reason in catalog[name]) > 10
