"""The records of the index catalog: their worked examples, sources and inputs."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest

from transforms.catalog.analytes import ANALYTES, code_frame
from transforms.catalog.exclusions import EXCLUSIONS
from transforms.catalog.index_cases import CASES
from transforms.catalog.indices import (
    DIABETES,
    INDICES,
    INPUTS,
    LOAD_MINUTES,
    MINUTES,
    PREGNANCY,
    Index,
)

EXAMPLES = [(index, case, value) for index in INDICES for case, value in index.examples]
NAMED = {index.name: index for index in INDICES}
ASKED_FOR = (
    "homa_ir homa_b quicki firi fgir revised_quicki adipo_ir tyg tyg_bmi tyg_wc tg_hdl mcauley "
    "mets_ir spise vai lap fli hsi fib_4 lar egdr c_peptide_insulin matsuda igi disposition hiri "
    "misi stumvoll_isi stumvoll_mcr stumvoll_first stumvoll_second"
)


def found(name: str, **columns: float) -> float:
    value = pl.DataFrame([columns]).select(NAMED[name].formula).to_series().item()
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize(
    ("index", "case", "value"), EXAMPLES, ids=[f"{i.name}-{case}" for i, case, _ in EXAMPLES]
)
def test_an_index_gives_its_worked_examples(index: Index, case: str, value: float) -> None:
    assert found(index.name, **CASES[case]) == pytest.approx(value, rel=5e-4)


def test_every_index_asked_for_has_one_record() -> None:
    names = [index.name for index in INDICES]
    assert set(ASKED_FOR.split()) <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
def test_every_index_has_a_source_its_limits_and_a_review_ahead(index: Index) -> None:
    assert all((index.title, index.unit, index.citation, index.population, index.limits))
    assert index.next_review > index.reviewed
    assert index.evidence_grade != "A"


def test_an_index_needs_only_inputs_that_are_stored() -> None:
    stored = {analyte.name: analyte.unit for analyte in ANALYTES}
    for index in INDICES:
        assert set(index.columns) <= set(INPUTS)
    for item in INPUTS.values():
        assert item.analyte is None or stored[item.analyte] == item.unit


def test_every_input_is_of_some_index() -> None:
    read = {column for index in INDICES for column in index.columns}
    assert set(INPUTS) - read == set()


def test_the_exclusions_it_names_exist() -> None:
    assert {*PREGNANCY, *DIABETES} <= {item.name for item in EXCLUSIONS}


def test_drugs_void_what_has_insulin_or_glucose_in_it_and_pregnancy_all() -> None:
    assert NAMED["homa_ir"].bars is None
    assert NAMED["tyg"].bars is None
    assert NAMED["matsuda"].bars is None
    assert NAMED["egdr"].bars == NAMED["fib_4"].bars == PREGNANCY


def test_a_code_with_minutes_is_a_code_of_a_load() -> None:
    known = dict(code_frame()["source_code", "timing"].iter_rows())
    assert {known[code] for code in LOAD_MINUTES} == {"post_load"}
    assert {code for code, timing in known.items() if timing == "post_load"} == set(LOAD_MINUTES)


def test_the_samples_of_a_load_are_evenly_spaced() -> None:
    assert {later - earlier for earlier, later in pairwise(MINUTES)} == {30}


def test_the_waist_version_of_egdr_gives_its_published_value() -> None:
    value = found("egdr", waist_cm=90.0, hba1c_pct=6.5, has_hypertension=False)
    assert value == pytest.approx(9.4765)


def test_quicki_gives_its_published_value() -> None:
    value = found("quicki", insulin_uiu_ml=12.0, glucose_mg_dl=100.0)
    assert value == pytest.approx(0.3248, abs=5e-5)


def test_diabetes_and_sex_add_two_each_to_hsi() -> None:
    man = {key: CASES["A"][key] for key in NAMED["hsi"].columns} | {"is_female": False}
    base = found("hsi", **man)
    assert found("hsi", **man | {"is_female": True}) == pytest.approx(base + 2)
    assert found("hsi", **man | {"has_diabetes": True}) == pytest.approx(base + 2)


def load(*glucose: float, insulin: float = 50.0) -> dict[str, float]:
    """Glucose at the five minutes, and one insulin at all of them."""
    points = zip(MINUTES, glucose, strict=True)
    return {f"glucose_{m}_mg_dl": g for m, g in points} | {
        f"insulin_{m}_uiu_ml": insulin for m in MINUTES
    }


@pytest.mark.parametrize(
    ("glucose", "fall"),
    [
        ((90, 150, 120, 90, 60), 1.0),
        ((90, 120, 150, 130, 140), 20 / 30),
        ((90, 100, 110, 140, 125), 15 / 30),
        ((90, 150, 150, 120, 120), 30 / 60),
    ],
    ids=["to the end", "to a nadir before the end", "two samples", "of equal peaks the first"],
)
def test_misi_is_the_fall_from_peak_to_nadir_over_mean_insulin(
    glucose: tuple[float, ...], fall: float
) -> None:
    assert found("misi", **load(*glucose)) == pytest.approx(fall / 18.016 / 300)


def test_misi_has_no_number_where_glucose_peaks_at_the_end() -> None:
    value = found("misi", **load(90, 100, 110, 120, 130))
    assert not value < float("inf")


def test_a_variation_is_that_of_the_catalog_of_variations_or_not_known() -> None:
    known = NAMED["homa_ir"].variation
    assert known is not None
    assert (known.cvi, known.cva, known.basis) == (0.267, 0.054, "measured")
    assert NAMED["misi"].variation is None


def test_an_input_says_when_and_how_it_is_taken() -> None:
    needs = {item.column: item for name in ("igi", "lap") for item in NAMED[name].inputs}
    assert needs["glucose_30_mg_dl"].minutes == 30
    assert needs["triglyceride_mg_dl"].is_fasting
    assert needs["waist_cm"].window_days == 90
