"""MLLP: messages out of a stream of bytes, and the answer to each. No socket, file or clock here.

A frame is ``<VT> message <FS><CR>`` (HL7 Minimal Lower Layer Protocol, release 1). Senders differ,
so an end block may also close with LF, or with the next frame's start; a start block counts inside
a frame only where a message follows it, because VT is also what a word processor pastes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

START = b"\x0b"
END = b"\x1c\r"
HEADS = (b"MSH", b"FHS", b"BHS")
MOST_HEAD = 8192
"""Bytes of a first segment: real ones have a few hundred, and it is echoed in the answer."""

_PUNCTUATION = rb"[!-/:-@\[-`{-~]"
_MARK = re.compile(rb"\x1c(?:[\r\n]|(?=\x0b))|\x0b(?=(?:MSH|FHS|BHS)" + _PUNCTUATION + rb")")
_HEAD = re.compile(rb"(?:MSH|FHS|BHS)" + _PUNCTUATION)
_WHOLE = re.compile(rb"\x0b[^\x1c]*(?:\x1c(?!\r)[^\x1c]*)*\x1c\r")

_CONTROLS = bytes(range(32))
"""Never echoed: they could end the answer's own segment or frame."""

Problem = Literal["", "too_long", "cut"]
Said = Literal["accept", "error", "reject"]


@dataclass(frozen=True, slots=True)
class Received:
    """One frame's content, and what was wrong with the frame; of one that is too long, its head."""

    content: bytes
    problem: Problem = ""


class Frames:
    """Frames out of blocks of bytes, however these are cut.

    ``skipped`` counts the bytes, white space aside, that stood outside of any frame.
    """

    def __init__(self, most: int) -> None:
        """``most``: bytes of a message that are held; of a longer one only the head is kept."""
        self.skipped = 0
        self.is_open = False
        self._most, self._buffer, self._scanned = most, bytearray(), 0
        self._is_long = False

    @property
    def held(self) -> int:
        """Bytes held of a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, block: bytes) -> list[Received]:
        """The frames that are whole with this block."""
        self._buffer += block
        found: list[Received] = []
        while self.is_open or self._opened():
            mark = _MARK.search(self._buffer, self._scanned)
            if mark is None:
                self._wait()
                break
            found.append(self._closed(mark))
        return found

    def _opened(self) -> bool:
        """Whether a frame begins; what stands before it is dropped."""
        at = self._buffer.find(START)
        before = len(self._buffer) if at < 0 else at
        self.skipped += len(bytes(self._buffer[:before]).strip())
        del self._buffer[: before + 1]
        self.is_open, self._scanned = at >= 0, 0
        return self.is_open

    def _closed(self, mark: re.Match[bytes]) -> Received:
        is_cut = mark[0] == START
        is_long = self._is_long or mark.start() > self._most
        end = min(mark.start(), MOST_HEAD) if is_long else mark.start()
        content = bytes(self._buffer[:end])
        del self._buffer[: mark.end()]
        self.is_open, self._is_long, self._scanned = is_cut, False, 0
        return Received(content, "cut" if is_cut else "too_long" if is_long else "")

    def _wait(self) -> None:
        """A mark may be cut by the block's end, hence the last bytes are looked at again."""
        if self._is_long or len(self._buffer) > self._most + 4:
            self._is_long = True
            del self._buffer[MOST_HEAD : max(MOST_HEAD, len(self._buffer) - 4)]
        self._scanned = max(0, len(self._buffer) - 4)


def frame(content: bytes) -> bytes:
    """A message as it is sent and stored."""
    return START + content + END


def whole(stored: bytes) -> int:
    """How many leading bytes of ``stored`` are whole frames."""
    end = 0
    while found := _WHOLE.match(stored, end):
        end = found.end()
    return end


@dataclass(frozen=True, slots=True)
class Head:
    """What the first segment of a message says that its answer needs; bytes as they came."""

    separator: bytes
    fields: tuple[bytes, ...]

    def at(self, number: int) -> bytes:
        """Field ``number`` of the first segment (MSH-2 is the marks), empty where absent."""
        return self.fields[number - 1] if number <= len(self.fields) else b""

    @property
    def control_id(self) -> bytes:
        """MSH-10; of a batch FHS-11 or BHS-11."""
        return self.at(10 if self.fields[0] == HEADS[0] else 11)


def head_of(content: bytes) -> Head | None:
    """The head of a message; None where it does not begin with a segment that heads one."""
    start = content.lstrip(b"\r\n \t")[: MOST_HEAD + 1]
    first = re.split(rb"[\r\n]", start, maxsplit=1)[0]
    if not _HEAD.match(first) or len(first) > MOST_HEAD:
        return None
    separator = first[3:4]
    return Head(separator, tuple(first.translate(None, _CONTROLS).split(separator)))


_ORIGINAL: dict[Said, bytes] = {"accept": b"AA", "error": b"AE", "reject": b"AR"}
_COMMIT: dict[Said, bytes] = {"accept": b"CA", "error": b"CE", "reject": b"CR"}
_WANTED: dict[Said, tuple[bytes, ...]] = {
    "accept": (b"AL", b"SU"),
    "error": (b"AL", b"ER"),
    "reject": (b"AL", b"ER"),
}
"""Table 0155: of what a sender wants to be told."""


def code_of(head: Head | None, said: Said) -> bytes:
    """The code of the answer (table 0008); empty where the sender wants none.

    A sender that fills MSH-15 or MSH-16 is in enhanced mode: it gets the accept acknowledgement it
    asks for, else the application's where it asks only for that. Never both: what becomes of the
    message is known after the night, and a second answer on one line would be taken for the
    next message's.
    """
    if head is None or head.fields[0] != HEADS[0] or not (head.at(15) or head.at(16)):
        return _ORIGINAL[said]
    for asked, codes in ((head.at(15), _COMMIT), (head.at(16), _ORIGINAL)):
        if asked.upper() in _WANTED[said]:
            return codes[said]
    return b""


def answer(head: Head | None, code: bytes, text: str, number: str, sent: str) -> bytes:
    """An ACK in its frame, in the sender's own marks, to the sender's own name.

    Args:
        head: of the message answered; None where it could not be read.
        code: AA, AE, AR, CA, CE or CR.
        text: a fixed sentence, or empty; never of the message.
        number: the answer's own control id.
        sent: its time, as HL7 writes it.
    """
    head = head or Head(b"|", (b"MSH", rb"^~\&"))
    is_message = head.fields[0] == HEADS[0]
    marks = head.at(2) or rb"^~\&"
    kind = head.at(9).split(marks[:1]) if is_message else []
    parts = (b"ACK", *kind[1:2], *([b"ACK"] if len(kind) > 2 else []))
    msh = (
        b"MSH", marks, head.at(5), head.at(6), head.at(3), head.at(4), sent.encode(), b"",
        marks[:1].join(parts), number.encode(), (is_message and head.at(11)) or b"P",
        (is_message and head.at(12)) or b"2.5.1",
    )  # fmt: skip
    msa = (b"MSA", code, head.control_id, *([text.encode()] if text else []))
    return frame(b"".join(head.separator.join(parts) + b"\r" for parts in (msh, msa)))
