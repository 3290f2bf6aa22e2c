"""For how long there is ground for an alert, and when a higher tier is worth telling."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.episodes import episodes
from transforms.statuses import at_draws
from transforms.trends import trends

START, TONIGHT = date(2020, 1, 1), date(2026, 3, 1)
SPANS = {"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}
SHOWN = ("began_on", "ended_on", "tier")
TIER = ((0.8, "A"), (0.5, "B"), (0.3, "C"), (0.0, None))


def on(half_years: int) -> date:
    return START + timedelta(days=182 * half_years)


def climbing(p: float) -> dict[str, Any]:
    """What the rule says after a draw with this probability of climbing unseen."""
    tier = next(name for bound, name in TIER if p >= bound)
    said = "climbing" if tier else "not_flagged"
    return {"finding": said, "climbing_tier": tier, "p_climbing_unseen": p}


def failing(glucose: float, finding: str = "decompensating") -> dict[str, Any]:
    return {"finding": finding, "glucose_level_mg_dl": glucose, "p_climbing_unseen": 0.01}


def found(
    *said: dict[str, Any],
    rule: str = "climbing_unseen",
    excluded: tuple[date, date | None] | None = None,
) -> list[tuple[int, int | None, str | None]]:
    """Episodes of one person, a draw every half year: first draw, first draw without, tier."""
    blank = {"finding": None, "climbing_tier": None, "glucose_level_mg_dl": 90.0}
    draws = [{**blank, **item, "patient_id": "p", "drawn_on": on(n)} for n, item in enumerate(said)]
    spans = [] if excluded is None else [("p", "pregnancy", *excluded)]
    rows = episodes(
        pl.LazyFrame(draws, schema_overrides={"climbing_tier": pl.String, "finding": pl.String}),
        pl.LazyFrame(spans, schema=SPANS, orient="row"),
        TONIGHT,
    ).collect()
    place = {on(n): n for n in range(len(said) + 1)}
    return [
        (place[began], None if ended is None else place.get(ended, -1), tier)
        for began, ended, tier in rows.filter(rule=rule)
        .select("began_on", "ended_on", "tier")
        .rows()
    ]


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([0.1, 0.2], []),
        ([0.1, 0.31], [(1, None, "C")]),
        ([0.1, 0.55], [(1, None, "B")]),
        ([0.4, 0.16], [(0, None, "C")]),
        ([0.4, 0.14], [(0, 1, "C")]),
        ([0.2, 0.4, 0.2, 0.4, 0.2], [(1, None, "C")]),
        ([0.4, 0.1, 0.2, 0.29], [(0, 1, "C")]),
        ([0.4, 0.1, 0.4], [(0, 1, "C"), (2, None, "C")]),
    ],
    ids=str,
)
def test_an_episode_opens_at_the_rules_border_and_closes_well_below(
    p: list[float], expected: list[Any]
) -> None:
    assert found(*map(climbing, p)) == expected


@pytest.mark.parametrize(
    ("p", "tier"),
    [
        ([0.45, 0.55, 0.45, 0.55], "C"),
        ([0.45, 0.75], "C"),
        ([0.45, 0.75, 0.45, 0.75], "C"),
        ([0.45, 0.75, 0.75], "B"),
        ([0.45, 0.75, 0.75, 0.4], "B"),
        ([0.45, 0.92, 0.92], "A"),
        ([0.55, 0.85, 0.85], "B"),
        ([0.85], "A"),
    ],
    ids=str,
)
def test_a_higher_tier_is_reached_by_two_sure_draws_and_never_lost(
    p: list[float], tier: str
) -> None:
    ((_, _, reached),) = found(*map(climbing, p))
    assert reached == tier


def test_a_draw_that_is_old_closes_nothing_and_an_exclusion_does() -> None:
    assert found(climbing(0.6)) == [(0, None, "B")]
    assert found(climbing(0.6), excluded=(on(1), None)) == [(0, 1, "B")]
    assert found(climbing(0.6), excluded=(on(0), None)) == []
    both = (on(0) + timedelta(days=10), on(1) - timedelta(days=10))
    assert found(climbing(0.6), climbing(0.6), excluded=both) == [(0, -1, "B"), (1, None, "B")]


def test_a_draw_after_which_the_rule_says_nothing_closes_it() -> None:
    assert found(climbing(0.6), {"p_climbing_unseen": 0.6}) == [(0, 1, "B")]


@pytest.mark.parametrize(("then", "ended"), [(98.0, None), (96.0, None), (95.9, 1)], ids=str)
def test_decompensation_stays_open_until_glucose_is_clearly_lower(
    then: float, ended: int | None
) -> None:
    said = (failing(103.0), failing(then, "not_flagged"))
    assert found(*said, rule="decompensating") == [(0, ended, None)]


def steady(people: int, seed: int, visits: int = 14) -> pl.LazyFrame:
    """Noise only: insulin and glucose that do not move, a draw every half year.

    Within-person CV .25 and .047 (clinical reference, section 5; assay included).
    """
    rng = np.random.default_rng(seed)
    shape = (people, visits)
    years = np.cumsum(rng.uniform(0.4, 0.6, shape), 1)
    insulin = np.exp(rng.normal(np.log(8), 0.4, (people, 1)) + rng.normal(0, 0.25, shape))
    glucose = rng.normal(88, 3, (people, 1)) + rng.normal(0, 88 * 0.047, shape)
    return pl.LazyFrame(
        {
            "patient_id": np.repeat([f"p{n:05}" for n in range(people)], visits),
            "drawn_on": np.datetime64("2015-01-01") + (years * 365).astype(int).ravel(),
            "insulin_uiu_ml": insulin.ravel(),
            "glucose_mg_dl": glucose.ravel(),
        }
    ).with_columns(pl.col("drawn_on").cast(pl.Date))


def test_noise_near_the_border_gives_one_notice_an_episode() -> None:
    pairs = steady(people=2500, seed=3)
    judged = trends(pairs).with_columns(p_without_one=pl.lit(0.9))
    findings = at_draws(judged, pairs).collect()
    spans = pl.LazyFrame(schema=SPANS)
    ground = episodes(findings.lazy(), spans, TONIGHT).filter(rule="climbing_unseen").collect()
    first = findings.select("patient_id", began_on="drawn_on", opened="climbing_tier")
    told_again = ground.join(first, on=["patient_id", "began_on"]).filter(
        pl.col("tier") != pl.col("opened")
    )

    assert ground.height > 100
    assert told_again.height <= 0.01 * ground.height + 1
    naive = findings.filter(pl.col("climbing_tier").is_not_null()).height
    assert naive > 1.8 * ground.height, "without episodes every draw in the list is news"


NOW = [
    (
        [climbing(0.6), climbing(0.7), climbing(0.05), climbing(0.9)],
        [(on(0), 0.7, on(1), True), (on(3), 0.9, on(3), True)],
    ),
    ([climbing(0.6), climbing(0.2)], [(on(0), 0.2, on(1), False)]),
    ([climbing(0.6), climbing(0.2), climbing(0.4)], [(on(0), 0.4, on(2), True)]),
]


@pytest.mark.parametrize(("said", "stands"), NOW, ids=["ended", "kept open", "marked again"])
def test_what_stands_now_is_of_the_newest_draw_of_the_episode(
    said: list[dict[str, Any]], stands: list[tuple[Any, ...]]
) -> None:
    blank = {"glucose_level_mg_dl": 90.0, "patient_id": "p"}
    draws = [{**blank, **item, "drawn_on": on(n)} for n, item in enumerate(said)]
    spans = pl.LazyFrame(schema=SPANS)
    rows = episodes(pl.LazyFrame(draws), spans, TONIGHT).collect().filter(rule="climbing_unseen")
    assert rows.select("began_on", "p", "p_on", "is_marked").rows() == stands
