"""Open a landed file for its reader: unpacked within limits, in a private folder."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from transforms.formats.archive import alone
from transforms.landing import Opened, Source, UnreadableError

GZIP = b"\x1f\x8b"
BLOCK = 1 << 20
FREE_BYTES = 100_000_000
"""Up to this size the ratio does not matter."""


def open_landed(
    path: Path,
    name: str,
    patient_id: str | None,
    source: Source,
    scratch: Path,
    limits: tuple[int, int],
) -> Opened:
    """The file as its reader sees it.

    Args:
        path: the landed bytes.
        name: the file's name as it came; ``.gz`` is taken off, and a zip's one file is named as
            it is inside.
        patient_id: the folder's, if any.
        source: its source.
        scratch: an empty private folder.
        limits: most bytes it may unpack to, and most times its own size.

    Raises:
        UnreadableError: damaged, or larger than the limits.
    """
    with path.open("rb") as stream:
        is_packed = stream.read(2) == GZIP
    plain = _unpacked(path, scratch / "unpacked", limits) if is_packed else path
    base = name.rsplit("/", 1)[-1]
    return alone(Opened(plain, base.removesuffix(".gz"), source, scratch, patient_id, *limits))


def _unpacked(path: Path, target: Path, limits: tuple[int, int]) -> Path:
    most, ratio = limits
    bound = min(most, max(FREE_BYTES, path.stat().st_size * ratio))
    written = 0
    try:
        with gzip.open(path) as packed, target.open("wb") as out:
            while block := packed.read(BLOCK):
                written += len(block)
                if written > bound:
                    raise UnreadableError("too_large", f"more than {bound} bytes unpacked")
                out.write(block)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableError("compressed_broken", type(error).__name__) from None
    return target
