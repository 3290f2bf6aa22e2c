"""Frames to the entries of a Nightscout site: a JSON array, NDJSON, or its CSV without a header."""

from __future__ import annotations

from datetime import datetime

import orjson
import polars as pl

Document = dict[str, object]


def entries_json(readings: pl.DataFrame) -> bytes:
    """An array as the site answers it.

    Args:
        readings: ``observed_at`` (UTC, whole milliseconds), ``offset_minutes`` east of UTC (null:
            not told), ``sgv`` (mg/dL), ``device`` (null: not told), newest first.
    """
    return orjson.dumps(_documents(readings))


def entries_ndjson(readings: pl.DataFrame) -> bytes:
    """The same documents, one a line; see :func:`entries_json`."""
    return b"".join(orjson.dumps(document) + b"\n" for document in _documents(readings))


def entries_csv(readings: pl.DataFrame, separator: str = ",") -> bytes:
    """The site's CSV: no header, text in quotes, no line end after the last row, all in UTC.

    Args:
        readings: as for :func:`entries_json`; a device must not hold quotes.
        separator: ``,`` or a tab.
    """
    rows = (
        f'"{document["dateString"]}"{separator}{document["date"]}{separator}{document["sgv"]}'
        f'{separator}"Flat"{separator}{_quoted(document.get("device"))}'
        for document in _documents(readings)
    )
    return "\r\n".join(rows).encode()


def _documents(readings: pl.DataFrame) -> list[Document]:
    """As the server stores them: ``dateString`` is written anew in UTC, ``utcOffset`` kept."""
    return [
        _document(number, *row)
        for number, row in enumerate(
            readings.select("observed_at", "offset_minutes", "sgv", "device").iter_rows()
        )
    ]


def _document(
    number: int, at: datetime, offset: int | None, sgv: int, device: str | None
) -> Document:
    stamp = at.isoformat(timespec="milliseconds") + "Z"
    told = {"utcOffset": offset, "device": device}
    return {
        "_id": f"{number:024x}",
        "type": "sgv",
        "sgv": sgv,
        "date": round((at - datetime(1970, 1, 1)).total_seconds() * 1000),  # noqa: DTZ001
        "dateString": stamp,
        "sysTime": stamp,
        "direction": "Flat",
        **{key: value for key, value in told.items() if value is not None},
    }


def _quoted(text: object) -> str:
    return "" if text is None else f'"{text}"'
