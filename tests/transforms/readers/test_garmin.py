"""Garmin files: real ones beside the official SDK, made-up ones, and every way to be broken."""

from __future__ import annotations

import csv
import io
import json
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from garmin_fit_sdk import CrcCalculator, Decoder, Profile, Stream
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.formats import fit
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Source, UnreadableError
from transforms.readers.garmin import read
from transforms.synthetic import emit_garmin as emit
from transforms.synthetic.emit_garmin import Device, Message, Reading, Total

REAL = Path(__file__).parents[3].parent / "shared" / "realdata" / "fit_fitdecode"
WATCH = Device()
NAME = "garmin fenix5 3945849289"
NOON = datetime(2026, 5, 3, 12)  # noqa: DTZ001
ROME = timedelta(hours=2)
MINUTE = timedelta(minutes=1)

Row = tuple[str | None, ...]


def opened(tmp_path: Path, content: bytes, name: str = "day.fit", **of: Any) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    source = Source("garmin", "garmin", of.pop("time_zone", "UTC"), patients=of.pop("patients", {}))
    return Opened(path, name, source, scratch, of.pop("patient_id", "p1"), **of)


def checked(file: Opened) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Samples, observations and rejects, after the law: every row in one place alone, quoted."""
    reading = read(file)
    samples, observations = (reading.tables[table].collect() for table in ("sample", "observation"))
    rejects = reading.rejects.collect()
    assert samples.columns == [*PLACE, *LANDING["sample"]]
    assert observations.columns == [*PLACE, *LANDING["observation"]]
    assert dict(rejects.schema) == REJECTS
    used = {*samples["line"], *observations["line"]}
    assert rejects["line"].n_unique() == len(rejects)
    assert used.isdisjoint(rejects["line"])
    assert used | set(rejects["line"]) == set(range(1, reading.rows_in + 1))
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= set(REASONS)
    assert reading.lines is not None
    assert len(reading.lines.read_text().split("\n")) == reading.rows_in + 1
    return samples, observations, rejects


def told(samples: pl.DataFrame) -> list[Row]:
    columns = ("kind", "method", "source_value", "source_observed_at", "source_ended_at")
    return sorted(samples.select(columns).rows(), key=str)


def day(*messages: Message, at: datetime = NOON, offset: timedelta = ROME) -> bytes:
    return emit.fit_file([*emit.opening(WATCH, at, offset), *messages])


def zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def reasons(rejects: pl.DataFrame) -> dict[str, int]:
    return dict(Counter(rejects["reason"]))


def refusal(file: Opened) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(file)
    assert caught.value.reason in REASONS
    return caught.value.reason


def by_sdk(content: bytes) -> list[tuple[int, Mapping[Any, Any]]]:
    """Number and raw fields of every data message, as the official decoder sees them."""
    seen: list[tuple[int, Mapping[Any, Any]]] = []
    Decoder(Stream.from_byte_array(bytearray(content))).read(
        apply_scale_and_offset=False,
        convert_datetimes_to_dates=False,
        convert_types_to_strings=False,
        expand_components=False,
        expand_sub_fields=False,
        merge_heart_rates=False,
        mesg_listener=lambda number, message: seen.append((number, dict(message))),
    )
    return seen


def real(name: str) -> bytes:
    path = REAL / name
    if not path.exists():
        pytest.skip("the real samples are not here")
    return path.read_bytes()


# Real files


def test_a_real_day_of_a_band_is_its_totals_and_nothing_twice(tmp_path: Path) -> None:
    """Counted by the SDK: 355 messages; the last total is 3,142 steps walking and 31 running."""
    content = real("MonitoringFile.fit")
    samples, observations, rejects = checked(opened(tmp_path, content))
    assert told(samples) == [
        ("active_energy", "running", "1", "2014-12-27", None),
        ("active_energy", "walking", "68", "2014-12-27", None),
        ("steps", "running", "31", "2014-12-27", None),
        ("steps", "walking", "3142", "2014-12-27", None),
    ]
    assert set(samples["device"]) == {"garmin vivo_fit 3882708276"}
    kinds = Counter(number for number, _ in by_sdk(content))
    growing = sum("cycles" in m for n, m in by_sdk(content) if n == 55) - 2
    assert reasons(rejects) == {
        "record_not_used:file_id": kinds[0],
        "record_not_used:device_info": kinds[23],
        "record_not_used:event": kinds[21],
        "record_not_used:monitoring_info": kinds[103],
        "record_not_used:monitoring": kinds[55] - growing - 2,
        "record_not_used:monitoring_total": growing,
    }
    assert (len(observations), sum(kinds.values()), growing) == (0, 355, 79)


def test_a_real_walk_has_every_heart_rate_of_its_own_table(tmp_path: Path) -> None:
    with (REAL / "garmin-fenix-5-walk-records.csv").open() if REAL.exists() else io.StringIO() as f:
        table = [(row["timestamp"][11:19], row["heart_rate"]) for row in csv.DictReader(f)]
    samples, _, rejects = checked(opened(tmp_path, real("garmin-fenix-5-walk.fit")))
    heart = samples.filter(kind="heart_rate").sort("line")
    assert [(at[11:19], bpm) for at, bpm in
            heart.select("source_observed_at", "source_value").rows()] == table  # fmt: skip
    assert {at[19:] for at in heart["source_observed_at"]} == {"-07:00"}
    walk = samples.filter(kind="workout_duration").row(0, named=True)
    assert (walk["source_code"], walk["device"]) == ("walking", NAME)
    assert walk["source_ended_at"] == "2017-06-11T07:33:36.379-07:00"
    assert len(samples) + len(rejects) == len(by_sdk(real("garmin-fenix-5-walk.fit"))) == 99


def test_a_part_whose_checksum_is_wrong_waits_and_the_one_before_is_read(tmp_path: Path) -> None:
    samples, _, rejects = checked(opened(tmp_path, real("activity-activity-filecrc.fit")))
    assert told(samples) == [
        ("workout_duration", None, None, "2012-04-09T17:22:26-04:00",
         "2012-04-09T17:22:39.749-04:00"),
    ]  # fmt: skip
    assert reasons(rejects)["binary_broken:checksum"] == 22
    assert len(samples) + len(rejects) == 44


@pytest.mark.parametrize(
    "name", ["MonitoringFile.fit", "activity-activity-filecrc.fit", "garmin-fenix-5-walk.fit"]
)
def test_every_field_of_a_real_file_is_what_the_official_decoder_reads(name: str) -> None:
    content = real(name)
    assert_alike(content)


def assert_alike(content: bytes) -> None:
    """Numbers and all whole-number fields by both decoders."""
    seen, found = by_sdk(content), fit.messages(content)
    assert found.numbers.tolist() == [number for number, _ in seen]
    for number in set(found.numbers.tolist()):
        of = [message for n, message in seen if n == number]
        named = Profile["messages"].get(number, {}).get("fields", {})
        fields = {str(place): place for layout in found.layouts if layout.number == number
                  for place in layout.fields[::3] if _is_plain(layout, place)}  # fmt: skip
        for place in fields.values():
            key = named[place]["name"] if place in named else place
            column = found.values(number, {"x": place})["x"].to_list()
            assert column == [message.get(key) for message in of], (number, key)


def _is_plain(layout: fit.Layout, place: int) -> bool:
    found = layout.place(place)
    return found is not None and int(fit.TYPES.get(found[2], ("u0", 0))[0][1:]) == found[1]


# Decoder


@given(st.binary(max_size=2000))
def test_the_checksum_is_the_official_one(content: bytes) -> None:
    expected = CrcCalculator.calculate_crc(content, 0, len(content))
    assert fit.checksum(content) == expected == emit.crc(content)


fields = st.tuples(
    st.integers(0, 40),
    st.sampled_from([emit.ENUM, emit.UINT8, emit.UINT16, emit.UINT32, emit.UINT32Z]),
    st.integers(0, 255),
)
several = st.lists(fields, max_size=5, unique_by=lambda told: told[0]).map(tuple)
shapes = st.builds(Message, st.sampled_from([60001, 60002, 60003]), several)


@given(st.lists(shapes, min_size=1, max_size=40), st.sampled_from("<>"))
def test_any_messages_are_read_as_the_official_decoder_reads_them(
    messages: list[Message], order: str
) -> None:
    assert_alike(emit.fit_file(messages, order))


def test_a_text_is_told_only_where_there_is_one() -> None:
    content = emit.fit_file([Message(0, ((8, emit.STRING, "Index S2"),)), Message(0, ())])
    assert fit.messages(content).texts(0, 8) == {0: "Index S2"}


def test_compressed_time_stamps_go_on_from_the_last_full_one(tmp_path: Path) -> None:
    """Five bits; the SDK stops at them. 29, 31, then over the 32 seconds to 3 and 2."""
    at = datetime(2026, 5, 3, 12, 0, 0)  # noqa: DTZ001
    low = emit.seconds(at) & 31
    body = bytes(emit.fit_file([emit.reading(Reading("workout_heart_rate", at, 60))])[14:-2])
    body += b"\x41" + struct.pack("<BBH", 0, 0, 20) + b"\x01" + bytes((3, 1, emit.UINT8))
    steps = (5, 7, 31, 62)
    for bpm, step in enumerate(steps, 61):
        body += bytes((0x80 | 1 << 5 | (low + step) & 31, bpm))
    samples, _, _ = checked(opened(tmp_path, emit.closed(body)))
    wanted = [at + timedelta(seconds=s) for s in (0, *steps)]
    assert [row[3] for row in told(samples)] == [f"{when.isoformat()}Z" for when in wanted]


def test_short_time_stamps_roll_over_after_eighteen_hours(tmp_path: Path) -> None:
    times = [NOON + timedelta(hours=hours) for hours in (1, 17, 34, 51)]
    messages = [emit.short(at, 60 + i) for i, at in enumerate(times)]
    samples, _, _ = checked(opened(tmp_path, day(*messages)))
    wanted = [f"{(at + ROME).isoformat()}+02:00" for at in times]
    assert samples.sort("line")["source_observed_at"].to_list() == wanted


def test_a_time_since_switching_on_is_no_instant_and_left_to_the_gate(tmp_path: Path) -> None:
    early = Reading("heart_rate", emit.EPOCH + timedelta(days=3), 70)
    late = Reading("heart_rate", NOON, 70)
    content = emit.fit_file([emit.reading(early), emit.reading(late)])
    assert [row[3] for row in told(checked(opened(tmp_path, content))[0])] == [
        "2026-05-03T12:00:00Z", None]  # fmt: skip


# Kinds


def test_every_kind_of_reading_has_its_unit_and_keeps_its_number(tmp_path: Path) -> None:
    kinds = {"heart_rate": 61, "resting_heart_rate": 52, "respiratory_rate": 14.25,
             "oxygen_saturation": 97, "heart_rate_variability": 43.5, "weight": 68.35}  # fmt: skip
    messages = [emit.reading(Reading(kind, NOON, value)) for kind, value in kinds.items()]
    samples, observations, _ = checked(opened(tmp_path, day(*messages)))
    assert set(samples.select("kind", "source_value", "source_unit").rows()) == {
        ("heart_rate", "61", "bpm"),
        ("resting_heart_rate", "52", "bpm"),
        ("respiratory_rate", "14.25", "/min"),
        ("oxygen_saturation", "97", "%"),
        ("heart_rate_variability_rmssd", "43.5", "ms"),
    }
    assert observations.select("code_system", "source_code", "source_value", "source_unit").row(
        0
    ) == ("loinc", "29463-7", "68.35", "kg")


def test_a_cuff_tells_two_pressures_and_a_pulse_of_one_row(tmp_path: Path) -> None:
    stamp = (253, emit.UINT32, emit.seconds(NOON))
    cuff = ((0, emit.UINT16, 131), (1, emit.UINT16, 84), (6, emit.UINT8, 66))
    samples, observations, _ = checked(opened(tmp_path, day(Message(51, (stamp, *cuff)))))
    assert observations.select("part", "source_code", "source_value").rows() == [
        (0, "8480-6", "131"),
        (1, "8462-4", "84"),
    ]
    assert samples.select("part", "kind", "method", "source_value").rows() == [
        (2, "heart_rate", "cuff", "66")
    ]


def test_what_was_not_measured_is_no_reading(tmp_path: Path) -> None:
    off_wrist = Message(297, ((253, emit.UINT32, emit.seconds(NOON)), (0, emit.SINT16, -300)))
    still_weighing = Message(30, ((0, emit.UINT16, 65534),))
    none = Message(55, ((27, emit.UINT8, 255),))
    samples, observations, rejects = checked(opened(tmp_path, day(off_wrist, still_weighing, none)))
    assert len(samples) == len(observations) == 0
    assert {"record_not_used:respiration_rate", "record_not_used:weight_scale"} <= set(
        rejects["reason"]
    )


def test_stages_asleep_last_until_the_next_and_waking_is_set_aside(tmp_path: Path) -> None:
    names = ("light", "deep", "awake", "rem", "awake")
    at = [NOON + timedelta(minutes=20 * i) for i in range(5)]
    content = day(*(emit.stage(when, name) for when, name in zip(at, names, strict=True)))
    samples, _, rejects = checked(opened(tmp_path, content))
    rows = samples.select("source_code", "source_value", "source_observed_at", "source_ended_at")
    assert rows.sort("source_observed_at").rows() == [
        ("light", None, "2026-05-03T14:00:00+02:00", "2026-05-03T14:20:00+02:00"),
        ("deep", None, "2026-05-03T14:20:00+02:00", "2026-05-03T14:40:00+02:00"),
        ("rem", None, "2026-05-03T15:00:00+02:00", "2026-05-03T15:20:00+02:00"),
    ]
    assert reasons(rejects)["record_not_used:sleep_level"] == 2


def test_a_stage_without_an_end_is_set_aside(tmp_path: Path) -> None:
    samples, _, rejects = checked(opened(tmp_path, day(emit.stage(NOON, "deep"))))
    assert (len(samples), reasons(rejects)["record_not_used:sleep_level"]) == (0, 1)


@pytest.mark.parametrize("written", [NOON - MINUTE, NOON + timedelta(hours=1)])
def test_a_workout_lasts_from_its_start_whenever_it_was_written(
    tmp_path: Path, written: datetime
) -> None:
    ride = emit.session(NOON, timedelta(seconds=3599.5), "cycling", written)
    samples, _, _ = checked(opened(tmp_path, day(ride)))
    assert told(samples) == [
        (
            "workout_duration",
            None,
            None,
            "2026-05-03T14:00:00+02:00",
            "2026-05-03T14:59:59.500+02:00",
        )
    ]


# Day totals


def walked(*steps: tuple[datetime, int], activity: str = "walking") -> list[Message]:
    return [emit.total(Total(activity, at, count, count // 20)) for at, count in steps]


def steps_of(samples: pl.DataFrame) -> list[tuple[Any, ...]]:
    rows = samples.filter(kind="steps").select("source_observed_at", "method", "source_value")
    return sorted(rows.rows())


def test_totals_of_several_days_are_one_sample_each_by_the_wall_clock(tmp_path: Path) -> None:
    midnight = datetime(2026, 5, 3, 22)  # noqa: DTZ001
    content = day(
        *walked((NOON, 4000), (midnight, 9000), (midnight + MINUTE, 12), (NOON + MINUTE * 900, 800))
    )
    assert steps_of(checked(opened(tmp_path, content))[0]) == [
        ("2026-05-03", "walking", "9000"),
        ("2026-05-04", "walking", "800"),
    ]


def test_walking_and_running_are_counters_of_their_own(tmp_path: Path) -> None:
    content = day(*walked((NOON, 4000)), *walked((NOON, 700), activity="running"))
    assert steps_of(checked(opened(tmp_path, content))[0]) == [
        ("2026-05-03", "running", "700"),
        ("2026-05-03", "walking", "4000"),
    ]


def test_a_days_files_in_one_archive_give_its_last_total_in_any_order(tmp_path: Path) -> None:
    early = day(*walked((NOON - MINUTE, 3000), (NOON, 4000)), at=NOON - ROME)
    late = day(*walked((NOON + MINUTE, 4100), (NOON + 2 * MINUTE, 6000)))
    for names in (("a.fit", "b.fit"), ("b.fit", "a.fit")):
        content = zipped(dict(zip(names, (early, late), strict=True)))
        samples, _, rejects = checked(opened(tmp_path, content, "export.zip"))
        assert steps_of(samples) == [("2026-05-03", "walking", "6000")]
        assert reasons(rejects)["record_not_used:monitoring_total"] == 3


def test_two_watches_have_their_own_totals(tmp_path: Path) -> None:
    other = [*emit.opening(replace(WATCH, serial=7), NOON, ROME), *walked((NOON, 5000))]
    content = zipped({"a.fit": day(*walked((NOON, 4000))), "b.fit": emit.fit_file(other)})
    samples = checked(opened(tmp_path, content, "export.zip"))[0].filter(kind="steps")
    assert set(samples.select("device", "source_value").rows()) == {
        (NAME, "4000"), ("garmin fenix5 7", "5000")}  # fmt: skip


def test_an_outgrown_total_beside_a_heart_rate_is_not_set_aside(tmp_path: Path) -> None:
    both = Message(55, (*walked((NOON, 100))[0].fields, (27, emit.UINT8, 88)))
    content = zipped({"a.fit": day(both), "b.fit": day(*walked((NOON + MINUTE, 200)))})
    samples, _, _ = checked(opened(tmp_path, content, "export.zip"))
    assert [row[:3] for row in told(samples)] == [
        ("active_energy", "walking", "10"),
        ("heart_rate", None, "88"),
        ("steps", "walking", "200"),
    ]


@pytest.mark.parametrize(
    ("zone", "on"), [("UTC", "2026-05-03"), ("Pacific/Auckland", "2026-05-04")]
)
def test_without_a_local_time_stamp_the_day_is_that_of_the_sources_zone(
    tmp_path: Path, zone: str, on: str
) -> None:
    content = emit.fit_file(walked((datetime(2026, 5, 3, 18), 50)))  # noqa: DTZ001
    samples, _, _ = checked(opened(tmp_path, content, time_zone=zone))
    assert steps_of(samples) == [(on, "walking", "50")]


@pytest.mark.parametrize(
    ("offset", "suffix"),
    [
        (timedelta(hours=-3.5), "-03:30"),
        (timedelta(hours=5.75), "+05:45"),
        (timedelta(0), "+00:00"),
        (timedelta(hours=2, seconds=-40), "+02:00"),
        (timedelta(hours=2, minutes=7), "Z"),
        (timedelta(days=4), "Z"),
    ],
)
def test_an_offset_is_told_where_the_two_time_stamps_are_a_zone_apart(
    tmp_path: Path, offset: timedelta, suffix: str
) -> None:
    content = day(emit.reading(Reading("heart_rate", NOON, 61)), offset=offset)
    ((_, _, _, at, _),) = told(checked(opened(tmp_path, content))[0])
    assert at is not None
    assert at[19:] == suffix
    assert (datetime.fromisoformat(at) - datetime.fromisoformat("2026-05-03T12:00Z")) == ROME * 0


# Round trip


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(20, 254)),
        unique_by=lambda told: told[0],
        max_size=30,
    ),
    st.sampled_from([-14, -3, 0, 19, 23, 56]),
    st.integers(1, 2**32 - 1),
    st.sampled_from("<>"),
)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    beats: list[tuple[int, int]],
    quarters: int,
    serial: int,
    order: str,
) -> None:
    offset, watch = timedelta(minutes=15 * quarters), replace(WATCH, serial=serial)
    readings = [Reading("heart_rate", NOON + timedelta(seconds=s), bpm) for s, bpm in beats]
    content = emit.fit_file(
        [*emit.opening(watch, NOON, offset), *map(emit.reading, readings)], order
    )
    samples, _, _ = checked(opened(tmp_path_factory.mktemp("fit"), content))
    seen = {
        (datetime.fromisoformat(at), bpm)
        for at, bpm in samples.select("source_observed_at", "source_value").rows()
    }
    utc = datetime.fromisoformat("2026-05-03T12:00Z")
    assert seen == {(utc + timedelta(seconds=s), str(bpm)) for s, bpm in beats}
    assert set(samples["device"]) <= {f"garmin fenix5 {serial}"}


# The account export


def account(**more: bytes) -> bytes:
    nested = zipped({"p_1.fit": day(*walked((NOON, 4000))), "readme.txt": b"x"})
    return zipped(
        {
            "DI_CONNECT/DI-Connect-Aggregator/UDSFile_2026-01-01_2026-04-11.json":
                emit.daily_summaries({date(2026, 5, 3): (4242, 55)}),
            "DI_CONNECT/DI-Connect-Wellness/2026_1_sleepData.json":
                emit.nights([(NOON, NOON + timedelta(hours=8),
                              {"deep": 3600, "light": 7200, "rem": 0, "awake": 60})]),
            "DI_CONNECT/DI-Connect-Wellness/1_userBioMetrics.json":
                emit.weighings({NOON: 68400.0}),
            "DI_CONNECT/DI-Connect-Uploaded-Files/UploadedFiles_0-_Part1.zip": nested,
            "DI_CONNECT/DI-Connect-User/user_profile.json": b'{"firstName": "Ada"}',
            **more,
        }
    )  # fmt: skip


def test_an_account_export_gives_its_lists_and_the_files_inside_it(tmp_path: Path) -> None:
    file = opened(tmp_path, account(), "export.zip")
    samples, observations, rejects = checked(file)
    assert told(samples) == [
        ("active_energy", "walking", "200", "2026-05-03", None),
        ("resting_heart_rate", None, "55", "2026-05-03", None),
        ("sleep_duration", "deep", "3600", "2026-05-03T12:00:00.0Z", "2026-05-03T20:00:00.0Z"),
        ("sleep_duration", "light", "7200", "2026-05-03T12:00:00.0Z", "2026-05-03T20:00:00.0Z"),
        ("steps", "walking", "4000", "2026-05-03", None),
        ("steps", None, "4242", "2026-05-03", None),
    ]
    weights = observations.select("source_value", "source_unit", "source_observed_at").rows()
    assert weights == [("68400.0", "g", "2026-05-03T12:00:00.0")]
    assert len(rejects) == 2
    assert read(file).notes == ("1 other files of the archive are not used",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"calendarDate": "2026-05-03"}]', "record_not_used:daily_summary"),
        (b'["Ada", null, 3]', "json_broken:no object"),
        (b'[{"calendarDate": "2026', "json_broken:not valid JSON"),
        (b"[" * 5000, "json_broken:not valid JSON"),
        (b"\xff\xfe[]", "json_broken:not valid JSON"),
    ],
)
def test_an_entry_that_is_none_is_a_reject_and_the_rest_is_read(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    samples, _, rejects = checked(
        opened(tmp_path, account(**{"UDSFile_broken.json": content}), "export.zip")
    )
    assert reason in set(rejects["reason"])
    assert len(samples) == 6


def test_strange_values_of_an_entry_are_kept_as_text_for_the_gate(tmp_path: Path) -> None:
    entry = {"calendarDate": {"a": 1}, "totalSteps": [1], "restingHeartRate": "x\ny" * 90}
    content = json.dumps([entry]).encode()
    samples, _, _ = checked(opened(tmp_path, content, "UDSFile_1.json"))
    assert sorted(samples["source_value"]) == ["[1]", ("x\ny" * 90)[:100]]
    assert set(samples["source_observed_at"]) == {'{"a":1}'}


# Whose


@pytest.mark.parametrize("key", ["day", str(WATCH.serial)])
def test_a_file_is_its_patients_by_folder_name_or_serial(tmp_path: Path, key: str) -> None:
    content = day(emit.reading(Reading("heart_rate", NOON, 61)))
    mapped = opened(tmp_path, content, patient_id=None, patients={key: "ann"})
    assert set(checked(mapped)[0]["patient_id"]) == {"ann"}
    assert refusal(opened(tmp_path, content, patient_id=None, patients={"x": "ann"})) == (
        "file_unknown"
    )


def test_an_archive_of_two_peoples_watches_is_nobodys(tmp_path: Path) -> None:
    other = emit.fit_file(emit.opening(replace(WATCH, serial=7), NOON, ROME))
    both = {str(WATCH.serial): "ann", "7": "bob"}
    content = zipped({"a.fit": day(), "b.fit": other})
    assert refusal(opened(tmp_path, content, "e.zip", patient_id=None, patients=both)) == (
        "file_unknown"
    )
    one = opened(tmp_path, zipped({"a.fit": day()}), "e.zip", patient_id=None, patients=both)
    assert len(checked(one)[2]) == 2


def test_a_name_in_the_profile_message_is_nowhere(tmp_path: Path) -> None:
    profile = Message(3, ((0, emit.STRING, "Ada Lovelace"), (4, emit.UINT16, 684)))
    file = opened(tmp_path, day(profile))
    rejects = checked(file)[2]
    assert "record_not_used:user_profile" in set(rejects["reason"])
    assert b"Ada" not in b"".join(path.read_bytes() for path in file.scratch.iterdir())
    assert not any("Ada" in str(cell) for row in rejects.rows() for cell in row)


# Broken and hostile

GOOD = day(
    *(emit.reading(Reading("heart_rate", NOON + i * MINUTE, 60 + i)) for i in range(5)),
    *walked((NOON, 10)),
)


def test_a_file_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    whole = told(checked(opened(tmp_path, GOOD))[0])
    most = 0
    for end in [*range(15, len(GOOD) - 2, 4), len(GOOD) - 2, len(GOOD) - 1]:
        samples, _, rejects = checked(opened(tmp_path, GOOD[:end]))
        assert reasons(rejects)["binary_broken:the file ends early"] == 1
        assert set(told(samples)) <= set(whole)
        most = max(most, len(samples))
    assert most == len(whole)


def test_one_changed_byte_is_never_read_as_if_it_were_right(tmp_path: Path) -> None:
    whole = set(told(checked(opened(tmp_path, GOOD))[0]))
    for at in range(14, len(GOOD), 3):
        changed = bytearray(GOOD)
        changed[at] ^= 0x10
        samples, _, rejects = checked(opened(tmp_path, bytes(changed)))
        assert set(told(samples)) <= whole
        assert any(reason.startswith("binary_broken") for reason in rejects["reason"]), at


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_is_read_or_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(content)
    if data.draw(st.booleans()):
        body = emit.closed(body[14:-2])
    file = opened(tmp_path_factory.mktemp("fit"), body)
    try:
        checked(file)
    except UnreadableError as error:
        assert error.reason in REASONS


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_records_are_read_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    _, _, rejects = checked(opened(tmp_path_factory.mktemp("fit"), emit.closed(body) + b"\0"))
    assert len(rejects) > 0


@pytest.mark.parametrize("content", [b"", b".FIT", b"PK", b"\x0e" * 40, b'{"a": 1}'])
def test_what_is_no_fit_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(opened(tmp_path, content)) in {"format_unknown", "file_empty"}


def test_millions_of_messages_of_no_size_stop_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "MOST_MESSAGES", 1000)
    empty = b"\x40" + struct.pack("<BBHB", 0, 0, 60001, 0)
    for count, broken in ((1000, 0), (5000, 1)):
        _, _, rejects = checked(opened(tmp_path, emit.closed(empty + b"\0" * count)))
        assert (len(rejects) - broken, broken) == (
            1000, sum(r.startswith("binary_broken") for r in rejects["reason"]))  # fmt: skip


def test_thousands_of_definitions_stop_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "MOST_LAYOUTS", 50)
    for count, wanted in ((50, 50), (60, 51)):
        body = b"".join(
            b"\x40" + struct.pack("<BBHB", 0, 0, 61000 + i, 0) + b"\0" for i in range(count)
        )
        assert len(checked(opened(tmp_path, emit.closed(body)))[2]) == wanted


def test_a_definition_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    fields_ = b"".join(bytes((i, 255, emit.UINT8)) for i in range(255))
    head = b"\x60" + struct.pack("<BBHB", 0, 0, 20, 255) + fields_ + b"\xff" + fields_
    body = head + b"\0" + bytes(255 * 255 * 2)
    assert len(checked(opened(tmp_path, emit.closed(body)))[2]) == 1
    assert reasons(checked(opened(tmp_path, emit.closed(body[:-1])))[2]) == {
        "binary_broken:the file ends early": 1
    }


def test_a_file_larger_than_the_limit_is_refused_and_in_an_archive_one_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "MOST_BYTES", len(GOOD))
    larger = GOOD + b"\0"
    assert refusal(opened(tmp_path, larger)) == "too_large"
    content = zipped({"a.fit": GOOD, "b.fit": larger})
    samples, _, rejects = checked(opened(tmp_path, content, "export.zip"))
    assert len(samples) == 7
    assert reasons(rejects)["too_large:a file of more than 0 MB"] == 1


@pytest.mark.parametrize(
    ("name", "inner", "why"),
    [
        ("b.fit", b"no fit", "format_unknown:no FIT file"),
        ("b.fit", b"", "file_empty:"),
        ("b.zip", b"PK\x03\x04broken", "archive_broken:no FIT file"),
        ("b.zip", zipped({"x.txt": b""}), None),
    ],
)
def test_a_bad_file_in_an_archive_harms_no_other(
    tmp_path: Path, name: str, inner: bytes, why: str | None
) -> None:
    content = zipped({"a.fit": GOOD, name: inner, "c.fit": GOOD})
    samples, _, rejects = checked(opened(tmp_path, content, "export.zip"))
    assert (len(samples), why in {None, *rejects["reason"]}) == (12, True)


def test_an_archive_without_such_files_says_so(tmp_path: Path) -> None:
    assert refusal(opened(tmp_path, zipped({"a.txt": b"x"}), "export.zip")) == "archive_empty"


def test_an_archive_in_an_archive_counts_against_the_same_limit(tmp_path: Path) -> None:
    long = day(*(emit.short(NOON + i * MINUTE, 60) for i in range(500)))
    inner = zipped({f"{i}.fit": long for i in range(9)})
    content = zipped({"a.zip": inner, "b.zip": inner})
    bound = 2 * len(inner) + 9 * len(long)
    assert refusal(opened(tmp_path, content, "e.zip", unpacked_bytes=bound)) == "too_large"
    enough = opened(tmp_path, content, "e.zip", unpacked_bytes=bound + 9 * len(long))
    assert len(checked(enough)[0]) == 18 * 500


def test_rows_are_kept_on_disk_when_they_grow_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.readers.garmin.SPILL_ROWS", 10)
    content = zipped({f"{i}.fit": GOOD for i in range(5)})
    file = opened(tmp_path, content, "export.zip")
    samples, _, _ = checked(file)
    assert len(samples.filter(kind="heart_rate")) == 25
    assert len(list(file.scratch.glob("*.parquet"))) > 1
