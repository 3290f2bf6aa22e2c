"""Replay: rows that wait are read again after a mapping or the catalog was mended."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from transforms.catalog.tables import HISTORY, INCOMING, NIGHT
from warehouse.store import replace


def take_back(con: duckdb.DuckDBPyConnection, file_ids: Collection[int]) -> None:
    """Take the waiting rows of these files out of quarantine and remember their lines.

    Of a file that has rows in the warehouse only the lines that waited come again; of one that
    was refused as a whole, all.
    """
    con.execute("CREATE OR REPLACE TABLE staging.again (file_id INTEGER, line BIGINT)")
    if not file_ids:
        return
    listed = f"({', '.join(str(file_id) for file_id in sorted(file_ids))})"
    con.execute(
        "INSERT INTO staging.again SELECT DISTINCT file_id, line FROM store.quarantine "
        f"WHERE file_id IN {listed} AND state = 'waiting'"
    )
    replace(
        con,
        NIGHT["quarantine"],
        f"file_id IN {listed} AND state = 'waiting'",
        "SELECT * FROM store.quarantine WHERE false",
    )


def only_waiting(con: duckdb.DuckDBPyConnection) -> None:
    """Of files read again, keep in staging only what does not stand in the warehouse already."""
    held = " UNION ".join(
        f"SELECT file_id FROM store.{name} WHERE file_id IN (SELECT file_id FROM staging.again)"
        for name in (*HISTORY, "duplicate_row")
    )
    for name in (*INCOMING, "rejected"):
        con.execute(
            f"DELETE FROM staging.{name} WHERE file_id IN ({held}) AND (file_id, line) NOT IN "
            "(SELECT (file_id, line) FROM staging.again)"
        )
    for name in INCOMING:
        con.execute(
            f"DELETE FROM staging.{name} WHERE file_id IN ({held}) AND (file_id, line, part) IN "
            f"(SELECT (file_id, line, part) FROM store.{name})"
        )
