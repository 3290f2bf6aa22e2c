"""JSON of apps and services, to one record per line.

An array, one value a line (NDJSON), an account's export or a page of an API's reply all become a
scratch file whose line N is record N as the source wrote it. Measured reason for own code: a parser
needs ten times a file's size, gives up at its first damage, and turns digits into floats.

Where a record ends is found by arithmetic over bytes, a block at a time, before anything is parsed:
so the count does not depend on what is understood, one damaged record harms no other, and memory
stays that of a block. Line ends between tokens become blanks; inside a string JSON allows none.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.formats.text import Text

Json = dict[str, Any]
Place = tuple[str, ...]
Data = mmap.mmap | bytes

BLOCK, FIRST_BLOCK = 1 << 22, 1 << 16
SPAN = 1 << 23
MOST_ENTRY = 32 << 20
"""Bytes; what has not ended by then is broken."""
MAX_RECORD = 1_000_000
"""Characters; a longer record is no measurement of any service we know."""
QUOTED = 1000
"""Bytes of a broken record that are kept to be shown."""
MOST_MENDS = 100
"""Broken entries of one array that are walked around; each may cost as much as MOST_ENTRY."""
HEAD_LINES = 20
CUT = b"the file ends here without its closing bracket"
NOT_JSON = "json_broken:it breaks off or is no JSON"

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_BLANKS = re.compile(rb"[ \t\r\n]*")
_BLANK_LINES = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)
_KEY = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_OBJECTS = re.compile(rb"\[[ \t\r\n]*\{")
_ARRAY_LINE = re.compile(rb"^ *\[", re.MULTILINE)
_FIRST_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*("(?:[^"\\]|\\.){1,100}")')
_SUSPECT = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_NUL = re.compile(r"(?:^|[^\\])(?:\\\\)*\\u0000")
_FLAT, _ENDS = bytes.maketrans(b"\r\n", b"  "), bytes.maketrans(b"\r", b" ")
_QUOTE, _COMMA, _OPEN, _CLOSE = 1, 2, 3, 4
_MARKED = bytes(
    {34: _QUOTE, 44: _COMMA, 91: _OPEN, 123: _OPEN, 93: _CLOSE, 125: _CLOSE}.get(byte, 0)
    for byte in range(256)
)
_STEP = np.array((0, 0, 0, 1, -1), dtype=np.int32)


# ---------------------------------------------------------------- one record


class BrokenError(ValueError):
    """A text that is no JSON, or cannot be kept as text; its own text is the reason."""

    @property
    def code(self) -> str:
        """The reason's code, without what is said of it."""
        return str(self).partition(":")[0]


class Number(str):
    """A JSON number in the digits of its source."""

    __slots__ = ()


def decoded(text: str, longest: int = MAX_RECORD) -> object:
    """One JSON value: numbers as :class:`Number`; ``NaN`` and the like, which are none, as text.

    Raises:
        BrokenError: no JSON, more than ``longest`` characters, a key twice in one object, a NUL,
            or half a character (a lone surrogate).
    """
    if len(text) > longest:
        raise BrokenError("line_too_long")
    bare = text.strip(" \t\r\n")
    try:
        value, end = _DECODER.raw_decode(bare)
        if "\\u" in text and _SUSPECT.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # fails on half a character
    except BrokenError:
        raise
    except (ValueError, RecursionError):
        raise BrokenError(NOT_JSON) from None
    if end < len(bare):
        raise BrokenError(NOT_JSON)
    if "\\u0000" in text and _NUL.search(text):
        raise BrokenError("nul_byte")
    return value


def _once(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenError("json_broken:a key stands twice in one object")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=Number, parse_int=Number, parse_constant=str
)


def text_of(value: object) -> str | None:
    """A string as it is, a number as it was written; None for anything else.

    >>> text_of(Number("1.50")), text_of(True)
    ('1.50', None)
    """
    return value if isinstance(value, str) else None


def objects(value: object) -> list[Json]:
    """The objects of a list; nothing where ``value`` is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


# ---------------------------------------------------------------- the parts of a bracket


@contextmanager
def mapped(path: Path) -> Iterator[Data]:
    """The bytes of a file, which must not be empty, without reading them all."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


@dataclass
class _Scan:
    """A walk over the inside of a bracket: ``at`` is the next byte to be looked at, ``end`` where
    the bracket closes, once that is found."""

    data: Data
    at: int
    depth: int = 0
    in_string: int = 0
    end: int | None = None
    size: int = FIRST_BLOCK

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to look at."""
        return self.end is not None or self.at >= len(self.data)

    @property
    def stop(self) -> int:
        """Where the inside ends."""
        return len(self.data) if self.end is None else self.end

    def is_closed(self, mark: bytes) -> bool:
        """Whether the bracket closes, and by its own mark."""
        return self.end is not None and self.data[self.end : self.end + 1] == mark

    def commas(self) -> NDArray[np.intp]:
        """Where the next block has commas between parts."""
        block, start = self._block(), self.at
        masked = _ESCAPE.sub(b"__", block) if b"\\" in block else block
        marks: NDArray[np.uint8] = np.frombuffer(masked.translate(_MARKED), dtype=np.uint8)
        places = np.flatnonzero(marks)
        found = marks[places]
        is_inside = (np.cumsum(found == _QUOTE) + self.in_string) & 1 == 1
        depth = self.depth + np.cumsum(np.where(is_inside, 0, _STEP[found]))
        self.at += len(block)
        if len(places):
            self.in_string, self.depth = int(is_inside[-1]), int(depth[-1])
        between = places[(found == _COMMA) & ~is_inside & (depth == 0)]
        if len(ends := places[depth < 0]):
            self.end, self.depth, self.in_string = start + int(ends[0]), 0, 0
            between = between[between < ends[0]]
        found_at: NDArray[np.intp] = between + start
        return found_at

    def _block(self) -> bytes:
        """The next bytes, not ending between a backslash and what it escapes."""
        self.size = min(4 * self.size, BLOCK)
        block = self.data[self.at : self.at + self.size]
        trailing = len(block) - len(block.rstrip(b"\\"))
        end = self.at + len(block)
        return block + self.data[end : end + 1] if trailing % 2 else block


class Walked(NamedTuple):
    """Where what follows a value begins, whether the value is whole, and its lines if counted."""

    after: int
    is_closed: bool
    lines: int = 0


def write_entries(data: Data, at: int, out: IO[bytes], *, is_mended: bool = False) -> Walked:
    """Write the entries of an array, each on a line.

    Args:
        data: the bytes of a file or text.
        at: where the array's inside begins.
        out: receives the lines: the entries, and one more where the array is cut between two.
        is_mended: whether to go on behind an entry that never ends. It is cut where the next one
            begins: at an object with the same first key as the array's first.
    """
    first, count, begin = _FIRST_KEY.match(data, at), 0, at
    following = re.compile(rb",\s*\{\s*" + re.escape(first[1])) if first and is_mended else None
    for _ in range(MOST_MENDS):
        scan, written, begin = _write_whole(data, begin, out)
        count += written
        found = None if scan.is_closed(b"]") or not following else following.search(data, begin)
        if not found:
            break
        out.write(_shown(data, begin, found.start()) + b"\n")
        count, begin = count + 1, found.start() + 1
    tail = _tail(scan, begin, is_first=not count)
    out.write(b"".join(line + b"\n" for line in tail))
    return Walked(scan.stop + 1, scan.is_closed(b"]"), count + len(tail))


def _write_whole(data: Data, begin: int, out: IO[bytes]) -> tuple[_Scan, int, int]:
    """Write the entries that a comma follows; return also how many, and where the next begins."""
    scan, count = _Scan(data, begin), 0
    while not scan.is_over and scan.at - begin <= MOST_ENTRY:
        commas = scan.commas()
        if len(commas):
            after = int(commas[-1]) + 1
            lines = bytearray(data[begin:after].translate(_FLAT))
            np.frombuffer(lines, dtype=np.uint8)[commas - begin] = 10
            out.write(lines)
            _forget(data, begin, after)
            count, begin = count + len(commas), after
    return scan, count, begin


def _forget(data: Data, begin: int, end: int) -> None:
    """Give back the memory of pages that were read."""
    start = begin - begin % mmap.PAGESIZE
    if isinstance(data, mmap.mmap):
        data.madvise(mmap.MADV_DONTNEED, start, end - start)


def _tail(scan: _Scan, begin: int, *, is_first: bool) -> list[bytes]:
    """The lines of what follows the last comma."""
    is_blank = _past_blanks(scan.data, begin) >= scan.stop
    is_whole = scan.is_over and not (is_blank or scan.depth or scan.in_string)
    last = scan.data[begin : scan.stop].translate(_FLAT) if is_whole else b""
    if scan.is_closed(b"]"):
        return [] if is_blank and is_first else [last]
    return [last, CUT] if is_whole else [_shown(scan.data, begin, scan.stop).strip() or CUT]


def _shown(data: Data, begin: int, end: int) -> bytes:
    """The beginning of a part, on one line, cut between two characters."""
    raw = data[begin : min(end, begin + QUOTED)].translate(_FLAT)
    return raw.decode(errors="ignore").replace("\x00", "\ufffd").encode()


def blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file in whole lines, about :data:`SPAN` bytes at a time."""
    while block := stream.read(SPAN):
        block += b"" if block.endswith(b"\n") else stream.readline(MOST_ENTRY)
        yield block if block.endswith(b"\n") else block + b"\n"


# ---------------------------------------------------------------- records, wherever they stand


@dataclass(frozen=True)
class Shape:
    """Where a service keeps its records.

    ``lists``: keys whose list holds records; ``nests``: keys whose object is to be looked into;
    ``maps``: keys whose object holds one record per key, each becomes ``{key: record}``;
    ``every_list``: any other list of objects holds records too; ``told``: keys of what surrounds
    the records that are kept as their context; ``unsaid``: keys whose text (a person's own words)
    is blanked before anything is kept.
    """

    lists: frozenset[str] = frozenset()
    nests: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset()
    every_list: bool = False
    told: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()

    def may_hold(self, text: bytes) -> bool:
        """Whether a text may hold records inside."""
        keys = self.lists | self.nests | self.maps
        is_likely = self.every_list or any(f'"{key}"'.encode() in text for key in keys)
        return is_likely and bool(self._wrapper.search(text))

    @cached_property
    def _wrapper(self) -> re.Pattern[bytes]:
        lists, objects = _any_of(self.lists), _any_of(self.nests | self.maps)
        every = rb'|"\s*:\s*\[\s*\{' if self.every_list else b""
        return re.compile(rb'"(?:%s)"\s*:\s*\[|"(?:%s)"\s*:\s*\{%s' % (lists, objects, every))

    @cached_property
    def own_words(self) -> re.Pattern[bytes]:
        """A person's own words, behind their key."""
        return re.compile(
            rb'("(?:%s)"\s*:\s*)"(?:[^"\\\n]|\\.)*(?:"|$)' % _any_of(self.unsaid), re.MULTILINE
        )


def _any_of(keys: frozenset[str]) -> bytes:
    return b"|".join(re.escape(key.encode()) for key in sorted(keys)) or rb"(?!)"


@dataclass
class Run:
    """Neighbouring records of one list: the line of the first, how many, and where they stood:
    the name of the file, then the keys on the way to them; ``context``: what surrounds them."""

    first: int
    count: int
    place: Place
    context: Json


NOTHING: Json = {}
"""The context of a record that stands alone: one and the same, so that such records are one run."""
Keep = Callable[[Data, int, Place, Json], Walked]


@dataclass
class Records:
    """Records kept one per line in ``path``; ``runs`` say what each is."""

    path: Path
    shape: Shape
    runs: list[Run] = field(default_factory=list)

    def keep(self, clean: Text, name: str) -> None:
        """Append the records of one file, whichever way they are put together."""
        if not _is_lines(clean.path):
            with mapped(clean.path) as data:
                self._keep_values(data, (name,))
            return
        with clean.path.open("rb") as stream:
            for block in blocks(stream):
                filled = _BLANK_LINES.sub(b"", block.translate(_ENDS))
                self._keep_lines(filled, (name,), is_inside=False)

    def append(self, lines: bytes, place: Place, context: Json = NOTHING) -> None:
        """Append whole lines, one a record, without a person's own words."""
        if any(f'"{key}"'.encode() in lines for key in self.shape.unsaid):
            lines = self.shape.own_words.sub(rb'\1""', lines)
        count = lines.count(b"\n")
        with self.path.open("ab" if self.runs else "wb") as out:
            out.write(lines)
        last = self.runs[-1] if self.runs else Run(1, 0, (), NOTHING)
        if last.place == place and last.context is context:
            last.count += count
        elif count:
            self.runs.append(Run(last.first + last.count, count, place, context))

    def count(self) -> int:
        """The lines of the file, counted in the file."""
        if not self.runs:
            return 0
        with self.path.open("rb") as stream:
            return sum(block.count(b"\n") for block in blocks(stream))

    def lines(self) -> Iterator[tuple[int, Run, str]]:
        """Line number, run and text of every record."""
        if not self.runs:
            return
        with self.path.open(encoding="utf-8", errors="replace", newline="\n") as stream:
            for run in self.runs:
                for line, text in enumerate(islice(stream, run.count), start=run.first):
                    yield line, run, text.removesuffix("\n")

    def _keep_values(self, data: Data, place: Place) -> None:
        """A file of one value, or of several behind each other."""
        at = _past_blanks(data, 0)
        while at < len(data):
            keep = {b"[": self._keep_list, b"{": self._keep_object}.get(data[at : at + 1])
            if keep is None:
                self.append(_shown(data, at, len(data)) + b"\n", place)
                return
            at = _past_blanks(data, keep(data, at, place, {}).after)

    def _keep_lines(self, block: bytes, place: Place, *, is_inside: bool) -> None:
        """Values, one a line; all at once where none of them holds others. An element of an array
        ``is_inside``: if it is an array itself, it is no record."""
        has_arrays = not is_inside and _ARRAY_LINE.search(block)
        if not has_arrays and not self.shape.may_hold(block):
            self.append(block, place)
            return
        for line in block.splitlines():
            if is_inside and not line.lstrip().startswith(b"{"):
                self.append(line + b"\n", place)
            else:
                self._keep_values(line, place)

    def _keep_list(self, data: Data, at: int, place: Place, context: Json) -> Walked:
        """Records; or, of a file that is an array, what is a record or holds some."""
        is_file = len(place) == 1
        with SpooledTemporaryFile(SPAN, dir=str(self.path.parent)) as cut:
            found = write_entries(data, at + 1, cut, is_mended=is_file)
            cut.seek(0)
            for block in blocks(cut):
                if is_file:
                    self._keep_lines(block, place, is_inside=True)
                else:
                    self.append(block, place, context)
        return found

    def _keep_object(self, data: Data, at: int, place: Place, context: Json) -> Walked:
        """The records inside an object; the object itself where it holds none."""
        scan, members = _members(data, at + 1)
        inside: list[tuple[Keep, int, str]] = []
        for key, begin, end in members:
            if keep := self._inside(data, key, begin):
                inside.append((keep, begin, key))
            elif key in self.shape.told:
                context[key] = _value(data[begin:end])
        is_closed = scan.is_closed(b"}")
        if len(place) == 1 and not inside:
            is_kept = is_closed and scan.stop - at <= MOST_ENTRY
            whole = data[at : scan.stop + 1] if is_kept else _shown(data, at, scan.stop)
            self.append(whole.translate(_FLAT) + b"\n", place)
            return Walked(scan.stop + 1, is_closed)
        are_whole = [
            keep(data, begin, (*place, key), context).is_closed for keep, begin, key in inside
        ]
        if all(are_whole) and not is_closed:
            self.append(CUT + b"\n", place)
        return Walked(scan.stop + 1, is_closed)

    def _keep_map(self, data: Data, at: int, place: Place, context: Json) -> Walked:
        scan, members = _members(data, at + 1)
        for key, begin, end in members:
            record = b"{%s: %s}\n" % (json.dumps(key).encode(), data[begin:end].translate(_FLAT))
            self.append(record, place, context)
        return Walked(scan.stop + 1, scan.is_closed(b"}"))

    def _inside(self, data: Data, key: str, at: int) -> Keep | None:
        """How to keep what belongs to ``key``, None where no records are in it."""
        mark, shape = data[at : at + 1], self.shape
        if mark == b"[" and (key in shape.lists or (shape.every_list and _OBJECTS.match(data, at))):
            return self._keep_list
        if mark == b"{" and key in shape.nests:
            return self._keep_object
        return self._keep_map if mark == b"{" and key in shape.maps else None


def _members(data: Data, at: int) -> tuple[_Scan, list[tuple[str, int, int]]]:
    """Key, begin and end of every value of an object whose inside begins at ``at``."""
    scan, bounds = _Scan(data, at), [at - 1]
    while not scan.is_over:
        bounds += scan.commas().tolist()
    found = []
    for before, end in zip(bounds, [*bounds[1:], scan.stop], strict=True):
        key = _KEY.match(data, before + 1, end)
        name = _value(key[1]) if key else None
        if key and isinstance(name, str):
            found.append((name, key.end(), end))
    return scan, found


def _value(raw: bytes) -> object:
    try:
        return decoded(raw.decode())
    except ValueError:
        return None


def _past_blanks(data: Data, at: int) -> int:
    return _BLANKS.match(data, at).end()  # type: ignore[union-attr]


def _is_lines(path: Path) -> bool:
    """Whether every line is a value of its own, judged by the first of them."""
    with path.open("rb") as stream:
        filled = (line for line in iter(partial(stream.readline, MAX_RECORD), b"") if line.strip())
        first, *others = [*islice(filled, HEAD_LINES)] or [b""]
    if not others or len(first) >= MAX_RECORD or _is_whole(first):
        return bool(others) and len(first) < MAX_RECORD
    return first[:1] != b"[" and 2 * sum(map(_is_whole, others)) > len(others)


def _is_whole(line: bytes) -> bool:
    return isinstance(_value(line), dict | list)
