"""The night's pages: static, escaped, sufficient to themselves, in place of Data Docs.

``report/<night>.html`` has counts and nobody; ``report/care/<night>.html`` is the same with who is
new, for the care team; ``report/index.html`` lists the nights.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb

from flows import page_facts, page_people
from flows.account import account_of
from flows.mail import environment
from flows.night import Night

Facts = dict[str, Any]
NEXT = re.compile(r'<span class="next">.*?</span>', re.DOTALL)
"""Where a page links to the night after it, which is not known when it is written."""
_RUNS = (
    "SELECT night, state, started_at, run_id, problem FROM (SELECT *, row_number() OVER "
    "(PARTITION BY night ORDER BY state = 'done' DESC, started_at DESC) AS place FROM run) "
    "WHERE place = 1 ORDER BY night DESC"
)


def write(night: Night) -> int:
    """Write the night's pages, readable by the owner only; each replaces itself. How many."""
    if night.published is None:
        return 0
    with duckdb.connect(str(night.published), read_only=True) as con:
        facts = _facts(night, con)
        people = page_people.happened(con, night.as_of)
    report = night.home.report
    care = report / "care"
    care.mkdir(exist_ok=True, mode=0o700)
    _put(report, night, {**facts, "people": None})
    _put(care, night, {**facts, "people": people})
    _keep(report / "index.html", _index(night))
    return 3


def _put(folder: Path, night: Night, facts: Facts) -> None:
    """One page, linked with the one before it in its folder."""
    this = night.as_of.isoformat()
    before = _before(folder, this)
    more = {"before": before, "index": "index.html" if facts["people"] is None else "../index.html"}
    _keep(folder / f"{this}.html", _rendered("page.html.j2", {**facts, **more}))
    if before:
        page = folder / f"{before}.html"
        link = f'<span class="next"><a href="{this}.html" rel="next">{this}</a></span>'
        _keep(page, NEXT.sub(lambda _: link, page.read_text(encoding="utf-8"), count=1))


def _before(folder: Path, this: str) -> str | None:
    pages = sorted(page.stem for page in folder.glob("????-??-??.html"))
    return max((name for name in pages if name < this), default=None)


def _keep(target: Path, text: str) -> None:
    partial = target.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o600)
    partial.rename(target)


def _rendered(template: str, facts: Facts) -> str:
    return environment().get_template(template).render(facts)


def _facts(night: Night, con: duckdb.DuckDBPyConnection) -> Facts:
    changed = night.counts["transform"]["patients changed"]
    warnings = sum(1 for verdict in night.verdicts if not verdict[-1])
    account = account_of(con, night.as_of, warnings, changed)
    nights = page_facts.nights(con, night.ledger, night.run_id, night.as_of)
    return {
        "account": account,
        "site": night.settings.site.name,
        "run_id": night.run_id,
        "code_version": night.code_version,
        "sources": page_facts.sources(account.files),
        "by_status": page_facts.statuses(account.statuses),
        "verdicts": sorted(night.verdicts, key=lambda verdict: -int(str(verdict[5]))),
        "steps": page_facts.steps(night.ledger, night.run_id),
        "nights": nights,
        "courses": page_facts.courses(nights),
        "measures": page_facts.MEASURES,
        "opened": night.counts["alert"].get("opened", 0),
        **page_facts.warehouse_facts(con),
    }


def _index(night: Night) -> str:
    """Every night of the ledger, newest first; tonight's is called done, since it is shown."""
    report = night.home.report
    rows = [
        {
            **dict(run),
            "state": "done" if run["run_id"] == night.run_id else run["state"],
            "has_page": (report / f"{run['night']}.html").exists(),
            "has_care": (report / "care" / f"{run['night']}.html").exists(),
            **page_facts.of_steps(night.ledger, run["run_id"]),
        }
        for run in night.ledger.rows(_RUNS)
    ]
    facts = {"site": night.settings.site.name, "code_version": night.code_version, "runs": rows}
    return _rendered("index.html.j2", facts)
