"""Delimited text: fields as they stand, and every row that does not fit with its reason."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.formats import delimited as module
from transforms.formats.delimited import Delimited, delimited
from transforms.formats.text import text
from transforms.landing import Opened, Source, UnreadableError


def split(tmp_path: Path, content: str | bytes, separator: str = ",", **more: object) -> Delimited:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    opened = Opened(path, "labs.csv", Source("s", "clinic_csv"), scratch)
    return delimited(text(opened), separator, **more)  # type: ignore[arg-type]


def rows(found: Delimited) -> list[tuple[object, ...]]:
    return found.rows.drop("text").collect().rows()


def rejects(found: Delimited) -> list[tuple[int, str]]:
    kept = found.rejects.collect()
    assert set(kept["reason"]) <= set(REASONS)
    return kept.select("line", "reason").rows()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^"])
@pytest.mark.parametrize("quote", ["", '"'], ids=["plain", "quoted"])
def test_fields_stand_under_their_header_with_their_line(
    tmp_path: Path, separator: str, quote: str
) -> None:
    written = [["a", "b"], ["1", f"{quote}2{quote}"], ["3", ""]]
    found = split(tmp_path, "".join(separator.join(row) + "\n" for row in written), separator)
    assert found.header == ("a", "b")
    assert rows(found) == [(2, "1", "2"), (3, "3", "")]
    assert (rejects(found), found.rows_in) == ([], 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1", "too_few_fields"),
        ("1,2,3", "too_many_fields"),
        ('"1,2', "quote_open"),
        ('1,"2', "quote_open"),
        ('1,x"2"', "quote_misplaced"),
        ('1,"2"x', "quote_misplaced"),
        ("1,\x002", "nul_byte"),
    ],
)
def test_a_row_that_does_not_fit_waits_and_the_others_go_on(
    tmp_path: Path, line: str, reason: str
) -> None:
    found = split(tmp_path, f"a,b\nfirst,1\n{line}\nlast,2\n")
    assert rejects(found) == [(3, reason)]
    assert rows(found) == [(2, "first", "1"), (4, "last", "2")]
    assert found.rejects.collect()["source_row"].to_list() == [line]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('"1,5",2', ("1,5", "2")),
        ('1,"say ""hi"""', ("1", 'say "hi"')),
        ('"",""', ("", "")),
        ('1, "2" ', ("1", "2")),
        ('",",","', (",", ",")),
        ("1,", ("1", "")),
    ],
)
def test_a_quoted_field_may_hold_the_separator_and_quotes(
    tmp_path: Path, line: str, fields: tuple[str, str]
) -> None:
    found = split(tmp_path, f'a,b\n"x",y\n{line}\n')
    assert rejects(found) == []
    assert rows(found)[1:] == [(3, *fields)]


@pytest.mark.parametrize("line", [",2", ",", ',"2"'])
def test_an_empty_first_field_is_a_field(tmp_path: Path, line: str) -> None:
    assert rejects(split(tmp_path, f'a,b\n"x",y\n{line}\n')) == []


def test_an_empty_first_field_is_a_field_where_there_are_no_quotes(tmp_path: Path) -> None:
    assert rows(split(tmp_path, "a,b\n,2\n")) == [(2, "", "2")]


def test_bytes_of_another_encoding_and_endless_lines_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LINE", 10)
    found = split(tmp_path, b"a,b\nok,1\n\xff,1\n" + b"x" * 11 + b",2\n")
    assert rejects(found) == [(3, "encoding"), (4, "line_too_long")]
    assert rows(found) == [(2, "ok", "1")]


def test_a_last_line_without_end_waits_unless_it_need_not_be_closed(tmp_path: Path) -> None:
    assert rejects(split(tmp_path, "a,b\n1,2\n3,4")) == [(3, "last_line_open")]
    open_end = split(tmp_path, "a,b\n1,2\n3,4", must_close=False)
    assert rows(open_end) == [(2, "1", "2"), (3, "3", "4")]


def test_blank_lines_are_no_rows_and_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    found = split(tmp_path, "a,b\n\n1,2\n\r\n3,4\n")
    assert rows(found) == [(3, "1", "2"), (5, "3", "4")]
    assert found.rows_in == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b", "last_line_open"),
        ("a,a\n1,2\n", "header_duplicate"),
        ("a, a \n1,2\n", "header_duplicate"),
        (",,\n1,2,3\n", "header_missing"),
        ("a,\x00b\n1,2\n", "nul_byte"),
        (b"a,\xff\n1,2\n", "encoding"),
    ],
)
def test_a_header_that_cannot_be_trusted_refuses_the_file(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    with pytest.raises(UnreadableError) as caught:
        split(tmp_path, content)
    assert caught.value.reason == reason
    assert rows(split(tmp_path, "a,b\n1,2\n"))


def test_a_header_may_be_quoted_stripped_nameless_or_further_down(tmp_path: Path) -> None:
    assert split(tmp_path, '"a, b", c \n1,2\n').header == ("a, b", "c")
    nameless = split(tmp_path, "a,,\n1,2,3\n")
    assert nameless.rows.collect_schema().names() == ["line", "text", "a", "column_2", "column_3"]
    below = split(tmp_path, "made today\na,b\n1,2\n", header_line=2)
    assert rows(below) == [(3, "1", "2")]
    with pytest.raises(UnreadableError, match="header_missing"):
        split(tmp_path, "a,b\n1,2\n", header_line=9)


def test_names_may_be_given_where_there_is_no_header(tmp_path: Path) -> None:
    found = split(tmp_path, "1,2\n", header_line=0, names=("a", "b"))
    assert (rows(found), found.header) == ([(1, "1", "2")], ("a", "b"))


def test_missing_columns_are_named(tmp_path: Path) -> None:
    assert split(tmp_path, "a,b\n1,2\n").missing(("a", "b", "c")) == ("c",)


FIELD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=6)
TABLE = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=6)
)


@given(TABLE, st.sampled_from([",", ";", "\t"]))
def test_what_a_csv_writer_writes_is_read_as_it_was(
    tmp_path: Path, table: list[list[str]], separator: str
) -> None:
    """Fields begin with a letter, so that none is empty or blank at its ends."""
    kept = [[f"x{field}x" for field in row] for row in table]
    width = len(kept[0]) if kept else 1
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerows([[f"c{i}" for i in range(width)], *kept])
    found = split(tmp_path, out.getvalue(), separator)
    assert rejects(found) == []
    assert [list(row[1:]) for row in rows(found)] == kept


@given(st.lists(st.text(st.sampled_from('ab,";\x00 é'), max_size=12), max_size=8))
def test_every_line_is_a_row_or_rejected_and_none_is_both(tmp_path: Path, body: list[str]) -> None:
    found = split(tmp_path, "a,b\n" + "".join(f"{line}\n" for line in body))
    taken = [row[0] for row in rows(found)]
    refused = [line for line, _ in rejects(found)]
    written = [i for i, line in enumerate(body, start=2) if line]
    assert sorted([*taken, *refused]) == written
    assert found.rows_in == len(written)


def test_the_columns_are_all_text(tmp_path: Path) -> None:
    schema = split(tmp_path, "a,b\n1,2026-01-01\n").rows.collect_schema()
    assert dict(schema) == {"line": pl.Int64, "text": pl.String, "a": pl.String, "b": pl.String}
