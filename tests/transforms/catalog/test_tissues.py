"""The tissue catalog: every signal exists, claims no more than its grade, and has its page."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from transforms.catalog.analytes import ANALYTES
from transforms.catalog.indices import INDICES
from transforms.catalog.tissues import (
    COMBINATIONS,
    GRADES,
    JUDGED,
    SIGNALS,
    TISSUES,
    Signal,
    page,
    signals_frame,
)
from transforms.cgm_windows import _COLUMNS as WINDOW_COLUMNS
from transforms.wearable_months import COLUMNS as MONTH_COLUMNS
from transforms.weight import WEIGHT, weight_slopes

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tissues.md"
BY_NAME = {tissue.name: tissue for tissue in TISSUES}
INDEX = {index.name: index for index in INDICES}
SAYS_TOO_MUCH = re.compile(r"resistan|diagnos|\byour\b|inflamed|leak|healthy|normal|guideline")


def named(tissue: str) -> set[str]:
    return {signal.name for signal in SIGNALS if signal.tissue == tissue}


def of(source: str) -> list[Signal]:
    return [signal for signal in SIGNALS if signal.source == source]


def test_every_index_of_a_signal_is_in_the_catalog_of_indices() -> None:
    assert {signal.of for signal in of("index")} <= INDEX.keys()
    assert "matsuda" in {signal.of for signal in of("index")}


def test_every_analyte_of_a_signal_is_in_the_catalog_of_analytes() -> None:
    assert {signal.of for signal in of("analyte")} <= {analyte.name for analyte in ANALYTES}
    assert "nefa" in {signal.of for signal in of("analyte")}


def test_every_column_of_a_signal_is_one_of_windows_months_and_slopes() -> None:
    slopes = weight_slopes(pl.LazyFrame(schema=WEIGHT)).collect_schema().names()

    assert {signal.of for signal in of("cgm")} <= set(WINDOW_COLUMNS)
    assert {signal.of for signal in of("wearable")} <= set(MONTH_COLUMNS)
    assert {signal.of for signal in of("weight")} <= set(slopes)
    assert len(of("cgm")) == 2
    assert len(of("wearable")) == 5
    assert len(of("weight")) == 1


def test_the_tissues_are_the_articles_four_and_what_else_moves_insulin() -> None:
    assert list(BY_NAME) == ["liver", "muscle", "adipose", "brain", "beta_cell", "clearance"]
    assert {signal.tissue for signal in SIGNALS} == set(BY_NAME)


@pytest.mark.parametrize(
    ("tissue", "signals"),
    [
        ("liver", "homa_ir alt ast ggt fli hsi fib_4 hiri tyg"),
        ("muscle", "matsuda misi stumvoll_isi steps resting_heart_rate sleep_h"),
        ("adipose", "adipo_ir revised_quicki nefa tg_hdl lar vai lap hs_crp leptin"),
        ("brain", "weight_slope sleep_h sleep_regularity eating_window_h night_rises leptin"),
        ("beta_cell", "homa_b igi disposition stumvoll_first stumvoll_second"),
        ("clearance", "c_peptide_insulin"),
    ],
)
def test_a_tissue_is_watched_by_the_signals_of_the_tissue_map(tissue: str, signals: str) -> None:
    assert named(tissue) == set(signals.split())


def test_no_signal_stands_twice_in_a_tissue_and_one_of_two_tissues_is_the_same_in_both() -> None:
    assert len({(signal.tissue, signal.name) for signal in SIGNALS}) == len(SIGNALS)
    facts: dict[str, set[tuple[object, ...]]] = {}
    for s in SIGNALS:
        facts.setdefault(s.name, set()).add((s.source, s.of, s.unit, s.is_fasting, s.at_most))
    assert [name for name, said in facts.items() if len(said) > 1] == []
    assert "sleep_h" in named("muscle") & named("brain")


def test_a_signal_has_its_unit_from_its_own_catalog_or_here() -> None:
    for signal in SIGNALS:
        assert bool(signal.unit) == (signal.source in ("cgm", "wearable", "weight")), signal.name


def test_context_has_no_better_and_no_worse() -> None:
    assert [s.name for s in SIGNALS if s.evidence_grade == "D" and s.direction] == []
    assert {"steps", "resting_heart_rate", "hs_crp", "leptin"} <= {
        s.name for s in SIGNALS if s.evidence_grade == "D"
    }


def test_the_brain_is_context_only() -> None:
    assert {s.evidence_grade for s in SIGNALS if s.tissue == "brain"} == {"D"}
    assert BY_NAME["brain"].ceiling == "D"
    assert {t.name for t in TISSUES if t.ceiling not in JUDGED} == {"brain"}


def test_no_signal_is_graded_above_its_tissue_or_its_index() -> None:
    for signal in SIGNALS:
        assert signal.evidence_grade in GRADES
        assert signal.evidence_grade >= BY_NAME[signal.tissue].ceiling, signal.name
        if signal.source == "index":
            assert signal.evidence_grade >= INDEX[signal.of].evidence_grade, signal.name
    assert "A" not in {signal.evidence_grade for signal in SIGNALS}


def test_every_ceiling_is_reached() -> None:
    best = {name: min(s.evidence_grade for s in SIGNALS if s.tissue == name) for name in BY_NAME}

    assert best == {tissue.name: tissue.ceiling for tissue in TISSUES}


def test_a_signal_turns_the_way_its_index_does() -> None:
    turned = [signal for signal in of("index") if signal.direction]

    assert {s.name for s in turned if s.direction == -1} >= {"matsuda", "c_peptide_insulin"}
    assert [s.name for s in turned if s.direction != INDEX[s.of].direction] == []


def test_what_rises_with_age_alone_does_not_worsen() -> None:
    assert {s.direction for s in SIGNALS if s.name == "fib_4"} == {0}


@pytest.mark.parametrize(
    ("claim", "is_too_much"),
    [
        ("This liver is insulin resistant.", True),
        ("Your fat tissue leaks.", True),
        ("A diagnosis of fatty liver.", True),
        ("A score of the risk of fatty liver.", False),
    ],
)
def test_a_claim_that_says_too_much_is_told_from_another(claim: str, is_too_much: bool) -> None:
    assert bool(SAYS_TOO_MUCH.search(claim.lower())) == is_too_much


def test_no_claim_says_too_much() -> None:
    claims = [item.claim for item in (*SIGNALS, *TISSUES)]

    assert [claim for claim in claims if SAYS_TOO_MUCH.search(claim.lower())] == []


def test_every_record_says_what_may_not_be_claimed_what_measures_it_and_whence() -> None:
    for item in (*SIGNALS, *TISSUES):
        assert item.claim.endswith(".")
        assert item.not_claimed.endswith(".")
        assert item.citation
    for signal in SIGNALS:
        assert signal.title
        assert not signal.next_test.endswith(".")
        assert signal.reviewed < signal.next_review


def test_the_item_that_asks_for_two_opposite_things_is_no_analyte() -> None:
    codes = {code.code for analyte in ANALYTES for code in analyte.codes}

    assert "44251-7" not in codes
    assert "1742-6" in codes
    assert "44251-7" in BY_NAME["brain"].beyond


def test_the_frame_has_a_row_a_signal_and_no_hole() -> None:
    frame = signals_frame()

    assert frame.columns == [
        *("tissue", "signal", "title", "direction", "evidence_grade", "claim"),
        *("not_claimed", "next_test", "citation", "reviewed"),
    ]
    assert frame.select("tissue", "signal").rows() == [(s.tissue, s.name) for s in SIGNALS]
    assert frame.null_count().sum_horizontal().item() == 0


def test_every_combination_of_courses_is_named_once() -> None:
    names = [item.course for item in COMBINATIONS]

    assert names == ["mixed", "worsening", "improving", "steady"]


def test_the_page_is_the_catalogs() -> None:
    """Written by ``python -c "from transforms.catalog.tissues import page; print(page(), end='')"``
    into docs/tissues.md."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_shows_every_signal_in_a_row_of_its_table() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| ") and "`" in line]

    assert len(rows) == len(SIGNALS)
    assert {line.count("|") for line in rows} == {8}
