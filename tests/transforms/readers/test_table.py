"""The table reader: published study files by settings alone, every option, every mistake."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from transforms.catalog.reasons import REASONS
from transforms.conform import Arrival, conform
from transforms.formats import workbook as workbooks
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers.table import read

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "realdata"
EXAMPLES = ROOT / "docs" / "examples"

at = datetime.fromisoformat

LONG: dict[str, Any] = {
    "patient_id": "pid",
    "observed_at": "day",
    "code": "test",
    "value": "value",
    "unit": "unit",
}
LONG_TEXT = (
    "pid,day,test,value,unit\np1,2024-03-01,27873-9,8.5,uIU/mL\np2,2024-03-02,1558-6,<60,mg/dL\n"
)
WIDE: dict[str, Any] = {
    "patient_id": "pid",
    "observed_at": "day",
    "analytes": {
        "INS": {"code": "27873-9", "unit": "uIU/mL"},
        "GLU": {"code": "1558-6", "unit": "mg/dL"},
    },
}
WIDE_TEXT = "pid,day,INS,GLU,AGE,SEX\np1,2024-03-01,8.5,95,40,1\np2,2024-03-02,NA,<60,41,2\n"


def source(options: Mapping[str, object], **kwargs: Any) -> Source:
    return Source("study", "table", options=options, **kwargs)


def opened(
    tmp_path: Path,
    content: str | bytes,
    options: Mapping[str, object],
    name: str = "export.csv",
    patient_id: str | None = None,
    **kwargs: Any,
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    return Opened(path, name, source(options, **kwargs), scratch, patient_id)


@dataclass
class Read:
    reading: Reading
    landed: dict[str, pl.DataFrame]
    rejects: pl.DataFrame
    arrival: Arrival

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        return {
            name: conform(name, frame, self.arrival).collect(engine="streaming")
            for name, frame in self.reading.tables.items()
        }

    @property
    def reasons(self) -> dict[str, int]:
        return dict(self.rejects.group_by("reason").len().iter_rows())

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        return self.tables[table].sort("line", "part").select(columns).rows()


def checked(file: Opened) -> Read:
    """A file read, after the law: each data line lands or is rejected, never both."""
    reading = read(file)
    rejects = reading.rejects.collect(engine="streaming")
    assert dict(rejects.schema) == REJECTS
    arrival = Arrival(
        "study", 1, date(2024, 6, 1), file.source.time_zone, reading.time_formats, reading.decimal
    )
    landed, lines = {}, set()
    for name, frame in reading.tables.items():
        landed[name] = frame.collect(engine="streaming")
        assert dict(landed[name].schema) == PLACE | dict.fromkeys(LANDING[name], pl.String)
        assert not landed[name].select("line", "part").is_duplicated().any()
        lines |= set(landed[name]["line"])
    assert not lines & set(rejects["line"])
    assert len(lines) + rejects.height == reading.rows_in
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= set(REASONS)
    return Read(reading, landed, rejects, arrival)


def refusal(file: Opened) -> str:
    with pytest.raises(UnreadableError) as caught:
        checked(file)
    assert caught.value.reason in REASONS
    return caught.value.reason


def outcome(file: Opened) -> Read | str:
    """What came of a file: its rows, or the reason it was refused for."""
    try:
        return checked(file)
    except UnreadableError as error:
        return error.reason


def workbook(rows: list[list[object]], sheets: tuple[str, ...] = ("one",), to: int = 0) -> bytes:
    """A workbook whose sheet number ``to`` holds ``rows`` from A1 on."""
    book = openpyxl.Workbook()
    book.active.title = sheets[0]
    for name in sheets[1:]:
        book.create_sheet(name)
    for row in rows:
        book.worksheets[to].append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


# Published files

Published = Callable[[str], tuple[Read, list[dict[str, str]]]]

REAL_FILES = {
    "ipop": "ipop_t2d/clinical_tests.subjects_dev.txt",
    "nhanes": "nhanes_2017_2018/nhanes_2017_2018_fasting_even_seqn.csv",
    "altuve": "altuve_venezuela/resultsclassif.csv",
}


def example(name: str) -> dict[str, Any]:
    settings = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = settings["sources"][name]
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A published file read, and its rows by Python's own csv module; each read once."""
    return cache(lambda name: real(tmp_path_factory.mktemp(name), name))


def real(tmp_path: Path, name: str) -> tuple[Read, list[dict[str, str]]]:
    path = REAL / REAL_FILES[name]
    if not path.exists():
        pytest.skip("the published files are not beside this checkout")
    given = example(name)
    file = opened(
        tmp_path, path.read_bytes(), given["table"], path.name, time_zone=given["time_zone"]
    )
    text = path.read_text(encoding="utf-8").replace("\r", "\n")
    separator = "\t" if name == "ipop" else ","
    return checked(file), list(csv.DictReader(text.splitlines(), delimiter=separator))


def expected_values(
    name: str, rows: list[dict[str, str]]
) -> dict[tuple[int, str], tuple[float, str | None]]:
    """(line, code) -> number and comparator, as a person reads the file."""
    found = {}
    for line, row in enumerate(rows, start=2):
        for column, item in example(name)["table"]["analytes"].items():
            if (cell := row[column]) not in {"", "NA"}:
                sign = cell[0] if cell[0] in "<>" else None
                found[line, item["code"]] = (float(cell.lstrip("<>")), sign)
    return found


@pytest.mark.parametrize("name", ["ipop", "nhanes", "altuve"])
def test_every_number_of_a_published_file_arrives_as_it_stands_there(
    published: Published, name: str
) -> None:
    got, rows = published(name)
    columns = ("line", "source_code", "number", "comparator")
    found = {(r[0], r[1]): (r[2], r[3]) for r in got.rows("observation", *columns)}
    expected = expected_values(name, rows)
    if name == "nhanes":
        for line, row in enumerate(rows, start=2):
            if row["LBDINLC"] == "1.0":
                expected[line, "20448-7"] = (expected[line, "20448-7"][0], "<")
    assert found == expected
    assert got.tables["observation"].height == len(expected)


@pytest.mark.parametrize(
    ("name", "rows_in", "parts"),
    [("ipop", 385, 10006), ("nhanes", 1511, 13007), ("altuve", 2835, 11340)],
)
def test_every_part_of_a_published_file_is_understood(
    published: Published, name: str, rows_in: int, parts: int
) -> None:
    got, _ = published(name)
    observations = got.tables["observation"]
    assert (got.reading.rows_in, observations.height, got.rejects.height) == (rows_in, parts, 0)
    needed = ["patient_id", "analyte", "value", "unit", "observed_at"]
    assert observations.select(needed).null_count().sum_horizontal().item() == 0


def test_a_file_with_old_line_ends_keeps_comparators_states_and_ids(published: Published) -> None:
    got, rows = published("ipop")
    observations = got.tables["observation"]
    signs = observations.group_by("comparator").len()
    assert dict(signs.drop_nulls().iter_rows()) == {"<": 39, ">": 294}
    assert observations["patient_id"].n_unique() == len({row["SubjectID"] for row in rows}) == 42
    assert observations["result_id"].n_unique() == observations.height
    fasting = observations.filter(source_code="27873-9").sort("line").row(0, named=True)
    assert (fasting["fasting"], fasting["comment"]) == ("yes", "Healthy")
    assert fasting["result_id"] == "ZN0JE53-11#27873-9"


def test_ages_sexes_flags_and_hours_of_a_survey_are_read(published: Published) -> None:
    got, rows = published("nhanes")
    patients = got.tables["patient"].sort("line")
    assert patients["sex"].to_list() == [
        "male" if row["RIAGENDR"] == "1.0" else "female" for row in rows
    ]
    ages = [2017 - int(float(row["RIDAGEYR"])) for row in rows]
    assert patients["birth_date"].to_list() == [date(year, 7, 1) for year in ages]
    pregnant = [f"N{row['SEQN']}" for row in rows if row["pregnancy"] == "pregnant"]
    assert got.rows("condition", "patient_id", "code_system", "code", "start_on") == [
        (patient, "icd10", "Z33.1", date(2017, 7, 1)) for patient in pregnant
    ]
    hours = [row["fasting_hr"] for row in rows if row["LBXIN"]]
    said = ["unknown" if h == "" else "yes" if float(h) >= 8 else "no" for h in hours]
    insulin = got.tables["observation"].filter(source_code="20448-7").sort("line")
    assert insulin["fasting"].to_list() == said
    assert "made of ages" in got.reading.notes[0]


def test_people_without_results_are_still_known(published: Published) -> None:
    got, rows = published("nhanes")
    with_results = got.tables["observation"]["line"].n_unique()
    assert with_results == 1508
    assert got.tables["patient"].height == len(rows)


def test_values_after_a_load_are_not_fasting(published: Published) -> None:
    got, _ = published("altuve")
    fasting = got.tables["observation"].group_by("source_code", "fasting").len()
    assert sorted(fasting.iter_rows()) == [
        ("1558-6", "yes", 2835),
        ("20436-2", "no", 2835),
        ("27826-7", "no", 2835),
        ("27873-9", "yes", 2835),
    ]
    patients = got.tables["patient"]
    assert set(patients["sex"]) == {"female"}
    assert patients["patient_id"].n_unique() == 2835
    assert patients.sort("line")["patient_id"][0] == "resultsclassif-2"


def test_a_published_workbook_is_read_by_its_header(tmp_path: Path) -> None:
    path = REAL / "shanghai_diabetes" / "Shanghai_T1DM_Summary.xlsx"
    if not path.exists():
        pytest.skip("the published files are not beside this checkout")
    options = {
        "patient_id": "Patient Number",
        "missing": "/",
        "constants": {"observed_at": "2021-07-30"},
        "analytes": {
            "Fasting Insulin (pmol/L)": {"code": "59179-2", "unit": "pmol/L"},
            "Estimated Glomerular Filtration Rate (ml/min/1.73m2)": {
                "code": "33914-3",
                "unit": "ml/min/1.73m2",
            },
        },
        "patient": {
            "age_years": "Age (years)",
            "sex": "Gender (Female=1, Male=2)",
            "sex_values": {"1": "F", "2": "M"},
        },
    }
    got = checked(opened(tmp_path, path.read_bytes(), options))
    sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
    header, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    place = header.index("Fasting Insulin (pmol/L)")
    insulin = [float(row[place]) for row in rows if row[place] not in {"/", None}]
    found = got.tables["observation"].filter(source_code="59179-2").sort("line")
    assert found["number"].to_list() == pytest.approx(insulin)
    assert found["value"].to_list() == pytest.approx([value / 6 for value in insulin])
    assert got.tables["patient"].height == got.reading.rows_in == 16
    assert set(got.tables["patient"]["sex"]) == {"female", "male"}


# Long and wide


def test_a_long_row_is_one_result(tmp_path: Path) -> None:
    got = checked(opened(tmp_path, LONG_TEXT, LONG))
    columns = ("line", "part", "patient_id", "analyte", "value", "unit", "comparator")
    assert got.rows("observation", *columns) == [
        (2, 0, "p1", "insulin", 8.5, "u[IU]/mL", None),
        (3, 0, "p2", "glucose", 60.0, "mg/dL", "<"),
    ]
    assert got.landed["observation"]["source_row"].to_list() == [None, None]
    assert got.reading.lines is not None


def test_a_wide_row_is_a_part_for_every_value_that_is_there(tmp_path: Path) -> None:
    got = checked(opened(tmp_path, WIDE_TEXT, WIDE))
    columns = ("line", "part", "patient_id", "source_code", "source_value", "source_unit")
    assert got.rows("observation", *columns) == [
        (2, 1, "p1", "27873-9", "8.5", "uIU/mL"),
        (2, 2, "p1", "1558-6", "95", "mg/dL"),
        (3, 2, "p2", "1558-6", "<60", "mg/dL"),
    ]


def test_columns_may_be_named_as_our_own_are(tmp_path: Path) -> None:
    names = ["line", "text", "part", "c0", "source_value", "fields", ""]
    options = WIDE | {
        "patient_id": "text",
        "observed_at": "line",
        "analytes": {"part": {"code": "27873-9", "unit": "uIU/mL"}, "c0": {"code": "1558-6"}},
        "constants": {"unit": "mg/dL"},
    }
    got = checked(opened(tmp_path, ",".join(names) + "\n2024-03-01,p1,8,95,x,y,z\n", options))
    assert got.rows("observation", "patient_id", "source_value", "source_unit") == [
        ("p1", "8", "uIU/mL"),
        ("p1", "95", "mg/dL"),
    ]


def test_a_row_without_anything_mapped_is_set_aside(tmp_path: Path) -> None:
    wide = checked(opened(tmp_path, "pid,day,INS,GLU\np1,2024-03-01,NA,.\n,,,\n", WIDE))
    assert wide.reasons == {"row_empty": 2}
    assert wide.rejects["source_row"].to_list() == ["p1,2024-03-01,NA,.", ",,,"]
    long = checked(opened(tmp_path, LONG_TEXT.replace("8.5", "NA"), LONG))
    assert long.reasons == {"row_empty": 1}


@pytest.mark.parametrize(
    ("status", "stays"), [("F", False), ("", False), ("X", True), ("D", True), ("C", True)]
)
def test_a_long_row_without_value_stays_when_its_status_says_more(
    tmp_path: Path, status: str, stays: bool
) -> None:
    text = f"pid,day,test,value,unit,status\np1,2024-03-01,27873-9,,,{status}\n"
    got = checked(opened(tmp_path, text, LONG | {"status": "status"}))
    assert got.tables["observation"].height == stays


def test_sodium_may_be_called_na(tmp_path: Path) -> None:
    text = "pid,day,test,value,unit\np1,2024-03-01,NA,140,mmol/L\n"
    got = checked(opened(tmp_path, text, LONG))
    assert got.rows("observation", "source_code", "code_system") == [("NA", "local")]


@pytest.mark.parametrize(
    "value", ["<1", ">60", "<= 2", "≥ 300", "1,234", "+", "see comment", "1e3"]
)
def test_value_texts_are_left_as_they_are(tmp_path: Path, value: str) -> None:
    text = f"pid;day;test;value;unit\np1;2024-03-01;27873-9; {value} ;x\n"
    got = checked(opened(tmp_path, text, LONG | {"delimiter": ";"}))
    assert got.rows("observation", "source_value") == [(value,)]


# Options of the file


@pytest.mark.parametrize(
    ("given", "mark"),
    [
        (";", ";"),
        ("semicolon", ";"),
        ("tab", "\t"),
        ("\t", "\t"),
        ("|", "|"),
        ("^", "^"),
        ("¦", "¦"),
    ],
)
def test_any_one_character_may_part_the_fields(tmp_path: Path, given: str, mark: str) -> None:
    for text in (LONG_TEXT, LONG_TEXT.replace("p1", '"p 1"').replace("p2", '"p""2"')):
        got = checked(opened(tmp_path, text.replace(",", mark), LONG | {"delimiter": given}))
        assert got.rows("observation", "value") == [(8.5,), (60.0,)]


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "utf-16", "utf-16-be", "utf-8-sig", "gb18030"]
)
def test_a_stated_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    raw = LONG_TEXT.replace("p1", "Jürg").encode(
        encoding.replace("utf-16", "utf-16-le").replace("-le-be", "-be")
    )
    got = checked(opened(tmp_path, raw, LONG | {"encoding": encoding}))
    assert got.rows("observation", "patient_id") == [("Jürg",), ("p2",)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_need_no_setting(tmp_path: Path, end: str) -> None:
    got = checked(opened(tmp_path, LONG_TEXT.replace("\n", end), LONG))
    assert got.rows("observation", "line", "value") == [(2, 8.5), (3, 60.0)]


def test_a_preamble_is_skipped_and_a_header_may_be_missing(tmp_path: Path) -> None:
    below = checked(opened(tmp_path, f"Lab of X\n\n{LONG_TEXT}", LONG | {"header_row": 3}))
    assert below.rows("observation", "line") == [(4,), (5,)]
    bare = LONG_TEXT.split("\n", 1)[1]
    names = ["pid", "day", "test", "value", "unit"]
    got = checked(opened(tmp_path, bare, LONG | {"header_row": 0, "names": names}))
    assert got.rows("observation", "line", "value") == [(1, 8.5), (2, 60.0)]
    renamed = LONG_TEXT.replace("pid", "Nr").replace("value", "Wert")
    assert checked(opened(tmp_path, renamed, LONG | {"names": names})).reading.rows_in == 2


def test_a_decimal_comma_is_read(tmp_path: Path) -> None:
    text = LONG_TEXT.replace(",", ";").replace("8.5", "8,5")
    got = checked(opened(tmp_path, text, LONG | {"delimiter": ";", "decimal": ","}))
    assert got.rows("observation", "value") == [(8.5,), (60.0,)]


def test_missing_words_are_the_ones_that_are_set(tmp_path: Path) -> None:
    text = WIDE_TEXT.replace("8.5", "n.d.").replace("95", " - ")
    got = checked(opened(tmp_path, text, WIDE | {"missing": ["n.d.", "-"]}))
    assert got.rows("observation", "line", "source_value") == [(3, "NA"), (3, "<60")]


def test_dates_may_have_several_formats(tmp_path: Path) -> None:
    text = LONG_TEXT.replace("2024-03-01", "3/1/24").replace("2024-03-02", "3/2/24 08:15")
    options = LONG | {"date_format": ["%m/%d/%y", "%m/%d/%y %H:%M"]}
    got = checked(opened(tmp_path, text, options, time_zone="Europe/Rome"))
    assert got.rows("observation", "observed_at", "observed_precision") == [
        (at("2024-03-01"), "day"),
        (at("2024-03-02T07:15"), "time"),
    ]


def test_a_day_and_a_time_in_two_columns_are_one_instant(tmp_path: Path) -> None:
    text = "pid,day,hour,INS\np1,2024-03-01,08:15,9\np2,2024-03-01,,9\np3,,,9\n"
    options = WIDE | {"observed_at": ["day", "hour"], "analytes": {"INS": {"code": "27873-9"}}}
    got = checked(opened(tmp_path, text, options))
    assert got.rows("observation", "observed_at") == [
        (at("2024-03-01T08:15"),),
        (at("2024-03-01"),),
        (None,),
    ]


def test_a_last_row_without_line_end_is_taken_only_when_settings_say_so(tmp_path: Path) -> None:
    cut = LONG_TEXT.removesuffix("\n")
    assert checked(opened(tmp_path, cut, LONG)).reasons == {"last_line_open": 1}
    accepting = LONG | {"unterminated_last_row": "accept"}
    assert checked(opened(tmp_path, cut, accepting)).reasons == {}


# Options of the rows


def test_what_the_file_leaves_out_is_said_by_constants(tmp_path: Path) -> None:
    constants = {
        "observed_at": date(2018, 1, 1),
        "reported_at": "2018-01-02",
        "status": "final",
        "fasting": "yes",
        "lab": "A",
        "assay": "B",
        "comment": "C",
        "unit": "uIU/mL",
        "code": "20448-7",
        "patient_id": "p9",
    }
    options = {"value": "v", "constants": constants, "date_format": "%d.%m.%Y"}
    got = checked(opened(tmp_path, "v\n7\n", options))
    columns = ("patient_id", "observed_at", "reported_at", "fasting", "lab", "assay", "value")
    assert got.rows("observation", *columns) == [
        ("p9", at("2018-01-01"), at("2018-01-02"), "yes", "A", "B", 7.0)
    ]


def test_a_constant_fills_an_empty_cell_and_no_other(tmp_path: Path) -> None:
    text = "pid,day,INS,GLU,lab\np1,2024-03-01,9,,own\np2,2024-03-01,9,,\n"
    got = checked(opened(tmp_path, text, WIDE | {"lab": "lab", "constants": {"lab": "usual"}}))
    assert got.rows("observation", "lab") == [("own",), ("usual",)]


def test_what_is_said_of_a_column_wins_over_the_row(tmp_path: Path) -> None:
    text = "pid,day,fast,I0,I120\np1,2024-03-01,yes,9,80\n"
    after = {"code": "20448-7", "unit": "uIU/mL", "fasting": "no", "assay": "X", "lab": "Y"}
    options = WIDE | {
        "fasting": "fast",
        "result_id": "#line",
        "analytes": {"I0": {"code": "20448-7", "unit": "uIU/mL"}, "I120": after},
    }
    got = checked(opened(tmp_path, text, options))
    assert got.rows("observation", "fasting", "assay", "lab", "result_id") == [
        ("yes", None, None, "export-2#20448-7"),
        ("no", "X", "Y", "export-2#20448-7#I120"),
    ]


def test_the_mapped_columns_arrive_under_their_names(tmp_path: Path) -> None:
    names = ("result_id", "reported_at", "status", "fasting", "lab", "assay", "comment")
    cells = ("R1", "05.03.2024 10:00", "F", "10", "L", "A", "seen")
    header = ";".join(("pid", "day", "test", "value", "unit", *names))
    text = f"{header}\n{';'.join(('p1', '01.03.2024', '27873-9', '9', 'uIU/mL', *cells))}\n"
    options = LONG | dict(zip(names, names, strict=True)) | {"delimiter": ";"}
    options |= {"date_format": ["%d.%m.%Y", "%d.%m.%Y %H:%M"], "patient_prefix": "N"}
    got = checked(opened(tmp_path, text, options))
    row = got.tables["observation"].row(0, named=True)
    assert (row["patient_id"], row["result_id"], row["fasting"]) == ("Np1", "R1", "yes")
    assert row["reported_at"] == at("2024-03-05T10:00")
    assert (row["status"], row["lab"], row["assay"], row["comment"]) == ("final", "L", "A", "seen")


def test_a_flag_of_the_limit_makes_a_value_a_limit(tmp_path: Path) -> None:
    rows = ("pid,day,INS,low", "p1,2024-03-01,0.71,1.0", "p2,2024-03-01,9,0.0")
    text = "\n".join((*rows, "p3,2024-03-01,9,", "p4,2024-03-01,,1.0", ""))
    item = {
        "code": "27873-9",
        "unit": "uIU/mL",
        "below_limit": {"column": "low", "equals": ["1.0", "1"]},
    }
    got = checked(opened(tmp_path, text, WIDE | {"analytes": {"INS": item}}))
    assert got.rows("observation", "line", "value", "comparator") == [
        (2, 0.71, "<"),
        (3, 9.0, None),
        (4, 9.0, None),
    ]
    assert got.reasons == {"row_empty": 1}


def test_the_patient_may_be_the_folder_or_mapped(tmp_path: Path) -> None:
    options = WIDE | {"patient_id": "#folder"}
    text = "day,INS,GLU\n2024-03-01,9,90\n"
    got = checked(opened(tmp_path, text, options, patient_id="p7"))
    assert set(got.tables["observation"]["patient_id"]) == {"p7"}
    got = checked(opened(tmp_path, text, options, patients={"export": "p8"}))
    assert set(got.tables["observation"]["patient_id"]) == {"p8"}
    assert refusal(opened(tmp_path, text, options)) == "file_unknown"


# Persons and conditions


def test_birth_dates_follow_the_files_own_format(tmp_path: Path) -> None:
    text = "pid,day,INS,GLU,dob\np1,01/03/2024,9,90,24/12/1960\np2,01/03/2024,9,90,soon\n"
    options = WIDE | {"date_format": "%d/%m/%Y", "patient": {"birth_date": "dob"}}
    got = checked(opened(tmp_path, text, options))
    assert got.rows("patient", "part", "birth_date", "source_birth_date") == [
        (0, date(1960, 12, 24), "1960-12-24"),
        (0, None, "soon"),
    ]


def test_a_birth_date_made_of_an_age_gives_that_age(tmp_path: Path) -> None:
    days = ["2018-01-01", "2018-06-30", "2018-07-01", "2018-12-31"]
    said = [(day, age) for day in days for age in ("20", "45.0", "0", "45.9")]
    text = "".join(f"p{n},{day},9,90,{age}\n" for n, (day, age) in enumerate(said))
    options = WIDE | {"patient": {"age_years": "age"}}
    got = checked(opened(tmp_path, f"pid,day,INS,GLU,age\n{text}", options))
    for (on, age), (born,) in zip(said, got.rows("patient", "birth_date"), strict=True):
        day = date.fromisoformat(on)
        assert (born.month, born.day) == (7, 1)
        assert day.year - born.year - ((day.month, day.day) < (7, 1)) == int(float(age))


def test_an_age_that_cannot_be_used_is_left_for_the_gate(tmp_path: Path) -> None:
    options = WIDE | {"patient": {"age_years": "age"}}
    text = "pid,day,INS,GLU,age\np1,2024-01-01,9,90,old\np2,,9,90,40\np3,2024-01-01,9,90,-3\n"
    got = checked(opened(tmp_path, text, options))
    assert got.rows("patient", "source_birth_date", "birth_date") == [
        ("old", None),
        ("40", None),
        ("-3", None),
    ]


def test_a_line_of_a_person_alone_is_kept_in_patient(tmp_path: Path) -> None:
    options = WIDE | {"patient": {"sex": "SEX", "sex_values": {"1": "M", "2": "F"}}}
    got = checked(opened(tmp_path, "pid,day,INS,GLU,SEX\np1,,,,2\np2,,,,3\np3,,,,\n", options))
    assert got.rows("patient", "patient_id", "sex", "source_sex") == [
        ("p1", "female", "F"),
        ("p2", None, "3"),
    ]
    assert got.reasons == {"row_empty": 1}


def test_a_constant_sex_alone_makes_no_person_of_an_empty_row(tmp_path: Path) -> None:
    options = WIDE | {"patient_id": "#line", "constants": {"sex": "F"}}
    got = checked(opened(tmp_path, "day,INS,GLU\n2024-01-01,9,\n,,\n", options))
    assert got.rows("patient", "patient_id", "sex") == [("export-2", "female")]
    assert got.reasons == {"row_empty": 1}


def test_a_file_of_persons_alone_needs_no_day(tmp_path: Path) -> None:
    options = {"shape": "wide", "patient_id": "pid", "patient": {"birth_date": "dob", "sex": "sex"}}
    got = checked(opened(tmp_path, "pid,dob,sex\np1,1960-12-24,f\n", options))
    assert got.rows("patient", "birth_date", "sex") == [(date(1960, 12, 24), "female")]
    assert got.tables["observation"].height == 0


def test_a_flag_column_is_a_condition_from_the_observed_day(tmp_path: Path) -> None:
    pregnant = {"equals": ["1", "yes"], "condition": {"code": "Z33.1", "name": "pregnant"}}
    dialysis = {"equals": "y", "condition": {"name": "dialysis"}}
    options = WIDE | {"flags": {"preg": pregnant, "dia": dialysis}}
    rows = ("pid,day,INS,GLU,preg,dia", "p1,2024-03-01,9,,1,y", "p2,2024-03-02,,,yes,n")
    text = "\n".join((*rows, "p3,2024-03-02,,,0,", ""))
    got = checked(opened(tmp_path, text, options))
    assert got.rows("condition", "line", "part", "code", "name", "code_system", "start_on") == [
        (2, 1, "Z33.1", "pregnant", "icd10", date(2024, 3, 1)),
        (2, 2, None, "dialysis", None, date(2024, 3, 1)),
        (3, 1, "Z33.1", "pregnant", "icd10", date(2024, 3, 2)),
    ]
    assert got.reasons == {"row_empty": 1}


# Bad input


@pytest.mark.parametrize("content", ["", "\n\n", " \t\r\n", "\x00\x00"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    assert refusal(opened(tmp_path, content, LONG)) == "file_empty"


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    got = checked(opened(tmp_path, LONG_TEXT.splitlines()[0] + "\n", LONG))
    assert got.reading.rows_in == 0


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_a_file_cut_anywhere_loses_only_its_last_row(tmp_path: Path, shape: str) -> None:
    text, options = (LONG_TEXT, LONG) if shape == "long" else (WIDE_TEXT, WIDE)
    raw = text.replace("p2", "pé").encode()
    whole = checked(opened(tmp_path, raw, options)).landed["observation"].sort("line", "part")
    for end in range(len(raw)):
        got = outcome(opened(tmp_path, raw[:end], options))
        if isinstance(got, str):
            assert end <= raw.index(b"\n")
            continue
        kept = got.landed["observation"].sort("line", "part")
        assert kept.equals(whole.head(kept.height))
        assert kept["line"].n_unique() == max(raw[:end].count(b"\n") - 1, 0)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_bytes_are_told_and_never_raise(tmp_path: Path, seed: int) -> None:
    raw = bytearray(WIDE_TEXT.encode() * 3)
    for step in range(1 + seed % 5):
        raw[(seed * 7919 + step * 104729) % len(raw)] = (seed * 31 + step * 17) % 256
    got = outcome(opened(tmp_path, bytes(raw), WIDE))
    assert isinstance(got, Read) or got in REASONS


def test_bytes_of_another_encoding_are_rejected_by_line(tmp_path: Path) -> None:
    raw = LONG_TEXT.replace("p1", "Jürg").encode("cp1252")
    got = checked(opened(tmp_path, raw, LONG))
    assert got.rejects.select("line", "reason").rows() == [(2, "encoding")]


def test_a_nul_byte_is_rejected_by_line(tmp_path: Path) -> None:
    got = checked(opened(tmp_path, LONG_TEXT.replace("p1", "p\x001"), LONG))
    assert got.reasons == {"nul_byte": 1}


def test_a_header_that_is_none_is_refused(tmp_path: Path) -> None:
    twice = LONG_TEXT.replace("unit", "value", 1)
    assert refusal(opened(tmp_path, twice, LONG)) == "header_duplicate"
    assert refusal(opened(tmp_path, LONG_TEXT, LONG | {"header_row": 9})) == "header_missing"
    split = LONG_TEXT.replace("pid,", "pid\r,", 1)
    assert refusal(opened(tmp_path, split, LONG)) == "header_missing"
    wide = ",".join(["pid", "x" * 200_000]) + "\np1,2\n"
    assert refusal(opened(tmp_path, wide, LONG)) == "header_missing"


def test_without_a_mapped_column_every_row_waits(tmp_path: Path) -> None:
    text = LONG_TEXT.replace("unit", "units").replace("value", "val")
    got = checked(opened(tmp_path, text, LONG))
    assert got.reasons == {"column_missing:value,unit": 2}
    assert got.reading.tables == {}
    item = {"code": "1", "below_limit": {"column": "low", "equals": "1"}}
    flag = {"equals": "1", "condition": {"name": "x"}}
    options = WIDE | {"analytes": {"INS": item}, "flags": {"f": flag}, "patient": {"sex": "s"}}
    got = checked(opened(tmp_path, WIDE_TEXT, options))
    assert got.reasons == {"column_missing:s,low,f": 2}


def test_five_thousand_bad_rows_do_not_hide_a_good_one(tmp_path: Path) -> None:
    bad = ["p1", "p1,2,3,4,5,6", 'p"1,2,3,4,5', '"p1,2,3,4,5', "p1,2,3,,5"]
    lines = [bad[i % 5] for i in range(5000)]
    got = checked(opened(tmp_path, LONG_TEXT + "\n".join(lines) + "\n", LONG))
    assert got.tables["observation"].height == 2
    assert Counter(got.reasons) == {
        "too_few_fields": 1000,
        "too_many_fields": 1000,
        "quote_open": 2000,
        "row_empty": 1000,
    }


def test_nothing_of_the_data_stands_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(opened(tmp_path, b"PK\x03\x04 Ada Lovelace", LONG))
    assert "Lovelace" not in str(caught.value)


# Workbooks

SHEET: list[list[object]] = [
    ["pid", "day", "INS", "GLU", "hour", "note"],
    [12345, date(2024, 3, 1), 8.5, 95, time(8, 30), "ä, ö"],
    ["007", at("2024-03-02T07:15"), "<2", None, None, None],
    [None] * 6,
    ["p3", "2024-03-03", 5.0, "NA", None, None],
    ["p4", None, None, "/", None, None],
]


def test_a_workbook_is_read_as_text_with_its_row_numbers(tmp_path: Path) -> None:
    got = checked(opened(tmp_path, workbook(SHEET), WIDE, "export.xlsx"))
    columns = ("line", "part", "patient_id", "source_value", "observed_at", "observed_precision")
    assert got.rows("observation", *columns) == [
        (2, 1, "12345", "8.5", at("2024-03-01"), "day"),
        (2, 2, "12345", "95", at("2024-03-01"), "day"),
        (3, 1, "007", "<2", at("2024-03-02T07:15"), "time"),
        (5, 1, "p3", "5", at("2024-03-03"), "day"),
    ]
    assert (got.reading.rows_in, got.reasons, got.reading.lines) == (4, {"row_empty": 1}, None)
    shown = json.loads(got.landed["observation"].sort("line", "part")["source_row"][0])
    assert shown == {
        "pid": "12345",
        "day": "2024-03-01",
        "INS": "8.5",
        "GLU": "95",
        "hour": "08:30:00",
        "note": "ä, ö",
    }
    assert json.loads(got.rejects["source_row"][0])["pid"] == "p4"


def test_a_time_cell_joins_its_day(tmp_path: Path) -> None:
    got = checked(opened(tmp_path, workbook(SHEET[:2]), WIDE | {"observed_at": ["day", "hour"]}))
    assert set(got.tables["observation"]["observed_at"]) == {at("2024-03-01T08:30")}


def test_typed_dates_follow_the_format_and_real_dates_need_none(tmp_path: Path) -> None:
    rows = [SHEET[0], ["p1", "01.03.2024", 9], ["p2", date(2024, 3, 1), 9]]
    got = checked(opened(tmp_path, workbook(rows), WIDE | {"date_format": "%d.%m.%Y"}))
    assert set(got.tables["observation"]["observed_at"]) == {at("2024-03-01")}


@pytest.mark.parametrize("sheet", ["results", 2])
def test_the_sheet_is_chosen_by_name_or_number(tmp_path: Path, sheet: object) -> None:
    content = workbook([["title"], [], *SHEET], ("cover", "results"), to=1)
    got = checked(opened(tmp_path, content, WIDE | {"sheet": sheet, "header_row": 3}))
    assert got.rows("observation", "line") == [(4,), (4,), (5,), (7,)]
    assert refusal(opened(tmp_path, content, WIDE | {"sheet": "x"})) == "format_unknown"
    assert refusal(opened(tmp_path, content, WIDE | {"sheet": 3})) == "format_unknown"
    assert refusal(opened(tmp_path, content, WIDE)) in {"file_empty", "header_missing"}


def test_a_sheet_without_header_takes_names(tmp_path: Path) -> None:
    names = ["pid", "day", "INS", "GLU"]
    got = checked(opened(tmp_path, workbook(SHEET[1:3]), WIDE | {"header_row": 0, "names": names}))
    assert got.rows("observation", "line") == [(1,), (1,), (2,)]
    more = [*names, "hour", "note", "never"]
    got = checked(
        opened(
            tmp_path,
            workbook(SHEET[1:3]),
            WIDE | {"header_row": 0, "names": more, "comment": "never"},
        )
    )
    assert got.rows("observation", "comment") == [(None,)] * 3


def test_a_sheets_header_is_checked_as_a_files_is(tmp_path: Path) -> None:
    twice = [["pid", "day", "INS", "INS"], ["p1", "2024-03-01", 9, 9]]
    assert refusal(opened(tmp_path, workbook(twice), WIDE)) == "header_duplicate"
    assert refusal(opened(tmp_path, workbook(SHEET), WIDE | {"header_row": 4})) == "header_missing"
    assert refusal(opened(tmp_path, workbook(SHEET), WIDE | {"header_row": 99})) == "header_missing"
    broken = [["pid", "day", "IN\nS ", "GLU"], ["p1", "2024-03-01", 9, 9]]
    options = WIDE | {"analytes": {"IN S": {"code": "27873-9"}}}
    assert checked(opened(tmp_path, workbook(broken), options)).tables["observation"].height == 1
    got = checked(opened(tmp_path, workbook(SHEET), LONG))
    assert got.reasons == {"column_missing:test,value,unit": 4}


def test_a_damaged_workbook_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    content = workbook(SHEET)
    for end in range(4, len(content), 61):
        assert refusal(opened(tmp_path, content[:end], WIDE)) == "format_unknown"
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 4
    assert refusal(opened(tmp_path, old, WIDE)) == "format_unknown"


@pytest.mark.parametrize("seed", range(12))
def test_a_workbook_with_damaged_bytes_never_raises(tmp_path: Path, seed: int) -> None:
    content = bytearray(workbook(SHEET))
    for step in range(1 + seed % 9):
        content[4 + (seed * 7919 + step * 104729) % (len(content) - 4)] ^= 1 + (seed + step) % 255
    got = outcome(opened(tmp_path, bytes(content), WIDE))
    assert isinstance(got, Read) or got in REASONS


def test_a_workbook_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "MAX_UNPACKED", 1000)
    assert refusal(opened(tmp_path, workbook(SHEET), WIDE)) == "too_large"


def test_a_small_workbook_that_spans_all_cells_ends_no_night(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(SHEET)))
    book.worksheets[0]["XFD1048576"] = 1
    stream = io.BytesIO()
    book.save(stream)
    assert refusal(opened(tmp_path, stream.getvalue(), WIDE)) == "too_large"


def test_a_panic_of_the_parser_ends_only_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicError(BaseException):
        pass

    def panicking(_: bytes) -> None:
        raise PanicError

    monkeypatch.setattr(workbooks.fastexcel, "read_excel", panicking)
    assert refusal(opened(tmp_path, workbook(SHEET), WIDE)) == "format_unknown"


def test_an_old_workbook_is_read_too(tmp_path: Path) -> None:
    path = REAL / "shanghai_diabetes" / "Shanghai_T1DM" / "1012_0_20210923.xls"
    if not path.exists():
        pytest.skip("the published files are not beside this checkout")
    options = {
        "patient_id": "#folder",
        "observed_at": "Date",
        "value": "CGM (mg / dl)",
        "constants": {"code": "99504-3", "unit": "mg/dL"},
    }
    got = checked(opened(tmp_path, path.read_bytes(), options, "x.xls", patient_id="1012"))
    observations = got.tables["observation"]
    assert observations.height > 500
    assert observations.select("value", "observed_at").null_count().row(0) == (0, 0)
