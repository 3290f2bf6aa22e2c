"""Corroboration: what HbA1c, worn sensors and glucose drinks say beside fine fasting glucose.

They stand beside the status rule and never in it: nothing here is read by
:mod:`transforms.pairs`, :mod:`transforms.trends` or :mod:`transforms.statuses`. People of whose
glucose two kinds of evidence disagree are cohorts of their own. Limits, sources and what must not
be claimed are in :mod:`transforms.catalog.corroboration`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.attrition import OVER, Way, way
from transforms.catalog.corroboration import (
    CONTRADICTIONS,
    CORROBORATORS,
    Contradiction,
    Corroborator,
    Measure,
)
from transforms.catalog.rule import RULE, Rule
from transforms.cgm_windows import WINDOW_DAYS
from transforms.cohorts import lasting, members, standing, stays, with_exclusions
from transforms.exclusions import SPAN, days_of, holds_on

CORROBORATION = {
    "patient_id": pl.String,
    "kind": pl.String,
    "observed_on": pl.Date,
    "value": pl.Float64,
    "unit": pl.String,
    "limit": pl.Float64,
    "says": pl.String,
    "sentence": pl.String,
}
DAY = ("patient_id", "observed_on")
MISLED = {"kind": pl.String, "why": pl.String} | SPAN
"""A span of days on which one kind of evidence says nothing, and the sentence that says why."""
_ORDER = [each.kind for each in CORROBORATORS]
_NAMES = {each.kind: each.name for each in CORROBORATORS}


def misleading_spans(conditions: pl.LazyFrame) -> pl.LazyFrame:
    """Days on which a kind of evidence says nothing of a patient's glucose.

    Args:
        conditions: standing rows: ``patient_id``, ``code_system``, ``code``, ``name``,
            ``start_on``, ``end_on`` (dates, null: not stated).

    Returns:
        :data:`MISLED`: ``kind`` (of evidence), ``why``, ``patient_id``, ``name`` (of the
        condition's record in ``misled_by`` of
        :data:`transforms.catalog.corroboration.CORROBORATORS`), ``from_on`` (null: always),
        ``to_on`` (null: still).
    """
    found = [
        days_of(item, conditions).with_columns(kind=pl.lit(by.kind), why=pl.lit(item.sentence))
        for by in CORROBORATORS
        for item in by.misled_by
    ]
    return pl.concat([pl.LazyFrame(schema=MISLED), *(spans.select(*MISLED) for spans in found)])


def corroborations(
    results: pl.LazyFrame,
    cgm_windows: pl.LazyFrame,
    ogtt: pl.LazyFrame,
    misleading: pl.LazyFrame,
) -> pl.LazyFrame:
    """What every HbA1c, sensor window and glucose drink says of glucose; whatever the night.

    Of several HbA1c of one day the mean counts. One that is only known to lie beyond a limit
    (``<4``, ``>14``) counts at it where that decides, and not at all where it does not.

    A window of a sensor is of the last of its fourteen days, whether that day is over or not: the
    day on which it is told never moves, and whoever looks by a night sees no window that is still
    open.

    Args:
        results: ``patient_id``, ``analyte``, ``observed_on``, ``value`` (HbA1c in percent, NGSP),
            ``comparator``; other analytes are left out.
        cgm_windows: :func:`transforms.cgm_windows.cgm_windows`: ``patient_id``, ``device``,
            ``window_start``, ``coverage_pct``, ``pct_above_140``, ``pct_above_180`` (percent of
            readings), ``is_sufficient``, ``is_main``.
        ogtt: :func:`transforms.ogtt.challenges`: ``patient_id``, ``drawn_on``,
            ``glucose_60_mg_dl``, ``glucose_120_mg_dl`` (mg/dL), ``bounds`` (which of them are only
            a limit: these are left out, for it does not say on which side).
        misleading: :func:`misleading_spans`; evidence of the kind of such days is not judged.

    Returns:
        ``patient_id``, ``kind`` ('hba1c', 'cgm', 'glucose_1h', 'glucose_2h'), ``observed_on`` (of
        a window its fourteenth day, which may be still to come), ``value`` (rounded as its limit
        is; of several measures the one that is not fine, else the first), ``unit``, ``limit``,
        ``says`` ('not fine', 'fine', null: not judged), ``sentence`` (with values: not for mails);
        sorted by the first three, one row each.
    """
    observed = {
        "hba1c": _hba1c(results),
        "cgm": _windows(cgm_windows),
        "glucose_1h": _drinks(ogtt),
        "glucose_2h": _drinks(ogtt),
    }
    found = [_judged(observed[each.kind], each) for each in CORROBORATORS]
    rows = _without_misled(pl.concat(found), misleading).with_columns(sentence=_sentence())
    return rows.select(*CORROBORATION).sort("patient_id", "kind", "observed_on")


def _hba1c(results: pl.LazyFrame) -> pl.LazyFrame:
    """One value a patient and day, ``hba1c_pct``."""
    (measure,) = next(each.measures for each in CORROBORATORS if each.kind == "hba1c")
    value, sign = pl.col("value"), pl.col("comparator").str.slice(0, 1)
    decides = ((sign == ">") & (value >= measure.limit)) | ((sign == "<") & (value < measure.limit))
    is_exact = pl.col("comparator").is_null()
    return (
        results.filter(pl.col("analyte") == "hba1c", value > 0, value.is_finite())
        .filter(is_exact | decides)
        .group_by(DAY)
        .agg(hba1c_pct=pl.coalesce(value.filter(is_exact).mean().round_sig_figs(10), value.max()))
    )


def _windows(cgm_windows: pl.LazyFrame) -> pl.LazyFrame:
    """Sufficient windows of the patient's main sensor; of two of one day that which saw more."""
    last_on = pl.col("window_start") + pl.duration(days=WINDOW_DAYS - 1)
    good = cgm_windows.filter("is_sufficient", "is_main").with_columns(observed_on=last_on)
    return good.sort("coverage_pct", "device").unique(DAY, keep="last", maintain_order=True)


def _drinks(ogtt: pl.LazyFrame) -> pl.LazyFrame:
    """Glucose after a drink, where more is known than a limit."""
    columns = ("glucose_60_mg_dl", "glucose_120_mg_dl")
    bounds = pl.col("bounds").fill_null("")
    exact = [pl.when(~bounds.str.contains(name, literal=True)).then(name) for name in columns]
    return ogtt.select("patient_id", *exact, observed_on="drawn_on")


def _judged(observed: pl.LazyFrame, by: Corroborator) -> pl.LazyFrame:
    """The measures of one kind against their limits; nothing where none was measured."""
    values = [pl.col(each.column).round(each.digits) for each in by.measures]
    over = [value >= each.limit for value, each in zip(values, by.measures, strict=True)]
    shown = [
        _shown(value, each).alias(each.column)
        for value, each in zip(values, by.measures, strict=True)
    ]
    decisive = pl.coalesce(
        *(pl.when(is_over).then(each) for is_over, each in zip(over, shown, strict=True)), *shown
    )
    says = (
        pl.when(pl.any_horizontal(over).fill_null(value=False)).then(pl.lit("not fine"))
        .when(pl.all_horizontal(~is_over for is_over in over)).then(pl.lit("fine"))
    )  # fmt: skip
    return (
        observed.with_columns(decisive=decisive, says=says)
        .filter(pl.col("decisive").is_not_null())
        .select(*DAY, "says", kind=pl.lit(by.kind), caveat=pl.lit(by.caveat), decisive="decisive")
        .unnest("decisive")
    )


def _shown(value: pl.Expr, measure: Measure) -> pl.Expr:
    """What is told of a measure; null where it is not known."""
    told = pl.struct(
        value=value,
        unit=pl.lit(measure.unit),
        limit=pl.lit(measure.limit),
        words=pl.lit(measure.words),
    )
    return pl.when(value.is_not_null()).then(told)


def _without_misled(rows: pl.LazyFrame, misleading: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``why``; nothing is said by a kind of evidence that a condition on record misleads."""
    told = (*DAY, "kind")
    misled = (
        rows.select(told)
        .join(misleading, on=["patient_id", "kind"])
        .filter(holds_on("observed_on"))
        .group_by(told)
        .agg(pl.col("why").sort_by("name").first())
    )
    return rows.join(misled, on=told, how="left").with_columns(
        says=pl.when(pl.col("why").is_null()).then("says")
    )


def _sentence() -> pl.Expr:
    """Name, value, day, what it says or why not: ``HbA1c 5.9 % on 2026-03-01: not fine, ...``."""
    name = pl.col("kind").replace_strict(_NAMES, return_dtype=pl.String)
    value, limit = (pl.col(c).cast(pl.String).str.strip_suffix(".0") for c in ("value", "limit"))
    verdict = pl.format("{}, limit {}", pl.col("says"), limit)
    refused = pl.format("not judged, {}", pl.col("why").fill_null("not all of it was measured"))
    caveat = pl.when(pl.col("caveat") != "").then(pl.format(" ({})", "caveat"))
    lead = pl.format("{} {} {} {} {}", name, value, "unit", "words", "observed_on")
    said = pl.coalesce(verdict, refused)
    return pl.format("{}: {}{}", lead, said, caveat.otherwise(pl.lit("")))


def evidence_beside(statuses: pl.LazyFrame, found: pl.LazyFrame, rule: Rule = RULE) -> pl.LazyFrame:
    """What stands beside a status: of each kind the newest by the night that is not too old.

    Args:
        statuses: ``patient_id``, ``as_of``; nothing else of it is read, nothing is changed.
        found: :func:`corroborations`.
        rule: ``max_age_days`` (judgement: as for draws).

    Returns:
        Patients of whom there is any: ``patient_id``, ``as_of``, ``beside`` (the sentences with
        their values, joined by "; ": for ``explain``), ``beside_in_mail`` (without values, as
        "HbA1c: not fine; glucose sensor: fine"), ``contradicts`` (whether one says not fine);
        sorted.
    """
    days_old = (pl.col("as_of") - pl.col("observed_on")).dt.total_days()
    name = pl.col("kind").replace_strict(_NAMES, return_dtype=pl.String)
    place = pl.col("kind").replace_strict(dict(zip(_ORDER, range(len(_ORDER)), strict=True)))
    night = ["patient_id", "as_of"]
    return (
        statuses.select(night)
        .join(found, on="patient_id")
        .filter(days_old.is_between(0, rule.max_age_days))
        .with_columns(place=place, plain=name + ": " + pl.col("says").fill_null("not judged"))
        .sort("patient_id", "as_of", "place", "observed_on")
        .group_by("patient_id", "as_of", "place", maintain_order=True)
        .last()
        .group_by(night, maintain_order=True)
        .agg(
            beside=pl.col("sentence").str.join("; "),
            beside_in_mail=pl.col("plain").str.join("; "),
            contradicts=(pl.col("says") == "not fine").any(),
        )
    )


def contradictions(
    found: pl.LazyFrame,
    findings: pl.LazyFrame,
    excluded: pl.LazyFrame,
    as_of: date,
    rule: Rule = RULE,
) -> pl.LazyFrame:
    """Every stay in the cohorts of people whose fasting glucose is fine and something else is not.

    Members are evaluated people, flagged or not, whose newest draw left glucose fine
    (``p_glucose_fine`` at least ``rule.glucose_fine_p``) while the newest judged observation of
    the kind says not fine; either counts for ``rule.max_age_days``. A stay begins with the first
    day on which both held, and ends with the first later observation that is fine, the first draw
    after which glucose is not, the day an exclusion begins, or when either is too old.

    Args:
        found: :func:`corroborations`.
        findings: :func:`transforms.statuses.at_draws`.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        as_of: the night.
        rule: thresholds.

    Returns:
        ``cohort``, ``patient_id``, ``entered_on``, ``left_on``, ``definition_version``; sorted.
    """
    stood = _stood(found, findings, rule)
    days = with_exclusions(stood, excluded).sort("patient_id", "on").cache()
    rows = [
        members(stays(_moments(days, each), as_of), each.name, each.version)
        for each in CONTRADICTIONS
    ]
    return pl.concat(rows).sort("cohort", "patient_id", "entered_on")


def glucose_signs(findings: pl.LazyFrame, rule: Rule = RULE) -> pl.LazyFrame:
    """Whether glucose is fine after each draw, as a sign of :func:`transforms.cohorts.standing`.

    Null where the draws do not suffice to evaluate the person: not evaluated is never fine.

    Args:
        findings: ``patient_id``, ``drawn_on``, ``finding``, ``p_glucose_fine``.
        rule: ``glucose_fine_p``.
    """
    is_fine = pl.col("p_glucose_fine") >= rule.glucose_fine_p
    return findings.select(
        "patient_id",
        on="drawn_on",
        sign=pl.lit("glucose"),
        holds=pl.when(pl.col("finding").is_not_null()).then(is_fine),
    )


def _stood(found: pl.LazyFrame, findings: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    said = found.filter(pl.col("says").is_not_null()).select(
        "patient_id", on="observed_on", sign="kind", holds=pl.col("says") == "not fine"
    )
    kinds = [each.kind for each in CONTRADICTIONS]
    signs = pl.concat([glucose_signs(findings, rule), said])
    return standing(signs, ["glucose", *kinds], rule.max_age_days)


def _moments(days: pl.LazyFrame, cohort: Contradiction) -> pl.LazyFrame:
    fine, other = pl.col("glucose_until"), pl.col(f"{cohort.kind}_until")
    return days.with_columns(
        holds=fine.is_not_null() & other.is_not_null() & ~pl.col("is_excluded"),
        until=pl.min_horizontal(fine, other, "excluded_on"),
    )


def contradiction_ways(
    statuses: pl.LazyFrame,
    rows: pl.LazyFrame,
    found: pl.LazyFrame,
    findings: pl.LazyFrame,
    as_of: date,
    rule: Rule = RULE,
) -> list[Way]:
    """From everyone to each cohort of :func:`contradictions`, tonight.

    Args:
        statuses: :func:`transforms.statuses.statuses` (``patient_id``, ``status``, ``ground``).
        rows: :func:`contradictions`.
        found: :func:`corroborations`.
        findings: :func:`transforms.statuses.at_draws`.
        as_of: the night.
        rule: thresholds.

    Returns:
        Exclusions, what could not be evaluated, then fasting glucose not fine, nothing of the
        kind measured lately, and fine by it.
    """
    tonight = _stood(found, findings, rule).filter(pl.col("on") <= as_of)
    newest = tonight.group_by("patient_id", maintain_order=True).last()
    people = statuses.join(newest, on="patient_id", how="left").collect()
    inside = rows.filter(pl.col("left_on").is_null()).collect()
    return [_way(people, inside, each, as_of) for each in CONTRADICTIONS]


def _way(people: pl.DataFrame, inside: pl.DataFrame, cohort: Contradiction, as_of: date) -> Way:
    name = _NAMES[cohort.kind]
    reasons = {
        "fasting glucose not fine": ~lasting("glucose_until", as_of),
        f"no {name} lately": ~lasting(f"{cohort.kind}_known_until", as_of),
        f"fine by {name}": ~lasting(f"{cohort.kind}_until", as_of),
        OVER: pl.lit(value=True),
    }
    return way(cohort.name, people, inside.filter(cohort=cohort.name)["patient_id"], reasons)
