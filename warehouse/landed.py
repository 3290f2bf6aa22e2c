"""Landed bytes: kept unchanged under their SHA-256, checked before every read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BLOCK = 1 << 20


class DamagedError(RuntimeError):
    """A landed file no longer has the bytes it landed with."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place(root: Path, digest: str) -> Path:
    """Where the bytes with that digest are kept."""
    return root / digest[:2] / digest


def keep(root: Path, source: Path) -> tuple[str, int]:
    """Copy a file's bytes under their hash; return hash and size.

    The copy is written beside its place, flushed to disk and renamed, so that a file at its place
    is always whole; one that was damaged there since is replaced.
    """
    root.mkdir(parents=True, exist_ok=True)
    partial = root / f"partial-{os.getpid()}"
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as stream, partial.open("wb") as out:
        while block := stream.read(BLOCK):
            digest.update(block)
            out.write(block)
            size += len(block)
        out.flush()
        os.fsync(out.fileno())
    kept = place(root, digest.hexdigest())
    if kept.exists() and sha256(kept) == kept.name:
        partial.unlink()
    else:
        kept.parent.mkdir(exist_ok=True)
        partial.chmod(0o400)
        partial.rename(kept)
        sync_folder(kept.parent)
        sync_folder(root)
    return digest.hexdigest(), size


def verified(root: Path, digest: str) -> Path:
    """The path of landed bytes, after checking that they are what landed.

    Raises:
        DamagedError: missing, or changed since.
    """
    path = place(root, digest)
    if not path.exists() or sha256(path) != digest:
        raise DamagedError(
            f"landed file {digest[:12]} is missing or damaged; restore it from backup"
        )
    return path


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
