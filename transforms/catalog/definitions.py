"""Every cohort's definition in one table, whatever it is made of: statuses, evidence, patterns."""

from __future__ import annotations

import polars as pl

from transforms.catalog.acceptance import VERSIONS, fingerprint
from transforms.catalog.corroboration import CORROBORATORS, Contradiction
from transforms.catalog.criteria import Definition
from transforms.catalog.patterns import Pattern
from transforms.catalog.rule import CohortDefinition

_CLAIM = "A diagnosis; which tissue; a time to diabetes; that an unmarked person is well."
_TEXTS = ("cohort", "definition_version", "sentence", "not_claimed", "citation", "measured")
_SCHEMA = (
    dict.fromkeys(_TEXTS, pl.String)
    | {"alerts": pl.Boolean}
    | dict.fromkeys(("reviewed", "next_review"), pl.Date)
    | {"state": pl.String, "accepted_on": pl.Date}
    | dict.fromkeys(("rule_version", "fingerprint"), pl.String)
)


def cohort_definition_frame() -> pl.DataFrame:
    """One row a cohort and version that was ever accepted: ``cohort``, ``definition_version``,
    ``sentence``, ``not_claimed``, ``citation``, ``measured`` (what is known of its errors),
    ``alerts`` (whether entering it opens an alert), ``reviewed``, ``next_review``, ``state``
    ('accepted': in force, 'deprecated'), ``accepted_on``, ``rule_version``, ``fingerprint``.

    >>> cohort_definition_frame().filter(cohort="liver_pattern")["alerts"].to_list()
    [False]
    """
    rows = [
        (*_told(each), each.state, each.accepted_on, each.rule.version, fingerprint(each))
        for each in VERSIONS
        if each.state != "draft"
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _told(each: Definition) -> tuple[object, ...]:
    head = (each.name, each.version, each.sentence)
    if isinstance(each, CohortDefinition):
        rule = each.rule
        dates = (rule.reviewed, rule.next_review)
        return (*head, _CLAIM, rule.citation, rule.measured, each.alerts, *dates)
    source, measured = _sources(each)
    return (*head, each.not_claimed, source, measured, False, each.reviewed, each.next_review)


def _sources(each: Contradiction | Pattern) -> tuple[str, str]:
    if isinstance(each, Pattern):
        return each.citation, each.measured
    return next(item.citation for item in CORROBORATORS if item.kind == each.kind), ""
