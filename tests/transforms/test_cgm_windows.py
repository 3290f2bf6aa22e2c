"""Windows of two weeks and profiles of the day, against plain arithmetic and on real sensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import mean, quantiles, stdev

import polars as pl
import pytest

from transforms.cgm import blocks, cgm_days, readings
from transforms.cgm_excursions import block_starts
from transforms.cgm_windows import agp, cgm_windows

REAL = Path(__file__).resolve().parents[2] / "../shared/realdata"
FIRST = date(2024, 3, 1)
SCHEMA = {
    "patient_id": pl.String,
    "device": pl.String,
    "observed_at": pl.Datetime("us"),
    "observed_local": pl.Datetime("us"),
    "value": pl.Float64,
}
COLUMNS = [
    *("patient_id", "device", "window_end", "window_start", "days", "readings", "coverage_pct"),
    *("day_coverage_pct", "night_coverage_pct", "mean_mg_dl", "sd_mg_dl", "cv_pct"),
    *("pct_below_54", "pct_below_70", "pct_70_140", "pct_70_180", "pct_above_140"),
    *("pct_above_180", "pct_above_250", "minutes_above_140_per_day", "lbgi", "hbgi", "gmi_pct"),
    *("mage_mg_dl", "conga_1h_mg_dl", "conga_24h_mg_dl", "modd_mg_dl", "eating_window_h"),
    *("night_rises_per_night", "is_sufficient", "is_main"),
]


def samples(
    values: Sequence[float],
    starts_on: date = FIRST,
    step: int = 5,
    device: str | None = "G6",
    offset_h: int = 0,
) -> pl.DataFrame:
    """One patient's readings from local midnight of a date on."""
    midnight = datetime(starts_on.year, starts_on.month, starts_on.day)  # noqa: DTZ001
    local = [midnight + timedelta(minutes=step * i) for i in range(len(values))]
    utc = [at - timedelta(hours=offset_h) for at in local]
    rows = [("p1", device, u, t, v) for u, t, v in zip(utc, local, values, strict=True)]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return frame.with_columns(local_date=pl.col("observed_local").dt.date())


def waves(days: float, seed: int = 3, step: int = 5) -> list[float]:
    """Meals, noise in whole mg/dL, and days that differ."""
    chance = Random(seed)  # noqa: S311
    hours = [step / 60 * i for i in range(int(days * 1440 / step))]
    meal = (max(0.0, math.sin(math.pi * h / 4 - 1)) ** 3 * (1 + int(h / 24) % 3) for h in hours)
    return [float(round(95 + 20 * m + chance.gauss(0, 3))) for m in meal]


def windows(*frames: pl.DataFrame) -> pl.DataFrame:
    told = pl.concat(frames).lazy()
    return cgm_windows(cgm_days(told), told).collect()


def window(*frames: pl.DataFrame) -> dict[str, object]:
    found = windows(*frames)
    assert found.height == 1
    return found.row(0, named=True)


def test_two_weeks_are_one_window_whenever_they_begin() -> None:
    for starts_on in (FIRST, FIRST + timedelta(days=5)):
        worn = window(samples(waves(14), starts_on))
        ends_on = starts_on + timedelta(days=13)
        assert (worn["window_start"], worn["window_end"]) == (starts_on, ends_on)
        assert (worn["days"], worn["coverage_pct"], worn["is_sufficient"]) == (14, 100, True)


def test_the_next_window_begins_with_the_next_day_that_tells_anything() -> None:
    found = windows(
        samples(waves(3)),
        samples(waves(2), FIRST + timedelta(days=12)),
        samples(waves(5), FIRST + timedelta(days=20)),
        samples(waves(2), FIRST + timedelta(days=33)),
    )
    assert found.select("window_start", "window_end", "days").rows() == [
        (FIRST, FIRST + timedelta(days=13), 5),
        (FIRST + timedelta(days=20), FIRST + timedelta(days=33), 6),
        (FIRST + timedelta(days=34), FIRST + timedelta(days=34), 1),
    ]


def test_a_new_day_changes_only_the_newest_window() -> None:
    before, after = (windows(samples(waves(n))) for n in (33, 34))
    assert before.height == after.height == 3
    assert before.head(2).equals(after.head(2))
    assert before["readings"].to_list()[2] + 288 == after["readings"].to_list()[2]


def test_a_window_ends_with_the_last_day_that_told_anything() -> None:
    filling = window(samples(waves(4)))
    assert filling["window_end"] == FIRST + timedelta(days=3)
    assert filling["coverage_pct"] == pytest.approx(4 / 14 * 100)


@pytest.mark.parametrize(("days", "is_sufficient"), [(9.75, False), (9.81, True)])
def test_seventy_percent_of_two_weeks_suffices_and_less_tells_no_excursions(
    days: float, *, is_sufficient: bool
) -> None:
    worn = window(samples(waves(days)))
    assert worn["is_sufficient"] is is_sufficient
    told = [worn[name] is not None for name in ("gmi_pct", "mage_mg_dl", "modd_mg_dl")]
    assert told == [is_sufficient] * 3
    assert worn["mean_mg_dl"] is not None


def test_day_and_night_are_covered_apart() -> None:
    nights = [samples([100.0] * 72, FIRST + timedelta(days=d)) for d in range(14)]
    asleep = window(*nights)
    assert (asleep["night_coverage_pct"], asleep["day_coverage_pct"]) == (100, 0)
    assert asleep["coverage_pct"] == pytest.approx(25)


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_equals_plain_arithmetic_over_all_readings(seed: int) -> None:
    values = waves(12.3, seed)
    worn = window(samples(values))
    assert worn["readings"] == len(values)
    assert worn["mean_mg_dl"] == pytest.approx(mean(values))
    assert worn["sd_mg_dl"] == pytest.approx(stdev(values))
    assert worn["cv_pct"] == pytest.approx(stdev(values) / mean(values) * 100)
    above = sum(v > 140 for v in values) / len(values)
    assert above > 0
    assert worn["pct_above_140"] == pytest.approx(above * 100)
    assert worn["minutes_above_140_per_day"] == pytest.approx(above * 1440)
    assert worn["gmi_pct"] == pytest.approx(3.31 + 0.02392 * mean(values))


@pytest.mark.parametrize("seed", range(5))
def test_differences_equal_plain_arithmetic(seed: int) -> None:
    values = waves(14, seed)
    worn = window(samples(values))
    for name, lag in {"conga_1h_mg_dl": 12, "conga_24h_mg_dl": 288}.items():
        apart = [b - a for a, b in zip(values, values[lag:], strict=False)]
        assert worn[name] == pytest.approx(stdev(apart))
    assert worn["modd_mg_dl"] == pytest.approx(mean(abs(change) for change in apart))


def test_equal_days_do_not_differ() -> None:
    same = window(samples(waves(1) * 14))
    assert (same["modd_mg_dl"], same["conga_24h_mg_dl"]) == (0, 0)
    assert window(samples(waves(14)))["modd_mg_dl"] != 0


def test_no_difference_is_taken_with_a_gap() -> None:
    values, cut = waves(14), 10 * 288
    day_after = FIRST + timedelta(days=10)
    told = samples(values).filter(
        ~pl.col("local_date").eq(day_after) | (pl.col("observed_local").dt.hour() >= 2)
    )
    known = [None if cut <= i < cut + 24 else v for i, v in enumerate(values)]
    apart = [
        b - a for a, b in zip(known, known[288:], strict=False) if a is not None and b is not None
    ]
    assert window(told)["modd_mg_dl"] == pytest.approx(mean(abs(change) for change in apart))


@pytest.mark.parametrize(("lost", "changes"), [(8, 1429), (9, 1411)])
def test_a_gap_of_45_minutes_is_bridged_and_a_longer_one_is_not(lost: int, changes: int) -> None:
    """Within the hour around the gap glucose falls by 1 once; else it stands still."""
    told = samples([100.0] * 720 + [99.0] * 721).with_row_index("i")
    told = told.filter(~pl.col("i").is_between(800, 799 + lost)).drop("i")
    squares, total = 12, -12
    spread = math.sqrt((squares - total * total / changes) / (changes - 1))
    found = blocks(readings(told.lazy()), 14).collect()
    assert found["conga_1h_mg_dl"].item() == pytest.approx(spread, rel=1e-12)


def test_devices_are_windows_of_their_own_and_one_is_the_main_one() -> None:
    found = windows(samples(waves(14)), samples(waves(14, step=15), step=15, device=None))
    assert found.select("device", "readings").rows() == [(None, 1344), ("G6", 4032)]
    assert found["is_main"].sum() == 1
    longer = windows(samples(waves(4)), samples(waves(14), device="L3"))
    assert dict(longer.select("device", "is_main").rows()) == {"G6": True, "L3": True}


def test_two_patients_with_one_device_name_are_apart() -> None:
    other = samples(waves(14, 9)).with_columns(patient_id=pl.lit("p2"))
    both = windows(samples(waves(14)), other)
    assert both["patient_id"].to_list() == ["p1", "p2"]
    assert both.filter(patient_id="p1").equals(windows(samples(waves(14))))
    assert both["mage_mg_dl"].n_unique() == 2


def test_rises_of_the_night_are_counted_by_the_nights_that_were_seen() -> None:
    snack = [90.0] * 24 + [90, 100, 110, 120, 110, 100] + [90.0] * 258
    plain = [90.0] * 288
    worn = window(samples((snack + plain) * 7))
    assert worn["night_rises_per_night"] == 0.5
    unseen = samples((snack + plain) * 7).filter(
        (pl.col("local_date") != FIRST) | (pl.col("observed_local").dt.hour() >= 5)
    )
    assert window(unseen)["night_rises_per_night"] == pytest.approx(6 / 13)


def test_no_samples_are_no_windows_with_the_same_columns() -> None:
    empty = windows(samples([]))
    assert (empty.height, empty.columns) == (0, COLUMNS)
    assert empty.schema == windows(samples([100])).schema


def test_windows_do_not_depend_on_the_order_of_rows_nor_on_the_engine() -> None:
    told = pl.concat([samples(waves(20)), samples(waves(16, step=15), step=15, device="L2")])
    mixed = told.sample(fraction=1, shuffle=True, seed=1).lazy()
    days = cgm_days(mixed).collect().sample(fraction=1, shuffle=True, seed=2).lazy()
    assert cgm_windows(days, mixed).collect(engine="streaming").equals(windows(told))


def test_dates_that_contradict_the_clock_break_nothing() -> None:
    wild = samples([100.0]).with_columns(
        pl.lit(datetime(9000, 1, 1)).cast(pl.Datetime("us")).alias("observed_at")  # noqa: DTZ001
    )
    odd = window(samples(waves(14)), wild)
    assert (odd["days"], odd["mage_mg_dl"]) == (14, None)
    assert window(samples(waves(14)))["mage_mg_dl"] is not None


def test_a_traveller_who_lives_a_date_twice_has_one_window() -> None:
    west = samples(waves(7, 4), FIRST + timedelta(days=6), offset_h=-30)
    worn = window(samples(waves(7)), west)
    assert (worn["days"], worn["readings"]) == (13, 14 * 288)
    assert worn["modd_mg_dl"] is not None


@pytest.mark.parametrize("days", [1, 2, 14])
def test_blocks_begin_where_the_one_before_has_ended(days: int) -> None:
    chance = Random(days)  # noqa: S311
    rows = sorted({(chance.randint(0, 3), chance.randint(0, 90)) for _ in range(200)})
    expected, begun = [], (-1, 0)
    for at, (series, day) in enumerate(rows):
        if series != begun[0] or day >= begun[1] + days:
            begun = (series, day)
            expected.append(at)
    series, day = (pl.Series(column).to_numpy() for column in zip(*rows, strict=True))
    assert block_starts(series, day, days).tolist() == expected


def profile(*frames: pl.DataFrame) -> pl.DataFrame:
    told = pl.concat(frames).lazy()
    return agp(told, cgm_windows(cgm_days(told), told)).collect()


def test_a_profile_has_the_percentiles_of_every_half_hour() -> None:
    values = waves(14)
    found = profile(samples(values))
    assert found["begins_min"].to_list() == list(range(0, 1440, 30))
    assert found["n"].to_list() == [84] * 48
    noon = [v for i, v in enumerate(values) if 144 <= i % 288 < 150]
    cuts = quantiles(noon, n=20, method="inclusive")
    row = found.filter(begins_min=720).row(0, named=True)
    told = [row[f"p{p:02}_mg_dl"] for p in (5, 25, 50, 75, 95)]
    assert told == pytest.approx([cuts[i] for i in (0, 4, 9, 14, 18)])


def test_a_half_hour_nobody_saw_has_no_row() -> None:
    assert profile(samples([100.0] * 12))["begins_min"].to_list() == [0, 30]


def test_a_profile_is_of_its_window_only() -> None:
    told = samples([90.0] * 288 * 14 + [120.0] * 288 * 14).lazy()
    every = cgm_windows(cgm_days(told), told)
    both = agp(told, every).collect()
    assert both.group_by("window_end").agg(pl.col("p50_mg_dl").unique()).sort("window_end")[
        "p50_mg_dl"
    ].to_list() == [[90], [120]]
    newest = agp(told, every.filter(pl.col("window_start") > FIRST)).collect()
    assert newest.equals(both.filter(pl.col("p50_mg_dl") == 120))


def sensor(name: str, local: pl.Series, value: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"observed_local": local, "value": value}).select(
        patient_id=pl.lit(name),
        device=pl.lit("sensor"),
        observed_at=pl.col("observed_local").cast(pl.Datetime("us")),
        observed_local=pl.col("observed_local").cast(pl.Datetime("us")),
        value=pl.col("value").cast(pl.Float64),
        local_date=pl.col("observed_local").dt.date(),
    )


def shanghai() -> pl.DataFrame:
    folder = REAL / "shanghai_diabetes" / "Shanghai_T1DM"
    books = {path.stem: pl.read_excel(path, columns=[0, 1]) for path in sorted(folder.iterdir())}
    return pl.concat(sensor(n, book.to_series(0), book.to_series(1)) for n, book in books.items())


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_people_of_shanghai_with_type_1_diabetes_have_the_glucose_of_it() -> None:
    """Every 15 minutes for 3 to 14 days (Zhao et al. 2023, Sci Data 10:35)."""
    found = windows(shanghai()).filter("is_sufficient")
    assert found["patient_id"].n_unique() == found.height == 8
    assert found["coverage_pct"].is_between(70, 100).all()
    assert found["mean_mg_dl"].is_between(100, 205).all()
    assert found["cv_pct"].is_between(33, 50).all()
    assert (found["mage_mg_dl"] > 1.5 * found["sd_mg_dl"]).all()
    assert found["modd_mg_dl"].is_between(35, 80).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_a_person_of_manchester_whose_scans_outnumber_the_readings_is_covered() -> None:
    told = pl.read_csv(REAL / "t1d_uom" / "UoMGlucose2401.csv")
    at = told["bg_ts"].str.to_datetime("%d/%m/%Y %H:%M")
    found = windows(sensor("2401", at, told["value"] * 18.016))
    assert found["readings"].sum() == told.height
    assert found["coverage_pct"].head(6).is_between(97, 100).all()
    assert found["is_sufficient"].to_list() == [True] * 6 + [False]
    assert found["pct_70_180"].is_between(60, 80).all()
    assert found["cv_pct"].is_between(36, 45).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_a_day_and_a_half_of_a_dexcom_is_described_but_not_sufficient() -> None:
    path = REAL / "cgm_glu_rpackage" / "CLARITY_Export__111111-example.csv"
    told = pl.read_csv(path).filter(pl.col("Event Type") == "EGV")
    at = told["Timestamp (YYYY-MM-DDThh:mm:ss)"].str.to_datetime("%Y-%m-%dT%H:%M:%S")
    value = told["Glucose Value (mmol/L)"].cast(pl.Float64, strict=False) * 18.016
    found = window(sensor("111111", at, value))
    assert (found["days"], found["readings"], found["is_sufficient"]) == (2, 299, False)
    assert found["mean_mg_dl"] == pytest.approx(125.8, abs=0.1)
    assert found["mage_mg_dl"] is None


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_a_synthetic_clarity_export_has_a_sufficient_fortnight() -> None:
    path = REAL / "cgm_cgm_format" / "Clarity_Export_synthetic.csv"
    told = pl.read_csv(path, infer_schema=False).filter(pl.col("Event Type") == "EGV")
    at = told["Timestamp (YYYY-MM-DDThh:mm:ss)"].str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    value = told["Glucose Value (mg/dL)"].cast(pl.Float64, strict=False)
    found = window(sensor("synthetic", at, value).drop_nulls("observed_at"))
    assert found["is_sufficient"] is True
    assert found["mage_mg_dl"] > found["sd_mg_dl"]
