"""Letters: a complete text part first, an HTML part beside it, a subject that says nothing."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from typing import Any

import jinja2

SUBJECTS = {
    "digest": "Undertow: items ready for review",
    "heartbeat": "Undertow: the night ran",
    "quiet": "Undertow: what was kept quiet",
    "alarm": "Undertow: a technical alarm",
}
"""Constant: a subject travels in clear and is shown on locked screens."""

Letter = dict[str, Any]
"""What a letter's templates are given."""


@cache
def environment() -> jinja2.Environment:
    """The templates; whatever reaches HTML is escaped, a name that is missing is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("flows", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def letter(
    sender: str, recipient: str, message_id: str, now: datetime, facts: Letter
) -> EmailMessage:
    """One message to one recipient.

    Args:
        sender: address.
        recipient: address, from settings only.
        message_id: deterministic, with angle brackets.
        now: for the Date header.
        facts: what the templates of ``facts["kind"]`` show.
    """
    message = EmailMessage()
    message["From"], message["To"] = sender, recipient
    message["Subject"] = SUBJECTS[facts["kind"]]
    message["Date"], message["Message-ID"] = format_datetime(now), message_id
    message["Auto-Submitted"] = "auto-generated"
    templates = environment()
    message.set_content(templates.get_template(f"{facts['kind']}.txt.j2").render(facts))
    page = templates.get_template(f"{facts['kind']}.html.j2").render(facts)
    message.add_alternative(page, subtype="html")
    return message
