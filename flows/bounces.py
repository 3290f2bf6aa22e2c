"""Mails that came back: delivery reports (RFC 3464) that were dropped as .eml into
``mail/bounces/``, by hand or by the site's own mail rules. No mailbox is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path

from warehouse import outbox
from warehouse.ledger import Ledger

MOST_BYTES = 5_000_000
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_NUMBER = re.compile(r"<[^<>\s]+@undertow\.invalid>")


def take(folder: Path, ledger: Ledger) -> dict[str, int]:
    """Note every report in ``folder`` and set its file aside.

    A report of failure about a message of ours makes it undeliverable (``.noted``); one of delay
    or success changes nothing (``.read``); what is neither is for people (``.odd``).
    """
    counts = {"noted": 0, "read": 0, "odd": 0}
    for path in sorted(folder.glob("*.eml")):
        end = _noted(path, ledger)
        path.rename(path.with_suffix(f".eml.{end}"))
        counts[end] += 1
    return counts


def _noted(path: Path, ledger: Ledger) -> str:
    if path.stat().st_size > MOST_BYTES:
        return "odd"
    report = message_from_bytes(path.read_bytes(), policy=policy.compat32)
    numbers = {number for part in report.walk() for number in _numbers(part)}
    results = [result for part in report.walk() for result in _results(part)]
    if not results or len(numbers) != 1:
        return "odd"
    failed = [status for action, status in results if action == "failed"]
    if not failed:
        return "read"
    return "noted" if outbox.bounce(ledger, numbers.pop(), f"bounced {failed[0]}") else "odd"


def _results(part: Message) -> Iterator[tuple[str, str]]:
    """Action and status of every recipient that a report tells of."""
    blocks = part.get_payload()
    if part.get_content_type() != "message/delivery-status" or not isinstance(blocks, list):
        return
    for block in blocks:
        if isinstance(block, Message) and block["Action"]:
            status = _STATUS.search(str(block["Status"] or ""))
            yield str(block["Action"]).strip().lower(), status[0] if status else ""


def _numbers(part: Message) -> Iterator[str]:
    """Message-IDs of ours in the message that came back, or in its headers alone."""
    yield from _NUMBER.findall(str(part["Message-ID"] or ""))
    if part.get_content_type() == "text/rfc822-headers":
        yield from _NUMBER.findall(str(part.get_payload()))
