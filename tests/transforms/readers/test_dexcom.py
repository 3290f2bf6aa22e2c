"""Clarity exports: real ones, every language, and every way a file can be broken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from transforms.landing import (
    ISO,
    LANDING,
    PLACE,
    REJECTS,
    Opened,
    Reading,
    Source,
    UnreadableError,
)
from transforms.readers.dexcom import LANGUAGES, WITHHELD, read

REAL = Path(__file__).parents[3].parent / "shared" / "realdata"

HEADER = (
    "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,"
    "Source Device ID,Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),"
    "Duration (hh:mm:ss),Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer),"
    "Transmitter ID\n"
)
PREAMBLE = (
    "1,,FirstName,,Ada,,,,,,,,,\n"
    "2,,LastName,,Lovelace,,,,,,,,,\n"
    "3,,PatientIdentifier,,MRN-7,,,,,,,,,\n"
    "4,,DateOfBirth,,1990-01-01T00:00:00,,,,,,,,,\n"
    "5,,Device,,,Dexcom G6 Mobile App,iPhone G6,,,,,,,\n"
    "6,,Alert,Urgent Low,,,iPhone G6,55,,,,,,\n"
)
ROWS = (
    "7,2020-02-13T17:50:00,EGV,,,,iPhone G6,108,,,,,11101,8XXX1\n"
    "8,2020-02-13 17:55:00,EGV,,,,iPhone G6,Low,,,,,11401,8XXX1\n"
    "9,2020-02-13T18:00:00,EGV,,,,iPhone G6,High,,,,,11701,8XXX1\n"
    "10,2020-02-13T18:01:00,Calibration,,,,iPhone G6,112,,,,,,\n"
    "11,2020-02-13T18:02:00,Insulin,Fast-Acting,,,iPhone G6,,2.5,,,,,\n"
    "12,2020-02-13T18:03:00,Carbs,,,,iPhone G6,,,30,,,,\n"
    "13,2020-02-13T18:05:00,EGV,,,,iPhone G6,,,,,,12001,8XXX1\n"
)
SMALL = HEADER + PREAMBLE + ROWS
SMALLEST = (
    "Timestamp (,Event Type,,Patient Info,Device Info,Source Device ID,Glucose Value (mg/dL),\n"
    ",FirstName,,Ada,,,,\n"
    ",Device,,,Dexcom G6,iPhone,,\n"
    "2020-02-13T17:50:00,EGV,,,,iPhone,108,\n"
    "2020-02-13T17:55:00,EGV,,,,iPhone,Low,\n"
)


def opened(
    tmp_path: Path,
    content: str | bytes,
    name: str = "clarity.csv",
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    source = Source("dexcom", "dexcom", patients=patients or {})
    return Opened(path, name, source, scratch, patient_id)


def checked(reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Samples and rejects, after the law: every data line in exactly one of them."""
    samples = reading.tables["sample"].collect(engine="streaming")
    rejects = reading.rejects.collect(engine="streaming")
    assert samples.columns == [*PLACE, *LANDING["sample"]]
    assert dict(rejects.schema) == REJECTS
    lines = [*samples["line"], *rejects["line"]]
    assert len(lines) == len(set(lines)) == reading.rows_in
    return samples, rejects


def outcome(tmp_path: Path, content: str | bytes) -> Reading | UnreadableError:
    try:
        reading = read(opened(tmp_path, content))
        checked(reading)
    except UnreadableError as error:
        return error
    return reading


def refusal(tmp_path: Path, content: str | bytes) -> str:
    refused = outcome(tmp_path, content)
    assert isinstance(refused, UnreadableError)
    return refused.reason


def reasons(rejects: pl.DataFrame) -> dict[str, int]:
    return dict(rejects.group_by("reason").len().iter_rows())


@pytest.mark.parametrize(
    ("path", "rows_in", "samples", "unit", "device"),
    [
        (
            "cgm_cgm_format/Clarity_Export_synthetic.csv",
            3979,
            3922,
            "mg/dL",
            "Dexcom G6 Mobile App android G6",
        ),
        ("cgm_cgm_format/Dexcom_001.csv", 17, 5, "mg/dL", "Dexcom G6 Mobile App iPhone G6"),
        (
            "cgm_glu_rpackage/CLARITY_Export__111111-example.csv",
            309,
            299,
            "mmol/L",
            "Dexcom Receiver with G6",
        ),
    ],
)
def test_real_exports_land_every_sensor_reading(
    tmp_path: Path, path: str, rows_in: int, samples: int, unit: str, device: str
) -> None:
    if not (REAL / path).exists():
        pytest.skip("the real samples are not beside this checkout")
    reading = read(opened(tmp_path, (REAL / path).read_bytes()))
    landed, rejects = checked(reading)
    assert (reading.rows_in, landed.height) == (rows_in, samples)
    assert landed["source_unit"].unique().to_list() == [unit]
    assert landed["device"].unique().to_list() == [device]
    assert rejects["reason"].str.starts_with("record_not_used:").all()
    times = landed["source_observed_at"].str.replace(" ", "T").str.to_datetime(strict=True)
    assert times.is_sorted()


def test_low_readings_of_the_real_export_are_censored_at_the_sensors_limit(
    tmp_path: Path,
) -> None:
    path = REAL / "cgm_cgm_format/Clarity_Export_synthetic.csv"
    if not path.exists():
        pytest.skip("the real samples are not beside this checkout")
    landed, _ = checked(read(opened(tmp_path, path.read_bytes())))
    assert landed.filter(pl.col("source_value") == "<40").height == 5
    assert landed["source_value"].str.contains(r"^<?\d+$").all()


def test_a_reading_keeps_its_text_and_its_line(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, SMALL))
    landed, _ = checked(reading)
    assert landed.row(0, named=True) == {
        "line": 8,
        "part": 0,
        "source_row": None,
        "patient_id": "p1",
        "kind": "sensor_glucose",
        "device": "Dexcom G6 Mobile App iPhone G6",
        "method": None,
        "source_code": None,
        "source_value": "108",
        "source_unit": "mg/dL",
        "source_observed_at": "2020-02-13T17:50:00",
        "source_ended_at": None,
    }
    assert (reading.time_formats, reading.decimal) == (ISO, ".")
    assert landed["source_observed_at"].to_list()[1] == "2020-02-13 17:55:00"


def test_low_and_high_become_the_limits_of_the_unit(tmp_path: Path) -> None:
    landed, _ = checked(read(opened(tmp_path, SMALL)))
    assert landed["source_value"].to_list() == ["108", "<40", ">400"]
    landed, _ = checked(read(opened(tmp_path, SMALL.replace("mg/dL", "mmol/L"))))
    assert landed["source_value"].to_list() == ["108", "<2.2", ">22.2"]


def test_everything_but_sensor_readings_is_set_aside_by_its_event_type(tmp_path: Path) -> None:
    _, rejects = checked(read(opened(tmp_path, SMALL)))
    assert reasons(rejects) == {
        f"record_not_used:{event}": 1
        for event in (
            *("FirstName", "LastName", "PatientIdentifier", "DateOfBirth", "Device", "Alert"),
            *("Calibration", "Insulin", "Carbs", "EGV"),
        )
    }


def test_nothing_of_a_persons_name_is_kept(tmp_path: Path) -> None:
    misfit = SMALL.replace("Lovelace,", "Lovelace").replace("1990-01-01T00:00:00,", "1990-01-01,,")
    for content in (SMALL, misfit, (HEADER + PREAMBLE).rstrip("\n")):
        _, rejects = checked(read(opened(tmp_path, content)))
        kept = rejects.select(pl.concat_str("reason", "source_row")).to_series().str.join("").item()
        assert not any(word in kept for word in ("Ada", "Lovelace", "MRN-7", "1990"))


def test_a_damaged_row_without_a_time_keeps_no_text_at_all(tmp_path: Path) -> None:
    damaged = HEADER + "1,,FirstN\x00me,,Ada,,,,,,,,,\n2,,Lady Ada,,x,,,,,,,,,\n" + ROWS
    _, rejects = checked(read(opened(tmp_path, damaged)))
    first, second = rejects.sort("line").head(2).rows(named=True)
    assert (first["reason"], first["source_row"]) == ("nul_byte", WITHHELD)
    assert (second["reason"], second["source_row"]) == ("record_not_used:other", "other")


def test_a_row_with_a_time_keeps_its_text(tmp_path: Path) -> None:
    _, rejects = checked(read(opened(tmp_path, HEADER + ROWS + "x,2020-02-13T19:00:00,EGV\n")))
    assert "13,2020-02-13T18:05:00,EGV,,,,iPhone G6,,,,,,12001,8XXX1" in rejects["source_row"]
    assert "x,2020-02-13T19:00:00,EGV" in rejects["source_row"]


@pytest.mark.parametrize(
    "mark",
    ["\ufeff", '\ufeff"\u00ef\u00bb\u00bf""""Index""""",'],
    ids=["byte order mark", "doubly encoded byte order mark in a quoted cell"],
)
def test_the_header_is_found_behind_a_byte_order_mark(tmp_path: Path, mark: str) -> None:
    header = mark + (HEADER.removeprefix("Index,") if "Index" in mark else HEADER)
    landed, _ = checked(read(opened(tmp_path, header + PREAMBLE + ROWS)))
    assert landed.height == 3


def test_windows_line_ends_read_alike(tmp_path: Path) -> None:
    landed, _ = checked(read(opened(tmp_path, SMALL.replace("\n", "\r\n"))))
    assert landed["source_value"].to_list() == ["108", "<40", ">400"]


LOCAL = {
    "German": (
        (
            "Index;Zeitstempel (JJJJ-MM-TTThh:mm:ss);Ereignistyp;Ereignisuntertyp;Patienteninfo;"
            "Geräteinfo;Quellgeräte-ID;Glukosewert (mmol/l)\n"
        ),
        "EGV",
        ("Niedrig", "<2,2"),
    ),
    "Spanish": (
        (
            "Índice;Marca temporal (AAAA-MM-DDThh:mm:ss);Tipo de evento;a;b;c;d;"
            "Nivel de glucosa (mmol/L)\n"
        ),
        "Niveles estimados de glucosa",
        ("6,1", "6,1"),
    ),
    "Italian": (
        (
            "Indice;Data e ora (AAAA-MM-GGThh:mm:ss);Tipo di evento;Sottotipo di evento;b;c;d;"
            "Valore del glucosio (mmol/L)\n"
        ),
        "EGV",
        ("Basso", "<2,2"),
    ),
}


@pytest.mark.parametrize("language", LOCAL)
def test_other_languages_are_read_with_their_decimal_comma(tmp_path: Path, language: str) -> None:
    header, event, (written, landed_as) = LOCAL[language]
    rows = (
        "1;;Vorname;;Ada;;;\n"
        f"2;2020-02-13T17:50:00;{event};;;;iPhone G6;5,8\n"
        f"3;2020-02-13T17:55:00;{event};;;;iPhone G6;{written}\n"
    )
    reading = read(opened(tmp_path, header + rows))
    landed, rejects = checked(reading)
    assert landed["source_value"].to_list() == ["5,8", landed_as]
    assert landed["device"].to_list() == ["iPhone G6"] * 2
    assert (reading.decimal, landed["source_unit"][0]) == (",", "mmol/L")
    assert rejects.row(0) == (2, "record_not_used:other", "other")


def test_the_languages_tested_are_the_languages_known() -> None:
    assert len(LANGUAGES) == 1 + len(LOCAL)


def test_a_language_whose_sensor_event_is_not_known_is_refused_not_emptied(tmp_path: Path) -> None:
    header, *_ = LOCAL["Italian"]
    row = "2;2020-02-13T17:50:00;Lettura;;;;iPhone G6;5,8\n"
    assert refusal(tmp_path, header + row) == "format_unknown"


def test_without_any_patient_the_file_waits(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(opened(tmp_path, SMALL, patient_id=None))
    assert refused.value.reason == "file_unknown"


@pytest.mark.parametrize("key", ["clarity", "8XXX1", "MRN-7"])
def test_the_patient_is_mapped_by_stem_transmitter_or_identifier(tmp_path: Path, key: str) -> None:
    mapped = opened(tmp_path, SMALL, patient_id=None, patients={key: "p9"})
    landed, _ = checked(read(mapped))
    assert landed["patient_id"].unique().to_list() == ["p9"]


def test_the_identifier_counts_only_where_it_is_mapped_and_only_in_its_own_row(
    tmp_path: Path,
) -> None:
    with pytest.raises(UnreadableError, match="file_unknown"):
        read(opened(tmp_path, SMALL, patient_id=None, patients={"Ada": "p9"}))


def test_the_folder_outranks_every_mapping(tmp_path: Path) -> None:
    landed, _ = checked(read(opened(tmp_path, SMALL, patients={"clarity": "p9"})))
    assert landed["patient_id"].unique().to_list() == ["p1"]


def test_transmitters_of_two_people_in_one_file_are_refused(tmp_path: Path) -> None:
    two = SMALL + "14,2020-02-13T18:10:00,EGV,,,,iPhone G6,100,,,,,12301,8YYY2\n"
    with pytest.raises(UnreadableError, match="several"):
        read(opened(tmp_path, two, patient_id=None, patients={"8XXX1": "p1", "8YYY2": "p2"}))


def test_a_change_of_transmitter_leaves_the_device_one(tmp_path: Path) -> None:
    two = SMALL + "14,2020-02-13T18:10:00,EGV,,,,iPhone G6,100,,,,,12301,8YYY2\n"
    landed, _ = checked(read(opened(tmp_path, two)))
    assert landed["device"].n_unique() == 1


def test_a_device_that_is_told_nowhere_else_is_its_transmitter(tmp_path: Path) -> None:
    landed, _ = checked(read(opened(tmp_path, HEADER + ROWS.replace("iPhone G6", "NOT_STORED"))))
    assert landed["device"].unique().to_list() == ["8XXX1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        (
            "patient_id,collected_at,code,value,unit\np1,2020-01-01,2345-7,90,mg/dL\n",
            "format_unknown",
        ),
        ('[{"sgv": 100, "date": 1775421029000}]\n', "format_unknown"),
        ("Index\tDate\tSensor Glucose (mmol/L)\n1\t1/1/16\t5\n".encode("utf-16"), "format_unknown"),
        (HEADER.replace("mg/dL", "g/L") + ROWS, "format_unknown"),
        (b"PK\x03\x04\xff\xfe\x00\x80\n\x81", "format_unknown"),
        ('"' + "x" * 200_000 + "\n", "format_unknown"),
        (HEADER.rstrip("\n"), "last_line_open"),
    ],
    ids=["empty", "labs", "json", "utf-16", "unit", "binary", "huge cell", "header cut"],
)
def test_files_of_another_kind_are_refused(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    assert refusal(tmp_path, content) == reason


def test_a_header_alone_is_an_empty_export(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, HEADER))
    landed, rejects = checked(reading)
    assert (reading.rows_in, landed.height, rejects.height) == (0, 0, 0)


def test_a_file_cut_at_any_byte_never_yields_a_value_that_was_not_sent(tmp_path: Path) -> None:
    whole = SMALLEST.encode()
    sent = set(checked(read(opened(tmp_path, whole)))[0].iter_rows())
    assert len(sent) == 2
    for end in range(len(whole)):
        cut = outcome(tmp_path, whole[:end])
        if isinstance(cut, Reading):
            assert set(cut.tables["sample"].collect().iter_rows()) <= sent


def test_a_flipped_bit_never_breaks_the_account(tmp_path: Path) -> None:
    whole = SMALLEST.encode()
    for at in range(0, len(whole), 2):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at // 2 % 8)
        outcome(tmp_path, bytes(flipped))


def test_bytes_of_another_encoding_reject_their_row_alone(tmp_path: Path) -> None:
    row = b"14,2020-02-13T18:10:00,EGV,,,,iPhone \xe4,100,,,,,12301,8XXX1\n"
    landed, rejects = checked(read(opened(tmp_path, SMALL.encode() + row)))
    assert (landed.height, reasons(rejects)["encoding"]) == (3, 1)


def test_five_thousand_bad_rows_are_five_thousand_rejects(tmp_path: Path) -> None:
    bad = "".join(f"{i},2020-02-13T18:10:00,EGV,{i}\n" for i in range(5000))
    landed, rejects = checked(read(opened(tmp_path, SMALL + bad)))
    assert (landed.height, reasons(rejects)["too_few_fields"]) == (3, 5000)
