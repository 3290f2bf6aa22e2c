"""Tolerance tests of the synthetic clinic, read back by the house's own reader and rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from transforms.conform import Arrival, conform
from transforms.landing import Opened, Source
from transforms.pairs import fasting_pairs
from transforms.readers import reader
from transforms.synthetic.challenges import GLUCOSE_CODES, INSULIN_CODE, MINUTES, NOT_FINE
from transforms.synthetic.clinic import Clinic, clinic

ZONE = "Europe/Rome"
BARS = pl.LazyFrame(
    schema={"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}
)


@pytest.fixture(scope="module")
def made() -> Clinic:
    return clinic(120, 21)


@pytest.fixture(scope="module")
def results(made: Clinic, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The first night's results of people with a test, conformed."""
    night = made.nights[0]
    folder = tmp_path_factory.mktemp("labs")
    path = folder / "labs.csv"
    path.write_bytes(night.files[f"clinic_csv/labs-{night.as_of}.csv"])
    source = Source("clinic_csv", "clinic_csv", ZONE)
    reading = reader("clinic_csv")(Opened(path, "labs-x.csv", source, folder))
    arrival = Arrival("clinic_csv", 1, night.as_of, ZONE)
    rows = conform("observation", reading.tables["observation"], arrival).collect()
    return rows.filter(pl.col("patient_id").is_in(noted(made, "oral glucose tolerance test")))


def noted(made: Clinic, words: str) -> list[str]:
    return made.truth.filter(pl.col("note").str.contains(words))["patient_id"].to_list()


def is_timed() -> pl.Expr:
    return pl.col("result_id").str.starts_with("O")


def days(results: pl.DataFrame) -> pl.DataFrame:
    """The days of the tests: both analytes with the minutes since the first sample."""
    tests = results.filter(is_timed()).select("patient_id", "observed_on").unique()
    since = pl.col("observed_at") - pl.col("observed_at").min().over("patient_id")
    return (
        results.join(tests, on=["patient_id", "observed_on"])
        .filter(pl.col("analyte").is_in(["glucose", "insulin"]))
        .with_columns(minutes=since.dt.total_minutes())
        .sort("patient_id", "minutes")
    )


def test_every_test_has_both_analytes_at_five_times(made: Clinic, results: pl.DataFrame) -> None:
    found = days(results).group_by("patient_id", "analyte").agg("minutes", "value")
    assert found.height == 2 * made.planted["tolerance_tests"] == 12
    for minutes, value in found.select("minutes", "value").iter_rows():
        assert minutes == [0, *MINUTES]
        assert None not in value


def test_the_first_sample_is_coded_as_fasting_and_the_others_are_not(
    results: pl.DataFrame,
) -> None:
    found = days(results)
    first = found.filter(pl.col("minutes") == 0)
    assert set(first["source_code"]) == {"27873-9", "1558-6"}
    assert set(first["fasting"]) == {"yes"}
    assert set(found.filter(pl.col("minutes") > 0)["fasting"]) == {"no"}


def test_codes_that_say_their_minutes_say_the_right_ones(results: pl.DataFrame) -> None:
    timed = days(results).filter(is_timed())
    coded = set(timed.select("analyte", "source_code", "minutes").unique().iter_rows())
    assert coded == {
        *(("glucose", code, minutes) for minutes, code in GLUCOSE_CODES.items()),
        *(("insulin", INSULIN_CODE, minutes) for minutes in MINUTES),
    }
    stated = timed.filter(pl.col("timing") == "post_load")
    assert set(stated["minutes"]) == {60, 120}


def test_a_test_leaves_the_fasting_pair_of_its_first_sample_as_it_is(
    results: pl.DataFrame,
) -> None:
    whole = pairs(results)
    assert whole.equals(pairs(results.filter(~is_timed())))
    assert whole.filter("used").height > 12


def test_without_its_first_sample_a_test_is_no_fasting_pair(results: pl.DataFrame) -> None:
    day = days(results).select("patient_id", "observed_on").unique()
    later = results.join(day, on=["patient_id", "observed_on"]).filter(is_timed())
    assert set(pairs(later)["reason"]) == {"not fasting"}


def pairs(rows: pl.DataFrame) -> pl.DataFrame:
    return fasting_pairs(rows.lazy(), BARS).collect()


def test_glucose_comes_down_again_and_insulin_rises_manyfold(results: pl.DataFrame) -> None:
    for (_, analyte), curve in days(results).group_by("patient_id", "analyte"):
        values = curve["value"].to_list()
        if analyte == "glucose":
            assert values[1] > values[0]
            assert max(values) > values[-1]
        else:
            assert max(values) > 5 * values[0]


def test_of_some_glucose_is_fine_when_fasting_and_not_two_hours_later(
    made: Clinic, results: pl.DataFrame
) -> None:
    glucose = days(results).filter(pl.col("analyte") == "glucose")
    late = glucose.filter(pl.col("minutes") == 120)
    found = set(late.filter(pl.col("value") >= NOT_FINE)["patient_id"])
    assert found == set(noted(made, "not fine two hours"))
    fasting = glucose.filter(pl.col("minutes") == 0)
    fine = set(fasting.filter(pl.col("value") < 100)["patient_id"])
    assert found & fine
    assert late["patient_id"].n_unique() > len(found)


def test_a_test_is_over_before_ten_and_never_of_the_future(
    made: Clinic, results: pl.DataFrame
) -> None:
    local = pl.col("observed_at").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    timed = days(results).with_columns(local=local)
    assert set(timed["local"].dt.hour()) <= {7, 8, 9}
    newest = timed["observed_on"].max()
    assert isinstance(newest, date)
    assert newest < made.nights[0].as_of


def test_reading_leaves_nothing_over(made: Clinic, tmp_path: Path) -> None:
    night = made.nights[0]
    path = tmp_path / "labs.csv"
    path.write_bytes(night.files[f"clinic_csv/labs-{night.as_of}.csv"])
    opened = Opened(path, "labs-x.csv", Source("clinic_csv", "clinic_csv", ZONE), tmp_path)
    assert reader("clinic_csv")(opened).rejects.collect().is_empty()
