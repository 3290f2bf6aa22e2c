"""Letters: a complete text part first, an HTML part beside it, a subject that says nothing.

The same arguments give the same bytes, so that a night replayed owes the same mails.
"""

from __future__ import annotations

import hashlib
import textwrap
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from typing import Any, cast

import jinja2
from markupsafe import Markup

from flows.pictures.drawing import Picture, inert
from flows.pictures.palette import DARK, LIGHT
from flows.pictures.rows import use_said
from transforms.telling import SECTIONS

SUBJECTS = {
    "digest": "Undertow: items ready for review",
    "heartbeat": "Undertow: the night ran",
    "quiet": "Undertow: what was kept quiet",
    "alarm": "Undertow: a technical alarm",
}
"""Constant: a subject travels in clear and is shown on locked screens."""

KINDS = tuple(SECTIONS)
"""Sections of a digest in their order: what was taken back comes first."""
TIERS: tuple[tuple[str | None, str], ...] = (
    ("A", "Tier A, the strongest evidence"),
    ("B", "Tier B"),
    ("C", "Tier C, repeat the fasting draw in 2 to 8 weeks at the same laboratory"),
    (None, "Without a tier"),
)
IN_THE_OPEN = ("alert_id", "rule", "tier", "was", "beside_in_mail", "link")
"""What a mail without detail may say of an alert; its templates are given nothing else."""
Letter = dict[str, Any]
"""What a letter's templates are given."""
Images = dict[str, bytes]
"""Content-ID (without angle brackets) -> PNG."""


@cache
def environment() -> jinja2.Environment:
    """The templates; whatever reaches HTML is escaped, a name that is missing is an error, and no
    value can end a line or turn the direction of its text."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("flows", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "wrapped": _wrapped,
        "words": lambda name: str(name).replace("_", " "),
        "use": use_said,
        "sha256": lambda text: b64encode(hashlib.sha256(str(text).encode()).digest()).decode(),
    }
    made.globals |= {
        "light": LIGHT,
        "dark": DARK,
        "tiers": TIERS,
    }
    return made


def _finalized(value: object) -> object:
    return inert(value) if type(value) is str else value


def _wrapped(text: str, indent: int = 0) -> str:
    """Paragraphs of a text part, as narrow as mail programs quote them."""
    begin = " " * indent
    return Markup(  # noqa: S704 the text part knows no markup; this keeps our own line ends
        textwrap.fill(
            inert(text), 78, initial_indent=begin, subsequent_indent=begin, break_long_words=False
        )
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
        facts: what the templates of ``facts["kind"]`` show; of a digest that has no detail, no
            more than :data:`IN_THE_OPEN` of an alert, whatever is given.
    """
    seal = hashlib.sha256(message_id.encode()).hexdigest()[:24]
    shown, images = _arranged(facts, seal)
    message = EmailMessage()
    message["From"], message["To"] = sender, recipient
    message["Subject"] = SUBJECTS[facts["kind"]]
    message["Date"], message["Message-ID"] = format_datetime(now), message_id
    message["Auto-Submitted"] = "auto-generated"
    templates = environment()
    message.set_content(templates.get_template(f"{facts['kind']}.txt.j2").render(shown))
    page = templates.get_template(f"{facts['kind']}.html.j2").render(shown)
    message.add_alternative(page, subtype="html")
    _attach(message, images)
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{seal}.{number}")
    return message


def _attach(message: EmailMessage, images: Images) -> None:
    """Pictures beside the HTML part that shows them."""
    page = cast("EmailMessage", message.get_payload(1))
    for number, (cid, png) in enumerate(images.items(), 1):
        page.add_related(
            png, "image", "png", cid=f"<{cid}>", disposition="inline", filename=f"{number}.png"
        )


def _arranged(facts: Letter, seal: str) -> tuple[Letter, Images]:
    """A digest's sections in their order, each by tier, and its pictures."""
    if "sections" not in facts:
        return facts, {}
    images: Images = {}
    sections = [
        {**section, "groups": _groups(facts, section, seal, images)}
        for section in sorted(facts["sections"], key=lambda section: KINDS.index(section["kind"]))
        if section["entries"]
    ]
    return {**facts, "sections": sections}, images


def _groups(
    facts: Letter, section: Mapping[str, Any], seal: str, images: Images
) -> list[tuple[str, list[Letter]]]:
    is_shown = facts["is_detailed"] and section["kind"] != "retracted"
    grouped = [
        (
            title,
            [
                _pictured(entry, seal, images) if is_shown else _named(facts, entry)
                for entry in section["entries"]
                if entry["tier"] == tier
            ],
        )
        for tier, title in TIERS
    ]
    return [(title, many) for title, many in grouped if many]


def _named(facts: Letter, entry: Mapping[str, Any]) -> Letter:
    known = (*IN_THE_OPEN, "patient_id") if facts["is_detailed"] else IN_THE_OPEN
    return {name: entry.get(name) for name in known}


def _pictured(entry: Mapping[str, Any], seal: str, images: Images) -> Letter:
    picture: Picture | None = entry["picture"]
    if picture is None:
        return {**entry, "cid": None}
    from flows.pictures.raster import png

    cid = f"{len(images) + 1}.{seal}@undertow.invalid"
    images[cid] = png(picture)
    return {**entry, "cid": cid}
