"""Every cohort's definition in one table, whatever it is made of: statuses, evidence, patterns."""

from __future__ import annotations

import polars as pl

from transforms.catalog.corroboration import CONTRADICTIONS, CORROBORATORS
from transforms.catalog.patterns import PATTERNS
from transforms.catalog.rule import COHORTS, RULE

_CLAIM = "A diagnosis; which tissue; a time to diabetes; that an unmarked person is well."
_TEXTS = ("cohort", "definition_version", "sentence", "not_claimed", "citation", "measured")
_SCHEMA = (
    dict.fromkeys(_TEXTS, pl.String)
    | {"alerts": pl.Boolean}
    | dict.fromkeys(("reviewed", "next_review"), pl.Date)
)


def cohort_definition_frame() -> pl.DataFrame:
    """One row a cohort: ``cohort``, ``definition_version``, ``sentence``, ``not_claimed``,
    ``citation``, ``measured`` (what is known of its errors), ``alerts`` (whether entering it opens
    an alert), ``reviewed``, ``next_review``.

    >>> cohort_definition_frame().filter(cohort="liver_pattern")["alerts"].to_list()
    [False]
    """
    sources = {each.kind: each.citation for each in CORROBORATORS}
    dates = (RULE.reviewed, RULE.next_review)
    rows = [
        *(
            (c.name, c.version, c.sentence, _CLAIM, RULE.citation, RULE.measured, c.alerts, *dates)
            for c in COHORTS
        ),
        *(
            (c.name, c.version, c.sentence, c.not_claimed, sources[c.kind], "", False)
            + (c.reviewed, c.next_review)
            for c in CONTRADICTIONS
        ),
        *(
            (p.name, p.version, p.sentence, p.not_claimed, p.citation, p.measured, False)
            + (p.reviewed, p.next_review)
            for p in PATTERNS
        ),
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
