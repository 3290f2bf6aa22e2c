"""JSON arrays to lines, one entry a line, whatever the file's size; and entries to exact text.

Where an entry ends is found by arithmetic over bytes, a block at a time, before anything is
parsed. So the count of entries does not come from the parse, one damaged entry harms no other, and
memory stays that of a block. Line ends between tokens become blanks: inside a string JSON allows
none. Numbers keep the digits they were written with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from transforms.delimited import MAX_LINE
from transforms.text import Span

Json = dict[str, Any]

BLOCK = 1 << 22
SPAN = 1 << 23
CUT = b"the file ends here without its closing bracket"
REST_BYTES = 1000
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_QUOTE, _COMMA, _OPEN, _CLOSE = 1, 2, 3, 4
_MARKED = bytes(
    {34: _QUOTE, 44: _COMMA, 91: _OPEN, 123: _OPEN, 93: _CLOSE, 125: _CLOSE}.get(byte, 0)
    for byte in range(256)
)
_STEP = np.array((0, 0, 0, 1, -1), dtype=np.int32)
_STRANGE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


class Exact(float):
    """A number with the text it was written as."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Exact:
        """The float that ``text`` says, which may be infinite."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


class BrokenError(Exception):
    """An entry that cannot be taken: ``reason`` is a code of the catalog of reasons."""

    def __init__(self, reason: str) -> None:
        """Keep the reason's code."""
        super().__init__(reason)
        self.reason = reason


@dataclass
class _Scan:
    """Where the walk stands: nesting below the array, inside a string, after its end."""

    depth: int = 0
    in_string: int = 0
    is_closed: bool = False
    is_blank: bool = True
    count: int = 0


def write_entries(source: BinaryIO, out: BinaryIO) -> int:
    """Write the entries of the array that ``source`` has just opened, each on a line of ``out``.

    Args:
        source: the bytes after the array's opening bracket.
        out: receives the lines.

    Returns:
        The number of lines: the entries, and one more where the array is cut between two, or
        where something follows it that is no closing brace.
    """
    scan = _Scan()
    while not scan.is_closed and (block := _whole_escapes(source)):
        rest = _write_block(block, scan, out)
    if scan.is_closed:
        after = (rest + source.read(REST_BYTES)).strip().lstrip(b"}").strip()
        tail = [] if scan.is_blank and not scan.count else [b""]
        tail += [_on_one_line(after[:REST_BYTES])] if after else []
    else:
        is_between = scan.depth == 0 and not scan.in_string and not scan.is_blank
        tail = [b"", CUT] if is_between else [b""]
    out.write(b"".join(line + b"\n" for line in tail))
    return scan.count + len(tail)


def entry_spans(path: Path) -> Iterator[Span]:
    """A file of lines cut at line ends into spans of about :data:`SPAN` bytes."""
    before = start = position = 0
    with path.open("rb") as stream:
        while block := stream.read(SPAN):
            if end := block.rfind(b"\n") + 1:
                yield Span(before, start, position + end - start)
                before, start = before + block.count(b"\n"), position + end
            position += len(block)
    if start < position:
        yield Span(before, start, position - start)


def decoded(text: str) -> Json:
    """The JSON object that ``text`` is; numbers with a point as :class:`Exact`.

    Raises:
        BrokenError: no JSON object, or one with text that cannot be kept.
    """
    if len(text) > MAX_LINE:
        raise BrokenError("line_too_long")
    value = any_json(text)
    if not isinstance(value, dict):
        raise BrokenError("json_broken")
    return value


def any_json(text: str) -> object:
    """The JSON value that ``text`` is.

    Raises:
        BrokenError: not JSON, a NUL, or half a character (a lone surrogate).
    """
    if _STRANGE.search(text):
        _refuse_strange(text)
    try:
        return json.loads(text, parse_float=Exact)
    except (ValueError, RecursionError):
        raise BrokenError("json_broken") from None


def text_of(value: object) -> str | None:
    """A string as it is, a number as it was written; None for anything else.

    >>> text_of(Exact("1.50")), text_of(7), text_of(True)
    ('1.50', '7', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Exact):
        return value.text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def objects(value: object) -> list[Json]:
    """The objects of a list; nothing where ``value`` is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _refuse_strange(text: str) -> None:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # a lone surrogate cannot be encoded
        raise BrokenError("json_broken") from None
    if re.search(r"(?:^|[^\\])(?:\\\\)*\\u0000", text):
        raise BrokenError("nul_byte")


def _whole_escapes(source: BinaryIO) -> bytes:
    """The next block, not ending between a backslash and what it escapes."""
    block = source.read(BLOCK)
    trailing = len(block) - len(block.rstrip(b"\\"))
    return block + source.read(1) if trailing % 2 else block


def _write_block(block: bytes, scan: _Scan, out: BinaryIO) -> bytes:
    """Write a block's part of the lines; return what comes after the array's end."""
    masked = _ESCAPE.sub(b"__", block) if b"\\" in block else block
    marks: NDArray[np.uint8] = np.frombuffer(masked.translate(_MARKED), dtype=np.uint8)
    places = np.flatnonzero(marks)
    found = marks[places]
    is_inside = (np.cumsum(found == _QUOTE) + scan.in_string) & 1 == 1
    depth = scan.depth + np.cumsum(np.where(is_inside, 0, _STEP[found]))
    ends = places[depth < 0]
    end = int(ends[0]) if len(ends) else len(block)
    is_between = (found == _COMMA) & ~is_inside & (depth == 0) & (places < end)
    commas = places[is_between]
    written = bytearray(block[:end].translate(_FLAT))
    view = np.frombuffer(written, dtype=np.uint8)
    view[commas] = 10
    scan.count += len(commas)
    scan.is_closed = bool(len(ends))
    if len(places):
        scan.in_string, scan.depth = int(is_inside[-1]), int(depth[-1])
    last = bytes(written[int(commas[-1]) + 1 if len(commas) else 0 :])
    scan.is_blank = not last.strip() and (scan.is_blank or bool(len(commas)))
    if scan.count or not scan.is_blank:
        out.write(written)
    return block[end + 1 :]


_FLAT = bytes.maketrans(b"\r\n", b"  ")


def _on_one_line(raw: bytes) -> bytes:
    return raw.translate(_FLAT)
