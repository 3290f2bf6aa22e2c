"""MEDS 0.4: events of subjects, sorted in time, with their codes.

A number is exact: a bound ("<2") goes to ``text_value``. The unit is a code modifier. Cohorts are
no events here: they are conclusions of the same rows, and a model trained on them would learn us.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from transforms.catalog.analytes import ANALYTES
from transforms.exports.tables import CODES, EVENT, shaped, with_code_said

BIRTH = "MEDS_BIRTH"
VERSION = "0.4.0"
MODIFIERS = ("unit",)
EXTENSIONS = ("fasting",)


def _coded() -> pl.Expr:
    """``LOINC/<code>`` that fits the unit, else the analyte by our own name."""
    own = pl.concat_str(pl.lit("UNDERTOW/"), "analyte", pl.lit("/"), "timing")
    return pl.coalesce(pl.concat_str(pl.lit("LOINC/"), "code_said"), own)


def events(observations: pl.LazyFrame, patients: pl.LazyFrame, codes: pl.LazyFrame) -> pl.LazyFrame:
    """One shard: everything of ``patients``, by subject and time, timeless facts first.

    Args:
        observations: rows of the view ``observation`` of these patients.
        patients: ``patient_id``, ``birth_date``, ``sex``.
        codes: ``patient_id``, ``person_id``, which becomes ``subject_id``.
    """
    rows = pl.concat([_static(patients), _births(patients), _results(observations)])
    told = rows.join(codes, on="patient_id").rename({"person_id": "subject_id"})
    order = ("subject_id", "time", "code", "numeric_value", "text_value", "unit", "fasting")
    return shaped(told.sort(order, nulls_last=False), EVENT)


def _static(patients: pl.LazyFrame) -> pl.LazyFrame:
    sex = pl.concat_str(pl.lit("SEX/"), "sex")
    return _event(patients.filter(pl.col("sex").is_not_null()), pl.lit(None), sex)


def _births(patients: pl.LazyFrame) -> pl.LazyFrame:
    born = patients.filter(pl.col("birth_date").is_not_null())
    return _event(born, pl.col("birth_date"), pl.lit(BIRTH))


def _results(observations: pl.LazyFrame) -> pl.LazyFrame:
    is_bound = pl.col("comparator").is_not_null()
    bound = pl.concat_str("comparator", pl.col("value").cast(pl.String))
    return _event(
        with_code_said(observations),
        pl.col("observed_at"),
        _coded(),
        numeric_value=pl.when(~is_bound).then("value"),
        text_value=pl.coalesce(pl.when(is_bound).then(bound), "absent_reason"),
        unit=pl.col("unit"),
        fasting=pl.col("fasting"),
    )


def _event(rows: pl.LazyFrame, time: pl.Expr, code: pl.Expr, **told: pl.Expr) -> pl.LazyFrame:
    plain = {"numeric_value": pl.Float32} | dict.fromkeys(
        ("text_value", "unit", "fasting"), pl.String
    )
    return rows.select(
        "patient_id",
        time=time.cast(pl.Datetime("us")),
        code=code,
        **{name: told.get(name, pl.lit(None)).cast(kind) for name, kind in plain.items()},
    )


def code_metadata(codes: pl.LazyFrame) -> pl.LazyFrame:
    """``metadata/codes.parquet``: one row a code of the data (column ``code``), with description
    where the catalog has one. Parents are the LOINC code itself, nothing above it is claimed."""
    known = {f"LOINC/{c.code}": a.description for a in ANALYTES for c in a.codes} | {BIRTH: "Birth"}
    told = pl.col("code").replace_strict(known, default=None, return_dtype=pl.String)
    is_loinc = pl.col("code").str.starts_with("LOINC/")
    parents = (
        pl.when(is_loinc).then(pl.concat_list("code")).otherwise(pl.lit([], pl.List(pl.String)))
    )
    rows = codes.select("code").unique().sort("code")
    return shaped(rows.with_columns(description=told, parent_codes=parents), CODES)


def dataset_metadata(as_of: str, version: str, created_at: datetime) -> dict[str, object]:
    """``metadata/dataset.json``."""
    return {
        "dataset_name": "undertow",
        "dataset_version": as_of,
        "etl_name": "undertow",
        "etl_version": version,
        "meds_version": VERSION,
        "created_at": created_at.isoformat(timespec="seconds"),
        "code_modifier_columns": list(MODIFIERS),
        "other_extension_columns": list(EXTENSIONS),
    }
