"""Series trends against the worked reference change values and plain arithmetic."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.catalog.variations import variation_frame
from transforms.series_trends import COLUMNS, reference_change_pct, series_trends, spread

SCHEMA = {
    "patient_id": pl.String,
    "signal": pl.String,
    "observed_on": pl.Date,
    "value": pl.Float64,
    "platform": pl.String,
}
KNOWN = pl.LazyFrame({"signal": ["insulin", "glucose"], "cvi": [0.26, 0.05], "cva": [0.05, 0.02]})
START = date(2018, 3, 1)

Value = tuple[int, float | None, str | None]


def series(*values: Value, signal: str = "insulin", patient: str = "p") -> pl.DataFrame:
    """Values as (days since the start, value, platform)."""
    rows = [(patient, signal, START + timedelta(days=day), v, p) for day, v, p in values]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def found(*frames: pl.DataFrame, variation: pl.LazyFrame = KNOWN) -> pl.DataFrame:
    return series_trends(pl.concat(frames).lazy(), variation).collect()


def rows(*values: Value) -> list[dict[str, Any]]:
    return found(series(*values)).to_dicts()


@pytest.mark.parametrize(
    ("cvi", "cva", "two_sided", "one_sided"),
    [
        (0.26, 0.05, (105.8, -51.4), (83.2, -45.4)),
        (0.267, 0.054, (109.9, -52.4), (86.3, -46.3)),
        (0.05, 0.02, (16.1, -13.9), (13.3, -11.8)),
        (0.012, 0.015, (5.5, -5.2), (4.6, -4.4)),
        (0.041, 0.007, (12.2, -10.9), (10.2, -9.2)),
        (0.45, 0.05, (231, -70), (173, -63)),
    ],
)
def test_the_reference_change_value_is_the_worked_one(
    cvi: float, cva: float, two_sided: tuple[float, float], one_sided: tuple[float, float]
) -> None:
    s = spread(pl.lit(cvi), pl.lit(cva))
    zs = (1.959964, -1.959964, 1.644854, -1.644854)
    changes = pl.select(reference_change_pct(s, z).alias(str(z)) for z in zs).row(0)
    assert changes == pytest.approx((*two_sided, *one_sided), abs=0.5 if cvi == 0.45 else 0.06)


@pytest.mark.parametrize(
    ("second", "change"),
    [(20.57, "within noise"), (20.60, "rose"), (4.87, "within noise"), (4.85, "fell")],
)
def test_a_change_is_real_beyond_the_reference_change_value(second: float, change: str) -> None:
    first, last = rows((0, 10.0, "roche"), (30, second, "roche"))
    assert first["change"] is None
    assert last["change"] == change
    assert last["change_pct"] == pytest.approx((second / 10 - 1) * 100)
    assert (last["rcv_rise_pct"], last["rcv_fall_pct"]) == pytest.approx((105.8, -51.4), abs=0.06)
    assert last["previous_on"] == START


def test_values_of_two_platforms_are_never_compared() -> None:
    first, second, third = rows((0, 6.0, "roche"), (365, 20.0, "tosoh"), (730, 20.0, "tosoh"))
    assert (second["change"], second["previous_on"], second["n"]) == (None, None, 1)
    assert (third["change"], third["n"]) == ("within noise", 2)
    assert first["slope_pct_year"] is None


def test_the_same_values_on_one_platform_are_a_rise() -> None:
    _, second, third = rows((0, 6.0, "roche"), (365, 20.0, "roche"), (730, 20.0, "roche"))
    assert (second["change"], third["n"], third["trend"]) == ("rose", 3, "rising")


def test_a_series_goes_on_after_a_value_of_another_platform() -> None:
    last = rows((0, 6.0, "roche"), (100, 30.0, "tosoh"), (200, 7.0, "roche"))[-1]
    assert (last["previous_on"], last["change"], last["n"]) == (START, "within noise", 2)


def test_an_unknown_platform_goes_with_unknown_alone() -> None:
    first, second, third = rows((0, 6.0, None), (100, 6.0, "roche"), (200, 20.0, None))
    assert (first["n"], second["previous_on"], second["n"]) == (1, None, 1)
    assert (third["change"], third["n"]) == ("rose", 2)


def test_the_slope_is_that_of_the_known_variance() -> None:
    days, values = (0, 400, 700, 1300), (6.0, 8.5, 7.9, 14.0)
    last = rows(*((day, v, "roche") for day, v in zip(days, values, strict=True)))[-1]
    x, y = np.array(days) / 365.25, np.log(values)
    slope = float(np.polyfit(x, y, 1)[0])
    s = math.sqrt(math.log(1 + 0.26**2 + 0.05**2))
    margin = 1.644854 * s / math.sqrt(float(((x - x.mean()) ** 2).sum()))
    expected = [math.expm1(b) * 100 for b in (slope, slope - margin, slope + margin)]
    assert [last[c] for c in ("slope_pct_year", "slope_low", "slope_high")] == pytest.approx(
        expected
    )


def test_each_row_has_the_trend_as_it_stood_then() -> None:
    values = [(0, 6.0, "r"), (365, 7.0, "r"), (730, 14.0, "r"), (1095, 8.0, "r"), (1460, 3.0, "r")]
    for upto in range(1, len(values) + 1):
        assert rows(*values[:upto])[-1] == rows(*values)[upto - 1]


@pytest.mark.parametrize(
    ("factor", "trend"), [(1.4, "rising"), (1 / 1.4, "falling"), (1.02, "steady")]
)
def test_the_verdict_is_of_the_interval(factor: float, trend: str) -> None:
    last = rows(*((365 * k, 8 * factor**k, "roche") for k in range(5)))[-1]
    assert last["trend"] == trend
    assert (last["slope_low"] > 0, last["slope_high"] < 0) == (
        trend == "rising",
        trend == "falling",
    )


def test_two_values_or_half_a_year_short_of_a_day_have_no_slope() -> None:
    two = rows((0, 6.0, "r"), (900, 60.0, "r"))[-1]
    short = rows((0, 6.0, "r"), (90, 20.0, "r"), (179, 60.0, "r"))[-1]
    enough = rows((0, 6.0, "r"), (90, 20.0, "r"), (180, 60.0, "r"))[-1]
    assert (two["trend"], two["slope_pct_year"]) == (None, None)
    assert (short["trend"], short["slope_pct_year"]) == (None, None)
    assert enough["trend"] == "rising"


def test_a_value_that_is_not_above_zero_counts_for_nothing() -> None:
    odd: tuple[float | None, ...] = (0.0, -3.0, None, math.nan, math.inf)
    for value in odd:
        first, middle, last = rows((0, 6.0, "r"), (100, value, "r"), (200, 20.0, "r"))
        assert (middle["change"], middle["trend"], middle["change_pct"]) == (None, None, None)
        assert (first["n"], middle["n"], last["n"]) == (1, 1, 2)
        assert (last["change"], last["previous_on"]) == ("rose", START)


def test_a_value_without_a_logarithm_leaves_the_slope_as_it_was() -> None:
    sound = [(0, 6.0, "r"), (400, 8.0, "r"), (800, 7.0, "r"), (1200, 15.0, "r")]
    with_zero = [*sound[:2], (600, 0.0, "r"), *sound[2:]]
    assert rows(*with_zero)[-1] == rows(*sound)[-1]
    assert rows(*with_zero)[2]["slope_pct_year"] is None


def test_a_series_that_begins_at_zero_begins_with_its_first_value() -> None:
    zero, first, last = rows((0, 0.0, "r"), (100, 6.0, "r"), (200, 20.0, "r"))
    assert (zero["n"], zero["first_on"]) == (0, None)
    assert first["first_on"] == last["first_on"] == START + timedelta(days=100)


def test_without_a_known_variation_no_change_is_called_real() -> None:
    steep = [(365 * k, 5.0 * 3**k, "r") for k in range(4)]
    unknown = found(series(*steep, signal="matsuda")).to_dicts()[-1]
    missing = found(
        series(*steep),
        variation=pl.LazyFrame({"signal": ["insulin"], "cvi": [0.26], "cva": [None]}),
    ).to_dicts()[-1]
    for row in (unknown, missing):
        assert (row["change"], row["trend"], row["slope_low"], row["rcv_rise_pct"]) == (None,) * 4
        assert row["slope_pct_year"] == pytest.approx(200, abs=1)
    assert found(series(*steep)).to_dicts()[-1]["trend"] == "rising"


def test_people_and_signals_are_apart_and_the_order_of_rows_does_not_matter() -> None:
    parts = [
        series((0, 5.0, "r"), (400, 6.0, "r"), (800, 30.0, "r"), patient=patient, signal=signal)
        for patient in ("b", "a")
        for signal in ("insulin", "glucose")
    ]
    whole = found(*parts)
    assert whole.select("patient_id", "signal").rows() == sorted(
        whole.select("patient_id", "signal").rows()
    )
    assert whole["n"].to_list() == [1, 2, 3] * 4
    assert whole.columns == list(COLUMNS)
    mixed = pl.concat(parts).sample(fraction=1, shuffle=True, seed=3)
    assert found(mixed).equals(whole)
    for part in parts:
        alone = found(part)
        assert whole.join(alone, on=["patient_id", "signal"], how="semi").equals(alone)


def test_no_rows_give_no_rows() -> None:
    assert found(series()).is_empty()


def test_the_catalog_fits_the_frame() -> None:
    last = found(
        series((0, 30.0, "r"), (90, 50.0, "r"), signal="ggt"), variation=variation_frame().lazy()
    )
    assert last["change"].to_list() == [None, "rose"]


def stable(people: int, looks: int, slope: float, seed: int) -> pl.DataFrame:
    """Verdicts of people whose yearly insulin climbs by ``slope`` of the logarithm."""
    rng = np.random.default_rng(seed)
    s = math.sqrt(math.log(1 + 0.26**2 + 0.05**2))
    logs = rng.normal(0, s, (people, looks)) + slope * np.arange(looks)
    frame = pl.DataFrame(
        {
            "patient_id": np.repeat(np.arange(people), looks).astype(str),
            "signal": "insulin",
            "observed_on": [date(2000 + k, 1, 1) for k in range(looks)] * people,
            "value": np.exp(2 + logs.ravel()),
            "platform": "r",
        },
        schema=SCHEMA,
    )
    return found(frame)


def share(verdicts: pl.DataFrame, trend: str) -> tuple[float, float]:
    """Share of people with that trend at the last look, and at any."""
    of = pl.col("trend") == trend
    seen = verdicts.group_by("patient_id").agg(
        last=of.fill_null(value=False).sort_by("observed_on").last(),
        ever=of.fill_null(value=False).any(),
    )
    return seen.select(pl.col("last", "ever").mean()).row(0)  # type: ignore[return-value]


@pytest.mark.parametrize(("looks", "ever"), [(5, 0.11), (10, 0.20), (20, 0.30)])
def test_a_stable_series_is_called_rising_once_in_twenty_and_ever_more_often(
    looks: int, ever: float
) -> None:
    verdicts = stable(4000, looks, 0.0, seed=6201 + looks)
    at_last, at_any = share(verdicts, "rising")
    assert at_last == pytest.approx(0.05, abs=0.012)
    assert at_any == pytest.approx(ever, abs=0.02)
    assert share(verdicts, "falling")[0] == pytest.approx(0.05, abs=0.012)


def test_a_climb_of_a_fifth_a_year_is_seen_by_most_after_six_years() -> None:
    assert share(stable(2000, 6, math.log(1.2), seed=6301), "rising")[0] > 0.75
