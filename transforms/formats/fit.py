"""FIT files: the messages of one file as columns, read within bounds.

A FIT file is a header, then definitions and data messages, then a checksum; several such parts may
follow one another. The walk below goes over the record headers alone, and the fields that are asked
for are taken out of all messages of one layout at once. Layout of the format: Garmin's FIT
protocol (developer.garmin.com/fit/protocol). The official SDK lends the names of messages and
products and judges this module in the tests; it is not used to decode because it stops at
compressed time stamps, knows no bounds and makes a dictionary of every message.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from garmin_fit_sdk import Profile

EPOCH = 631_065_600
"""Seconds from 1970 to 1989-12-31T00:00Z, where FIT counts from."""
ABSOLUTE = 0x10000000
"""A smaller time stamp counts from when the device was switched on: no instant."""
MOST_BYTES = 64 << 20
MOST_MESSAGES = 4_000_000
MOST_LAYOUTS = 2_000
TIMESTAMP = 253

CUT = "the file ends early"
CHECKSUM = "checksum"

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

TYPES: Mapping[int, tuple[str, int]] = {
    0: ("u1", 0xFF),
    1: ("i1", 0x7F),
    2: ("u1", 0xFF),
    3: ("i2", 0x7FFF),
    4: ("u2", 0xFFFF),
    5: ("i4", 0x7FFFFFFF),
    6: ("u4", 0xFFFFFFFF),
    10: ("u1", 0),
    11: ("u2", 0),
    12: ("u4", 0),
    13: ("u1", 0xFF),
}
"""Base type's number -> NumPy type and the value that means none. Strings, floats and 64-bit
numbers are in no field that is read here."""
STRING = 7
_SMALL_FILE = 12
_BLOCK = 256


class NoFitError(Exception):
    """The bytes do not begin as a FIT file does."""


@dataclass(frozen=True)
class Layout:
    """One definition: which message, which fields lie where in it, in which byte order."""

    number: int
    order: str
    fields: bytes

    def place(self, wanted: int) -> tuple[int, int, int] | None:
        """Offset, size and base type of field ``wanted``, or None."""
        offset = 0
        for at in range(0, len(self.fields), 3):
            identity, size, base = self.fields[at : at + 3]
            if identity == wanted:
                return offset, size, base & 0x1F
            offset += size
        return None


@dataclass(frozen=True)
class Messages:
    """The data messages of a file, in its order.

    ``starts``: where each one's first field lies in ``data``; ``which``: its layout;
    ``is_sure``: whether its part's checksum is right (or was cut off); ``broken``: one reason for
    each stretch that could not be read.
    """

    data: Bytes
    starts: Ints
    which: Ints
    is_sure: npt.NDArray[np.bool_]
    layouts: Sequence[Layout]
    broken: tuple[str, ...]

    def __len__(self) -> int:
        """How many messages there are."""
        return len(self.starts)

    @property
    def numbers(self) -> Ints:
        """The message number of each."""
        known = np.array([layout.number for layout in self.layouts] or [0], dtype=np.int64)
        return known[self.which]

    def has(self, number: int) -> bool:
        """Whether a message of this number is defined."""
        return any(layout.number == number for layout in self.layouts)

    def values(self, number: int, fields: Mapping[str, int]) -> pl.DataFrame:
        """``index`` and one whole-number column per field, null where there is none.

        Args:
            number: the message's number.
            fields: column -> field number. A field of several elements gives its first.
        """
        schema = {"index": pl.Int64, **dict.fromkeys(fields, pl.Int64)}
        frames = [
            pl.DataFrame({"index": at, **{n: self._column(i, at, f) for n, f in fields.items()}})
            for i, at in self._by_layout(number)
        ]
        if len(frames) == 1:
            return frames[0]
        return pl.concat([pl.DataFrame(schema=schema), *frames]).sort("index")

    def texts(self, number: int, wanted: int) -> dict[int, str]:
        """Index -> the text of a string field, for the few messages that have one."""
        found = {}
        for i, at in self._by_layout(number):
            place = self.layouts[i].place(wanted)
            if place and place[2] == STRING:
                for index in at:
                    raw = self._bytes(np.array([index]), place[0], place[1]).tobytes()
                    found[int(index)] = raw.split(b"\0")[0].decode("utf-8", "replace")
        return found

    def times(self, short: tuple[int, int], carriers: Sequence[int]) -> Ints:
        """Seconds since the FIT epoch of each message, -1 where it tells none.

        Args:
            short: message and field number of 16-bit time stamps.
            carriers: the messages whose full time stamps those go on from.
        """
        times = np.full(len(self), -1, dtype=np.int64)
        for number in set(self.numbers.tolist()):
            stated = self.values(number, {"at": TIMESTAMP}).drop_nulls()
            times[stated["index"].to_numpy()] = stated["at"].to_numpy()
        heads = self.data[self.starts - 1].astype(np.int64)
        packed = np.flatnonzero((heads & 0x80 > 0) & (times < 0))
        times[packed] = _resumed(times, packed, heads[packed] & 31, 31)
        brief = self.values(short[0], {"at": short[1]}).drop_nulls()
        index, low = brief["index"].to_numpy(), brief["at"].to_numpy()
        is_open = times[index] < 0
        known = np.where(np.isin(self.numbers, carriers), times, -1)
        times[index[is_open]] = _resumed(known, index[is_open], low[is_open], 0xFFFF)
        return times

    @cached_property
    def _grouped(self) -> list[Ints]:
        """Of each layout, where its messages stand."""
        order = np.argsort(self.which, kind="stable")
        ends = np.searchsorted(self.which[order], np.arange(1, len(self.layouts)))
        return [at.astype(np.int64) for at in np.split(order, ends)]

    def _by_layout(self, number: int) -> list[tuple[int, Ints]]:
        of = [i for i, layout in enumerate(self.layouts) if layout.number == number]
        return [(i, self._grouped[i]) for i in of if len(self._grouped[i])]

    def _column(self, which: int, at: Ints, wanted: int) -> pl.Series:
        place = self.layouts[which].place(wanted)
        kind, none = TYPES.get(place[2], ("", 0)) if place else ("", 0)
        width = int(kind[1:] or 0)
        if place is None or not width or place[1] < width or place[1] % width:
            return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(at))
        raw = self._bytes(at, place[0], width)
        found = raw.view(self.layouts[which].order + kind).ravel().astype(np.int64)
        return pl.Series(found).set(pl.Series(found == none), None)

    def _bytes(self, at: Ints, offset: int, size: int) -> Bytes:
        taken: Bytes = self.data[(self.starts[at] + offset)[:, None] + np.arange(size)]
        return taken


@dataclass
class _Walk:
    """What the walk has met so far."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    which: array[int] = field(default_factory=lambda: array("l"))
    layouts: list[Layout] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)

    def over(self, data: bytes, at: int, end: int) -> str | None:
        """Note the messages between ``at`` and ``end``; return why it stopped before, if it did.

        Local definitions begin anew with every part.
        """
        sizes, layouts = [-1] * 16, [0] * 16
        starts, which, most = self.starts, self.which, MOST_MESSAGES
        while at < end:
            head = data[at]
            if head & 0xC0 == 0x40:
                found = self._defined(data, at, end)
                if isinstance(found, str):
                    return found
                at, layouts[head & 15], sizes[head & 15] = found
                continue
            local = head >> 5 & 3 if head & 0x80 else head & 15
            size = sizes[local]
            if size < 0:
                return "a message without its definition"
            if at + 1 + size > end:
                return CUT
            if len(starts) >= most:
                return f"more than {most} messages"
            starts.append(at + 1)
            which.append(layouts[local])
            at += 1 + size
        return None

    def _defined(self, data: bytes, at: int, end: int) -> tuple[int, int, int] | str:
        """The definition at ``at``: where it ends, its layout, its messages' size."""
        if at + 6 > end:
            return CUT
        fields_end = own_end = at + 6 + 3 * data[at + 5]
        if data[at] & 0x20 and fields_end < end:
            own_end = fields_end + 1 + 3 * data[fields_end]
        if own_end > end or (data[at] & 0x20 and fields_end >= end):
            return CUT
        definition = data[at + 1 : fields_end]
        if definition not in self.known:
            if len(self.layouts) >= MOST_LAYOUTS:
                return f"more than {MOST_LAYOUTS} definitions"
            order = ">" if data[at + 2] else "<"
            number = int.from_bytes(data[at + 3 : at + 5], "big" if order == ">" else "little")
            self.known[definition] = len(self.layouts)
            self.layouts.append(Layout(number, order, definition[5:]))
        size = sum(definition[6::3]) + sum(data[fields_end + 2 : own_end : 3])
        return own_end, self.known[definition], size


def messages(data: bytes) -> Messages:
    """Every data message of a file that can be reached.

    A part that ends early or is wrong inside is read up to there; of a part whose checksum is
    wrong no message is sure.

    Raises:
        NoFitError: the bytes do not begin with a FIT header.
    """
    walk, at = _Walk(), 0
    broken: list[str] = []
    sure: list[tuple[int, bool]] = []
    while at < len(data):
        head = data[at] if len(data) >= at + 12 and data[at + 8 : at + 12] == b".FIT" else 0
        if head < _SMALL_FILE and at == 0:
            raise NoFitError
        if head < _SMALL_FILE:
            broken.append("no FIT header after a part's end")
            break
        stated = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + head + stated if stated else len(data)
        before, last = len(walk.starts), min(end, len(data))
        is_cut = end + 2 > len(data)
        why = walk.over(data, at + head, last) or (CUT if is_cut else None)
        broken += [why] if why else []
        is_right = is_cut or checksum(data[at:end]) == int.from_bytes(data[end : end + 2], "little")
        sure += [(len(walk.starts) - before, is_right)]
        at = end + 2
    return Messages(
        np.frombuffer(data, dtype=np.uint8),
        np.array(walk.starts, dtype=np.int64),
        np.array(walk.which, dtype=np.int64),
        np.repeat([right for _, right in sure], [count for count, _ in sure]).astype(np.bool_),
        walk.layouts,
        tuple(broken),
    )


def message_name(number: int) -> str:
    """What the FIT profile calls a message.

    >>> message_name(55), message_name(60_000)
    ('monitoring', 'message_60000')
    """
    known: Mapping[int, Mapping[str, str]] = Profile["messages"]
    return known[number]["name"] if number in known else f"message_{number}"


def word(kind: str, number: int | None) -> str | None:
    """What the profile's type ``kind`` calls ``number``; the number itself where it has no name.

    >>> word("sport", 11), word("sport", 250), word("sport", None)
    ('walking', '250', None)
    """
    known: Mapping[Any, Any] = Profile["types"][kind]
    return None if number is None else str(known.get(number, known.get(str(number), number)))


def checksum(data: bytes) -> int:
    """The CRC-16 that closes a FIT file (polynomial 0x8005 reflected, begun with 0).

    Blocks are run side by side and joined by what 256 more bytes make of a register: the register
    of joined texts is linear in that of the first.

    >>> hex(checksum(b"123456789"))
    '0xbb3d'
    """
    table = _table()
    padded = np.frombuffer(b"\0" * (-len(data) % _BLOCK) + data, dtype=np.uint8)
    registers = np.zeros(len(padded) // _BLOCK, dtype=np.uint16)
    for column in padded.reshape(-1, _BLOCK).T.copy():
        registers = registers >> 8 ^ table[(registers ^ column) & 0xFF]
    low, high = _moved()
    total = 0
    for register in registers.tolist():
        total = low[total & 0xFF] ^ high[total >> 8] ^ register
    return total


@lru_cache(maxsize=1)
def _table() -> npt.NDArray[np.uint16]:
    table = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ 0xA001, table >> 1).astype(np.uint16)
    return table


@lru_cache(maxsize=1)
def _moved() -> tuple[list[int], list[int]]:
    """What a block of zero bytes makes of the register's low and high byte."""
    bytes_ = np.arange(256, dtype=np.uint16)
    registers = np.concatenate([bytes_, bytes_ << 8])
    for _ in range(_BLOCK):
        registers = registers >> 8 ^ _table()[registers & 0xFF]
    return registers[:256].tolist(), registers[256:].tolist()


def _resumed(known: Ints, index: Ints, low: Ints, mask: int) -> Ints:
    """Full times of the messages at ``index`` that tell but the ``low`` bits of theirs.

    Each goes on from the last time before it, known or so found, and never back.
    """
    at = np.concatenate([np.flatnonzero(known >= 0), index])
    order = np.argsort(at, kind="stable")
    full = np.concatenate([known[known >= 0], np.full(len(index), -1)])[order]
    bits = np.concatenate([known[known >= 0] & mask, low])[order]
    step = np.where(full >= 0, 0, np.diff(bits, prepend=0) & mask)
    last = np.maximum.accumulate(np.where(full >= 0, np.arange(len(full)), -1))
    gone = np.cumsum(step)
    base = np.maximum(last, 0)
    resumed = np.where(last >= 0, full[base] + gone - gone[base], -1)
    back = np.empty(len(at), dtype=np.int64)
    back[order] = resumed
    return back[len(at) - len(index) :]
