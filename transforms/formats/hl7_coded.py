"""What the coded elements of an OBX say: its code, unit, laboratory and method.

Each function takes distinct values of raw fields with their marks
(:func:`transforms.formats.hl7.per_value`) and adds the landing columns they make.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.formats.hl7 import filled, item, piece

LOINC_SHAPE = r"^\d{1,5}-\d$"


def laboratory(rows: pl.DataFrame) -> pl.DataFrame:
    """``lab``: OBX-15, else OBX-23, else the facility of MSH-4."""
    split = _split_at_marks(rows, ("producer", "performer"))
    name = _name("pieces_producer")
    return split.with_columns(lab=pl.coalesce(name, item("pieces_performer", 0), "facility"))


def assay(rows: pl.DataFrame) -> pl.DataFrame:
    """``assay``: OBX-17, its text before its code."""
    return _split_at_marks(rows, ("method",)).with_columns(assay=_name("pieces_method"))


def _split_at_marks(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    return rows.with_columns(
        filled(pl.col(name)).str.split(pl.col("comp")).alias(f"pieces_{name}") for name in names
    )


def _name(pieces: str) -> pl.Expr:
    return pl.coalesce(item(pieces, 1), item(pieces, 0))


def united(rows: pl.DataFrame) -> pl.DataFrame:
    """``source_unit``: the second coding's code if that is UCUM and the first is not."""
    split = _split_at_marks(rows, ("units",))
    code, text, system, other, _, other_system = (item("pieces_units", i) for i in range(6))
    second = pl.when((other_system == "UCUM") & (system != "UCUM")).then(other)
    named = split.with_columns(named=pl.coalesce(second, code, text))
    return named.with_columns(source_unit=piece(pl.col("named"), 0, "sub"))


CODING = ("first", "text", "system", "other", "other_text", "other_system")
"""The components of a coded element: a code, its text, its system; the same once more."""


def coded(rows: pl.DataFrame, mapped: Sequence[str]) -> pl.DataFrame:
    """``source_code`` and ``code_system``: LOINC where OBX-3 has it, else a code that the source
    maps, else the first; the text where there is no code."""
    split = _split_at_marks(rows, ("coded",))
    first, other, system, other_system = map(pl.col, ("first", "other", "system", "other_system"))
    is_loinc, is_other_loinc = (
        s.str.to_uppercase().is_in(["LN", "LOINC", "LNC"]).fill_null(value=False)
        for s in (system, other_system)
    )
    wanted = is_other_loinc | (other.is_in(mapped) & ~first.is_in(mapped).fill_null(value=False))
    takes_other = (
        ~is_loinc & other.is_not_null() & (wanted.fill_null(value=False) | first.is_null())
    )
    return (
        split.with_columns(item("pieces_coded", i).alias(name) for i, name in enumerate(CODING))
        .with_columns(takes_other=takes_other)
        .with_columns(
            code=pl.when("takes_other").then(other).otherwise(first),
            named=pl.when("takes_other").then(other_system).otherwise(system).str.to_uppercase(),
        )
        .with_columns(source_code=pl.coalesce("code", "text", "other_text"))
        .with_columns(code_system=_system())
    )


def _system() -> pl.Expr:
    named, code = pl.col("named"), pl.col("code")
    is_shaped = named.is_null() & code.str.contains(LOINC_SHAPE)
    by_name = (
        pl.when(named.is_in(["LN", "LOINC", "LNC"]) | is_shaped).then(pl.lit("loinc"))
        .when(named.is_in(["SCT", "SNM", "SNOMED"])).then(pl.lit("snomed"))
        .otherwise(pl.lit("local"))
    )  # fmt: skip
    return pl.when(pl.col("source_code").is_not_null()).then(by_name)
