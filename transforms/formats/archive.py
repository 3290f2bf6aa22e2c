"""Zip archives, opened within limits: what phones and online services hand out.

A member's name is only ever looked at: its bytes go to a numbered file in the reader's private
folder, so a hostile name reaches no path. Sizes that the archive states are not believed; what is
written is counted.
"""

from __future__ import annotations

import errno
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from transforms.landing import Opened, UnreadableError

BLOCK = 1 << 20
FREE_BYTES = 100_000_000
"""Up to this size the ratio does not matter."""
MOST_MEMBERS = 200_000
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
MOST_LISTED_BYTES = 256 * MOST_MEMBERS
"""An archive's own list of its files is taken into memory before they can be counted."""
_LOCKED = 0x1
_ENDS = ((b"PK\x05\x06", 12, 4), (b"PK\x06\x06", 40, 8))
"""An archive's closing records: mark, and where how many bytes tell the size of its list."""
_CLOSING_BYTES = 0xFFFF + 22 + 20 + 56
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, ValueError, OverflowError),
)
"""What the standard library raises of a damaged archive; of a damaged BZIP2 stream it says
``OSError`` without a number, which a disk's errors have."""


@dataclass(frozen=True)
class Member:
    """One file: its name as the archive tells it, and where its bytes lie."""

    name: str
    path: Path


def is_archive(opened: Opened) -> bool:
    """Whether the file is a zip archive, by its first bytes."""
    with opened.path.open("rb") as stream:
        return stream.read(4) in (ZIP, EMPTY_ZIP)


def members(opened: Opened, is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The wanted files of an archive, in order of name, one unpacked at a time; a plain file is
    its own only member.

    Each lies in ``opened.scratch`` until the next is asked for, then it is removed.

    Args:
        opened: the file.
        is_wanted: asked with every member's name.

    Raises:
        UnreadableError: damaged, locked, or larger than the limits.
    """
    if not is_archive(opened):
        yield Member(opened.name, opened.path)
        return
    most = min(opened.unpacked_bytes, max(FREE_BYTES, _size(opened) * opened.unpack_ratio))
    target = opened.scratch / "member"
    with _refusing(), _opened(opened) as archive:
        for info in _wanted(archive, is_wanted):
            most -= _unpacked(archive, info, target, most)
            yield Member(info.filename, target)
            target.unlink(missing_ok=True)


def unwanted(opened: Opened, is_wanted: Callable[[str], bool]) -> int:
    """How many files of the archive are not wanted; 0 for a plain file.

    Raises:
        UnreadableError: damaged.
    """
    if not is_archive(opened):
        return 0
    with _refusing(), _opened(opened) as archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
    return sum(not is_wanted(info.filename) for info in files)


def alone(opened: Opened) -> Opened:
    """The one file that an archive holds; ``opened`` itself where it is none or holds several.

    Raises:
        UnreadableError: that file is damaged, locked, or larger than the limits.
    """
    if not is_archive(opened):
        return opened
    try:
        with _refusing(), _opened(opened) as archive:
            files = [info.filename for info in archive.infolist() if not info.is_dir()]
    except UnreadableError:  # its reader may know better what it is
        return opened
    if len(files) != 1:
        return opened
    inside = replace(opened, scratch=opened.scratch / "alone")
    inside.scratch.mkdir()
    (member,) = (
        replace(opened, path=found.path.rename(opened.scratch / "one"), name=_bare(found.name))
        for found in members(inside, files.__contains__)
    )
    return member


def _bare(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn whatever a damaged archive raises into a refusal."""
    try:
        yield
    except _BROKEN as error:
        raise UnreadableError("archive_broken", type(error).__name__) from None
    except OSError as error:
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise UnreadableError("archive_broken", type(error).__name__) from None


def _opened(opened: Opened) -> zipfile.ZipFile:
    """The archive, unless its list of files is longer than any sound one."""
    with opened.path.open("rb") as stream:
        stream.seek(max(_size(opened) - _CLOSING_BYTES, 0))
        tail = stream.read()
    stated = [
        int.from_bytes(tail[found.start() + offset :][:width], "little")
        for mark, offset, width in _ENDS
        for found in re.finditer(re.escape(mark), tail)
    ]
    if any(MOST_LISTED_BYTES < size <= _size(opened) for size in stated):
        raise UnreadableError("too_large", f"a list of more than {MOST_MEMBERS} files")
    return zipfile.ZipFile(opened.path)


def _size(opened: Opened) -> int:
    return opened.path.stat().st_size


def _wanted(archive: zipfile.ZipFile, is_wanted: Callable[[str], bool]) -> list[zipfile.ZipInfo]:
    listed = archive.infolist()
    if len(listed) > MOST_MEMBERS:
        raise UnreadableError("too_large", f"more than {MOST_MEMBERS} files in the archive")
    found = [info for info in listed if not info.is_dir() and is_wanted(info.filename)]
    if any(info.flag_bits & _LOCKED for info in found):
        raise UnreadableError("archive_broken", "locked by a password")
    return sorted(found, key=lambda info: info.filename)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int) -> int:
    """Write a member's bytes to ``target``; return how many."""
    written = 0
    with archive.open(info) as packed, target.open("wb") as out:
        while block := packed.read(BLOCK):
            written += len(block)
            if written > most:
                raise UnreadableError("too_large", "the archive unpacks to more than is allowed")
            out.write(block)
    return written
