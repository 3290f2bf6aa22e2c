"""CareLink and iPro2 exports: a real one, blocks, languages, orders of dates, and broken files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.landing import (
    LANDING,
    PLACE,
    REJECTS,
    Opened,
    Reading,
    Source,
    UnreadableError,
)
from transforms.readers.carelink import MOST_BLOCKS, WITHHELD, read
from transforms.synthetic.emit_carelink import Pump, carelink_csv, ipro2_txt

REAL = Path(__file__).parents[3].parent / "shared" / "realdata"
IPRO2 = REAL / "cgm_glu_rpackage" / "data_export-999999.csv"

PREAMBLE = (
    "Last Name;First Name;Patient ID;System ID;Start Date;End Date;Device;MiniMed 780G MMT-1886\n"
    '"Lovelace";"Ada";"MRN-7";"";"01/07/2021 00:00:00";"25/07/2021 00:00:00";'
    '"Serial Number";NG1H\n'
    "Patient DOB;10/12/1815;;;;;CGM;Guardian™ 4 Sensor\n"
    "Device data shown may exceed selected date range.\n\n"
)
COLUMNS = (
    "Index;Date;Time;New Device Time;BG Source;BG Reading (mg/dL);Linked BG Meter ID;Alert;"
    "Sensor Glucose (mg/dL);ISIG Value;Event Marker\n"
)
PUMP = (
    "-------;MiniMed 780G MMT-1886;Pump;NG1H;------- \n"
    + COLUMNS
    + "0,00000;2021/07/25;09:35:28;;;"
    ";;SENSOR CONNECTED;;;\n"
    "1,00000;2021/07/25;09:30:00;;;;;;;;Meal: with Ada's aunt\n"
    "2,00000;2021/07/25;08:00:00;;USER_ACCEPTED_REMOTE_BG;104;M-1;;;;\n"
    "3,00000;2021/07/25;08:00:05;;BG_SENT_FOR_CALIB;104;M-1;;;;\n"
    "4,00000;2021/07/25;07:00:00;;ENTERED_IN_BG_ENTRY;99;;;;;\n\n"
)
TOTALS = (
    "-------;MiniMed 780G MMT-1886;Pump;NG1H;Aggregated Auto Insulin Data \n" + COLUMNS + "5,00000;"
    "2021/07/25;00:00:00;;;;;;;;\n\n"
)
SENSOR = (
    "-------;MiniMed 780G MMT-1886;Sensor;NG1H;------- \n"
    + COLUMNS
    + "6,00000;2021/07/25;09:35:00;"
    ";;;;;113;19,01;\n"
    "7,00000;2021/07/25;09:30:00;;;;;;-------;19,02;\n"
    "8,00000;2021/07/25;09:25:00;;;;;;98;18,5;\n"
)
SMALL = PREAMBLE + PUMP + TOTALS + SENSOR

OLD = (
    "Medtronic Diabetes CareLink Personal Data Export File (v1.0.1) \n"
    "PATIENT INFO\nName,Ada Lovelace\nReport Range,8/1/16,to,8/13/16\nDEVICE INFO\n"
    "Meter:,Linked Meter,#A6B7DB,,\nPump:,Paradigm Revel - 723,#965788,VER 3.0B1.1,\n"
    "Data Exported on,8/13/16 10:05 AM\nDEVICE DATA (2 records)\n"
    "Data Range,8/13/16 00:00:00,to,8/13/16 09:50:55\n"
    "Index,Date,Time,Timestamp,New Device Time,BG Reading (mg/dL),Linked BG Meter ID,Alarm,"
    "Sensor Glucose (mg/dL),ISIG Value,Raw-Type,Raw-Values,Raw-Device Type\n"
    "1,8/13/16,09:45:55,8/13/16 09:45:55,,,,,120,25.1,GlucoseSensorData,AMOUNT=120,"
    "Paradigm Revel 723\n"
    "2,8/13/16,09:50:55,8/13/16 09:50:55,,,,,,,AlarmPump,RAW_TYPE=4,Paradigm Revel 723\n"
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
    source = Source("carelink", "carelink", patients=patients or {}, options=options or {})
    return Opened(path, "export.csv", source, scratch, patient_id)


Checked = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def checked(reading: Reading) -> Checked:
    """Samples, observations, rejects, after the law: every row in one of them."""
    samples = reading.tables["sample"].collect(engine="streaming")
    observations = reading.tables["observation"].collect(engine="streaming")
    rejects = reading.rejects.collect(engine="streaming")
    assert samples.columns == [*PLACE, *LANDING["sample"]]
    assert observations.columns == [*PLACE, *LANDING["observation"]]
    assert dict(rejects.schema) == REJECTS
    assert not {*samples["line"], *observations["line"]} & {*rejects["line"]}
    assert rejects["line"].is_unique().all()
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= REASONS.keys()
    lines = {*samples["line"], *observations["line"], *rejects["line"]}
    assert len(lines) == reading.rows_in
    return samples, observations, rejects


def read_all(tmp_path: Path, content: str | bytes) -> Checked:
    return checked(read(opened(tmp_path, content)))


def outcome(tmp_path: Path, content: str | bytes) -> Reading | UnreadableError:
    try:
        reading = read(opened(tmp_path, content))
        checked(reading)
    except UnreadableError as error:
        assert error.reason in REASONS
        return error
    return reading


def refusal(tmp_path: Path, content: str | bytes) -> str:
    refused = outcome(tmp_path, content)
    assert isinstance(refused, UnreadableError)
    return refused.reason


def reasons(rejects: pl.DataFrame) -> dict[str, int]:
    return dict(rejects.group_by("reason").len().iter_rows())


def times(reading: Reading) -> list[datetime]:
    written = pl.col("source_observed_at")
    parsed = [written.str.to_datetime(format_, strict=False) for format_ in reading.time_formats]
    return reading.tables["sample"].select(pl.coalesce(parsed)).collect().to_series().to_list()


@pytest.mark.skipif(not IPRO2.exists(), reason="the real samples are not beside this checkout")
def test_the_real_ipro2_export_lands_every_sensor_reading(tmp_path: Path) -> None:
    """Counts by ``iconv -f utf-16 | awk -F'\\t'`` over columns 10 and 16."""
    reading = read(opened(tmp_path, IPRO2.read_bytes()))
    samples, observations, rejects = checked(reading)
    assert (reading.rows_in, samples.height, observations.height) == (1283, 1170, 0)
    assert reasons(rejects) == {
        "record_not_used:SensorEvent": 54,
        "record_not_used:LogbookDatum": 24,
        "record_not_used:SensorComaModeEvent": 19,
        "record_not_used:IProGlucoseSensorData": 14,
        "record_not_used:GSRCurrentDeviceStatus": 1,
        "record_not_used:GSRCurrentDeviceInfo": 1,
    }
    assert reading.time_formats == ("%d/%m/%y %H:%M:%S",)
    assert (min(times(reading)), max(times(reading))) == (
        datetime(2016, 2, 8, 14, 1, 2),  # noqa: DTZ001
        datetime(2016, 2, 12, 15, 26, 4),  # noqa: DTZ001
    )
    assert samples["device"].unique().to_list() == ["Medtronic iPro2 Recorder 3080857"]
    assert samples["source_unit"].unique().to_list() == ["mmol/L"]


def test_a_reading_keeps_its_text_its_line_and_its_device(tmp_path: Path) -> None:
    samples, _, _ = read_all(tmp_path, SMALL)
    assert samples["source_value"].to_list() == ["113", "98"]
    row = samples.row(0, named=True)
    assert {key: value for key, value in row.items() if value is not None} == {
        "line": 20,
        "part": 0,
        "patient_id": "p1",
        "kind": "sensor_glucose",
        "device": "MiniMed 780G MMT-1886 NG1H Guardian™ 4 Sensor",
        "source_value": "113",
        "source_unit": "mg/dL",
        "source_observed_at": "2021/07/25 09:35:00",
    }


def test_what_is_no_sensor_reading_is_set_aside_by_the_column_it_fills(tmp_path: Path) -> None:
    _, _, rejects = read_all(tmp_path, SMALL)
    assert reasons(rejects) == {
        "record_not_used:Alert": 1,
        "record_not_used:Event Marker": 1,
        "record_not_used:BG Reading": 2,
        "record_not_used:ISIG Value": 1,
        "record_not_used:other": 1,
    }


def test_a_linked_meters_reading_is_capillary_glucose_and_a_typed_one_is_not_used(
    tmp_path: Path,
) -> None:
    _, observations, _ = read_all(tmp_path, SMALL)
    assert observations.select(
        "source_code", "source_value", "source_unit", "source_observed_at"
    ).rows() == [("41653-7", "104", "mg/dL", "2021/07/25 08:00:00")]
    molar = SMALL.replace("mg/dL", "mmol/L").replace(";104;", ";5,8;")
    assert read_all(tmp_path, molar)[1]["source_code"].to_list() == ["14743-9"]


def test_a_line_with_both_readings_gives_two_parts(tmp_path: Path) -> None:
    samples, observations, _ = read_all(tmp_path, SMALL + "9;2021/07/25;09:20:00;;;90;M-1;;95;;\n")
    assert (samples["line"][-1], samples["part"][-1]) == (23, 0)
    assert observations.select("line", "part").rows()[-1] == (23, 1)


def test_no_name_birth_date_or_note_is_kept(tmp_path: Path) -> None:
    twice = SMALL + PREAMBLE + PUMP
    for content in (twice, twice.replace(COLUMNS, "", 1), OLD + OLD):
        reading = read(opened(tmp_path, content))
        kept = "".join(frame.write_csv() for frame in checked(reading))
        assert not [word for word in ("Lovelace", "Ada", "1815", "MRN") if word in kept]
    assert WITHHELD in kept


def test_the_old_export_names_its_device_in_every_row(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, OLD))
    samples, _, rejects = checked(reading)
    assert samples["device"].to_list() == ["Paradigm Revel 723 965788"]
    assert reasons(rejects) == {"record_not_used:AlarmPump": 1}
    assert times(reading) == [datetime(2016, 8, 13, 9, 45, 55)]  # noqa: DTZ001


def test_two_devices_of_one_file_stay_apart_and_unnamed_ones_share_no_serial(
    tmp_path: Path,
) -> None:
    other = SENSOR.replace("NG1H", "NG2H").replace("09:", "10:")
    samples, _, _ = read_all(tmp_path, SMALL + other)
    assert samples["device"].n_unique() == 2
    two_pumps = OLD.replace("Data Exported", "Pump:,Paradigm 722,#111111,\nData Exported")
    assert read_all(tmp_path, two_pumps)[0]["device"].to_list() == ["Paradigm Revel 723"]


LOCAL = {
    "German": "Index;Datum;Zeit;Zeitstempel;BZ-Messwert (mg/dl);Sensorglukose (mmol/l);ISIG-Wert",
    "Dutch": "Index;Datum;Tijd;Tijdstempel;BG;Sensorglucose (mmol/l);ISIG",
    "Norwegian": "Indeks;Dato;Klokkeslæt;Tidsstempel;BG;Sensorglukose (mmol/l);ISIG",
}


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("language", LOCAL)
def test_other_languages_are_read_with_their_decimal_comma(
    tmp_path: Path, language: str, separator: str
) -> None:
    rows = "1;13.02.21;09:05:00;;;5,8;12,1\n2;13.02.21;09:10:00;;;6,1;12,3\n"
    reading = read(opened(tmp_path, f"{LOCAL[language]}\n{rows}".replace(";", separator)))
    samples, _, _ = checked(reading)
    assert samples["source_value"].to_list() == ["5,8", "6,1"]
    assert samples["source_unit"].to_list() == ["mmol/L"] * 2
    assert (reading.decimal, reading.time_formats) == (",", ("%d.%m.%y %H:%M:%S",))


@pytest.mark.parametrize(
    ("written", "formats"),
    [
        ("2021/01/31;22:10:00", ("%Y/%m/%d %H:%M:%S",)),
        ("31/01/2021;22:10:00", ("%d/%m/%Y %H:%M:%S",)),
        ("1/31/21;10:10:00 PM", ("%m/%d/%y %I:%M:%S %p",)),
        ("31.01.21;22:10", ("%d.%m.%y %H:%M",)),
    ],
)
def test_one_order_is_decided_from_the_files_dates(
    tmp_path: Path, written: str, formats: tuple[str, ...]
) -> None:
    reading = read(opened(tmp_path, f"{COLUMNS}1;{written};;;;;;100;;\n"))
    assert reading.time_formats == formats
    at = times(reading)[0]
    assert (at.month, at.day, at.hour, at.minute) == (1, 31, 22, 10)


def test_one_ambiguous_day_is_refused_unless_settings_or_preamble_decide(tmp_path: Path) -> None:
    content = COLUMNS + "1;03/04/2021;09:00:00;;;;;;100;;\n"
    assert refusal(tmp_path, content) == "date_order_unknown"
    told = read(opened(tmp_path, content, options={"date_order": "mdy"}))
    assert told.time_formats == ("%m/%d/%Y %H:%M:%S",)
    assert read(opened(tmp_path, PREAMBLE + content)).time_formats == ("%d/%m/%Y %H:%M:%S",)


def test_a_reading_the_clinic_excluded_is_set_aside(tmp_path: Path) -> None:
    header = "Index\tDate\tTime\tExcluded\tSensor Glucose (mg/dL)\n"
    rows = "1\t31/01/16\t08:00:00\tTrue\t100\n2\t31/01/16\t08:05:00\tFalse\t101\n"
    samples, _, rejects = read_all(tmp_path, header + rows)
    assert samples["source_value"].to_list() == ["101"]
    assert reasons(rejects) == {"record_not_used:excluded": 1}


def test_a_block_whose_header_is_damaged_waits_and_the_others_are_read(tmp_path: Path) -> None:
    damaged = SENSOR.replace("Sensor Glucose", "Sensor Glu?ose").replace("NG1H", "NG2H")
    samples, _, rejects = read_all(tmp_path, SMALL + damaged)
    assert samples.height == 2
    assert reasons(rejects)["header_missing"] == 4


def test_blocks_of_different_columns_are_each_read_by_their_own_header(tmp_path: Path) -> None:
    other = "-------;Guardian Connect;Sensor;X1;-------\nIndex;Date;Time;Sensor Glucose (mmol/L)\n"
    samples, _, _ = read_all(tmp_path, SMALL + other + "9;2021/07/25;11:00:00;5,5\n")
    assert samples["source_unit"].to_list() == ["mg/dL", "mg/dL", "mmol/L"]


@pytest.mark.parametrize("key", ["export", "NG1H"])
def test_the_patient_is_mapped_by_stem_or_serial(tmp_path: Path, key: str) -> None:
    samples, _, _ = checked(read(opened(tmp_path, SMALL, None, {key: "p9"})))
    assert samples["patient_id"].unique().to_list() == ["p9"]


def test_without_any_patient_or_with_two_the_file_waits(tmp_path: Path) -> None:
    both = SMALL + SENSOR.replace("NG1H", "NG2H")
    for patients in ({}, {"NG1H": "p1", "NG2H": "p2"}):
        with pytest.raises(UnreadableError) as refused:
            read(opened(tmp_path, both, None, patients))
        assert refused.value.reason == "file_unknown"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        ("patient_id,collected_at,code\np1,2020-01-01,2345-7\n", "format_unknown"),
        ('[{"sgv": 100, "date": 1775421029000}]\n', "format_unknown"),
        ("Device,Serial Number,Device Timestamp,Historic Glucose mg/dL\n", "format_unknown"),
        (PREAMBLE, "format_unknown"),
        (b"PK\x03\x04\xff\xfe\x00\x80\n\x81", "format_unknown"),
        (f"{LOCAL['Norwegian']}\n".encode("latin-1"), "format_unknown"),
        (COLUMNS.replace("Alert", "Alärm").encode("latin-1"), "encoding"),
        (COLUMNS.rstrip("\n"), "last_line_open"),
        ((PUMP * (MOST_BLOCKS + 1)), "format_unknown"),
    ],
    ids=[
        *("empty", "labs", "json", "libre", "preamble alone", "binary", "latin-1", "latin-1 cell"),
        *("header cut", "endless blocks"),
    ],
)
def test_files_of_another_kind_are_refused(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    assert refusal(tmp_path, content) == reason


def test_another_encoding_is_read_when_settings_name_it(tmp_path: Path) -> None:
    content = f"{LOCAL['Norwegian']}\n1;13.02.21;09:05:00;;;5,8;\n".encode("latin-1")
    samples, _, _ = checked(read(opened(tmp_path, content, options={"encoding": "latin-1"})))
    assert samples["source_value"].to_list() == ["5,8"]


def test_a_file_cut_at_any_byte_never_yields_a_value_that_was_not_sent(tmp_path: Path) -> None:
    whole = SMALL.encode()
    sent = {frame.drop("part").row(i) for frame in read_all(tmp_path, whole)[:2] for i in range(
        frame.height)}  # fmt: skip
    for end in range(0, len(whole), 17):
        cut = outcome(tmp_path, whole[:end])
        if isinstance(cut, Reading):
            kept = checked(cut)[:2]
            assert {row for frame in kept for row in frame.drop("part").iter_rows()} <= sent


def test_a_flipped_bit_never_breaks_the_account(tmp_path: Path) -> None:
    whole = SMALL.encode()
    for at in range(0, len(whole), 23):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at // 23 % 8)
        outcome(tmp_path, bytes(flipped))


def test_a_nul_byte_rejects_its_row_alone(tmp_path: Path) -> None:
    _, _, rejects = read_all(tmp_path, SMALL + "9;2021/07/25;09:20:00;;;;;;1\x000;;\n")
    assert reasons(rejects)["nul_byte"] == 1


def test_five_thousand_bad_rows_are_five_thousand_rejects(tmp_path: Path) -> None:
    bad = "".join(f"{i};2021/07/25;09:20:00;;;1\n" for i in range(5000))
    samples, _, rejects = read_all(tmp_path, SMALL + bad)
    assert (samples.height, reasons(rejects)["too_few_fields"]) == (2, 5000)


PUMPS = st.builds(
    Pump,
    model=st.sampled_from(["MiniMed 780G MMT-1886", "Guardian™ 4 system"]),
    serial=st.from_regex(r"[A-Z0-9]{4,10}", fullmatch=True),
    sensor=st.sampled_from(["Guardian™ 4 Sensor", "Simplera Sync™"]),
    unit=st.sampled_from(["mg/dL", "mmol/L"]),
    separator=st.sampled_from([",", ";"]),
    date=st.sampled_from(["%Y/%m/%d", "%d/%m/%Y", "%m-%d-%Y"]),
)
READINGS = st.lists(
    st.tuples(
        st.datetimes(datetime(2015, 1, 13), datetime(2035, 1, 1)),  # noqa: DTZ001
        st.integers(20, 250),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda reading: reading[0].replace(microsecond=0),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(READINGS, PUMPS, st.booleans())
def test_reading_what_was_emitted_gives_the_readings_again(
    tmp_path: Path, rows: list[tuple[datetime, int]], pump: Pump, is_recorder: bool
) -> None:
    scale = 1 if pump.unit == "mg/dL" else 10
    told = [(at.replace(microsecond=0), value / scale) for at, value in rows]
    # A day beyond the twelfth decides the order of dates, as in any export of a few weeks.
    told.append((datetime(2020, 2, 25, 8), 90 / scale))  # noqa: DTZ001
    frame = pl.DataFrame(told, schema=["local_at", "glucose"], orient="row").sort("local_at")
    emitted = ipro2_txt(frame, pump) if is_recorder else carelink_csv(frame.reverse(), pump)
    reading = read(opened(tmp_path, emitted, options={"date_order": _order(pump)}))
    samples, _, rejects = checked(reading)
    values = samples["source_value"].str.replace(",", ".", literal=True).cast(pl.Float64)
    assert sorted(zip(times(reading), values, strict=True)) == frame.rows()
    assert rejects.height == (1 if is_recorder else 2)
    sensor = "" if is_recorder else f" {pump.sensor}"
    assert samples["device"].unique().to_list() == [f"{pump.model} {pump.serial}{sensor}"]


def _order(pump: Pump) -> str:
    return "mdy" if pump.date.startswith("%m") else "dmy"
