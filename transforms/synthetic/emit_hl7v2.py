"""ORU messages from simple rows: the format the HL7 v2 reader reads, for its round trip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MARKS = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\n": "\\.br\\"}
"""Character -> its escape (HL7 2.7, chapter 2.7)."""


@dataclass(frozen=True, slots=True)
class Result:
    """One OBX; times as HL7 writes them, other texts as they are meant."""

    code: str
    value: str
    unit: str
    status: str = "F"
    kind: str = "NM"
    drawn: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One message: a patient's order with its results."""

    number: str
    patient: str
    order: str
    sent: str
    drawn: str
    lab: str
    results: Sequence[Result]
    birth_date: str = ""
    sex: str = ""


def escaped(text: str) -> str:
    """The text with HL7's delimiters and line ends escaped."""
    return "".join(MARKS.get(character, character) for character in text)


def emitted(reports: Iterable[Report], *, is_framed: bool = False) -> bytes:
    """The messages one after the other, in MLLP frames if asked for."""
    start, end = (b"\x0b", b"\x1c\r") if is_framed else (b"", b"")
    return b"".join(start + _message(report) + end for report in reports)


def _message(report: Report) -> bytes:
    number, patient, order, lab = (
        escaped(text) for text in (report.number, report.patient, report.order, report.lab)
    )
    segments = [
        rf"MSH|^~\&|LIS|{lab}|EHR|CLINIC|{report.sent}||ORU^R01^ORU_R01|{number}|P|2.5.1"
        "||||||UNICODE UTF-8",
        f"PID|1||{patient}^^^HOSP^MR||||{report.birth_date}|{report.sex}",
        f"OBR|1||{order}|24323-8^Panel^LN|||{report.drawn}",
    ]
    for place, result in enumerate(report.results, 1):
        segments += _segments(place, result)
    return "".join(segment + "\r" for segment in segments).encode()


def _segments(place: int, result: Result) -> list[str]:
    obx = (
        f"OBX|{place}|{result.kind}|{escaped(result.code)}^^LN||{escaped(result.value)}"
        f"|{escaped(result.unit)}^^UCUM|||||{result.status}|||{result.drawn}"
    )
    return [obx, f"NTE|1||{escaped(result.note)}"] if result.note else [obx]
