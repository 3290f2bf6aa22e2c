"""FHIR R4: one resource a line, and views of them."""

from __future__ import annotations

import polars as pl

from flows.exports.base import Export
from transforms.exports import fhir
from transforms.exports.tables import person_codes
from transforms.exports.view_definitions import VIEWS, definition, statement


def export_fhir(under_way: Export) -> None:
    """Every resource, those of results shard by shard."""
    people = under_way.people()
    ids = fhir.patient_ids(person_codes(people)).collect().lazy()
    files = under_way.rows("SELECT file_id, sha256 FROM source_file")
    flags = fhir.numbered_flags(under_way.rows("SELECT * FROM cohort"), ids).collect().lazy()
    _write_lines(under_way, "Patient", fhir.patients(people, ids))
    _write_lines(under_way, "Flag", fhir.flags(flags))
    for shard in under_way.shards():
        rows = under_way.observations(shard)
        after = under_way.counts.get("Observation", 0)
        numbered = fhir.numbered_observations(rows, ids, after).collect().lazy()
        _write_lines(under_way, "Observation", fhir.observations(numbered))
        _write_lines(under_way, "Provenance", fhir.provenances(numbered, files))
        rests = fhir.flag_provenances(flags, _drawn(under_way, shard), numbered, under_way.made_at)
        _write_lines(under_way, "Provenance", rests)
    _write_view_definitions(under_way)


def _drawn(under_way: Export, shard: tuple[str, str]) -> pl.LazyFrame:
    """The results behind every used draw of a shard."""
    columns = ", ".join(fhir.DRAWN)
    query = f"SELECT {columns}, drawn_on FROM lineage WHERE used AND patient_id BETWEEN ? AND ?"
    return under_way.rows(query, *shard)


def _write_view_definitions(under_way: Export) -> None:
    """Tables out of the files: for runners of SQL on FHIR, and as SQL for DuckDB."""
    for view in VIEWS:
        name = f"ViewDefinition/{view.name}.json"
        under_way.write_json(name, definition(view))
    statements = [statement(view, f"{view.resource}.ndjson") for view in VIEWS]
    under_way.path("views.sql").write_text("\n\n".join(statements) + "\n", encoding="utf-8")


def _write_lines(under_way: Export, resource: str, rows: pl.LazyFrame) -> None:
    """Append one JSON document a line; JSON text has no line break of its own."""
    lines = rows.collect()["resource"]
    with under_way.path(f"{resource}.ndjson").open("ab") as stream:
        if len(lines):
            stream.write(lines.str.join("\n").item().encode() + b"\n")
    under_way.count(resource, len(lines))
