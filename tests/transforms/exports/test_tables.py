"""The code a value may be said under; and where a frame departs from a shape."""

from __future__ import annotations

import polars as pl
import pytest

from tests.transforms.exports.observed import observed
from transforms.catalog.analytes import ANALYTES
from transforms.exports.tables import (
    CODES,
    KINDS,
    SIBLINGS,
    code_said_frame,
    departures,
    shaped,
    with_code_said,
    written_value,
)

SAID = dict(code_said_frame().iter_rows())
CODED = {code.code: (analyte, code) for analyte in ANALYTES for code in analyte.codes}


@pytest.mark.parametrize("received", sorted(SIBLINGS))
def test_a_sibling_measures_the_same_thing_at_the_same_time_in_the_canonical_unit(
    received: str,
) -> None:
    said = SIBLINGS[received]
    assert said is not None
    ours, other = CODED[received], CODED[said]
    assert ours[0] is other[0]
    assert ours[1].timing == other[1].timing
    assert other[1].property in ("other", KINDS.get(ours[0].unit, "molar"))


@pytest.mark.parametrize(
    ("received", "said"),
    [("1558-6", "1558-6"), ("14771-0", "1558-6"), ("59179-2", "27873-9"), ("77145-1", None)],
)
def test_a_value_leaves_under_a_code_of_its_own_unit_or_under_none(
    received: str, said: str | None
) -> None:
    rows = with_code_said(observed({"source_code": received})).collect()
    assert rows["code_said"].to_list() == [said]


def test_a_code_nobody_knows_is_not_said() -> None:
    rows = with_code_said(observed({"source_code": "LOCAL-1"})).collect()
    assert rows["code_said"].to_list() == [None]


@pytest.mark.parametrize("written", ["6.25", "<2", ">= 300", "5,1", "1e3", "-0.5"])
def test_a_number_as_written_leaves(written: str) -> None:
    row = observed({"source_value": written, "absent_reason": "word"}).select(v=written_value())
    assert row.collect().item() == written


@pytest.mark.parametrize("written", ["seen by Dr. Smith", "6.25 called Ann", "", None])
def test_free_text_stays_and_the_reason_word_leaves_in_its_place(written: str | None) -> None:
    row = observed({"source_value": written, "absent_reason": "word"}).select(v=written_value())
    assert row.collect().item() == "word"


WHOLE = shaped(pl.LazyFrame({"code": ["a", "b"]}), CODES).collect()


def test_a_frame_of_its_shape_departs_nowhere() -> None:
    assert departures(WHOLE, CODES) == []


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (WHOLE.select("description", "code", "parent_codes"), "columns are"),
        (WHOLE.with_columns(description=pl.lit(1)), "Int32, not String"),
        (WHOLE.with_columns(code=pl.lit(None, pl.String)), "required, and null in 2"),
        (WHOLE.with_columns(code=pl.lit("a")), "two rows of one code"),
    ],
)
def test_every_departure_is_said(frame: pl.DataFrame, said: str) -> None:
    assert said in "; ".join(departures(frame, CODES))
