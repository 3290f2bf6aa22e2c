"""Links from a mail to the work-list page: signed for one recipient, and only for some days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from itsdangerous import BadSignature, URLSafeSerializer

_SALT = "undertow.worklist.link.1"


class BadLinkError(ValueError):
    """The link was changed, is of another home, or is too old; the message says which."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a link says: who it was sent to, until when it opens, and what."""

    address: str
    until: date
    alert_id: str = ""


def token(secret: bytes, claim: Claim) -> str:
    """The claim, signed: the same claim gives the same token.

    >>> from datetime import date
    >>> claim = Claim("nurse@clinic.example", date(2026, 3, 15), "ABCD2345")
    >>> claimed(b"key", token(b"key", claim), date(2026, 3, 15)) == claim
    True
    """
    said = [claim.address, claim.until.isoformat(), claim.alert_id]
    return str(URLSafeSerializer(secret, salt=_SALT).dumps(said))


def claimed(secret: bytes, given: str, today: date) -> Claim:
    """What a token says.

    Raises:
        BadLinkError: it was changed or is too old.
    """
    try:
        address, until, alert_id = URLSafeSerializer(secret, salt=_SALT).loads(given)
    except (BadSignature, ValueError, TypeError):
        raise BadLinkError("this link is not one of ours, or was changed on its way") from None
    claim = Claim(address, date.fromisoformat(until), alert_id)
    if claim.until < today:
        raise BadLinkError(f"this link was good until {claim.until}; open the work-list instead")
    return claim
