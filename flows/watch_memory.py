"""What the watch remembers from look to look, in ``watch.json``: its own clock, the heartbeat it
saw, whom it owes a mail."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError


class Notice(BaseModel):
    """A mail to an operator that has not surely arrived."""

    message_id: str
    to: str
    day: str
    message: str


class Episode(BaseModel):
    """A time in which something is wrong: since when, what, how often and when it was told, by
    the watch's own clock in seconds."""

    began_at: float
    told_at: float
    number: int
    reasons: list[str]


class Memory(BaseModel):
    """All of it. ``ahead``: seconds by which the watch's clock is ahead of the machine's, which
    was set back so much; ``since``: when the heartbeat of ``run_id`` was, by the watch's clock;
    ``key``: that of heartbeats, for when the ledger cannot be read."""

    looked_at: float = 0.0
    ahead: float = 0.0
    since: float | None = None
    run_id: str = ""
    key: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    episode: Episode | None = None
    owed: list[Notice] = []

    def tick(self, now: float) -> float:
        """The watch's own time: it never goes back, whatever the machine's clock does."""
        self.ahead += max(0.0, self.looked_at - now)
        self.looked_at = now
        return now + self.ahead


def recalled(path: Path) -> Memory:
    """What was remembered; nothing, if that cannot be read: who forgets tells again."""
    try:
        return Memory.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Memory()


def remember(path: Path, memory: Memory) -> bool:
    """Keep it, whole or not at all; False if there is no room or right to."""
    part = path.with_suffix(".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            part.chmod(0o600)
            file.write(memory.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        return False
    return True
