"""Persons: one record each, merged records under their survivor."""

from __future__ import annotations

import polars as pl


def aliases(records: pl.DataFrame) -> pl.DataFrame:
    """Which record each merged patient lives on under, chains followed to their end.

    Args:
        records: ``patient_id``, ``merged_into`` (null where not merged), one row a patient.

    Returns:
        ``patient_id``, ``survivor_id`` for merged patients. A circle of merges has no survivor
        and is left unmerged.

    >>> aliases(pl.DataFrame({"patient_id": ["a", "b"], "merged_into": ["b", "c"]})).rows()
    [('a', 'c'), ('b', 'c')]
    """
    merged = records.filter(pl.col("merged_into").is_not_null())
    into = dict(zip(merged["patient_id"], merged["merged_into"], strict=True))
    ends = {patient: _end(patient, into) for patient in into}
    kept = sorted((patient, end) for patient, end in ends.items() if end is not None)
    return pl.DataFrame(
        kept, schema={"patient_id": pl.String, "survivor_id": pl.String}, orient="row"
    )


def _end(patient: str, into: dict[str, str]) -> str | None:
    passed = {patient}
    while patient in into:
        patient = into[patient]
        if patient in passed:
            return None
        passed.add(patient)
    return patient


def persons(records: pl.LazyFrame, mentioned: pl.LazyFrame, alias: pl.LazyFrame) -> pl.LazyFrame:
    """One row per surviving person, whether a patient record came or only results.

    Args:
        records: standing patient records: ``patient_id``, ``birth_date``, ``sex``,
            ``time_zone``, ``known_at``; several sources may hold one person.
        mentioned: ``patient_id`` of every kept row.
        alias: see :func:`aliases`.

    Returns:
        ``patient_id``, ``birth_date``, ``sex``, ``time_zone``; what the newest record that
        says it says.
    """
    facts = ["birth_date", "sex", "time_zone"]
    known = (
        records.join(alias, on="patient_id", how="left")
        .with_columns(is_own=pl.col("survivor_id").is_null())
        .with_columns(patient_id=pl.coalesce("survivor_id", "patient_id"))
        .sort("is_own", "known_at", maintain_order=True)
        .group_by("patient_id", maintain_order=True)
        .agg(pl.col(facts).drop_nulls().last())
    )
    everyone = (
        pl.concat([mentioned.select("patient_id"), known.select("patient_id")])
        .unique()
        .join(alias, on="patient_id", how="left")
        .select(patient_id=pl.coalesce("survivor_id", "patient_id"))
        .unique()
    )
    return everyone.join(known, on="patient_id", how="left").select("patient_id", *facts)
