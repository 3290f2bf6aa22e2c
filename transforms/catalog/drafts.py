"""A draft of a cohort's next version, as people write it: what changes, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from transforms.catalog.criteria import TIERS, NotCriteriaError, criteria
from transforms.catalog.rule import COHORT_VERSIONS, STATUSES, CohortDefinition, Rule

THRESHOLDS = {field.name: field.type for field in fields(Rule) if field.type in ("int", "float")}
"""Name of every number of a rule -> its type."""
STORED = {"insulin_upper_limit"}
"""Inside the probabilities that are kept: another one needs the trends computed anew."""
_KEYS = ("cohort", "version", "sentence", "statuses", "tiers", "rule")


class DraftError(ValueError):
    """A draft that cannot be read, with what to do."""


def changed_rule(rule: Rule, thresholds: Mapping[str, object], version: str) -> Rule:
    """The rule with other numbers.

    Args:
        rule: the one in force.
        thresholds: name -> number, as people write it.
        version: of the rule that comes of it.

    Raises:
        DraftError: an unknown name, no number, a probability beyond 0 to 1, a count or time that
            is negative or broken, tiers in the wrong order, or a number that no stored trend knows.
    """
    found = {name: _number(name, value) for name, value in thresholds.items()}
    changed = replace(rule, version=version, **found)  # type: ignore[arg-type]
    if not changed.tier_c_p <= changed.tier_b_p <= changed.tier_a_p:
        raise DraftError("rule: tier_c_p, tier_b_p and tier_a_p must not fall in this order")
    return changed


def _number(name: str, value: object) -> float:
    if name not in THRESHOLDS:
        raise DraftError(f"rule.{name}: no such threshold; there are {', '.join(THRESHOLDS)}")
    if name in STORED:
        raise DraftError(f"rule.{name}: the stored trends were made with it; leave it out")
    is_whole = THRESHOLDS[name] == "int"
    if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
        raise DraftError(f"rule.{name}: {value!r} is no {'whole ' if is_whole else ''}number")
    if not 0 <= value <= (1 if name.endswith("_p") else 100_000):
        raise DraftError(f"rule.{name}: {value} lies outside what it can be")
    return value


def draft(
    content: Mapping[str, object], versions: Sequence[CohortDefinition] = COHORT_VERSIONS
) -> tuple[CohortDefinition, CohortDefinition]:
    """The definition in force and the draft that would follow it.

    Args:
        content: ``cohort``, ``version``, and what changes: ``sentence``, ``statuses``, ``tiers``,
            and ``rule``, thresholds by name.
        versions: every version of the cohorts of the status rule.

    Raises:
        DraftError: it cannot be read, is not the next version, changes nothing, or is no list of
            criteria.
    """
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise DraftError(f"{', '.join(unknown)}: not part of a draft; it has {', '.join(_KEYS)}")
    in_force = {each.name: each for each in versions if each.state == "accepted"}
    now = in_force.get(str(content.get("cohort")))
    if now is None:
        raise DraftError(f"cohort: one of {', '.join(in_force)}, the cohorts of the status rule")
    then = replace(
        now,
        version=_version(content.get("version"), now.name, versions),
        sentence=str(content.get("sentence", now.sentence)),
        statuses=_listed("statuses", content.get("statuses", now.statuses), tuple(STATUSES)),
        tiers=_listed("tiers", content.get("tiers", now.tiers), TIERS),
        rule=_rule(content.get("rule", {}), now.rule),
        state="draft",
        accepted_on=None,
    )
    if (then.statuses, then.tiers, then.rule) == (now.statuses, now.tiers, now.rule):
        raise DraftError("the draft changes nothing that makes a member")
    try:
        criteria(then)
    except NotCriteriaError as error:
        raise DraftError(str(error)) from None
    return now, then


def _version(given: object, name: str, versions: Sequence[CohortDefinition]) -> str:
    newest = max(int(each.version) for each in versions if each.name == name)
    if not str(given).isdigit() or int(str(given)) <= newest:
        raise DraftError(f"version: a whole number above {newest}, the newest of {name}")
    return str(given)


def _listed(key: str, given: object, known: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or set(given) - set(known):
        raise DraftError(f"{key}: a list of {', '.join(known)}")
    return tuple(name for name in known if name in given)


def _rule(given: object, rule: Rule) -> Rule:
    if not isinstance(given, Mapping):
        raise DraftError("rule: thresholds by name, under [rule]")
    changed = changed_rule(rule, given, rule.version)
    return rule if changed == rule else replace(changed, version=f"{rule.version}-changed")
