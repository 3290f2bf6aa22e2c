"""HL7 v2 message syntax: bytes to segments, marks, escapes, times. Nothing here knows a result.

Measured reason for own code: the libraries build an object per field, some 150 times the cost of
splitting the same text in Polars. So the bytes are walked once, whole messages at a time, into
clean text (UTF-8, a segment a line), and everything after that is columns.

Delimiters are those of each message's own MSH-1 and MSH-2 and stand beside its segments as the
columns ``sep``, ``comp``, ``rep``, ``esc`` and ``sub``.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import polars as pl

from transforms.formats.text import Span
from transforms.landing import Opened, UnreadableError

BLOCK = 8 << 20
MAX_MESSAGE = 32 << 20
"""Bytes. A longer message is refused: it would have to be held in memory as a whole."""

SEPARATOR = r"[!-/:-@\[-`{-~]"
"""What may divide fields: ASCII punctuation."""
BOUNDARY = rf"^(?:MSH|FHS|BHS|BTS|FTS){SEPARATOR}"
_BOUNDARY = re.compile(rf"^(?=(?:MSH|FHS|BHS|BTS|FTS){SEPARATOR})".encode(), re.MULTILINE)
_OTHER_MARK = re.compile(rf"\n(?:MSH|FHS|BHS|BTS|FTS)(?!\|){SEPARATOR}".encode())
_MESSAGE = re.compile(rf"^(?=MSH{SEPARATOR})".encode(), re.MULTILINE)
_FRAME = re.compile(rf"\x0b(?=(?:MSH|FHS|BHS){SEPARATOR})".encode())
_SEPARATOR = re.compile(SEPARATOR.encode())

MARKS = {"sep": "|", "comp": "^", "rep": "~", "esc": "\\", "sub": "&"}
"""The standard's recommended delimiters, used for what an MSH leaves out."""

_CODECS = {
    "ascii": "ascii",
    "isoir6": "ascii",
    "8859": "iso8859_1",
    **{f"8859{n}": f"iso8859_{n}" for n in (*range(1, 10), 15)},
    **{f"iso8859{n}": f"iso8859_{n}" for n in (*range(1, 10), 15)},
    "unicode": "utf-8",
    "utf8": "utf-8",
    "unicodeutf8": "utf-8",
    "gb180302000": "gb18030",
    "big5": "big5",
    "ksx1001": "euc_kr",
    "isoir14": "iso2022_jp",
    "isoir87": "iso2022_jp",
    "isoir159": "iso2022_jp_2",
}
"""HL7 table 0211, folded to letters and digits -> Python's codec."""

WESTERN = "iso8859_1"

SHIFTED = frozenset({"gb18030", "big5", "euc_kr", "iso2022_jp", "iso2022_jp_2"})
"""Character sets whose bytes may look like UTF-8 by chance: what declares one is tried as that."""


@dataclass(frozen=True)
class Messages:
    """A file of messages as clean text.

    ``path`` holds it, a segment a line; ``spans`` cut it between messages; ``rows`` counts its
    OBX, its messages without one, and its lines that are no segment; ``cut`` are the lines of the
    MSH whose MLLP frame is not closed; ``open_line`` is the last line where nothing closes it, else
    0; ``notes`` say what was found of character sets.
    """

    path: Path
    spans: tuple[Span, ...]
    rows: int
    cut: frozenset[int]
    open_line: int
    notes: tuple[str, ...]


@dataclass
class _Tally:
    """What is counted while the bytes are walked."""

    line: int = 0
    rows: int = 0
    messages: int = 0
    cut: set[int] = field(default_factory=set)
    charsets: Counter[str] = field(default_factory=Counter)


def messages(opened: Opened) -> Messages:
    """Write the file's clean text into its scratch folder.

    Raises:
        UnreadableError: an empty file, one without any MSH, or a message beyond
            :data:`MAX_MESSAGE`.
    """
    target, tally, spans, written = opened.scratch / "messages.txt", _Tally(), [], 0
    last = b"\n"
    with opened.path.open("rb") as stream, target.open("wb") as out:
        for chunk in _chunks(_unicode(stream)):
            before = tally.line
            clean = _clean(chunk, tally)
            last = chunk[-1:]
            out.write(clean)
            spans.append(Span(before, written, len(clean)))
            written += len(clean)
    if not tally.messages:
        raise UnreadableError("format_unknown", "no segment MSH: these are not HL7 v2 messages")
    is_open = last not in {b"\r", b"\n", b"\x1c"}
    notes = tuple(f"{n} messages {said}" for said, n in sorted(tally.charsets.items()))
    cut = frozenset(tally.cut)
    return Messages(target, tuple(spans), tally.rows, cut, tally.line if is_open else 0, notes)


# ---------------------------------------------------------------- bytes


def _unicode(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of the file; UTF-16 as UTF-8, without a byte order mark."""
    head = stream.read(BLOCK)
    if not head.strip(b"\x00\r\n\t "):
        raise UnreadableError("file_empty")
    wide = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"M\0": "utf-16-le"}
    encoding = wide.get(head[:2], "utf-16-be" if head[:2] == b"\0M" else None)
    blocks = chain([head.removeprefix(codecs.BOM_UTF8)], iter(lambda: stream.read(BLOCK), b""))
    if encoding is None:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        for block in blocks:
            yield decoder.decode(block).removeprefix("\ufeff").encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise UnreadableError("encoding", "begins like UTF-16 and is not") from None


def _chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes cut between messages."""
    rest = b""
    for block in blocks:
        rest += block
        if at := _last_message(rest):
            yield rest[:at]
            rest = rest[at:]
        if len(rest) > MAX_MESSAGE:
            raise UnreadableError("message_too_long", f"more than {MAX_MESSAGE >> 20} MB")
    if rest:
        yield rest


def _last_message(rest: bytes) -> int:
    """Where the last message begins; 0 when no second one does."""
    at = len(rest)
    while (at := rest.rfind(b"MSH", 1, at)) > 0:
        if rest[at - 1] in b"\r\n\x0b" and _SEPARATOR.match(rest, at + 3):
            return at - (rest[at - 1] == 0x0B)
    return 0


def _clean(chunk: bytes, tally: _Tally) -> bytes:
    """A chunk of whole messages as UTF-8, a segment a line; counts go to ``tally``."""
    clean = b"".join(_unframed(chunk, tally))
    clean = clean if clean.isascii() else _recoded(clean, tally.charsets)
    rows, found = _counted(clean)
    tally.rows, tally.messages = tally.rows + rows, tally.messages + found
    return clean


def _unframed(chunk: bytes, tally: _Tally) -> Iterator[bytes]:
    """The chunk's MLLP frames, or the chunk where it has none, each ending with a line end."""
    frames = _FRAME.split(chunk) if b"\x0b" in chunk else [chunk]
    for number, frame in enumerate(frames):
        if number and b"\x1c" not in frame:
            tally.cut.add(tally.line + 1)
        plain = _with_line_ends(frame)
        if plain and not plain.endswith(b"\n"):
            plain += b"\n"
        tally.line += plain.count(b"\n")
        yield plain


def _with_line_ends(frame: bytes) -> bytes:
    """LF for every line end. Two bytes are dear to look for, so one of them is looked for first."""
    if b"\x1c" in frame:
        frame = frame.replace(b"\x1c\r", b"\n").replace(b"\x1c", b"\n")
    if b"\n" in frame:
        frame = frame.replace(b"\r\n", b"\n")
    return frame.replace(b"\r", b"\n")


def _counted(clean: bytes) -> tuple[int, int]:
    """Rows, which are OBX, messages without one, and lines that are no segment of their message;
    and messages."""
    lines = b"\n" + clean
    if not _OTHER_MARK.search(lines):
        return _counted_under(b"|", lines)
    parts = _BOUNDARY.split(clean)
    counts = [_counted_under(_mark_of(part), b"\n" + part) for part in parts]
    return sum(rows for rows, _ in counts), sum(messages for _, messages in counts)


def _mark_of(part: bytes) -> bytes:
    return part[3:4] if _BOUNDARY.match(part) else b"|"


def _counted_under(mark: bytes, lines: bytes) -> tuple[int, int]:
    """The same of text under one field separator."""
    named, other = _line_patterns(mark)
    names = b"".join(named.findall(lines))
    messages = names.count(b"MSH")
    bare = messages - names.count(b"MSHOBX")
    return names.count(b"OBX") + bare + len(other.findall(lines)), messages


@cache
def _line_patterns(mark: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """The names of heads and OBX under a field separator, and what is no segment; each with the
    line end before it, because ``^`` is tried at every character."""
    end = rb"(?=" + re.escape(mark) + rb"|\n|\Z)"
    named = rb"\n(OBX" + end + rb"|(?:MSH|FHS|BHS|BTS|FTS)(?=" + re.escape(mark) + rb"))"
    other = rb"\n(?![A-Z][A-Z0-9]{2}" + end + rb")[ \t]*[^ \t\n]"
    return re.compile(named), re.compile(other)


def _recoded(clean: bytes, charsets: Counter[str]) -> bytes:
    """Every message in UTF-8, by what it declares and by what it is."""
    return b"".join(
        part if part.isascii() else _decoded(part, charsets).encode()
        for part in _MESSAGE.split(clean)
    )


def _decoded(message: bytes, charsets: Counter[str]) -> str:
    """A message's text. UTF-8 that is not ASCII is hardly ever anything else, so it is believed
    before an 8-bit set that was declared; Latin-1 is what remains."""
    declared = _declared(message)
    codec = _CODECS.get(re.sub(r"[^a-z0-9]", "", declared.lower()))
    for tried in (codec, "utf-8") if codec in SHIFTED else ("utf-8", codec):
        text = _western(message) if tried == WESTERN else _tried(message, tried)
        if text is not None:
            if tried != codec:
                charsets[_said(declared, codec, "UTF-8")] += 1
            return text
    charsets[_said(declared, codec, "Latin-1")] += 1
    return _western(message)


def _declared(message: bytes) -> str:
    fields = message.split(b"\n", 1)[0].split(message[3:4] or b"|")
    return fields[17].split(b"~")[0].decode("ascii", "replace").strip() if len(fields) > 17 else ""


def _tried(message: bytes, codec: str | None) -> str | None:
    try:
        return message.decode(codec) if codec else None
    except UnicodeDecodeError:
        return None


def _western(message: bytes) -> str:
    """Text of Latin-1, whose bytes 80 to 9F nobody means: they are the dashes of Windows-1252."""
    text = _tried(message, "cp1252")
    return message.decode("iso8859_1") if text is None else text


def _said(declared: str, codec: str | None, used: str) -> str:
    if not declared:
        return f"declare no character set (MSH-18): read as {used}"
    name = codec if codec else "a character set that is not known"
    return f"declare {name} (MSH-18) and are not: read as {used}"


# ---------------------------------------------------------------- text


def marks(heads: pl.DataFrame) -> pl.DataFrame:
    """``heads`` (``text`` of MSH segments) with their delimiters; ``f``, the fields, so that
    MSH-n is item n - 1."""
    split = heads.with_columns(sep=pl.col("text").str.slice(3, 1)).with_columns(
        f=pl.col("text").str.split(pl.col("sep"))
    )
    stated = split.with_columns(stated=raw(1).str.head(4).fill_null(""))
    return per_value(stated, ("stated",), tuple(MARKS)[1:], _marks_of).drop("stated")


def _marks_of(stated: pl.DataFrame) -> pl.DataFrame:
    """The marks that MSH-2 states: a sign that stands twice is the mark of its first place."""
    given = pl.col("stated")
    listed = [given.str.slice(i, 1) for i in range(4)]
    named = zip(("comp", "rep", "esc", "sub"), listed, strict=True)
    return stated.with_columns(
        pl.when((mark != "") & ~_among(mark, listed[:i]))
        .then(mark)
        .otherwise(pl.lit(MARKS[name]))
        .alias(name)
        for i, (name, mark) in enumerate(named)
    )


def _among(mark: pl.Expr, others: list[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(mark == other for other in others) if others else pl.lit(value=False)


BLANK = ("", '""')


def filled(text: pl.Expr) -> pl.Expr:
    """The stripped text; null where it is blank or HL7's explicit null, two quotes.

    This, and what is made of it, is computed for each of its uses unless the frame is lazy.
    """
    stripped = text.str.strip_chars()
    return pl.when(~stripped.is_in(BLANK)).then(stripped)


@cache
def item(name: str, number: int) -> pl.Expr:
    """Item ``number``, 0-based, of the lists in column ``name``; null where it is blank."""
    return filled(pl.col(name).list.get(number, null_on_oob=True))


def raw(number: int) -> pl.Expr:
    """Field ``number`` as it came: for :func:`per_value`, which cleans each value once."""
    return pl.col("f").list.get(number, null_on_oob=True)


def at(number: int) -> pl.Expr:
    """Field ``number`` of a segment whose fields are ``f`` (of MSH: its number less one)."""
    return item("f", number)


def piece(text: pl.Expr, number: int, mark: str = "comp") -> pl.Expr:
    """Component (or what ``mark`` divides) ``number``, 0-based."""
    return filled(text.str.split(pl.col(mark)).list.get(number, null_on_oob=True))


_MOMENT = (
    r"^[0-9]{8}(?:[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.?[0-9]{2}|\.[0-9]{1,4})?)?)?)?"
    r"(?:[+-](?:(?:0[0-9]|1[0-3])[0-5][0-9]|1400))?$"
)


FEW = 100
"""Rows of which the distinct values are not looked for: that would cost more than it saves."""


def per_value(
    rows: pl.DataFrame,
    columns: Sequence[str],
    new: Sequence[str],
    made: Callable[[pl.DataFrame], pl.DataFrame],
) -> pl.DataFrame:
    """``rows`` with text columns ``new`` that ``made`` adds to the distinct values of ``columns``
    (and of the marks, where the rows have these): few values, many rows. Null where all of
    ``columns`` are."""
    if all(rows[name].null_count() == rows.height for name in columns):
        return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in new)
    used = [*columns, *(mark for mark in MARKS if mark in rows.columns)]
    if rows.height < FEW:
        return rows.hstack(made(rows[used])[list(new)])
    varied = rows.select(pl.col(name).ne_missing(pl.col(name).first()).any() for name in used)
    keys = [name for name, (varies,) in varied.to_dict().items() if varies] or used[:1]
    found = made(rows[used].unique(keys))[[*keys, *new]]
    return rows.join(found, on=keys, how="left", nulls_equal=True, maintain_order="left")


_TO_ISO = (
    (r"^(\d{14})(\d\d)($|[+-])", "$1.$2$3"),
    (r"^(\d{8})[+-]\d{4}$", "$1"),
    (r"^(\d{10})([+-]\d{4})?$", "${1}00$2"),
    (r"^(\d{4})(\d\d)(\d\d)", "$1-$2-$3"),
    (r"^(.{10})(\d\d)(\d\d)", "${1}T$2:$3"),
    (r"^(.{16})(\d\d)", "$1:$2"),
    (r"([+-]\d\d)(\d\d)$", "$1:$2"),
)
"""A moment of HL7 step by step: hundredths have their point (which some laboratories leave out), a
day has no offset, an hour has minutes, then the marks of ISO."""


def timed(frame: pl.DataFrame, names: Iterable[str], offset: str = "") -> pl.DataFrame:
    """``frame`` with HL7 times in ISO 8601's order, as exact as they were; other text as it came.

    Args:
        frame: with the marks of each row.
        names: its columns of type TS or DTM; ``^D`` after a time (TS.2) makes it a day.
        offset: the column of what a time of day without an offset is taken to have (MSH-7's).

    >>> row = pl.DataFrame({"t": ["202401020830-0500"], "comp": "^"})
    >>> timed(row, ["t"])["t"].item()
    '2024-01-02T08:30-05:00'
    """
    zone = pl.col(offset) if offset else pl.lit("")
    for name in names:
        columns = [name, offset] if offset else [name]
        iso = per_value(frame, columns, ("iso",), partial(_with_iso, name=name, zone=zone))
        frame = iso.with_columns(pl.col("iso").alias(name)).drop("iso")
    return frame


def _with_iso(stated: pl.DataFrame, name: str, zone: pl.Expr) -> pl.DataFrame:
    pieces = stated.with_columns(pieces=pl.col(name).str.split(pl.col("comp")))
    is_day = (item("pieces", 1) == "D").fill_null(value=False)
    text, bare = pl.col("text"), item("pieces", 0)
    is_bare = text.str.contains(r"^\d{10}[^+-]*$")
    iso = pl.when(is_bare).then(text + zone.fill_null("")).otherwise(text)
    for pattern, written in _TO_ISO:
        iso = iso.str.replace(pattern, written)
    return pieces.with_columns(
        text=pl.when(is_day).then(bare.str.head(8)).otherwise(bare)
    ).with_columns(iso=pl.when(text.str.contains(_MOMENT)).then(iso).otherwise(text))


def unescaped(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """``frame`` with the escapes in text ``columns`` resolved by each row's own marks."""
    for name in columns:
        has = frame.select(pl.col(name).str.contains(pl.col("esc"), literal=True)).to_series()
        if has.any():
            frame = _unescaped(frame, name, has.fill_null(value=False))
    return frame


def _unescaped(frame: pl.DataFrame, name: str, has: pl.Series) -> pl.DataFrame:
    """Between escape marks every second piece is an escape, if a mark closes it."""
    numbered = frame.with_row_index("row")
    parts = (
        numbered.filter(has)
        .select("row", *MARKS, part=pl.col(name).str.split(pl.col("esc")))
        .with_columns(at=pl.int_ranges(pl.col("part").list.len()), n=pl.col("part").list.len())
        .explode("part", "at")
    )
    is_code = (pl.col("at") % 2 == 1) & (pl.col("at") < pl.col("n") - 1)
    words = {code: _meaning(code) for code in parts.filter(is_code)["part"].unique()}
    known = {code: word for code, word in words.items() if word is not None}
    as_came = pl.concat_str("esc", "part", "esc")
    mark = pl.coalesce(
        pl.when(pl.col("part") == letter).then(name)
        for letter, name in zip("FSRET", ("sep", "comp", "rep", "esc", "sub"), strict=True)
    )
    meant = pl.col("part").replace_strict(known, default=None, return_dtype=pl.String)
    open_mark = pl.when((pl.col("at") % 2 == 1) & ~is_code).then("esc").otherwise(pl.lit(""))
    text = (
        pl.when(is_code)
        .then(pl.coalesce(mark, meant, as_came))
        .otherwise(open_mark + pl.col("part"))
    )
    joined = (
        parts.with_columns(part=text)
        .group_by("row", maintain_order=True)
        .agg(pl.col("part").str.join("").alias(name))
    )
    plain = numbered.with_columns(pl.when(~has).then(name).alias(name))
    return plain.update(joined, on="row").drop("row")


def _meaning(code: str) -> str | None:
    r"""What stands for an escape: a line end for ``.br`` and its like, nothing for highlighting
    and layout, characters for ``X0D``; None for what is not known and stays as it came."""
    if re.fullmatch(r"\.(?:br|ce|sp\s*\+?\d*)", code):
        return "\n"
    if re.fullmatch(r"[HN]|\.(?:in|ti|sk|fi|nf)\s*[+-]?\d*", code):
        return ""
    if not re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", code):
        return None
    raw = bytes.fromhex(code[1:])
    text = _tried(raw, "utf-8")
    return (raw.decode("iso8859_1") if text is None else text).replace("\r", "\n")
