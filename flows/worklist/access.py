"""Who looked at what: ``access.jsonl`` in the home, a line a view, each sealed to the one before.

A line holds who, when, what was done and the alert's number; nothing of the patient. A line that
was changed, taken out or put in breaks the chain (:func:`verified`). That the newest lines were
cut off cannot be seen from the file alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

LAST_BYTES = 8192
"""More than any line."""


class AccessError(RuntimeError):
    """What happens cannot be recorded, so it must not happen."""


class ChainError(RuntimeError):
    """The record was changed; the message says from which line on."""


class AccessLog:
    """The record of one home. Several processes may write it."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path, self._clock = path, clock

    def note(self, actor: str, action: str, alert_id: str = "") -> None:
        """Record it, on disk before it happens.

        Raises:
            AccessError: it cannot be written.
        """
        said = {"at": self._clock().isoformat(), "actor": actor, "action": action}
        try:
            self._append({**said, "alert": alert_id})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AccessError(f"access.jsonl: {type(error).__name__}") from None

    def _append(self, said: dict[str, str]) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            before = _whole(handle)
            line = json.dumps({**said, "seal": _sealed(before, said)}, ensure_ascii=False) + "\n"
            if os.write(handle, line.encode()) != len(line.encode()):
                raise OSError  # the torn line is cut off by the next
            os.fsync(handle)
        finally:
            os.close(handle)


def _whole(handle: int) -> str:
    """The seal of the last whole line; a line that a crash tore is cut off, it never counted."""
    size = os.fstat(handle).st_size
    tail = os.pread(handle, LAST_BYTES, max(size - LAST_BYTES, 0))
    whole, _, torn = tail.rpartition(b"\n")
    if torn:
        os.ftruncate(handle, size - len(torn))
    last = whole.rpartition(b"\n")[2]
    return str(json.loads(last)["seal"]) if last else ""


def _sealed(before: str, said: dict[str, str]) -> str:
    text = json.dumps([before, *said.values()], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def verified(path: Path) -> int:
    """Count the lines of a record whose chain holds.

    Raises:
        ChainError: it does not.
    """
    before, number = "", 0
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith("\n"):
                    return number - 1  # torn by a crash; the next line cuts it off
                said = json.loads(line)
                seal = said.pop("seal")
                if seal != _sealed(before, said):
                    raise ValueError(number)
                before = seal
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ChainError(
            f"access.jsonl was changed at line {number}: keep it aside as it is (mv), find out "
            "who did, then start again"
        ) from None
    return number
