"""JSON of the shapes online services hand out, to one record per line.

An export, a page of an API's reply, an array, or one JSON value per line (NDJSON) all become a
scratch file whose line N is record N, as the source wrote it. Records are told apart first and
read from that file later, so that what is counted does not depend on what is understood.

Measured reason for own code on the standard decoder: a parsed 100 MB document takes a gigabyte,
one bad record fails the whole of it, and numbers come back as floats instead of their digits. Here
only one record is decoded at a time, and a document that breaks keeps what came before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

from transforms.landing import UnreadableError
from transforms.text import Text

Json = dict[str, Any]
Place = tuple[str, ...]

MOST_BYTES = 200_000_000
"""A single document (not NDJSON) is held as text; a larger one is refused."""
MOST_LINE = 32_000_000
"""Characters of a line of NDJSON; a longer one is cut and therefore broken."""
MAX_RECORD = 1_000_000
"""Characters; a longer record is no measurement of any service we know."""
QUOTED = 1000
"""Characters of a broken record that are kept to be shown."""
SUSPECT = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
BLANK = re.compile(r"[ \t\r\n]*")
LINE_ENDS = re.compile(r"[\r\n]+")
HEAD_LINES = 100


class BrokenError(ValueError):
    """A text that is no JSON, or cannot be kept as text (NUL, half a surrogate pair)."""


class Number(str):
    """A JSON number in the digits of its source."""

    __slots__ = ()


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


@dataclass(frozen=True)
class Piece:
    """One record's text, the keys on the way to it, and what the document says around it."""

    place: Place
    text: str
    context: Json
    is_broken: bool = False


@dataclass
class Run:
    """Neighbouring records of one list: the line of the first, how many, and where they stood.

    ``place`` begins with the name of the archive's member; ``is_broken`` is a text that could not
    be decoded.
    """

    first: int
    count: int
    place: Place
    context: Json
    is_broken: bool = False


@dataclass
class Records:
    """Records kept one per line in ``path``; ``runs`` say what each is."""

    path: Path
    shape: Shape
    runs: list[Run] = field(default_factory=list)

    def keep(self, pieces: Iterator[Piece], member: str) -> None:
        """Append the pieces of one file."""
        with self.path.open("a", encoding="utf-8", newline="") as out:
            for piece in pieces:
                out.write(_one_line(piece, self.shape))
                self._count(piece, member)

    def count(self) -> int:
        """The lines of the file, counted in the file."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))

    def lines(self) -> Iterator[tuple[int, Run, str]]:
        """Line number, run and text of every record."""
        if not self.runs:
            return
        with self.path.open(encoding="utf-8", newline="\n") as stream:
            for run in self.runs:
                for line, text in enumerate(islice(stream, run.count), start=run.first):
                    yield line, run, text.removesuffix("\n")

    def _count(self, piece: Piece, member: str) -> None:
        place = (member, *piece.place)
        last = self.runs[-1] if self.runs else Run(1, 0, (), {})
        same = last.place == place and last.context is piece.context
        if same and last.is_broken == piece.is_broken:
            last.count += 1
        else:
            first = last.first + last.count
            self.runs.append(Run(first, 1, place, piece.context, piece.is_broken))


NOTHING: Json = {}
"""The context of a record that stands alone: one and the same, so that such records are one run."""


def pieces_of(clean: Text, shape: Shape) -> Iterator[Piece]:
    """The records of one file, whichever way they are put together.

    Raises:
        UnreadableError: a single document beyond :data:`MOST_BYTES`.
    """
    with clean.path.open(encoding="utf-8", newline="\n") as stream:
        if _is_lines(stream):
            for text in iter(partial(stream.readline, MOST_LINE), ""):
                yield from pieces(text, shape)
            return
    if clean.path.stat().st_size > MOST_BYTES:
        raise UnreadableError("too_large", f"one JSON document of more than {MOST_BYTES} bytes")
    yield from pieces(clean.path.read_text(encoding="utf-8"), shape)


def pieces(text: str, shape: Shape) -> Iterator[Piece]:
    """The records of a text of one or more JSON values; what cannot be decoded is one piece."""
    walk = _Walk(text, shape)
    try:
        while walk.is_open():
            yield from walk.value({}, is_inside=False)
    except (ValueError, RecursionError, IndexError):
        rest = text[walk.done :][:QUOTED].replace("\x00", "\ufffd")
        yield Piece((), rest, NOTHING, is_broken=True)


def decoded(text: str) -> object:
    """One record, its numbers as :class:`Number`.

    Raises:
        BrokenError: no JSON, a key twice in one object, or text that cannot be kept; its text is
            the reason.
    """
    if len(text) > MAX_RECORD:
        raise BrokenError("line_too_long")
    try:
        value = _RECORD.decode(text)
        has_nul = SUSPECT.search(text) and b"\\u0000" in _dumped(value).replace(b"\\\\", b"")
    except BrokenError:
        raise
    except (ValueError, RecursionError):
        raise BrokenError("json_broken") from None
    if has_nul:
        raise BrokenError("nul_byte")
    return value


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _once(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenError("json_broken:a key stands twice in one object")
    return found


def _refused(constant: str) -> float:
    raise BrokenError(f"json_broken:{constant} is no number of JSON")


_RECORD = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=Number, parse_int=Number, parse_constant=_refused
)
_SCAN = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def _is_lines(stream: TextIOWrapper) -> bool:
    """Whether every line is a value of its own, judged by the first of them; rewinds."""
    filled = (line for line in iter(partial(stream.readline, MAX_RECORD), "") if line.strip())
    first, *others = [*islice(filled, HEAD_LINES)] or [""]
    stream.seek(0)
    whole = sum(map(_is_whole, others))
    return bool(others) and (_is_whole(first) or (first[0] != "[" and 2 * whole > len(others)))


def _is_whole(line: str) -> bool:
    try:
        return isinstance(_SCAN.decode(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _one_line(piece: Piece, shape: Shape) -> str:
    """The piece's text on one line, without what a person wrote in their own words."""
    text = piece.text
    if "\n" in text or "\r" in text:
        text = LINE_ENDS.sub(" ", text)
    if any(f'"{key}"' in text for key in shape.unsaid):
        text = _own_words(shape.unsaid).sub(r'\1""', text)
    return text + "\n"


@lru_cache
def _own_words(keys: frozenset[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(key) for key in sorted(keys))
    return re.compile(rf'("(?:{names})"\s*:\s*)"(?:[^"\\]|\\.)*(?:"|$)')


class _Walk:
    """A walk over one text. ``at`` is the next mark; what begins at ``done`` was not given yet."""

    def __init__(self, text: str, shape: Shape) -> None:
        self.text, self.shape = text, shape
        self.at = self.done = 0

    def is_open(self) -> bool:
        """Whether anything but blanks is left."""
        self.done = self.at = _end_of_blanks(self.text, self.at)
        return self.at < len(self.text)

    def value(self, context: Json, *, is_inside: bool) -> Iterator[Piece]:
        """The records of the value at the mark: of an array each element is one, or holds some."""
        mark = self._mark()
        if mark == "[" and not is_inside:
            for _ in self._elements():
                yield from self.value({}, is_inside=True)
        elif mark == "{":
            yield from self._object((), context)
        else:
            yield self._record((), NOTHING)

    def _object(self, place: Place, context: Json) -> Iterator[Piece]:
        """The records inside an object; the object itself where it holds none."""
        begin, is_wrapper = self.at, bool(place)
        for key in self._keys():
            inside = self._inside(key)
            if inside:
                is_wrapper = True
                yield from inside((*place, key), context)
            else:
                value = self._value()
                if key in self.shape.told:
                    context[key] = value
        if not is_wrapper:
            yield Piece(place, self.text[begin : self.at], NOTHING)

    def _inside(self, key: str) -> Callable[[Place, Json], Iterator[Piece]] | None:
        """How to walk what belongs to ``key``, None where no records are in it."""
        mark, shape = self.text[self.at], self.shape
        if mark == "[" and (key in shape.lists or (shape.every_list and self._holds_objects())):
            return self._list
        if mark == "{" and key in shape.nests:
            return self._object
        return self._map if mark == "{" and key in shape.maps else None

    def _holds_objects(self) -> bool:
        return self.text.startswith("{", _end_of_blanks(self.text, self.at + 1))

    def _list(self, place: Place, context: Json) -> Iterator[Piece]:
        for _ in self._elements():
            yield self._record(place, context)

    def _map(self, place: Place, context: Json) -> Iterator[Piece]:
        for key in self._keys():
            text = self._record(place, context).text
            yield Piece(place, f"{{{json.dumps(key)}: {text}}}", context)

    def _record(self, place: Place, context: Json) -> Piece:
        begin = self.done = self.at
        self._value()
        self.done = self.at
        return Piece(place, self.text[begin : self.at], context)

    def _value(self) -> object:
        value, self.at = _SCAN.raw_decode(self.text, self.at)
        return value

    def _elements(self) -> Iterator[None]:
        """Steps through the array at the mark; each element is to be walked before the next."""
        self.at += 1
        is_last = self._mark() == "]"
        self.at += is_last
        while not is_last:
            self.done = self.at
            yield
            is_last = self._closes("]")

    def _keys(self) -> Iterator[str]:
        """The keys of the object at the mark; each value is to be walked before the next."""
        self.at += 1
        is_last = self._mark() == "}"
        self.at += is_last
        while not is_last:
            is_text = self._mark() == '"'
            key = str(self._value())
            if not is_text or self._mark() != ":":
                raise BrokenError
            self.at += 1
            self._mark()
            yield key
            is_last = self._closes("}")

    def _closes(self, end: str) -> bool:
        """Steps over the comma (False) or the end (True) behind a value."""
        mark = self._mark()
        self.at += 1
        if mark not in {",", end}:
            raise BrokenError
        self._mark() if mark == "," else None
        return mark == end

    def _mark(self) -> str:
        """The next character that is no blank, which ``at`` then stands on."""
        self.at = _end_of_blanks(self.text, self.at)
        return self.text[self.at]


def _end_of_blanks(text: str, at: int) -> int:
    if text[at : at + 1] > " ":  # the usual case, without a pattern
        return at
    found = BLANK.match(text, at)
    return found.end() if found else at
