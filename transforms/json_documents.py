"""JSON documents of a file, one at a time: an array, lines (NDJSON), or one object holding lists.

Measured reason for own code on top of the standard decoder: a file that was cut, a ``NaN``, or a
byte that is no UTF-8 makes a parser refuse the whole array; here only the element it stands in is
lost, and reading goes on where the next one begins. Numbers stay the text they are in the file, and
memory is bounded by the longest element, not by the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from transforms.landing import UnreadableError
from transforms.text import Text

BLOCK = 1 << 20
FIRST_LINES = 20
MOST_AHEAD = 16 << 20
"""Characters; an element longer than this is not read."""
TAIL = 64
MOST_OBJECT = 100_000_000
_BETWEEN = re.compile(r"[\s,\[\]]*")
_NEXT = re.compile(r",\s*(?=\{)")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)

Document = Mapping[str, object]


class Entry(NamedTuple):
    """One document with its 1-based place and text; None where it is no JSON object."""

    line: int
    text: str
    document: Document | None


def is_json(clean: Text) -> bool:
    """Whether the text begins like an array or an object."""
    with clean.path.open(encoding="utf-8") as stream:
        return stream.read(BLOCK).lstrip()[:1] in ("[", "{")


def is_lines(clean: Text) -> bool:
    """Whether the text is NDJSON: of its first lines one is a whole object, and it has several.

    One is enough, as the first may be damaged; a line inside a document that was laid out for
    people is indented or ends with a comma.
    """
    with clean.path.open(encoding="utf-8", newline="\n") as stream:
        read = iter(lambda: stream.readline(MOST_AHEAD), "")
        top = list(islice((line for line in read if line.strip()), FIRST_LINES))
    return len(top) > 1 and any(line.startswith("{") and _parsed(line) for line in top)


def lines(path: Path) -> Iterator[Entry]:
    """NDJSON, a document a line, numbered as in the file; blank lines are none."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        number, written = 0, ""
        for part in iter(lambda: stream.readline(MOST_AHEAD), ""):
            written += part if len(written) < MOST_AHEAD else ""
            if part.endswith("\n") or len(part) < MOST_AHEAD:
                number += 1
                if written.strip():
                    yield Entry(number, written.strip(), _parsed(written))
                written = ""


def documents(path: Path, collections: Sequence[str] = ()) -> Iterator[Entry]:
    """The elements of an array; of one object, what its ``collections`` list, else itself.

    Args:
        path: UTF-8 text.
        collections: keys under which an object holds lists of documents.

    Raises:
        UnreadableError: an object that is not whole, or of more than :data:`MOST_OBJECT` bytes.
    """
    with path.open(encoding="utf-8") as stream:
        if stream.read(BLOCK).lstrip().startswith("{"):
            found = _members(path, collections)
        else:
            stream.seek(0)
            found = _elements(stream)
        for number, (written, value) in enumerate(found, start=1):
            yield Entry(number, written, _object(value))


def _members(path: Path, collections: Sequence[str]) -> Iterator[tuple[str, object]]:
    if path.stat().st_size > MOST_OBJECT:
        raise UnreadableError("too_large", "one object of more than 100 MB; export a list instead")
    whole = _parsed(path.read_text(encoding="utf-8"))
    if whole is None:
        raise UnreadableError("json_broken", "not one whole JSON document")
    lists = [found for name in collections if isinstance(found := whole.get(name), list)]
    for value in [value for found in lists for value in found] if lists else [whole]:
        yield json.dumps(value, ensure_ascii=False), value


def _parsed(written: str) -> Document | None:
    try:
        return _object(_DECODER.decode(written.strip()))
    except (ValueError, RecursionError):
        return None


def _object(value: object) -> Document | None:
    return value if isinstance(value, dict) else None


def _elements(stream: TextIO) -> Iterator[tuple[str, object]]:
    """The text and value of every element of an array, a block at a time; None for the value of
    one that is broken: reading goes on where the next object begins."""
    window = _Window(stream)
    while window.at_next():
        end, value = window.decoded()
        if end:
            yield window.taken(end), value
        else:
            yield "", None
            window.skip()


class _Window:
    """The stretch of a text stream in which the next element lies."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text, self.at, self.is_end = "", 0, False

    def at_next(self) -> bool:
        """Go to the next element; whether there is one."""
        while True:
            self.at = _BETWEEN.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return True
            if self.is_end:
                return False
            self._more()

    def decoded(self) -> tuple[int, object]:
        """Where the element ends, and its value; 0 where it is broken or too long."""
        while True:
            try:
                document, end = _DECODER.raw_decode(self.text, self.at)
            except RecursionError:
                return 0, None
            except ValueError:
                end, document = 0, None
            if end and (end < len(self.text) or self.is_end):
                return end, document
            if self.is_end or len(self.text) - self.at > MOST_AHEAD:
                return 0, None
            self._more()

    def skip(self) -> None:
        """Go to where the next object of a list begins, or to the end."""
        while not (found := _NEXT.search(self.text, self.at)):
            self.at = len(self.text) if self.is_end else max(self.at, len(self.text) - TAIL)
            if self.is_end:
                return
            self._more()
        self.at = found.end()

    def taken(self, end: int) -> str:
        """The text up to ``end``, which is left behind."""
        start, self.at = self.at, end
        return self.text[start:end]

    def _more(self) -> None:
        block = self._stream.read(BLOCK)
        self.text, self.at = self.text[self.at :] + block, 0
        self.is_end = not block
