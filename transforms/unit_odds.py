"""The unit detective: in which unit a number was most likely meant, with odds, never applied.

For a result whose unit is missing, unknown or impossible for its value, every unit of the analyte
is weighed: by how the laboratory states this analyte elsewhere, by how far the number would then
lie from the patient's other results, and from the laboratory's. The odds are for a person, who
approves a unit or does not; nothing is converted by them.

A patient's own values scatter by biology and assay (the analyte's CVi and CVa, else 30 %) and by
years; one in fifty numbers is taken to be anything at all, so that one odd earlier value cannot
make a proposal certain.
"""

from __future__ import annotations

import math

import polars as pl

from transforms.catalog.analytes import ANALYTES
from transforms.catalog.units import FACTORS

OWN_LN = 0.35
"""Beyond biology and assay: what years between two results add, as a standard deviation of ln."""
UNKNOWN_CV = 0.30
ANYTHING = 0.02
PSEUDO = 0.5
"""What a unit counts that a laboratory was never seen to use."""
WIDE_LN = 0.2
"""Added to a laboratory's spread, whose mean is not known without error."""

SUSPECT = ("file_id", "line", "part")
PROPOSAL = {
    "proposed_unit": pl.String,
    "proposed_value": pl.Float64,
    "odds": pl.Float64,
    "odds_basis": pl.String,
}


def candidates() -> pl.LazyFrame:
    """Columns ``analyte``, ``candidate`` (UCUM), ``factor``, ``offset``, ``low``, ``high`` and
    ``own_ln``, the spread of one person's ln values."""
    limits = {a.name: a for a in ANALYTES}
    rows = [
        (f.analyte, f.unit, f.factor, f.offset, limits[f.analyte].low, limits[f.analyte].high,
         _own_ln(limits[f.analyte].cvi, limits[f.analyte].cva))
        for f in FACTORS
    ]  # fmt: skip
    names = ("analyte", "candidate", "factor", "offset", "low", "high", "own_ln")
    texts = ("analyte", "candidate")
    schema = {name: pl.String if name in texts else pl.Float64 for name in names}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def _own_ln(cvi: float | None, cva: float | None) -> float:
    noise = math.hypot(cvi or UNKNOWN_CV, cva or 0.0)
    return math.hypot(math.sqrt(2) * noise, OWN_LN)


def proposals(suspects: pl.LazyFrame, stated: pl.LazyFrame) -> pl.LazyFrame:
    """The likeliest unit of each suspect with its odds against all others together.

    Args:
        suspects: :data:`SUSPECT`, ``analyte``, ``number``; ``own_mean`` and ``own_n`` (ln of the
            patient's other canonical values), ``lab_mean``, ``lab_sd``, ``lab_n`` (the feed's).
        stated: :data:`SUSPECT`, ``candidate``, ``rows``: how often the feed stated each unit.

    Returns:
        :data:`SUSPECT` and :data:`PROPOSAL`; a suspect that no unit makes possible is left out.
    """
    weighed = (
        suspects.filter(pl.col("number") > 0)
        .join(candidates(), on="analyte")
        .join(stated, on=[*SUSPECT, "candidate"], how="left")
        .with_columns(value=pl.col("number") * pl.col("factor") + pl.col("offset"))
        .filter(pl.col("value").is_between("low", "high"))
        .group_by(*SUSPECT, "value", maintain_order=True)  # units that mean the same
        .agg(pl.col("candidate").sort_by("rows", descending=True, nulls_last=True).first(),
             pl.col("rows").sum(), pl.exclude("candidate", "rows").first())
        .with_columns(weight=(pl.col("rows").fill_null(0) + PSEUDO) * _likelihood())
    )  # fmt: skip
    share = pl.col("weight") / pl.col("weight").sum().over(SUSPECT)
    return (
        weighed.with_columns(share=share)
        .sort("share", "candidate", descending=[True, False])
        .group_by(SUSPECT, maintain_order=True)
        .first()
        .select(
            *SUSPECT,
            proposed_unit="candidate",
            proposed_value="value",
            odds=(pl.col("share") / (1 - pl.col("share"))).clip(0, 1e6).round_sig_figs(4),
            odds_basis=pl.format(
                "{} other results of the patient, {} of the laboratory",
                pl.col("own_n").fill_null(0),
                pl.col("lab_n").fill_null(0),
            ),
        )
        .sort(SUSPECT)
    )


def _likelihood() -> pl.Expr:
    """Of the number under a unit, by the patient's own values and by the laboratory's."""
    at = pl.col("value").log()
    width = (pl.col("high") / pl.col("low").clip(lower_bound=1e-3)).log()
    own = _normal(at, pl.col("own_mean"), pl.col("own_ln"))
    lab_sd = (pl.col("lab_sd").fill_null(0) ** 2 + WIDE_LN**2).sqrt()
    lab = _normal(at, pl.col("lab_mean"), lab_sd)
    flat = 1 / width
    return ((1 - ANYTHING) * pl.coalesce(own, lab, flat) + ANYTHING * flat).fill_null(flat)


def _normal(at: pl.Expr, mean: pl.Expr, sd: pl.Expr) -> pl.Expr:
    return (-(((at - mean) / sd) ** 2) / 2).exp() / (sd * math.sqrt(2 * math.pi))
