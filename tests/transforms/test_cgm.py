"""Days of continuous glucose against the worked examples and against plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from random import Random

import numpy as np
import polars as pl
import pytest

from transforms.cgm import cgm_days, readings
from transforms.synthetic.sensors import Wear
from transforms.synthetic.sensors import readings as worn

MIDNIGHT = datetime(2024, 3, 1)  # noqa: DTZ001
SCHEMA = {
    "patient_id": pl.String,
    "device": pl.String,
    "observed_at": pl.Datetime("us"),
    "observed_local": pl.Datetime("us"),
    "local_date": pl.Date,
    "value": pl.Float64,
    "comparator": pl.String,
}
COLUMNS = [
    *("patient_id", "local_date", "device", "readings", "minutes_covered", "coverage_pct"),
    *("day_coverage_pct", "night_coverage_pct"),
    *("mean_mg_dl", "sd_mg_dl", "cv_pct", "pct_below_54", "pct_below_70", "pct_70_140"),
    *("pct_70_180", "pct_above_140", "pct_above_180", "pct_above_250", "gmi_pct", "lbgi", "hbgi"),
    *("mage_mg_dl", "conga_1h_mg_dl", "first_rise_at", "last_rise_at", "eating_window_h"),
    *("night_rises", "is_sufficient", "is_main"),
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
    rows = [("p1", device, t, t, t.date(), v, comparator) for t, v in zip(at, values, strict=True)]
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


def test_scans_that_outnumber_a_sensors_readings_take_nothing_from_its_day() -> None:
    scans = [samples([100.0] * 96, 15, start=MIDNIGHT + timedelta(minutes=m)) for m in (1, 3)]
    scanned = day(samples([100.0] * 96, 15), *scans)
    assert (scanned["readings"], scanned["coverage_pct"]) == (288, 100)
    assert scanned["minutes_covered"] == pytest.approx(1440, abs=15)


def test_a_day_says_how_much_of_its_night_it_saw() -> None:
    evening = day(samples([100.0] * 96, start=MIDNIGHT + timedelta(hours=15)))
    assert evening["night_coverage_pct"] == 0
    assert evening["day_coverage_pct"] == pytest.approx(480 / 1080 * 100)
    night = day(samples([100.0] * 36))
    assert (night["night_coverage_pct"], night["day_coverage_pct"]) == (50, 0)


def test_readings_of_readings_are_the_same() -> None:
    told = readings(samples([100.0, 90.0, 95.0]).lazy()).collect()
    assert readings(told.lazy()).collect().equals(told)
    assert told.columns[-1] == "series"


def meals(*at: int, gain: float = 40.0, minutes: int = 40, step: int = 5) -> list[float]:
    """A day at 90 mg/dL that climbs at these minutes by so much and comes down in two hours."""
    hour = np.arange(0, 1440, step, dtype=float)
    parts = [np.interp(hour, [m, m + minutes, m + minutes + 120], [0, gain, 0]) for m in at]
    return [float(value) for value in 90 + np.sum([np.zeros(hour.size), *parts], axis=0)]


def test_the_rises_of_a_day_begin_with_its_meals() -> None:
    eaten = day(samples(meals(8 * 60, 13 * 60, 19 * 60 + 30)))
    assert (eaten["first_rise_at"], eaten["last_rise_at"]) == (time(8, 5), time(19, 35))
    assert (eaten["eating_window_h"], eaten["night_rises"]) == (11.5, 0)


def test_a_day_without_a_meal_has_no_rise() -> None:
    flat = day(samples(meals()))
    assert (flat["first_rise_at"], flat["last_rise_at"], flat["eating_window_h"]) == (None,) * 3


def test_one_rise_opens_no_window() -> None:
    once = day(samples(meals(12 * 60)))
    assert once["first_rise_at"] == once["last_rise_at"] == time(12, 5)
    assert once["eating_window_h"] is None


@pytest.mark.parametrize(("gain", "is_found"), [(19.0, False), (20.0, True)])
def test_twenty_within_an_hour_is_a_rise(gain: float, *, is_found: bool) -> None:
    found = day(samples(meals(12 * 60, gain=gain)))["first_rise_at"]
    assert (found is not None) is is_found


@pytest.mark.parametrize(("minutes", "is_found"), [(60, True), (120, False)])
def test_a_slow_climb_is_no_rise(minutes: int, *, is_found: bool) -> None:
    found = day(samples(meals(12 * 60, gain=22.0, minutes=minutes)))["first_rise_at"]
    assert (found is not None) is is_found


def test_a_second_helping_belongs_to_the_meal_until_glucose_has_come_down() -> None:
    steps = [90.0] * 144 + [100.0, 112, 111, 125, 140, 138, 150]
    helped = day(samples(steps + [150.0 - 4 * i for i in range(10)] + [110.0] * 127))
    assert helped["first_rise_at"] == helped["last_rise_at"] == time(11, 55)
    assert day(samples(meals(12 * 60, 16 * 60)))["last_rise_at"] == time(16, 5)


def test_a_rise_in_the_night_is_counted_apart() -> None:
    night = day(samples(meals(2 * 60, 12 * 60)))
    assert (night["night_rises"], night["first_rise_at"]) == (1, time(12, 5))


def test_a_night_that_was_not_seen_has_no_count() -> None:
    unseen = day(samples(meals()[72:], start=MIDNIGHT + timedelta(hours=6)))
    assert (unseen["night_rises"], unseen["is_sufficient"]) == (None, True)


def test_a_rise_over_midnight_belongs_to_the_evening() -> None:
    climb = [90.0] * 286 + [95.0, 102.0, 109.0, 116.0, 123.0] + [120.0] * 90
    both = days(samples(climb))
    assert both["last_rise_at"].to_list() == [time(23, 50), None]
    assert both["night_rises"].to_list() == [0, 0]
    after = days(samples([90.0] * 290 + climb[286:]))
    assert after["night_rises"].to_list() == [0, 1]


def test_no_rise_goes_over_a_gap() -> None:
    later = MIDNIGHT + timedelta(hours=10)
    low, high = samples([90.0] * 100), [130.0] * 100
    assert day(low, samples(high, start=later))["first_rise_at"] is None
    near = samples(high, start=MIDNIGHT + timedelta(minutes=99 * 5 + 40))
    assert day(low, near)["first_rise_at"] == time(8, 15)


def test_the_way_back_from_a_low_is_no_meal() -> None:
    pressed = [90.0] * 36 + [70.0, 55.0, 50.0, 50.0, 60.0, 75.0, 90.0] + [90.0] * 245
    assert day(samples(pressed))["night_rises"] == 0
    starved = [65.0] * 36 + [70.0, 80.0, 90.0, 95.0, 90.0, 80.0, 70.0] + [65.0] * 245
    assert day(samples(starved))["night_rises"] == 1


def test_a_meal_after_a_low_is_still_found() -> None:
    pressed = [90.0] * 36 + [70.0, 55.0, 50.0, 50.0, 60.0, 75.0, 90.0] + [90.0] * 245
    eaten = [max(a, b) for a, b in zip(meals(8 * 60), pressed, strict=True)]
    assert day(samples([*pressed[:60], *eaten[60:]]))["first_rise_at"] == time(8, 5)


def wearers(step: int, count: int = 20) -> pl.DataFrame:
    """People who eat at about 07:45, 13:00 and 20:00 and lie on the sensor in three nights."""
    frames = [
        worn(Wear(date(2026, 2, 2), 14, step, 92, 1.0, (3, 7, 11)), np.random.default_rng(9000 + k))
        for k in range(count)
    ]
    local = pl.col("local_at")
    return pl.concat(
        frame.select(
            patient_id=pl.lit(f"p{k}"),
            device=pl.lit("d"),
            observed_at=local,
            observed_local=local,
            local_date=local.dt.date(),
            value=pl.col("glucose_mg_dl").round(),
        )
        for k, frame in enumerate(frames)
    )


@pytest.mark.parametrize("step", [5, 15])
def test_the_window_in_which_the_synthetic_wearers_eat_is_found(step: int) -> None:
    found = cgm_days(wearers(step).lazy()).filter(pl.col("coverage_pct") > 95).collect()
    assert found.height > 200
    hours = found["eating_window_h"]
    assert hours.null_count() < found.height / 50
    assert hours.median() == pytest.approx(20 - 7.75, abs=0.35)
    assert hours.is_between(10.5, 14).mean() > 0.9
    assert found["night_rises"].mean() < 0.01


def test_excursions_are_told_of_a_sufficient_day_only() -> None:
    names = ("mage_mg_dl", "conga_1h_mg_dl", "eating_window_h")
    whole = meals(8 * 60, 13 * 60, 19 * 60)
    enough, short = day(samples(whole[86:])), day(samples(whole[87:]))
    assert [row["is_sufficient"] for row in (enough, short)] == [True, False]
    assert all(enough[name] is not None for name in names)
    assert [short[name] for name in names] == [None] * 3
    assert short["first_rise_at"] is not None


def test_a_day_is_the_same_to_the_bit_whoever_else_is_told_of() -> None:
    frames = [wearers(step, 3) for step in (5, 15)]
    told = pl.concat(f.with_columns(device=pl.lit(f"d{i}")) for i, f in enumerate(frames))
    every = cgm_days(told.lazy()).drop("is_main").collect()
    assert every["patient_id"].n_unique() == 3
    for patient_id, device in every.select("patient_id", "device").unique().rows():
        alone = cgm_days(told.filter(patient_id=patient_id, device=device).lazy()).collect()
        assert alone.drop("is_main").equals(every.filter(patient_id=patient_id, device=device))


def test_a_flat_day_has_no_amplitude_and_no_change_over_an_hour() -> None:
    flat = day(samples([100.0] * 288))
    assert (flat["mage_mg_dl"], flat["conga_1h_mg_dl"]) == (None, 0)


def test_a_day_of_equal_waves_has_their_height_as_its_amplitude() -> None:
    wave = [100 - 30 * math.cos(2 * math.pi * i / 72) for i in range(288)]
    assert day(samples(wave))["mage_mg_dl"] == pytest.approx(60, abs=0.1)
