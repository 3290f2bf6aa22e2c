"""clinic_csv: the contract's columns, and every way a file can be broken on its way."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from transforms.catalog.reasons import REASONS
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers.clinic_csv import KINDS, read

HEADER = "patient_id,collected_at,code,value,unit,fasting,lab,assay,status,result_id,reported_at"
ROWS = (
    "P1,2026-02-01T08:00:00+01:00,27873-9,12.5,uIU/mL,yes,Labör,Cobas,F,r-1,2026-02-01T12:00:00Z",
    "P1,2026-02-01T08:00:00+01:00,1558-6,95,mg/dL,yes,Labör,Cobas,F,r-2,2026-02-01T12:00:00Z",
    "P2,2026-02-02,27873-9,<2,uIU/mL,10,Labör,Cobas,C,r-3,2026-02-03",
)
QUOTED = 'P3,2026-02-02,27873-9,"1,5","uIU/mL",yes,"Lab ""A"", Rome",Cobas,F,r-4,2026-02-03'
SMALL = "".join(f"{line}\n" for line in (HEADER, *ROWS))
Open = Callable[..., Reading]


@pytest.fixture
def reading(tmp_path: Path) -> Open:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def opened(content: str | bytes, name: str = "labs.csv") -> Reading:
        path = tmp_path / "landed"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read(Opened(path, name, Source("clinic", "clinic_csv"), scratch))

    return opened


def checked(found: Reading) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Rows and rejects, after the law: every data line in exactly one of them."""
    table, *others = found.tables or ["observation"]
    assert not others
    rows = found.tables[table].collect() if found.tables else pl.DataFrame({"line": []})
    rejects = found.rejects.collect()
    assert dict(rejects.schema) == REJECTS
    if found.tables:
        assert rows.columns == [*PLACE, *LANDING[table]]
    assert rows.height + rejects.height == found.rows_in
    assert not set(rows["line"]) & set(rejects["line"])
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= set(REASONS)
    return rows.to_dicts(), rejects.select("line", "reason").rows()


def test_a_row_is_landed_as_it_came(reading: Open) -> None:
    rows, rejects = checked(reading(SMALL))
    assert rejects == []
    assert [row["line"] for row in rows] == [2, 3, 4]
    assert rows[2] == {
        "line": 4,
        "part": 0,
        "source_row": None,
        "patient_id": "P2",
        "code_system": "loinc",
        "source_code": "27873-9",
        "source_value": "<2",
        "source_comparator": None,
        "source_unit": "uIU/mL",
        "source_observed_at": "2026-02-02",
        "source_reported_at": "2026-02-03",
        "source_fasting": "10",
        "source_status": "C",
        "lab": "Labör",
        "assay": "Cobas",
        "result_id": "r-3",
        "comment": None,
    }


def test_columns_may_come_in_any_order_and_reported_at_may_be_absent(reading: Open) -> None:
    names = HEADER.split(",")
    order = list(range(len(names)))
    Random(1).shuffle(order)  # noqa: S311
    lines = [line.split(",") for line in SMALL.splitlines()]
    shuffled = "".join(",".join(line[i] for i in order) + "\n" for line in lines)
    assert checked(reading(shuffled)) == checked(reading(SMALL))
    short = "".join(",".join(line[:-1]) + "\n" for line in lines)
    rows, _ = checked(reading(short))
    assert [row["source_reported_at"] for row in rows] == [None] * 3


def test_quoted_fields_are_read_and_blank_ones_are_null(reading: Open) -> None:
    rows, rejects = checked(reading(f"{HEADER}\n{QUOTED}\nP1,, ,,,,,,,,\n"))
    assert rejects == []
    assert (rows[0]["source_value"], rows[0]["lab"]) == ("1,5", 'Lab "A", Rome')
    assert {name for name, value in rows[1].items() if value is not None} == {
        "line",
        "part",
        "patient_id",
    }


@pytest.mark.parametrize(
    ("name", "header", "row", "table", "expected"),
    [
        (
            "patients_1.csv",
            "patient_id,birth_date,sex,time_zone,merged_into",
            "P1,1980-01-01,f,Europe/Rome,P9",
            "patient",
            {"source_birth_date": "1980-01-01", "source_sex": "f", "merged_into": "P9"},
        ),
        (
            "Medications.CSV",
            "patient_id,name,class,start_date,end_date",
            "P1,Metformin,biguanide,2020-01-01,",
            "medication",
            {"name": "Metformin", "class": "biguanide", "source_start": "2020-01-01"},
        ),
        (
            "conditions-2026.csv",
            "patient_id,code,name,onset_date,end_date",
            "P1,E11.9,Diabetes,2020-01-01,2021-01-01",
            "condition",
            {"code": "E11.9", "code_system": "icd10", "source_end": "2021-01-01"},
        ),
        (
            "vitals.csv",
            "patient_id,observed_at,code,value,unit",
            "P1,2026-01-01,29463-7,80,kg",
            "observation",
            {"source_code": "29463-7", "source_value": "80", "source_observed_at": "2026-01-01"},
        ),
    ],
)
def test_a_files_name_says_its_kind(
    reading: Open, name: str, header: str, row: str, table: str, expected: dict[str, str]
) -> None:
    found = reading(f"{header}\n{row}\n", name)
    assert list(found.tables) == [table]
    (landed,), _ = checked(found)
    assert {key: landed[key] for key in expected} == expected


def test_a_file_of_no_known_kind_is_refused_and_every_kind_has_a_table(reading: Open) -> None:
    with pytest.raises(UnreadableError, match="kind_unknown"):
        reading(SMALL, "export.csv")
    assert {kind.table for kind in KINDS.values()} <= set(LANDING)


@pytest.mark.parametrize("column", HEADER.split(",")[:-1])
def test_without_a_required_column_every_row_waits(reading: Open, column: str) -> None:
    renamed = SMALL.replace(column, f"{column}_", 1)
    rows, rejects = checked(reading(renamed))
    assert rows == []
    assert rejects == [(line, f"column_missing:{column}") for line in (2, 3, 4)]


def test_an_extra_column_is_said_and_not_used(reading: Open) -> None:
    wider = "".join(f"{line},more\n" for line in SMALL.splitlines())
    found = reading(wider)
    assert found.notes == ("columns not used: more",)
    assert checked(found) == checked(reading(SMALL))
    assert reading(SMALL).notes == ()


@pytest.mark.parametrize("name", ["text", "line", "part", "source_row", "comment"])
def test_an_extra_column_of_any_name_is_not_used(reading: Open, name: str) -> None:
    head, *rest = SMALL.splitlines()
    wider = f"{head},{name}\n" + "".join(f"{line},more\n" for line in rest)
    assert checked(reading(wider)) == checked(reading(SMALL))


def test_two_columns_of_one_name_refuse_the_file(reading: Open) -> None:
    with pytest.raises(UnreadableError, match="header_duplicate"):
        reading(SMALL.replace("fasting", "value", 1))


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
    ids=["UTF-8", "BOM", "UTF-16 LE", "UTF-16 BE"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_the_same_rows_come_out_of_every_encoding_and_line_end(
    reading: Open, encoding: str, mark: bytes, end: str
) -> None:
    other = mark + SMALL.replace("\n", end).encode(encoding)
    assert checked(reading(other)) == checked(reading(SMALL))


def test_latin_1_rows_wait_and_plain_ones_are_taken(reading: Open) -> None:
    plain = ROWS[0].replace("ö", "o")
    rows, rejects = checked(reading(f"{HEADER}\n{ROWS[0]}\n{plain}\n".encode("latin-1")))
    assert rejects == [(2, "encoding")]
    assert [row["lab"] for row in rows] == ["Labor"]


def test_a_nul_byte_holds_its_row_only(reading: Open) -> None:
    rows, rejects = checked(reading(SMALL.replace("12.5", "12\x00.5")))
    assert rejects == [(2, "nul_byte")]
    assert len(rows) == 2


def accepted(reading: Open, content: bytes) -> list[tuple[Any, ...]]:
    """The rows that a file gives, () for a file that is refused with a reason."""
    try:
        rows, _ = checked(reading(content))
    except UnreadableError as error:
        return [] if error.reason in REASONS else [("no such reason", error.reason)]
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("whole", "step"),
    [
        (SMALL.encode(), 1),
        (f"{HEADER}\n{QUOTED}\n{ROWS[0]}\n".encode(), 1),
        (SMALL.replace("\n", "\r\n").encode(), 3),
        (SMALL.replace("\n", "\r").encode(), 3),
        (codecs.BOM_UTF16_LE + SMALL.encode("utf-16-le"), 5),
    ],
    ids=["LF", "quoted", "CRLF", "CR", "UTF-16"],
)
def test_a_file_cut_anywhere_gives_no_altered_row(reading: Open, whole: bytes, step: int) -> None:
    sound = set(accepted(reading, whole))
    assert len(sound) >= 2
    for cut in range(0, len(whole), step):
        assert set(accepted(reading, whole[:cut])) < sound, cut


def test_a_file_cut_at_a_line_end_gives_the_rows_before_it(reading: Open) -> None:
    whole = [tuple(row.values()) for row in checked(reading(SMALL))[0]]
    for count in range(len(ROWS)):
        cut = "".join(f"{line}\n" for line in (HEADER, *ROWS[:count]))
        assert accepted(reading, cut.encode()) == whole[:count]


def test_a_flipped_bit_ends_in_rows_or_reasons_never_in_a_crash(reading: Open) -> None:
    whole, random = SMALL.encode(), Random(3)  # noqa: S311
    for _ in range(150):
        held = bytearray(whole)
        held[random.randrange(len(held))] ^= 1 << random.randrange(8)
        assert len(accepted(reading, bytes(held))) <= len(ROWS) + 1
