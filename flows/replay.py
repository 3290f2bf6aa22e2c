"""A past night again; and waiting rows again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flows.home import Home, locked, working_space
from flows.night import Clock, Night, code_version
from flows.running import run_night
from flows.settings import Settings
from flows.steps import REBUILD
from flows.terminal import progress_shown
from warehouse.ledger import Ledger
from warehouse.store import digest


class NeverRanError(LookupError):
    """No completed night has that date."""


def replayed(home: Home, settings: Settings, day: date, clock: Clock) -> dict[str, Any]:
    """Rebuild the night of ``day`` from nothing but the files known then; compare digests.

    Raises:
        NeverRanError: that night never completed.
    """
    with locked(home), working_space(home) as scratch, progress_shown() as progress:
        ledger = Ledger(home.ledger)
        try:
            run = _last_run(ledger, day)
            aside = scratch / "replay"
            aside.mkdir()
            night = Night(
                home, settings, ledger, day, clock, scratch, progress, "replay", "", clock(),
                build_folder=aside, rebuild=True, approvals=ledger.approvals(day),
            )  # fmt: skip
            counts = {step.name: _kept(night, step.name, step.run(night)) for step in REBUILD}
            again = digest(night.db)
            night.close()
        finally:
            ledger.close()
    return {
        "night": day.isoformat(),
        "digest_then": run["digest"],
        "digest_now": again,
        "same": run["digest"] == again,
        "same_code": run["code_version"] == code_version(settings, night.approvals),
        "steps": counts,
    }


def _last_run(ledger: Ledger, day: date) -> dict[str, Any]:
    rows = ledger.rows(
        "SELECT * FROM run WHERE night = ? AND state = 'done' ORDER BY started_at DESC LIMIT 1",
        [day.isoformat()],
    )
    if not rows:
        raise NeverRanError(f"the night of {day} never completed here")
    return dict(rows[0])


def _kept(night: Night, name: str, counts: dict[str, int]) -> dict[str, int]:
    night.counts[name] = counts
    return counts


def as_verdict(found: dict[str, Any]) -> str:
    """The comparison in a sentence."""
    if found["same"]:
        return f"The night of {found['night']} is the same again: digest {found['digest_now']}."
    changed = "code, settings or approved units changed"
    why = "the code is the same, so this is a fault" if found["same_code"] else changed
    return (
        f"The night of {found['night']} comes out differently: {found['digest_then']} then, "
        f"{found['digest_now']} now; {why}."
    )


def replay_quarantine(
    home: Home, settings: Settings, clock: Clock, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Read everything that waits again: the last night, rebuilt from its files.

    A mended mapping or catalog is a new version, and a new version starts from the files anyway;
    without one the same rows wait again.
    """
    ledger = Ledger(home.ledger)
    try:
        last = ledger.last_night()
    finally:
        ledger.close()
    return run_night(home, settings, clock, environ, last, rebuild=True)
