"""Days of continuous glucose against the worked examples and against plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random

import polars as pl
import pytest

from transforms.cgm import cgm_days

MIDNIGHT = datetime(2024, 3, 1)  # noqa: DTZ001
SCHEMA = {
    "patient_id": pl.String,
    "device": pl.String,
    "observed_at": pl.Datetime("us"),
    "local_date": pl.Date,
    "value": pl.Float64,
    "comparator": pl.String,
}
COLUMNS = [
    *("patient_id", "local_date", "device", "readings", "minutes_covered", "coverage_pct"),
    *("mean_mg_dl", "sd_mg_dl", "cv_pct", "pct_below_54", "pct_below_70", "pct_70_140"),
    *("pct_70_180", "pct_above_140", "pct_above_180", "pct_above_250", "gmi_pct", "lbgi", "hbgi"),
    *("is_sufficient", "is_main"),
]


def samples(
    values: Sequence[float | None],
    step: float = 5,
    start: datetime = MIDNIGHT,
    device: str | None = "G6",
    comparator: str | None = None,
) -> pl.DataFrame:
    """One patient's readings ``step`` minutes apart."""
    at = [start + timedelta(minutes=step * i) for i in range(len(values))]
    rows = [("p1", device, t, t.date(), v, comparator) for t, v in zip(at, values, strict=True)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def days(*frames: pl.DataFrame) -> pl.DataFrame:
    return cgm_days(pl.concat(frames).lazy()).collect()


def day(*frames: pl.DataFrame) -> dict[str, object]:
    return days(*frames).row(0, named=True)


@pytest.mark.parametrize(
    ("glucose", "low", "high"),
    [
        (54, 18.46, 0),
        (70, 7.76, 0),
        (100, 0.482, 0),
        (140, 0, 1.665),
        (180, 0, 7.73),
        (250, 0, 22.44),
    ],
)
def test_a_constant_day_has_the_worked_risk_indices(
    glucose: float, low: float, high: float
) -> None:
    constant = day(samples([glucose] * 288))
    assert constant["lbgi"] == pytest.approx(low, rel=1e-3)
    assert constant["hbgi"] == pytest.approx(high, rel=1e-3)


@pytest.mark.parametrize(("mean", "percent"), [(100, 5.702), (120, 6.180), (154, 6.994)])
def test_a_full_day_has_the_worked_gmi(mean: float, percent: float) -> None:
    assert day(samples([mean] * 288))["gmi_pct"] == pytest.approx(percent, abs=5e-4)


def test_ranges_include_both_of_their_ends() -> None:
    edges = day(samples([53, 54, 69, 70, 140, 141, 180, 181, 250, 251]))
    shares = {name: value for name, value in edges.items() if name.startswith("pct_")}
    assert shares == {
        "pct_below_54": 10,
        "pct_below_70": 30,
        "pct_70_140": 20,
        "pct_70_180": 40,
        "pct_above_140": 50,
        "pct_above_180": 30,
        "pct_above_250": 10,
    }


def test_spread_is_the_sample_deviation_and_its_share_of_the_mean() -> None:
    spread = day(samples([90, 110]))
    assert spread["sd_mg_dl"] == pytest.approx(math.sqrt(200))
    assert spread["cv_pct"] == pytest.approx(math.sqrt(2) * 10)


@pytest.mark.parametrize(("step", "readings"), [(5, 288), (15, 96)])
def test_a_full_day_is_covered_whatever_the_sensors_step(step: float, readings: int) -> None:
    full = day(samples([100.0] * readings, step))
    assert (full["readings"], full["minutes_covered"]) == (readings, 1440)
    assert (full["coverage_pct"], full["is_sufficient"]) == (100, True)


@pytest.mark.parametrize(("readings", "is_sufficient"), [(201, False), (202, True)])
def test_seventy_percent_of_a_day_suffices_and_less_has_no_gmi(
    readings: int, *, is_sufficient: bool
) -> None:
    partial = day(samples([100.0] * readings))
    assert partial["minutes_covered"] == readings * 5
    assert partial["is_sufficient"] is is_sufficient
    assert (partial["gmi_pct"] is not None) is is_sufficient


def test_a_gap_is_not_covered() -> None:
    evening = MIDNIGHT + timedelta(hours=20)
    gapped = day(samples([100.0] * 48), samples([100.0] * 48, start=evening))
    assert gapped["minutes_covered"] == 480


def test_scans_between_the_readings_cover_nothing_more() -> None:
    scans = samples([100.0] * 10, 15, start=MIDNIGHT + timedelta(minutes=7))
    scanned = day(samples([100.0] * 60, 15), scans)
    assert (scanned["readings"], scanned["minutes_covered"]) == (70, 900)


def test_a_sensor_that_reports_every_minute_covers_the_minutes_it_reported() -> None:
    assert day(samples([100.0] * 300, 1))["minutes_covered"] == 304


def test_one_reading_covers_one_step_and_has_no_spread() -> None:
    one = day(samples([100.0]))
    assert (one["minutes_covered"], one["sd_mg_dl"], one["cv_pct"]) == (5, None, None)


def test_the_same_instant_of_one_device_counts_once() -> None:
    once, again = samples([100, 120]), samples([100, 120])
    assert days(once, again).equals(days(once))


def test_two_values_of_one_instant_count_the_lower_in_any_order() -> None:
    low, high = samples([60]), samples([160])
    assert day(low, high)["mean_mg_dl"] == day(high, low)["mean_mg_dl"] == 60


def test_censored_values_count_at_their_limit() -> None:
    low, high = samples([40], comparator="<"), samples([400], comparator=">", device="other")
    assert days(low, high)["mean_mg_dl"].to_list() == [40, 400]


def test_devices_and_dates_are_days_of_their_own() -> None:
    night = samples([100.0] * 4, start=MIDNIGHT - timedelta(minutes=10))
    both = days(night, samples([100.0], device=None))
    assert both.select("local_date", "device", "readings").rows() == [
        (date(2024, 2, 29), "G6", 2),
        (date(2024, 3, 1), None, 1),
        (date(2024, 3, 1), "G6", 2),
    ]


def test_of_several_devices_the_one_that_covers_most_is_the_main_one() -> None:
    both = days(samples([100.0] * 4), samples([100.0] * 9, device="upload of the same"))
    assert dict(both.select("device", "is_main").rows()) == {
        "G6": False,
        "upload of the same": True,
    }


def test_values_that_are_no_glucose_are_left_out() -> None:
    odd = day(samples([None, float("nan"), 0, -5, float("inf"), 100]))
    assert (odd["readings"], odd["mean_mg_dl"]) == (1, 100)


def test_no_samples_are_no_days_with_the_same_columns() -> None:
    empty = days(samples([]))
    assert (empty.height, empty.columns) == (0, COLUMNS)
    assert empty.schema == days(samples([100])).schema


def test_both_engines_agree_whatever_the_order_of_rows() -> None:
    frame = samples([80.0 + i % 97 for i in range(900)])
    shuffled = cgm_days(frame.sample(fraction=1, shuffle=True, seed=1).lazy())
    assert shuffled.collect(engine="streaming").equals(days(frame))


@pytest.mark.parametrize("seed", range(20))
def test_every_metric_equals_plain_arithmetic(seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    values = [chance.randint(40, 400) for _ in range(chance.randint(2, 60))]
    row = day(samples([float(v) for v in values]))
    mean = sum(values) / len(values)
    scale = [1.509 * (math.log(v) ** 1.084 - 5.381) for v in values]
    assert row["mean_mg_dl"] == pytest.approx(mean)
    assert row["lbgi"] == pytest.approx(sum(10 * f * f for f in scale if f < 0) / len(values))
    assert row["hbgi"] == pytest.approx(sum(10 * f * f for f in scale if f > 0) / len(values))
    shares = [row[name] for name in ("pct_below_70", "pct_70_180", "pct_above_180")]
    assert sum(float(str(share)) for share in shares) == pytest.approx(100)


def test_risk_rises_away_from_the_middle() -> None:
    highs = [float(str(day(samples([v]))["hbgi"])) for v in range(120, 400, 20)]
    lows = [float(str(day(samples([v]))["lbgi"])) for v in range(110, 30, -10)]
    assert all(a < b for a, b in pairwise(highs))
    assert all(a < b for a, b in pairwise(lows))
