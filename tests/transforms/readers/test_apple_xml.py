"""Broken and hostile exports of Apple Health: what can be read is, and the account adds up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transforms.readers.test_apple_health import (
    DTD,
    HEAD,
    STEPS,
    Q,
    checked,
    export,
    landed,
    opened,
    pressure,
    record,
    refusal,
    sleep,
)
from transforms.formats.apple_kinds import device
from transforms.landing import UnreadableError
from transforms.readers.apple_health import read


def test_a_dtd_is_ignored_even_a_broken_one_and_entities_are_refused(tmp_path: Path) -> None:
    broken = "<!DOCTYPE HealthData [\n<!ATTLIST VisionPrescription\n  type CDATA #REQUIRED\n<!ELEMENT A EMPTY>\n]>\n"  # noqa: E501
    for dtd in (DTD, broken, ""):
        samples, _, _ = checked(read(opened(tmp_path, export(STEPS).replace(DTD, dtd))))
        assert samples.height == 1
    for declared in ('<!ENTITY a "b">', '<!ENTITY % x SYSTEM "file:///etc/passwd">'):
        bomb = export(STEPS).replace(DTD, f"<!DOCTYPE HealthData [{declared}]>")
        assert refusal(tmp_path, bomb) == "xml_broken"


def test_an_entity_that_nobody_declared_ends_what_can_be_read(tmp_path: Path) -> None:
    samples, _, counts = landed(tmp_path, STEPS, record(f"{Q}StepCount", "&bomb;", "count"), STEPS)
    assert (samples.height, counts) == (1, {"xml_broken": 1})


@pytest.mark.parametrize(("begin", "end"), [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?x", "?>")])
def test_a_tag_inside_a_comment_is_no_row_whether_or_not_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: str, end: str
) -> None:
    for size in (1 << 20, 40):
        monkeypatch.setattr("transforms.formats.apple_xml.BLOCK", size)
        samples, _, counts = landed(tmp_path, STEPS, begin, STEPS * 2, end, begin, end, STEPS)
        assert (samples.height, counts) == (2, {})
        samples, _, counts = landed(tmp_path, STEPS, begin, STEPS * 2)
        assert (samples.height, counts) == (1, {"xml_broken": 1})


def test_control_characters_reject_their_row_alone_or_nothing(tmp_path: Path) -> None:
    samples, _, counts = landed(
        tmp_path, record(f"{Q}StepCount", "3\x0b29", "count"),
        record(f"{Q}StepCount", "5", "count", sourceName="Fit\x0bapp"), STEPS,
    )  # fmt: skip
    assert samples["source_value"].to_list() == ["5", "329"]
    assert counts == {"xml_broken": 1}


def test_bytes_of_another_encoding_reject_their_row_alone(tmp_path: Path) -> None:
    bad = record(f"{Q}StepCount", "3~9", "count").encode().replace(b"~", b"\xff")
    named = record(f"{Q}StepCount", "5", "count", sourceName="Zo~").encode().replace(b"~", b"\xeb")
    content = export("@", STEPS).encode().replace(b"@", bad + named)
    samples, _, counts = checked(read(opened(tmp_path, content)))
    assert samples["source_value"].to_list() == ["5", "329"]
    assert counts == {"encoding": 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    declared = {"latin-1": "ISO-8859-1", "utf-8-sig": "UTF-8"}.get(encoding, "UTF-16")
    text = export(STEPS, STEPS.replace("Health", "Zoë")).replace("UTF-8", declared)
    samples, _, counts = checked(read(opened(tmp_path, text.encode(encoding))))
    assert samples["device"].to_list() == [device(None, "Health"), device(None, "Zoë")]
    assert counts == {}


def test_an_encoding_can_be_set_where_the_file_says_nothing(tmp_path: Path) -> None:
    content = export(STEPS.replace("Health", "Zoë")).replace(HEAD, "").encode("latin-1")
    reading = read(opened(tmp_path, content, options={"encoding": "latin-1"}))
    assert checked(reading)[0]["device"].to_list() == [device(None, "Zoë")]


def test_a_file_cut_at_any_byte_yields_only_what_was_sent(tmp_path: Path) -> None:
    whole = export(STEPS, *pressure(is_outside=True), sleep("Asleep", "00:00:00", "06:00:00"))
    raw = whole.encode()
    sent = {row for frame in checked(read(opened(tmp_path, raw)))[:2] for row in frame.iter_rows()}
    found = 0
    for end in (*range(0, len(raw) - 14, 23), len(raw) - 3):
        try:
            *frames, counts = checked(read(opened(tmp_path, raw[:end])))
        except UnreadableError as error:
            assert error.reason in ("file_empty", "format_unknown", "xml_broken")
            continue
        rows = {row for frame in frames for row in frame.iter_rows()}
        assert rows <= sent
        assert counts["xml_broken"] == 1
        found = max(found, len(rows))
    assert found == len(sent)


def test_a_flipped_bit_never_breaks_the_account(tmp_path: Path) -> None:
    raw = export(STEPS, *pressure(is_outside=True)).encode()
    outcomes = set()
    for at in range(0, len(raw), 17):
        flipped = bytearray(raw)
        flipped[at] ^= 1 << (at // 17 % 8)
        try:
            checked(read(opened(tmp_path, bytes(flipped))))
            outcomes.add("read")
        except UnreadableError as error:
            outcomes.add(error.reason)
    assert {"read", "xml_broken"} <= outcomes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        ("\x00\x00\n", "file_empty"),
        (b"\xff\xfe", "file_empty"),
        ("patient_id,code\np1,2345-7\n", "format_unknown"),
        ('{"a": "<HealthData/>"}', "format_unknown"),
        ('<?xml version="1.0"?><ClinicalDocument/>', "format_unknown"),
        ("<Record/>", "format_unknown"),
        (HEAD + DTD, "format_unknown"),
        (HEAD + DTD + "<HealthData>", "xml_broken"),
        (HEAD + DTD + "<HealthData><Record type=", "xml_broken"),
        (HEAD + DTD + "<HealthData><HealthData/></HealthData>", "xml_broken"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: str | bytes, reason: str) -> None:
    assert refusal(tmp_path, content) == reason


def test_an_empty_export_is_read_as_nothing(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, export()))
    samples, observations, counts = checked(reading)
    assert (reading.rows_in, samples.height, observations.height, counts) == (0, 0, 0, {})


def test_huge_tokens_and_deep_nesting_are_survived(tmp_path: Path) -> None:
    long = record(f"{Q}StepCount", "7", "count", sourceName="x" * 10_000_000)
    deep = "<Odd>" + "<a>" * 50_000 + "</a>" * 50_000 + "</Odd>\n"
    samples, _, counts = landed(tmp_path, long, deep, STEPS)
    assert samples["source_value"].to_list() == ["7", "329"]
    assert counts == {"record_not_used:Odd": 1}
    endless = export(STEPS, "x" * (1 << 25) + "x" * (1 << 20))
    samples, _, counts = checked(read(opened(tmp_path, endless)))
    assert (samples.height, counts) == (1, {"xml_broken": 1})
