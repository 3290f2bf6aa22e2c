"""Delimited text to columns of text, with the line of every row and a reason for every misfit.

Measured reason for own code on top of Polars: ``scan_csv`` fills a short row with nulls without
a word (a file cut mid-row loads 9 for 95), refuses the whole file for one long row, and hides
line numbers. Lines are scanned and split instead, in the same streaming pass and faster; a row
whose fields do not match the header is rejected, the others go on.

A quoted field may hold the separator and doubled quotes, but not a line end: such a line is
rejected (``quote_open``) and said so.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from transforms.formats.text import Text
from transforms.landing import UnreadableError

MAX_LINE = 1_000_000
"""Characters; a longer line is not a row of any table we know."""
MAX_COLUMNS = 16_384
"""As many as a sheet of Excel has; a million took a minute and 2 GB."""


@dataclass(frozen=True)
class Delimited:
    """``rows``: ``line``, ``text`` and one text column per header name, in file order;
    ``rejects``: see :data:`transforms.landing.REJECTS`; ``rows_in``: data lines, blank ones not
    counted; ``header`` as read."""

    rows: pl.LazyFrame
    rejects: pl.LazyFrame
    rows_in: int
    header: tuple[str, ...]

    def missing(self, required: Sequence[str]) -> tuple[str, ...]:
        """The required columns that the header lacks."""
        return tuple(name for name in required if name not in self.header)


def delimited(
    text: Text,
    separator: str = ",",
    header_line: int = 1,
    *,
    must_close: bool = True,
    names: Sequence[str] | None = None,
) -> Delimited:
    """Split ``text`` by ``separator`` under the header on line ``header_line``.

    Args:
        text: clean text (:func:`transforms.formats.text.text`).
        separator: one character.
        header_line: 1-based line of the header; lines before it are preamble. 0: no header.
        must_close: reject a last line without line end, which may have been cut.
        names: column names to use instead of the header's own (same length).

    Raises:
        UnreadableError: no header, one too wide to be one, or two columns of the same name.
    """
    header = tuple(names) if names else header_names(text, separator, header_line)
    if len(header) > MAX_COLUMNS:
        raise UnreadableError("header_missing", f"more than {MAX_COLUMNS} columns")
    body = text.lines().filter(pl.col("line") > header_line, pl.col("text") != "")
    last, rows_in = body.select(pl.col("line").max(), pl.len()).collect(engine="streaming").row(0)
    if not last and not text.is_closed:
        raise UnreadableError("last_line_open", "the file ends inside its header")
    fields = _quoted_fields(separator) if text.has('"') else _plain_fields(separator)
    checked = body.with_columns(
        reason=_misfit(text, fields, len(header), last if must_close else None)
    )
    whole = checked.filter(pl.col("reason").is_null())
    return Delimited(
        rows=_columns(whole, fields, header),
        rejects=checked.filter(pl.col("reason").is_not_null()).select(
            "line", "reason", source_row="text"
        ),
        rows_in=rows_in,
        header=header,
    )


def header_names(text: Text, separator: str, header_line: int) -> tuple[str, ...]:
    """The stripped names on ``header_line``."""
    found = text.lines().filter(pl.col("line") == header_line).head(1).collect()["text"]
    if found.is_empty() or not found[0].strip(separator + " "):
        raise UnreadableError("header_missing", f"no header on line {header_line}")
    if header_line in text.undecodable:
        raise UnreadableError("encoding", f"line {header_line}, the header")
    try:
        cells = next(csv.reader([found[0]], delimiter=separator))
    except csv.Error:  # a bare carriage return, or a cell beyond the library's limit
        raise UnreadableError("header_missing", f"line {header_line} is no header") from None
    names = tuple(name.strip() for name in cells)
    if "\x00" in found[0]:
        raise UnreadableError("nul_byte", "in the header")
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise UnreadableError("header_duplicate", f"column {', '.join(twice)}")
    return names


def _misfit(text: Text, fields: _Fields, width: int, last: int | None) -> pl.Expr:
    """Null for a row that fits, else the code of what is wrong with it."""
    line, row = pl.col("line"), pl.col("text")
    checks = (
        ("encoding", line.is_in(sorted(text.undecodable)) if text.undecodable else pl.lit(False)),
        ("nul_byte", row.str.contains("\x00", literal=True)),
        ("line_too_long", row.str.len_bytes() > MAX_LINE),
        ("last_line_open", line == last if last and not text.is_closed else pl.lit(False)),
        ("quote_open", fields.quotes % 2 == 1),
        ("quote_misplaced", ~fields.is_exact),
        ("too_few_fields", fields.count < width),
        ("too_many_fields", fields.count > width),
    )
    return pl.coalesce(pl.when(wrong).then(pl.lit(code)) for code, wrong in checks)


@dataclass(frozen=True)
class _Fields:
    """Expressions over ``text``: a line's fields as a list, their count, its quote characters,
    and whether the fields are the whole line."""

    values: pl.Expr
    count: pl.Expr
    quotes: pl.Expr
    is_exact: pl.Expr


def _plain_fields(separator: str) -> _Fields:
    values = pl.col("text").str.split(separator)
    return _Fields(values, values.list.len(), pl.lit(0), pl.lit(True))


def _quoted_fields(separator: str) -> _Fields:
    """Fields of lines that may hold quotes. The regular expression is twice as dear as a split,
    so it is used only for files in which a quote occurs. Every field begins with a separator,
    the first with one put before it: an empty match at the start would hide an empty field."""
    sep = re.escape(separator)
    line = pl.lit(separator) + pl.col("text")
    raw = line.str.extract_all(rf'{sep}(?:[ ]*"(?:[^"]|"")*"[ ]*|[^{sep}"]*)')
    values = raw.list.eval(
        pl.element()
        .str.strip_prefix(separator)
        .str.replace(r'^[ ]*"((?s:.*))"[ ]*$', "${1}")
        .str.replace_all('""', '"', literal=True)
    )
    quotes = pl.col("text").str.count_matches('"', literal=True)
    return _Fields(values, raw.list.len(), quotes, raw.list.join("") == line)


def _columns(rows: pl.LazyFrame, fields: _Fields, header: Sequence[str]) -> pl.LazyFrame:
    places = ("line", "text")
    names = (
        f"column_{i}" if not name or name in places else name
        for i, name in enumerate(header, start=1)
    )
    return rows.with_columns(fields=fields.values).select(
        "line",
        "text",
        *(pl.col("fields").list.get(i, null_on_oob=True).alias(n) for i, n in enumerate(names)),
    )
