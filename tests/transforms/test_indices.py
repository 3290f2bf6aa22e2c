from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from transforms.catalog.indices import CASE_A, CASE_B, INDICES, Index
from transforms.indices import index_values

DAY = {"patient_id": ["p"], "drawn_on": [date(2024, 1, 1)]}


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
@pytest.mark.parametrize(("case", "place"), [(CASE_A, 0), (CASE_B, 1)], ids=["A", "B"])
def test_an_index_gives_its_worked_examples(
    index: Index, case: dict[str, float], place: int
) -> None:
    found = pl.DataFrame([case]).select(index.formula).item()
    assert found == pytest.approx(index.gives[place], rel=5e-4)


def test_every_index_has_a_source_and_a_review_ahead() -> None:
    assert all(index.citation and index.next_review > index.reviewed for index in INDICES)


def test_an_index_without_its_lipids_is_left_out_and_with_them_is_there() -> None:
    pairs = pl.LazyFrame(DAY | {"insulin_uiu_ml": [6.0], "glucose_mg_dl": [90.0]})
    lipids = pl.LazyFrame(DAY | {"triglyceride_mg_dl": [88.57], "hdl_mg_dl": [50.0]})
    without = set(index_values(pairs, lipids.clear()).collect()["index"])
    assert without == {"homa_ir", "quicki", "firi", "fgir"}
    assert set(index_values(pairs, lipids).collect()["index"]) == without | {"tyg", "tg_hdl"}


def test_a_zero_hdl_gives_no_ratio() -> None:
    pairs = pl.LazyFrame(DAY | {"insulin_uiu_ml": [6.0], "glucose_mg_dl": [90.0]})
    lipids = pl.LazyFrame(DAY | {"triglyceride_mg_dl": [88.57], "hdl_mg_dl": [0.0]})
    assert "tg_hdl" not in set(index_values(pairs, lipids).collect()["index"])
