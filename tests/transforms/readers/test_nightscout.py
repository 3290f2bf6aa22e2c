"""Nightscout entries: real ones, every form, what a time means, error codes, and hostile input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.instants import with_instants
from transforms.landing import (
    LANDING,
    PLACE,
    REJECTS,
    Opened,
    Reading,
    Source,
    UnreadableError,
)
from transforms.readers.nightscout import read
from transforms.synthetic.emit_nightscout import entries_csv, entries_json, entries_ndjson

REAL = Path(__file__).parents[3].parent / "shared" / "realdata"

MS = 1775421029000
AT = "2026-04-05T20:30:29.000"
TREATMENT = {
    "_id": "t1",
    "eventType": "Note",
    "type": "sgv",
    "enteredBy": "Ada Lovelace",
    "notes": "ate with Ada",
    "created_at": "2026-04-05T20:30:29Z",
}


def timed(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what their time says, in UTC."""
    return with_instants(rows.lazy(), "source_observed_at", "UTC").collect()


def sgv(value: object = 100, **more: object) -> dict[str, object]:
    return {"_id": "a1", "type": "sgv", "sgv": value, "date": MS, "device": "share2", **more}


def opened(
    tmp_path: Path,
    content: object,
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    written = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(written.encode() if isinstance(written, str) else written)
    scratch.mkdir(exist_ok=True)
    for left in scratch.iterdir():
        left.unlink()
    source = Source("nightscout", "nightscout", patients=patients or {})
    return Opened(path, "entries.json", source, scratch, patient_id)


Checked = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def checked(reading: Reading) -> Checked:
    """Samples, observations, rejects, after the law: every row in exactly one of them."""
    samples = reading.tables["sample"].collect(engine="streaming")
    observations = reading.tables["observation"].collect(engine="streaming")
    rejects = reading.rejects.collect(engine="streaming")
    assert samples.columns == [*PLACE, *LANDING["sample"]]
    assert observations.columns == [*PLACE, *LANDING["observation"]]
    assert dict(rejects.schema) == REJECTS
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= REASONS.keys()
    lines = [*samples["line"], *observations["line"], *rejects["line"]]
    assert len(lines) == len(set(lines)) == reading.rows_in
    return samples, observations, rejects


def read_all(tmp_path: Path, content: object) -> Checked:
    return checked(read(opened(tmp_path, content)))


def outcome(tmp_path: Path, content: object) -> Reading | UnreadableError:
    try:
        reading = read(opened(tmp_path, content))
        checked(reading)
    except UnreadableError as error:
        assert error.reason in REASONS
        return error
    return reading


def refusal(tmp_path: Path, content: object) -> str:
    refused = outcome(tmp_path, content)
    assert isinstance(refused, UnreadableError)
    return refused.reason


def reasons(rejects: pl.DataFrame) -> dict[str, int]:
    return dict(rejects.group_by("reason").len().iter_rows())


def values(samples: pl.DataFrame) -> list[str]:
    return samples["source_value"].to_list()


def time_of(tmp_path: Path, **entry: object) -> str:
    document = {**sgv(), **entry}
    samples, _, _ = read_all(tmp_path, [{k: v for k, v in document.items() if v is not None}])
    return str(samples["source_observed_at"][0])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are not beside this checkout")
@pytest.mark.parametrize(
    ("path", "samples", "rejected"),
    [
        ("cgm_cgm_format/nightscout_entries.json", 1000, {}),
        ("cgm_cgm_format/nightscout_profile.json", 0, {"record_not_used:profile": 9}),
        ("openaps_oref0/glucose.json", 6, {}),
        ("openaps_oref0/iob.json", 0, {"record_not_used:iob": 48}),
    ],
)
def test_real_files_land_every_value_as_it_is(
    tmp_path: Path, path: str, samples: int, rejected: dict[str, int]
) -> None:
    """Counted independently by the standard library's parser."""
    raw = (REAL / path).read_bytes()
    landed, _, rejects = read_all(tmp_path, raw)
    told = [entry for entry in json.loads(raw) if entry.get("sgv", 0) > 12]
    assert (landed.height, reasons(rejects)) == (samples, rejected)
    assert values(landed) == [str(entry["sgv"]) for entry in told]
    at = timed(landed)["observed_at"]
    assert at.dt.epoch("ms").to_list() == [entry["date"] for entry in told]


def test_an_entry_keeps_its_value_its_place_and_its_device(tmp_path: Path) -> None:
    samples, _, _ = read_all(tmp_path, [TREATMENT, sgv()])
    assert {
        key: value for key, value in samples.row(0, named=True).items() if value is not None
    } == {
        "line": 2,
        "part": 0,
        "patient_id": "p1",
        "kind": "sensor_glucose",
        "device": "share2",
        "source_value": "100",
        "source_unit": "mg/dL",
        "source_observed_at": f"{AT}Z",
    }


@pytest.mark.parametrize("number", ["5.40e1", "54.0", "1E2", "054", '"54 "'])
def test_a_number_stays_the_text_it_is_in_the_file(tmp_path: Path, number: str) -> None:
    content = json.dumps([sgv("X"), sgv()]).replace('"X"', number)
    samples, _, rejects = read_all(tmp_path, content)
    kept = [number.strip('" ')] if number != "054" else []
    assert values(samples) == [*kept, "100"]
    assert reasons(rejects) == ({} if kept else {"json_broken": 1})


@pytest.mark.parametrize("code", [0, 5, 12, 12.0, "9"])
def test_an_error_code_is_never_a_value(tmp_path: Path, code: object) -> None:
    samples, _, rejects = read_all(tmp_path, [sgv(code), sgv(39)])
    assert values(samples) == ["39"]
    assert reasons(rejects) == {"record_not_used:error_code": 1}


@pytest.mark.parametrize("low", [-1, 12.1, 13, 38, 38.9])
def test_what_is_no_error_code_is_left_to_the_gate(tmp_path: Path, low: float) -> None:
    samples, _, rejects = read_all(tmp_path, [sgv(low), sgv(39)])
    assert values(samples) == [str(low), "39"]
    assert rejects.is_empty()


def test_an_entry_that_says_mmol_is_believed_only_where_it_is_no_error_code(tmp_path: Path) -> None:
    entries = [sgv(5.6, units="mmol"), sgv(5, units="mmol/L"), sgv(100, units="mg/dl")]
    samples, _, _ = read_all(tmp_path, entries)
    assert samples.select("source_value", "source_unit").rows() == [
        ("5.6", "mmol/L"),
        ("5", None),
        ("100", "mg/dL"),
    ]


def test_a_meters_reading_is_capillary_glucose(tmp_path: Path) -> None:
    meter = {"_id": "m1", "type": "mbg", "mbg": 30, "date": MS, "device": "dexcom"}
    _, observations, _ = read_all(tmp_path, [meter])
    row = observations.row(0, named=True)
    assert (row["source_code"], row["source_value"], row["source_unit"], row["result_id"]) == (
        *("41653-7", "30", "mg/dL"),
        "m1",
    )


def test_other_documents_are_set_aside_by_kind_without_names_or_notes(tmp_path: Path) -> None:
    documents: list[dict[str, Any]] = [
        {"type": "cal", "slope": 800, "date": MS},
        TREATMENT,
        {"device": "loop://Ada's phone", "loop": {}, "created_at": "2026-04-05"},
        {"defaultProfile": "Ada", "store": {}},
        {"type": "Ada's own", "date": MS},
        sgv(100, isValid=False),
    ]
    reading = read(opened(tmp_path, documents))
    _, _, rejects = checked(reading)
    assert reasons(rejects) == {
        f"record_not_used:{kind}": 1
        for kind in ("cal", "treatment", "devicestatus", "profile", "other", "deleted")
    }
    assert reading.lines is not None
    assert "Ada" not in rejects.write_csv() + reading.lines.read_text()


def test_every_waiting_row_can_be_quoted_by_its_line(tmp_path: Path) -> None:
    laid_out = json.dumps([sgv(1000), TREATMENT, sgv(39)], indent=2)
    reading = read(opened(tmp_path, laid_out))
    assert reading.lines is not None
    quoted = reading.lines.read_text().splitlines()
    assert [json.loads(line)["sgv"] for line in (quoted[0], quoted[2])] == [1000, 39]
    assert quoted[1] == ""


# ---------------------------------------------------------------- what a time means


def test_utc_offset_tells_the_local_clock_of_the_instant(tmp_path: Path) -> None:
    assert time_of(tmp_path, utcOffset=120) == "2026-04-05T22:30:29.000+02:00"
    assert time_of(tmp_path, utcOffset=-210) == "2026-04-05T17:00:29.000-03:30"
    assert time_of(tmp_path, utcOffset=0) == f"{AT}Z"
    assert time_of(tmp_path) == f"{AT}Z"


def test_an_offset_of_no_place_on_earth_is_not_taken(tmp_path: Path) -> None:
    for offset in (100000, -7200, "east", 1e300, [60]):
        assert time_of(tmp_path, utcOffset=offset) == f"{AT}Z"


def test_where_date_and_date_string_disagree_date_is_the_instant(tmp_path: Path) -> None:
    assert time_of(tmp_path, dateString="2020-01-01T00:00:00Z") == f"{AT}Z"
    local = time_of(tmp_path, dateString="2020-01-01T00:00:00-0700")
    assert local == "2026-04-05T13:30:29.000-07:00"


def test_utc_offset_outranks_the_offset_of_date_string_unless_it_is_zero(tmp_path: Path) -> None:
    stamp = "2026-04-05T13:30:29-07:00"
    assert time_of(tmp_path, utcOffset=120, dateString=stamp).endswith("+02:00")
    assert time_of(tmp_path, utcOffset=0, dateString=stamp).endswith("-07:00")
    assert time_of(tmp_path, utcOffset=120, dateString=f"{AT}Z").endswith("+02:00")


def test_without_a_date_the_text_stands_as_it_is(tmp_path: Path) -> None:
    for stamp in (f"{AT}Z", "2026-04-05T13:30:29-0700", "2026-04-05T20:30:29"):
        assert time_of(tmp_path, date=None, dateString=stamp) == stamp
        assert time_of(tmp_path, date=stamp) == stamp


@pytest.mark.parametrize("date", [1775421029, -5, 1e40, "soon", True, {"a": 1}])
def test_a_date_that_is_not_in_milliseconds_is_not_read_as_one(
    tmp_path: Path, date: object
) -> None:
    told = pl.DataFrame({"source_observed_at": [time_of(tmp_path, date=date)]})
    assert timed(told)["observed_at"].to_list() == [None]


@pytest.mark.parametrize("date", [MS + 0.4, str(MS), {"$numberLong": str(MS)}])
def test_a_date_written_in_another_way_is_the_same_instant(tmp_path: Path, date: object) -> None:
    assert time_of(tmp_path, date=date) == f"{AT}Z"


# ---------------------------------------------------------------- forms


def test_every_form_of_json_gives_the_same_rows(tmp_path: Path) -> None:
    entries = [sgv(100), sgv(101, date=MS + 300_000)]
    forms: list[object] = [
        entries,
        json.dumps(entries, indent=1),
        json.dumps(entries).encode("utf-16"),
        "\ufeff" + json.dumps(entries),
        {"status": 200, "result": entries},
        {"entries": entries[:1], "profile": [], "result": entries[1:]},
        "\n".join(json.dumps(entry) for entry in entries),
        "".join(json.dumps(entry) + "\r\n\r\n" for entry in entries),
    ]
    for form in forms:
        samples, _, _ = read_all(tmp_path, form)
        assert sorted(values(samples)) == ["100", "101"]
    assert values(read_all(tmp_path, sgv())[0]) == ["100"]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_the_sites_csv_has_no_header_and_no_last_line_end(tmp_path: Path, separator: str) -> None:
    rows = [f'"{AT}Z"|{MS}|100|"Flat"|"a, b"', f'"{AT}Z"|{MS}|5||""', f'"{AT}Z"|{MS}|||"c"']
    content = "\r\n".join(rows).replace("|", separator)
    samples, _, rejects = read_all(tmp_path, content)
    assert samples.select("source_value", "device", "source_observed_at").rows() == [
        ("100", "a, b", f"{AT}Z")
    ]
    assert reasons(rejects) == {"record_not_used:error_code": 1, "record_not_used:other": 1}


def test_a_cut_last_row_of_the_csv_waits_and_a_whole_one_does_not(tmp_path: Path) -> None:
    row = f'"{AT}Z",{MS},100,"Flat",'
    assert reasons(read_all(tmp_path, f'{row}"a"\r\n{row}')[2]) == {"last_line_open": 1}
    assert read_all(tmp_path, f"{row}\r\n{row}")[0].height == 2


def test_a_table_with_a_header_is_read_by_its_names(tmp_path: Path) -> None:
    header = "_id,date,utcOffset,type,sgv,mbg,device\n"
    rows = f"a,{MS},60,sgv,100,,x\nb,{MS},60,mbg,,99,x\nc,{MS},60,etc,,,x\n"
    samples, observations, rejects = read_all(tmp_path, header + rows)
    assert samples["source_observed_at"].to_list() == ["2026-04-05T21:30:29.000+01:00"]
    assert observations["result_id"].to_list() == ["b"]
    assert reasons(rejects) == {"record_not_used:other": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        ('{"resourceType": "Bundle", "entry": []}', "format_unknown"),
        ("[1, 2, 3]", "format_unknown"),
        ('[{"a": 1}]', "format_unknown"),
        ("patient_id,collected_at,code\np1,2020-01-01,2345-7\n", "format_unknown"),
        ("{", "json_broken"),
        ('"2018-06-02T00:00:00"', "format_unknown"),
        (b"PK\x03\x04\xff\xfe\x00\x80\n\x81", "format_unknown"),
    ],
    ids=["empty", "bundle", "numbers", "other", "labs", "cut object", "text", "binary"],
)
def test_files_of_another_kind_are_refused(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    assert refusal(tmp_path, content) == reason


def test_an_empty_answer_is_an_empty_file(tmp_path: Path) -> None:
    for content in ("[]", {"status": 200, "result": []}):
        assert read(opened(tmp_path, content)).rows_in == 0


def test_the_patient_is_the_folders_or_mapped_by_stem_or_nobody(tmp_path: Path) -> None:
    samples, _, _ = checked(read(opened(tmp_path, [sgv()], None, {"entries": "p9"})))
    assert samples["patient_id"].to_list() == ["p9"]
    with pytest.raises(UnreadableError) as refused:
        read(opened(tmp_path, [sgv()], None))
    assert refused.value.reason == "file_unknown"


# ---------------------------------------------------------------- hostile and broken

BAD = {
    "cut value": b'{"sgv": ',
    "not closed": b'{"type": "sgv", "sgv": 1, "date": 1',
    "number": b"5",
    "text": b'"sgv"',
    "null": b"null",
    "key twice": b'{"sgv" "sgv"}',
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "invalid utf-8": b'{"sgv": 100, "device": "\xff"}',
    "raw control": b'{"sgv": 100, "device": "\x01"}',
}


@pytest.mark.parametrize("kind", BAD)
def test_a_broken_element_is_one_reject_and_the_others_are_read(tmp_path: Path, kind: str) -> None:
    bad = BAD[kind]
    good = [json.dumps(sgv(value)).encode() for value in (101, 102, 103)]
    for content in (
        b"[" + b",".join([good[0], bad, good[1], good[2]]) + b"]",
        b"\n".join([good[0], bad, good[1], good[2], b""]),
    ):
        samples, _, rejects = read_all(tmp_path, content)
        assert values(samples) == ["101", "102", "103"]
        assert reasons(rejects) == {"json_broken": 1}


def test_odd_values_reach_the_gate_as_text_and_never_stop_the_others(tmp_path: Path) -> None:
    odd = [None, True, [1], {"a": [2]}, "LOW", float("nan"), float("inf")]
    samples, _, _ = read_all(tmp_path, [*(sgv(value) for value in odd), sgv(100)])
    assert values(samples) == [
        *(None, "true", '["1"]', '{"a": ["2"]}', "LOW", "NaN", "Infinity", "100"),
    ]


def test_nul_and_endless_text_reject_their_entry_alone(tmp_path: Path) -> None:
    entries = [sgv(device="a\x00b"), sgv(device="x" * 10_000_000), sgv("9" * 5000), sgv(100)]
    samples, _, rejects = read_all(tmp_path, entries)
    assert values(samples) == ["100"]
    assert reasons(rejects) == {"nul_byte": 1, "line_too_long": 2}


def test_an_element_without_end_is_one_reject(tmp_path: Path) -> None:
    endless = json.dumps([sgv(101), {"a": "x" * 40_000_000}, sgv(102)])
    samples, _, rejects = read_all(tmp_path, endless)
    assert (values(samples), reasons(rejects)) == (["101", "102"], {"json_broken": 1})


def test_half_a_character_or_a_key_twice_rejects_its_entry_alone(tmp_path: Path) -> None:
    whole = '{"sgv": 100, "date": 1, "device": "\\ud83d\\ude00"}'
    twice = '{"sgv": 100, "sgv": 101, "date": 1}'
    for bad in (whole.replace("\\ude00", ""), twice):
        samples, _, rejects = read_all(tmp_path, f"[{bad}, {whole}]")
        assert samples["device"].to_list() == ["\U0001f600"]
        assert reasons(rejects) == {"json_broken": 1}


def test_a_file_cut_at_any_byte_keeps_what_came_before(tmp_path: Path) -> None:
    entries = [sgv(101), TREATMENT, sgv(102, utcOffset=60)]
    for whole in (
        json.dumps(entries).encode(),
        json.dumps(entries, indent=1).encode(),
        b"".join(json.dumps(entry).encode() + b"\n" for entry in entries),
    ):
        sent = set(read_all(tmp_path, whole)[0].iter_rows())
        for end in range(0, len(whole), 29):
            cut = outcome(tmp_path, whole[:end])
            if isinstance(cut, Reading):
                assert set(checked(cut)[0].iter_rows()) <= sent
    half = whole.index(b'"sgv": 102')
    assert values(read_all(tmp_path, whole[:half])[0]) == ["101"]


def test_a_flipped_bit_never_breaks_the_account(tmp_path: Path) -> None:
    for whole in (json.dumps([sgv(101), TREATMENT, sgv(102)]), f'"{AT}Z",{MS},100,"Flat","d"\r\n'):
        for at in range(0, len(whole), 17):
            flipped = bytearray(whole.encode())
            flipped[at] ^= 1 << (at // 17 % 8)
            outcome(tmp_path, bytes(flipped))


# ---------------------------------------------------------------- round trip

ENTRIES = st.lists(
    st.tuples(
        st.datetimes(datetime(2012, 1, 1), datetime(2038, 1, 1)),  # noqa: DTZ001
        st.none() | st.sampled_from([-570, -420, -210, 60, 120, 345, 840]),
        st.integers(39, 500),
        st.none()
        | st.text(
            st.characters(
                exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], exclude_characters='"\\'
            ),
            min_size=1,
            max_size=12,
        ),
    ),
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ENTRIES, st.sampled_from([entries_json, entries_ndjson, entries_csv]))
def test_reading_what_was_emitted_gives_the_entries_again(
    tmp_path: Path, rows: list[tuple[datetime, int | None, int, str | None]], emit: Any
) -> None:
    told: list[Any] = [
        (at.replace(microsecond=at.microsecond // 1000 * 1000), *rest) for at, *rest in rows
    ]
    schema: dict[str, Any] = {
        "observed_at": pl.Datetime("us"),
        "offset_minutes": pl.Int64,
        "sgv": pl.Int64,
        "device": pl.String,
    }
    emitted = emit(pl.DataFrame(told, schema=schema, orient="row"))
    samples, _, rejects = read_all(tmp_path, emitted)
    at, local = timed(samples).select("observed_at", "observed_local").get_columns()
    assert at.to_list() == [row[0] for row in told if _is_whole(row, told, emit)]
    if emit is not entries_csv:
        offsets = [timedelta(minutes=row[1] or 0) for row in told]
        assert local.to_list() == [row[0] + o for row, o in zip(told, offsets, strict=True)]
        assert rejects.is_empty()
    kept = [row for row in told if _is_whole(row, told, emit)]
    assert values(samples) == [str(row[2]) for row in kept]
    assert samples["device"].to_list() == [row[3] for row in kept]


def _is_whole(row: tuple[Any, ...], rows: list[Any], emit: Any) -> bool:
    """Of the site's CSV a last row without device, where others have one, could be cut."""
    is_last = row is rows[-1] and row[3] is None and any(other[3] for other in rows)
    return not (emit is entries_csv and is_last)
