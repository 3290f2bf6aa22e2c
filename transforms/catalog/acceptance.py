"""Accepted means unchanged: the content of every accepted definition against its fingerprint.

The content is what makes a member and what people are told: the record itself, its limits or signs,
and of the rule it rests on the thresholds that matter to it and the grounds of exclusion by name. Not part of it are
its sources, its reviews, what was measured of its errors, its state, and the codes and words by
which a ground of exclusion is found in the data: these get better without anyone's meaning another
cohort.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import date
from typing import Any

from transforms.catalog.accepted import ACCEPTED, Accepted
from transforms.catalog.corroboration import CONTRADICTION_VERSIONS
from transforms.catalog.criteria import Definition
from transforms.catalog.patterns import PATTERN_VERSIONS
from transforms.catalog.rule import COHORT_VERSIONS, CohortDefinition, Rule

VERSIONS: tuple[Definition, ...] = (
    *COHORT_VERSIONS,
    *CONTRADICTION_VERSIONS,
    *PATTERN_VERSIONS,
)
"""Every version of every cohort, whatever its state."""

_NOT_CONTENT = {
    *("state", "accepted_on", "citation", "measured", "reviewed", "next_review"),
    *("not_measured", "example", "rule"),
}
_OF_PERSONS_AND_GLUCOSE = (
    *("adult_age", "min_pairs", "min_span_days", "max_age_days", "glucose_fine_p"),
)
"""Thresholds that cohorts of other signs rest on; those of the status rest on all."""


def thresholds(rule: Rule) -> dict[str, float]:
    """The numbers of a rule by name, without its sources and reviews."""
    return {
        field.name: getattr(rule, field.name)
        for field in fields(rule)
        if isinstance(getattr(rule, field.name), int | float)
    }


def content(definition: Definition) -> dict[str, Any]:
    """What the definition's fingerprint is taken of, as JSON has it."""
    own = {name: value for name, value in asdict(definition).items() if name not in _NOT_CONTENT}
    rests_on = thresholds(definition.rule)
    if not isinstance(definition, CohortDefinition):
        rests_on = {name: rests_on[name] for name in _OF_PERSONS_AND_GLUCOSE}
    return own | {"thresholds": rests_on, "grounds": sorted(definition.rule.grounds)}


def fingerprint(definition: Definition) -> str:
    """SHA-256 of the canonical content, hexadecimal."""
    text = json.dumps(content(definition), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def broken(
    definitions: Iterable[Definition] = VERSIONS, ledger: Sequence[Accepted] = ACCEPTED
) -> list[str]:
    """What was done to accepted definitions that must not be, a sentence each; empty: nothing.

    >>> broken()
    []
    """
    known = {(row.cohort, row.version): row for row in ledger}
    records = {(each.name, each.version): each for each in definitions}
    found = [_wrong(each, known.get(key)) for key, each in records.items()]
    gone = [
        f"{row.cohort} {row.version} was accepted on {row.accepted_on} and is gone: keep it as deprecated"
        for key, row in known.items()
        if key not in records
    ]
    return [*filter(None, found), *gone]


def _wrong(definition: Definition, row: Accepted | None) -> str | None:
    named = f"{definition.name} {definition.version}"
    now = fingerprint(definition)
    if definition.state == "draft":
        return f"{named} was accepted on {row.accepted_on} and is a draft again" if row else None
    if row is None:
        return (
            f"{named} is {definition.state} and not in the list of accepted ones: add "
            f'Accepted("{definition.name}", "{definition.version}", {_day(definition)}, "{now}")'
        )
    if now != row.fingerprint:
        later = int(definition.version) + 1
        return f"{named} was accepted on {row.accepted_on} and has changed: make version {later}"
    if definition.accepted_on != row.accepted_on:
        return f"{named} was accepted on {row.accepted_on}, not on {definition.accepted_on}"
    return None


def _day(definition: Definition) -> str:
    on = definition.accepted_on or date.min
    return f"date({on.year}, {on.month}, {on.day})"
