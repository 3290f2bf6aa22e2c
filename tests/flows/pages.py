"""The night's pages from facts made by hand: no night needed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from flows import page_facts
from flows.mail import environment
from flows.pictures.series import series_picture
from tests.flows.letters import account
from tests.flows.people import EVIL, PEOPLE

Row = dict[str, Any]
NIGHT = date(2026, 3, 1)


def nights(n: int = 30) -> list[Row]:
    """A month: a night on which nothing came, and one that went badly."""
    rows: list[Row] = [
        {
            "night": str(NIGHT - timedelta(days=n - 1 - place)),
            "rows_in": 4000 + 37 * (place % 7),
            "quarantined_pct": 0.2 + 0.05 * (place % 5),
            "waiting": 20 + place,
            "alarms": int(place % 11 == 0),
            "checks_failed": place % 3,
            "evaluated": 12 + place % 9,
            "opened": int(place % 8 == 0),
            "seconds": 4.2 + 0.1 * place,
        }
        for place in range(n)
    ]
    if n > 20:
        rows[12] |= {"rows_in": 0, "quarantined_pct": None, "waiting": None}
        rows[20] |= {"quarantined_pct": 38.4, "checks_failed": 9}
    return rows


def checks() -> list[Row]:
    """Forecasts that fare well, and a laboratory's that do not."""
    groups = (
        ("all", "all", 210, 51.0, 91.0, [21, 20, 22, 19, 23, 20, 21, 22, 20, 22]),
        ("draws", "7", 60, 48.0, 88.0, [6, 5, 7, 6, 6, 5, 7, 6, 6, 6]),
        ("lab", EVIL, 40, 20.0, 55.0, [20, 6, 4, 2, 2, 2, 1, 1, 1, 1]),
    )
    names = ("grouped_by", "level", "n", "coverage_50_pct", "coverage_90_pct", "pit_deciles")
    return [
        {"analyte": analyte, **dict(zip(names, group, strict=True))}
        for analyte in ("insulin", "glucose")
        for group in groups
    ]


def facts(**more: Any) -> Row:
    """Everything the page is given."""
    told = account()
    rows = nights()
    step = {"name": "transform", "seconds": 12.5, "counts": {"patients changed": 30}}
    people = 284
    usual = {
        "account": told,
        "site": EVIL,
        "run_id": "2026-03-01-0a1b2c3d",
        "code_version": "1.2.3",
        "before": "2026-02-28",
        "index": "index.html",
        "people": None,
        "sources": page_facts.sources(told.files),
        "by_status": page_facts.statuses(told.statuses),
        "verdicts": [
            ("observation", "fasting_is_understood", "warn", f"Said so: {EVIL}", 6022, 12, False),
            (
                "sample",
                "clock_is_sure",
                "warn",
                "A local time that the clock skipped.",
                99,
                0,
                True,
            ),
        ],
        "steps": page_facts.with_bars([step, {**step, "name": "publish", "seconds": 0.4}]),
        "nights": rows,
        "courses": page_facts.courses(rows),
        "measures": page_facts.MEASURES,
        "opened": 2,
        "cohorts": [{"cohort": "climbing_unseen", "sentence": "It climbs.", "n": 3, "n_left": 1}],
        "attrition": page_facts.funnel(
            [
                {"reason": "everyone", "n_before": people, "n_excluded": 0, "n_after": people},
                {"reason": "excluded", "n_before": people, "n_excluded": 40, "n_after": 244},
                {"reason": "the rule", "n_before": 244, "n_excluded": 241, "n_after": 3},
            ]
        ),
        "quarantine": [
            {"source": EVIL, "reason": "code_is_known", "n": 61, "sentence": "Map the code."}
        ],
        "feeds": [
            feed("lab", "insulin", alarm="silent"),
            feed(EVIL, "glucose", rows_usual=None, p_silence=None, rows_tonight=None),
        ],
        **page_facts.model_pictures(checks()),
    }
    return usual | more


def feed(source: str, analyte: str, **more: Any) -> Row:
    """A row of ``feed_check``."""
    usual = {
        "source": source,
        "analyte": analyte,
        "last_on": NIGHT - timedelta(days=9),
        "rows_tonight": 0,
        "rows_usual": 44.0,
        "p_silence": 0.001,
        "alarm": None,
    }
    return usual | more


def people() -> list[Row]:
    """Who is new: with a picture, without one, with a hostile name; and who is taken back."""
    new = [person("AAAAAAAA", "P0001", "climbing"), person("HHHHHHHH", EVIL, "hostile")]
    return [
        {"kind": "retracted", "title": "Taken back", "entries": [person("BACKBACK", "P0007")]},
        {"kind": "new", "title": "New", "entries": [*new, person("CCCCCCCC", "P0003")]},
    ]


def person(number: str, patient_id: str, picture: str = "") -> Row:
    """An alert of the care team's copy."""
    return {
        "alert_id": number,
        "patient_id": patient_id,
        "rule": "climbing_unseen",
        "tier": "A",
        "status": "climbing",
        "reason": f"insulin climbs, says {patient_id}",
        "because": "a result was corrected",
        "picture": series_picture(PEOPLE[picture]()) if picture else None,
    }


def page(**more: Any) -> str:
    """The page of counts."""
    return environment().get_template("page.html.j2").render(facts(**more))


def care() -> str:
    """The care team's copy."""
    return page(people=people(), index="../index.html")


def empty() -> str:
    """The page of a first night on which nothing came."""
    told = account(files=[], statuses={}, silent=[], feeds=[], waiting=0, oldest_waiting="")
    names = ("verdicts", "steps", "cohorts", "attrition", "quarantine", "feeds", "forecasts")
    rows = nights(1)
    return page(
        account=told,
        before=None,
        nights=rows,
        courses=page_facts.courses(rows),
        sources=[],
        by_status=page_facts.statuses({}),
        people=[],
        **{name: [] for name in names},
    )


def index() -> str:
    """The list of nights."""
    run = {
        "night": "2026-03-01",
        "state": "done",
        "problem": None,
        "has_page": True,
        "has_care": True,
        "evaluated": 30,
        "opened": 2,
        "seconds": 12.5,
    }
    failed = {"night": "2026-02-28", "state": "failed", "problem": "OSError", "has_page": False}
    unknown = {"has_care": False, "evaluated": None, "opened": None}
    rows = [run, {**run, **failed, **unknown}]
    return (
        environment().get_template("index.html.j2").render(site=EVIL, code_version="1", runs=rows)
    )
