"""Write what a Garmin watch, scale or cuff writes: FIT files, and lists of the account export."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

EPOCH = datetime(1989, 12, 31)  # noqa: DTZ001
"""Where FIT counts from, UTC as all times here."""

ENUM, UINT8, SINT16, UINT16, UINT32, STRING, UINT32Z = 0x00, 0x02, 0x83, 0x84, 0x86, 0x07, 0x8C
FORMATS = {ENUM: "B", UINT8: "B", SINT16: "h", UINT16: "H", UINT32: "I", UINT32Z: "I"}

READINGS: Mapping[str, tuple[int, int, int, int]] = {
    "heart_rate": (55, 27, UINT8, 1),
    "workout_heart_rate": (20, 3, UINT8, 1),
    "resting_heart_rate": (211, 1, UINT8, 1),
    "respiratory_rate": (297, 0, SINT16, 100),
    "oxygen_saturation": (269, 0, UINT8, 1),
    "heart_rate_variability": (371, 0, UINT16, 128),
    "weight": (30, 0, UINT16, 100),
}
"""Reading -> message, field, base type, and how many of the field's units make one."""
STAGES = {"awake": 1, "light": 2, "deep": 3, "rem": 4}
SPORTS = {"running": 1, "cycling": 2, "swimming": 5, "walking": 11}
ACTIVITIES = {"running": 1, "walking": 6}

Field = tuple[int, int, int | str]
"""Field number, base type, value; a text's value is written as its bytes and a closing zero."""


@dataclass(frozen=True)
class Message:
    """One data message: its number and its fields."""

    number: int
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Device:
    """Whose file it is: maker and product by their numbers, and a serial."""

    maker: int = 1
    product: int = 2697
    serial: int = 3945849289


@dataclass(frozen=True)
class Reading:
    """One reading: a key of :data:`READINGS`, when (UTC), how much."""

    kind: str
    at: datetime
    value: float


@dataclass(frozen=True)
class Total:
    """What a counter of the day shows: walking or running, when (UTC), steps and kilocalories."""

    activity: str
    at: datetime
    steps: int
    kilocalories: int


def seconds(at: datetime) -> int:
    """Seconds since FIT's epoch."""
    return int((at - EPOCH).total_seconds())


def opening(device: Device, at: datetime, offset: timedelta) -> list[Message]:
    """The first messages of a day's file: its device, and what the wall clock shows at ``at``."""
    who = ((0, ENUM, 32), (1, UINT16, device.maker), (2, UINT16, device.product))
    local = ((253, UINT32, seconds(at)), (0, UINT32, seconds(at + offset)))
    return [Message(0, (*who, (3, UINT32Z, device.serial))), Message(103, local)]


def reading(told: Reading) -> Message:
    """One reading with its full time stamp."""
    number, place, base, scale = READINGS[told.kind]
    return Message(number, (_stamp(told.at), (place, base, round(told.value * scale))))


def total(told: Total) -> Message:
    """A counter as it stands, with its full time stamp."""
    counted = ((3, UINT32, told.steps), (19, UINT16, told.kilocalories))
    return Message(55, (_stamp(told.at), *counted, (5, ENUM, ACTIVITIES[told.activity])))


def short(at: datetime, bpm: int) -> Message:
    """A heart rate with the low 16 bits of its time alone."""
    return Message(55, ((26, UINT16, seconds(at) & 0xFFFF), (27, UINT8, bpm)))


def stage(at: datetime, name: str) -> Message:
    """A stage of sleep that begins."""
    return Message(275, (_stamp(at), (0, ENUM, STAGES[name])))


def session(start: datetime, took: timedelta, sport: str, written: datetime) -> Message:
    """A workout, written down at ``written``."""
    when = ((2, UINT32, seconds(start)), (7, UINT32, round(took.total_seconds() * 1000)))
    return Message(18, (_stamp(written), *when, (5, ENUM, SPORTS[sport])))


def fit_file(messages: Sequence[Message], order: str = "<") -> bytes:
    """One FIT file with a header of 14 bytes and its checksums.

    Args:
        messages: in their order; each new shape gets its definition, under the next of 16 local
            numbers.
        order: ``<`` or ``>``, the byte order of definitions' messages.
    """
    body, locals_ = bytearray(), list[tuple[int, tuple[tuple[int, int, int], ...]]]()
    for message in messages:
        shape = tuple((n, _size(base, value), base) for n, base, value in message.fields)
        key = (message.number, shape)
        if key not in locals_[-16:]:
            body += _definition(len(locals_) % 16, message.number, shape, order)
            locals_.append(key)
        near = max(len(locals_) - 16, 0)
        body.append((near + locals_[near:].index(key)) % 16)
        body += b"".join(_packed(base, value, order) for _, base, value in message.fields)
    return closed(bytes(body))


def closed(body: bytes) -> bytes:
    """A file of these records: header and checksums around them."""
    head = struct.pack("<BBHI4s", 14, 0x20, 21218, len(body), b".FIT")
    head += struct.pack("<H", crc(head))
    return head + body + struct.pack("<H", crc(head + body))


def crc(data: bytes) -> int:
    """FIT's CRC-16, bit by bit."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


def daily_summaries(days: Mapping[date, tuple[int, int]]) -> bytes:
    """``UDSFile_*.json``: per day steps and resting heart rate."""
    listed = [
        {"calendarDate": day.isoformat(), "totalSteps": steps, "restingHeartRate": bpm}
        for day, (steps, bpm) in days.items()
    ]
    return json.dumps(listed).encode()


def nights(told: Sequence[tuple[datetime, datetime, Mapping[str, int]]]) -> bytes:
    """``*_sleepData.json``: start and end (UTC) of a night, and seconds of each stage."""
    listed = [
        {
            "sleepStartTimestampGMT": f"{start.isoformat()}.0",
            "sleepEndTimestampGMT": f"{end.isoformat()}.0",
            **{f"{name}SleepSeconds": took for name, took in stages.items()},
        }
        for start, end, stages in told
    ]
    return json.dumps(listed).encode()


def weighings(grams: Mapping[datetime, float]) -> bytes:
    """``*_userBioMetrics.json``: body weights by the wall clock's time."""
    listed = [
        {"metaData": {"calendarDate": f"{at.isoformat()}.0"}, "weight": {"weight": weight}}
        for at, weight in grams.items()
    ]
    return json.dumps(listed).encode()


def _stamp(at: datetime) -> Field:
    return 253, UINT32, seconds(at)


def _size(base: int, value: float | str) -> int:
    return len(str(value).encode()) + 1 if base == STRING else struct.calcsize(FORMATS[base])


def _packed(base: int, value: int | str, order: str) -> bytes:
    if isinstance(value, str):
        return value.encode() + b"\0"
    return struct.pack(order + FORMATS[base], value)


def _definition(
    local: int, number: int, shape: Sequence[tuple[int, int, int]], order: str
) -> bytes:
    head = struct.pack("<BBB", 0x40 | local, 0, order == ">")
    head += struct.pack(order + "H", number) + bytes([len(shape)])
    return head + b"".join(bytes(field) for field in shape)
