"""The panel of the synthetic clinic against the numbers it was made from, and its two courses."""

from __future__ import annotations

from datetime import date, timedelta
from math import log

import numpy as np
import polars as pl
import pytest

from transforms.catalog.analytes import code_frame, limit_frame
from transforms.conform import Arrival, conform
from transforms.landing import shaped
from transforms.synthetic.emit_fhir import NAME, UCUM_UNITS, VITAL_CODES
from transforms.synthetic.panel import LAWS, MEASURES, PANEL
from transforms.synthetic.people import clientele
from transforms.synthetic.results import results, visits, vitals
from transforms.synthetic.tissues import ADIPOSE_PACE, LIVER_PACE

FIRST = date(2026, 11, 16)
NIGHTS = tuple(FIRST + timedelta(days=i) for i in range(5))
SEED = 13


@pytest.fixture(scope="module")
def visit() -> pl.DataFrame:
    return visits(clientele(2000, SEED, NIGHTS), SEED, FIRST)


@pytest.fixture(scope="module")
def good(visit: pl.DataFrame) -> pl.DataFrame:
    """Draws of people without any course of a single tissue, to which nothing happened."""
    return visit.filter(
        pl.col("contamination") == "good", pl.col("liver_slope") == 0, pl.col("adipose_slope") == 0
    )


# ---------------------------------------------------------------- as it is written


def test_every_code_is_the_catalogs_for_that_analyte() -> None:
    known = dict(code_frame().select("source_code", "analyte").iter_rows())
    for name, listed in {**PANEL, **MEASURES}.items():
        expected = {"systolic": "systolic_bp", "diastolic": "diastolic_bp"}.get(name, name)
        for way in (listed.conventional, listed.si):
            assert known[way.code] == expected


def test_fhir_has_a_name_and_a_unit_for_everything_measured() -> None:
    for listed in (*PANEL.values(), *MEASURES.values()):
        for way in (listed.conventional, listed.si):
            assert way.code in NAME
            assert way.unit in UCUM_UNITS
    assert {listed.conventional.code for listed in MEASURES.values()} == set(VITAL_CODES)


def test_endings_of_results_are_told_apart() -> None:
    endings = [listed.ending for listed in (*PANEL.values(), *MEASURES.values())]
    assert len(endings) == len(set(endings))


@pytest.mark.parametrize("name", ["c_peptide", "nefa", "platelets"])
def test_a_value_in_si_is_the_same_value(name: str) -> None:
    listed = PANEL[name]
    assert listed.si != listed.conventional
    for way in (listed.conventional, listed.si):
        row = {
            "patient_id": "p1",
            "code_system": "loinc",
            "source_code": way.code,
            "source_value": str(2 * way.factor),
            "source_unit": way.unit,
            "source_observed_at": "2026-02-01T08:00:00",
            "line": 2,
        }
        frame = shaped("observation", pl.LazyFrame([row]))
        found = conform("observation", frame, Arrival("c", 1, FIRST)).collect()
        assert found["analyte"].item() == name
        assert found["value"].item() == pytest.approx(2, rel=1e-3)


def test_everything_measured_is_possible(visit: pl.DataFrame) -> None:
    limits = {name: bounds for name, _, *bounds in limit_frame().iter_rows()}
    for name in (*LAWS, "height", "weight", "waist", "alt"):
        low, high = limits[name]
        assert visit[name].drop_nulls().is_between(low, high).all(), name


def test_the_enzymes_of_the_liver_come_with_alt(visit: pl.DataFrame) -> None:
    for name in ("ast", "ggt"):
        assert visit.filter(pl.col(name).is_not_null())["alt"].null_count() == 0
        assert 0.8 < visit[name].count() / visit["alt"].count() < 0.95


def test_rare_tests_are_ordered_for_few_people_again_and_again(visit: pl.DataFrame) -> None:
    plain = visit.filter(pl.col("role").is_null())
    of_people = plain.group_by("person").agg(n=pl.len(), nefa=pl.col("nefa").count())
    measured = of_people.filter(pl.col("nefa") > 0)
    assert 0.05 < measured.height / of_people.height < 0.12
    assert (measured["nefa"] / measured["n"]).mean() > 0.7


def test_height_is_said_once_and_of_most_people(visit: pl.DataFrame) -> None:
    heights = visit.group_by("person").agg(pl.col("height").count())["height"]
    assert heights.max() == 1
    assert 0.82 < heights.mean() < 0.9
    rows = vitals(visit).filter(pl.col("analyte") == "height")
    assert rows["code"].unique().to_list() == ["8302-2"]
    assert rows.height == heights.sum()


def test_results_of_si_laboratories_are_written_in_si(visit: pl.DataFrame) -> None:
    rows = results(visit).filter(pl.col("analyte") == "c_peptide")
    si = visit.filter("is_si")["draw_id"].implode()
    is_si = pl.col("draw_id").is_in(si)
    assert rows.filter(is_si)["unit"].unique().to_list() == ["nmol/L"]
    assert rows.filter(~is_si)["unit"].unique().to_list() == ["ng/mL"]


# ---------------------------------------------------------------- as people are


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("ast", 20, 25),
        ("ggt", 20, 29),
        ("platelets", 230, 265),
        ("c_peptide", 1.7, 2.4),
        ("nefa", 0.38, 0.55),
        ("hs_crp", 1.1, 2.2),
        ("leptin", 7, 15),
        ("adiponectin", 5.5, 8.5),
    ],
)
def test_the_middle_of_an_analyte_is_that_of_adults(
    good: pl.DataFrame, name: str, low: float, high: float
) -> None:
    middle = good[name].median()
    assert isinstance(middle, float)
    assert low < middle < high


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bmi", 0.60), ("waist", 0.61), ("triglyceride", 0.34), ("hdl", -0.38), ("alt", 0.27)],
)
def test_body_and_lipids_go_with_insulin_as_in_nhanes(
    good: pl.DataFrame, name: str, expected: float
) -> None:
    """Of people chosen so that most have fine glucose: a little weaker than of everybody."""
    assert correlation(good, name, "true_insulin") == pytest.approx(expected, abs=0.12)


def correlation(frame: pl.DataFrame, one: str, other: str) -> float:
    both = frame.drop_nulls([one, other]).select(pl.col(one, other).log())
    return float(np.corrcoef(both[one], both[other])[0, 1])


def test_leptin_goes_with_body_mass_and_adiponectin_against_it(good: pl.DataFrame) -> None:
    assert correlation(good, "leptin", "bmi") > 0.4
    assert correlation(good, "adiponectin", "bmi") < -0.2
    assert abs(correlation(good, "nefa", "bmi")) < 0.15


@pytest.mark.parametrize(
    ("name", "cv"),
    [("nefa", 0.45), ("c_peptide", 0.24), ("hs_crp", 0.45), ("alt", 0.10), ("triglyceride", 0.21)],
)
def test_one_person_varies_as_the_literature_says(good: pl.DataFrame, name: str, cv: float) -> None:
    """Differences of consecutive draws; what insulin itself does is in them."""
    log_value = pl.col(name).drop_nulls().log()
    change = good.sort("person", "years").group_by("person").agg(log_value.diff().drop_nulls())
    spread = np.std(change.explode(name)[name].drop_nulls().to_numpy()) / 2**0.5
    assert spread == pytest.approx(log(1 + cv**2) ** 0.5, rel=0.15)


def test_food_lowers_nefa_and_raises_c_peptide(visit: pl.DataFrame) -> None:
    plain = visit.filter(pl.col("adipose_slope") == 0).with_columns(
        is_fed=pl.col("contamination") == "non_fasting"
    )
    middle = {
        is_fed: (nefa, c_peptide)
        for is_fed, nefa, c_peptide in plain.group_by("is_fed")
        .agg(pl.col("nefa", "c_peptide").median())
        .iter_rows()
    }
    assert middle[True][0] < 0.6 * middle[False][0]
    assert middle[True][1] > 1.5 * middle[False][1]


# ---------------------------------------------------------------- the two courses


def pace(visit: pl.DataFrame, name: str, role: str) -> float:
    """The mean slope of ln values of people of a role, per year, weighted by what it rests on."""
    own = visit.filter(pl.col("role") == role, pl.col("contamination") == "good").drop_nulls(name)
    years = pl.col("years") - pl.col("years").mean().over("person")
    centred = pl.col(name).log() - pl.col(name).log().mean().over("person")
    sums = own.select(top=(years * centred).sum(), bottom=(years**2).sum())
    return float(sums.select(pl.col("top") / pl.col("bottom")).item())


@pytest.mark.parametrize(
    ("name", "role", "expected"),
    [
        *((name, "liver", sum(LIVER_PACE) / 2) for name in ("alt", "ggt")),
        *((name, "liver", sum(LIVER_PACE) / 4) for name in ("ast", "triglyceride")),
        *((name, "liver", 0.0) for name in ("nefa", "hs_crp", "leptin", "adiponectin")),
        *((name, "adipose", 0.0) for name in ("alt", "ggt", "ast", "triglyceride", "hdl")),
        *((name, "adipose", sum(ADIPOSE_PACE) / 2) for name in ("nefa", "hs_crp")),
        ("leptin", "adipose", sum(ADIPOSE_PACE) / 4),
        ("adiponectin", "adipose", -sum(ADIPOSE_PACE) / 4),
    ],
)
def test_the_signals_of_one_tissue_change_and_those_of_the_other_do_not(
    visit: pl.DataFrame, name: str, role: str, expected: float
) -> None:
    """A course slows down, and long series weigh most: 0.7 to 1.1 of the pace it began with."""
    low, high = sorted((0.7 * expected, 1.1 * expected))
    margin = 0.04
    assert low - margin < pace(visit, name, role) < high + margin


def test_people_of_a_pattern_are_a_minority_and_have_everything_measured(
    visit: pl.DataFrame,
) -> None:
    slopes = visit.select(liver=pl.col("liver_slope") > 0, adipose=pl.col("adipose_slope") > 0)
    assert not slopes.select((pl.col("liver") & pl.col("adipose")).any()).item()
    assert 0.02 < visit.filter(pl.col("liver_slope") > 0)["person"].n_unique() / 2000 < 0.05
    assert 0.02 < visit.filter(pl.col("adipose_slope") > 0)["person"].n_unique() / 2000 < 0.05
    full = visit.filter(pl.col("role").is_in(["liver", "adipose"]))
    measured = full.select(*LAWS, "alt", "triglyceride", "hdl", "weight", "waist")
    assert measured.null_count().sum_horizontal().item() == 0


def test_some_climbers_have_a_worsening_liver_beside(visit: pl.DataFrame) -> None:
    climbers = visit.filter("is_enriched").unique("person")
    assert climbers.filter(pl.col("liver_slope") > 0).height == 3
    assert climbers.filter(pl.col("adipose_slope") > 0).is_empty()


def test_weight_rises_with_insulin_in_some_climbers_and_not_in_the_others(
    visit: pl.DataFrame,
) -> None:
    climbing = visit.filter(pl.col("weight_course").is_not_null())
    assert climbing["weight"].null_count() == 0
    slopes = {
        course: pace(frame.with_columns(role=pl.lit("x")), "weight", "x")
        for (course,), frame in climbing.group_by("weight_course")
    }
    assert slopes["follows"] > 0.015
    assert slopes["steady"] == pytest.approx(0, abs=0.004)
