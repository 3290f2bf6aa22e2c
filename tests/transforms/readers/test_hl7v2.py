"""hl7v2: every OBX has its place, whatever wraps the messages and whatever they are written in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.conform import Arrival, conform
from transforms.formats.hl7 import MAX_MESSAGE, per_value
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers.hl7v2 import read
from transforms.synthetic.emit_hl7v2 import Report, Result, emitted

MSH = r"MSH|^~\&|LIS|LAB A|EHR|CLINIC|20260301120000||ORU^R01^ORU_R01|M1|P|2.5.1"
PID = "PID|1||4711^^^HOSP^MR||DOE^JANE||19700203|F"
OBR = "OBR|1|P-1|F-1|24323-8^Panel^LN|||202602280800|||||||||||||||20260228160000|||F"
INSULIN = "OBX|1|NM|20448-7^Insulin^LN||12.5|u[IU]/mL^^UCUM|2-25|N|||F"
GLUCOSE = "OBX|2|NM|1558-6^Glucose fasting^LN||95|mg/dL^^UCUM|70-99|N|||F"
ORU = (MSH, PID, OBR, INSULIN, GLUCOSE)
REAL = Path(__file__).parents[4] / "shared" / "realdata"
is_beside = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real files are not beside the project"
)
Open = Callable[..., Reading]


def message(*segments: str, end: str = "\r") -> str:
    return "".join(segment + end for segment in segments)


def obx(value: str, kind: str = "ST", *, code: str = "1558-6^Glucose^LN", rest: str = "") -> str:
    return f"OBX|1|{kind}|{code}||{value}|mg/dL|||||F{rest}"


@pytest.fixture
def reading(tmp_path: Path) -> Open:
    count = iter(range(1000))

    def opened(content: str | bytes, **source: Any) -> Reading:
        scratch = tmp_path / f"scratch{next(count)}"
        scratch.mkdir()
        path = scratch / "landed"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read(Opened(path, "x.hl7", Source("lab", "hl7v2", **source), scratch))

    return opened


def landed(found: Reading, table: str = "observation") -> list[dict[str, Any]]:
    """Rows of a table, after the law: the places of all rows are the rows that were counted."""
    frames = {name: frame.collect() for name, frame in found.tables.items()}
    rejects = found.rejects.collect()
    assert dict(rejects.schema) == REJECTS
    assert all(frame.columns == [*PLACE, *LANDING[name]] for name, frame in frames.items())
    places = set(rejects["line"]).union(*(set(frame["line"]) for frame in frames.values()))
    assert len(places) == found.rows_in
    if "observation" in frames:
        assert not set(frames["observation"]["line"]) & set(rejects["line"])
    return frames[table].to_dicts() if table in frames else []


def rejected(found: Reading) -> list[tuple[int, str]]:
    landed(found)
    return sorted(found.rejects.collect().select("line", "reason").rows())


def one(found: Reading) -> dict[str, Any]:
    (row,) = landed(found)
    assert rejected(found) == []
    return row


def without_place(found: Reading) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in PLACE} for row in landed(found)]


def test_a_result_is_landed_with_all_that_its_message_says(reading: Open) -> None:
    rows = landed(reading(message(*ORU)))
    assert [row["line"] for row in rows] == [4, 5]
    assert rows[0] == {
        "line": 4,
        "part": 0,
        "source_row": None,
        "patient_id": "4711",
        "code_system": "loinc",
        "source_code": "20448-7",
        "source_value": "12.5",
        "source_comparator": None,
        "source_unit": "u[IU]/mL",
        "source_observed_at": "2026-02-28T08:00",
        "source_reported_at": "2026-02-28T16:00:00",
        "source_fasting": None,
        "source_status": "F",
        "lab": "LAB A",
        "assay": None,
        "result_id": "F-1/20448-7|4711",
        "comment": None,
    }


def test_the_person_stands_on_the_first_row_with_the_segment_as_text(reading: Open) -> None:
    (person,) = landed(reading(message(*ORU)), "patient")
    assert (person["line"], person["source_row"]) == (4, PID)
    assert (person["patient_id"], person["source_birth_date"], person["source_sex"]) == (
        "4711",
        "1970-02-03",
        "F",
    )
    nameless = message(MSH, "PID|1||4711", OBR, INSULIN)
    assert landed(reading(nameless), "patient") == []


# ---------------------------------------------------------------- what wraps the messages


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segment_ends_of_every_kind_read_alike(reading: Open, end: str) -> None:
    assert without_place(reading(message(*ORU, end=end))) == without_place(reading(message(*ORU)))


def test_mixed_segment_ends_and_an_absent_last_one_read_alike(reading: Open) -> None:
    mixed = f"{MSH}\r\n{PID}\n{OBR}\r{INSULIN}\r\n\r\n{GLUCOSE}"
    found = reading(mixed)
    assert without_place(found) == without_place(reading(message(*ORU)))
    assert rejected(found) == []


def framed(*messages: str) -> str:
    return "".join(f"\x0b{one}\x1c\r" for one in messages)


def test_frames_are_read_and_one_that_is_not_closed_waits(reading: Open) -> None:
    whole = message(*ORU)
    assert len(landed(reading(framed(whole, whole)))) == 4
    cut = reading(framed(whole) + "\x0b" + whole)
    assert len(landed(cut)) == 2
    assert [reason for _, reason in rejected(cut)] == ["message_cut"] * 2
    within = reading("\x0b" + whole + framed(whole))
    assert [reason for _, reason in rejected(within)] == ["message_cut"] * 2


def test_a_message_cut_inside_its_last_result_keeps_the_others(reading: Open) -> None:
    whole = message(*ORU)
    found = reading(whole[: whole.rindex("|70-99")])
    assert [row["source_code"] for row in landed(found)] == ["20448-7"]
    assert rejected(found) == [(5, "last_line_open")]
    timed = whole[:-1] + "|||202602280800"
    assert rejected(reading(timed)) == [(5, "last_line_open")]
    assert rejected(reading(timed + "\r")) == []
    assert rejected(reading(timed + "00")) == []


BATCH = ("FHS|^~\\&|LIS", "BHS|^~\\&|LIS", *ORU, *ORU, "BTS|2", "FTS|1")


def test_a_batch_whose_counts_agree_is_read_and_nothing_waits(reading: Open) -> None:
    found = reading(message(*BATCH))
    assert (len(landed(found)), rejected(found), found.rows_in) == (4, [], 4)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ((*BATCH[:-2], "BTS|3", "FTS|1"), [(13, "batch_count_wrong:3 stated, 2 found")]),
        ((*BATCH[:-1], "FTS|2"), [(14, "batch_count_wrong:2 stated, 1 found")]),
        (BATCH[:-1], [(1, "batch_count_wrong:no FTS")]),
        (BATCH[:-2], [(1, "batch_count_wrong:no FTS"), (2, "batch_count_wrong:no BTS")]),
        ((*BATCH[:-2], "BTS|", "FTS|"), []),
        ((*BATCH[1:-2], "BTS|2|end", *BATCH[1:-1]), []),
        ((*BATCH[1:-2], *BATCH[1:-1]), [(1, "batch_count_wrong:no BTS")]),
        ((BATCH[0], *ORU, "FTS|1"), []),
    ],
)
def test_a_batch_that_is_not_whole_waits_and_its_results_do_not(
    reading: Open, segments: tuple[str, ...], expected: list[tuple[int, str]]
) -> None:
    found = reading(message(*segments))
    assert rejected(found) == expected
    assert len(landed(found)) == 2 * sum(segment == MSH for segment in segments)


def test_text_between_messages_waits_and_the_messages_are_read(reading: Open) -> None:
    found = reading("hello\r" + message(*ORU) + "-- page 2 --\rTHE END\r" + message(*ORU))
    assert len(landed(found)) == 4
    assert rejected(found) == [(line, "segment_broken") for line in (1, 7, 8)]


def test_a_result_cut_by_a_line_end_waits_with_its_rest(reading: Open) -> None:
    broken = "OBX|1|TX|1558-6^Glucose^LN||first\nsecond|mg/dL|||||F\n"
    found = reading(message(MSH, PID, OBR, end="\n") + broken + GLUCOSE + "\n")
    assert rejected(found) == [(4, "segment_broken"), (5, "segment_broken")]
    assert [row["source_code"] for row in landed(found)] == ["1558-6"]


def test_results_outside_of_any_message_wait(reading: Open) -> None:
    found = reading(message(PID, OBR, INSULIN, *ORU))
    assert rejected(found) == [(3, "message_headless")]
    assert found.notes == ("2 segments stand outside of any message",)
    assert len(landed(found)) == 2
    after = reading(message(*ORU, "BTS|1", PID, MRG))
    assert (after.rows_in, after.notes) == (2, ("2 segments stand outside of any message",))
    assert len(landed(after, "patient")) == 1


@pytest.mark.parametrize("content", ["", "\r\n", "PID|1\r", "patient,value\n1,2\n"])
def test_what_is_no_message_is_refused(reading: Open, content: str) -> None:
    with pytest.raises(UnreadableError, match=r"file_empty|format_unknown"):
        reading(content)


@pytest.mark.parametrize(
    "head", ["MSH|^~", "MSH|^~\\&|A|B|C|D|20260101||", "MSH|^~\\&|A|||||?^R01"]
)
def test_a_message_without_a_type_waits(reading: Open, head: str) -> None:
    found = reading(message(head, *ORU[1:]))
    assert [reason for _, reason in rejected(found)] == ["message_broken"] * 2
    assert rejected(reading(message(head, PID))) == [(1, "message_broken")]
    assert found.tables == {}


def test_one_endless_message_is_refused_in_little_memory(reading: Open) -> None:
    with pytest.raises(UnreadableError, match="message_too_long"):
        reading(message(MSH).encode() + b"x" * (MAX_MESSAGE + 1))


# ---------------------------------------------------------------- delimiters and characters


def test_delimiters_are_those_of_each_message(reading: Open) -> None:
    other = message(*ORU).translate(str.maketrans("|^~\\&", "$*!?%"))
    found = reading(other + message(*ORU))
    assert without_place(found)[:2] == without_place(found)[2:]
    assert rejected(found) == []


ESCAPES = [
    (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
    (r"\E\F\E\ ", r"\F\ ".strip()),
    (r"x\F\E\E\ ", r"x|E\ ".strip()),
    (r"one\.br\two", "one\ntwo"),
    (r"\H\high\N\ ", "high"),
    (r"\X41\\XC3A4\ \XE4\ ", "Aä ä"),
    (r"kept \Z99\ here", r"kept \Z99\ here"),
    (r"C:\temp", r"C:\temp"),
    ("plain", "plain"),
]


def test_escapes_are_resolved_and_unknown_ones_stay(reading: Open) -> None:
    rows = landed(reading(message(MSH, PID, OBR, *(obx(written) for written, _ in ESCAPES))))
    assert [row["source_value"] for row in rows] == [value for _, value in ESCAPES]


def with_charset(declared: str) -> str:
    return MSH + "|" * 6 + declared


@pytest.mark.parametrize(
    ("declared", "codec", "note"),
    [
        ("UNICODE UTF-8", "utf-8", None),
        ("8859/1", "latin-1", None),
        ("8859/15", "iso8859-15", None),
        ("8859/1", "cp1252", None),
        ("GB 18030-2000", "gb18030", None),
        ("", "utf-8", "declare no character set (MSH-18): read as UTF-8"),
        ("", "latin-1", "declare no character set (MSH-18): read as Latin-1"),
        ("8859/1", "utf-8", "declare iso8859_1 (MSH-18) and are not: read as UTF-8"),
        ("UNICODE UTF-8", "latin-1", "declare utf-8 (MSH-18) and are not: read as Latin-1"),
        ("ASCII", "latin-1", "declare ascii (MSH-18) and are not: read as Latin-1"),
        (
            "HOUSE 7",
            "latin-1",
            "declare a character set that is not known (MSH-18) and are not: read as Latin-1",
        ),
    ],
)
def test_characters_are_read_as_declared_or_as_they_are_and_that_is_said(
    reading: Open, declared: str, codec: str, note: str | None
) -> None:
    text = message(with_charset(declared), PID, OBR, obx("12 µg für ä").replace("mg/dL", "µg/L"))
    text = text.replace("µ", "u").replace("ä", "") if codec == "gb18030" else text
    text = text.replace("für ä", "für ä – “x”") if codec == "cp1252" else text
    found = reading(text.encode(codec) + message(*ORU).encode())
    assert landed(found)[0]["source_value"] in {"12 µg für ä", "12 ug für", "12 µg für ä – “x”"}
    assert found.notes == ((f"1 messages {note}",) if note else ())


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_wide_text_and_byte_order_marks_are_read(reading: Open, codec: str) -> None:
    assert without_place(reading(message(*ORU).encode(codec))) == without_place(
        reading(message(*ORU))
    )


def test_a_nul_in_a_result_costs_that_result_and_in_a_head_the_message(reading: Open) -> None:
    assert rejected(reading(message(*ORU).replace("12.5", "12\x005"))) == [(4, "nul_byte")]
    assert rejected(reading(message(*ORU).replace("DOE", "D\x00E"))) == [
        (4, "nul_byte"),
        (5, "nul_byte"),
    ]


# ---------------------------------------------------------------- values


VALUES = [
    ("NM", " 7.5 ", "7.5"),
    ("NM", '""', None),
    ("NM", "", None),
    ("SN", "<^2", "<2"),
    ("SN", "^10^-^12", "10-12"),
    ("SN", ">=^300", ">=300"),
    ("SN", "=^23", "23"),
    ("SN", "^1^:^128", "1:128"),
    ("SN", "^5", "5"),
    ("SN", "12.40", "12.40"),
    ("SN", "<10", "<10"),
    ("ST", "< 0.35", "< 0.35"),
    ("TX", "(-)", "(-)"),
    ("CE", "260385009^Negative^SCT", "Negative"),
    ("CWE", "LA33-6^Yes^LN^^^^^^fasting", "fasting"),
    ("CWE", "LA33-6", "LA33-6"),
    ("TX", "one~two", "one\ntwo"),
    ("", "95", "95"),
    ("DT", "20260201", "20260201"),
]


def test_a_value_is_its_types_text(reading: Open) -> None:
    segments = (obx(written, kind) for kind, written, _ in VALUES)
    rows = landed(reading(message(MSH, PID, OBR, *segments)))
    assert [row["source_value"] for row in rows] == [value for *_, value in VALUES]


REMARKS = [
    ("5.2 hemolyzed", "5.2", "hemolyzed"),
    ("<5.2 (haemolytisch)", "<5.2", "(haemolytisch)"),
    ("250 *", "250", "*"),
    ("95 H", "95", "H"),
    (r"95\.br\nicht nüchtern", "95", "nicht nüchtern"),
    ("95 see note", "95", "see note"),
    ("95 (70-99)", "95 (70-99)", None),
    ("5 - 10", "5 - 10", None),
    ("1:80", "1:80", None),
    ("8 cancelled", "8 cancelled", None),
    ("5.2 mmol/L", "5.2 mmol/L", None),
    ("10 * 3", "10 * 3", None),
    (r"95\.br\96", "95\n96", None),
]


def test_a_remark_is_parted_from_its_number_only_where_it_cannot_change_it(reading: Open) -> None:
    rows = landed(reading(message(MSH, PID, OBR, *(obx(written) for written, *_ in REMARKS))))
    parted = [(row["source_value"], row["comment"]) for row in rows]
    assert parted == [(value, remark) for _, value, remark in REMARKS]


def test_repeated_numbers_are_parts_of_their_line(reading: Open) -> None:
    rows = landed(reading(message(MSH, PID, OBR, obx("27~25", "NM"), GLUCOSE)))
    assert [(row["line"], row["part"], row["source_value"]) for row in rows] == [
        (4, 0, "27"),
        (4, 1, "25"),
        (5, 0, "95"),
    ]
    assert len({row["result_id"] for row in rows}) == 3


@pytest.mark.parametrize("kind", ["ED", "RP"])
def test_documents_are_set_aside(reading: Open, kind: str) -> None:
    huge = "OBX|1|" + kind + "|PDF||^app^pdf^Base64^" + "A" * 1_100_000 + "||||||F"
    found = reading(message(MSH, PID, OBR, huge, GLUCOSE))
    assert rejected(found) == [(4, f"record_not_used:{kind}")]
    assert len(found.rejects.collect()["source_row"][0]) < 3000
    assert rejected(reading(message(MSH, PID, OBR, huge.replace(kind, "TX", 1)))) == [
        (4, "line_too_long")
    ]


def test_results_in_messages_of_other_types_are_set_aside(reading: Open) -> None:
    order = MSH.replace("ORU^R01^ORU_R01", "ORM^O01")
    assert [reason for _, reason in rejected(reading(message(order, *ORU[1:])))] == [
        "record_not_used:ORM"
    ] * 2
    for kind in ("ORU^R30", "ORU^R32", "OUL^R22", "ADT^A08"):
        head = MSH.replace("ORU^R01^ORU_R01", kind)
        assert len(landed(reading(message(head, *ORU[1:])))) == 2
    ack = MSH.replace("ORU^R01^ORU_R01", "ACK")
    assert rejected(reading(message(ack, "MSA|AA|1"))) == [(1, "record_not_used:ACK")]


CODES: list[tuple[str, tuple[str | None, str | None]]] = [
    ("1558-6^Glucose^LN", ("loinc", "1558-6")),
    ("GLU^Glucose^L^1558-6^Glucose^LN", ("loinc", "1558-6")),
    ("1558-6^Glucose", ("loinc", "1558-6")),
    ("1558-6^Glucose^99LAB", ("local", "1558-6")),
    ("GLU^Glucose^L", ("local", "GLU")),
    ("GLU^Glucose^L^SUGAR^Zucker^99Z", ("local", "SUGAR")),
    ("^Glucose nüchtern", ("local", "Glucose nüchtern")),
    ("33747003^Glucose^SCT", ("snomed", "33747003")),
    ("G\\T\\L^Glucose^L", ("local", "G&L")),
    ("", (None, None)),
]


def test_the_code_is_loinc_where_there_is_one_else_the_one_that_is_mapped(reading: Open) -> None:
    segments = (obx("95", code=coded) for coded, _ in CODES)
    found = reading(message(MSH, PID, OBR, *segments), codes={"SUGAR": "1558-6"})
    coded = [(row["code_system"], row["source_code"]) for row in landed(found)]
    assert coded == [expected for _, expected in CODES]


def test_a_mapped_local_code_becomes_its_analyte_and_another_waits(reading: Open) -> None:
    text = message(MSH, PID, OBR, obx("95", code="GLU^Glu^L"), obx("95", code="GLX^Glu^L"))
    codes = {"GLU": "1558-6"}
    rows = conform("observation", reading(text, codes=codes).tables["observation"], arrival(codes))
    assert rows.collect()["analyte"].to_list() == ["glucose", None]


def arrival(codes: dict[str, str] | None = None, zone: str = "Europe/Rome") -> Arrival:
    return Arrival("lab", 1, date(2026, 3, 1), zone, codes=codes or {})


def test_the_status_is_of_the_result_else_of_its_order(reading: Open) -> None:
    stated = list("FCPDWXRSIUOANBV")
    segments = [INSULIN[:-1] + status for status in (*stated, "")]
    found = reading(message(MSH, PID, OBR[:-1] + "C", *segments))
    assert [row["source_status"] for row in landed(found)] == [*stated, "C"]
    known = conform("observation", found.tables["observation"], arrival()).collect()["status"]
    assert known.null_count() == 0


@pytest.mark.parametrize(
    ("of_order", "expected"),
    [
        *(("A", "preliminary"), ("M", "preliminary"), ("P", "preliminary"), ("R", "preliminary")),
        *(("C", "corrected"), ("F", "final"), ("X", "cancelled"), ("Y", None), ("", "final")),
    ],
)
def test_the_status_of_an_order_is_that_of_its_own_table(
    reading: Open, of_order: str, expected: str | None
) -> None:
    found = reading(message(MSH, PID, OBR[:-1] + of_order, INSULIN[:-1]))
    known = conform("observation", found.tables["observation"], arrival()).collect()
    assert known["status"].to_list() == [expected]


# ---------------------------------------------------------------- times


TIMES = [
    ("20260228", "2026-02-28T00:00:00", date(2026, 2, 28), "day"),
    ("202602280800", "2026-02-28T07:00:00", date(2026, 2, 28), "time"),
    ("2026022808", "2026-02-28T07:00:00", date(2026, 2, 28), "time"),
    ("20260228080000.1234", "2026-02-28T07:00:00.123400", date(2026, 2, 28), "time"),
    ("20260228080000-0500", "2026-02-28T13:00:00", date(2026, 2, 28), "time"),
    ("202602280800+1400", "2026-02-27T18:00:00", date(2026, 2, 28), "time"),
    ("20260228080000^D", "2026-02-28T00:00:00", date(2026, 2, 28), "day"),
    ("20260228+0100", "2026-02-28T00:00:00", date(2026, 2, 28), "day"),
    ("2009072212301107", "2009-07-22T10:30:11.070000", date(2009, 7, 22), "time"),
    ("20161231235960+0000", "2017-01-01T00:00:00", date(2017, 1, 1), "time"),
    ("19000101000000", "1899-12-31T23:00:00", date(1900, 1, 1), "time"),
    ("20250230", None, None, None),
    ("20250230080000", None, None, None),
    ("20260228240000", None, None, None),
    ("202602280800+1500", None, None, None),
    ("202602", None, None, None),
    ("2026-02-28T08:00", "2026-02-28T07:00:00", date(2026, 2, 28), "time"),
    ("yesterday", None, None, None),
]


def test_times_keep_their_precision_and_impossible_ones_are_not_mended(reading: Open) -> None:
    segments = (obx("95", rest=f"|||{written}") for written, *_ in TIMES)
    found = reading(message(MSH, PID, OBR, *segments))
    rows = conform("observation", found.tables["observation"], arrival()).collect()
    times = zip(
        rows["observed_at"].dt.to_string("iso:strict"),
        rows["observed_on"],
        rows["observed_precision"],
        strict=True,
    )
    assert [(at and at.removesuffix(".000000"), *rest) for at, *rest in times] == [
        tuple(expected) for _, *expected in TIMES
    ]


def test_the_draw_is_obx_14_else_obr_7_and_the_source_may_turn_that_round(reading: Open) -> None:
    text = message(MSH, PID, OBR, obx("95", rest="|||202603011405"), INSULIN)
    found = reading(text)
    assert [row["source_observed_at"] for row in landed(found)] == [
        "2026-03-01T14:05",
        "2026-02-28T08:00",
    ]
    assert "1 results have OBX-14 on another day" in found.notes[0]
    turned = reading(text, options={"draw_time": "OBR-7"})
    assert {row["source_observed_at"] for row in landed(turned)} == {"2026-02-28T08:00"}
    timeless = reading(message(MSH, PID, "OBR|1||F-1", INSULIN))
    assert one(timeless)["source_observed_at"] is None


def test_the_offset_of_the_message_holds_where_the_source_has_no_zone(reading: Open) -> None:
    text = message(MSH.replace("20260301120000", "20260301120000-0500"), *ORU[1:])
    assert landed(reading(text))[0]["source_observed_at"] == "2026-02-28T08:00-05:00"
    zoned = reading(text, time_zone="Europe/Rome")
    assert landed(zoned)[0]["source_observed_at"] == "2026-02-28T08:00"
    assert landed(reading(message(*ORU)))[0]["source_observed_at"] == "2026-02-28T08:00"


def test_reported_is_when_the_result_changed_else_when_the_message_was_sent(reading: Open) -> None:
    rows = landed(reading(message(MSH, PID, "OBR|1||F-1", INSULIN)))
    assert rows[0]["source_reported_at"] == "2026-03-01T12:00:00"
    assert landed(reading(message(*ORU)))[0]["source_reported_at"] == "2026-02-28T16:00:00"


# ---------------------------------------------------------------- who, and which result


@pytest.mark.parametrize(
    ("field", "options", "expected"),
    [
        ("|1^^^A^PI~2^^^B^MR~3^^^C^PT", {}, "2"),
        ("|1^^^A^PT~2^^^B^PI", {}, "2"),
        ("|900^^^USA^SS~2^^^A", {}, "2"),
        ("|900^^^USA^SS~901^^^A^AN", {}, None),
        ("7|", {}, "7"),
        ('7|""', {}, "7"),
        ("7|^^^A^MR", {}, "7"),
        ("|1^^^A&1.2&ISO^MR~2^^^B^MR", {"authority": "B"}, "2"),
        ("|1^^^A&1.2&ISO^MR", {"authority": "B"}, None),
        ("|1^^^A&1.2&ISO^MR", {"keep_authority": True}, "A/1"),
        ("|1&x^^^A^MR", {}, "1"),
        ("|", {}, None),
    ],
)
def test_a_patient_is_known_by_one_identifier_by_a_stated_rule(
    reading: Open, field: str, options: dict[str, Any], expected: str | None
) -> None:
    found = reading(message(MSH, f"PID|1|{field}||DOE", OBR, INSULIN), options=options)
    assert one(found)["patient_id"] == expected


def test_identifiers_of_two_authorities_are_said(reading: Open) -> None:
    two = message(*ORU) + message(*ORU).replace("^^^HOSP^MR", "^^^CLINIC^MR")
    assert reading(two).notes == ("patients' identifiers are of 2 assigning authorities",)
    assert reading(two, options={"keep_authority": True}).notes == ()
    assert reading(message(*ORU) * 2).notes == ()


def test_each_result_belongs_to_the_person_above_it(reading: Open) -> None:
    second = PID.replace("4711", "4712")
    rows = landed(reading(message(*ORU, second, OBR.replace("F-1", "F-2"), INSULIN)))
    assert [row["patient_id"] for row in rows] == ["4711", "4711", "4712"]
    orphan = landed(reading(message(MSH, OBR, INSULIN)))
    assert orphan[0]["patient_id"] is None


def test_a_corrected_result_has_the_identity_of_the_first(reading: Open) -> None:
    first = landed(reading(message(*ORU)))[0]
    sent = MSH.replace("20260301", "20260302")
    second = landed(reading(message(sent, PID, OBR, INSULIN[:-1] + "C")))[0]
    assert first["result_id"] == second["result_id"]
    other = OBR.replace("F-1", "F-2")
    assert landed(reading(message(MSH, PID, other, INSULIN)))[0]["result_id"] != first["result_id"]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("OBR|1|P-1|", INSULIN), "P-1/20448-7|4711"),
        (("ORC|RE|P-2|F-2", "OBR|1", INSULIN), "F-2/20448-7|4711"),
        (("OBR|1", "ORC|RE||F-3", INSULIN), "F-3/20448-7|4711"),
        (("OBR|1||F-4^LAB", INSULIN.replace("LN||", "LN|2|")), "F-4^LAB/20448-7/2|4711"),
        (("OBR|1", INSULIN), None),
    ],
)
def test_an_order_is_known_by_the_fillers_number_else_the_placers(
    reading: Open, segments: tuple[str, ...], expected: str | None
) -> None:
    assert one(reading(message(MSH, PID, *segments)))["result_id"] == expected


def test_a_number_used_again_for_another_patient_is_another_result(reading: Open) -> None:
    both = message(*ORU[:4]) + message(MSH, PID.replace("4711", "4712"), OBR, INSULIN)
    assert len({row["result_id"] for row in landed(reading(both))}) == 2
    unique = reading(both, options={"order_numbers": "unique"})
    assert {row["result_id"] for row in landed(unique)} == {"F-1/20448-7"}


def test_a_person_said_again_the_same_day_is_said_alike(reading: Open) -> None:
    later = message(*ORU).replace("20260301120000", "20260301183000")
    days = [
        landed(reading(text), "patient")[0]["source_reported_at"]
        for text in (message(*ORU), later, later.replace("20260301183", "20260302183"))
    ]
    assert days == ["2026-03-01", "2026-03-01", "2026-03-02"]


def test_a_series_under_one_order_is_several_results(reading: Open) -> None:
    series = [GLUCOSE + f"|||2026022808{minute}" for minute in ("00", "30")]
    again = GLUCOSE + "|||202602280830"
    found = reading(message(MSH, PID, OBR, *series, again))
    ids = [row["result_id"] for row in landed(found)]
    assert len(set(ids)) == 3
    assert ids[0] == "F-1/1558-6|4711@2026-02-28T08:00"
    taken_back = reading(message(MSH, PID, OBR, GLUCOSE[:-1] + "D", GLUCOSE))
    assert {row["result_id"] for row in landed(taken_back)} == {"F-1/1558-6|4711"}


def test_laboratory_and_assay_are_the_most_exact_that_is_said(reading: Open) -> None:
    full = GLUCOSE + "|||202602280800|LB1^Lab One^L||HEXO^Hexokinase^L||||||Lab Two^L"
    row = one(reading(message(MSH, PID, OBR, full)))
    assert (row["lab"], row["assay"]) == ("Lab One", "Hexokinase")
    row = one(reading(message(MSH, PID, OBR, full.replace("LB1^Lab One^L", ""))))
    assert row["lab"] == "Lab Two"


# ---------------------------------------------------------------- merges


def adt(event: str, *segments: str) -> str:
    return message(MSH.replace("ORU^R01^ORU_R01", f"ADT^{event}"), f"EVN|{event}", *segments)


MRG = "MRG|4700^^^HOSP^MR"


@pytest.mark.parametrize("event", ["A18", "A34", "A40"])
def test_a_merge_names_the_survivor(reading: Open, event: str) -> None:
    found = reading(adt(event, PID, MRG))
    told = ("patient_id", "merged_into", "source_status")
    rows = [tuple(row[name] for name in told) for row in landed(found, "patient")]
    assert rows == [("4711", None, None), ("4700", "4711", "merge")]
    assert (rejected(found), found.rows_in) == ([], 1)


def test_an_update_merges_nobody(reading: Open) -> None:
    rows = landed(reading(adt("A08", PID, MRG)), "patient")
    assert [(row["patient_id"], row["merged_into"]) for row in rows] == [("4711", None)]


def test_several_merges_in_one_message_are_all_read(reading: Open) -> None:
    second = (PID.replace("4711", "4712"), MRG.replace("4700", "4701"))
    rows = landed(reading(adt("A40", PID, MRG, *second)), "patient")
    assert {row["patient_id"]: row["merged_into"] for row in rows if row["merged_into"]} == {
        "4700": "4711",
        "4701": "4712",
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (adt("A40", PID, "MRG|"), "patient_missing"),
        (adt("A40", MRG), "patient_missing"),
        (adt("A08"), "patient_missing"),
        (adt("A43", PID, MRG), "merge_not_read:A43"),
        (adt("A24", PID, PID), "merge_not_read:A24"),
    ],
)
def test_a_merge_that_is_not_understood_waits(reading: Open, text: str, reason: str) -> None:
    assert reason in [found for _, found in rejected(reading(text))]


# ---------------------------------------------------------------- notes and fasting


def test_notes_of_a_result_are_its_own_and_those_of_an_order_are_of_all(reading: Open) -> None:
    text = message(
        *(MSH, PID, OBR, "NTE|1||Order note", INSULIN, r"NTE|1|L|Haemolysed \T\ late~more"),
        *("NTE|2||second", GLUCOSE),
    )
    comments = [row["comment"] for row in landed(reading(text))]
    assert comments == ["Haemolysed & late more; second; Order note", "Order note"]


def test_the_specimens_condition_reaches_its_results(reading: Open) -> None:
    spm = "SPM|1|||SER^Serum" + "|" * 20 + "HEM^^HL70493"
    rows = landed(reading(message(*ORU[:4], spm, OBR.replace("F-1", "F-2"), GLUCOSE)))
    assert [row["comment"] for row in rows] == ["hemolyzed", None]
    oul = MSH.replace("ORU^R01^ORU_R01", "OUL^R22")
    rows = landed(reading(message(oul, PID, spm, OBR, INSULIN, "SPM|2", OBR, GLUCOSE)))
    assert [row["comment"] for row in rows] == ["hemolyzed", None]
    lipaemic = spm.replace("HEM", "LIP")
    assert landed(reading(message(*ORU[:4], lipaemic)))[0]["comment"] == "lipaemic"


def mixed_messages() -> str:
    """Messages that differ in their marks, times, codes, units, laboratories and remarks."""
    other = [segment.replace("|", "#").replace("^", "$") for segment in ORU]
    rows = [
        obx("POS^positive^L", "CE", rest="||||L1^Lab One||HEX^Method^L"),
        obx("5.2 (hemolyzed)", code="^text only") + "||20260228",
        obx("1~2", "NM", code="GLU^Glucose^L^2345-7^Glucose^LN", rest="|||20260228081530.5-0500"),
        "NTE|1||patient was not fasting",
        "SPM|1|||SER^Serum" + "|" * 13 + "202602270715|||QS|||HEM",
        OBR.replace("202602280800", "2026022808+0100") + "||||||||NF",
        obx(r"a\T\b", rest="|||bad"),
    ]
    dated = MSH.replace("20260301120000", "20260301120000+0200")
    return message(*ORU) + message(*other) + message(dated, PID, OBR, *rows, INSULIN)


def test_many_rows_are_read_as_few_are(reading: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    few = reading(mixed_messages())
    monkeypatch.setattr("transforms.formats.hl7.FEW", 0)
    many = reading(mixed_messages())
    assert len(landed(few)) == 10
    assert landed(many) == landed(few)
    assert landed(many, "patient") == landed(few, "patient")


def test_only_many_rows_are_made_by_distinct_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(n=pl.lit(str(rows.height)))

    rows = pl.DataFrame({"code": ["a", "b", "a", None]})
    assert per_value(rows, ("code",), ("n",), counted)["n"].to_list() == ["4"] * 4
    monkeypatch.setattr("transforms.formats.hl7.FEW", 0)
    assert per_value(rows, ("code",), ("n",), counted)["n"].to_list() == ["3"] * 4
    nothing = rows.with_columns(pl.lit(None, pl.String).alias("code"))
    assert per_value(nothing, ("code",), ("n",), counted)["n"].to_list() == [None] * 4


def test_why_a_specimen_was_refused_reaches_its_results(reading: Open) -> None:
    spm = "SPM|1|||SER^Serum" + "|" * 17 + "RH^Hemolysis^HL70490~QS"
    rows = landed(reading(message(*ORU[:4], spm)))
    assert rows[0]["comment"] == "hemolyzed; quantity not sufficient"
    both = spm + "|||CLOT"
    assert landed(reading(message(*ORU[:4], both)))[0]["comment"] == (
        "clotted; hemolyzed; quantity not sufficient"
    )


def test_the_specimens_time_is_the_draw_where_no_other_is_said(reading: Open) -> None:
    spm = "SPM|1|||SER" + "|" * 13 + "202602270715^202602270720"
    timeless = OBR.replace("202602280800", "")
    first = [
        landed(reading(message(MSH, PID, order, INSULIN, spm)))[0]["source_observed_at"]
        for order in (timeless, OBR)
    ]
    assert first == ["2026-02-27T07:15", "2026-02-28T08:00"]


FASTING = [
    (("OBR", "NTE|1||non-fasting"), "no"),
    (("OBR", "NTE|1||Patient fasting"), "yes"),
    (("OBR", "NTE|1||nicht nüchtern"), "no"),
    (("OBR", "NTE|1||Sample: non-fasting"), "no"),
    (("OBR", "NTE|1||Patient fasted 12 hours prior to draw."), "yes"),
    (("OBR", "NTE|1||fasted 3 h"), "no"),
    (("OBR", "NTE|1||Fasting status: NON-FASTING"), "no"),
    (("OBR", "NTE|1||Fasting status: Y"), "yes"),
    (("OBR", "NTE|1||Fasting status"), "unknown"),
    (("OBR", "NTE|1||Non-fasting specimen"), "no"),
    (("OBR", "NTE|1||Fasting sample."), "yes"),
    (("OBR", "NTE|1||Result checked. Patient was not fasting at the time of collection."), "no"),
    (("OBR", "NTE|1||If patient was not fasting, repeat after 8 hours."), "unknown"),
    (("OBR", "NTE|1||Fasting specimen required."), "unknown"),
    (("OBR", "NTE|1||Fasting required; confirm with patient."), "unknown"),
    (("OBR", "NTE|1||Fasting reference range 70-99"), "unknown"),
    (("OBR13:F^^HL70916",), "yes"),
    (("OBR13:NF",), "no"),
    (("OBR13:Nüchtern",), "yes"),
    (("OBR13:asthma",), "unknown"),
    (("OBR13:F", "NTE|1||non-fasting"), "no"),
    (("OBR",), "unknown"),
]


def test_fasting_is_what_a_remark_plainly_says(reading: Open) -> None:
    text = ""
    for (first, *rest), _ in FASTING:
        order = OBR.replace("202602280800||||||", f"202602280800||||||{first[6:]}")
        text += message(MSH, PID, order, *rest, obx("95", code="2345-7^Glucose^LN"))
    rows = conform("observation", reading(text).tables["observation"], arrival()).collect()
    assert rows["fasting"].to_list() == [expected for _, expected in FASTING]


def test_a_note_on_one_result_says_nothing_of_the_next(reading: Open) -> None:
    glucose = obx("95", code="2345-7^Glucose^LN")
    rows = landed(reading(message(MSH, PID, OBR, glucose, "NTE|1||non-fasting", GLUCOSE)))
    assert [row["source_fasting"] for row in rows] == ["non fasting", None]


def test_a_fasting_code_and_a_fasting_answer_are_understood_as_such(reading: Open) -> None:
    answer = "OBX|1|CWE|49541-6^Fasting status^LN||LA33-6^Yes^LN||||||F"
    found = reading(message(MSH, PID, OBR, GLUCOSE, answer))
    rows = conform("observation", found.tables["observation"], arrival()).collect()
    assert rows["fasting"].to_list() == ["yes", "yes"]
    assert rows["fasting_basis"].to_list() == ["code", "stated"]


def test_messages_marked_as_tests_are_read_and_said(reading: Open) -> None:
    found = reading(message(*ORU).replace("|M1|P|", "|M1|T|"))
    assert len(landed(found)) == 2
    assert found.notes == ("1 messages are marked as tests (MSH-11 is not P); they are read",)


# ---------------------------------------------------------------- round trip, many, and real


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1
).filter(lambda text: text != '""')
START = datetime(1950, 1, 1, tzinfo=UTC)
TIMES_WRITTEN = (
    st.timedeltas(timedelta(), timedelta(days=36_500))
    .map(START.__add__)
    .flatmap(
        lambda at: st.sampled_from(
            [
                (f"{at:%Y%m%d}", f"{at:%Y-%m-%d}"),
                (f"{at:%Y%m%d%H%M}", f"{at:%Y-%m-%dT%H:%M}"),
                (f"{at:%Y%m%d%H%M%S}-0330", f"{at:%Y-%m-%dT%H:%M:%S}-03:30"),
                (f"{at:%Y%m%d%H%M%S}.0120+1245", f"{at:%Y-%m-%dT%H:%M:%S}.0120+12:45"),
            ]
        )
    )
)
RESULTS = st.builds(
    lambda code, value, unit, status, drawn, note: (
        Result(code, value, unit, status, "FT", drawn[0], note),
        (code, value, unit, status, drawn[1] or None, note or None),
    ),
    *(WORDS.map(lambda text: "c" + text), WORDS.map(lambda text: "is " + text), WORDS),
    st.sampled_from("FCPX"),
    st.just(("", "")) | TIMES_WRITTEN,
    st.just("") | WORDS,
)
REPORTS = st.lists(st.tuples(WORDS, TIMES_WRITTEN, st.lists(RESULTS, min_size=1)), min_size=1)


@given(reports=REPORTS, is_framed=st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_emitted_is_what_is_read(reports: list[Any], is_framed: bool) -> None:
    written, expected = [], []
    for number, (patient, drawn, results) in enumerate(reports):
        made = [one for one, _ in results]
        sent = "20260301120000"
        written.append(Report(f"M{number}", patient, f"F{number}", sent, drawn[0], "Lab", made))
        expected += [(patient, *said[:4], said[4] or drawn[1], said[5]) for _, said in results]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "landed"
        path.write_bytes(emitted(written, is_framed=is_framed))
        found = read(Opened(path, "x.hl7", Source("lab", "hl7v2"), Path(folder)))
        names = ("patient_id", "source_code", "source_value", "source_unit", "source_status",
                 "source_observed_at", "comment")  # fmt: skip
        assert [tuple(row[name] for name in names) for row in landed(found)] == expected
        assert rejected(found) == []


def test_many_messages_over_many_spans_are_read_like_one(
    reading: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = message(*ORU) * 30 + "junk\r" + message(*BATCH)
    expected = without_place(reading(whole))
    monkeypatch.setattr("transforms.formats.hl7.BLOCK", 2000)
    found = reading(whole)
    assert without_place(found) == expected
    assert len(expected) == 64
    assert rejected(found) == [(151, "segment_broken")]


SAMPLES = {
    "hl7_swiss_labs_elexis": (1980, 1980, {}),
    "hl7_linuxforhealth": (9, 9, {}),
    "hl7_ms_fhir_converter": (25, 23, {"record_not_used": 3}),
    "cdc_reportstream": (27, 23, {"last_line_open": 4}),
    "hl7_cosyte_edge_cases": (
        18,
        14,
        {
            "record_not_used": 4,
            "message_broken": 2,
            "batch_count_wrong": 1,
            "merge_not_read": 2,
            "patient_missing": 2,
        },
    ),
}
"""Folder -> OBX counted in the bytes, results landed, rejects by reason. A repeated number makes
one OBX two results (hl7_ms_fhir_converter)."""


CUT = ("batch", "malformed", "obx")
"""Folders of files that are not whole: each is read alone, the others of a folder as one file."""


def samples(folder: str) -> list[bytes]:
    found: dict[str, list[bytes]] = {}
    for path in sorted((REAL / folder).rglob("*")):
        raw = path.read_bytes() if path.suffix.lower() == ".hl7" else b""
        if b"MSH" in raw:
            alone = str(path) if path.parent.name in CUT else folder
            found.setdefault(alone, []).append(raw.removeprefix(b"\xef\xbb\xbf"))
    return [b"\r".join(raws) for raws in found.values()]


@is_beside
@pytest.mark.parametrize("folder", SAMPLES)
def test_every_obx_of_the_real_samples_has_its_place(reading: Open, folder: str) -> None:
    counted, results, reasons = 0, 0, dict[str, int]()
    for raw in samples(folder):
        obx_lines = len(re.findall(rb"(?:^|[\r\n])OBX", raw))
        found = reading(raw)
        rows = landed(found)
        places = {row["line"] for row in rows}
        for line, reason in rejected(found):
            assert line not in places
            reasons[reason.split(":")[0]] = reasons.get(reason.split(":")[0], 0) + 1
        kept = found.lines.read_text(encoding="utf-8").split("\n") if found.lines else []
        is_obx = {line for line, text in enumerate(kept, 1) if text.startswith("OBX")}
        assert is_obx <= places | {line for line, _ in rejected(found)}
        assert len(is_obx) == obx_lines
        counted, results = counted + obx_lines, results + len(rows)
    assert (counted, results, reasons) == SAMPLES[folder]
