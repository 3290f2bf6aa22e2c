"""Levels exports: the real one, both clocks of every row, and what a damaged file does."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.conform import Arrival, conform
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers.levels import read
from transforms.synthetic.emit_levels import levels_csv

REAL = Path(__file__).parents[3].parent / "shared" / "realdata"
EXPORT = REAL / "cgm_cgmr" / "Firstname4Lastname4_levels.csv"

HEADER = "Time (UTC),Time (Local),Glucose Reading (mg/dL),Type of Reading\n"
FIRST = "2021-06-20T19:09:59.000Z,2021-06-20T12:09:59,106,timeseries\n"
SMALL = (
    "Levels,Ada Lovelace,,\n"
    + HEADER
    + FIRST
    + "2021-06-20T20:01:59.000Z,2021-06-20T13:01:59,100,directRead\n"
)


def opened(
    tmp_path: Path,
    content: str | bytes,
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    source = Source("levels", "levels", patients=patients or {})
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
    return samples, rejects


def landed(tmp_path: Path, content: str | bytes) -> pl.DataFrame:
    return checked(read(opened(tmp_path, content)))[0]


def outcome(tmp_path: Path, content: str | bytes) -> Reading | str:
    try:
        reading = read(opened(tmp_path, content))
        checked(reading)
    except UnreadableError as error:
        assert error.reason in REASONS
        return error.reason
    return reading


def times(tmp_path: Path, utc: str, local: str) -> str | None:
    found: str | None = landed(tmp_path, f"{HEADER}{utc},{local},100,timeseries\n")[
        "source_observed_at"
    ][0]
    return found


def test_the_real_export_lands_whole_with_its_own_values(tmp_path: Path) -> None:
    if not EXPORT.exists():
        pytest.skip("the real samples are not beside this checkout")
    reading = read(opened(tmp_path, EXPORT.read_bytes()))
    samples, rejects = checked(reading)
    _, _, *rows = csv.reader(EXPORT.read_text(encoding="utf-8").splitlines())
    assert (reading.rows_in, samples.height, rejects.height) == (len(rows), len(rows), 0)
    assert len(rows) == 1456
    in_order = samples.sort("line")
    assert in_order["source_value"].to_list() == [row[2] for row in rows]
    assert in_order["method"].to_list() == [row[3] for row in rows]
    stated = [datetime.fromisoformat(at) for at in in_order["source_observed_at"]]
    assert stated == [datetime.fromisoformat(row[0]) for row in rows]
    assert [f"{at:%Y-%m-%dT%H:%M:%S}" for at in stated] == [row[1] for row in rows]


def test_a_reading_keeps_its_text_its_kind_and_its_line(tmp_path: Path) -> None:
    assert landed(tmp_path, SMALL).sort("line").row(1, named=True) == {
        "line": 4,
        "part": 0,
        "source_row": None,
        "patient_id": "p1",
        "kind": "sensor_glucose",
        "device": None,
        "method": "directRead",
        "source_code": None,
        "source_value": "100",
        "source_unit": "mg/dL",
        "source_observed_at": "2021-06-20T13:01:59-07:00",
        "source_ended_at": None,
    }


@pytest.mark.parametrize(
    ("utc", "local", "stated"),
    [
        ("2024-03-10T09:59:59Z", "2024-03-10T01:59:59", "2024-03-10T01:59:59-08:00"),
        ("2024-03-10T10:00:00Z", "2024-03-10T03:00:00", "2024-03-10T03:00:00-07:00"),
        ("2024-11-03T08:30:00Z", "2024-11-03T01:30:00", "2024-11-03T01:30:00-07:00"),
        ("2024-11-03T09:30:00Z", "2024-11-03T01:30:00", "2024-11-03T01:30:00-08:00"),
        ("2024-06-01T00:15:00Z", "2024-06-01T06:00:00", "2024-06-01T06:00:00+05:45"),
        ("2024-06-01T00:15:00.250Z", "2024-06-01T00:15:00", "2024-06-01T00:15:00.250+00:00"),
        ("2024-06-01T00:15:00Z", "", "2024-06-01T00:15:00Z"),
        ("2024-06-01T00:15:00Z", "2024-06-01T00:22:00", "2024-06-01T00:15:00Z"),
        ("2024-06-01T00:15:00Z", "2024-07-01T00:15:00", "2024-06-01T00:15:00Z"),
        ("", "2024-06-01T00:15:00", "2024-06-01T00:15:00"),
        ("soon", "2024-06-01T00:15:00", "2024-06-01T00:15:00"),
        ("soon", "", "soon"),
        ("", "", None),
    ],
)
def test_both_clocks_of_a_row_make_one_time_with_its_offset(
    tmp_path: Path, utc: str, local: str, stated: str | None
) -> None:
    assert times(tmp_path, utc, local) == stated


def test_other_units_separators_and_column_orders_are_read(tmp_path: Path) -> None:
    content = (
        "Type of Reading;Glucose Reading (mmol/L);Time (Local);Time (UTC)\n"
        "timeseries;5,8;2024-06-01T08:00:00;2024-06-01T06:00:00Z\n"
    )
    reading = read(opened(tmp_path, content))
    row = checked(reading)[0].row(0, named=True)
    assert (row["source_value"], row["source_unit"], reading.decimal) == ("5,8", "mmol/L", ",")
    assert row["source_observed_at"] == "2024-06-01T08:00:00+02:00"


def test_a_row_without_glucose_is_set_aside_by_its_kind(tmp_path: Path) -> None:
    rows = FIRST.replace("106", "") + FIRST.replace("106,timeseries", ",Ada 1815")
    samples, rejects = checked(read(opened(tmp_path, SMALL + rows)))
    assert samples.height == 2
    assert rejects["reason"].to_list() == ["record_not_used:timeseries", "record_not_used:other"]


def test_a_last_line_without_end_counts_only_where_its_last_word_is_whole(tmp_path: Path) -> None:
    whole = SMALL.removesuffix("\n")
    assert landed(tmp_path, whole).height == 2
    samples, rejects = checked(read(opened(tmp_path, whole[:-1])))
    assert (samples.height, rejects["reason"].to_list()) == (1, ["last_line_open"])


def test_a_file_cut_at_any_byte_never_yields_a_value_that_was_not_sent(tmp_path: Path) -> None:
    whole = SMALL.encode()
    sent = set(landed(tmp_path, whole).iter_rows())
    for end in range(len(whole)):
        cut = outcome(tmp_path, whole[:end])
        if isinstance(cut, Reading):
            assert set(cut.tables["sample"].collect().iter_rows()) <= sent


def test_a_flipped_bit_never_breaks_the_account(tmp_path: Path) -> None:
    whole = SMALL.encode()
    for at in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at // 3 % 8)
        outcome(tmp_path, bytes(flipped))


def test_bad_rows_wait_alone(tmp_path: Path) -> None:
    bad = b"\x00,,1,timeseries\n\xff,,1,timeseries\nshort\n" + b"x" * 1_000_001 + b"\n"
    samples, rejects = checked(read(opened(tmp_path, SMALL.encode() + bad)))
    assert samples.height == 2
    assert sorted(rejects["reason"]) == ["encoding", "line_too_long", "nul_byte", "too_few_fields"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        ("Levels,Ada Lovelace,,\n", "format_unknown"),
        (HEADER.replace("(mg/dL)", "(g/L)") + FIRST, "format_unknown"),
        (HEADER.replace("Time", "Date") + FIRST, "format_unknown"),
        ("class,value,occurred_at\nMeal,,7/22/21 7:06\n", "format_unknown"),
    ],
    ids=["empty", "no header", "no known unit", "no time", "nutrisense"],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    assert outcome(tmp_path, content) == reason


def test_the_patient_is_the_folder_or_mapped_by_stem_and_else_nobody(tmp_path: Path) -> None:
    mapped = read(opened(tmp_path, SMALL, patient_id=None, patients={"ada": "p9"}))
    assert checked(mapped)[0]["patient_id"].unique().to_list() == ["p9"]
    with pytest.raises(UnreadableError, match="file_unknown"):
        read(opened(tmp_path, SMALL, patient_id=None))


READINGS = st.fixed_dictionaries(
    {
        "at": st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001
            lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
        ),
        "east_minutes": st.integers(-48, 56).map(lambda quarters: quarters * 15),
        "glucose": st.integers(20, 600).map(str),
        "type": st.sampled_from(["timeseries", "directRead"]),
    }
)
SCHEMA = {
    "at": pl.Datetime("us"),
    "east_minutes": pl.Int64,
    "glucose": pl.String,
    "type": pl.String,
}


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(READINGS, min_size=1, max_size=5), name=st.sampled_from(["Ada", "Žofie Ó"]))
def test_what_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], name: str
) -> None:
    content = levels_csv(pl.DataFrame(rows, schema=SCHEMA), name)
    reading = read(opened(tmp_path_factory.mktemp("levels"), content))
    arrival = Arrival("levels", 1, date(2036, 1, 1), "Europe/Rome", reading.time_formats)
    found = conform("sample", reading.tables["sample"], arrival).collect().sort("line")
    assert found.select("observed_at", "observed_on", "value", "method").rows() == [
        (
            row["at"],
            (row["at"] + timedelta(minutes=row["east_minutes"])).date(),
            float(row["glucose"]),
            row["type"],
        )
        for row in rows
    ]
    stated = [datetime.fromisoformat(at) for at in found["source_observed_at"]]
    assert stated == [row["at"].replace(tzinfo=UTC) for row in rows]
