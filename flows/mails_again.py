"""The mails of a past night, composed again and compared byte for byte."""

from __future__ import annotations

from typing import Any

from flows.compose import composed, from_json
from flows.night import Night
from flows.settings import Settings
from transforms.telling import book
from warehouse import alerts

Found = dict[str, Any]


def differing_mails(night: Night, run_id: str) -> Found | None:
    """What that run's mails would be now.

    Args:
        night: the night rebuilt, its connection open.
        run_id: the run whose mails are meant.

    Returns:
        ``composed`` and ``same``, counts; ``other``, the kinds of mails whose text is another, and
        ``only_then`` and ``only_now``, likewise. None where it was not kept what they rested on.
    """
    kept = night.ledger.rows("SELECT given FROM composed WHERE run_id = ?", [run_id])
    if not kept:
        return None
    given, shaping, then = from_json(kept[0]["given"])
    known = book(alerts.events(night.ledger, before=given.at))
    settings = as_then(night.settings, shaping)
    made = composed(night.db, settings, night.ledger.secret(), known, given).messages
    now = {message["message_id"]: message["message"] for message in made}
    rows = night.ledger.rows(
        "SELECT message_id, message FROM outbox WHERE night = ?", [given.night.isoformat()]
    )
    told = {row["message_id"]: bytes(row["message"]) for row in rows if row["message_id"] in then}
    return {
        "composed": len(now),
        "same": sum(told.get(number) == message for number, message in now.items()),
        "other": _kinds(n for n in now if n in told and told[n] != now[n]),
        "only_then": _kinds(told.keys() - now.keys()),
        "only_now": _kinds(now.keys() - told.keys()),
    }


def as_then(settings: Settings, shaping: dict[str, Any]) -> Settings:
    """The settings with those parts that shaped the mails as they were."""
    parts = {
        name: type(getattr(settings, name)).model_validate(part) for name, part in shaping.items()
    }
    return settings.model_copy(update=parts)


def _kinds(numbers: Any) -> list[str]:  # noqa: ANN401 any collection of Message-IDs
    return sorted(number.strip("<").split(".")[0] for number in numbers)


def mails_said(found: Found | None) -> list[str]:
    """What differs, for people."""
    if found is None:
        return ["  its mails cannot be composed again: what they rested on was not kept"]
    if found["same"] == found["composed"] and not found["only_then"]:
        return [f"  its {found['same']} mails are the same, byte for byte"]
    words = {
        "other": "mails that say something else",
        "only_then": "mails only then",
        "only_now": "mails only now",
    }
    return [f"  {words[name]}: {', '.join(found[name])}" for name in words if found[name]]
