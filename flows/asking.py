"""Ask the published warehouse in SQL, and show the answer: a table, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, Literal

import duckdb
import polars as pl

from flows.home import Home
from flows.reading import published
from transforms.release import harmless
from warehouse.reading import MEMORY, SPILL

Shape = Literal["table", "csv", "json"]
Row = tuple[Any, ...]
BATCH = 10_000
WIDEST = 80
"""Characters of a table's cell; CSV and JSON have all."""
_OF_THE_QUERY = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.PermissionException,
    duckdb.InvalidInputException,
    duckdb.OutOfMemoryException,
)
"""Errors whose text is of the query and not of patients' values."""


class QueryError(ValueError):
    """The query is not answered, and why."""


def ask(
    home: Home, query: str, night: date | None, *, shape: Shape, limit: int, memory: str
) -> Iterator[str]:
    """The answer to ``query`` in pieces of text.

    Args:
        home: whose published warehouse.
        query: SQL; of several statements the last one answers.
        night: a past night whose file is kept; None for the newest.
        shape: ``table`` shows the first ``limit`` rows and says how many are not shown.
        limit: see ``shape``.
        memory: DuckDB's memory limit; empty for :data:`warehouse.reading.MEMORY`.

    Raises:
        QueryError: the query is wrong, or wants more than to read this file.
    """
    if not query.strip():
        raise QueryError("no query: give one, or pipe it in")
    with published(home, night, memory or MEMORY, SPILL, for_analysts=True) as con:
        try:
            answer = con.execute(query)
            names = _distinct([column[0] for column in answer.description or ()])
            yield from _SHAPES[shape](names, _rows(answer), limit)
        except _OF_THE_QUERY as error:
            raise QueryError(_said(str(error))) from None
        except duckdb.Error as error:
            raise QueryError(
                f"{type(error).__name__}: a value does not go with the query (which one is not "
                "told here, since it is a patient's)"
            ) from None


def _said(text: str) -> str:
    """DuckDB's own words, and what an analyst may do instead."""
    if "disabled by configuration" in text or "has been locked" in text:
        return (
            f"{text.splitlines()[0]}: `undertow sql` only reads the published warehouse. Write "
            "results with --csv or --json"
        )
    return text


def _distinct(names: list[str]) -> list[str]:
    """A name that comes again gets a number."""
    return [
        f"{name}_{names[:place].count(name)}" if name in names[:place] else name
        for place, name in enumerate(names)
    ]


def _rows(answer: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    while batch := answer.fetchmany(BATCH):
        yield from batch


def _table(names: Sequence[str], rows: Iterator[Row], limit: int) -> Iterator[str]:
    shown = list(islice(rows, limit))
    more = sum(1 for _ in rows)
    cells = [[_cell(name) for name in names], *([_cell(value) for value in row] for row in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_number = [
        all(isinstance(value, int | float | None) for value in column)
        for column in zip(*shown, strict=True)
    ] or [False] * len(names)
    for line in cells:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        )
        yield "  ".join(padded).rstrip() + "\n"
    if more:
        yield f"... and {more:,} more rows: --limit, --csv or --json\n"


def _cell(value: object) -> str:
    """One line of what can be printed: text of a source may hold a terminal's commands."""
    text = "" if value is None else str(value)
    text = "".join(sign if sign.isprintable() else "�" for sign in text)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _csv(names: Sequence[str], rows: Iterator[Row], limit: int) -> Iterator[str]:  # noqa: ARG001
    yield _lines([tuple(names)])
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield _lines(batch)
            batch = []
    yield _lines(batch)


def _lines(rows: list[Row]) -> str:
    """CSV whose text no spreadsheet runs; numbers and dates stay as they are."""
    columns = [_harmless(list(column)) for column in zip(*rows, strict=True)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(zip(*columns, strict=True))
    return out.getvalue()


def _harmless(values: list[Any]) -> list[Any]:
    texts = [
        json.dumps(v, default=str, ensure_ascii=False) if isinstance(v, list | dict | tuple) else v
        for v in values
    ]
    if not any(isinstance(value, str) for value in texts):
        return texts
    column = pl.Series("t", [v if isinstance(v, str) else None for v in texts], dtype=pl.String)
    safe = column.to_frame().select(harmless(pl.col("t")))["t"].to_list()
    return [s if isinstance(v, str) else v for s, v in zip(safe, texts, strict=True)]


def _json(names: Sequence[str], rows: Iterator[Row], limit: int) -> Iterator[str]:  # noqa: ARG001
    lead = "["
    for row in rows:
        yield f"{lead}\n{_object(names, row)}"
        lead = ","
    yield "\n]\n" if lead == "," else "[]\n"


def _object(names: Sequence[str], row: Row) -> str:
    known = dict(zip(names, map(_finite, row), strict=True))
    return json.dumps(known, default=str, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:  # noqa: ANN401 whatever DuckDB gives
    """JSON has no number for what is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_finite(item) for item in value] if isinstance(value, list) else value


_SHAPES: Mapping[Shape, Callable[[Sequence[str], Iterator[Row], int], Iterator[str]]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
}
