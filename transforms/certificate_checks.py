"""What a certificate states against what follows from what it states before that.

Each check takes one section and recomputes it from the sections before it, so that a change shows
where it was made; together they are a chain from source text to status. Numbers of a model are
the same within :data:`NEAR`, for their last digits depend on the machine; all else is the same.
A source row that was forged consistently throughout cannot be noticed without the landed files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from math import isclose
from typing import Any

from polars.exceptions import PanicException, PolarsError

from transforms import certificate_again as again
from transforms.catalog import units
from transforms.catalog.analytes import code_frame
from transforms.catalog.exclusions import EXCLUSIONS
from transforms.catalog.rule import RULES, Rule
from transforms.certificate import Certificate, Row, hash_of
from transforms.conform import FASTING_HOURS
from transforms.frozen import SHIPPED, mark
from transforms.predicates import status_by

NEAR = 1e-6
"""Numbers of a model are the same that differ by less, in relation or at all."""
EXACT = 1e-11
"""Others are kept to twelve digits."""
CLOCKS = timedelta(hours=15)
"""No wall clock is further from UTC."""
_FAILURES = (ValueError, ArithmeticError, LookupError, TypeError, PolarsError, PanicException)
Differences = Iterator[str]
Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing recomputed: its name, what holds where it is good, and where it differs."""

    name: str
    sentence: str
    differences: Callable[[Certificate], Differences]


@dataclass(frozen=True, slots=True)
class Answer:
    """A check's result: where the certificate differs, nothing where it is good."""

    name: str
    sentence: str
    differences: tuple[str, ...]


def checked(certificate: Certificate, checks: Sequence[Check] = ()) -> tuple[Answer, ...]:
    """Every check of :data:`CHECKS`, or these; a section that cannot be computed at all differs."""
    return tuple(
        Answer(check.name, check.sentence, tuple(_tried(check, certificate)))
        for check in checks or CHECKS
    )


def _tried(check: Check, certificate: Certificate) -> Differences:
    try:
        yield from check.differences(certificate)
    except _FAILURES as error:
        yield f"cannot be computed from what is stated ({type(error).__name__})"


def same(stated: object, found: object, near: float = NEAR) -> bool:
    """Whether two values are the same: numbers as near as ``near``, all else equal.

    >>> same(0.1 + 0.2, 0.3), same(1.0, None), same(True, 1.0)
    (True, False, False)
    """
    if isinstance(stated, bool) or isinstance(found, bool):
        return stated is found
    if isinstance(stated, int | float) and isinstance(found, int | float):
        return isclose(stated, found, rel_tol=near, abs_tol=near)
    return stated == found


def unlike(where: str, stated: Plain, found: Plain, near: float = NEAR) -> Differences:
    """A sentence for each value of ``found`` that is stated otherwise."""
    for name, value in found.items():
        if not same(stated[name], value, near):
            yield f"{where}{name}: stated {stated[name]}, found {value}"


def _listed(
    what: str, key: str, stated: Iterable[Plain], found: Iterable[Plain], near: float = NEAR
) -> Differences:
    """Two lists of records by a key that no two of a list share."""
    ours = {row[key]: row for row in found}
    rows = list(stated)
    theirs = {row[key]: row for row in rows}
    if len(theirs) != len(rows):
        yield f"{what}: one stands twice"
    yield from (f"{what} {at}: stated, but does not follow" for at in sorted(theirs.keys() - ours))
    yield from (f"{what} {at}: follows, but is not stated" for at in sorted(ours.keys() - theirs))
    for at in sorted(ours.keys() & theirs):
        yield from unlike(f"{what} {at}, ", theirs[at], ours[at], near)


# the file, its person and its rule


def _content(certificate: Certificate) -> Differences:
    found = hash_of(certificate.plain())
    if certificate.content_sha256 != found:
        yield f"content_sha256: stated {certificate.content_sha256[:12]}, found {found[:12]}"


def _person(certificate: Certificate) -> Differences:
    age, year = certificate.person.age, certificate.person.birth_year
    if (age is None) != (year is None):
        yield "age and birth_year: one is stated without the other"
    elif age is not None and certificate.as_of.year - age - (year or 0) not in (0, 1):
        yield f"age: {age} on {certificate.as_of} is not that of somebody born in {year}"


def _rule(certificate: Certificate) -> Differences:
    known = RULES.get(certificate.rule.version)
    if known is None:
        yield (
            f"rule {certificate.rule.version} is not known here: verify with the Undertow that "
            f"wrote it, {certificate.made_by}"
        )
        return
    names = [field.name for field in fields(Rule)]
    stated, ours = ({n: getattr(rule, n) for n in names} for rule in (certificate.rule, known))
    yield from unlike("", stated, ours, near=0.0)


def _model(certificate: Certificate) -> Differences:
    model, listed = certificate.model, certificate.models
    nights = [item.in_force_from for item in listed]
    if nights != sorted(set(nights)):
        yield "models: not one after the other in time"
    if model is None:
        if certificate.pairs:
            yield "model: draws are stated, and no model"
        return
    if model == SHIPPED or model.version == SHIPPED.version:
        yield from unlike("model ", asdict(model), asdict(SHIPPED), near=0.0)
    entries = {item.version: item for item in listed}
    entry = entries.get(model.version)
    if entry is None or entry.in_force_from != model.in_force_from:
        yield f"model {model.version}: not among those in force"
    elif entry.sha256 != mark(model):
        yield f"model {model.version}: its content is not that of the one in force"


# rows


def _rows(certificate: Certificate) -> Differences:
    """Source text to canonical value, by the catalog."""
    factors = {(f.analyte, f.unit): f.citation for f in units.FACTORS}
    meanings = {(c["code_system"], c["source_code"]): c for c in code_frame().to_dicts()}
    places = [(row.file_sha256, row.line, row.part, row.analyte) for row in certificate.rows]
    if len(set(places)) != len(places):
        yield "rows: one place stands twice"
    converted = again.conversions(certificate.rows)
    for row, found in zip(certificate.rows, converted, strict=True):
        said, at = found.pop("said"), f"{row.at}, {row.analyte} "
        cited = factors.get((row.analyte, found["ucum"] or ""))
        yield from unlike(at, row.model_dump(), {**found, "citation": cited}, EXACT)
        if said is not None and row.comparator != said:
            yield f"{at}comparator: stated {row.comparator}, the value says {said}"
        meant = meanings.get((row.code_system, row.source_code))
        if meant and (meant["analyte"], meant["timing"]) != (row.analyte, row.timing):
            yield f"{at}analyte: {row.source_code} is {meant['analyte']}, {meant['timing']}"
        yield from _times(row, at)
        yield from _fast(row, at)


def _times(row: Row, at: str) -> Differences:
    local = row.observed_local
    if local and row.observed_on != local.date():
        yield f"{at}observed_on: stated {row.observed_on}, by the wall's clock {local.date()}"
    is_timed = row.observed_precision == "time" and row.observed_at and local
    if is_timed and abs(row.observed_at - local) > CLOCKS:  # type: ignore[operator]
        yield f"{at}observed_at: further from the wall's clock than any clock is"


def _fast(row: Row, at: str) -> Differences:
    """What made a draw fasting must allow it."""
    hours, state = row.fasting_hours, row.fasting
    allowed = {
        None: state == "unknown",
        "stated": state != "unknown",
        "hours": hours is None
        or state == "unknown"
        or (state == "yes") == (hours >= FASTING_HOURS),
        "code": (row.timing, state) in (("post_load", "no"), ("fasting", "yes")),
    }
    if not allowed.get(row.fasting_basis, False):
        yield f"{at}fasting: stated {state}, which {row.fasting_basis or 'nothing'} cannot say"


def _by_hours(hours: float) -> str:
    return "yes" if hours >= FASTING_HOURS else "no"


# exclusions


def _exclusions(certificate: Certificate) -> Differences:
    if certificate.considered != tuple(item.name for item in EXCLUSIONS):
        yield "considered: not the exclusions of the catalog"
    found = again.matches(certificate.records)
    for record, names in zip(certificate.records, found, strict=True):
        if list(record.matches) != names:
            yield f"{record.at} matches: stated {list(record.matches)}, found {names}"
    whose = zip(("excluded", "barred"), again.spans(certificate.records), strict=True)
    for name, days in whose:
        stated = {tuple(span.model_dump().values()) for span in getattr(certificate, name)}
        ours = set(days.rows())
        yield from (f"{name}: {said} does not follow" for said in sorted(map(str, stated - ours)))
        yield from (f"{name}: {said} is not stated" for said in sorted(map(str, ours - stated)))


# draws, trends, status


PAIR = (
    "insulin_uiu_ml", "insulin_comparator", "repeats", "is_ill", "glucose_mg_dl", "lab", "assay",
    "known_on", "model_version", "platform", "platform_effect", "used", "reason",
)  # fmt: skip
"""Of a pair, what rows and models decide."""


def _pairs(certificate: Certificate) -> Differences:
    found = again.pairs(certificate).select(again.DAY, *PAIR).to_dicts()
    stated = [pair.model_dump() for pair in certificate.pairs]
    yield from _listed("draw", again.DAY, stated, found, EXACT)
    for pair in certificate.pairs:
        if (pair.p_fasting is None) != (pair.fasting_evidence is None):
            yield f"draw {pair.drawn_on}, p_fasting: stated without evidence, or the reverse"


def _trend(certificate: Certificate) -> Differences:
    stated = [trend.model_dump() for trend in certificate.trends]
    days = [trend.drawn_on for trend in certificate.trends]
    if days != sorted(days):
        yield "trends: not in the order of draws"
    found = again.series(certificate).drop("patient_id").to_dicts()
    yield from _listed("trend after", again.DAY, stated, found)
    least = {"p_without_one": again.without_one(certificate)}
    yield from unlike("", certificate.found.model_dump(), least)


def _doubts(certificate: Certificate) -> Differences:
    found = again.doubted(certificate).drop("patient_id").to_dicts()
    stated = [pair.model_dump() for pair in certificate.pairs if pair.used]
    yield from _listed("draw", again.DAY, stated, found)
    for pair in certificate.pairs:
        if not pair.used and (pair.p_bad, pair.likely) != (None, None):
            yield f"draw {pair.drawn_on}, p_bad: stated of a draw that is not used"


def _status(certificate: Certificate) -> Differences:
    yield from unlike("", certificate.found.model_dump(), again.status(certificate))


def _predicates(certificate: Certificate) -> Differences:
    found = again.asked(certificate)
    stated = [{"at": (p.of, p.name), **asdict(p)} for p in certificate.predicates]
    ours = [{"at": (p.of, p.name), **asdict(p)} for p in found]
    yield from _listed("predicate", "at", stated, ours)
    status, tier = status_by(found)
    if (status, tier) != (certificate.found.status, certificate.found.tier):
        yield f"status: stated {certificate.found.status}, the predicates say {status}"


def _counterfactual(certificate: Certificate) -> Differences:
    found = {
        "next_draw": again.next_draws(certificate), "newest_draw": again.newest_draws(certificate)
    }  # fmt: skip
    for name, ours in found.items():
        stated = getattr(certificate, name)
        if (stated is None) != (ours is None):
            yield f"{name}: {'follows, but is not stated' if ours else 'does not follow'}"
        elif ours is not None:
            yield from unlike(f"{name}.", _flat(asdict(stated)), _flat(asdict(ours)))
            yield from unlike(f"{name}.", _flat(asdict(ours)), _flat(asdict(stated)))
    said = {"what_would_change_it": again.would_change(certificate)}
    yield from unlike("", certificate.model_dump(), said)


class _Absent(dict[str, Any]):
    """Names that are not there have no value."""

    def __missing__(self, name: str) -> None:
        return None


def _flat(record: Plain, under: str = "") -> Plain:
    """A record of records as one: ``reaches.0.low``."""
    flat = _Absent()
    for name, value in record.items():
        if isinstance(value, list | tuple):
            flat |= _flat({str(k): part for k, part in enumerate(value)}, f"{under}{name}.")
        elif isinstance(value, dict):
            flat |= _flat(value, f"{under}{name}.")
        else:
            flat[f"{under}{name}"] = value
    return flat


CHECKS: tuple[Check, ...] = (
    Check("content", "the content is the one that was hashed", _content),
    Check("person", "age and year of birth agree", _person),
    Check("rule", "every threshold is that of the rule's version", _rule),
    Check("model", "the trend model is the one in force", _model),
    Check("rows", "every value follows from its source text, unit and code", _rows),
    Check("exclusions", "what is excluded follows from the records looked at", _exclusions),
    Check("pairs", "the draws follow from the rows", _pairs),
    Check("trend", "the trend follows from the draws by the frozen model", _trend),
    Check("doubts", "how likely each draw is bad follows from the draws", _doubts),
    Check("status", "status, tier and reason follow from the trend", _status),
    Check("predicates", "every predicate, its margin and the status agree", _predicates),
    Check("counterfactual", "what would change it follows from draws and model", _counterfactual),
)
"""In the order of the chain."""
