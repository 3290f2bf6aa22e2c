"""The trend models of a home: the shipped one, its refits, and when the next is due."""

from __future__ import annotations

from flows.compute import add_known_on, refitted
from flows.night import Night
from transforms.frozen import SHIPPED, FrozenModel, decoded, encoded


def models(night: Night) -> list[FrozenModel]:
    """Every model in force by the night, oldest first; a new one where it is due and possible.

    A new model goes into the ledger at once: from now on it is an input of nights, like a file.
    Whoever has a draw that became known tonight is then computed anew, by that model, also when the
    draw came with an earlier run of the night or the run that fitted it failed.
    """
    known = [SHIPPED, *(decoded(text) for text in night.ledger.models(night.as_of))]
    new = refitted(night.db, night.as_of, known) if _is_due(night, known[-1]) else None
    if new is not None:
        night.ledger.keep_model(new.version, new.in_force_from, encoded(new))
        known.append(new)
    if known[-1].in_force_from == night.as_of:
        add_known_on(night.db, night.as_of)
    return known


def _is_due(night: Night, newest: FrozenModel) -> bool:
    """Whether files came tonight and the newest model is old enough.

    A rebuild takes the models there are: it shows what was, or reads again.
    """
    days = night.settings.model.refit_days
    if not days or night.rebuild or (night.as_of - newest.in_force_from).days < days:
        return False
    return bool(
        night.ledger.rows("SELECT 1 FROM file WHERE known_on = ? LIMIT 1", [str(night.as_of)])
    )
