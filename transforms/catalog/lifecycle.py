"""The life of a definition: a draft is tried, an accepted one is in force, a deprecated one is kept.

An accepted definition never changes: a change is a new record with the next version, and the old
one stays as deprecated. Drafts make no member of anything that is published.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal, Protocol, TypeVar

State = Literal["draft", "accepted", "deprecated"]


class Versioned(Protocol):
    """A record with a life: its name, version and state, and the day it was accepted."""

    @property
    def name(self) -> str:
        """The cohort."""

    @property
    def version(self) -> str:
        """A whole number, as text."""

    @property
    def state(self) -> State:
        """Where in its life it stands."""

    @property
    def accepted_on(self) -> date | None:
        """The day it was accepted; None while it is a draft."""


Record = TypeVar("Record", bound=Versioned)


def in_force(records: Iterable[Record]) -> tuple[Record, ...]:
    """The accepted ones, in their order."""
    return tuple(record for record in records if record.state == "accepted")
