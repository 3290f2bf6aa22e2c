"""Bytes to clean text: one encoding, one line end, nothing guessed and nothing altered.

Measured reason for own code: Polars loads UTF-16 as garbage, reads a CR-only file as no rows,
turns invalid bytes into U+FFFD when asked to be lenient, and cannot tell a file cut mid-row from
a whole one. So the bytes are walked once, in blocks; a file that is already clean UTF-8 with LF
(or CRLF) ends is used where it lies, any other is rewritten into the scratch folder.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from transforms.landing import Opened, UnreadableError

BLOCK = 1 << 24
BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Span:
    """Whole lines of a clean text file: the number of lines before them, first byte, bytes."""

    before: int
    start: int
    size: int

    def lines(self, path: Path) -> pl.DataFrame:
        """``line`` (1-based) and ``text`` of every line, blank ones as empty text."""
        with path.open("rb") as stream:
            stream.seek(self.start)
            block = stream.read(self.size)
        found = pl.scan_lines(
            block, name="text", row_index_name="line", row_index_offset=self.before + 1
        )
        return found.select(pl.col("line").cast(pl.Int64), pl.col("text").fill_null("")).collect()


@dataclass(frozen=True)
class Text:
    """A clean UTF-8 text file: its path, whether its last line was closed, and which lines held
    bytes of another encoding (their bytes stand escaped, ``\\xff``, and must be rejected)."""

    path: Path
    is_closed: bool
    undecodable: frozenset[int] = frozenset()

    def has(self, mark: str) -> bool:
        """Whether ``mark`` (ASCII) stands anywhere in the file."""
        return any(mark.encode() in block for block in _blocks(self.path))

    def lines(self) -> pl.LazyFrame:
        """Columns ``line`` (1-based, Int64) and ``text``, line ends removed."""
        return pl.scan_lines(
            self.path, name="text", row_index_name="line", row_index_offset=1
        ).with_columns(
            pl.col("line").cast(pl.Int64), pl.col("text").fill_null("").str.strip_suffix("\r")
        )


def text(opened: Opened, encoding: str = "utf-8") -> Text:
    """The file as clean text.

    Args:
        opened: the landed file.
        encoding: what it is written in when it does not begin with a byte order mark.

    Raises:
        UnreadableError: empty file, or the wrong encoding for a multi-byte format.
    """
    with opened.path.open("rb") as stream:
        head = stream.read(BLOCK)
    bom, named = next(((b, n) for b, n in BOMS if head.startswith(b)), (b"", encoding))
    if not head.removeprefix(bom).strip(b"\x00\r\n\t "):
        raise UnreadableError("file_empty")
    is_plain = codecs.lookup(named).name == "utf-8" and not bom and b"\n" in head
    if is_plain and _is_clean(opened.path):
        return Text(opened.path, _ends_with_newline(opened.path))
    return _rewritten(opened, named, len(bom), cr_only=_is_cr_only(opened.path, named))


def _blocks(path: Path, skip: int = 0) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(skip)
        while block := stream.read(BLOCK):
            yield block


def _is_clean(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"


def _is_cr_only(path: Path, encoding: str) -> bool:
    return all("\n".encode(encoding) not in block for block in _blocks(path))


def _rewritten(opened: Opened, encoding: str, skip: int, *, cr_only: bool) -> Text:
    """A UTF-8 copy with LF ends; undecodable bytes are escaped and their lines remembered."""
    target = opened.scratch / "clean.txt"
    decoder = codecs.getincrementaldecoder(encoding)("backslashreplace")
    exact = codecs.getincrementaldecoder(encoding)("strict")
    undecodable: set[int] = set()
    line, last, is_exact = 1, "", True
    with target.open("w", encoding="utf-8", newline="") as out:
        for block in (*_blocks(opened.path, skip), b""):
            decoded = decoder.decode(block, final=not block)
            is_exact = is_exact and _decodes(exact, block)
            decoded = decoded.replace("\r", "\n") if cr_only else decoded
            last = decoded[-1:] or last
            line += decoded.count("\n")
            out.write(decoded)
    if not is_exact:
        undecodable = _bad_lines(opened.path, encoding, skip, cr_only=cr_only)
    return Text(target, last == "\n", frozenset(undecodable))


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    try:
        decoder.decode(block, final=not block)
    except UnicodeDecodeError:
        return False
    return True


def _bad_lines(path: Path, encoding: str, skip: int, *, cr_only: bool) -> set[int]:
    """The 1-based lines that do not decode; only walked for a file known to hold some."""
    if encoding.startswith("utf-16"):
        raise UnreadableError("encoding", f"not {encoding} although it begins like it")
    end = b"\r" if cr_only else b"\n"
    bad: set[int] = set()
    number, rest = 1, b""
    for block in (*_blocks(path, skip), b""):
        *whole, rest = (rest + block).split(end)
        for raw in whole if block else [*whole, rest]:
            if not _is_text(raw, encoding):
                bad.add(number)
            number += 1
    return bad


def _is_text(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
