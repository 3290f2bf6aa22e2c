"""Messages as private .eml files, where there is no server or none that can be reached."""

from __future__ import annotations

from pathlib import Path


def write_mail(folder: Path, message_id: str, night: str, message: bytes) -> Path:
    """Write the message as a file named for its night and Message-ID: again is the same file."""
    kind, _, seal = message_id.strip("<>").split("@")[0].partition(".")
    target = folder / f"{night}-{kind}-{seal[:12]}.eml"
    part = target.with_suffix(".part")
    part.write_bytes(message)
    part.chmod(0o600)
    part.rename(target)
    return target
