"""Who, and which draws, the status rule leaves out: conditions, medications, age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One ground for leaving out a patient or some draws.

    ``effect`` ``patient``: from its start (or, with ``after_days`` set, while it lasts and that
    many days more) the patient is ``excluded``. ``effect`` ``draw``: draws between ``before_days``
    before its start and ``after_days`` after its end are not used. A row matches by code prefix
    within a code system, by class word, or by a word of its name; ``not_words`` veto a name match.
    """

    name: str
    sentence: str
    table: Literal["condition", "medication"]
    effect: Literal["patient", "draw"]
    citation: str
    reviewed: date
    next_review: date
    codes: dict[str, tuple[str, ...]]
    classes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    before_days: int = 0
    after_days: int | None = None


EXCLUSIONS: tuple[Exclusion, ...] = ()
