"""The table reader's device samples: every option, and published studies by their examples."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import fastexcel
import openpyxl
import polars as pl
import pytest

from tests.transforms.readers.test_table import (
    EXAMPLES,
    REAL,
    Read,
    at,
    checked,
    opened,
    outcome,
    workbook,
)


def sampled(columns: Mapping[str, object], **kwargs: object) -> dict[str, Any]:
    return {"patient_id": "pid", "observed_at": "at", "samples": columns, **kwargs}


SENSOR = {"kind": "sensor_glucose", "unit": "mg/dL"}
SAMPLE_TEXT = (
    "pid,at,Libre,Dexcom,HR,INS\n"
    "p1,2024-03-01 08:00,94.1,99,60,\n"
    "p1,2024-03-01 08:01,,98,0,7\n"
    "p1,2024-03-01 08:02,,,,\n"
)
SAMPLES: dict[str, Any] = {
    "Libre": SENSOR | {"device": "Libre"},
    "Dexcom": SENSOR | {"device": "Dexcom", "method": "sensor"},
    "HR": {"kind": "heart_rate", "unit": "/min", "name": "HR", "missing": "0"},
}


def test_a_row_is_a_sample_for_every_column_that_holds_one(tmp_path: Path) -> None:
    options = sampled(SAMPLES, analytes={"INS": {"code": "20448-7", "unit": "uIU/mL"}})
    got = checked(opened(tmp_path, SAMPLE_TEXT, options))
    columns = ("line", "part", "kind", "device", "method", "source_code", "value", "unit")
    assert got.rows("sample", *columns) == [
        (2, 1, "sensor_glucose", "Libre", None, None, 94.1, "mg/dL"),
        (2, 2, "sensor_glucose", "Dexcom", "sensor", None, 99.0, "mg/dL"),
        (2, 3, "heart_rate", None, None, "HR", 60.0, "/min"),
        (3, 2, "sensor_glucose", "Dexcom", "sensor", None, 98.0, "mg/dL"),
    ]
    assert got.rows("observation", "line", "value") == [(3, 7.0)]
    assert got.reasons == {"row_empty": 1}
    assert not {"Libre", "Dexcom"} & set(got.landed["observation"].columns)


def test_device_and_method_of_a_row_are_said_by_columns_and_constants(tmp_path: Path) -> None:
    text = "pid,at,v,dev,how,what\np1,2024-03-01 08:00,90,A,scan,x\np1,2024-03-01 08:05,91,,,\n"
    fields = {"device": "dev", "method": "how", "name": "what"}
    options = sampled({"v": SENSOR}, **fields, constants={"device": "B"})
    got = checked(opened(tmp_path, text, options))
    assert got.rows("sample", "device", "method", "source_code") == [
        ("A", "scan", "x"),
        ("B", None, None),
    ]


def test_only_the_rows_that_other_columns_name_are_values_and_the_rest_is_set_aside(
    tmp_path: Path,
) -> None:
    text = "pid,at,what,v\n" + "".join(
        f"p1,2024-03-01 08:0{n},{what},{n + 90}\n"
        for n, what in enumerate(["cgm", "lab", "meal", "cgm", ""])
    )
    options = sampled(
        {"v": SENSOR | {"only": {"what": ["cgm", "sensor"]}}},
        analytes={
            "vein": {"column": "v", "code": "2345-7", "unit": "mg/dL", "only": {"what": "lab"}}
        },
    )
    got = checked(opened(tmp_path, text + "p1,2024-03-01 09:00,meal,\n", options))
    assert got.rows("sample", "line", "value") == [(2, 90.0), (5, 93.0)]
    assert got.rows("observation", "line", "value") == [(3, 91.0)]
    assert got.reasons == {"record_not_used:only": 2, "row_empty": 1}


def test_an_optional_column_may_be_missing_and_any_other_may_not(tmp_path: Path) -> None:
    steps = {"kind": "steps", "unit": "steps"}
    told = sampled(SAMPLES | {"Steps": steps | {"optional": True}})
    got = checked(opened(tmp_path, SAMPLE_TEXT, told))
    assert got.tables["sample"].height == 4
    assert got.reading.notes == ("the file has no column Steps, which is optional",)
    got = checked(opened(tmp_path, SAMPLE_TEXT, sampled(SAMPLES | {"Steps": steps})))
    assert got.reasons == {"column_missing:Steps": 3}


def test_a_part_of_the_files_name_or_of_a_cell_may_be_a_column(tmp_path: Path) -> None:
    text = "id,v\n1006_2_20210303,90\nunknown,91\n"
    options = {
        "patient_id": "person",
        "observed_at": "day",
        "date_format": "%Y%m%d",
        "method": "series",
        "extract": {
            "person": {"column": "id", "pattern": "^([0-9]+)_"},
            "day": {"column": "id", "pattern": "_([0-9]{8})$"},
            "series": {"column": "#file", "pattern": "^([a-z]+)"},
        },
        "samples": {"v": SENSOR},
    }
    got = checked(opened(tmp_path, text, options, name="abc-7.csv"))
    assert got.rows("sample", "patient_id", "observed_on", "method") == [
        ("1006", date(2021, 3, 3), "abc"),
        (None, None, "abc"),
    ]


@pytest.mark.parametrize(
    ("options", "cells", "stated"),
    [
        ({"date_format": "epoch_s"}, "1711843200,", "2024-03-31T00:00:00Z"),
        ({"date_format": "epoch_ms"}, "1711843200250,", "2024-03-31T00:00:00.250Z"),
        (
            {"date_format": "epoch_s", "utc_offset": "off"},
            "1711843200,3600",
            "2024-03-31T01:00:00+01:00",
        ),
        (
            {"date_format": "epoch_s", "utc_offset": "off"},
            "1711843200,-03:30",
            "2024-03-30T20:30:00-03:30",
        ),
        ({"date_format": "epoch_s", "utc_offset": "off"}, "1711843200,", "2024-03-31T00:00:00Z"),
        (
            {"date_format": "%d/%m/%Y %H:%M", "utc_offset": "off"},
            "31/03/2024 01:00,3600",
            "2024-03-31T01:00:00+01:00",
        ),
        (
            {"date_format": "%d/%m/%Y %H:%M", "utc_offset": "off"},
            "31/03/2024 01:00,",
            "31/03/2024 01:00",
        ),
        (
            {"date_format": "%d/%m/%Y %H:%M", "clock": "utc", "utc_offset": "off"},
            "31/03/2024 01:00,3600",
            "2024-03-31T02:00:00+01:00",
        ),
        ({"clock": "utc"}, "2024-03-31 01:00,", "2024-03-31T01:00:00Z"),
        ({"clock": "utc"}, "2024-03-31T01:00:00+02:00,", "2024-03-31T01:00:00+02:00"),
        ({"clock": "utc"}, "2024-03-31,", "2024-03-31"),
        ({}, "2024-03-31 01:00,", "2024-03-31 01:00"),
    ],
)
def test_a_time_told_in_pieces_becomes_one_text_with_its_offset(
    tmp_path: Path, options: dict[str, object], cells: str, stated: str
) -> None:
    text = f"pid,at,off,v\np1,{cells},90\n"
    got = checked(opened(tmp_path, text, sampled({"v": SENSOR}, **options)))
    assert got.rows("sample", "source_observed_at") == [(stated,)]
    assert got.tables["sample"]["observed_at"].null_count() == 0


@pytest.mark.parametrize(
    "cells",
    ["soon,", "1711843200,soon", "1e400,", "NaN,", "99999999999999999999,", "1,999999", "1,90"],
)
def test_a_time_that_cannot_be_understood_is_left_for_the_gate(tmp_path: Path, cells: str) -> None:
    options = sampled({"v": SENSOR}, date_format="epoch_s", utc_offset="off")
    got = checked(opened(tmp_path, f"pid,at,off,v\np1,{cells},90\n", options))
    assert got.rows("sample", "observed_at") == [(None,)]


def test_a_sample_over_an_interval_ends_as_stated_or_after_its_seconds(tmp_path: Path) -> None:
    stepped = sampled(
        {"v": {"kind": "steps", "unit": "steps"}}, date_format="epoch_s", duration_seconds="s"
    )
    text = "pid,at,s,v\np1,1711846800,900,31\np1,1711847700,,5\np1,1711848600,long,5\n"
    got = checked(opened(tmp_path, text, stepped))
    ended = got.rows("sample", "source_ended_at", "ended_at")
    assert ended == [
        ("2024-03-31T01:15:00Z", at("2024-03-31T01:15")),
        (None, None),
        ("long", None),
    ]
    asleep = sampled({"#length": {"kind": "sleep_duration", "name": "night"}}, ended_at=["d", "t"])
    text = "pid,at,d,t\np1,2024-03-30 23:00,2024-03-31,07:00\np1,2024-04-01 23:00,,\n"
    got = checked(opened(tmp_path, text, asleep, time_zone="Europe/Rome"))
    columns = ("source_value", "value", "unit", "source_code")
    assert got.rows("sample", *columns) == [(None, 7.0, "h", "night")]
    assert got.reasons == {"row_empty": 1}


def test_minutes_after_a_stated_time_are_times_and_nothing_is_no_time(tmp_path: Path) -> None:
    text = "pid,m,v\np1,-10,90\np1,0,91\np1,120.5,92\np1,,93\np1,late,94\n"
    options = {
        "patient_id": "pid",
        "minutes_after": "m",
        "constants": {"observed_at": "2020-01-01T08:00"},
        "samples": {"v": SENSOR},
    }
    got = checked(opened(tmp_path, text, options))
    assert got.rows("sample", "observed_at") == [
        (at("2020-01-01T07:50"),),
        (at("2020-01-01T08:00"),),
        (at("2020-01-01T10:00:30"),),
        (None,),
        (None,),
    ]


def test_a_sheets_midnight_among_times_is_a_time_of_a_sample(tmp_path: Path) -> None:
    rows: list[list[object]] = [["pid", "at", "v"]]
    rows += [["p1", datetime(2024, 3, 1, hour, minute), 90] for hour, minute in ((23, 45), (8, 0))]  # noqa: DTZ001
    rows += [["p1", datetime(2024, 3, 2), 95]]  # noqa: DTZ001
    options = sampled({"v": SENSOR})
    got = checked(opened(tmp_path, workbook(rows), options, time_zone="Asia/Shanghai"))
    at_midnight = got.tables["sample"].sort("line").row(-1, named=True)
    assert at_midnight["observed_at"] == at("2024-03-01T16:00")
    assert (at_midnight["observed_precision"], at_midnight["observed_on"]) == (
        "time",
        date(2024, 3, 2),
    )
    days = [["pid", "at", "v"], ["p1", datetime(2024, 3, 2), 9000]]  # noqa: DTZ001
    options = sampled({"v": {"kind": "steps", "unit": "steps"}})
    got = checked(opened(tmp_path, workbook(days), options))
    assert got.rows("sample", "observed_precision") == [("day",)]


def test_samples_of_a_file_cut_anywhere_were_all_sent(tmp_path: Path) -> None:
    options = sampled(SAMPLES)
    whole = SAMPLE_TEXT.encode()
    sent = set(checked(opened(tmp_path, whole, options)).landed["sample"].iter_rows())
    for end in range(len(whole)):
        cut = outcome(opened(tmp_path, whole[:end], options))
        if isinstance(cut, Read) and "sample" in cut.landed:
            assert set(cut.landed["sample"].iter_rows()) <= sent


# Published studies

Cells = dict[tuple[int, str], float]


def study(tmp_path: Path, file: str, name: str, path: str) -> Read:
    """A published file read by its example."""
    real = REAL / path
    if not real.exists():
        pytest.skip("the published files are not beside this checkout")
    given = tomllib.loads((EXAMPLES / f"{file}.toml").read_text(encoding="utf-8"))["sources"][name]
    options, zone = given["table"], given["time_zone"]
    return checked(opened(tmp_path, real.read_bytes(), options, real.name, time_zone=zone))


def written(path: str, *columns: str, nothing: tuple[str, ...] = ("",)) -> Cells:
    """(line, column) -> number, by Python's own csv module."""
    with (REAL / path).open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {
        (line, column): float(row[column])
        for line, row in enumerate(rows, start=2)
        for column in columns
        if row[column] not in nothing
    }


def arrived(got: Read, columns: Mapping[int, str], table: str = "sample") -> Cells:
    """(line, column) -> number, of the parts that were made of ``columns``."""
    rows = got.rows(table, "line", "part", "number")
    return {(line, columns[part]): number for line, part, number in rows}


@pytest.mark.parametrize(
    ("name", "file", "columns", "nothing", "count", "set_aside"),
    [
        ("uom_glucose", "UoMGlucose2401.csv", ("value",), ("",), 15047, {}),
        ("uom_activity", "UoMActivity2401.csv", ("step_count", "active_Kcal"), ("",), 20674, {}),
        (
            "uom_sleep",
            "UoM2401sleeptime.csv",
            ("deep_sleep_s", "light_sleep_s", "rem_sleep_s"),
            ("",),
            207,
            {},
        ),
        (
            "uom_heart",
            "UoMsleep2401.csv",
            ("heart_rate", "resting_heart_rate"),
            ("", "0"),
            29027,
            {"row_empty": 828},
        ),
    ],
)
def test_a_study_of_sensors_and_watches_arrives_as_it_stands_there(
    tmp_path: Path,
    name: str,
    file: str,
    columns: tuple[str, ...],
    nothing: tuple[str, ...],
    count: int,
    set_aside: dict[str, int],
) -> None:
    got = study(tmp_path, "t1d_uom", name, f"t1d_uom/{file}")
    expected = written(f"t1d_uom/{file}", *columns, nothing=nothing)
    assert arrived(got, dict(enumerate(columns, start=1))) == expected
    assert (len(expected), got.reasons) == (count, set_aside)
    understood = got.tables["sample"].select("value", "observed_at", "patient_id")
    assert understood.null_count().sum_horizontal().item() == 0
    assert set(got.tables["sample"]["patient_id"]) == {"UOM2401"}


def test_a_watchs_instants_and_its_clock_are_both_kept_over_a_clock_change(tmp_path: Path) -> None:
    got = study(tmp_path, "t1d_uom", "uom_activity", "t1d_uom/UoMActivity2401.csv")
    with (REAL / "t1d_uom/UoMActivity2401.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    steps = got.tables["sample"].filter(kind="steps").sort("line")
    shown = [datetime.strptime(row["activity_ts"], "%d/%m/%Y %H:%M") for row in rows]  # noqa: DTZ007
    stated = [datetime.fromisoformat(text) for text in steps["source_observed_at"]]
    assert [moment.replace(tzinfo=None) for moment in stated] == shown
    assert [moment.timestamp() for moment in stated] == [int(row["start_time_s"]) for row in rows]
    assert steps["observed_on"].to_list() == [moment.date() for moment in shown]
    length = (steps["ended_at"] - steps["observed_at"]).dt.total_seconds()
    assert length.to_list() == [int(row["duration_s"]) for row in rows]
    key = ("observed_at", "ended_at", "method")
    told = {(row["start_time_s"], row["duration_s"], row["activity_type"]) for row in rows}
    assert steps.select(key).unique().height == len(told) == 10327  # ten rows stand twice


def test_a_nights_start_is_the_first_second_of_its_stages(tmp_path: Path) -> None:
    got = study(tmp_path, "t1d_uom", "uom_sleep", "t1d_uom/UoM2401sleeptime.csv")
    with (REAL / "t1d_uom/UoM2401sleeptime.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    first = [
        min(
            span["startTimeInSeconds"]
            for column, cell in row.items()
            if column.startswith("sleep_levels_map") and cell
            for span in json.loads(cell)
        )
        for row in rows
    ]
    deep = got.tables["sample"].filter(method="deep").sort("line")
    assert (deep["observed_at"].dt.epoch("s") - pl.Series(first)).abs().max() <= 60 * 60
    exact = (deep["observed_at"].dt.epoch("s") == pl.Series(first)).sum()
    assert exact >= 60


SHANGHAI = {
    "1001_0_20210730.xlsx": (658, 53),
    "1002_0_20210504.xls": (948, 84),
    "1002_1_20210521.xls": (933, 66),
    "1002_2_20210909.xls": (357, 26),
    "1003_0_20210831.xls": (1339, 100),
    "1004_0_20210425.xls": (917, 67),
    "1005_0_20210522.xls": (1256, 55),
    "1006_0_20210114.xlsx": (1236, 5),
    "1006_1_20210209.xlsx": (1339, 22),
    "1006_2_20210303.xlsx": (1135, 44),
    "1007_0_20210726.xls": (1337, 0),
    "1008_0_20210713.xls": (766, 59),
    "1009_0_20210803.xls": (681, 55),
    "1010_0_20210915.xls": (918, 66),
    "1012_0_20210923.xls": (1339, 0),
}


@pytest.mark.parametrize("name", SHANGHAI)
def test_every_value_of_a_visits_workbook_arrives_under_its_patient(
    tmp_path: Path, name: str
) -> None:
    path = f"shanghai_diabetes/Shanghai_T1DM/{name}"
    got = study(tmp_path, "shanghai", "shanghai", path)
    cells = fastexcel.read_excel(REAL / path).load_sheet(0, dtypes="string").to_polars()
    sensed = [float(value) for value in cells["CGM (mg / dl)"] if value]
    pricked = [float(value) for value in cells["CBG (mg / dl)"] if value]
    assert (len(sensed), len(pricked)) == SHANGHAI[name]
    samples = got.tables["sample"].sort("line")
    assert samples["value"].to_list() == sensed
    assert samples["observed_at"].is_sorted()
    assert samples["observed_at"].n_unique() == len(sensed)
    assert samples["patient_id"].unique().to_list() == [f"SH{name[:4]}"]
    meter = got.tables["observation"].sort("line")
    assert meter["number"].to_list() == pricked
    assert set(meter["analyte"]) <= {"capillary_glucose"}
    assert got.reasons == {}


def test_the_laboratory_of_all_visits_is_dated_by_its_first_column(tmp_path: Path) -> None:
    path = "shanghai_diabetes/Shanghai_T1DM_Summary.xlsx"
    got = study(tmp_path, "shanghai", "shanghai_summary", path)
    sheet = openpyxl.load_workbook(REAL / path, read_only=True).worksheets[0]
    header, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    given = tomllib.loads((EXAMPLES / "shanghai.toml").read_text(encoding="utf-8"))
    mapped = list(given["sources"]["shanghai_summary"]["table"]["analytes"])
    place = {" ".join(str(name).split()): n for n, name in enumerate(header)}
    expected = {
        (line, column): float(row[place[column]])
        for line, row in enumerate(rows, start=2)
        for column in mapped
        if row[place[column]] not in {"/", None}
    }
    assert len(expected) == 253
    assert arrived(got, dict(enumerate(mapped, start=1)), "observation") == pytest.approx(expected)
    understood = got.tables["observation"].select("value", "observed_at", "patient_id")
    assert understood.null_count().sum_horizontal().item() == 0
    assert got.tables["patient"]["patient_id"].n_unique() == 12
    assert got.reading.rows_in == 16


METWALLY = "metwally_subphenotypes/filtered_"
SERIES = "ogtt_glucose_timeseries_ctru_athome_venous_cgm_03222026.csv"


def test_a_tolerance_test_by_vein_and_by_sensor_is_told_apart(tmp_path: Path) -> None:
    got = study(tmp_path, "metwally", "metwally_series", METWALLY + SERIES)
    with (REAL / (METWALLY + SERIES)).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    is_vein = [row["SampleLocation_ExtractionMethod"] == "CTRU_Venous" for row in rows]
    mapped = {"-10", "-5", "0", "30", "60", "90", "120", "180"}
    sensed = {n: float(rows[n - 2]["Glucose"]) for n, v in enumerate(is_vein, start=2) if not v}
    drawn = {
        n: float(rows[n - 2]["Glucose"])
        for n, vein in enumerate(is_vein, start=2)
        if vein and rows[n - 2]["Timepoint"] in mapped
    }
    assert (len(rows), len(sensed), len(drawn)) == (3097, 2335, 333)
    assert dict(got.rows("sample", "line", "number")) == sensed
    assert dict(got.rows("observation", "line", "number")) == drawn
    assert got.reasons == {"record_not_used:only": 3097 - 2335 - 333}
    fasting = dict(got.tables["observation"].group_by("fasting").len().iter_rows())
    assert fasting == {"yes": 96, "no": 237}
    after = got.tables["sample"].with_columns(
        minutes=(pl.col("observed_at") - at("2020-01-01T16:00")).dt.total_minutes()
    )
    minutes = {n: int(rows[n - 2]["Timepoint"]) for n in sensed}
    assert dict(after.select("line", "minutes").iter_rows()) == minutes
    key = ("patient_id", "method", "observed_at")
    assert after.select(key).unique().height == len(sensed)


def test_the_people_of_a_study_and_their_values_are_read(tmp_path: Path) -> None:
    path = METWALLY + "study_participants_characteristics.csv"
    got = study(tmp_path, "metwally", "metwally_people", path)
    columns = ("FPG", "OGTT_2h", "HbA1c")
    expected = written(path, *columns)
    assert arrived(got, dict(enumerate(columns, start=1)), "observation") == expected
    assert (len(expected), got.tables["patient"].height, got.reasons) == (144, 48, {})


@pytest.mark.parametrize(
    ("number", "rows", "samples"),
    [("001", 60, 175), ("002", 40, 117), ("003", 40, 117), ("004", 40, 117), ("005", 40, 157)],
)
def test_two_sensors_and_a_watch_of_one_line_are_samples_of_their_own(
    tmp_path: Path, number: str, rows: int, samples: int
) -> None:
    path = f"cgm_cgm_format/CGMacros-{number}.csv"
    got = study(tmp_path, "cgmacros", "cgmacros", path)
    columns = ("Libre GL", "Dexcom GL", "HR", *(("Steps",) if number == "005" else ()))
    expected = written(path, *columns)
    assert arrived(got, dict(enumerate(columns, start=1))) == expected
    assert (got.reading.rows_in, len(expected)) == (rows, samples)
    key = ("kind", "device", "observed_at")
    assert got.tables["sample"].select(key).unique().height == samples
    assert set(got.tables["sample"]["patient_id"]) == {f"CGMACROS-{number}"}


def test_a_file_of_another_kind_waits_whole(tmp_path: Path) -> None:
    """Doses of insulin under the mapping of glucose, and a table of no analyte we know."""
    got = study(tmp_path, "t1d_uom", "uom_glucose", "t1d_uom/UoMBolus2401.csv")
    assert got.reasons == {"column_missing:bg_ts,value": 246}
    got = study(tmp_path, "metwally", "metwally_people", METWALLY + "metabolic_tests.csv")
    assert got.reasons == {"column_missing:Sex,FPG,OGTT_2h,HbA1c": 48}
