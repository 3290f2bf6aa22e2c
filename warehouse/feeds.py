"""Feeds in the build: what came per file, which feed jumped, codes unknown, units proposed.

Everything is told of a file by files that landed before it and by itself, so that a rebuild tells
the same.
"""

from __future__ import annotations

import duckdb
import polars as pl

from transforms.catalog.tables import DERIVED, NIGHT
from transforms.feeds import FEED, UNITS, switches
from transforms.unit_odds import SUSPECT, proposals
from warehouse.store import frame, replace, replace_frame

_HELD = ("file_id", *FEED, "ucum")


def keep_feeds(con: duckdb.DuckDBPyConnection) -> int:
    """Note what staged files brought, mark rows of feeds that jumped; return how many are held."""
    rows = """
        SELECT source, coalesce(lab, '') AS lab, analyte, coalesce(timing, '') AS timing,
            coalesce(ucum, '') AS ucum, file_id, known_at, count(*) AS n_rows,
            count(*) FILTER (number > 0) AS n,
            round(favg(magnitude), 9) AS mean_ln,
            round(greatest(favg(magnitude ** 2) - favg(magnitude) ** 2, 0), 9) AS var_ln,
            CASE WHEN bool_and(approval IS NOT NULL) THEN max(approval) END AS approval
        FROM (SELECT *, CASE WHEN number > 0 THEN ln(number) END AS magnitude
            FROM staging.observation WHERE analyte IS NOT NULL) GROUP BY ALL
        UNION ALL
        SELECT source, '', kind, '', coalesce(ucum, ''), file_id, known_at, count(*), 0, NULL,
            NULL, NULL
        FROM staging.sample GROUP BY ALL
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE arrived AS {rows}")
    jumped = _jumped(con)
    con.register("jumped", jumped.to_arrow())
    replace(
        con,
        NIGHT["feed"],
        "file_id IN (SELECT file_id FROM arrived)",
        f"SELECT * FROM arrived LEFT JOIN jumped USING ({', '.join(_HELD)})",
    )
    held = con.execute(
        "UPDATE staging.observation o SET is_unit_held = true FROM jumped j "
        "WHERE o.file_id = j.file_id AND coalesce(o.lab, '') = j.lab AND o.analyte = j.analyte "
        "AND coalesce(o.timing, '') = j.timing AND o.ucum = j.ucum"
    ).fetchone()
    con.unregister("jumped")
    con.execute("DROP TABLE arrived")
    _keep_unknown_codes(con)
    _note_suspects(con)
    return int(held[0]) if held else 0


def _keep_unknown_codes(con: duckdb.DuckDBPyConnection) -> None:
    replace(
        con,
        NIGHT["unknown_code"],
        "file_id IN (SELECT file_id FROM staging.file)",
        "SELECT source, code_system, source_code, source_unit, lab, file_id, known_at, "
        "count(*) AS n_rows FROM staging.observation "
        "WHERE analyte IS NULL AND source_code IS NOT NULL GROUP BY ALL",
    )


def _jumped(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Feeds of arriving files that jumped."""
    same = " AND ".join(f"a.{name} = f.{name}" for name in FEED)
    columns = ", ".join(f"f.{name}" for name in (*_HELD, "n", "mean_ln", "var_ln", "approval"))
    files = frame(
        con,
        f"SELECT {columns} FROM (SELECT {columns} FROM store.feed f WHERE file_id NOT IN "
        f"(SELECT file_id FROM arrived) UNION ALL SELECT {columns} FROM arrived f) f "
        f"WHERE f.n > 0 AND EXISTS (FROM arrived a WHERE {same})",
    )
    arriving = frame(con, "SELECT DISTINCT file_id FROM arrived")
    return switches(files).join(arriving, on="file_id", how="semi")


def _note_suspects(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``suspect``: rows whose unit the gate will not accept, before it moves them out."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE suspect AS SELECT file_id, line, part, source, patient_id, "
        "coalesce(lab, '') AS lab, analyte, number, source_unit, "
        "coalesce(is_unit_held, false) AS is_held "
        "FROM staging.observation WHERE number > 0 AND analyte IS NOT NULL "
        "AND NOT coalesce(is_withdrawal, false) "
        "AND (value IS NULL OR value < low OR value > high OR is_unit_held)"
    )


def keep_proposals(con: duckdb.DuckDBPyConnection) -> int:
    """Keep the likeliest unit of every row that waits for one; return how many."""
    found = proposals(_suspects(con).lazy(), _stated(con).lazy()).collect()
    con.register("found", found.to_arrow())
    rows = f"SELECT * FROM found JOIN suspect USING ({', '.join(SUSPECT)})"
    kept = replace(con, NIGHT["unit_proposal"], "false", rows)
    con.unregister("found")
    con.execute("DROP TABLE suspect")
    return kept


def _suspects(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Suspects with the centre of the patient's other results and of the laboratory's."""
    own = frame(
        con,
        "SELECT s.file_id, s.line, s.part, round(favg(ln(o.value)), 9) AS own_mean, "
        "count(*) AS own_n FROM suspect s JOIN store.observation o ON "
        "o.patient_id = s.patient_id AND o.analyte = s.analyte AND o.file_id <= s.file_id "
        "WHERE o.value > 0 AND o.unit_basis IS NULL GROUP BY ALL",
    )
    keys = "file_id, line, part, lab, analyte, number"
    suspects = frame(con, f"SELECT {keys} FROM suspect")
    place = ["file_id", "lab", "analyte"]
    return suspects.join(own, on=SUSPECT, how="left").join(_labs(con), on=place, how="left")


def _seen_before(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The feeds of suspects' laboratories up to each suspect's file, those that jumped left out."""
    return frame(
        con,
        "SELECT s.file_id, s.lab, s.analyte, f.ucum, f.n, f.mean_ln, f.var_ln FROM "
        "(SELECT DISTINCT file_id, source, lab, analyte FROM suspect) s JOIN store.feed f ON "
        "f.source = s.source AND f.lab = s.lab AND f.analyte = s.analyte "
        "AND f.file_id <= s.file_id WHERE f.n > 0 AND f.ucum <> '' AND f.likely_unit IS NULL "
        "ORDER BY f.file_id, f.timing, f.ucum",
    )


def _labs(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    factors = pl.DataFrame(
        [(a, u, f, o) for a, many in UNITS.items() for u, (f, o) in many.items()],
        schema=["analyte", "ucum", "factor", "offset"],
        orient="row",
    )
    n, canonical = pl.col("n"), pl.col("mean_ln").exp() * pl.col("factor") + pl.col("offset")
    seen = _seen_before(con).join(factors, on=["analyte", "ucum"]).filter(canonical > 0)
    mean = (pl.col("ln") * n).sum() / n.sum()
    spread = ((pl.col("var_ln") + (pl.col("ln") - mean) ** 2) * n).sum() / n.sum()
    return (
        seen.with_columns(ln=canonical.log())
        .group_by("file_id", "lab", "analyte")
        .agg(lab_mean=mean.round(9), lab_sd=spread.sqrt().round(9), lab_n=n.sum())
    )


def _stated(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """How often each suspect's laboratory stated each unit; nothing for feeds that jumped, whose
    label is what is in doubt."""
    suspects = frame(con, "SELECT file_id, line, part, lab, analyte FROM suspect WHERE NOT is_held")
    counts = (
        _seen_before(con)
        .group_by("file_id", "lab", "analyte", candidate="ucum")
        .agg(rows=pl.col("n").sum())
    )
    return suspects.join(counts, on=["file_id", "lab", "analyte"]).select(
        *SUSPECT, "candidate", "rows"
    )


def keep_checks(con: duckdb.DuckDBPyConnection, checks: pl.DataFrame) -> int:
    """Replace tonight's freshness and volume."""
    return replace_frame(con, DERIVED["feed_check"], "true", checks)


def arrivals(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """``source``, ``analyte``, ``known_on``, ``rows``: what came, and on which nights."""
    return frame(
        con,
        "SELECT source, analyte, known_at::DATE AS known_on, sum(n_rows)::BIGINT AS rows "
        "FROM store.feed GROUP BY ALL ORDER BY ALL",
    )
