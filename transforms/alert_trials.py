"""A change tried: what other thresholds or budgets would have told, night by night.

Every draw counts from the night it became known, so the trial walks the nights as they were; of
what was corrected since, the corrected form is used. Of tier A only the newest draw's can be told
from tier B, since only for it is kept what leaving out any one draw does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from transforms.alerting import Fact, Happening
from transforms.catalog.rule import Rule
from transforms.episodes import NEVER, episodes
from transforms.telling import SPENDS, Book, Sections, Telling, sections

LAST = NEVER - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Night:
    """What one night of a trial would have told."""

    night: date
    opened: int
    told: int
    kept_quiet: int
    mails: int


def moments(
    findings: pl.LazyFrame, excluded: pl.LazyFrame, known: pl.LazyFrame, rule: Rule
) -> pl.DataFrame:
    """When alerts would have opened, stepped up and ended.

    Args:
        findings: :func:`transforms.statuses.at_draws`, by the rule on trial.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        known: ``patient_id``, ``drawn_on``, ``known_on`` of every draw used.
        rule: the rule on trial.

    Returns:
        ``night``, ``kind`` (opened, stepped_up, resolved), ``patient_id``, ``rule``, ``began_on``,
        ``tier``, ``p``; in the order of nights.
    """
    ground = episodes(findings, excluded, LAST, rule).collect().lazy()
    first = findings.select("patient_id", began_on="drawn_on", opening_tier="climbing_tier")
    whole = ground.join(first, on=["patient_id", "began_on"], how="left")
    key = ["patient_id", "rule", "began_on", "p"]
    kinds = {
        "opened": whole.select(*key, on="began_on", tier="opening_tier"),
        "stepped_up": whole.filter(pl.col("tier_on") > pl.col("began_on")).select(
            *key, "tier", on="tier_on"
        ),
        "resolved": whole.filter(pl.col("ended_on").is_not_null()).select(
            *key, "tier", on="ended_on"
        ),
    }
    night = known.select("patient_id", "known_on", on="drawn_on")
    rows = [
        frame.join(night, on=["patient_id", "on"], how="left").select(
            *key, "tier", night=pl.coalesce("known_on", "on"), kind=pl.lit(kind)
        )
        for kind, frame in kinds.items()
    ]
    of = ["patient_id", "rule", "began_on"]
    order = pl.col("kind").replace_strict({name: n for n, name in enumerate(kinds)})
    # nothing happens to an alert before it opens, though the draw or exclusion may be older
    opened = pl.col("night").filter(pl.col("kind") == "opened").first()
    at = pl.max_horizontal("night", opened.over(of))
    return pl.concat(rows).with_columns(night=at).sort("night", *of, order).collect()


def told(
    when: pl.DataFrame, nights: Sequence[date], terms: Telling
) -> tuple[list[Night], Mapping[str, date]]:
    """What each of ``nights`` would have told, and which alert was first told when.

    Args:
        when: :func:`moments`.
        nights: in order; what became known earlier counts as told before.
        terms: recipients and budget; its night is replaced by each of ``nights``.
    """
    known, walked, first = Book(), [], dict[str, date]()
    by_night = {day: rows for (day,), rows in when.partition_by("night", as_dict=True).items()}
    earlier = sorted(day for day in by_night if day < nights[0])
    for day in earlier:
        _enter(known, by_night[day], day)
        _tell(known, {who.address: {"new": _open(known)} for who in terms.recipients}, day, None)
    last = earlier[-1] if earlier else date.min
    for night in nights:
        opened = 0
        for day in sorted(day for day in by_night if last < day <= night):
            opened += _enter(known, by_night[day], night)
        last = night
        mails, quiet = sections(replace(terms, night=night), known)
        fresh = _tell(known, mails, night, first)
        walked.append(Night(night, opened, fresh, len(quiet), len(mails)))
    return walked, first


def _enter(known: Book, rows: pl.DataFrame, night: date) -> int:
    opened = 0
    for row in rows.iter_rows(named=True):
        number = f"{row['patient_id']}|{row['rule']}|{row['began_on']}"
        facts: dict[str, Fact] = {name: row[name] for name in ("patient_id", "rule", "tier")}
        opened += row["kind"] == "opened"
        facts["episode"] = row["began_on"].isoformat()
        known.enter(Happening(number, row["kind"], facts), night)
    return opened


def _open(known: Book) -> list[str]:
    return [alert.alert_id for alert in known.alerts.values() if alert.state == "new"]


def _tell(
    known: Book, mails: Mapping[str, Sections], night: date, first: dict[str, date] | None
) -> int:
    """Note as told; returns how many alerts were told of as news."""
    news: set[str] = set()
    for whom, mine in mails.items():
        for section, number in _each(mine):
            # what was told before the trial began costs nothing of a budget
            facts: dict[str, Fact] = {
                "recipient": whom,
                "section": section if first is not None else "",
                "level": 0,
            }
            known.enter(Happening(number, "told", facts), night)
            news |= {number} if section in SPENDS else set()
            if first is not None:
                first.setdefault(number, night)
    return len(news)


def _each(mine: Sections) -> Iterable[tuple[str, str]]:
    return [(section, number) for section, numbers in mine.items() for number in numbers]
