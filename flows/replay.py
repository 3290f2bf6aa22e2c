"""A past night again; and waiting rows again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date
from typing import Any

from flows.home import Home, locked, working_space
from flows.night import Clock, Night, code_version
from flows.reading import published
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
            aside = Home(scratch / "home")
            aside.warehouse.mkdir(parents=True)
            night = Night(
                home, settings, ledger, day, clock, scratch, progress, "replay", "", clock(),
                build_folder=aside.warehouse,
            )  # fmt: skip
            counts = {step.name: _kept(night, step.name, step.run(night)) for step in REBUILD}
            again = digest(night.db)
            night.close()
        finally:
            ledger.close()
            shutil.rmtree(scratch / "home", ignore_errors=True)
    return {
        "night": day.isoformat(),
        "digest_then": run["digest"],
        "digest_now": again,
        "same": run["digest"] == again,
        "same_code": run["code_version"] == code_version(),
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
    why = "the code is the same, so this is a fault" if found["same_code"] else "the code changed"
    return (
        f"The night of {found['night']} comes out differently: {found['digest_then']} then, "
        f"{found['digest_now']} now; {why}."
    )


def replay_quarantine(
    home: Home,
    settings: Settings,
    clock: Clock,
    environ: Mapping[str, str],
    source: str | None,
    reason: str | None,
) -> dict[str, Any]:
    """Ask for the files of waiting rows to be read again, and run the last night's date again."""
    with published(home) as con:
        rows = con.execute(
            "SELECT DISTINCT file_id FROM store.quarantine WHERE state = 'waiting' "
            "AND ($1 IS NULL OR source = $1) AND ($2 IS NULL OR list_contains(list_transform("
            "reasons, lambda r: split_part(r, ':', 1)), $2))",
            [source, reason],
        ).fetchall()
    ledger = Ledger(home.ledger)
    try:
        last = ledger.last_night()
        ledger.ask_replay([int(row[0]) for row in rows], clock().date())
    finally:
        ledger.close()
    return run_night(home, settings, clock, environ, last)
