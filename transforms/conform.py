"""Landing text to conformed rows: analyte by code, canonical unit, instant, comparator, fasting.

One function per landing table, each ``LazyFrame -> LazyFrame``. Nothing is dropped and nothing is
decided here: a text that cannot be understood leaves a null beside its source text, and the gate
(:mod:`expectations`) says what that means. Units are converted by the stated unit only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from transforms.approvals import Approval, with_approved
from transforms.catalog import analytes, units, words
from transforms.clocks import with_second_hour
from transforms.instants import day, with_instants
from transforms.values import comparator, number

FASTING_HOURS = 8.0
"""Hours without food that make a draw fasting (ADA: at least 8 h; clinical.md section 5)."""


@dataclass(frozen=True)
class Arrival:
    """How one file is to be understood: whose it is, when it was known, its zone and formats,
    and the units that a person approved for it."""

    source: str
    file_id: int
    known_on: date
    time_zone: str = "UTC"
    time_formats: Sequence[str] = ("iso",)
    decimal: str = "."
    codes: Mapping[str, str] = field(default_factory=dict)
    approvals: Sequence[Approval] = ()

    @property
    def known_at(self) -> datetime:
        """Midnight (UTC) of the night's business date: what a night knows has one time."""
        return datetime(self.known_on.year, self.known_on.month, self.known_on.day)  # noqa: DTZ001


def conform(table: str, rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    """The conformed rows of landing ``table`` with their provenance.

    Args:
        table: a key of :data:`transforms.landing.LANDING`.
        rows: that table's landing rows.
        arrival: the file's circumstances.
    """
    provenance = (
        pl.lit(arrival.source).alias("source"),
        pl.lit(arrival.file_id, dtype=pl.Int32).alias("file_id"),
        pl.lit(arrival.known_at, dtype=pl.Datetime("us")).alias("known_at"),
    )
    return _CONFORM[table](rows, arrival).with_columns(*provenance)


def observations(rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    """Results and vital signs: analyte, canonical value, times, fasting, status."""
    value = pl.col("source_value")
    timed = with_instants(
        _reported(rows, arrival), "source_observed_at", arrival.time_zone, arrival.time_formats
    )
    return (
        _coded(timed, arrival)
        .with_columns(
            number=number(value, arrival.decimal),
            comparator=pl.coalesce(
                comparator(value, arrival.decimal), comparator(pl.col("source_comparator") + "0")
            ),
            absent_reason=_absent_reason(arrival.decimal),
            status=_status("final"),
            *_fasting(arrival.decimal),
        )
        .with_columns(value=converted())
        .with_columns(
            unit=pl.when(pl.col("value").is_not_null()).then(pl.col("canonical_unit")),
            is_withdrawal=pl.col("status").is_in(sorted(words.WITHDRAWALS)),
        )
        .drop("folded_unit", "factor", "offset", "canonical_unit", "coded", "system")
        .drop("observed_again")
    )


def patients(rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    """Persons: birth date, sex, zone, and the record they were merged into."""
    return _reported(rows, arrival).with_columns(
        birth_date=day(pl.col("source_birth_date")),
        sex=words.sex(pl.col("source_sex")),
        status=pl.when(pl.col("source_status") == "merge").then(pl.lit("merge"))
        .otherwise(pl.lit("final")),
    )  # fmt: skip


def spans(rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    """Medications and conditions: a code or name with a start and perhaps an end."""
    spanned = _reported(rows, arrival).with_columns(
        start_on=day(pl.col("source_start"), arrival.time_formats),
        end_on=day(pl.col("source_end"), arrival.time_formats),
        status=_status("final"),
    )
    return spanned.with_columns(is_withdrawal=pl.col("status").is_in(sorted(words.WITHDRAWALS)))


def samples(rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    """Device samples: value in the canonical unit, instant, local day, end of an interval.

    A sample with an end and no value is worth its own length.
    """
    value, zone, formats = pl.col("source_value"), arrival.time_zone, arrival.time_formats
    limits = analytes.limit_frame().rename({"analyte": "kind"}).lazy()
    factors = units.factor_frame().rename({"analyte": "kind"}).lazy()
    timed = with_instants(_with_ucum(rows), "source_observed_at", zone, formats)
    timed = with_instants(timed, "source_ended_at", zone, formats, prefix="ended")
    if zone != "UTC":  # where clocks never change, the order of rows tells nothing
        timed = with_second_hour(timed)
    length = (pl.col("ended_at") - pl.col("observed_at")).dt.total_seconds(fractional=True) / 60
    is_length = value.is_null() & pl.col("ended_at").is_not_null()
    return (
        timed.with_columns(
            number=pl.when(is_length).then(length).otherwise(number(value, arrival.decimal)),
            ucum=pl.when(is_length).then(pl.lit("min")).otherwise("ucum"),
            comparator=comparator(value, arrival.decimal),
        )
        .join(limits, on="kind", how="left", maintain_order="left")
        .join(factors, on=["kind", "ucum"], how="left", maintain_order="left")
        .with_columns(value=converted(), unit=pl.col("canonical_unit"))
        .drop("folded_unit", "factor", "offset", "canonical_unit", "observed_again")
        .drop(f"ended_{name}" for name in BESIDES)
    )


_CONFORM = {
    "observation": observations,
    "patient": patients,
    "medication": spans,
    "condition": spans,
    "sample": samples,
}


def _coded(rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    """Adds analyte, timing, property, limits, UCUM unit and the factor to the canonical unit.

    The source's own codes are looked up as the codes of the catalog they are mapped to.
    """
    codes, code = arrival.codes, pl.col("source_code")
    is_mapped = code.is_in(list(codes))
    meaning = analytes.code_frame().lazy().rename({"code_system": "system", "source_code": "coded"})
    coded = (
        _with_ucum(rows)
        .with_columns(
            coded=code.replace(dict(codes)) if codes else code,
            system=pl.when(is_mapped)
            .then(code.replace({mine: analytes.system_of(its) for mine, its in codes.items()}))
            .otherwise("code_system"),
        )
        .join(meaning, on=["system", "coded"], how="left", maintain_order="left")
        .join(analytes.limit_frame().lazy(), on="analyte", how="left", maintain_order="left")
    )
    return with_approved(coded, arrival.approvals).join(
        units.factor_frame().lazy(), on=["analyte", "ucum"], how="left", maintain_order="left"
    )


def converted() -> pl.Expr:
    """``number`` in the canonical unit, by ``factor`` and ``offset``: untouched where it is in that
    unit already, else without the last digits that binary arithmetic leaves."""
    is_canonical = (pl.col("factor") == 1) & (pl.col("offset") == 0)
    converted = (pl.col("number") * pl.col("factor") + pl.col("offset")).round_sig_figs(12)
    return pl.when(is_canonical).then("number").otherwise(converted)


def _with_ucum(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(folded_unit=units.folded(pl.col("source_unit"))).join(
        units.alias_frame().lazy(), on="folded_unit", how="left", maintain_order="left"
    )


def _status(when_silent: str) -> pl.Expr:
    text = pl.col("source_status")
    return pl.when(text.is_null()).then(pl.lit(when_silent)).otherwise(words.status(text))


def _absent_reason(decimal: str) -> pl.Expr:
    """Why there is no number: said by the value's own words, or by the source's comment."""
    text = pl.col("source_value")
    wordy = pl.when(number(text, decimal).is_null()).then(text)
    stated = pl.col("comment").str.extract(r"dataAbsentReason=([a-z-]+)")
    return pl.coalesce(words.absent_reason(wordy), stated)


def _reported(rows: pl.LazyFrame, arrival: Arrival) -> pl.LazyFrame:
    timed = with_instants(rows, "source_reported_at", arrival.time_zone, prefix="reported")
    return timed.drop(f"reported_{name}" for name in BESIDES)


BESIDES = ("local", "on", "precision", "zone", "basis", "doubt", "again")
"""What is known of a time beside its instant."""


def _fasting(decimal: str) -> list[pl.Expr]:
    """``fasting`` yes, no or unknown; ``fasting_hours``; ``fasting_basis``: stated, hours, code.

    A tube after a glucose drink is not a fasting one, though the person came fasting and the order
    says so.
    """
    stated = pl.col("source_fasting")
    limit, sign = number(stated, decimal), comparator(stated, decimal)
    hours = pl.when(sign.is_null()).then(limit)
    word = words.fasting(stated)
    is_long, at_least = limit >= FASTING_HOURS, sign.str.starts_with(">").fill_null(value=True)
    at_most = sign.str.starts_with("<").fill_null(value=True)
    by_stated_hours = (
        pl.when(is_long & at_least).then(pl.lit("yes"))
        .when((~is_long | (limit == FASTING_HOURS)) & at_most).then(pl.lit("no"))
    )  # fmt: skip
    after_load = pl.when(pl.col("timing") == "post_load").then(pl.lit("no"))
    by_code = pl.when(pl.col("timing") == "fasting").then(pl.lit("yes"))
    answer = pl.when(pl.col("analyte") == "fasting_status").then(pl.col("source_value"))
    said = pl.coalesce(pl.when(word != "unknown").then(word), words.fasting(answer))
    return [
        pl.coalesce(after_load, said, by_stated_hours, by_code, pl.lit("unknown")).alias("fasting"),
        hours.alias("fasting_hours"),
        pl.coalesce(
            pl.when(after_load.is_not_null()).then(pl.lit("code")),
            pl.when(said.is_not_null()).then(pl.lit("stated")),
            pl.when(by_stated_hours.is_not_null()).then(pl.lit("hours")),
            pl.when(by_code.is_not_null()).then(pl.lit("code")),
        ).alias("fasting_basis"),
    ]
