"""Value text: a number, its comparator, or nothing."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.values import comparator, number


def read(text: str | None, decimal: str = ".") -> tuple[float | None, str | None]:
    value = pl.lit(text, dtype=pl.String)
    return pl.select(number(value, decimal), sign=comparator(value, decimal)).row(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.4", (5.4, None)),
        ("5", (5.0, None)),
        ("5.", (5.0, None)),
        (".5", (0.5, None)),
        ("+5", (5.0, None)),
        ("-5", (-5.0, None)),
        ("1e2", (100.0, None)),
        ("0", (0.0, None)),
        ("<2", (2.0, "<")),
        ("< 2", (2.0, "<")),
        ("<=2", (2.0, "<=")),
        ("≤2", (2.0, "<=")),
        (">300", (300.0, ">")),
        ("≥ 300", (300.0, ">=")),
        (">=300", (300.0, ">=")),
    ],
)
def test_a_number_is_read_with_its_comparator(
    text: str, expected: tuple[float, str | None]
) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-", "<", "five", "5,4", "1,234", "1.2.3", "5 4", "5.4 mg", "5/4", "0x10"),
        *("nan", "NaN", "inf", "-inf", "<<2", "=2", "~2", "5\x00", "٣٤", "1_000"),
        None,
    ],
)
def test_what_is_no_number_is_nothing(text: str | None) -> None:
    assert read(text) == (None, None)


def test_a_number_too_large_to_hold_is_nothing() -> None:
    assert read("1e999")[0] is None
    assert read("1e300")[0] == 1e300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5,4", 5.4),
        ("5.4", 5.4),
        ("<0,5", 0.5),
        ("1.234,5", None),
        ("1,234.5", None),
        ("1,2,3", None),
        ("1.234", None),
        ("5", 5.0),
    ],
)
def test_a_comma_is_a_decimal_mark_where_the_source_says_so(text: str, value: float | None) -> None:
    assert read(text, ",")[0] == value


def test_a_comma_is_no_decimal_mark_where_it_does_not() -> None:
    assert read("5,4", ".") == (None, None)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_every_number_is_read_as_it_was_written(value: float) -> None:
    assert read(repr(value))[0] == value
    assert read(f"<{abs(value)!r}") == (abs(value), "<")


@given(st.text(max_size=12))
def test_any_text_gives_a_finite_number_or_nothing(text: str) -> None:
    value, sign = read(text)
    assert value is None or math.isfinite(value)
    assert sign in {None, "<", "<=", ">", ">="}
