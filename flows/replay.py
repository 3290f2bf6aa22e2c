"""A past night again; and waiting rows again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.differing import BEFORE, COMPARERS, Past
from flows.home import Home, locked, working_space
from flows.night import Clock, Night
from flows.reading import kept_file
from flows.running import run_night
from flows.settings import Settings
from flows.steps import REBUILD
from flows.terminal import progress_shown
from flows.version import PARTS, changed, version
from warehouse.ledger import Ledger
from warehouse.store import digest, quoted, table_digests


class NeverRanError(LookupError):
    """No completed night has that date."""


def replayed(home: Home, settings: Settings, day: date, clock: Clock) -> dict[str, Any]:
    """Rebuild the night of ``day`` from nothing but the files known then; compare it with itself.

    Returns:
        The digests and versions then and now, ``changed`` (the parts of the version that are
        others, :data:`flows.version.PARTS`), the steps' counts, and what each of
        :data:`flows.differing.COMPARERS` found, under its name. It may name patients.

    Raises:
        NeverRanError: that night never completed.
    """
    with locked(home), working_space(home) as scratch, progress_shown() as progress:
        ledger = Ledger(home.ledger)
        try:
            run, approvals = _last_run(ledger, day), ledger.approvals(day)
            aside = scratch / "replay"
            aside.mkdir()
            night = Night(
                home, settings, ledger, day, clock, scratch, progress, "replay",
                str(version(settings, approvals)), clock(),
                build_folder=aside, rebuild=True, approvals=approvals,
            )  # fmt: skip
            counts = {step.name: _kept(night, step.name, step.run(night)) for step in REBUILD}
            night.digest = digest(night.db)
            past = _past(night, run)
            compared = {each.name: each.compare(past) for each in COMPARERS}
            night.close()
        finally:
            ledger.close()
    return {
        "night": day.isoformat(),
        "digest_then": run["digest"],
        "digest_now": night.digest,
        "same": run["digest"] == night.digest,
        "version_then": run["code_version"],
        "version_now": night.code_version,
        "same_code": run["code_version"] == night.code_version,
        "changed": changed(run["code_version"], night.code_version),
        **compared,
        "steps": counts,
    }


def _past(night: Night, run: dict[str, Any]) -> Past:
    """The rebuilt night beside what is still known of the night as it was."""
    kept = kept_file(night.home, str(run["warehouse"]))
    is_kept = kept is not None and _attached(night.db, kept, str(run["digest"]))
    tables = night.ledger.tables(run["run_id"])
    if is_kept and not tables:
        tables = table_digests(night.db, BEFORE)
    return Past(night, run, tables, is_kept)


def _attached(con: duckdb.DuckDBPyConnection, kept: Path, expected: str) -> bool:
    """Attach a published file; False, and nothing attached, where it is not that night's."""
    try:
        con.execute(f"ATTACH {quoted(kept)} AS {BEFORE} (READ_ONLY)")
    except duckdb.Error:
        return False
    is_that_nights = digest(con, BEFORE) == expected
    if not is_that_nights:
        con.execute(f"DETACH {BEFORE}")
    return is_that_nights


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
    """The comparison in a few lines; nobody by name."""
    if found["same"]:
        head = f"The night of {found['night']} is the same again: digest {found['digest_now']}."
    else:
        head = (
            f"The night of {found['night']} comes out differently: {found['digest_then']} then, "
            f"{found['digest_now']} now; {_why(found['changed'])}."
        )
    return "\n".join([head, *(line for each in COMPARERS for line in each.said(found[each.name]))])


def _why(parts: list[str]) -> str:
    if parts:
        return f"changed: {', '.join(PARTS[part] for part in parts)}"
    return (
        "nothing of its version changed, so this is a fault: see with `undertow verify` whether "
        "landed files are as they came"
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
