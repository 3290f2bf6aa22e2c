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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import polars as pl

from transforms.landing import REJECTS, Opened, UnreadableError
from transforms.text import Span

BLOCK = 8 << 20
MAX_MESSAGE = 32 << 20
"""Bytes. A longer message is refused: it would have to be held in memory as a whole."""

SEPARATOR = r"[!-/:-@\[-`{-~]"
"""What may divide fields: ASCII punctuation."""
BOUNDARY = rf"^(?:MSH|FHS|BHS|BTS|FTS){SEPARATOR}"
_BOUNDARY = re.compile(rf"^(?=(?:MSH|FHS|BHS|BTS|FTS){SEPARATOR})".encode(), re.MULTILINE)
_MARK = re.compile(rf"\n(?:MSH|FHS|BHS|BTS|FTS)({SEPARATOR})".encode())
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
    for number, frame in enumerate(_FRAME.split(chunk)):
        if number and b"\x1c" not in frame:
            tally.cut.add(tally.line + 1)
        plain = frame.replace(b"\x1c\r", b"\n").replace(b"\x1c", b"\n")
        plain = plain.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if plain and not plain.endswith(b"\n"):
            plain += b"\n"
        tally.line += plain.count(b"\n")
        yield plain


def _counted(clean: bytes) -> tuple[int, int]:
    """Rows, which are OBX, messages without one, and lines that are no segment of their message;
    and messages."""
    found = set(_MARK.findall(b"\n" + clean))
    parts = [clean] if found == {b"|"} else _BOUNDARY.split(clean)
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
    fields = message.split(b"\n", 1)[0].split(message[3:4])
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


# ---------------------------------------------------------------- batches


def batch_rejects(segments: pl.DataFrame) -> pl.DataFrame:
    """Rejects of batch segments (``line``, ``kind``, ``sep``, ``text``, with the MSH between them):
    BTS and FTS whose count is not what came, BHS and FHS that are never closed."""
    count, opened, wrong = {"BTS": 0, "FTS": 0}, {"BTS": 0, "FTS": 0}, []
    closer = {"BHS": "BTS", "FHS": "FTS"}
    for line, kind, mark, text in segments.sort("line").iter_rows():
        if kind == "MSH":
            count["BTS"] += 1
        elif kind in closer:
            wrong += _unclosed(opened, ("BTS",) if kind == "BHS" else ("BTS", "FTS"))
            opened[closer[kind]], count[closer[kind]] = line, 0
        else:
            if kind == "FTS":
                wrong += _unclosed(opened, ("BTS",))
            stated = text.split(mark)[1].strip() if mark in text else ""
            found = count[kind] or (kind == "FTS" and count["BTS"] > 0)
            if stated.isdecimal() and int(stated[:18]) != found:
                wrong.append((line, f"batch_count_wrong:{stated[:18]} stated, {int(found)} found"))
            opened[kind], count["FTS"] = 0, count["FTS"] + (kind == "BTS")
            count[kind] = 0
    wrong += _unclosed(opened, ("BTS", "FTS"))
    rows = [(line, reason, None) for line, reason in sorted(wrong)]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def _unclosed(opened: dict[str, int], kinds: Sequence[str]) -> list[tuple[int, str]]:
    found = [(opened[kind], f"batch_count_wrong:no {kind}") for kind in kinds if opened[kind]]
    opened.update(dict.fromkeys(kinds, 0))
    return found


# ---------------------------------------------------------------- text


def marks(heads: pl.DataFrame) -> pl.DataFrame:
    """``heads`` (``text`` of MSH segments) with their delimiters; ``f``, the fields, so that
    MSH-n is item n - 1."""
    sep = pl.col("text").str.slice(3, 1)
    given = pl.col("f").list.get(1, null_on_oob=True).fill_null("")
    listed = [given.str.slice(i, 1) for i in range(4)]
    named = zip(("comp", "rep", "esc", "sub"), listed, strict=True)
    return (
        heads.with_columns(sep=sep)
        .with_columns(f=pl.col("text").str.split(pl.col("sep")))
        .with_columns(
            **{
                name: pl.when((mark != "") & ~_among(mark, listed[:i]))
                .then(mark)
                .otherwise(pl.lit(MARKS[name]))
                for i, (name, mark) in enumerate(named)
            }
        )
    )


def _among(mark: pl.Expr, others: list[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(mark == other for other in others) if others else pl.lit(value=False)


def filled(text: pl.Expr) -> pl.Expr:
    """The stripped text; null where it is blank or HL7's explicit null, two quotes.

    This, and what is made of it, is computed for each of its uses unless the frame is lazy.
    """
    stripped = text.str.strip_chars()
    return pl.when((stripped != "") & (stripped != '""')).then(stripped)


def at(number: int) -> pl.Expr:
    """Field ``number`` of a segment whose fields are ``f`` (of MSH: its number less one)."""
    return filled(pl.col("f").list.get(number, null_on_oob=True))


def piece(text: pl.Expr, number: int, mark: str = "comp") -> pl.Expr:
    """Component (or what ``mark`` divides) ``number``, 0-based."""
    return filled(text.str.split(pl.col(mark)).list.get(number, null_on_oob=True))


EMPTY = pl.lit("")
_MOMENT = (
    r"^[0-9]{8}(?:[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,4})?)?)?)?"
    r"(?:[+-](?:(?:0[0-9]|1[0-3])[0-5][0-9]|1400))?$"
)


def timed(frame: pl.DataFrame, names: Iterable[str], offset: str = "") -> pl.DataFrame:
    """``frame`` with HL7 times in ISO 8601's order, as exact as they were; other text as it came.

    Step by step, because one expression would take the same text apart for each of its uses.

    Args:
        frame: with the marks of each row.
        names: its columns of type TS or DTM; ``^D`` after a time (TS.2) makes it a day.
        offset: the column of what a time of day without an offset is taken to have (MSH-7's).

    >>> row = pl.DataFrame({"t": ["202401020830-0500"], "comp": "^"})
    >>> timed(row, ["t"])["t"].item()
    '2024-01-02T08:30-05:00'
    """
    for name in names:
        steps = frame.lazy().select(
            bare=piece(pl.col(name), 0),
            is_day=(piece(pl.col(name), 1) == "D").fill_null(value=False),
            zone=pl.col(offset) if offset else pl.lit(None, pl.String),
        )
        frame = frame.with_columns(_iso(steps.collect()).alias(name))
    return frame


def _iso(steps: pl.DataFrame) -> pl.Series:
    text, stem, zone = pl.col("text"), pl.col("stem"), pl.col("zone")
    whole = pl.when("is_day").then(pl.col("bare").str.head(8)).otherwise("bare")
    n = pl.col("n")
    clock = pl.concat_str(
        pl.lit("T"),
        stem.str.slice(8, 2),
        pl.lit(":"),
        pl.when(n > 10).then(stem.str.slice(10, 2)).otherwise(pl.lit("00")),
        pl.when(n > 12).then(pl.lit(":") + stem.str.slice(12)).otherwise(EMPTY),
        (zone.str.slice(0, 3) + ":" + zone.str.slice(3)).fill_null(""),
    )
    date = (stem.str.slice(0, 4), stem.str.slice(4, 2), stem.str.slice(6, 2))
    parts = pl.when(n > 8).then(clock).otherwise(EMPTY)
    return (
        steps.with_columns(text=whole)
        .with_columns(is_zoned=text.str.slice(-5, 1).is_in(["+", "-"]))
        .with_columns(
            stem=pl.when("is_zoned").then(text.str.head(-5)).otherwise(text),
            zone=pl.when("is_zoned").then(text.str.tail(5)).otherwise(zone),
        )
        .with_columns(n=stem.str.len_bytes())
        .select(
            pl.when(text.str.contains(_MOMENT))
            .then(pl.concat_str(*date, separator="-") + parts)
            .otherwise(text)
        )
        .to_series()
    )


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
