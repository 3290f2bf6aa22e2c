"""What letters are given: the facts of every kind, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from flows.account import Account
from flows.letters import QUIET
from flows.mail import Letter, letter
from flows.pictures.series import series_picture
from tests.flows.people import EVIL, PEOPLE
from transforms.catalog.rule import RULE

NOW = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)
LINK = "https://worklist.clinic.example/go/abc"


def entry(number: str, patient_id: str, person: str = "climbing", **facts: Any) -> Letter:
    """One alert as a digest is given it."""
    series = PEOPLE[person]()
    usual = {
        "alert_id": number,
        "patient_id": patient_id,
        "rule": "climbing_unseen",
        "status": "high_and_climbing",
        "tier": "A",
        "since": "2026-03-01",
        "was": None,
        "reason": "insulin is above 12.5 uIU/mL (probability 100 %) and climbs",
        "draws": series.draws,
        "beside": "HbA1c of 5.4 % agrees that glucose is fine",
        "beside_in_mail": "HbA1c agrees",
        "missing": ["HbA1c within a year"],
        "next_tests": ["Repeat fasting insulin and glucose at the same laboratory."],
        "picture": series_picture(series),
        "link": f"{LINK}/{number}",
    }
    return {**(series.trend or {}), **usual, **facts}


def digest(*, is_detailed: bool, **facts: Any) -> Letter:
    """A digest of five people, among them one who is taken back, one with hostile names."""
    back = entry("BACKBACK", "P0007", was="a result was corrected by its laboratory")
    risen = entry("RISENRIS", "P0005", "moved", tier="B", was="tier C")
    new = [
        entry("CCCCCCCC", "P0003", "short", tier="C", next_tests=[], missing=[], beside=""),
        entry("AAAAAAAA", "P0001"),
        entry("HHHHHHHH", EVIL, "hostile", reason=EVIL, beside=EVIL, beside_in_mail="", link=None),
    ]
    usual = {
        "kind": "digest",
        "site": "Clinic <b>of</b> Oz",
        "night": "2026-03-01",
        "rule": RULE,
        "code_version": "1.2.3",
        "is_detailed": is_detailed,
        "link": LINK,
        "held_back": 2,
        "sections": [
            {"kind": "new", "title": "New", "entries": new},
            {"kind": "stepped_up", "title": "Stronger evidence than before", "entries": [risen]},
            {"kind": "retracted", "title": "Taken back", "entries": [back]},
            {"kind": "reminder", "title": "Back from a snooze", "entries": []},
        ],
    }
    return usual | facts


def account(**facts: Any) -> Account:
    """A night in numbers."""
    usual = {
        "night": "2026-03-01",
        "files": [
            {
                "source": EVIL,
                "files": 3,
                "rows_in": 1200,
                "accepted": 1100,
                "quarantined": 60,
                "duplicate": 30,
                "superseded": 10,
            },
            {
                "source": "lab",
                "files": 1,
                "rows_in": 90_210,
                "accepted": 90_209,
                "quarantined": 1,
                "duplicate": 0,
                "superseded": 0,
            },
        ],
        "statuses": {"climbing": 3, "not_flagged": 240, "unresolved": 41},
        "waiting": 61,
        "oldest_waiting": "2026-01-02",
        "silent": ["ward"],
        "feeds": [f"{EVIL}: no insulin since 2026-02-02, which is not its rhythm"],
        "warnings": 2,
        "evaluated": 30,
        "checked": {
            "n_evaluated": 243,
            "n_listed": 3,
            "false_claimed": 0.12,
            "n_shuffled": 0,
            "false_shuffled": 0.0,
            "is_held": False,
            "held_because": "",
        },
        "model": {
            "model_version": "simulated-202-3",
            "in_force_from": None,
            "people": 20_000,
            "n": 210,
            "coverage_90_pct": 91.0,
        },
    }
    return Account(**{**usual, **facts})


def quiet() -> Letter:
    """A week's account of what nobody was told of."""
    return {
        "kind": "quiet",
        "site": "Clinic",
        "night": "2026-03-01",
        "since": "2026-02-22",
        "code_version": "1.2.3",
        "account": account(),
        "budget": 25,
        "kept": [
            {"rule": "climbing_unseen", "tier": "B", "because": QUIET["budget"], "n": 3},
            {"rule": "decompensating", "tier": None, "because": QUIET["list"], "n": 1},
        ],
    }


def heartbeat() -> Letter:
    """What operators get every night."""
    return {
        "kind": "heartbeat",
        "site": "Clinic",
        "night": "2026-03-01",
        "code_version": "1.2.3",
        "account": account(),
        "notes": ["Alerts: 2 opened, 1 digests; 4 wait for an answer"],
    }


def alarm(**more: object) -> Letter:
    """A technical alarm."""
    return {
        "kind": "alarm",
        "site": "Clinic",
        "code_version": "1.2.3",
        "said": "60 alerts opened tonight, rather a fault of a feed than people.",
        **more,
    }


WATCH = {
    "title": "No night has ended since 2026-02-27 05:04 UTC",
    "said": ["A night is expected every 26 hours.", "Nobody is being told of anything."],
    "to_do": ["Look at `undertow doctor`.", "Then `undertow run`."],
}
"""Of the watch."""


def sent(facts: Letter, message_id: str = "<digest.0123@undertow.invalid>") -> EmailMessage:
    """The letter of these facts."""
    return letter("undertow@clinic.example", "nurse@clinic.example", message_id, NOW, facts)


def part(mail: EmailMessage, kind: str) -> str:
    """Its text or its HTML."""
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def standalone(mail: EmailMessage) -> str:
    """The HTML part as a mail program shows it: pictures in their places."""
    from base64 import b64encode

    html = part(mail, "html")
    for item in mail.walk():
        if item.get_content_maintype() == "image":
            data = b64encode(item.get_content()).decode()
            html = html.replace(f"cid:{item['Content-ID'][1:-1]}", f"data:image/png;base64,{data}")
    return html
