"""FHIR R4, one resource a line: Patient, Observation, Flag, Provenance.

The JSON is built as text in the frame: FHIR forbids null members, which a struct cannot leave out.
A Flag names a cohort, which is a rule's finding and never a diagnosis.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from transforms.exports.tables import with_code_said

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
FILE = "urn:undertow:file-sha256"
PREFIX = "n-"
STATUSES = ("final", "corrected", "amended", "preliminary", "unknown")


def json_of(value: pl.Expr) -> pl.Expr:
    """``value`` as JSON; null stays null.

    >>> pl.select(json_of(pl.lit('say "a"'))).item()
    '"say \\\\"a\\\\""'
    """
    encoded = pl.struct(value.alias("v")).struct.json_encode()
    return pl.when(value.is_not_null()).then(encoded.str.slice(5, encoded.str.len_chars() - 6))


def object_of(**members: pl.Expr) -> pl.Expr:
    """A JSON object of members that are JSON already; null members are left out, and an object
    without members is null."""
    parts = [pl.concat_str(pl.lit(f'"{name}":'), value) for name, value in members.items()]
    inside = pl.concat_str(parts, separator=",", ignore_nulls=True)
    return pl.when(inside != "").then(pl.concat_str(pl.lit("{"), inside, pl.lit("}")))


def list_of(item: pl.Expr) -> pl.Expr:
    """A JSON list of one item; null of null."""
    return pl.concat_str(pl.lit("["), item, pl.lit("]"))


def _text(value: str) -> pl.Expr:
    return json_of(pl.lit(value))


def patient_ids(codes: pl.LazyFrame) -> pl.LazyFrame:
    """``patient_id``, ``logical_id``: the same where FHIR allows it as an id, else ``n-`` and the
    person's code; an id of that form is coded too, so that no two people meet."""
    allowed = pl.col("patient_id").str.contains(r"^[A-Za-z0-9.-]{1,64}$")
    is_ours = pl.col("patient_id").str.starts_with(PREFIX)
    own = pl.concat_str(pl.lit(PREFIX), "person_id")
    return codes.select(
        "patient_id", logical_id=pl.when(allowed & ~is_ours).then("patient_id").otherwise(own)
    )


def _subject() -> pl.Expr:
    return object_of(reference=json_of(pl.concat_str(pl.lit("Patient/"), "logical_id")))


def patients(people: pl.LazyFrame, ids: pl.LazyFrame) -> pl.LazyFrame:
    """Patient of ``patient_id``, ``birth_date``, ``sex``: id, gender, birth date, no name."""
    rows = people.join(ids, on="patient_id").sort("patient_id")
    resource = object_of(
        resourceType=_text("Patient"),
        id=json_of(pl.col("logical_id")),
        gender=json_of(pl.col("sex")),
        birthDate=json_of(pl.col("birth_date").dt.to_string("%Y-%m-%d")),
    )
    return rows.select(resource=resource)


def numbered_observations(
    observations: pl.LazyFrame, ids: pl.LazyFrame, after: int = 0
) -> pl.LazyFrame:
    """The rows of Observation and Provenance, with ``number``, ``logical_id``, ``code_said``."""
    rows = with_code_said(observations.join(ids, on="patient_id"))
    return rows.with_columns(number=pl.int_range(after + 1, after + pl.len() + 1, dtype=pl.Int64))


def observations(numbered: pl.LazyFrame) -> pl.LazyFrame:
    """Observation of :func:`numbered_observations`: the LOINC code that fits the canonical unit,
    the analyte as text, the value with its UCUM unit, the time with its offset."""
    known = pl.col("status").is_in(STATUSES)
    status = pl.when(known).then("status").otherwise(pl.lit("unknown"))
    coding = object_of(
        system=pl.when(pl.col("code_said").is_not_null()).then(_text(LOINC)),
        code=json_of(pl.col("code_said")),
    )
    resource = object_of(
        resourceType=_text("Observation"),
        id=json_of(_number()),
        status=json_of(status),
        code=object_of(coding=list_of(coding), text=json_of(pl.col("analyte"))),
        subject=_subject(),
        effectiveDateTime=json_of(effective()),
        issued=json_of(_instant("reported_at")),
        valueQuantity=_quantity(),
        dataAbsentReason=_absent(),
    )
    return numbered.sort("number").select(resource=resource)


def _number() -> pl.Expr:
    return pl.concat_str(pl.lit("o-"), "number")


def _quantity() -> pl.Expr:
    unit, there = json_of(pl.col("unit")), pl.col("value").is_finite()
    return pl.when(there).then(
        object_of(
            value=json_of(pl.col("value")),
            comparator=json_of(pl.col("comparator")),
            unit=unit,
            system=pl.when(pl.col("unit").is_not_null()).then(_text(UCUM)),
            code=unit,
        )
    )


def _absent() -> pl.Expr:
    missing = pl.col("value").is_null() & pl.col("absent_reason").is_not_null()
    return pl.when(missing).then(object_of(text=json_of(pl.col("absent_reason"))))


def effective() -> pl.Expr:
    """The wall-clock time with its offset from UTC; the day alone where no time was stated; the
    instant in UTC where the wall clock is not known."""
    local, at = pl.col("observed_local"), pl.col("observed_at")
    minutes = (local - at).dt.total_minutes()
    offset = pl.concat_str(
        pl.when(minutes < 0).then(pl.lit("-")).otherwise(pl.lit("+")),
        (minutes.abs() // 60).cast(pl.String).str.zfill(2),
        pl.lit(":"),
        (minutes.abs() % 60).cast(pl.String).str.zfill(2),
    )
    timed = pl.concat_str(local.dt.to_string("%Y-%m-%dT%H:%M:%S"), offset)
    day = pl.col("observed_on").dt.to_string("%Y-%m-%d")
    is_timed = pl.col("observed_precision") == "time"
    return pl.when(is_timed).then(pl.coalesce(timed, _instant("observed_at"))).otherwise(day)


def _instant(column: str) -> pl.Expr:
    return pl.col(column).dt.to_string("%Y-%m-%dT%H:%M:%SZ")


def _agent() -> pl.Expr:
    return list_of(object_of(who=object_of(display=_text("undertow"))))


def provenances(numbered: pl.LazyFrame, files: pl.LazyFrame) -> pl.LazyFrame:
    """Provenance of each Observation: the file's hash and the line it came from.

    Args:
        numbered: :func:`numbered_observations`.
        files: ``file_id``, ``sha256``.
    """
    what = object_of(
        identifier=object_of(system=_text(FILE), value=json_of(pl.col("sha256"))),
        display=json_of(pl.concat_str(pl.lit("line "), "line")),
    )
    resource = object_of(
        resourceType=_text("Provenance"),
        id=json_of(pl.concat_str(pl.lit("p-"), "number")),
        target=list_of(
            object_of(reference=json_of(pl.concat_str(pl.lit("Observation/"), _number())))
        ),
        recorded=json_of(_instant("known_at")),
        agent=_agent(),
        entity=list_of(object_of(role=_text("source"), what=what)),
    )
    rows = numbered.join(files.select("file_id", "sha256"), on="file_id").sort("number")
    return rows.select(resource=resource)


def numbered_flags(stays: pl.LazyFrame, ids: pl.LazyFrame) -> pl.LazyFrame:
    """Stays in cohorts, the rows of Flag and its Provenance, with ``number`` and ``logical_id``."""
    rows = stays.join(ids, on="patient_id").sort("patient_id", "cohort", "entered_on")
    return rows.with_columns(number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def _flag_id() -> pl.Expr:
    return pl.concat_str(pl.lit("f-"), "number")


def flags(numbered: pl.LazyFrame) -> pl.LazyFrame:
    """Flag of :func:`numbered_flags`: the cohort's name as text, active while the stay lasts."""
    lasts = pl.col("left_on").is_null()
    resource = object_of(
        resourceType=_text("Flag"),
        id=json_of(_flag_id()),
        status=pl.when(lasts).then(_text("active")).otherwise(_text("inactive")),
        code=object_of(text=json_of(pl.col("cohort"))),
        subject=_subject(),
        period=object_of(
            start=json_of(pl.col("entered_on").dt.to_string("%Y-%m-%d")),
            end=json_of(pl.col("left_on").dt.to_string("%Y-%m-%d")),
        ),
    )
    return numbered.sort("number").select(resource=resource)


DRAWN = ("patient_id", "analyte", "file_id", "line", "part")


def flag_provenances(
    flags: pl.LazyFrame, drawn: pl.LazyFrame, observations: pl.LazyFrame, recorded: datetime
) -> pl.LazyFrame:
    """Provenance of each Flag: the results of every used draw up to the day it began.

    Args:
        flags: :func:`numbered_flags`.
        drawn: ``DRAWN`` and ``drawn_on`` of each used draw, one row per result.
        observations: :func:`numbered_observations`.
        recorded: when these resources are made, UTC.
    """
    results = drawn.join(observations.select(*DRAWN, result="number"), on=DRAWN, nulls_equal=True)
    rests = flags.join(results.select("patient_id", "drawn_on", "result"), on="patient_id")
    rests = rests.filter(pl.col("drawn_on") <= pl.col("entered_on")).sort("number", "result")
    reference = json_of(pl.concat_str(pl.lit("Observation/o-"), "result"))
    entity = object_of(role=_text("derivation"), what=object_of(reference=reference))
    resource = object_of(
        resourceType=_text("Provenance"),
        id=json_of(pl.concat_str(pl.lit("p-"), _flag_id())),
        target=list_of(object_of(reference=json_of(pl.concat_str(pl.lit("Flag/"), _flag_id())))),
        recorded=_text(recorded.strftime("%Y-%m-%dT%H:%M:%SZ")),
        agent=_agent(),
        entity=pl.concat_str(pl.lit("["), pl.col("entities"), pl.lit("]")),
    )
    of_flag = rests.group_by("number", maintain_order=True).agg(entities=entity.str.join(","))
    return of_flag.select(resource=resource)
