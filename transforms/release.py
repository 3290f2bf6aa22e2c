"""Aggregate tables that may leave the house: few people are never told, nor can be worked out.

The rule is OpenSAFELY's (https://docs.opensafely.org/outputs/sdc/): counts of 7 or fewer are
redacted, all others rounded to the nearest 5, totals made of rounded counts. A cell hidden alone in
a group whose true total somebody knows would be that total less the others, so a second is hidden
beside it; and what was released before is never subtracted to a few people.
"""

from __future__ import annotations

from itertools import product

import polars as pl

from transforms.catalog.releases import ALL, OTHER, ReleaseTable

FEW = 7
"""Counts up to this are never told, nor changes of a count by 1 to this."""
STEP = 5
"""Counts are told to the nearest of these."""
MEAN_DIGITS = 3
"""Significant digits of a mean. A judgement: what clinics report, and no person's own value."""
REDACTED = "[redacted]"
MARKS = "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
"""Signs nobody sees, some of which turn the direction of what follows."""
FORMULA = r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]"
"""Beginnings that a spreadsheet may run (OWASP, CSV injection), full-width ones as well."""
RELEASED = {"release": pl.Int64, "patients": pl.Int64, "shown": pl.Int64}
"""Columns of earlier releases, beside those of the table's levels and means."""


def cells(rows: pl.LazyFrame, table: ReleaseTable) -> pl.LazyFrame:
    """Every cell of a table, empty ones too, in the order of its levels. Exact: not to be shown.

    Args:
        rows: ``patient_id``, the columns of the table's levels and means; a row or more a person.
        table: the record.

    Returns:
        The columns of the levels; ``patients`` (distinct people); of each mean, null below 8 people
        with a value, else the mean of people's means to three significant digits. Values outside
        the levels are counted as ``other`` where that is a level, else left out. No other column.
    """
    by = list(table.levels)
    people = (
        rows.select("patient_id", *(_level(table, column) for column in by), *table.means)
        .drop_nulls(["patient_id", *by])
        .group_by(*by, "patient_id")
        .agg(_finite(column).mean() for column in table.means)
        .sort(*by, "patient_id")
    )
    found = people.group_by(by).agg(
        pl.len().cast(pl.Int64).alias("patients"), *(_mean(column) for column in table.means)
    )
    every = pl.LazyFrame(
        list(product(*table.levels.values())), schema=dict.fromkeys(by, pl.String), orient="row"
    )
    joined = every.join(found, on=by, how="left", maintain_order="left")
    return joined.with_columns(pl.col("patients").fill_null(0))


def _level(table: ReleaseTable, column: str) -> pl.Expr:
    levels = table.levels[column]
    rest = pl.lit(OTHER if OTHER in levels else None, dtype=pl.String)
    text = pl.col(column).cast(pl.String)
    return pl.when(text.is_in(list(levels))).then(text).otherwise(rest).alias(column)


def _finite(column: str) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64)
    return value.filter(value.is_finite())


def _mean(column: str) -> pl.Expr:
    value = pl.col(column)
    enough = value.count() > FEW
    return pl.when(enough).then(value.sort().mean().round_sig_figs(MEAN_DIGITS)).alias(column)


def rounded(count: pl.Expr) -> pl.Expr:
    """A count to the nearest 5, null up to 7.

    >>> pl.DataFrame({"n": [0, 7, 8, 12, 13]}).select(rounded(pl.col("n")))["n"].to_list()
    [None, None, 10, 10, 15]
    """
    return pl.when(count > FEW).then((count + STEP // 2) // STEP * STEP)


def differences(exact: pl.LazyFrame, earlier: pl.LazyFrame, table: ReleaseTable) -> pl.LazyFrame:
    """The cells that, beside an earlier release, would tell of a change by 1 to 7 people.

    Where both would read the same, nothing is told and the cell stays.

    Args:
        exact: :func:`cells`.
        earlier: every earlier release of the table, in any order: :data:`RELEASED` (``release``
            counts up, ``patients`` exact, ``shown`` null where it was redacted), levels, means.
        table: the record.

    Returns:
        The columns of the levels, each cell once, in the order of ``exact``.
    """
    by = list(table.levels)
    told = earlier.filter(pl.col("shown").is_not_null())
    told = told.select(*by, then="patients", shown_then="shown")
    change = (pl.col("patients") - pl.col("then")).abs()
    reads_else = rounded(pl.col("patients")) != pl.col("shown_then")
    telling = told.join(exact, on=by).filter(change.is_between(1, FEW), reads_else)
    return exact.select(by).join(telling.select(by).unique(), on=by, how="semi")


def released(exact: pl.LazyFrame, earlier: pl.LazyFrame, table: ReleaseTable) -> pl.LazyFrame:
    """What may be shown of every cell.

    Hidden are few people, changes by a few people, and, in a group with one cell hidden or with
    fewer than 8 people hidden in all, one cell more: the one hidden last time, else the smallest.

    Args:
        exact: :func:`cells`.
        earlier: as of :func:`differences`.
        table: the record.

    Returns:
        Levels; ``patients`` (exact, private); ``shown`` (rounded, null where hidden); ``hidden``
        (private: ``few``, ``change``, ``beside``, null where shown); means, null where the cell is
        hidden or an earlier mean of nearly the same people reads otherwise. Order of ``exact``.
    """
    by = list(table.levels)
    change = differences(exact, earlier, table).with_columns(is_change=True)
    newest = earlier.filter(pl.col("release") == pl.col("release").max())
    last = newest.select(*by, was_hidden=pl.col("shown").is_null())
    few = pl.when(pl.col("patients") <= FEW).then(pl.lit("few"))
    own = few.when(pl.col("is_change")).then(pl.lit("change"))
    reason = pl.col("hidden").fill_null(pl.when(_beside(by[:-1])).then(pl.lit("beside")))
    return (
        exact.join(change, on=by, how="left", maintain_order="left")
        .join(last, on=by, how="left", maintain_order="left")
        .with_columns(hidden=own, was_hidden=pl.col("was_hidden").fill_null(value=False))
        .with_columns(hidden=reason)
        .join(_stale_means(exact, earlier, table), on=by, how="left", maintain_order="left")
        .select(
            *by,
            "patients",
            pl.when(pl.col("hidden").is_null()).then(rounded(pl.col("patients"))).alias("shown"),
            "hidden",
            *(_told_mean(column) for column in table.means),
        )
    )


def _beside(group: list[str]) -> pl.Expr:
    """Whether a cell is the one to hide beside those that are hidden for themselves."""
    own = pl.col("hidden").is_not_null()
    order = pl.struct(own, ~pl.col("was_hidden"), "patients").rank("ordinal")
    people = pl.col("patients").filter(own).sum()
    is_wanted = (own.sum() == 1) | ((own.sum() > 1) & (people <= FEW))
    is_next = is_wanted & ~own & (order == order.filter(~own).min())
    return is_next.over(group) if group else is_next


def _stale_means(exact: pl.LazyFrame, earlier: pl.LazyFrame, table: ReleaseTable) -> pl.LazyFrame:
    """Cells and, for every mean, whether it would tell of a few people beside an earlier one."""
    by = list(table.levels)
    then = earlier.select(*by, then="patients", **{f"{c}_then": c for c in table.means})
    is_near = (pl.col("patients") - pl.col("then")).abs() <= FEW
    return (
        exact.join(then, on=by)
        .group_by(by)
        .agg(
            (is_near & (pl.col(c) != pl.col(f"{c}_then"))).any().alias(f"{c}_stale")
            for c in table.means
        )
    )


def _told_mean(column: str) -> pl.Expr:
    stale = pl.col(f"{column}_stale").fill_null(value=False)
    return pl.when(pl.col("hidden").is_null() & ~stale).then(column).alias(column)


def printed(shown: pl.LazyFrame, table: ReleaseTable) -> pl.LazyFrame:
    """A release as it is written: only the columns of the record, all of them text.

    Every group ends with its total (level ``all``), the sum of the rounded counts, redacted where
    any of them is; a total has no mean.

    Args:
        shown: :func:`released`.
        table: the record.

    Returns:
        The columns of the levels, the count, the means.
    """
    *group, last = table.levels
    total = pl.when(pl.col("shown").is_not_null().all()).then(pl.col("shown").sum())
    numbered = shown.with_row_index("row")
    totals = (numbered.group_by(group) if group else numbered.group_by(pl.lit(1))).agg(
        pl.col("row").max(),
        total.alias("shown"),
        pl.lit(ALL).alias(last),
        *(pl.lit("").alias(column) for column in table.means),
    )
    texts = [pl.col(c).cast(pl.String).fill_null(REDACTED) for c in table.means]
    lines = [numbered.with_columns(texts, is_total=False), totals.with_columns(is_total=True)]
    columns = [*group, last, "shown", *table.means, "row", "is_total"]
    return (
        pl.concat([each.select(columns) for each in lines], how="vertical_relaxed")
        .sort("row", "is_total")
        .select(
            *(harmless(pl.col(column)) for column in (*group, last)),
            pl.col("shown").cast(pl.String).fill_null(REDACTED).alias(table.count),
            *table.means,
        )
    )


def harmless(text: pl.Expr) -> pl.Expr:
    """Text that no spreadsheet runs and that reads as it is written.

    >>> pl.DataFrame({"t": ["=1+1", "a-b", "@x"]}).select(harmless(pl.col("t")))["t"].to_list()
    ["'=1+1", 'a-b', "'@x"]
    """
    seen = text.str.replace_all(f"[{MARKS}]", "")
    return (
        pl.when(seen.str.contains(FORMULA))
        .then("'" + seen)
        .otherwise(seen)
        .alias(text.meta.output_name())
    )
