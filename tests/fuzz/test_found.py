"""What fuzzing found, each reduced to a few bytes: it must stay refused, or in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fuzz.holding import Case, broken
from tests.fuzz.seeds import seeds
from tests.transforms.readers.test_xpt import ID, OWN, Column, X, xpt_file
from transforms.landing import Opened, Reading, UnreadableError
from transforms.readers import reader


def outcome(name: str, case: Case) -> str | int:
    """Why the file is refused, or how many rows it has; each of them in its place."""
    told: list[str | int] = []

    def read(opened: Opened) -> Reading:
        try:
            found = reader(name)(opened)
        except UnreadableError as error:
            told.append(error.reason)
            raise
        told.append(found.rows_in)
        return found

    assert broken(name, read, case) is None
    return told[0]


LIBRE = b"Device,Device Timestamp,Record Type,Historic Glucose mg/dL\nL,%s,0,95\nL,%s,0,96\n"


@pytest.mark.parametrize("year", ["2026", "٢٠٢٦"])
def test_libre_dates_in_digits_of_other_scripts_are_no_dates(year: str) -> None:
    """A cast that trusted the expression for "digit" ended the file."""
    day = f"13-01-{year} 10:00".encode()
    case = Case(LIBRE % (day, b"14-01-2026 10:15"), "l.csv")
    assert outcome("libre", case) == 2


@pytest.mark.parametrize(("columns", "told"), [(16_000, 2), (20_000, "header_missing")])
@pytest.mark.parametrize("name", ["table", "dexcom"])
def test_a_header_of_more_columns_than_any_table_has_is_none(
    name: str, columns: int, told: str | int
) -> None:
    """A million commas took a minute and 2 GB."""
    head, *rows = (line for line in seeds(name)[0].content.splitlines())
    wide = b"\n".join((head + b"," * columns, *rows[:2], b""))
    assert outcome(name, replace(seeds(name)[0], content=wide)) == told


@pytest.mark.parametrize(("name", "told"), [("A B", 1), ("A\nB", "format_unknown")])
def test_a_line_end_in_the_name_of_an_xpt_variable_shifts_no_observation(
    name: str, told: str | int
) -> None:
    content = xpt_file([ID, X, Column(name)], [["p1", 8.5, 1.0]])
    assert outcome("xpt", Case(content, "s.xpt", OWN)) == told


@pytest.mark.parametrize(
    ("inside", "rows"), [("<a/>", 1), ("<a/><a><a/></a><b/>", 1), ("<b/><Record/>", 2)]
)
def test_an_apple_element_inside_of_another_is_no_row_whatever_its_name(
    inside: str, rows: int
) -> None:
    """Its tag was counted as a row that then was nowhere, and the whole export waited."""
    text = f"<HealthData><a>{inside}</a><b/><MetadataEntry/></HealthData>"
    assert outcome("apple_health", Case(text.encode(), "export.xml")) == rows + 2
