"""The night's heartbeat: in the ledger with the end of the run, then as a small file beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from warehouse.heartbeats import Heartbeat

COUNTS = {
    "files": ("read", "files"),
    "rows": ("read", "staged"),
    "quarantined": ("expect", "quarantined"),
    "patients_recomputed": ("transform", "patients changed"),
    "alerts_opened": ("alert", "opened"),
    "mails_sent": ("send", "sent"),
}
"""What a heartbeat tells, by step and the step's own name of it."""


def counted(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """A heartbeat's counts from those of the steps."""
    return {name: counts.get(step, {}).get(own, 0) for name, (step, own) in COUNTS.items()}


def write(path: Path, beat: Heartbeat) -> None:
    """Write the file, whole or not at all. The ledger has it already, so no room is no failure."""
    part = path.with_suffix(".part")
    with suppress(OSError), part.open("w", encoding="utf-8") as file:
        part.chmod(0o600)
        file.write(beat.as_json())
        file.flush()
        os.fsync(file.fileno())
        part.rename(path)
