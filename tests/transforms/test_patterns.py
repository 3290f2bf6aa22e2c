"""Pattern cohorts: which courses make a member, from which observation, until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.attrition import steps
from transforms.catalog import tissues
from transforms.catalog.patterns import PATTERNS, Pattern, Sign
from transforms.catalog.rule import COHORTS, RULE
from transforms.catalog.variations import variation_frame
from transforms.exclusions import SPAN
from transforms.patterns import pattern_ways, patterns
from transforms.series_trends import series_trends
from transforms.tissues import tissue_values

START = date(2024, 1, 1)
TONIGHT = date(2027, 1, 1)
MONTHS = {
    "patient_id": pl.String,
    "month": pl.Date,
    "tissue": pl.String,
    "signal": pl.String,
    "observed_on": pl.Date,
    "course": pl.String,
}
FINDINGS = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "finding": pl.String,
    "p_glucose_fine": pl.Float64,
}
TISSUE_OF = {sign.signal: sign.tissue for pattern in PATTERNS for sign in pattern.signs}
TISSUE_OF |= {"fli": "liver"}  # a signal of the liver and of no pattern
Seen = tuple[int, str, str | None]
"""Days, signal, course."""
Draw = tuple[int, float | None]
"""Days, and the probability that glucose is fine; null: not evaluated."""
W, S, BETTER = "worsening", "steady", "improving"
FINE: list[Draw] = [(0, 0.9)]


def on(days: int) -> date:
    return START + timedelta(days)


def months(seen: Sequence[Seen], who: str = "p") -> pl.LazyFrame:
    rows = [
        (who, on(d).replace(day=1), TISSUE_OF[signal], signal, on(d), course)
        for d, signal, course in seen
    ]
    return pl.LazyFrame(rows, schema=MONTHS, orient="row")


def draws(said: Sequence[Draw], who: str = "p") -> pl.LazyFrame:
    rows = [(who, on(d), None if p is None else "not_flagged", p) for d, p in said]
    return pl.LazyFrame(rows, schema=FINDINGS, orient="row")


def spans(*rows: tuple[str, str, date | None, date | None]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=SPAN, orient="row")


def stays(
    seen: Sequence[Seen],
    cohort: str = "liver_pattern",
    said: Sequence[Draw] = FINE,
    excluded: Sequence[tuple[str, str, date | None, date | None]] = (),
    as_of: date = TONIGHT,
) -> list[tuple[date, date | None]]:
    found = patterns(months(seen), draws(said), spans(*excluded), as_of).collect()
    return found.filter(cohort=cohort).select("entered_on", "left_on").rows()


LIVER: list[Seen] = [(10, "alt", W), (10, "tyg", W), (10, "nefa", S)]
ONE = [(on(10), on(401))]
"""The stay of :data:`LIVER`, ended by the age of the draw."""


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_the_worked_example_holds_and_without_any_of_it_nothing_does(pattern: Pattern) -> None:
    seen: list[Seen] = [(10, signal, course) for signal, course in pattern.example.items()]
    assert stays(seen, pattern.name) == ONE
    for i in range(len(seen)):
        assert stays(seen[:i] + seen[i + 1 :], pattern.name) == []


@pytest.mark.parametrize(
    ("seen", "is_member"),
    [
        (LIVER, True),
        ([(10, "alt", W), (10, "tyg", W), (10, "nefa", BETTER)], True),
        ([(10, "alt", W), (10, "ggt", W), (10, "nefa", S)], False),
        ([(10, "ggt", W), (10, "hsi", W), (10, "nefa", S)], True),
        ([(10, "alt", W), (10, "fli", W), (10, "nefa", S)], False),
        ([(10, "alt", W), (10, "hsi", W), (10, "nefa", S)], False),
        ([(10, "alt", W), (10, "hsi", W), (10, "homa_ir", W), (10, "nefa", S)], True),
        ([*LIVER, (10, "adipo_ir", W)], False),
        ([*LIVER, (10, "tg_hdl", W)], False),
        ([*LIVER, (10, "adipo_ir", None)], True),
        ([(10, "alt", W), (10, "tyg", W), (10, "nefa", None)], False),
        ([(10, "alt", W), (10, "tyg", S), (10, "nefa", S)], False),
        ([(10, "alt", W), (10, "tyg", None), (10, "nefa", S)], False),
        ([(10, "alt", W), (10, "tyg", BETTER), (10, "nefa", S)], False),
    ],
    ids=str,
)
def test_two_independent_liver_signals_worsen_and_none_of_fat(
    seen: list[Seen], is_member: bool
) -> None:
    assert stays(seen) == (ONE if is_member else [])


@pytest.mark.parametrize(
    ("seen", "is_member"),
    [
        ([(10, "nefa", W), (10, "tg_hdl", W), (10, "alt", S)], True),
        ([(10, "nefa", W), (10, "lar", W), (10, "homa_ir", S)], True),
        ([(10, "nefa", W), (10, "adipo_ir", W), (10, "alt", S)], False),
        ([(10, "nefa", W), (10, "tg_hdl", W), (10, "alt", S), (10, "tyg", W)], False),
        ([(10, "nefa", W), (10, "tg_hdl", W)], False),
    ],
    ids=str,
)
def test_the_pattern_of_fat_is_the_mirror(seen: list[Seen], is_member: bool) -> None:
    assert stays(seen, "adipose_pattern") == (ONE if is_member else [])
    assert stays(seen, "liver_pattern") == []


@pytest.mark.parametrize(
    ("insulin", "ratio", "is_member"), [(W, W, True), (S, W, False), (W, S, False)]
)
def test_clearance_needs_insulin_up_and_c_peptide_behind_it(
    insulin: str, ratio: str, is_member: bool
) -> None:
    seen: list[Seen] = [(10, "homa_ir", insulin), (10, "c_peptide_insulin", ratio)]
    assert stays(seen, "clearance_pattern") == (ONE if is_member else [])


def test_a_tissue_that_is_not_listed_makes_no_member() -> None:
    moved = months(LIVER).with_columns(tissue=pl.lit("muscle"))
    assert patterns(moved, draws(FINE), spans(), TONIGHT).collect().is_empty()
    assert patterns(months(LIVER), draws(FINE), spans(), TONIGHT).collect().height == 1


@pytest.mark.parametrize(
    ("p", "is_member"), [(0.9, True), (0.5, True), (0.499, False), (None, False)]
)
def test_glucose_has_to_be_fine_at_the_newest_draw_and_evaluated(
    p: float | None, is_member: bool
) -> None:
    assert stays(LIVER, said=[(0, p)]) == (ONE if is_member else [])


@pytest.mark.parametrize(
    ("seen", "said", "expected"),
    [
        (LIVER, [], []),
        (LIVER, [(0, 0.9), (100, 0.2)], [(on(10), on(100))]),
        (LIVER, [(0, 0.9), (100, None)], [(on(10), on(100))]),
        (LIVER, [(0, 0.2), (100, 0.9)], [(on(100), on(411))]),
        (LIVER, [(10, 0.9)], [(on(10), on(411))]),
        (LIVER, [(0, 0.9), (300, 0.9)], [(on(10), on(411))]),
        ([*LIVER, (100, "alt", S)], FINE, [(on(10), on(100))]),
        ([*LIVER, (100, "nefa", W)], FINE, [(on(10), on(100))]),
        ([*LIVER, (100, "nefa", None)], FINE, [(on(10), on(100))]),
        ([*LIVER, (100, "alt", S), (200, "alt", W)], FINE, [(on(10), on(100)), (on(200), on(401))]),
        ([(10, "alt", W), (50, "tyg", W), (60, "nefa", S)], FINE, [(on(60), on(401))]),
        ([(10, "nefa", W), (20, "alt", W), (20, "tyg", W), (90, "nefa", S)], FINE,
         [(on(90), on(401))]),
    ],
    ids=str,
)  # fmt: skip
def test_a_stay_begins_and_ends_with_the_observations_that_decide(
    seen: list[Seen], said: list[Draw], expected: list[tuple[date, date | None]]
) -> None:
    assert stays(seen, said=said) == expected


@pytest.mark.parametrize(("days", "is_member"), [(410, True), (411, False)])
def test_two_signals_more_than_400_days_apart_are_no_pattern(days: int, is_member: bool) -> None:
    seen: list[Seen] = [(10, "alt", W), (days, "tyg", W), (days, "nefa", S)]
    assert stays(seen, said=[(300, 0.9)]) == ([(on(410), on(411))] if is_member else [])


def test_a_stay_ends_when_what_it_rests_on_is_too_old_and_not_a_day_before() -> None:
    said = [(0, 0.9), (300, 0.9)]
    assert stays(LIVER, said=said, as_of=on(410)) == [(on(10), None)]
    assert stays(LIVER, said=said, as_of=on(411)) == [(on(10), on(411))]
    assert stays(LIVER, said=said, as_of=on(9)) == []


def test_another_pair_carries_the_stay_on() -> None:
    said: list[Draw] = [(0, 0.9), (300, 0.9), (600, 0.9)]
    later: list[Seen] = [(300, "ggt", W), (300, "homa_ir", W), (300, "nefa", S)]
    assert stays([*LIVER, *later], said=said) == [(on(10), on(701))]


def test_an_exclusion_ends_a_stay_and_keeps_others_from_beginning() -> None:
    assert stays(LIVER, excluded=[("p", "diabetes", on(100), None)]) == [(on(10), on(100))]
    assert stays(LIVER, excluded=[("p", "diabetes", None, None)]) == []
    assert stays(LIVER, excluded=[("q", "diabetes", None, None)]) == ONE


def test_the_past_of_a_stay_does_not_depend_on_the_night() -> None:
    seen: list[Seen] = [*LIVER, (100, "alt", S)]
    for days in range(100, 800, 70):
        assert stays(seen, as_of=on(days)) == [(on(10), on(100))]


def test_a_day_not_told_before_changes_no_other_stay() -> None:
    two = pl.concat([months(LIVER), months([*LIVER, (50, "alt", S)], "q")])
    both = pl.concat([draws(FINE), draws(FINE, "q")])
    found = patterns(two, both, spans(), TONIGHT).collect()
    assert found.select("patient_id", "entered_on", "left_on", "definition_version").rows() == [
        ("p", on(10), on(401), "2"),
        ("q", on(10), on(50), "2"),
    ]


def test_nobody_is_in_no_pattern() -> None:
    found = patterns(months([]), draws([]), spans(), TONIGHT).collect()
    assert found.is_empty()
    assert found.columns == ["cohort", "patient_id", "entered_on", "left_on", "definition_version"]


# Against the definition, day by day, in plain words


def random_clinic(people: int, seed: int) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    rng = np.random.default_rng(seed)
    signs = sorted({(s.tissue, s.signal) for p in PATTERNS for s in p.signs})
    rows, said = [], []
    for i in range(people):
        for day in sorted(rng.choice(1200, 6, replace=False)):
            if rng.random() < 0.7:
                said.append((f"p{i}", on(int(day)), "not_flagged", float(rng.random() + 0.2)))
            for tissue, signal in signs:
                if rng.random() < 0.5:
                    course = [None, S, BETTER, W][int(rng.choice(4, p=[0.15, 0.4, 0.1, 0.35]))]
                    when = on(int(day))
                    rows.append((f"p{i}", when, tissue, signal, when, course))
    return (
        pl.LazyFrame(rows, schema=MONTHS, orient="row"),
        pl.LazyFrame(said, schema=FINDINGS, orient="row"),
    )


def holds(pattern: Pattern, seen: list[Any], said: list[Any], day: date) -> bool:
    """Whether the pattern holds on a day, by its own words."""
    course: dict[str, str | None] = {}
    for _, _, tissue, signal, when, said_course in sorted(seen, key=lambda row: row[4]):
        if when <= day <= when + timedelta(RULE.max_age_days):
            course[f"{tissue}.{signal}"] = said_course
        elif when <= day:
            course.pop(f"{tissue}.{signal}", None)
    fine = [p >= 0.5 for _, when, _, p in sorted(said) if when <= day]
    lately = [when for _, when, _, _ in said if when <= day <= when + timedelta(400)]
    pair = any(course.get(a) == W and course.get(b) == W for a, b in pattern.pairs)
    others = [course.get(sign.name) for sign in pattern.not_worsening]
    calm = W not in others and (not others or any(others))
    return bool(fine and fine[-1] and lately and pair and calm)


def test_members_are_those_of_the_definition_on_every_day() -> None:
    seen, said = random_clinic(90, 7631)
    found = patterns(seen, said, spans(), date(2030, 1, 1)).collect()
    by_person = {who: rows for (who,), rows in seen.collect().group_by("patient_id")}
    fine = {who: rows.rows() for (who,), rows in said.collect().group_by("patient_id")}
    inside = outside = 0
    for pattern in PATTERNS:
        for who, rows in by_person.items():
            mine = (
                found.filter(cohort=pattern.name, patient_id=who)
                .select("entered_on", "left_on")
                .rows()
            )
            days = {row[4] for row in rows.rows()} | {row[1] for row in fine.get(who, [])}
            for day in days:
                is_inside = any(first <= day < last for first, last in mine)
                assert is_inside == holds(pattern, rows.rows(), fine.get(who, []), day)
                inside += is_inside
                outside += not is_inside
    assert min(inside, outside) > 50


def test_the_order_of_the_rows_does_not_matter() -> None:
    seen, said = random_clinic(20, 7632)
    mixed = seen.collect().sample(fraction=1, shuffle=True, seed=7633).lazy()
    first = patterns(seen, said, spans(), TONIGHT).collect()
    assert first.height > 0
    assert not mixed.collect().equals(seen.collect())
    assert patterns(mixed, said.reverse(), spans(), TONIGHT).collect().equals(first)


# What noise alone does


NOISE = {"alt": 0.18, "ast": 0.12, "ggt": 0.138, "tg": 0.21, "hdl": 0.08, "insulin": 0.26}
NOISE |= {"glucose": 0.05, "nefa": 0.45, "c_peptide": 0.24, "leptin": 0.21, "adiponectin": 0.2}
USUAL = {"alt": 25.0, "ast": 23.0, "ggt": 25.0, "tg": 110.0, "hdl": 50.0, "insulin": 8.0}
USUAL |= {"glucose": 92.0, "nefa": 0.45, "c_peptide": 2.0, "leptin": 12.0, "adiponectin": 9.0}


def yearly(drift: dict[str, float], people: int, seed: int) -> dict[str, np.ndarray]:
    """Signals of six yearly draws: people differ, draws are noisy, some analytes drift."""
    rng = np.random.default_rng(seed)
    shape = (people, 6)
    x = {
        name: USUAL[name]
        * np.exp(rng.normal(0, 0.05 if name == "glucose" else 0.3, (people, 1)))
        * np.exp(rng.normal(0, cv, shape))
        * (1 + drift.get(name, 0.0)) ** np.arange(6)
        for name, cv in NOISE.items()
    }
    bmi = 27 + rng.normal(0, 3, (people, 1)) + rng.normal(0, 0.3, shape)
    fasting = np.log10(x["insulin"]) + np.log10(x["glucose"])
    return {name: x[name] for name in ("alt", "ast", "ggt", "nefa")} | {
        "homa_ir": x["insulin"] * x["glucose"] / 405,
        "tyg": np.log(x["tg"] * x["glucose"] / 2),
        "hsi": 8 * x["alt"] / x["ast"] + bmi,
        "adipo_ir": x["nefa"] * x["insulin"],
        "revised_quicki": 1 / (fasting + np.log10(x["nefa"])),
        "tg_hdl": x["tg"] / x["hdl"],
        "lar": x["leptin"] / x["adiponectin"],
        "c_peptide_insulin": x["c_peptide"] / x["insulin"],
    }


def share(cohort: str, drift: dict[str, float], seed: int, people: int = 400) -> float:
    """The share of people who were ever in the cohort."""
    dates = [on(365 * year) for year in range(6)] * people
    who = np.repeat([f"p{i}" for i in range(people)], 6)
    series = pl.concat(
        pl.DataFrame({"patient_id": who, "observed_on": dates, "value": values.ravel()})
        .lazy()
        .with_columns(signal=pl.lit(signal), unit=pl.lit("1"), platform=pl.lit("L"))
        for signal, values in yearly(drift, people, seed).items()
    )
    courses = tissue_values(series, series_trends(series.drop("unit"), variation_frame().lazy()))
    said = (
        draws([])
        .collect()
        .vstack(
            pl.DataFrame({"patient_id": who, "drawn_on": dates}).with_columns(
                finding=pl.lit("not_flagged"), p_glucose_fine=pl.lit(0.9)
            )
        )
    )
    found = patterns(courses, said.lazy(), spans(), on(365 * 5)).filter(cohort=cohort).collect()
    return found["patient_id"].n_unique() / people


@pytest.mark.parametrize(
    ("cohort", "drift", "most_by_noise", "least_by_drift"),
    [
        ("liver_pattern", {"alt": 0.12, "ggt": 0.12, "tg": 0.05}, 0.09, 0.6),
        ("adipose_pattern", {"nefa": 0.15, "tg": 0.08, "leptin": 0.1, "hdl": -0.04}, 0.05, 0.15),
        ("clearance_pattern", {"insulin": 0.12}, 0.10, 0.3),
    ],
)
def test_noise_alone_makes_few_members_and_a_true_drift_makes_many(
    cohort: str, drift: dict[str, float], most_by_noise: float, least_by_drift: float
) -> None:
    assert 0 < share(cohort, {}, 7651) < most_by_noise
    assert share(cohort, drift, 7652) > least_by_drift


# Attrition


def people(rows: Sequence[tuple[str, str, str | None]]) -> pl.LazyFrame:
    schema = {"patient_id": pl.String, "status": pl.String, "ground": pl.String}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def test_attrition_tells_who_was_left_out_on_the_way_to_the_pattern() -> None:
    everyone: dict[str, tuple[list[Seen], list[Draw]]] = {
        "member": (LIVER, FINE),
        "excluded": (LIVER, FINE),
        "one_enzyme": ([(10, "alt", W), (10, "nefa", S)], FINE),
        "no_fat": ([(10, "alt", W), (10, "tyg", W)], FINE),
        "nothing": ([], FINE),
        "glucose": (LIVER, [(0, 0.1)]),
        "steady": ([(10, "alt", S), (10, "tyg", W), (10, "nefa", S)], FINE),
    }
    seen = pl.concat([months(rows, who) for who, (rows, _) in everyone.items()])
    said = pl.concat([draws(rows, who) for who, (_, rows) in everyone.items()])
    rule = [(who, "not_flagged", None) for who in everyone if who != "excluded"]
    statuses = people([*rule, ("excluded", "excluded", "diabetes"), ("few", "unresolved", "few")])
    night = on(200)
    rows = patterns(seen, said, spans(("excluded", "diabetes", None, None)), night)
    told = steps(pattern_ways(statuses, rows, seen, said, night)).collect()
    liver = told.filter(cohort="liver_pattern")
    assert liver.select("reason", "n_excluded", "n_after").rows() == [
        ("everyone", 0, 8),
        ("excluded: diabetes", 1, 7),
        ("unresolved: few", 1, 6),
        (PATTERNS[0].not_measured, 3, 3),
        ("fasting glucose not fine", 1, 2),
        ("the pattern is absent", 1, 1),
    ]
    assert liver["step"].to_list() == [1, 2, 3, 4, 5, 6]
    assert told["cohort"].unique(maintain_order=True).to_list() == [p.name for p in PATTERNS]


def test_what_is_observed_after_the_night_changes_nothing_of_its_attrition() -> None:
    statuses = people([("p", "not_flagged", None)])
    told = []
    for night in (on(200), on(300)):
        seen, said = months([(10, "alt", W), *((300, s, c) for _, s, c in LIVER)]), draws(FINE)
        rows = patterns(seen, said, spans(), night)
        told.append(steps(pattern_ways(statuses, rows, seen, said, night)).collect())
    left = [frame.filter(cohort="liver_pattern")["n_excluded"].to_list() for frame in told]
    assert left == [[0, 1, 0, 0], [0, 0, 0, 0]]


def test_attrition_ends_with_those_who_are_members_tonight() -> None:
    seen, said = random_clinic(60, 7634)
    night = on(900)
    statuses = people([(f"p{i}", "not_flagged", None) for i in range(60)])
    rows = patterns(seen, said, spans(), night)
    told = steps(pattern_ways(statuses, rows, seen, said, night)).collect()
    tonight = rows.filter(pl.col("left_on").is_null()).collect()
    assert tonight.height > 0
    for pattern in PATTERNS:
        left = told.filter(cohort=pattern.name)
        assert left["n_after"].to_list()[-1] == tonight.filter(cohort=pattern.name).height
        assert left["n_before"].to_list()[1:] == left["n_after"].to_list()[:-1]


# The catalog


def test_every_sign_is_a_signal_of_the_tissues_that_has_a_worse_side() -> None:
    listed = {(signal.tissue, signal.name): signal.direction for signal in tissues.SIGNALS}
    for sign in (sign for pattern in PATTERNS for sign in pattern.signs):
        assert listed[sign.tissue, sign.signal] != 0, sign


def test_every_sign_has_a_known_variation_else_it_never_had_a_course() -> None:
    known = set(variation_frame()["signal"])
    assert {sign.signal for pattern in PATTERNS for sign in pattern.signs} <= known
    assert "fli" not in known


def test_a_pattern_is_named_a_pattern_and_says_what_it_does_not_claim() -> None:
    for pattern in PATTERNS:
        assert pattern.name.endswith("_pattern")
        assert "resistan" not in pattern.name + pattern.sentence + pattern.not_measured
        assert pattern.not_claimed
        assert "steady people" in pattern.measured
        assert "judgement" in pattern.citation
        assert pattern.next_review > pattern.reviewed
    assert not {p.name for p in PATTERNS} & {cohort.name for cohort in COHORTS}


def test_signs_of_one_origin_or_one_measurement_are_no_pair() -> None:
    one = Sign("liver", "alt", "enzyme", ("alt",))
    pattern = replace(PATTERNS[0], worsening=(one, Sign("liver", "x", "score", ("alt",))))
    assert pattern.pairs == ()
    pattern = replace(PATTERNS[0], worsening=(one, Sign("liver", "x", "enzyme", ("x",))))
    assert pattern.pairs == ()
    pattern = replace(PATTERNS[0], worsening=(one, Sign("liver", "x", "score", ("x",))))
    assert pattern.pairs == (("liver.alt", "liver.x"),)
