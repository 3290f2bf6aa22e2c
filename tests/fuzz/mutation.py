"""A plain mutator: the same number gives the same change, on every machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

MOST_BYTES = 3_000_000
HUGE = (5_000, 70_000, 1_000_001)
"""Lengths of a token: the last is longer than any line may be."""
DEEP = (50, 600, 20_000)
TOKENS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        *("", " ", "0", "-0", "-1", "NaN", "null", "true", "inf", "1e999", "1e-999", "9" * 400),
        *("0x10", "1_000", "1,5", "1.234,5", "<1", ">=", "--", "+5", ".", "12.", "²", "١٢٣"),
        *('"', '""', '"a', 'a"b', "'", "\\", "\\u0000", "\\ud800", "\\udc00\\ud800", "\ud800"),
        *("\ufeff", "\u2028", "\x85", "\x0b", "\x1c", "\x1e", "\r", "\n", "\t", "\x00", "\x7f"),
        *("0000-00-00", "0001-01-01", "9999-12-31T23:59:59Z", "2024-02-30", "2024-13-01"),
        *("2024-03-31T02:30:00", "2024-10-27 02:30", "24:00:00", "2024-03-01T10:00:00+99:99"),
        *("-2208988800000", "9223372036854775807", "18446744073709551616", "1e30"),
        *("|", "^", "~", "&", ";", "{}", "[]", "{", "]", "}{", ",,", "</a>", "<![CDATA[", "&x;"),
        *("PK\x03\x04", "MSH|", "OBX|", "\x0b", "\x1c\r", "__proto__", "#file", "$where"),
    )
) + (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xff\xfe", b"\x1f\x8b")
ENCODINGS = (
    "utf-8-sig",
    "utf-16",
    "utf-16-be",
    "utf-16-le",
    "utf-32",
    "latin-1",
    "cp037",
    "cp1252",
)
ENDS = (b"\r\n", b"\r", b"\n\r", b"\n\n", b"\r\r\n", b"\xe2\x80\xa8", b"\x0b", b"\x00", b"")
PAIRS = ((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"(", b")"), (b'"', b'"'))
_WORD = re.compile(rb"[\w.+:-]+")

Change = Callable[[bytes, Sequence[bytes], Random], bytes]


def mutated(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """``content`` after one to four changes; ``others`` are what pieces may come from."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        content = random.choice(CHANGES)(content, others, random)[:MOST_BYTES]
    return content


def _flipped(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    bits = bytearray(content or b"\0")
    for _flip in range(random.choice((1, 1, 3, 20))):
        bits[random.randrange(len(bits))] ^= 1 << random.randrange(8)
    return bytes(bits)


def _cut(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    return random.choice((content[:start], content[end:], content[:start] + content[end:]))


def _spliced(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others)
    start, end = _span(other, random)
    at = random.randint(0, len(content))
    return content[:at] + other[start:end] + content[random.choice((at, len(content))) :]


def _repeated(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    times = random.choice((2, 2, 3, 50, 1000))
    return content[:start] + content[start:end] * times + content[end:]


def _lines(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """A line taken out, said again, or put elsewhere."""
    lines = content.splitlines(keepends=True)
    line = lines.pop(random.randrange(len(lines))) if lines else b"\n"
    for _again in range(random.randint(0, 2)):
        lines.insert(random.randint(0, len(lines)), line)
    return b"".join(lines)


def _told(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """A word replaced by a strange one, or by another of the same file."""
    words = list(_WORD.finditer(content))
    if not words:
        return random.choice(TOKENS)
    word = random.choice(words)
    new = random.choice((*TOKENS, random.choice(words).group()))
    return content[: word.start()] + new + content[word.end() :]


def _told_everywhere(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    words = _WORD.findall(content)
    return content.replace(random.choice(words), random.choice(TOKENS)) if words else content


def _inserted(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    at = random.choice((0, len(content), random.randint(0, len(content))))
    return content[:at] + random.choice(TOKENS) + content[at:]


def _swollen(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(content))
    unit = random.choice((b"9", b"A", b'"', b" ", b",", b"\\", b"\n", b"\xff", "é".encode()))
    return content[:at] + unit * random.choice(HUGE) + content[at:]


def _nested(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    opening, closing = random.choice(PAIRS)
    depth = random.choice(DEEP)
    after = random.choice((closing * depth, b""))
    return content[:start] + opening * depth + content[start:end] + after + content[end:]


def _encoded(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return content.decode("utf-8", "replace").encode(random.choice(ENCODINGS), "replace")


def _ended(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Other line ends, all or one of them; or none at the end."""
    end = random.choice(ENDS)
    return random.choice(
        (
            content.rstrip(b"\r\n"),
            content.replace(b"\r\n", b"\n").replace(b"\n", end),
            content.replace(b"\n", end, 1),
            content + end,
        )
    )


CHANGES: tuple[Change, ...] = (
    *(_flipped, _cut, _spliced, _repeated, _lines, _told, _told, _told, _told_everywhere),
    *(_inserted, _swollen, _nested, _encoded, _ended),
)


def _span(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(content))
    return start, random.randint(start, min(len(content), start + random.choice((8, 200, 10**6))))
