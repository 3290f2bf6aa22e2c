"""A patient's flag certificate, gathered from the published file and written as JSON and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from pydantic import ValidationError

from flows.explain import UnknownPatientError
from flows.mail import environment
from flows.pictures.drawing import Picture
from flows.pictures.rows import Series
from flows.pictures.series import series_picture
from flows.standing import LIVE, results, standing
from transforms import certificate_again as again
from transforms.catalog import units, words
from transforms.catalog.exclusions import EXCLUSIONS
from transforms.catalog.rule import RULE, STATUSES
from transforms.certificate import (
    SCHEMA,
    Certificate,
    Found,
    InForce,
    Pair,
    Part,
    Person,
    Record,
    Row,
    Span,
    Trend,
    encoded,
    hash_of,
    sealed,
    told,
)
from transforms.certificate_checks import EXACT, checked, same
from transforms.frozen import FrozenModel, decoded, mark
from transforms.pairs import ANALYTES
from warehouse.store import frame

Plain = dict[str, Any]
_PLACE = ", h.source, h.file_id, h.line, h.part"
_BESIDE = f"{_PLACE}, source_value, source_unit, unit, unit_basis, fasting_basis"


class NotCertifiedError(RuntimeError):
    """What is published does not follow from its rows; the message names the checks that fail."""


def certified(
    con: duckdb.DuckDBPyConnection, patient_id: str, label: str | None = None
) -> Certificate:
    """The certificate of a patient's status; a merged record answers for its survivor.

    Args:
        con: the published warehouse.
        patient_id: whose.
        label: stands in the patient's place, where it is to be anonymous. Dates stay.

    Raises:
        UnknownPatientError: no such patient.
        NotCertifiedError: it would not verify.
        CertificateError: more draws or rows than a certificate holds.
    """
    found = _status(con, patient_id)
    con.execute("CREATE OR REPLACE TEMP TABLE affected AS SELECT $1 AS patient_id", [found["id"]])
    try:
        stated = sealed(_content(con, found, label))
    except ValidationError as error:
        raise NotCertifiedError(f"not certified: {told(error)}") from None
    answered = stated.model_copy(
        update={
            "predicates": again.asked(stated),
            "next_draw": again.next_draws(stated),
            "newest_draw": again.newest_draws(stated),
        }
    )
    said = answered.model_copy(update={"what_would_change_it": again.would_change(answered)})
    whole = said.model_copy(update={"content_sha256": hash_of(said.plain())})
    failing = [answer.name for answer in checked(whole) if answer.differences]
    if failing:
        raise NotCertifiedError(
            f"not certified, for it would not verify: {', '.join(failing)}. Look with "
            "`undertow verify`, then run the night anew"
        )
    return whole


def _status(con: duckdb.DuckDBPyConnection, patient_id: str) -> Plain:
    found = frame(
        con,
        "SELECT s.patient_id AS id, s.as_of, s.status, s.tier, s.reason, sex, birth_date, "
        "p_without_one FROM store.patient_status s JOIN store.person USING (patient_id) "
        "LEFT JOIN store.trend USING (patient_id) WHERE s.patient_id = "
        "coalesce((SELECT survivor_id FROM store.patient_alias WHERE patient_id = $1), $1)",
        [patient_id],
    ).to_dicts()
    if not found:
        raise UnknownPatientError("no such patient in the published warehouse")
    return found[0]


def _content(con: duckdb.DuckDBPyConnection, found: Plain, label: str | None) -> Plain:
    """All that is published of the person; what is computed from it is still empty."""
    files = dict(con.execute("SELECT file_id, sha256 FROM store.source_file").fetchall())
    models = _models(con)
    pairs, trends = _pairs(con, found["id"]), _trends(con, found["id"])
    version = next((pair.model_version for pair in pairs if pair.model_version), None)
    records = _records(con, files)
    kept = [record for record in records if record.matches or label is None]
    excluded, barred = ([Span(**day) for day in days.to_dicts()] for days in again.spans(records))
    return {
        "made_by": _made_by(con, found["as_of"]),
        "as_of": found["as_of"],
        "person": _person(found, label),
        "rule": RULE,
        "models": tuple(InForce(**_entry(model)) for model in models.values()),
        "model": models[version] if version else None,
        "rows": tuple(_rows(con, files)),
        "considered": tuple(item.name for item in EXCLUSIONS),
        "records": tuple(kept),
        "records_left_out": len(records) - len(kept),
        "excluded": tuple(excluded),
        "barred": tuple(barred),
        "pairs": tuple(pairs),
        "trends": tuple(trends),
        "found": {name: found[name] for name in Found.model_fields},
        "predicates": (),
        "next_draw": None,
        "newest_draw": None,
        "what_would_change_it": (),
    }


def _person(found: Plain, label: str | None) -> Person:
    born, on = found["birth_date"], found["as_of"]
    return Person(
        id=label or found["id"],
        is_anonymous=label is not None,
        sex=found["sex"],
        birth_year=born.year if born else None,
        age=_age(born, on) if born else None,
    )


def _age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _made_by(con: duckdb.DuckDBPyConnection, night: date) -> str:
    row = con.execute(
        "SELECT code_version FROM store.run WHERE night = $1 AND state = 'done' "
        "ORDER BY started_at DESC LIMIT 1",
        [night],
    ).fetchone()
    return str(row[0]) if row else "unknown"


def _models(con: duckdb.DuckDBPyConnection) -> dict[str, FrozenModel]:
    rows = con.execute("SELECT content FROM store.model ORDER BY in_force_from").fetchall()
    return {model.version: model for model in (decoded(text) for (text,) in rows)}


def _entry(model: FrozenModel) -> Plain:
    return {
        "version": model.version,
        "in_force_from": model.in_force_from,
        "sha256": mark(model),
    }


def _parts(kind: type[Part], rows: pl.DataFrame) -> Iterable[Any]:
    names = list(kind.model_fields)
    return (kind(**row) for row in rows.select(names).iter_rows(named=True))


def _pairs(con: duckdb.DuckDBPyConnection, patient_id: str) -> list[Pair]:
    rows = frame(
        con,
        "SELECT p.*, e.evidence AS fasting_evidence FROM store.fasting_pair p LEFT JOIN "
        "store.fasting_evidence e USING (patient_id, drawn_on) WHERE patient_id = $1 "
        "ORDER BY drawn_on",
        [patient_id],
    )
    return list(_parts(Pair, rows))


def _trends(con: duckdb.DuckDBPyConnection, patient_id: str) -> list[Trend]:
    query = "SELECT * FROM store.trend_at_draw WHERE patient_id = $1 ORDER BY drawn_on"
    return list(_parts(Trend, frame(con, query, [patient_id])))


def _rows(con: duckdb.DuckDBPyConnection, files: Mapping[int, str]) -> Iterable[Row]:
    """Results of insulin and glucose, and what else says something of those draws: of the fast at
    the same instant, of the specimen on the same day."""
    known = results(con, _BESIDE).collect()
    of_draw = known.filter(pl.col("analyte").is_in(ANALYTES))
    says_fast = (pl.col("fasting") != "unknown") | (pl.col("analyte") == "fasting_duration")
    at_draw = pl.col("observed_at").is_in(of_draw["observed_at"].implode()) & says_fast
    is_index = pl.col("analyte") == "haemolysis_index"
    bears = pl.col("analyte").is_in(ANALYTES) | is_index | at_draw
    word = pl.concat_str("absent_reason", "comment", separator=" ", ignore_nulls=True)
    rows = (
        known.filter(bears)
        .sort("observed_at", "analyte", "file_id", "line", "part", nulls_last=False)
        .with_columns(
            is_haemolysed=words.is_haemolysed(word),
            is_ill=words.is_ill(pl.col("comment")),
            folded_unit=units.folded(pl.col("source_unit")),
            file_sha256=pl.col("file_id").replace_strict(files, return_dtype=pl.String),
            known_on=pl.col("known_at").dt.date(),
        )
        .join(units.alias_frame(), on="folded_unit", how="left", maintain_order="left")
    )
    return [_row(row) for row in rows.to_dicts()]


def _row(row: Plain) -> Row:
    says = {"haemolysed": row["is_haemolysed"], "ill": row["is_ill"]}
    unit = _unit(row)
    kept = {name: row[name] for name in Row.model_fields if name in row and name != "ucum"}
    return Row(
        **kept | {"says": tuple(word for word, holds in says.items() if holds)},
        decimal="," if "," in (row["source_value"] or "") else ".",
        ucum=unit.unit if unit else row["ucum"],
        factor=unit.factor if unit else None,
        offset=unit.offset if unit else None,
        citation=unit.citation if unit else None,
    )


def _unit(row: Plain) -> units.Factor | None:
    """The factor that was used. Of a unit that a person approved only the value is kept: it is the
    first unit of the catalog that gives it."""
    known = [factor for factor in units.FACTORS if factor.analyte == row["analyte"]]
    if row["unit_basis"] != "approved":
        return next((factor for factor in known if factor.unit == row["ucum"]), None)
    if row["value"] is None:
        return None
    number = float(str(row["source_value"]).lstrip("<>=≤≥ ").replace(",", "."))
    fits = (f for f in known if same(number * f.factor + f.offset, row["value"], EXACT))
    return next(fits, None)


def _records(con: duckdb.DuckDBPyConnection, files: Mapping[int, str]) -> list[Record]:
    """Standing conditions and medications, with the exclusions that each falls under."""
    found = []
    for table, drug_class in (("condition", "NULL::VARCHAR"), ("medication", '"class"')):
        columns = f"code_system, code, name, {drug_class} AS drug_class, start_on, end_on{_PLACE}"
        rows = standing(con, table, columns, LIVE).sort("file_id", "line", "part").collect()
        found += [
            Record(
                **{name: row[name] for name in Record.model_fields if name in row}
                | {"table": table, "file_sha256": files[row["file_id"]], "matches": ()}
            )
            for row in rows.to_dicts()
        ]
    names = again.matches(found)
    return [
        record.model_copy(update={"matches": tuple(matched)})
        for record, matched in zip(found, names, strict=True)
    ]


def write(certificate: Certificate, folder: Path) -> tuple[Path, Path]:
    """Write JSON and HTML into ``folder``, readable by the owner only; returns both paths.

    They are named by the content's hash: a name or number of a person is no file's name.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"certificate-{certificate.content_sha256[:12]}"
    page = as_html(certificate).encode("utf-8")
    return (
        _written(folder / f"{name}.json", encoded(certificate)),
        _written(folder / f"{name}.html", page),
    )


def _written(path: Path, data: bytes) -> Path:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(data)
    partial.chmod(0o600)
    return partial.rename(path)


def as_html(certificate: Certificate) -> str:
    """The certificate for people: one escaped page that loads nothing."""
    return environment().get_template("certificate.html.j2").render(
        c=certificate,
        picture=_picture(certificate),
        schema=SCHEMA,
        meaning=STATUSES[certificate.found.status],
        code_version=certificate.made_by,
    )  # fmt: skip


def _picture(certificate: Certificate) -> Picture | None:
    draws = [pair.model_dump() for pair in certificate.pairs]
    trends = [trend.model_dump() for trend in certificate.trends]
    return series_picture(Series(draws, trends, trends[-1] if trends else None))
