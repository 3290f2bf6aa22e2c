"""The XML of an Apple Health export as rows, a block at a time.

A row is an element right under the root, or a ``Record`` inside a ``Correlation``. The prolog is
not parsed: its DTD, which iOS 16 wrote with mistakes, says nothing that the rows need, and a file
that declares entities is refused. Control characters, which XML forbids and phones write, become
:data:`DAMAGED`, bytes of another encoding :data:`REPLACED`: a row that holds one can be told.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from xml.parsers import expat

from transforms.landing import UnreadableError

BLOCK = 1 << 20
MOST_PROLOG = 1 << 22
MOST_TOKEN = 1 << 25
"""Bytes without any tag; longer ones are damage."""
ROOT = "HealthData"
DAMAGED, REPLACED = "\x7f", "\ufffd"
_CONTROL = bytes(0x7F if n < 0x20 and n not in (9, 10, 13) else n for n in range(256))
_TAG = re.compile(rb"<[A-Za-z_]")
_UNTIL = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_HIDDEN = re.compile(b"|".join(map(re.escape, _UNTIL)))
_DECLARED = re.compile(rb"^<\?xml[^>]{1,200}?encoding\s*=\s*[\"']([\w.-]{1,40})[\"']")
_ENCODINGS = re.compile(
    r"(?i)^(utf-?8|us-ascii|iso-8859-\d+|latin-?1|windows-125\d|cp125\d|macintosh|mac-?roman"
    r"|shift_jis|gb18030|gbk|big5|euc-(jp|kr)|koi8-r)$"
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8", 3),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
    (b"<\x00", "utf-16-le", 0),
    (b"\x00<", "utf-16-be", 0),
)
NOTED = ("HKBloodGlucoseMealTime", "HKWasUserEntered")
"""The metadata entries that are kept, as attributes of their row."""

Attributes = dict[str, str]


@dataclass(slots=True)
class Block:
    """The rows that began in a block of the file, in three lists of one length.

    ``elements`` are their names, ``members`` whether they stand inside another row, ``attributes``
    what they say; only a Record's and a Workout's are kept. ``tags`` counts the rows' start tags
    in the bytes, without the parser, less the tags inside of rows that share a row's name.
    ``is_altered``: some of its bytes were replaced. ``damage`` says why nothing after this block
    can be read.
    """

    elements: list[str] = field(default_factory=list)
    members: list[bool] = field(default_factory=list)
    attributes: list[Attributes] = field(default_factory=list)
    tags: int = 0
    is_altered: bool = False
    damage: str | None = None


def blocks(path: Path, encoding: str | None = None) -> Iterator[Block]:
    """The rows of one export, in order.

    Args:
        path: the file.
        encoding: what it is written in, when it says nothing or the wrong thing.

    Raises:
        UnreadableError: it is empty, no export of Apple Health, or declares entities.
    """
    parser, before = _Parser(), Block()
    for raw in chain(_chunks(_body(_utf8(path, encoding))), (b"",)):
        chunk = _clean(raw)
        block = parser.fed(chunk, is_last=not raw)
        block.is_altered = chunk != raw or REPLACED.encode() in raw
        yield before  # not the block itself: the metadata of its last row may come in the next
        before = block
        if block.damage:
            break
    yield before


class _Parser:
    """Expat, and what has to be known between its calls."""

    def __init__(self) -> None:
        self._expat = expat.ParserCreate("utf-8")
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._depth = self._row_depth = self._fed = 0
        self._row: Attributes = {}
        self._until = b""
        self._names = {"Record"}
        self._inner = Counter[str]()
        self._tags = _tags(self._names)
        self._block = Block()

    def fed(self, chunk: bytes, *, is_last: bool) -> Block:
        """The rows that begin in ``chunk``; a row's metadata may follow in the next."""
        block = self._block = Block()
        self._inner.clear()
        whole = len(chunk)
        try:
            self._expat.Parse(chunk, is_last)
            block.damage = "too much without a tag" if whole > MOST_TOKEN else None
        except expat.ExpatError as error:
            block.damage = str(error)
            whole = min(max(self._expat.ErrorByteIndex - self._fed, 0), whole)
        inner = sum(self._inner[name] for name in self._names)
        block.tags = len(self._tags.findall(self._shown(chunk[:whole]))) - inner
        self._fed += len(chunk)
        return block

    def _shown(self, chunk: bytes) -> bytes:
        """``chunk`` without comments and the like, which a later chunk may end: no tag is one."""
        shown, at = [], 0
        while True:
            if self._until:
                end = chunk.find(self._until, at)
                if end < 0:
                    break
                at, self._until = end + len(self._until), b""
            hidden = _HIDDEN.search(chunk, at)
            shown.append(chunk[at : hidden.start() if hidden else None])
            if not hidden:
                break
            at, self._until = hidden.end(), _UNTIL[hidden[0]]
        return b"".join(shown)

    def _start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if self._depth == 1:
            _check_root(name)
            return
        if self._depth == 2 or name == "Record":
            self._open(name, attributes)
            return
        self._inner[name] += 1
        if name == "MetadataEntry" and self._depth == self._row_depth + 1:
            key = attributes.get("key")
            if key in NOTED:
                self._row[key] = attributes.get("value", "")

    def _end(self, _: str) -> None:
        self._depth -= 1

    def _open(self, name: str, attributes: Attributes) -> None:
        if name not in self._names:
            if name == ROOT:
                raise UnreadableError("xml_broken", "an export inside an export")
            self._names.add(name)
            self._tags = _tags(self._names)
        if name == "Workout":
            attributes = _as_record(attributes)
        elif name != "Record":
            attributes = {}
        self._row, self._row_depth = attributes, self._depth
        self._block.elements.append(name)
        self._block.members.append(self._depth > 2)
        self._block.attributes.append(attributes)


def _check_root(name: str) -> None:
    if name != ROOT:
        raise UnreadableError("format_unknown", "no export of Apple Health")


def _as_record(workout: Attributes) -> Attributes:
    """A workout's attributes under a record's names: its value is the duration it states."""
    named = {"type": "workoutActivityType", "value": "duration", "unit": "durationUnit"}
    return workout | {name: workout[of] for name, of in named.items() if of in workout}


def _tags(names: set[str]) -> re.Pattern[bytes]:
    listed = "|".join(re.escape(name) for name in sorted(names))
    return re.compile(rf"<(?:{listed})(?=[\s/>])".encode())


def _utf8(path: Path, encoding: str | None) -> Iterator[bytes]:
    """The file's bytes as UTF-8, in blocks, without its byte order mark."""
    with path.open("rb") as stream:
        head = stream.read(256)
        name, skip = _encoding(head, encoding)
        stream.seek(skip)
        decoder = None if name == "utf-8" else codecs.getincrementaldecoder(name)("replace")
        while block := stream.read(BLOCK):
            yield decoder.decode(block).encode() if decoder else block


def _encoding(head: bytes, wished: str | None) -> tuple[str, int]:
    """The file's encoding and the bytes of its mark."""
    for mark, name, skip in _BOMS:
        if head.startswith(mark):
            return name, skip
    found = _DECLARED.match(head.lstrip())
    name = wished or (found[1].decode() if found else "utf-8")
    return codecs.lookup(name if _ENCODINGS.match(name) else "utf-8").name, 0


def _body(raw: Iterator[bytes]) -> Iterator[bytes]:
    """What begins with the root's tag; the prolog is only looked at."""
    prolog = b""
    for block in raw:
        prolog += block
        root = _TAG.search(prolog)
        if root or len(prolog) > MOST_PROLOG:
            break
    if not prolog.strip(b"\x00\t\r\n "):
        raise UnreadableError("file_empty")
    if b"<!ENTITY" in prolog[: root.start() if root else None]:
        raise UnreadableError("xml_broken", "it declares entities")
    if root is None or not prolog.lstrip().startswith(b"<"):
        raise UnreadableError("format_unknown", "no export of Apple Health")
    yield prolog[root.start() :]
    yield from raw


def _chunks(raw: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes in pieces that end before a tag, so that no tag's beginning lies in two chunks."""
    rest = b""
    for block in raw:
        rest += block
        end = rest.rfind(b"<")
        if end > 0 or len(rest) > MOST_TOKEN:
            end = end if end > 0 else len(rest)
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _clean(chunk: bytes) -> bytes:
    try:
        chunk.decode()
    except UnicodeDecodeError:
        chunk = chunk.decode(errors="replace").encode()
    return chunk.translate(_CONTROL)
