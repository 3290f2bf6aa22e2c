"""The trend models of a home: the shipped one, its refits, and when the next is due."""

from __future__ import annotations

from flows.compute import refitted
from flows.night import Night
from transforms.frozen import SHIPPED, FrozenModel, decoded, encoded


def models(night: Night, *, may_fit: bool) -> list[FrozenModel]:
    """Every model in force by the night, oldest first; a new one where it is due and possible.

    A new model goes into the ledger at once: from now on it is an input of nights, like a file.
    """
    known = [SHIPPED, *(decoded(text) for text in night.ledger.models(night.as_of))]
    if not (may_fit and _is_due(night, known[-1])):
        return known
    new = refitted(night.db, night.as_of, known)
    if new is None:
        return known
    night.ledger.keep_model(new.version, new.in_force_from, encoded(new))
    return [*known, new]


def _is_due(night: Night, newest: FrozenModel) -> bool:
    """A rebuild takes the models there are: it shows what was, or reads again."""
    days = night.settings.model.refit_days
    is_old = (night.as_of - newest.in_force_from).days >= days
    return days > 0 and is_old and not night.rebuild
