"""What the results of a FHIR file stand under: report, specimen, laboratory, device, medication.

The resources that say it are decoded as rows of table ``context`` (they are no results), each with
the ``address`` by which others refer to it; when the whole file is read, the results are joined
to them. What a result says itself is never replaced, but for a report entered in error, which
takes its results back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from transforms.catalog import words
from transforms.formats.fhir_schema import (
    CONCEPT,
    LAST_UPDATED,
    PARTY,
    PERIOD,
    REFERENCE,
    T,
    code_system,
    concept_code,
    concept_text,
    laboratory,
    later,
    link,
    of_person,
    preferred_coding,
)

AMOUNT = pl.Struct({"value": T, "unit": T, "code": T})
NOTES = pl.List(pl.Struct({"text": T}))
_ANY: dict[str, pl.DataType] = {
    "resourceType": T(),
    "id": T(),
    "meta": pl.Struct({"lastUpdated": T}),
}

CONTEXT_SHAPES: Final[Mapping[str, pl.Struct]] = {
    "Specimen": pl.Struct(
        {
            **_ANY,
            "status": T,
            "collection": pl.Struct(
                {
                    "collectedDateTime": T,
                    "collectedPeriod": PERIOD,
                    "fastingStatusCodeableConcept": CONCEPT,
                    "fastingStatusDuration": AMOUNT,
                }
            ),
            "condition": pl.List(CONCEPT),
            "note": NOTES,
        }
    ),
    "DiagnosticReport": pl.Struct(
        {
            **_ANY,
            "status": T,
            "subject": REFERENCE,
            "effectiveDateTime": T,
            "effectivePeriod": PERIOD,
            "issued": T,
            "performer": pl.List(PARTY),
            "specimen": pl.List(REFERENCE),
            "result": pl.List(REFERENCE),
        }
    ),
    "Organization": pl.Struct({**_ANY, "name": T}),
    "Device": pl.Struct(
        {
            **_ANY,
            "displayName": T,
            "deviceName": pl.List(pl.Struct({"name": T})),
            "manufacturer": T,
            "modelNumber": T,
        }
    ),
    "Medication": pl.Struct({**_ANY, "code": CONCEPT}),
}
"""Resource types that give no row of their own -> what is decoded of them."""

LINKS: Final = ("patient_link", "specimen_link", "device_link", "lab_link", "medication_link")
"""Columns of the reader's rows that hold the address of another resource."""
HOURS_IN = {"h": 1.0, "min": 1 / 60, "d": 24.0}
"""The landing's fasting text is a word or hours; a duration in other units is told in hours."""
LOST = ("unsatisfactory", "entered-in-error", "unavailable")
ERROR = "entered-in-error"


def _specimens(found: pl.DataFrame) -> pl.DataFrame:
    took = pl.col("collection").struct
    period = took.field("collectedPeriod").struct.field("start")
    return found.select(
        "line",
        address=_address("Specimen"),
        source_observed_at=pl.coalesce(took.field("collectedDateTime"), period),
        source_fasting=_fasting(),
        comment=_condition(),
    )


def _fasting() -> pl.Expr:
    took = pl.col("collection").struct
    concept = took.field("fastingStatusCodeableConcept")
    lasted = took.field("fastingStatusDuration").struct
    said = concept_code(concept).replace_strict(
        words.SAID_BEFORE, default=None, return_dtype=pl.String
    )
    unit = pl.coalesce(lasted.field("code"), lasted.field("unit"))
    factor = unit.replace_strict(HOURS_IN, default=None, return_dtype=pl.Float64)
    amount = lasted.field("value").cast(pl.Float64, strict=False)
    hours = (amount * factor).round(3).cast(pl.String)
    as_told = pl.concat_str(lasted.field("value"), pl.lit(" "), unit.fill_null("?"))
    return pl.coalesce(said, concept_text(concept), hours, as_told)


def _condition() -> pl.Expr:
    """The specimen's state in words: its coded conditions, its notes, a status that spoils it."""
    element = pl.element()
    code = concept_code(element)
    word = pl.coalesce(
        code.replace_strict(words.SPECIMEN, default=None, return_dtype=pl.String),
        concept_text(element),
    )
    states = pl.col("condition").list.eval(word).list.drop_nulls().list.join("; ")
    notes = pl.col("note").list.eval(element.struct.field("text")).list.drop_nulls().list.join("; ")
    status = pl.when(pl.col("status").is_in(LOST)).then(pl.lit("specimen ") + pl.col("status"))
    filled = (pl.when(text != "").then(text) for text in (states, notes, status))
    said = pl.concat_str(*filled, separator="; ", ignore_nulls=True)
    return pl.when(said != "").then(said)


def _reports(found: pl.DataFrame) -> pl.DataFrame:
    """A row per listed result, ``target`` its address; one row without for an empty report."""
    specimens = pl.col("specimen")
    only = pl.when(specimens.list.len() == 1).then(specimens.list.first().struct.field("reference"))
    listed = found.with_columns(
        address=_address("DiagnosticReport"),
        **of_person(pl.col("subject").struct.field("reference")),
        source_status=pl.col("status"),
        source_observed_at=pl.coalesce(
            "effectiveDateTime", pl.col("effectivePeriod").struct.field("start")
        ),
        source_reported_at=later(pl.col("issued"), LAST_UPDATED),
        specimen_link=link(only),
        **laboratory(),
    ).explode("result")
    return listed.with_columns(
        part=pl.int_range(pl.len(), dtype=pl.Int32).over("line"),
        target=link(pl.col("result").struct.field("reference")),
    )


def _organizations(found: pl.DataFrame) -> pl.DataFrame:
    return found.select("line", address=_address("Organization"), name="name")


def _devices(found: pl.DataFrame) -> pl.DataFrame:
    made = pl.concat_str("manufacturer", "modelNumber", separator=" ", ignore_nulls=True)
    given = pl.col("deviceName").list.first().struct.field("name")
    name = pl.coalesce(given, "displayName", pl.when(made != "").then(made))
    return found.select("line", address=_address("Device"), name=name)


def _medications(found: pl.DataFrame) -> pl.DataFrame:
    coding = preferred_coding(pl.col("code"), "medication").struct
    return found.select(
        "line",
        address=_address("Medication"),
        code_system=code_system(coding.field("system")),
        code=coding.field("code"),
        name=concept_text(pl.col("code")),
    )


def _address(kind: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{kind}/"), "id")


def _set_aside(
    kind: str, rows: Callable[[pl.DataFrame], pl.DataFrame]
) -> Callable[[pl.DataFrame], list[pl.DataFrame]]:
    """A resource's row of context, and its line as one that gives no row."""

    def both(found: pl.DataFrame) -> list[pl.DataFrame]:
        reason = pl.lit(f"resource_not_used:{kind}")
        return [
            found.select("line", reason=reason),
            rows(found).with_columns(table=pl.lit("context"), kind=pl.lit(kind)),
        ]

    return both


CONTEXT_OF: Final = {
    kind: _set_aside(kind, rows)
    for kind, rows in {
        "Specimen": _specimens,
        "DiagnosticReport": _reports,
        "Organization": _organizations,
        "Device": _devices,
        "Medication": _medications,
    }.items()
}
"""Resource type -> its decoded fields and ``line`` as a reject and rows of ``context``."""


# ---------------------------------------------------------------- the joins


def aliased(rows: pl.LazyFrame, aliases: dict[str, str]) -> pl.LazyFrame:
    """References by the address a Bundle gives its entries, as those by type and id."""
    people = {
        url.rsplit(":", 1)[-1]: named.removeprefix("Patient/")
        for url, named in aliases.items()
        if named.startswith("Patient/")
    }
    return rows.with_columns(
        pl.col(*LINKS, "target").replace(aliases),
        pl.col("patient_id", "merged_into").replace(people),
        name=pl.when(pl.col("table") == "medication").then(pl.col("name").replace(aliases))
        .otherwise("name"),
    )  # fmt: skip


def placed(results: pl.LazyFrame, context: pl.DataFrame) -> pl.LazyFrame:
    """Results with what they are silent about filled from their report and specimen, then with
    the names of their laboratory and device.

    Args:
        results: rows of the reader with ``address``.
        context: rows of table ``context`` of the same file.
    """
    said = ("source_status", "source_observed_at", "source_reported_at", "lab", "lab_link")
    named = {name: f"report_{name}" for name in (*said, "specimen_link")}
    reports = _by(context.filter(pl.col("target").is_not_null()), "target").rename(named)
    of = results.join(
        reports.lazy().select("target", *named.values()),
        left_on="address", right_on="target", how="left", maintain_order="left",
    ).with_columns(specimen_link=pl.coalesce("specimen_link", "report_specimen_link"))  # fmt: skip
    drawn = {"source_observed_at": "drawn_at", "source_fasting": "fasted", "comment": "state"}
    specimens = _by(_of_kind(context, "Specimen"), "address").rename(drawn)
    of = of.join(
        specimens.lazy().select(*drawn.values(), specimen_link="address"),
        on="specimen_link", how="left", maintain_order="left",
    )  # fmt: skip
    is_error = pl.col("report_source_status") == ERROR
    filled = of.with_columns(
        source_status=pl.when(is_error).then(pl.lit(ERROR)).otherwise(
            pl.coalesce("source_status", "report_source_status")),
        source_observed_at=pl.coalesce(
            "source_observed_at", "drawn_at", "report_source_observed_at"),
        source_reported_at=pl.when(is_error).then(
            later(pl.col("source_reported_at"), pl.col("report_source_reported_at"))
        ).otherwise(pl.coalesce("source_reported_at", "report_source_reported_at")),
        source_fasting=pl.coalesce("source_fasting", "fasted"),
        lab_link=pl.when(pl.col("lab").is_null()).then("report_lab_link").otherwise("lab_link"),
        lab=pl.coalesce("lab", "report_lab"),
        comment=pl.concat_str("comment", "state", separator="; ", ignore_nulls=True),
    )  # fmt: skip
    return _named(_named(filled, context, "Organization", "lab"), context, "Device", "assay")


def _named(rows: pl.LazyFrame, context: pl.DataFrame, kind: str, column: str) -> pl.LazyFrame:
    at = "lab_link" if column == "lab" else "device_link"
    names = _by(_of_kind(context, kind), "address").lazy().select("name", **{at: "address"})
    found = rows.join(names.rename({"name": "told"}), on=at, how="left", maintain_order="left")
    return found.with_columns(pl.coalesce("told", column).alias(column)).drop("told")


def prescribed(medications: pl.LazyFrame, context: pl.DataFrame) -> pl.LazyFrame:
    """Medication entries with the code and name of the Medication they refer to."""
    told = {"code_system": "told_system", "code": "told_code", "name": "told_name"}
    known = _by(_of_kind(context, "Medication"), "address").rename(told)
    joined = medications.join(
        known.lazy().select(*told.values(), medication_link="address"),
        on="medication_link", how="left", maintain_order="left",
    )  # fmt: skip
    return joined.with_columns(
        code_system=pl.coalesce("told_system", "code_system"),
        code=pl.coalesce("told_code", "code"),
        name=pl.coalesce("told_name", "name"),
    )


def withdrawals(context: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
    """Reports entered in error that list results of other files: a row that takes back each.

    Args:
        context: rows of table ``context``.
        present: the ``address`` of every result of this file.
    """
    wrong = (pl.col("source_status") == ERROR) & pl.col("target").str.starts_with("Observation/")
    listed = context.filter(wrong).join(present, left_on="target", right_on="address", how="anti")
    return listed.with_columns(
        table=pl.lit("observation"),
        result_id=pl.col("target").str.strip_prefix("Observation/"),
        **{name: pl.lit(None, pl.String) for name in ("source_observed_at", "lab", "address")},
    )


def _of_kind(context: pl.DataFrame, kind: str) -> pl.DataFrame:
    return context.filter((pl.col("kind") == kind) & pl.col("address").is_not_null())


def _by(context: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per key: the last; a report entered in error only where no other lists the same."""
    is_right = (pl.col("source_status") != ERROR).fill_null(value=True)
    return context.sort(is_right, "line", "part").unique(key, keep="last", maintain_order=True)
