"""Nutrisense exports: the real one, exercise, dates and units, and what may not be told."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.conform import Arrival, conform
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers.nutrisense import read
from transforms.synthetic.emit_nutrisense import US_FORMAT, nutrisense_csv

REAL = Path(__file__).parents[3].parent / "shared" / "realdata"
EXPORT = REAL / "cgm_cgmr" / "sample_nutrisense.csv"

HEADER = (
    "class,value,time,length,photo_url,description,occurred_at,body,updated_at,started_at,"
    "ended_at,created_by\n"
)
SMALL = (
    "Nutrisense,Ada Lovelace,,,,,,,,,,\n"
    + HEADER
    + "GlucoseMeasurement,77,,,,,7/22/21 7:06,,,,,\n"
    + "Meal,,breakfast,,https://x/y,Pie with Charles,7/22/21 7:06,,,,,\n"
    + "ExerciseActivity,,,914,,walk,7/22/21 15:12,,,7/22/21 15:12,7/22/21 15:27,\n"
)


def opened(
    tmp_path: Path,
    content: str | bytes,
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    source = Source("nutrisense", "nutrisense", patients=patients or {}, options=options or {})
    return Opened(path, "ada.csv", source, scratch, patient_id)


def checked(reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Samples and rejects, after the law: every data line in exactly one of them."""
    samples = reading.tables["sample"].collect(engine="streaming")
    rejects = reading.rejects.collect(engine="streaming")
    assert samples.columns == [*PLACE, *LANDING["sample"]]
    assert dict(rejects.schema) == REJECTS
    lines = [*samples["line"], *rejects["line"]]
    assert len(lines) == len(set(lines)) == reading.rows_in
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= set(REASONS)
    return samples.sort("line"), rejects


def conformed(reading: Reading, zone: str = "America/Los_Angeles") -> pl.DataFrame:
    arrival = Arrival(
        "nutrisense", 1, date(2036, 1, 1), zone, reading.time_formats, reading.decimal
    )
    return conform("sample", reading.tables["sample"], arrival).collect().sort("line")


def outcome(tmp_path: Path, content: str | bytes) -> Reading | str:
    try:
        reading = read(opened(tmp_path, content))
        checked(reading)
    except UnreadableError as error:
        assert error.reason in REASONS
        return error.reason
    return reading


def glucose(*times: str, value: str = "90") -> str:
    return HEADER + "".join(f"GlucoseMeasurement,{value},,,,,{at},,,,,\n" for at in times)


def exercise(activity: str = "walk", length: str = "", start: str = "", end: str = "") -> str:
    happened = "7/22/21 15:12"
    return SMALL + f"ExerciseActivity,,,{length},,{activity},{happened},,,{start},{end},\n"


def test_the_real_export_lands_its_glucose_and_its_exercise(tmp_path: Path) -> None:
    if not EXPORT.exists():
        pytest.skip("the real samples are not beside this checkout")
    reading = read(opened(tmp_path, EXPORT.read_bytes()))
    _, rejects = checked(reading)
    _, _, *rows = csv.reader(EXPORT.read_text(encoding="utf-8").splitlines())
    sensed = [row for row in rows if row[0] == "GlucoseMeasurement"]
    moved = [row for row in rows if row[0] == "ExerciseActivity"]
    assert (reading.rows_in, len(sensed), len(moved), rejects.height) == (94, 85, 4, 5)
    assert rejects["reason"].unique().to_list() == ["record_not_used:Meal"]
    found = conformed(reading)
    readings = found.filter(kind="sensor_glucose")
    assert readings["source_value"].to_list() == [row[1] for row in sensed]
    sent = [datetime.strptime(row[6], "%m/%d/%y %H:%M") for row in sensed]  # noqa: DTZ007
    assert readings["observed_at"].to_list() == [at + timedelta(hours=7) for at in sent]
    workouts = found.filter(kind="workout_duration")
    assert workouts.select("value", "unit", "source_code").rows() == [
        (15.0, "min", None),
        (27.0, "min", "walk"),
        (29.0, "min", "walk"),
        (27.0, "min", "walk"),
    ]


def test_a_reading_keeps_its_text_and_an_exercise_its_two_times(tmp_path: Path) -> None:
    samples, _ = checked(read(opened(tmp_path, SMALL)))
    given_up = ("part", "device", "method", "patient_id")
    assert samples.drop(given_up).rows(named=True) == [
        {
            "line": 3,
            "source_row": None,
            "kind": "sensor_glucose",
            "source_code": None,
            "source_value": "77",
            "source_unit": "mg/dL",
            "source_observed_at": "7/22/21 7:06",
            "source_ended_at": None,
        },
        {
            "line": 5,
            "source_row": "ExerciseActivity, 7/22/21 15:12, 7/22/21 15:12, 7/22/21 15:27",
            "kind": "workout_duration",
            "source_code": "walk",
            "source_value": None,
            "source_unit": None,
            "source_observed_at": "7/22/21 15:12",
            "source_ended_at": "7/22/21 15:27",
        },
    ]


def test_nothing_a_person_wrote_is_shown_of_a_row_that_is_not_used(tmp_path: Path) -> None:
    misfit = 'Note,,,,,"Dear Charles\nI ran",7/22/21 8:00,,,,,\nAda Lovelace,1,,,,,,,,,,\n'
    _, rejects = checked(read(opened(tmp_path, SMALL + misfit)))
    shown = " ".join([*rejects["reason"], *rejects["source_row"]])
    assert not any(word in shown for word in ("Charles", "Pie", "ran", "Ada", "https"))
    assert "Meal, 7/22/21 7:06" in shown
    bad = "GlucoseMeasurement,77,,,7/22/21 7:21\n"
    _, rejects = checked(read(opened(tmp_path, SMALL + bad)))
    assert bad.rstrip() in rejects["source_row"].to_list()


def test_an_exercise_without_end_is_its_length_and_without_either_is_set_aside(
    tmp_path: Path,
) -> None:
    reading = read(opened(tmp_path, exercise(length="1800", start="7/22/21 15:12")))
    assert conformed(reading).select("value", "unit").rows()[-1] == (30.0, "min")
    for lacking in ({"start": "7/22/21 15:12"}, {"length": "1800"}):
        _, rejects = checked(read(opened(tmp_path, exercise(**lacking))))
        assert "record_not_used:ExerciseActivity" in rejects["reason"].to_list()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Strength training", "Strength training"),
        ("vélo", "vélo"),
        ("walk with Ada today", None),
        ("call 555 0100", None),
    ],
)
def test_an_activity_is_named_only_by_a_word_or_two(
    tmp_path: Path, said: str, kept: str | None
) -> None:
    content = exercise(said, start="7/22/21 15:12", end="7/22/21 15:20")
    samples, _ = checked(read(opened(tmp_path, content)))
    assert samples["source_code"].to_list()[-1] == kept


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("7/22/21 7:06", "2021-07-22T14:06"),
        ("22/7/21 7:06", "2021-07-22T14:06"),
        ("7/22/2021 7:06 AM", "2021-07-22T14:06"),
        ("2021-07-22 07:06:00", "2021-07-22T14:06"),
        ("2021-07-22T07:06:00", "2021-07-22T14:06"),
        ("2021-07-22 14:06:00 UTC", "2021-07-22T14:06"),
        ("2021-07-22T14:06:00.000Z", "2021-07-22T14:06"),
        ("2021-07-22 10:06:00 -0400", "2021-07-22T14:06"),
    ],
)
def test_local_times_and_times_with_a_zone_are_one_instant(
    tmp_path: Path, written: str, instant: str
) -> None:
    found = conformed(read(opened(tmp_path, glucose(written))))
    assert found["observed_at"].to_list() == [datetime.fromisoformat(instant)]


def test_a_file_whose_dates_can_be_read_both_ways_waits_until_settings_say(tmp_path: Path) -> None:
    content = glucose("7/8/21 7:06", "7/8/21 7:21")
    assert outcome(tmp_path, content) == "date_order_unknown"
    told = read(opened(tmp_path, content, options={"date_order": "mdy"}))
    assert conformed(told)["observed_on"].unique().to_list() == [date(2021, 7, 8)]


def test_a_unit_is_the_headers_or_the_settings_and_never_a_guess(tmp_path: Path) -> None:
    low = glucose("7/22/21 7:06", "7/22/21 7:21", value="5.4")
    assert outcome(tmp_path, low) == "format_unknown"
    told = read(opened(tmp_path, low, options={"unit": "mmol/l"}))
    assert checked(told)[0]["source_unit"].unique().to_list() == ["mmol/L"]
    stated = read(opened(tmp_path, low.replace("value", "value (mmol/L)")))
    assert checked(stated)[0]["source_unit"].unique().to_list() == ["mmol/L"]
    with pytest.raises(UnreadableError, match="option unit"):
        read(opened(tmp_path, SMALL, options={"unit": "g/L"}))


def test_a_last_line_without_end_counts_if_all_its_fields_are_there(tmp_path: Path) -> None:
    whole = glucose("7/22/21 7:06", "7/22/21 7:21").removesuffix("\n")
    assert checked(read(opened(tmp_path, whole)))[0].height == 2
    samples, rejects = checked(read(opened(tmp_path, whole[:-1])))
    assert (samples.height, rejects["reason"].to_list()) == (1, ["too_few_fields"])
    turned = "class,value,occurred_at\nGlucoseMeasurement,77,7/22/21 7:06"
    _, rejects = checked(read(opened(tmp_path, turned, options={"date_order": "mdy"})))
    assert rejects["reason"].to_list() == ["last_line_open"]


def test_a_file_cut_at_any_byte_never_yields_a_value_that_was_not_sent(tmp_path: Path) -> None:
    whole = SMALL.encode()
    sent = set(checked(read(opened(tmp_path, whole)))[0].iter_rows())
    for end in range(len(whole)):
        cut = outcome(tmp_path, whole[:end])
        if isinstance(cut, Reading):
            assert set(cut.tables["sample"].collect().iter_rows()) <= sent


def test_a_flipped_bit_never_breaks_the_account(tmp_path: Path) -> None:
    whole = SMALL.encode()
    for at in range(0, len(whole), 4):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at // 4 % 8)
        outcome(tmp_path, bytes(flipped))


def test_the_patient_is_the_folder_or_mapped_by_stem_and_else_nobody(tmp_path: Path) -> None:
    mapped = read(opened(tmp_path, SMALL, patient_id=None, patients={"ada": "p9"}))
    assert checked(mapped)[0]["patient_id"].unique().to_list() == ["p9"]
    with pytest.raises(UnreadableError, match="file_unknown"):
        read(opened(tmp_path, SMALL, patient_id=None))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        ("Nutrisense,Ada\n", "format_unknown"),
        ("class,value,happened\nGlucoseMeasurement,77,7/22/21 7:06\n", "format_unknown"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    assert outcome(tmp_path, content) == reason


MINUTES = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(second=0, microsecond=0)
)
READINGS = st.fixed_dictionaries(
    {
        "local_at": MINUTES,
        "glucose": st.integers(40, 400).map(str),
        "ended_at": st.none(),
        "activity": st.none(),
    }
)
BOUTS = st.fixed_dictionaries(
    {
        "local_at": MINUTES,
        "glucose": st.none(),
        "ended_at": st.integers(1, 600),
        "activity": st.sampled_from([None, "walk", "Hot yoga", "Laufen"]),
    }
)
SCHEMA = {
    "local_at": pl.Datetime("us"),
    "glucose": pl.String,
    "ended_at": pl.Datetime("us"),
    "activity": pl.String,
}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(READINGS | BOUTS, min_size=1, max_size=5),
    form=st.sampled_from([US_FORMAT, "%Y-%m-%d %H:%M:%S", "%-d/%-m/%Y %-H:%M"]),
)
def test_what_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], form: str
) -> None:
    first = {
        "local_at": datetime(2021, 7, 22, 7, 6),  # noqa: DTZ001
        "glucose": "90",
        "ended_at": None,
        "activity": None,
    }
    entries = [
        row | {"ended_at": row["local_at"] + timedelta(minutes=row["ended_at"])}
        if row["ended_at"]
        else row
        for row in [first, *rows]
    ]
    content = nutrisense_csv(pl.DataFrame(entries, schema=SCHEMA), time_format=form)
    order = {"date_order": "mdy" if form == US_FORMAT else "dmy"}
    file = opened(tmp_path_factory.mktemp("nutrisense"), content, options=order)
    found = conformed(read(file), "UTC")
    assert found.select("observed_at", "value", "source_code").rows() == [
        (
            row["local_at"],
            float(row["glucose"] or (row["ended_at"] - row["local_at"]).total_seconds() / 60),
            row["activity"],
        )
        for row in entries
    ]
