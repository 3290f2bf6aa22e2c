"""Fasting indices of published people, by the project's own readers, pairs and formulas.

The numbers are those of docs/evidence-indices.md; ``python -m tests.transforms.index_evidence``
prints them.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import polars as pl
import pytest

from tests.transforms.index_evidence import (
    CLASSES,
    REFERENCE_CORRELATIONS,
    Tables,
    altuve_medians,
    altuve_women,
    ipop_variation,
    lines,
    nhanes_correlations,
    nhanes_people,
    nhanes_percentiles,
    read_study,
    shanghai_ratios,
    without_conditions,
)
from tests.transforms.index_oracle import FASTING, LOADED, Ogtt, Person
from tests.transforms.real_studies import ALTUVE, IPOP, NHANES, SHANGHAI
from transforms.catalog.indices import INDICES
from transforms.catalog.units import FACTORS
from transforms.ogtt import challenges

Rows = list[dict[str, str]]
Read = tuple[Tables, pl.DataFrame]
COLUMNS = {
    "insulin": "LBXIN",
    "glucose": "LBXGLU",
    "triglyceride": "LBXSTR",
    "hdl": "LBDHDD",
    "bmi": "BMXBMI",
    "waist": "BMXWAIST",
    "age": "RIDAGEYR",
}
"""What the oracle calls it -> the survey's column."""
NEEDS = {
    "homa_ir": ("insulin", "glucose"),
    "homa_b": ("insulin", "glucose"),
    "quicki": ("insulin", "glucose"),
    "firi": ("insulin", "glucose"),
    "fgir": ("insulin", "glucose"),
    "tyg": ("triglyceride", "glucose"),
    "tyg_bmi": ("triglyceride", "glucose", "bmi"),
    "tyg_wc": ("triglyceride", "glucose", "waist"),
    "tg_hdl": ("triglyceride", "hdl"),
    "mcauley": ("triglyceride", "insulin"),
    "mets_ir": ("triglyceride", "glucose", "hdl", "bmi"),
    "spise": ("triglyceride", "hdl", "bmi"),
    "vai": ("triglyceride", "hdl", "bmi", "waist"),
    "lap": ("triglyceride", "waist"),
}
DIRECTIONS = {index.name: index.direction for index in INDICES}


@pytest.fixture(scope="module")
def nhanes() -> Read:
    return read_study(NHANES)


@pytest.fixture(scope="module")
def survey() -> Rows:
    return lines(NHANES)


def measured(row: dict[str, str]) -> Person:
    """A line of the survey as the oracle names things."""
    known = {name: float(row[column]) for name, column in COLUMNS.items() if row[column]}
    return known | {"female": float(row["RIAGENDR"] == "2.0")}


def may_be_said(name: str, row: dict[str, str]) -> bool:
    """Adult, not pregnant, eight hours without food, nothing below a limit, within the index's
    own limits: by the survey's columns alone."""
    person = measured(row)
    exact = "insulin" not in NEEDS[name] or row["LBDINLC"] == "0.0"
    fasted = bool(row["fasting_hr"]) and float(row["fasting_hr"]) >= 8
    sound = name != "vai" or person["bmi"] <= 40
    is_free = person["age"] >= 20 and row["pregnancy"] != "pregnant"
    return exact and fasted and sound and is_free and FASTING[name](person) is not None


# everybody of the survey


@pytest.mark.parametrize("name", NEEDS)
def test_the_survey_has_the_papers_values_and_nobody_else_has_one(
    nhanes: Read, survey: Rows, name: str
) -> None:
    """1,511 people through reader, conversion, pairs and formulas; to a billionth."""
    own = nhanes[1].filter(pl.col("index") == name)
    given = dict(own.filter(pl.col("value").is_not_null()).select("patient_id", "value").rows())
    complete = [row for row in survey if all(row[COLUMNS[need]] for need in NEEDS[name])]
    expected = {
        f"N{row['SEQN']}": FASTING[name](measured(row))
        for row in complete
        if may_be_said(name, row)
    }
    assert given.keys() == expected.keys()
    assert len(given) > 1000
    for person, value in expected.items():
        assert given[person] == pytest.approx(value, rel=1e-9)
    assert own.height == len(complete)


def test_nobody_of_the_survey_is_without_a_value_and_without_a_reason(nhanes: Read) -> None:
    said = nhanes[1]
    assert (said["value"].is_null() == said["reason"].is_not_null()).all()
    reasons = Counter(said.filter(pl.col("index") == "homa_b")["reason"].drop_nulls().to_list())
    assert reasons == {
        "under 20 years": 186,
        "draw not fasting": 80,
        "during pregnancy_draw": 8,
        "insulin only known to lie beyond a limit": 2,
        "glucose at or below 3.5 mmol/L": 2,
    }


@pytest.mark.parametrize(
    ("analyte", "unit", "ours", "theirs"),
    [
        ("insulin", "pmol/L", "LBXIN", "LBDINSI"),
        ("glucose", "mmol/L", "LBXGLU", "LBDGLUSI"),
        ("hdl", "mmol/L", "LBDHDD", "LBDHDDSI"),
    ],
)
def test_the_survey_s_molar_columns_are_ours(
    survey: Rows, analyte: str, unit: str, ours: str, theirs: str
) -> None:
    """To half of the third digit or second decimal, which is all that some of them print."""
    factor = next(f.factor for f in FACTORS if (f.analyte, f.unit) == (analyte, unit))
    pairs = [(float(row[ours]), float(row[theirs])) for row in survey if row[ours]]
    assert len(pairs) > 1400
    for conventional, molar in pairs:
        digit = max(0.01, 10.0 ** (math.floor(math.log10(molar)) - 2))
        assert molar == pytest.approx(conventional / factor, abs=0.6 * digit, rel=0)


def test_the_old_standard_of_insulin_does_not_fit_the_survey(survey: Rows) -> None:
    ratios = [float(row["LBDINSI"]) / float(row["LBXIN"]) for row in survey if row["LBXIN"]]
    assert max(abs(ratio - 6.00) for ratio in ratios) < 0.01
    assert min(abs(ratio - 6.945) for ratio in ratios) > 0.9


# against the whole survey


def test_percentiles_of_half_the_survey_are_those_of_the_whole() -> None:
    """By weight: every published percentile lies within 95 % of resamples of this half. Without
    weights: within 18 %, and medians within 9 %."""
    rows = nhanes_percentiles(nhanes_people())
    assert [row.n for row in rows] == [897, 897, 299, 299]
    for row in rows:
        assert (np.array(row.low) <= row.reference).all()
        assert (np.array(row.reference) <= row.high).all()
        off = np.array(row.plain) / row.reference - 1
        assert np.abs(off).max() < 0.18
        assert abs(off[3]) < 0.09


def test_percentiles_tell_a_factor_of_two_between_platforms() -> None:
    """As assays differ (Manley 2007): twice or half of the reference is found out."""
    for row in nhanes_percentiles(nhanes_people()):
        for factor in (0.5, 2):
            other = factor * np.array(row.reference)
            assert not ((np.array(row.low) <= other) & (other <= row.high)).any()


def test_insulin_goes_with_body_and_lipids_as_in_the_whole_survey() -> None:
    found = nhanes_correlations(nhanes_people())
    for name, expected in REFERENCE_CORRELATIONS.items():
        n, r = found[name]
        assert n > 850
        assert r == pytest.approx(expected, abs=0.07)


def test_indices_point_the_way_the_catalog_says(nhanes: Read) -> None:
    """Against HOMA-IR, which none of the lipid indices has in common with it by formula."""
    valued = nhanes[1].filter(pl.col("value").is_not_null())
    wide = valued.pivot("index", index="patient_id", values="value")
    for name in NEEDS.keys() - {"homa_ir", "homa_b"}:
        rho = wide.select(pl.corr("homa_ir", name, method="spearman")).item()
        assert rho * DIRECTIONS[name] > 0.3, name


# women of Altuve and Severeyn


@pytest.fixture(scope="module")
def women() -> pl.DataFrame:
    return altuve_women()


def test_women_have_the_papers_values(women: pl.DataFrame) -> None:
    names = ("homa_ir", "homa_b", "quicki", "firi", "fgir")
    for row in women.iter_rows(named=True):
        someone = {"glucose": row["g0"], "insulin": row["i0"]}
        for name in names:
            assert row[name] == pytest.approx(FASTING[name](someone), rel=1e-9)
        test = Ogtt((0, 120), (row["g0"], row["g120"]), (row["i0"], row["i120"]), 0, 0)
        expected = LOADED["stumvoll_isi_no_bmi"](test)
        assert row["stumvoll_isi_no_bmi"] == pytest.approx(expected, rel=1e-9)


def test_nothing_is_said_of_girls_and_of_draws_that_were_not_taken() -> None:
    """166 are under 20; with two draws of a test there is no index that needs five."""
    said = read_study(ALTUVE)[1]
    silent = said.filter(pl.col("value").is_null())
    assert set(silent["reason"]) == {"under 20 years"}
    assert silent["patient_id"].n_unique() == 166
    assert set(said["index"]) & LOADED.keys() == {"stumvoll_isi_no_bmi"}


def test_women_of_worse_tolerance_are_more_resistant_and_secrete_less(women: pl.DataFrame) -> None:
    """Medians of 2,180, 360 and 129 women: HOMA-IR 1.53, 2.15, 4.04; HOMA-%B 76, 69, 52."""
    found = altuve_medians(women)
    assert found["tolerance"].to_list() == list(CLASSES)
    assert found["n"].to_list() == [2180, 360, 129]
    assert found["homa_ir"].to_list() == pytest.approx([1.53, 2.15, 4.04], abs=0.01)
    for name in ("homa_b", "quicki", "stumvoll_isi_no_bmi"):
        assert found[name].is_sorted(descending=True)


def test_the_classes_of_the_file_are_the_usual_limits_in_mg_dl(women: pl.DataFrame) -> None:
    ends = women.group_by("tolerance").agg(low=pl.col("g120").min(), high=pl.col("g120").max())
    found = {name: (low, high) for name, low, high in ends.iter_rows()}
    assert found["NGT"][1] < 140 <= found["IGT"][0]
    assert found["IGT"][1] < 200 <= found["DGT"][0]


def test_a_sixth_of_the_women_have_the_same_least_insulin(women: pl.DataFrame) -> None:
    """2.00 exactly: a limit of the assay, printed as a value. Percentiles below it say nothing."""
    assert women["i0"].min() == 2
    assert (women["i0"] == 2).sum() == 449
    assert women["i0"].value_counts().sort("count")["count"][-2] < 40


# people of the omics study


def test_homa_ir_varies_within_people_as_published() -> None:
    """CV 30 % of 7 people, 37 degrees of freedom; EuBIVAS 26.7 % and an assay's 5.4 are 27.2, in
    older adults 30.4 in all (clinical reference, section 5)."""
    people, freedom, cv = ipop_variation()
    assert (people, freedom) == (7, 37)
    assert 0.24 < cv < 0.37


def test_a_study_without_ages_has_no_index_of_age_and_says_why() -> None:
    said = read_study(IPOP)[1]
    assert said.filter(pl.col("index") == "homa_ir")["value"].count() == 88
    fib_4 = said.filter(pl.col("index") == "fib_4")
    assert fib_4["value"].count() == 0
    assert (fib_4["reason"] == "birth date not known").sum() == 375


# type 1 diabetes of Shanghai


@pytest.fixture(scope="module")
def shanghai() -> Read:
    return read_study(SHANGHAI)


def test_injected_insulin_comes_without_its_c_peptide(shanghai: Read) -> None:
    """Less C-peptide than insulin in eight of eleven; who injects none has 15 times as much."""
    ratio = shanghai_ratios(shanghai[0])["ratio"]
    assert ratio.len() == 11
    assert (ratio < 1).sum() == 8
    assert ratio.to_numpy().min() == pytest.approx(16.0 / 543.38, rel=1e-9)


def test_people_told_to_have_diabetes_have_no_index_of_insulin_and_others_have(
    shanghai: Read,
) -> None:
    """Eleven draws, of which one is a copy of the one before."""
    tables, said = shanghai
    assert tables["condition"].select("code", "name").unique().rows() == [
        ("E10.9", "type 1 diabetes")
    ]
    for name in ("homa_ir", "c_peptide_insulin"):
        own = said.filter(pl.col("index") == name)
        assert Counter(own["reason"]) == {"during diabetes": 10, "copied from the draw before": 1}
        untold = without_conditions(tables).filter(pl.col("index") == name)
        assert untold["value"].count() == 10


def test_a_value_after_a_meal_is_not_of_a_tolerance_test(shanghai: Read) -> None:
    """14 visits have glucose two hours after a meal; one of a drink would stand in the same file
    under a code of a load."""
    results = shanghai[0]["observation"]
    after = results.filter(pl.col("analyte") == "glucose", pl.col("fasting") == "no")
    assert set(after["timing"]) == {"any"}
    assert after.height == 14
    assert challenges(results.lazy()).collect().is_empty()
    as_drink = after.with_columns(timing=pl.lit("post_load"), source_code=pl.lit("20436-2"))
    assert challenges(as_drink.lazy()).collect().height == 14


def test_the_women_of_altuve_were_given_a_drink() -> None:
    """The same two hours, under a code of a load: a test of two draws."""
    tables, _ = read_study(ALTUVE)
    tests = challenges(tables["observation"].lazy()).collect()
    assert tests.height == 2835
    assert tests.select("glucose_0_mg_dl", "glucose_120_mg_dl").null_count().row(0) == (0, 0)
