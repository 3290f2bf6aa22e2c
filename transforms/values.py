"""Value text to number and comparator: "<2" is censored at 2, not 2 and not nothing."""

from __future__ import annotations

import polars as pl

NUMBER = r"^([<>]=?|≤|≥)?\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)$"
COMPARATORS = {"<": "<", "<=": "<=", "≤": "<=", ">": ">", ">=": ">=", "≥": ">="}


def pointed(value: pl.Expr, decimal: str) -> pl.Expr:
    """The text with a decimal point; with a decimal comma, null where it has both marks, or a
    point before three digits: whether 1.234 is a thousand or one and a bit cannot be known."""
    if decimal == ".":
        return value
    unsure = value.str.contains(r"[.].*,|,.*[.]|[.]\d{3}$")
    return pl.when(~unsure).then(value.str.replace(decimal, ".", literal=True))


def number(value: pl.Expr, decimal: str = ".") -> pl.Expr:
    """The finite number in the text, without its comparator; null when there is none.

    >>> pl.select(number(pl.lit("<2.5")), b=number(pl.lit("5,4")), c=number(pl.lit("1e999"))).row(0)
    (2.5, None, None)
    """
    found = pointed(value, decimal).str.extract(NUMBER, 2).cast(pl.Float64, strict=False)
    return pl.when(found.is_finite()).then(found)


def comparator(value: pl.Expr, decimal: str = ".") -> pl.Expr:
    """``<``, ``<=``, ``>``, ``>=`` or null.

    >>> pl.select(comparator(pl.lit("≥ 300"))).item()
    '>='
    """
    sign = pointed(value, decimal).str.extract(NUMBER, 1)
    return sign.replace_strict(COMPARATORS, default=None, return_dtype=pl.String)
