"""Pairs to trends: how insulin and glucose of every patient move, as known after each draw.

One row per visit, from that visit and the patient's earlier ones. The arithmetic is in
:mod:`transforms.model`; here are the frames: checks, visits, cases, and the columns people read.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise, Prior
from transforms.model import INSULIN_LIMIT, Series, described, doubted, foretold, told_apart
from transforms.shapes import Floats, Ints

GRAINS = 1e9
"""Logarithms are kept in whole billionths: those of one day average exactly, in any order."""

_EPOCH = date(1970, 1, 1)
_KEY = ("patient_id", "drawn_on")
_I, _G = "insulin_uiu_ml", "glucose_mg_dl"
BELOW, ABOVE = ("<", "<="), (">", ">=")
"""Comparators of insulin that is only known to lie beyond a value."""
_SHUFFLE = 20261122
_BOUND = "insulin_comparator"
_NEEDED = {
    _I: "above zero and finite",
    _G: "above zero and finite",
    "patient_id": "present",
    "drawn_on": "present",
    _BOUND: "one of < <= > >= or empty",
}
_REFUSED = "{name} must be {needed}: {count} rows are not"


def trends(
    pairs: pl.LazyFrame,
    noise: Noise = SHIPPED_NOISE,
    prior: Prior = SHIPPED_PRIOR,
    *,
    insulin_limit: float = INSULIN_LIMIT,
    latest_only: bool = False,
) -> pl.LazyFrame:
    """The trend of every patient as it stood after each visit.

    The pairs are collected here, so that a wrong value is an error now and not at some later
    collect; memory beyond the pairs is some 1.5 kB per row returned, of six draws.

    Args:
        pairs: fasting pairs in use, in any order: ``patient_id``, ``drawn_on``, ``insulin_uiu_ml``
            and ``glucose_mg_dl``, both above zero. Several pairs of one patient and day are one
            visit, their geometric mean. Optional: ``insulin_comparator`` (insulin lies beyond that
            value), ``repeats`` (draws a pair is the mean of), ``is_ill`` (counts for less),
            ``p_fasting`` (what is known of that draw beside its values, null: nothing; see
            :mod:`transforms.fasting_evidence`).
        noise: the noise of one visit, and how draws go bad.
        prior: how people differ.
        insulin_limit: uIU/mL, for ``p_insulin_high``.
        latest_only: only each patient's newest visit, at a fraction of the cost.

    Returns:
        A row per ``patient_id`` and ``drawn_on``, sorted: ``n_pairs`` (visits so far),
        ``first_on``, ``last_on`` (= ``drawn_on``), levels now, slopes per year with 90 % intervals
        (insulin in percent, glucose in mg/dL), and the posterior probabilities
        ``p_insulin_climbing`` (slope above 5 %/y), ``p_glucose_fine`` (below 100 mg/dL and
        rising by less than 1.6 %/y), ``p_climbing_unseen`` (both), ``p_insulin_high``,
        ``p_insulin_falling``, ``p_glucose_rising``, ``p_bad_newest`` (the draw of ``drawn_on``
        is not what its label says).

    Raises:
        ValueError: a missing, non-finite or non-positive value (column and count, no values).
    """
    visits = _visits(pairs)
    rows = _latest_rows(visits) if latest_only else visits
    found = described(_series(visits, _cases(rows), noise, prior), noise, prior, insulin_limit)
    head = rows.select(
        *_KEY,
        n_pairs=pl.col("row") + 1 - pl.col("first"),
        first_on="first_on",
        last_on="drawn_on",
    )
    return head.with_columns(**_readable(found)).lazy()


def histories(
    pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> Series:
    """All visits of each patient as one case, for :func:`transforms.fitting.fit`.

    ``noise`` and ``prior`` say what a censored value stands for until the fit has its own.

    Raises:
        ValueError: as :func:`trends`.
    """
    return _newest(_visits(pairs), noise, prior)


def latest(trends: pl.LazyFrame) -> pl.LazyFrame:
    """The newest row of each patient, sorted by patient."""
    return trends.sort(_KEY).group_by("patient_id", maintain_order=True).last()


def doubts(
    pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.LazyFrame:
    """How likely each visit is bad, seen from each patient's newest one.

    Returns:
        ``patient_id``, ``drawn_on``, ``p_bad`` and ``likely``, the likeliest of the ways to be bad
        (``non-fasting``, ``haemolysed``, ``unit``; null where ``noise`` knows none), sorted.

    Raises:
        ValueError: as :func:`trends`.
    """
    visits = _visits(pairs)
    found = doubted(_newest(visits, noise, prior), noise, prior)
    names = [item.name for item in noise.contaminations]
    likely = [names[i] for i in found.argmax(1)] if names else [None] * visits.height
    p_bad = sum(found.T, np.zeros(visits.height))
    return (
        visits.select(_KEY)
        .with_columns(p_bad=pl.Series(p_bad), likely=pl.Series(likely, dtype=pl.String))
        .lazy()
    )


def without_each(
    pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.LazyFrame:
    """What would be believed without each one visit: does a flag survive dropping any draw?

    Returns:
        ``patient_id``, ``dropped_on``, ``p_climbing_unseen``; patients of one visit have no row.
        Without the newest visit, "now" is the one before.

    Raises:
        ValueError: as :func:`trends`.
    """
    visits = _visits(pairs)
    others = visits.filter(pl.len().over("patient_id") > 1)
    stop = pl.col("row").max().over("patient_id") + 1
    cases = others.select("first", stop, left_out="row").to_numpy()
    found = described(_series(visits, cases, noise, prior), noise, prior)
    p = pl.Series(found["p_climbing_unseen"])
    return (
        others.select("patient_id", dropped_on="drawn_on").with_columns(p_climbing_unseen=p).lazy()
    )


def forecasts(
    pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.LazyFrame:
    """How each patient's newest visit lies in what the earlier ones led to expect.

    Returns:
        ``patient_id``, ``pit_insulin``, ``pit_glucose``: the share of the forecast below the value
        that came, uniform over patients where the model is right (the probability integral
        transform, Dawid 1984, J R Stat Soc A 147:278); null for one visit, and for insulin that
        is only known to lie beyond a limit.

    Raises:
        ValueError: as :func:`trends`.
    """
    visits = _visits(pairs)
    rows = _latest_rows(visits)
    pit = foretold(_newest(visits, noise, prior), noise, prior)
    insulin, glucose = (pl.Series(column, nan_to_null=True) for column in pit.T)
    return (
        rows.select("patient_id", "bound")
        .with_columns(pit_insulin=insulin, pit_glucose=glucose)
        .with_columns(pit_insulin=pl.when(pl.col("bound").is_null()).then("pit_insulin"))
        .drop("bound")
        .lazy()
    )


def shuffled(
    pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.LazyFrame:
    """What would be believed had each patient's visits come in another order.

    A shuffled series has no trend but all else, bad draws included: people marked by chance alone
    (detection reference, section 7). The order is drawn from the patient's own name and days, so
    that it is the same every night.

    Returns:
        ``patient_id``, ``p_shuffled`` (``p_climbing_unseen`` of the shuffled visits).

    Raises:
        ValueError: as :func:`trends`.
    """
    visits = _visits(pairs)
    days = visits.select(*_KEY, "row", "first", "first_on")
    order = pl.struct(*_KEY).hash(seed=_SHUFFLE)
    values = visits.select(
        *("patient_id", "y", "g", "bound", "repeats", "is_ill", "p_fasting"), order=order
    )
    mixed = values.sort("patient_id", "order").drop("patient_id", "order")
    found = described(
        _newest(pl.concat([days, mixed], how="horizontal"), noise, prior), noise, prior
    )
    return (
        _latest_rows(visits)
        .select("patient_id")
        .with_columns(p_shuffled=pl.Series(found["p_climbing_unseen"]))
        .lazy()
    )


def with_next(
    pairs: pl.DataFrame,
    on: date,
    insulin: Floats,
    glucose: float,
    noise: Noise = SHIPPED_NOISE,
    prior: Prior = SHIPPED_PRIOR,
) -> Floats:
    """``p_climbing_unseen`` of one patient after a next draw that might come out so.

    Args:
        pairs: the patient's pairs so far, as for :func:`trends`.
        on: day of the next draw, after the newest.
        insulin: possible values, uIU/mL.
        glucose: mg/dL.
        noise: as for :func:`trends`.
        prior: as for :func:`trends`.

    Returns:
        One probability per value of ``insulin``.

    Raises:
        ValueError: pairs of several patients, ``on`` not after the newest, or a value that is not
            above zero.
    """
    if pairs["patient_id"].n_unique() > 1:
        raise ValueError("pairs of more than one patient")
    if not pairs.is_empty() and on <= max(pairs["drawn_on"]):
        raise ValueError("the next draw must come after the newest one")
    _check(pl.LazyFrame({"patient_id": "", "drawn_on": on, _I: insulin, _G: float(glucose)}))
    past = _visits(pairs.lazy())
    longer = _series(past, np.empty((0, 3), np.int64), noise, prior).continued(
        (on - _EPOCH).days, _rounded(np.log(insulin)), float(_rounded(np.log(glucose)))
    )
    return described(longer, noise, prior)["p_climbing_unseen"]


def _rounded(logarithm: Floats) -> Floats:
    return np.round(logarithm * GRAINS) / GRAINS


def _check(pairs: pl.LazyFrame) -> None:
    """Refuse what has no logarithm or no place, naming column and count but no value."""
    schema = pairs.collect_schema()
    if schema["drawn_on"] not in (pl.Date, pl.Null):
        raise ValueError(f"drawn_on must be a date, not {schema['drawn_on']}")
    sound = {v: pl.col(v).is_finite() & (pl.col(v) > 0) for v in (_I, _G)}
    sound |= {name: pl.col(name).is_not_null() for name in _KEY}
    if _BOUND in schema:
        sound[_BOUND] = pl.col(_BOUND).is_null() | pl.col(_BOUND).is_in(BELOW + ABOVE)
    wrong = pairs.select(**{k: (~ok.fill_null(value=False)).sum() for k, ok in sound.items()})
    for name, count in wrong.collect().row(0, named=True).items():
        if count:
            raise ValueError(_REFUSED.format(name=name, count=count, needed=_NEEDED[name]))


def _completed(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Pairs with the columns that only some sources have: one exact draw unless said otherwise."""
    named = pairs.collect_schema().names()
    usual = {
        _BOUND: pl.lit(None, dtype=pl.String),
        "repeats": pl.lit(1),
        "is_ill": pl.lit(value=False),
        "p_fasting": pl.lit(None, dtype=pl.Float64),
    }
    return pairs.with_columns(**{k: v for k, v in usual.items() if k not in named})


def _visits(pairs: pl.LazyFrame) -> pl.DataFrame:
    """Checked pairs as one row per patient and day, sorted.

    ``y`` and ``g`` are logarithms in :data:`GRAINS`; ``bound`` is the comparator where insulin is
    only known to lie beyond ``y``; ``repeats`` counts draws that are averaged in the visit;
    ``is_ill``: the person was; ``p_fasting``: the least of its pairs.
    ``row`` counts rows from 0, ``first`` is the ``row`` of the patient's first visit and
    ``first_on`` its day.
    """
    _check(pairs)
    grains = {"y": pl.col(_I).log() * GRAINS, "g": pl.col(_G).log() * GRAINS}
    logs = _completed(pairs).select(
        *_KEY,
        **{k: v.round().cast(pl.Int64) for k, v in grains.items()},
        bound=_BOUND,
        is_ill="is_ill",
        repeats=pl.col("repeats").clip(lower_bound=1).cast(pl.Int64),
        p_fasting="p_fasting",
    )
    exact = pl.col("bound").is_null()
    limits = logs.filter(~exact).sort("y", "bound").group_by(_KEY).agg(pl.col("y", "bound").last())
    days = (
        logs.group_by(_KEY)
        .agg(
            total=(pl.col("y") * exact).sum(),
            n=exact.sum().cast(pl.Int64),
            g=pl.col("g").sum() // pl.len(),
            repeats=(pl.col("repeats") * exact).sum().clip(1),
            is_ill=pl.col("is_ill").any(),
            p_fasting=pl.col("p_fasting").min(),
        )
        .join(limits, on=_KEY, how="left")
        .with_columns(
            y=pl.when(pl.col("n") > 0).then(pl.col("total") // pl.col("n")).otherwise("y"),
            bound=pl.when(pl.col("n") == 0).then("bound"),
        )
        .drop("total", "n")
        .sort(_KEY)
    )
    numbered = days.with_row_index("row")
    row = pl.col("row").cast(pl.Int64)
    return numbered.with_columns(
        row,
        first=row.min().over("patient_id"),
        first_on=pl.col("drawn_on").min().over("patient_id"),
    ).collect()


def _latest_rows(visits: pl.DataFrame) -> pl.DataFrame:
    """The newest visit of each patient."""
    return visits.filter(pl.col("first") != pl.col("first").shift(-1).fill_null(-1))


def _cases(rows: pl.DataFrame) -> Ints:
    """Each of these visits with those before it."""
    return rows.select("first", stop=pl.col("row") + 1, left_out=-1).to_numpy()


def _newest(visits: pl.DataFrame, noise: Noise, prior: Prior) -> Series:
    """All visits of each patient as one case."""
    return _series(visits, _cases(_latest_rows(visits)), noise, prior)


def _series(visits: pl.DataFrame, cases: Ints, noise: Noise, prior: Prior) -> Series:
    day = visits["drawn_on"].to_physical().cast(pl.Int64).to_numpy()
    y, g = (visits[name].to_numpy() / GRAINS for name in ("y", "g"))
    spread = 1 - noise.within_visit * (1 - 1 / visits["repeats"].to_numpy())
    spread *= np.where(visits["is_ill"], noise.ill_spread, 1.0)
    odds = told_apart(visits["p_fasting"].cast(pl.Float64).to_numpy(), noise)
    if visits["bound"].null_count() == visits.height:
        return Series(day, y, g, cases, spread, np.zeros(len(y)), odds)
    from transforms.censored import sites

    low, high = (
        np.where(visits["bound"].is_in(beyond).fill_null(value=False), end, y)
        for beyond, end in ((BELOW, -np.inf), (ABOVE, np.inf))
    )
    stood, extra = sites(day, visits["first"].to_numpy(), low, high, noise, prior)
    return Series(day, stood, g, cases, spread, extra, odds)


def _readable(found: dict[str, Floats]) -> dict[str, pl.Series]:
    """The trend columns, in the units people read."""
    glucose = np.exp(found["glucose_level"])
    columns = {
        "insulin_level_uiu_ml": np.exp(found["insulin_level"]),
        "insulin_level_low": np.exp(found["insulin_level_low"]),
        "insulin_level_high": np.exp(found["insulin_level_high"]),
        "insulin_slope_pct_year": 100 * np.expm1(found["insulin_slope"]),
        "insulin_slope_low": 100 * np.expm1(found["insulin_slope_low"]),
        "insulin_slope_high": 100 * np.expm1(found["insulin_slope_high"]),
        "glucose_level_mg_dl": glucose,
        "glucose_level_low": np.exp(found["glucose_level_low"]),
        "glucose_level_high": np.exp(found["glucose_level_high"]),
        "glucose_slope_mg_dl_year": glucose * found["glucose_slope"],
        "glucose_slope_low": glucose * found["glucose_slope_low"],
        "glucose_slope_high": glucose * found["glucose_slope_high"],
    }
    columns |= {name: value for name, value in found.items() if name.startswith("p_")}
    return {name: pl.Series(value) for name, value in columns.items()}
