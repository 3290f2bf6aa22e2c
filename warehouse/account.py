"""The account: every row of every file in exactly one place, and the quarantine that keeps some.

A line may hold several results. Its place is the first that applies of: quarantined (something of
it waits), accepted (something of it stands), superseded, duplicate.
"""

from __future__ import annotations

import duckdb

from transforms.catalog.reasons import SET_ASIDE
from transforms.catalog.tables import HISTORY, NIGHT
from warehouse.store import append, replace


def unaccounted(con: duckdb.DuckDBPyConnection) -> list[int]:
    """Files whose staged and rejected lines are not the lines their reader counted."""
    lines = " UNION ".join(
        f"SELECT file_id, line FROM staging.{name}" for name in (*HISTORY, "rejected")
    )
    rows = con.execute(
        "SELECT f.file_id FROM staging.file f LEFT JOIN "
        f"(SELECT file_id, count(*) AS n FROM ({lines}) "
        "GROUP BY file_id) found USING (file_id) WHERE f.rows_in <> coalesce(found.n, 0)"
    ).fetchall()
    return [int(row[0]) for row in rows]


def keep_rejected(con: duckdb.DuckDBPyConnection, sentences: dict[str, str]) -> int:
    """Put the rejected rows into the quarantine; return how many rows are new there.

    Args:
        con: the warehouse under construction; ``staging.rejected`` holds rows with their text.
        sentences: reason -> sentence.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE sentence (reason VARCHAR, sentence VARCHAR)")
    append(con, "sentence", ("reason", "sentence"), sorted(sentences.items()))
    set_aside = ", ".join(f"'{reason}'" for reason in sorted(SET_ASIDE))
    rows = f"""
        SELECT md5(f.sha256 || f.source || '/' || f.name || ':' || line || ':' || part || ':' ||
                table_name) AS quarantine_id,
            f.source, f.name AS file, file_id, line, part, table_name, reasons, warnings,
            (SELECT string_agg(DISTINCT s.sentence, ' ' ORDER BY s.sentence) FROM sentence s
             WHERE list_contains(list_transform(reasons,
                lambda r: split_part(r, ':', 1)), s.reason)) AS what_to_do,
            source_row AS row, f.known_at::DATE AS first_seen_on,
            CASE WHEN list_has_all([{set_aside}], list_transform(reasons,
                lambda r: split_part(r, ':', 1))) THEN 'set_aside' ELSE 'waiting' END AS state
        FROM staging.rejected JOIN staging.file f USING (file_id)
    """
    kept = replace(con, NIGHT["quarantine"], "false", rows)
    con.execute("DROP TABLE sentence")
    return kept


def keep_duplicates(con: duckdb.DuckDBPyConnection) -> int:
    """Note the arriving rows that said again what was known."""
    return replace(con, NIGHT["duplicate_row"], "false", "SELECT DISTINCT * FROM staging.duplicate")


def account(con: duckdb.DuckDBPyConnection) -> int:
    """Write the account of arriving files and of files whose rows changed place."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE counted AS "
        "SELECT DISTINCT file_id FROM staging.touched UNION SELECT file_id FROM staging.file"
    )
    only = "WHERE file_id IN (SELECT file_id FROM counted)"
    history = " UNION ALL ".join(
        f"SELECT file_id, line, CASE WHEN superseded_at IS NULL THEN 2 ELSE 3 END AS place "
        f"FROM store.{name} {only}"
        for name in HISTORY
    )
    rows = f"""
        WITH seen AS ({history}
            UNION ALL SELECT file_id, line, 1 FROM store.quarantine {only} AND state <> 'replayed'
            UNION ALL SELECT file_id, line, 4 FROM store.duplicate_row {only}),
        placed AS (SELECT file_id, line, min(place) AS place FROM seen GROUP BY ALL),
        counts AS (SELECT file_id,
            count(*) FILTER (place = 2) AS rows_accepted,
            count(*) FILTER (place = 1) AS rows_quarantined,
            count(*) FILTER (place = 4) AS rows_duplicate,
            count(*) FILTER (place = 3) AS rows_superseded FROM placed GROUP BY file_id),
        file AS (
            SELECT source, name AS file, file_id, sha256, known_at, reader, notes, rows_in
            FROM staging.file
            UNION ALL BY NAME
            SELECT source, file, file_id, sha256, known_at, reader, notes, rows_in
            FROM store.source_file {only} AND file_id NOT IN (SELECT file_id FROM staging.file))
        SELECT file.*, coalesce(rows_accepted, 0) AS rows_accepted,
            coalesce(rows_quarantined, 0) AS rows_quarantined,
            coalesce(rows_duplicate, 0) AS rows_duplicate,
            coalesce(rows_superseded, 0) AS rows_superseded,
            CASE WHEN rows_in > 0 AND coalesce(rows_quarantined, 0) = rows_in THEN 'quarantined'
                 ELSE 'read' END AS state
        FROM file LEFT JOIN counts USING (file_id)
    """
    count = replace(con, NIGHT["source_file"], "file_id IN (SELECT file_id FROM counted)", rows)
    con.execute("DROP TABLE counted")
    return count
