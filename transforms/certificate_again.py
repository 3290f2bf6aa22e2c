"""A certificate's sections computed again, each from the sections before it.

The functions that a night uses are used here, on one person: rows to pairs, pairs to trends,
trends to status; and the predicates and counterfactuals that a certificate adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from transforms.catalog import analytes, units
from transforms.catalog.exclusions import matching
from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR
from transforms.certificate import Certificate, Pair, Part, Record, Row, Span, Trend
from transforms.conform import converted
from transforms.counterfactuals import (
    NewestDraw,
    NextDraw,
    changes,
    fallen,
    newest_draw,
    next_draw,
)
from transforms.exclusions import barred_days, excluded_spans, holds_on
from transforms.frozen import FrozenModel, levelled
from transforms.pairs import fasting_pairs
from transforms.predicates import Predicate, predicates
from transforms.statuses import at_draws, draw_facts, statuses
from transforms.trends import doubts, trends, without_each
from transforms.values import comparator, number

ME = "p"
"""The one patient of these frames."""
DAY = "drawn_on"
NOT_EVALUATED = ("excluded", "unresolved")
_COLUMNS: dict[str, pl.DataType] = {
    "tuple": pl.List(pl.String),
    "datetime.datetime": pl.Datetime("us"),
    "datetime.date": pl.Date(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "int": pl.Int64(),
}
"""What an annotation names, the first that it does -> its column; else text."""
Frame = pl.DataFrame
Plain = dict[str, Any]


def framed(kind: type[Part], parts: Sequence[Part]) -> Frame:
    """Parts of one kind as a frame of the person :data:`ME`, columns typed by their fields."""
    schema = {name: _type(field.annotation) for name, field in kind.model_fields.items()}
    rows = [[getattr(part, name) for name in schema] for part in parts]
    return pl.DataFrame(rows, schema, orient="row").with_columns(patient_id=pl.lit(ME))


def _type(annotation: object) -> pl.DataType:
    """The column of a field: of ``float | None`` a Float64, of a tuple of names a list."""
    text = str(annotation)
    found = (column for name, column in _COLUMNS.items() if name in text)
    return next(found, pl.String())


# rows


def conversions(rows: Sequence[Row]) -> list[Plain]:
    """Of each row ``ucum``, ``factor``, ``offset``, ``value``, ``unit``, and ``said``: the
    comparator that the value itself says."""
    value = pl.col("source_value")
    spelled = framed(Row, rows).rename({"ucum": "stated"}).drop("factor", "offset", "unit", "value")
    is_comma = pl.col("decimal") == ","
    both = {mark: (number(value, mark), comparator(value, mark)) for mark in (".", ",")}
    known = (
        spelled.with_columns(
            folded_unit=units.folded(pl.col("source_unit")),
            number=pl.when(is_comma).then(both[","][0]).otherwise(both["."][0]),
            said=pl.when(is_comma).then(both[","][1]).otherwise(both["."][1]),
        )
        .join(units.alias_frame(), on="folded_unit", how="left", maintain_order="left")
        .with_columns(
            ucum=pl.when(pl.col("unit_basis") == "approved").then("stated").otherwise("ucum")
        )
        .join(units.factor_frame(), on=["analyte", "ucum"], how="left", maintain_order="left")
        .join(analytes.limit_frame(), on="analyte", how="left", maintain_order="left")
        .with_columns(value=converted())
        .with_columns(unit=pl.when(pl.col("value").is_not_null()).then("canonical_unit"))
    )
    return known.select("ucum", "factor", "offset", "value", "unit", "said").to_dicts()


def observations(rows: Sequence[Row]) -> pl.LazyFrame:
    """Rows as :func:`transforms.pairs.fasting_pairs` takes them. What a comment said of the
    specimen or the person is said by the word alone."""
    return (
        framed(Row, rows)
        .with_columns(
            absent_reason=pl.lit(None, dtype=pl.String),
            comment=pl.col("says").list.join(" "),
            known_at=pl.col("known_on").cast(pl.Datetime("us")),
        )
        .lazy()
    )


# exclusions


def matches(records: Sequence[Record]) -> list[list[str]]:
    """The exclusions that each record falls under."""
    found: list[list[str]] = []
    for record in records:
        row = _records([record])
        found.append(row.select(names=matching(record.table)).collect()["names"][0].to_list())
    return found


def spans(records: Sequence[Record]) -> tuple[Frame, Frame]:
    """Days on which the person is excluded, and days whose draws are not used."""
    tables = [
        _records([record for record in records if record.table == table])
        for table in ("condition", "medication")
    ]
    return tuple(_sorted(find(*tables)) for find in (excluded_spans, barred_days))  # type: ignore[return-value]


def _records(records: Sequence[Record]) -> pl.LazyFrame:
    return framed(Record, records).rename({"drug_class": "class"}).lazy()


def _sorted(found: pl.LazyFrame) -> Frame:
    days = found.select("name", "from_on", "to_on").unique()
    return days.sort("name", "from_on", "to_on", nulls_last=False).collect()


def holding(excluded: Sequence[Span], as_of: date) -> list[str]:
    """The names of exclusions that hold on a day."""
    days = framed(Span, excluded).with_columns(on=pl.lit(as_of))
    return days.filter(holds_on("on"))["name"].unique().sort().to_list()


# draws


def pairs(certificate: Certificate) -> Frame:
    """Fasting pairs of the rows, by the models in force and the days that are barred."""
    barred = framed(Span, certificate.barred).lazy()
    found = fasting_pairs(observations(certificate.rows), barred, _models(certificate))
    return found.collect()


def _models(certificate: Certificate) -> list[FrozenModel]:
    """Models in force; only the person's own is known, of the others only when they held."""
    own = certificate.model
    return [
        own
        if own is not None and own.version == item.version
        else FrozenModel(item.version, item.in_force_from, SHIPPED_NOISE, SHIPPED_PRIOR)
        for item in certificate.models
    ]


def used(certificate: Certificate) -> Frame:
    """The draws that the trend uses, in order."""
    return framed(Pair, [pair for pair in certificate.pairs if pair.used]).sort(DAY)


def series(certificate: Certificate) -> Frame:
    """The trend after each draw used; no row without one."""
    return trends(
        levelled(used(certificate).lazy()),
        *_noise(certificate),
        insulin_limit=certificate.rule.insulin_upper_limit,
    ).collect()


def doubted(certificate: Certificate) -> Frame:
    """``p_bad`` and ``likely`` of each draw used."""
    return doubts(levelled(used(certificate).lazy()), *_noise(certificate)).collect()


def without_one(certificate: Certificate) -> float | None:
    """The least probability without one draw; asked only where a mark of tier B could stand."""
    newest = certificate.trends[-1] if certificate.trends else None
    if newest is None or newest.p_climbing_unseen < certificate.rule.tier_b_p:
        return None
    found = without_each(levelled(used(certificate).lazy()), *_noise(certificate)).collect()
    least = found["p_climbing_unseen"].min()
    return None if least is None else float(least)  # type: ignore[arg-type]


def _noise(certificate: Certificate) -> tuple[Any, Any]:
    own = certificate.model
    return (own.noise, own.prior) if own else (SHIPPED_NOISE, SHIPPED_PRIOR)


# the rule


def findings(certificate: Certificate) -> Frame:
    """What the rule says after each draw, by the trends that are stated."""
    stated = framed(Trend, certificate.trends)
    is_newest = pl.int_range(pl.len()) == pl.len() - 1
    least = pl.lit(certificate.found.p_without_one, dtype=pl.Float64)
    return at_draws(
        stated.with_columns(p_without_one=pl.when(is_newest).then(least)).lazy(),
        used(certificate).lazy(),
        certificate.rule,
    ).collect()


def status(certificate: Certificate) -> Plain:
    """``status``, ``tier`` and ``reason`` by the stated trends, draws, exclusions and age."""
    age, as_of = certificate.person.age, certificate.as_of
    person = pl.LazyFrame(
        {"patient_id": [ME], "birth_date": [None if age is None else _birthday(as_of, age)]},
        schema={"patient_id": pl.String, "birth_date": pl.Date},
    )
    newest = findings(certificate).lazy().group_by("patient_id", maintain_order=True).last()
    draws = draw_facts(framed(Pair, certificate.pairs).lazy())
    excluded = framed(Span, certificate.excluded).lazy()
    found = statuses(person, newest, draws, excluded, as_of, certificate.rule).collect()
    return found.select("status", "tier", "reason").row(0, named=True)


def _birthday(as_of: date, age: int) -> date:
    """A day on which somebody of that age may have been born."""
    on = 28 if (as_of.month, as_of.day) == (2, 29) else as_of.day
    return date(as_of.year - age, as_of.month, on)


def asked(certificate: Certificate) -> tuple[Predicate, ...]:
    """The rule's predicates on what is stated."""
    newest = certificate.trends[-1] if certificate.trends else None
    glucose = [None, None, *used(certificate)["glucose_mg_dl"].to_list()]
    raised = findings(certificate)["was_raised"].to_list()
    facts: dict[str, float | None] = {
        "age": certificate.person.age,
        "exclusions": len(holding(certificate.excluded, certificate.as_of)),
        "n_pairs": newest.n_pairs if newest else 0,
        "span_days": (newest.last_on - newest.first_on).days if newest else None,
        "days_old": (certificate.as_of - newest.last_on).days if newest else None,
        "p_without_one": certificate.found.p_without_one,
        "glucose_now": glucose[-1],
        "glucose_before": glucose[-2],
        "was_raised": float(raised[-1]) if raised else 0.0,
    }
    names = ("p_climbing_unseen", "p_bad_newest", "p_insulin_high", "p_glucose_fine")
    for name in (*names, "p_glucose_rising", "p_insulin_climbing"):
        facts[name] = getattr(newest, name) if newest else None
    return predicates(facts, certificate.rule)


# what would change it


def next_draws(certificate: Certificate) -> NextDraw | None:
    """What the next draw would have to be; None where too few draws are used or none counts."""
    newest, own = certificate.trends[-1:], certificate.model
    is_out = certificate.found.status == "excluded"
    if is_out or own is None or not newest or newest[0].n_pairs < certificate.rule.min_pairs - 1:
        return None
    draws, level = used(certificate), newest[0].glucose_level_mg_dl
    return next_draw(draws, level, certificate.as_of, own, certificate.rule)


def newest_draws(certificate: Certificate) -> NewestDraw | None:
    """What another insulin of the newest draw would have found; None where nobody is evaluated, or
    insulin is only known to lie beyond a limit."""
    draws, own = used(certificate), certificate.model
    if certificate.found.status in NOT_EVALUATED or own is None or draws.is_empty():
        return None
    if draws["insulin_comparator"][-1] is not None:
        return None
    earlier = framed(Trend, certificate.trends[:-1])
    return newest_draw(draws, earlier, own, certificate.rule)


def would_change(certificate: Certificate) -> tuple[str, ...]:
    """Both in sentences, by what is stated of them."""
    n_pairs = certificate.trends[-1].n_pairs if certificate.trends else 0
    then = changes(certificate.found.status, n_pairs, certificate.next_draw, certificate.rule)
    return (*then, *fallen(certificate.newest_draw))
