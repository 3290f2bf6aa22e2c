"""The values that stand in a real file, read by the standard library alone."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}v"
EMPTY_AS = {"Low": "<40", "High": ">400"}
"""Dexcom's words, which are stored as the range they stand for."""


def texts(path: Path) -> Counter[str] | None:
    """Text -> how often a cell, a field, an attribute or a JSON value is that text; None for
    formats that the standard library cannot read (old workbooks, SAS transport, FIT)."""
    read = READ.get(path.suffix.lower())
    return Counter(text.strip() for text in read(path)) if read else None


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    if raw.startswith(b"\xff\xfe"):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _cells(path: Path) -> Iterator[str]:
    text = _decoded(path)
    delimiter = "\t" if text.count("\t") > text.count(",") else ","
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        yield from (EMPTY_AS.get(cell, cell) for cell in row)


def codes(path: Path) -> Iterator[str]:
    """The code of every result of a file of messages."""
    return (fields[3].split("^")[0] for fields in _results(path))


def _results(path: Path) -> Iterator[list[str]]:
    for line in re.split("[\r\n]+", _decoded(path)):
        if line.startswith("OBX"):
            yield line.split(line[3])


def _values(path: Path) -> Iterator[str]:
    for fields in _results(path):
        yield from fields[5:6]


def _json(path: Path) -> Iterator[str]:
    text = _decoded(path)
    lines = text.splitlines() if path.suffix == ".ndjson" else [text]
    for line in filter(str.strip, lines):
        yield from _scalars(json.loads(line, parse_float=str, parse_int=str))


def _scalars(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _scalars(part)
    elif value is not None:
        yield str(value)


def _attributes(path: Path) -> Iterator[str]:
    for element in ET.parse(path).iter():  # noqa: S314 a file of the fixtures
        yield from element.attrib.values()


def _numbers(path: Path) -> Iterator[str]:
    """Numbers of the first sheet, to the nine decimals that docs/table.md promises."""
    with zipfile.ZipFile(path) as book, book.open("xl/worksheets/sheet1.xml") as sheet:
        for cell in ET.parse(sheet).iter(SHEET):  # noqa: S314
            try:
                yield f"{round(float(cell.text or ''), 9):.9f}".rstrip("0").rstrip(".")
            except ValueError:
                continue


READ: dict[str, Callable[[Path], Iterator[str]]] = {
    ".csv": _cells,
    ".txt": _cells,
    ".hl7": _values,
    ".json": _json,
    ".ndjson": _json,
    ".fhir": _json,
    ".xml": _attributes,
    ".xlsx": _numbers,
}
