"""Run a night: in this process, or as the ``nightly`` Prefect flow when an API is configured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from flows.home import Home
from flows.night import Clock, Progress, opened, walk
from flows.settings import Settings
from flows.steps import STEPS
from flows.terminal import progress_shown
from warehouse import outbox
from warehouse.ledger import Ledger

Done = dict[str, Any]


def run_night(
    home: Home,
    settings: Settings,
    clock: Clock,
    environ: Mapping[str, str],
    as_of: date | None,
    *,
    rebuild: bool = False,
) -> Done:
    """One night, by whichever runner is configured; returns its account."""
    if environ.get("PREFECT_API_URL") and not rebuild:
        from flows.nightly import nightly

        nightly(str(home.root), as_of.isoformat() if as_of else None)
        return account(home)
    with progress_shown() as progress:
        return run_here(home, settings, clock, progress, as_of, rebuild=rebuild)


def run_here(
    home: Home,
    settings: Settings,
    clock: Clock,
    progress: Progress,
    as_of: date | None,
    *,
    rebuild: bool = False,
) -> Done:
    """One night in this process."""
    with opened(home, settings, clock, progress, as_of) as night:
        night.rebuild = rebuild
        walk(night, STEPS)
    return account(home)


def account(home: Home) -> Done:
    """The last run as the ledger has it."""
    ledger = Ledger(home.ledger)
    try:
        run = dict(ledger.rows("SELECT * FROM run ORDER BY started_at DESC LIMIT 1")[0])
        steps = ledger.rows("SELECT * FROM step WHERE run_id = ? ORDER BY rowid", [run["run_id"]])
        owed, stuck = len(outbox.owed(ledger)), len(outbox.stuck(ledger))
    finally:
        ledger.close()
    counts = {step["name"]: json.loads(step["counts"]) for step in steps}
    return {
        **run,
        "home": str(home.root),
        "steps": counts,
        "seconds": {step["name"]: round(step["seconds"], 3) for step in steps},
        "mails_owed": owed,
        "mails_stuck": stuck,
    }


def as_account(done: Done) -> str:
    """The account in a few lines for people."""
    steps = done["steps"]
    read, expect = steps.get("read", {}), steps.get("expect", {})
    changed = steps.get("transform", {}).get("patients changed", 0)
    shown = steps.get("publish", {}).get("published", 0)
    lying = steps.get("land", {}).get("misplaced", 0)
    stray = f"  {lying} files lie outside of inbox/<source>/: move them there\n" if lying else ""
    is_held = steps.get("alert", {}).get("held", 0)
    held = " (the list is held back: see the heartbeat or `undertow model`)" if is_held else ""
    owed = f"; {done['mails_owed']} mails still owed" if done["mails_owed"] else ""
    if done["mails_stuck"]:
        owed += f"; {done['mails_stuck']} refused or given up: see `undertow outbox list`"
    return "\n".join(
        [
            f"Night of {done['night']}: {done['state']} in {sum(done['seconds'].values()):.1f} s",
            f"  {read.get('files', 0)} files, {read.get('staged', 0)} rows read, "
            f"{expect.get('quarantined', 0)} to quarantine, {changed} patients recomputed",
            f"{stray}  {steps.get('alert', {}).get('opened', 0)} alerts opened{held}, "
            f"{steps.get('send', {}).get('sent', 0)} mails sent{owed}",
            f"  {'published ' + str(done['warehouse']) if shown else 'nothing changed'}; page "
            f"report/{done['night']}.html",
        ]
    )
