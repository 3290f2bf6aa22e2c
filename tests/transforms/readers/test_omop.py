"""OMOP tables as CSV and Parquet: what is read, what waits, what is set aside."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.exclusions import matching
from transforms.catalog.reasons import REASONS
from transforms.catalog.units import ALIASES
from transforms.conform import Arrival, conform
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers import omop
from transforms.readers.omop import LOINC, OPERATORS, read
from transforms.synthetic.emit_omop import measurement_csv

REAL = Path(__file__).parents[3].parent / "shared" / "realdata" / "omop_synthea27"
ZONE = "America/New_York"
at = datetime.fromisoformat

MEASUREMENT = (
    "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,"
    "operator_concept_id,value_as_number,value_as_concept_id,unit_concept_id,"
    "measurement_source_value,unit_source_value,value_source_value"
)


def opened(
    tmp_path: Path,
    content: str | bytes,
    name: str = "measurement.csv",
    folder: str | None = None,
    options: Mapping[str, object] | None = None,
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    source = Source("omop", "omop", time_zone=ZONE, options=options or {})
    return Opened(path, name, source, scratch, folder)


def checked(file: Opened) -> tuple[Reading, dict[str, pl.DataFrame], pl.DataFrame]:
    """A file read, after the law: each row lands or is rejected, never both."""
    reading = read(file)
    rejects = reading.rejects.collect(engine="streaming").sort("line")
    assert dict(rejects.schema) == REJECTS
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= set(REASONS)
    arrival = Arrival("omop", 1, date(2026, 6, 1), ZONE, reading.time_formats)
    tables, lines = {}, list(rejects["line"])
    for name, frame in reading.tables.items():
        landed = frame.collect(engine="streaming")
        assert dict(landed.schema) == PLACE | dict.fromkeys(LANDING[name], pl.String)
        lines.extend(landed["line"].to_list())
        tables[name] = conform(name, landed.lazy(), arrival).collect().sort("line")
    assert len(lines) == len(set(lines)) == reading.rows_in
    return reading, tables, rejects


def measured(tmp_path: Path, *rows: str, columns: str = "") -> pl.DataFrame:
    content = "\n".join([MEASUREMENT + columns, *rows]) + "\n"
    _, tables, rejects = checked(opened(tmp_path, content))
    assert rejects.is_empty()
    return tables["observation"]


def row(**cells: object) -> str:
    """A measurement of insulin, 8.5 uU/mL, with some cells changed."""
    usual: dict[str, object] = {
        "measurement_id": 1,
        "person_id": 7,
        "measurement_concept_id": 3016244,
        "measurement_date": "2024-03-01",
        "measurement_datetime": "2024-03-01 08:15:00",
        "value_as_number": 8.5,
        "unit_concept_id": 9093,
    }
    return ",".join(str((usual | cells).get(name, "")) for name in MEASUREMENT.split(","))


def reasons(rejects: pl.DataFrame) -> dict[str, int]:
    return dict(rejects.group_by("reason").len().iter_rows())


def refusal(file: Opened) -> str:
    with pytest.raises(UnreadableError) as caught:
        checked(file)
    assert caught.value.reason in REASONS
    return caught.value.reason


# ---------------------------------------------------------------- results


def test_a_result_is_read_by_its_concepts_alone(tmp_path: Path) -> None:
    found = measured(tmp_path, row())

    assert found.select("patient_id", "result_id", "analyte", "value", "unit").rows() == [
        ("7", "1", "insulin", 8.5, "u[IU]/mL")
    ]
    assert found.select("observed_at", "observed_zone", "fasting").row(0) == (
        at("2024-03-01T13:15:00"),
        ZONE,
        "unknown",
    )


@pytest.mark.parametrize(
    ("operator", "own", "sign"),
    [
        (4171756, "", "<"),
        (4171754, "", "<="),
        (4172704, "", ">"),
        (4171755, "", ">="),
        (4172703, "", None),
        (0, "", None),
        ("", "8.5", None),
        (0, "<8.5", "<"),
        (4172703, "< 8.5", "<"),
        (4171756, "<8.5", "<"),
        (4171754, "<8.5", "<"),
    ],
)
def test_an_operator_is_a_comparator_even_if_only_the_text_kept_it(
    tmp_path: Path, operator: object, own: str, sign: str | None
) -> None:
    found = measured(tmp_path, row(operator_concept_id=operator, value_source_value=own))

    assert found.select("value", "comparator").row(0) == (8.5, sign)


@pytest.mark.parametrize(("operator", "own"), [(4172704, "<8.5"), (4171756, ">8.5"), (999, "8.5")])
def test_an_operator_that_is_opposed_or_unknown_leaves_no_number(
    tmp_path: Path, operator: int, own: str
) -> None:
    found = measured(tmp_path, row(operator_concept_id=operator, value_source_value=own))

    assert found.select("number", "source_value").row(0) == (
        None,
        f"8.5 | {own} | operator_concept_id {operator}",
    )


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        ({"value_source_value": "<0.5"}, "<0.5"),
        ({"value_source_value": "hemolyzed"}, "hemolyzed"),
        ({"value_as_concept_id": 45884084}, "concept_id 45884084"),
        ({"value_as_concept_id": 0}, None),
        ({"value_as_number": "NaN"}, None),
        ({"value_as_number": "\\N", "value_source_value": "NULL"}, None),
    ],
)
def test_without_a_number_the_words_are_the_value(
    tmp_path: Path, cells: dict[str, object], value: str | None
) -> None:
    found = measured(tmp_path, row(**{"value_as_number": "", **cells}))

    assert found["source_value"].item() == value


@pytest.mark.parametrize(
    ("concept", "own", "code", "analyte", "timing"),
    [
        (3016244, "", "20448-7", "insulin", "any"),
        (0, "27873-9", "27873-9", "insulin", "fasting"),
        (3049999, "27873-9", "27873-9", "insulin", "fasting"),
        # the mapping lost "fasting"; the source's own code still says it
        (3016244, "27873-9", "27873-9", "insulin", "fasting"),
        ("3004501.0", "fasting glucose", "2345-7", "glucose", "any"),
        # pairs found in public mappings, which are wrong
        (3035995, "20448-7", "3035995 | 20448-7", None, None),
        (3016244, "14771-0", "3016244 | 14771-0", None, None),
        # a finger-stick code is left out of the catalog on purpose
        (3004501, "41653-7", "3004501 | 41653-7", None, None),
        (3049999, "INS", "3049999", None, None),
        (0, "INS", "INS", None, None),
        (0, "", None, None, None),
    ],
)
def test_the_code_is_the_one_both_statements_allow(
    tmp_path: Path,
    concept: object,
    own: str,
    code: str | None,
    analyte: str | None,
    timing: str | None,
) -> None:
    cells = {"measurement_concept_id": concept, "measurement_source_value": own}
    found = measured(tmp_path, row(**cells))

    assert found.select("source_code", "analyte", "timing").row(0) == (code, analyte, timing)


def test_settings_map_a_concept_that_is_not_known(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, f"{MEASUREMENT}\n{row(measurement_concept_id=3049999)}\n"))
    arrival = Arrival("omop", 1, date(2026, 6, 1), codes={"3049999": "27873-9"})

    found = conform("observation", reading.tables["observation"], arrival).collect()

    assert found["analyte"].item() == "insulin"


@pytest.mark.parametrize(
    ("concept", "own", "unit", "value"),
    [
        (9093, "", "u[IU]/mL", 8.5),
        ("", "uU/mL", "uU/mL", 8.5),
        (0, "mIU/L", "mIU/L", 8.5),
        (9093, "mIU/L", "mIU/L", 8.5),  # another unit, but the same size
        (9093, "odd", "u[IU]/mL", 8.5),
        (8729, "pmol/L", "pmol/L", 8.5 / 6),
        (9093, "pmol/L", "pmol/L | u[IU]/mL", None),
        (8840, "uU/mL", "uU/mL | mg/dL", None),
        (999, "", "concept_id 999", None),
        (999, "odd", "odd", None),
        (0, "", None, None),
    ],
)
def test_the_unit_is_stated_or_a_known_concept_and_never_two(
    tmp_path: Path, concept: object, own: str, unit: str | None, value: float | None
) -> None:
    found = measured(tmp_path, row(unit_concept_id=concept, unit_source_value=own))

    assert found["source_unit"].item() == unit
    assert found["value"].item() == (pytest.approx(value) if value else None)


@pytest.mark.parametrize(
    ("day", "time", "text", "precision"),
    [
        ("2024-03-01", "2024-03-01 08:15:00", "2024-03-01 08:15:00", "time"),
        ("2024-03-01", "2024-03-01T08:15:00.000", "2024-03-01T08:15:00.000", "time"),
        ("2024-03-01", "", "2024-03-01", "day"),
        ("", "2024-03-01 08:15:00", "2024-03-01 08:15:00", "time"),
        ("2024-03-01", "2024-03-01 00:00:00", "2024-03-01", "day"),
        ("2024-03-01", "2024-03-01T00:00:00.000000", "2024-03-01", "day"),
        ("2024-03-01", "2024-03-01 00:00:01", "2024-03-01 00:00:01", "time"),
        ("2024-03-01", "2024-03-02 08:15:00", "2024-03-01 | 2024-03-02 08:15:00", None),
        ("", "", None, None),
    ],
)
def test_midnight_is_a_day_and_two_days_are_no_time(
    tmp_path: Path, day: str, time: str, text: str | None, precision: str | None
) -> None:
    found = measured(tmp_path, row(measurement_date=day, measurement_datetime=time))

    assert found.select("source_observed_at", "observed_precision").row(0) == (text, precision)


def test_standard_columns_of_a_research_export_name_the_code(tmp_path: Path) -> None:
    extra = ",standard_concept_code,standard_vocabulary"
    unknown = row(measurement_concept_id=3049999)

    found = measured(tmp_path, f"{unknown},2345-7,LOINC", f"{unknown},2345-7,CPT4", columns=extra)

    assert found["analyte"].to_list() == ["glucose", None]


def test_of_the_observation_table_only_what_the_catalog_knows_is_read(tmp_path: Path) -> None:
    content = (
        "observation_id,person_id,observation_concept_id,observation_date,value_as_string,"
        "observation_source_value\n"
        "1,7,3049999,2024-03-01,Yes,49541-6\n"
        "2,7,4275495,2024-03-01,never,smoking\n"
    )

    _, tables, rejects = checked(opened(tmp_path, content, "OBSERVATION.csv"))

    found = tables["observation"].select("analyte", "source_value", "fasting")
    assert found.rows() == [("fasting_status", "Yes", "yes")]
    assert reasons(rejects) == {"record_not_used:observation 4275495": 1}


# ---------------------------------------------------------------- persons

PERSON = (
    "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime,"
    "gender_source_value"
)


@pytest.mark.parametrize(
    ("cells", "text", "middle"),
    [
        ("1,8532,1970,2,3,,", "1970-02-03", date(1970, 2, 3)),
        ("1,8532,1970.0,2.0,3.0,,", "1970-02-03", date(1970, 2, 3)),
        ("1,8532,1970,2,,1970-02-01 00:00:00,", "1970-02", date(1970, 2, 15)),
        ("1,8532,1970,,,1970-06-15 00:00:00,", "1970", date(1970, 7, 1)),
        ("1,8532,1970,,3,,", "1970", date(1970, 7, 1)),
        ("1,8532,,,,1970-02-03 00:00:00,", "1970-02-03", date(1970, 2, 3)),
        ("1,8532,,,,,", None, None),
    ],
)
def test_a_birth_date_is_as_much_as_is_known_unless_the_middle_is_asked_for(
    tmp_path: Path, cells: str, text: str | None, middle: date | None
) -> None:
    content = f"{PERSON}\n{cells}\n"
    _, plain, _ = checked(opened(tmp_path, content, "person.csv"))
    options = {"partial_birth_date": "middle"}
    reading, asked, _ = checked(opened(tmp_path, content, "person.csv", options=options))

    is_whole = text is not None and len(text) == 10
    assert plain["patient"]["source_birth_date"].item() == text
    assert plain["patient"]["birth_date"].item() == (middle if is_whole else None)
    assert asked["patient"]["birth_date"].item() == middle
    assert "1 July" in reading.notes[0]


def test_sex_is_the_concept_or_the_source_text(tmp_path: Path) -> None:
    rows = ["1,8507,1970,1,1,,F", "2,8532,1970,1,1,,", "3,0,1970,1,1,,F", "4,8551,1970,1,1,,"]
    content = "\n".join([PERSON, *rows]) + "\n"

    _, tables, _ = checked(opened(tmp_path, content, "person.csv"))

    assert tables["patient"]["sex"].to_list() == ["male", "female", "female", None]
    assert tables["patient"]["source_sex"].to_list()[3] == "8551"


# ---------------------------------------------------------------- conditions and drugs

CONDITION = (
    "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,"
    "condition_start_datetime,condition_end_date,condition_source_value"
)
DRUG = (
    "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,"
    "drug_exposure_start_datetime,drug_exposure_end_date,verbatim_end_date,drug_source_value,"
    "drug_source_concept_id"
)


def excluded(rows: pl.DataFrame, table: Any) -> list[list[str]]:
    return rows.select(found=matching(table))["found"].to_list()


def test_a_condition_is_excluded_by_code_by_text_and_by_concept(tmp_path: Path) -> None:
    rows = [
        "1,7,0,2020-01-02,,,E11.9",
        "2,7,0,,2020-01-02 00:00:00,2020-02-02,44054006",
        "3,7,0,2020-01-02,,,Type 2 diabetes mellitus",
        "4,7,201826,2020-01-02,,,250.00",
        "5,7,317009,2020-01-02,,,493.90",
        "6,7,0,2020-01-02,,,195967001",
        "7,7,4217975,2020-01-02,,,V22",
        "8,7,443612,2020-01-02,,,1234",
    ]
    content = "\n".join([CONDITION, *rows]) + "\n"

    _, tables, rejects = checked(opened(tmp_path, content, "condition_occurrence.csv"))

    found = tables["condition"]
    pregnant = ["pregnancy", "pregnancy_draw"]
    assert dict(zip(found["record_id"], excluded(found, "condition"), strict=True)) == {
        **{key: ["diabetes"] for key in "1234"},
        "6": [],
        "7": pregnant,
        "8": ["kidney_disease"],
    }
    assert found.select("start_on", "end_on").row(1) == (date(2020, 1, 2), date(2020, 2, 2))
    assert reasons(rejects) == {"concept_unknown:condition_concept_id 317009": 1}


def test_a_drug_is_excluded_by_code_by_text_and_by_concept(tmp_path: Path) -> None:
    rows = [
        "1,7,40163924,2020-01-02,,2020-02-02,,860975,40163924",
        "2,7,43526467,2020-01-02,,2020-02-02,,1373463,43526467",
        "3,7,0,2020-01-02,,,2020-03-03,metformin 500 mg,0",
        "4,7,0,2020-01-02,,2020-02-02,,A10BA02,0",
        "5,7,1503297,2020-01-02,,2020-02-02,,00093-1048-01,45141624",
        "6,7,40163924,2020-01-02,,2020-02-02,,00093-1048-01,45141624",
        "7,7,19073188,2020-01-02,,2020-02-02,,308192,19073188",
        "8,7,40213154,2020-01-02,,2020-02-02,,140,40213154",
    ]
    content = "\n".join([DRUG, *rows]) + "\n"

    _, tables, rejects = checked(opened(tmp_path, content, "drug_exposure.csv"))

    found = tables["medication"]
    assert dict(zip(found["record_id"], excluded(found, "medication"), strict=True)) == {
        "1": ["metformin"],
        "2": ["sglt2_inhibitor"],
        "3": ["metformin"],
        "4": ["metformin"],
        "6": ["metformin"],
        "7": [],
    }
    assert found.select("end_on").row(2) == (date(2020, 3, 3),)
    assert reasons(rejects) == {
        "concept_unknown:drug_concept_id 1503297": 1,
        "concept_unknown:drug_concept_id 40213154": 1,
    }


def test_names_that_a_research_export_adds_are_enough(tmp_path: Path) -> None:
    header = (
        "person_id,drug_concept_id,standard_concept_name,standard_concept_code,standard_vocabulary"
    )
    content = f"{header}\n7,1503297,metformin,6809,RxNorm\n7,1503297,,,\n"

    _, tables, rejects = checked(opened(tmp_path, content, "drug_exposure.csv"))

    found = tables["medication"]
    assert found.select("code_system", "code", "name").rows() == [("rxnorm", "6809", "metformin")]
    assert reasons(rejects) == {"concept_unknown:drug_concept_id 1503297": 1}


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "folder", "table"),
    [
        ("MEASUREMENT_0001.csv", None, "measurement"),
        ("measurement.parquet", None, "measurement"),
        ("cdm54.measurement-000.csv", None, "measurement"),
        ("part-00000-abc.csv", "measurement", "measurement"),
        ("Observation_Period.csv", None, "observation_period"),
        ("observation.csv", None, "observation"),
        ("condition_era.csv", None, "condition_era"),
        ("DEATH.csv", None, "death"),
    ],
)
def test_the_name_of_file_or_folder_is_the_table(
    tmp_path: Path, name: str, folder: str | None, table: str
) -> None:
    assert omop._table(opened(tmp_path, "x", name, folder)) == table


@pytest.mark.parametrize("name", ["labs.csv", "measurements.csv", "persona.csv"])
def test_a_name_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(opened(tmp_path, "person_id\n1\n", name)) == "kind_unknown"


def test_other_tables_are_set_aside_by_row_and_vocabularies_by_file(tmp_path: Path) -> None:
    notes = 'note_id,note_text\n1,"two\nlines"\n2,"open\n'

    reading, tables, rejects = checked(opened(tmp_path, notes, "note.csv"))

    assert (reading.rows_in, tables) == (3, {})
    assert reasons(rejects) == {"record_not_used:note": 3}
    assert refusal(opened(tmp_path, "concept_id\n1\n", "CONCEPT.csv")) == "record_not_used"


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("is_quoted", [True, False])
@pytest.mark.parametrize("is_upper", [True, False])
def test_separators_quotes_and_case_make_no_difference(
    tmp_path: Path, separator: str, is_quoted: bool, is_upper: bool
) -> None:
    mark = '"' if is_quoted else ""
    header = MEASUREMENT.upper() if is_upper else MEASUREMENT
    lines = [header, row(), row(measurement_id=2, value_as_number="")]
    content = "".join(
        separator.join(f"{mark}{cell}{mark}" for cell in line.split(",")) + "\r\n" for line in lines
    )

    _, tables, _ = checked(opened(tmp_path, content))

    assert tables["observation"].select("value", "result_id").rows() == [(8.5, "1"), (None, "2")]


def test_parquet_gives_what_csv_gives_and_can_be_quoted(tmp_path: Path) -> None:
    lines = [row(), row(measurement_id=2, value_as_number="", value_source_value="a b")]
    (tmp_path / "csv").mkdir()
    _, as_csv, _ = checked(opened(tmp_path / "csv", "\n".join([MEASUREMENT, *lines]) + "\n"))
    frame = pl.DataFrame(
        [dict(zip(MEASUREMENT.split(","), line.split(","), strict=True)) for line in lines]
    ).with_columns(
        pl.col("measurement_id", "measurement_concept_id").cast(pl.Int64),
        pl.col("person_id").cast(pl.Float64),
        pl.col("value_as_number").cast(pl.Float64, strict=False),
        pl.col("unit_concept_id").cast(pl.Int32),
        pl.col("measurement_date").str.to_date(),
        pl.col("measurement_datetime").str.to_datetime(time_zone="UTC"),
        value_source_value=pl.Series([None, 'a\nb, "c"']),
        notes=pl.Series([[1], [2]]),
    )
    frame.write_parquet(tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()

    reading, tables, _ = checked(opened(tmp_path, content, "measurement.parquet"))

    columns = ["line", "patient_id", "analyte", "value", "observed_at", "result_id"]
    assert tables["observation"].select(columns).equals(as_csv["observation"].select(columns))
    assert tables["observation"]["source_value"].to_list() == ["8.5", 'a b, "c"']
    assert "taken as local time" in reading.notes[0]
    assert reading.lines is not None
    assert len(reading.lines.read_text().splitlines()) == 3


def test_a_row_that_does_not_fit_waits_alone(tmp_path: Path) -> None:
    content = f'{MEASUREMENT}\n{row()}\n{row()},9\n7,7\n"{row()}\n{row(measurement_id=2)}'

    _, tables, rejects = checked(opened(tmp_path, content))

    assert tables["observation"].height == 1
    assert rejects.select("line", "reason").rows() == [
        (3, "too_many_fields"),
        (4, "too_few_fields"),
        (5, "quote_open"),
        (6, "last_line_open"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "file_empty"),
        (b"PAR1", "format_unknown"),
        (b"PAR1" + b"\x00" * 500 + b"PAR1", "format_unknown"),
        (b"PAR1" + b"\xff" * 5000, "format_unknown"),
        (b"person_id,PERSON_ID\n1,1\n", "header_duplicate"),
        (b"\n\n1,2\n", "header_missing"),
        (b'"' + b"x" * 3_000_000 + b'"\n1\n', "header_missing"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert refusal(opened(tmp_path, content)) == reason


def test_a_cut_parquet_file_is_refused_and_a_whole_one_is_not(tmp_path: Path) -> None:
    pl.DataFrame({"person_id": range(1000), "year_of_birth": 1970}).write_parquet(
        tmp_path / "made.parquet"
    )
    whole = (tmp_path / "made.parquet").read_bytes()

    for cut in range(0, len(whole), len(whole) // 7):
        assert refusal(opened(tmp_path, whole[:cut], "person.parquet")) in REASONS
    assert checked(opened(tmp_path, whole, "person.parquet"))[0].rows_in == 1000


def test_a_parquet_file_of_too_many_rows_for_its_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.select(person_id=pl.repeat(1, 400_000), year_of_birth=pl.repeat(1970, 400_000))
    frame.write_parquet(tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()

    assert checked(opened(tmp_path, content, "person.parquet"))[0].rows_in == 400_000
    monkeypatch.setattr(omop, "FREE_ROWS", 1000)
    assert refusal(opened(tmp_path, content, "person.parquet")) == "too_large"


def test_a_missing_column_makes_every_row_wait(tmp_path: Path) -> None:
    _, tables, rejects = checked(opened(tmp_path, "person_id,x\n1,2\n3,4\n"))

    assert tables == {}
    assert reasons(rejects) == {"column_missing:measurement_concept_id,value_as_number": 2}


def test_every_unit_concept_means_a_unit_of_the_catalog() -> None:
    assert set(omop.UNITS.values()) <= set(ALIASES.values())
    assert set(omop.LOINC.values()) <= set(omop._ANALYTE)


# ---------------------------------------------------------------- real files


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_every_concept_known_here_is_so_in_a_published_vocabulary() -> None:
    with (REAL / "CONCEPT.csv").open(newline="") as stream:
        published = {concept["concept_id"]: concept for concept in csv.DictReader(stream)}
    shared = omop.LOINC.keys() & published.keys()
    assert len(shared) == 45
    assert {key: published[key]["concept_code"] for key in shared} == {
        key: omop.LOINC[key] for key in shared
    }
    assert published.keys() >= {*omop.UNITS, *omop.DISORDERS, *omop.DRUGS}
    for known in (omop.DRUGS, {k: v for k, v in omop.DISORDERS.items() if v == "diabetes"}):
        for concept, name in known.items():
            told = published[concept]["concept_name"].lower()
            assert name in told or concept in DIABETIC, concept


DIABETIC = {"192279"}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_the_published_tables_are_read_row_by_row(tmp_path: Path) -> None:
    counts = {
        "CONDITION_OCCURRENCE": 269,
        "DRUG_EXPOSURE": 711,
        "MEASUREMENT": 5482,
        "OBSERVATION_PERIOD": 14,
        "PERSON": 14,
        "VISIT_OCCURRENCE": 918,
    }
    landed: dict[str, int] = {}
    for name, count in counts.items():
        path = REAL / "even_persons" / f"{name}.csv"
        reading, tables, rejects = checked(opened(tmp_path, path.read_bytes(), path.name))
        assert reading.rows_in == count == len(list(csv.DictReader(path.open())))
        landed |= {table: frame.height for table, frame in tables.items()}
        expected = {} if tables else {f"record_not_used:{name.lower()}": count}
        assert reasons(rejects) == expected

    assert landed == {"condition": 269, "medication": 711, "observation": 5482, "patient": 14}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_the_published_results_are_those_the_file_states(tmp_path: Path) -> None:
    path = REAL / "even_persons" / "MEASUREMENT.csv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    stated = Counter(
        line["measurement_source_value"]
        for line in rows
        if line["measurement_source_value"] in omop._ANALYTE
    )

    _, tables, _ = checked(opened(tmp_path, path.read_bytes(), path.name))

    known = tables["observation"].filter(pl.col("analyte").is_not_null())
    assert known.height == sum(stated.values()) == 4097
    assert Counter(known["source_code"]) == stated
    assert known["value"].null_count() == 0
    assert known.select("number", "result_id").rows() == [
        (float(line["value_as_number"]), line["measurement_id"])
        for line in rows
        if line["measurement_source_value"] in omop._ANALYTE
    ]
    assert set(known["observed_precision"]) == {"day"}


# ---------------------------------------------------------------- round trip


MEASURED = st.tuples(
    st.integers(1, 2**31),
    st.sampled_from(["3016244", "3037110", "3004410"]),
    st.decimals(min_value=0, max_value=10_000, places=2, allow_nan=False),
    st.sampled_from(["", *OPERATORS]),
    st.datetimes(at("1990-01-01"), at("2025-01-01")).map(lambda t: t.replace(microsecond=0)),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(MEASURED, min_size=1, max_size=8))
def test_what_is_written_is_read_back(told: list[tuple[Any, ...]]) -> None:
    names = ("person_id", "measurement_concept_id", "value_as_number", "operator_concept_id")
    rows = pl.DataFrame(
        [
            dict(zip(names, row[:4], strict=True))
            | {"measurement_id": number, "unit_concept_id": 8840, "value_as_number": str(row[2])}
            | {"measurement_date": row[4].date(), "measurement_datetime": str(row[4])}
            | {"visit_occurrence_id": row[5]}
            for number, row in enumerate(told, start=1)
        ]
    )
    with TemporaryDirectory() as folder:
        reading, tables, rejects = checked(opened(Path(folder), measurement_csv(rows)))
        found = tables["observation"]
    assert (reading.rows_in, rejects.height) == (len(told), 0)
    assert found["patient_id"].to_list() == [str(row[0]) for row in told]
    assert found["number"].to_list() == [float(row[2]) for row in told]
    assert found["source_code"].to_list() == [LOINC[row[1]] for row in told]
    signs = [OPERATORS.get(row[3]) for row in told]
    assert found["comparator"].to_list() == [None if sign == "=" else sign for sign in signs]
    assert found["observed_local"].to_list() == [row[4] for row in told]
