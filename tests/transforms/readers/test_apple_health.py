"""Exports of Apple Health: every kind of record, every way a file is broken, and nobody's name."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.formats.apple_kinds import device, is_sensor
from transforms.landing import (
    LANDING,
    PLACE,
    REJECTS,
    Opened,
    Reading,
    Source,
    UnreadableError,
)
from transforms.readers.apple_health import read
from transforms.synthetic.emit_apple_health import export_xml, export_zip

REAL = Path(__file__).parents[3].parent / "shared" / "realdata" / "apple_health_tdda"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
DTD = "<!DOCTYPE HealthData [\n<!ELEMENT HealthData (ExportDate,Me,(Record|Workout)*)>\n]>\n"
BEGIN, END = "2024-03-01 07:00:00 -0800", "2024-03-01 07:10:00 -0800"
WATCH = (
    "&lt;&lt;HKDevice: 0x2823cc1e0&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, "
    "hardware:Watch6,1, software:8.1&gt;"
)
Q, C = "HKQuantityTypeIdentifier", "HKCategoryTypeIdentifier"


def record(
    kind: str, value: str | None, unit: str | None = None, inside: str = "", **more: str
) -> str:
    said = {"type": kind, "sourceName": "Health", "startDate": BEGIN, "endDate": END}
    said |= {name: text for name, text in (("unit", unit), ("value", value)) if text is not None}
    told = "".join(f' {name}="{text}"' for name, text in (said | more).items())
    return f" <Record{told}>\n{inside} </Record>\n" if inside else f" <Record{told}/>\n"


def noted(key: str, value: str) -> str:
    return f'  <MetadataEntry key="{key}" value="{value}"/>\n'


def export(*elements: str) -> str:
    return f'{HEAD}{DTD}<HealthData locale="en_US">\n{"".join(elements)}</HealthData>\n'


STEPS = record(f"{Q}StepCount", "329", "count")


def opened(
    tmp_path: Path,
    content: str | bytes,
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    time_zone: str = "UTC",
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    for old in scratch.glob("*"):
        old.unlink()
    scratch.mkdir(exist_ok=True)
    source = Source(
        "apple_health", "apple_health", time_zone, patients=patients or {}, options=options or {}
    )
    return Opened(path, "export.xml", source, scratch, patient_id)


def checked(reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Samples, observations and reasons, after the law: every row in exactly one place."""
    tables = {name: rows.collect(engine="streaming") for name, rows in reading.tables.items()}
    rejects = reading.rejects.collect(engine="streaming")
    for name, rows in tables.items():
        assert rows.columns == [*PLACE, *LANDING[name]]
    assert dict(rejects.schema) == REJECTS
    lines = [line for rows in (*tables.values(), rejects) for line in rows["line"]]
    assert sorted(lines) == list(range(1, reading.rows_in + 1))
    assert all(reason.split(":")[0] in REASONS for reason in rejects["reason"])
    assert reading.lines is not None
    assert len(reading.lines.read_bytes().splitlines()) == reading.rows_in
    counts = dict(rejects.group_by("reason").len().iter_rows())
    return tables["sample"], tables["observation"], counts


def landed(tmp_path: Path, *elements: str) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    return checked(read(opened(tmp_path, export(*elements))))


def refusal(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(UnreadableError) as refused:
        read(opened(tmp_path, content))
    assert refused.value.reason in REASONS
    return refused.value.reason


def test_the_real_export_becomes_the_tables_its_own_project_expects(tmp_path: Path) -> None:
    """The oracle is the sample's own CSV files, made by another program."""
    if not REAL.is_dir():
        pytest.skip("the real samples are not beside this checkout")
    raw = (REAL / "export6s3sample.xml").read_bytes()
    samples, observations, counts = checked(read(opened(tmp_path, raw)))
    steps, workouts = (
        list(csv.DictReader(io.StringIO((REAL / name).read_text())))
        for name in ("StepCount.csv", "Workout.csv")
    )
    expected = [
        *((row["value"], row["unit"], row["startDate"], row["endDate"]) for row in steps),
        *((w["duration"], w["durationUnit"], w["startDate"], w["endDate"]) for w in workouts),
    ]
    said = ("source_value", "source_unit", "source_observed_at", "source_ended_at")
    assert samples.select(said).rows() == expected
    assert samples["kind"].to_list() == ["steps"] * 10 + ["workout_duration"]
    assert observations.height == 0
    assert counts == {
        "record_not_used:DistanceWalkingRunning": 5,
        "record_not_used:ActivitySummary": 2,
        "record_not_used:ExportDate": 1,
        "record_not_used:Me": 1,
    }


def test_a_sample_keeps_its_text_and_its_line(tmp_path: Path) -> None:
    samples, _, _ = landed(tmp_path, STEPS, STEPS.replace("329", "12"))
    assert samples.row(1, named=True) == {
        "line": 2,
        "part": 0,
        "source_row": None,
        "patient_id": "p1",
        "kind": "steps",
        "device": device(None, "Health"),
        "method": None,
        "source_code": None,
        "source_value": "12",
        "source_unit": "count",
        "source_observed_at": BEGIN,
        "source_ended_at": END,
    }


@pytest.mark.parametrize(
    ("kind", "value", "unit", "expected"),
    [
        ("HeartRate", "92", "count/min", ("heart_rate", "count/min")),
        ("RestingHeartRate", "55", "count/min", ("resting_heart_rate", "count/min")),
        ("HeartRateVariabilitySDNN", "48.5", "ms", ("heart_rate_variability_sdnn", "ms")),
        ("RespiratoryRate", "14.2", "count/min", ("respiratory_rate", "count/min")),
        ("OxygenSaturation", "0.97", "%", ("oxygen_saturation", "1")),
        ("ActiveEnergyBurned", "3.1", "Cal", ("active_energy", "kcal")),
        ("ActiveEnergyBurned", "3.1", "cal", ("active_energy", "cal")),
        ("ActiveEnergyBurned", "3.1", "kJ", ("active_energy", "kJ")),
    ],
)
def test_quantities_become_samples_in_the_unit_that_is_meant(
    tmp_path: Path, kind: str, value: str, unit: str, expected: tuple[str, str]
) -> None:
    samples, _, _ = landed(tmp_path, record(Q + kind, value, unit))
    assert samples.select("kind", "source_unit").row(0) == expected
    assert samples["source_value"].to_list() == [value]


@pytest.mark.parametrize(
    ("kind", "value", "unit", "expected"),
    [
        ("BodyMass", "154.3", "lb", ("29463-7", "lb")),
        ("BodyMassIndex", "24.1", "count", ("39156-5", "kg/m2")),
        ("BodyFatPercentage", "0.184", "%", ("41982-0", "1")),
        ("Height", "5.91667", "ft", ("8302-2", "ft")),
        ("WaistCircumference", "36", "in", ("8280-0", "in")),
        ("BloodPressureSystolic", "120", "mmHg", ("8480-6", "mmHg")),
        ("BloodPressureDiastolic", "80", "mmHg", ("8462-4", "mmHg")),
        ("BodyTemperature", "98.6", "degF", ("8310-5", "degF")),
        ("BloodGlucose", "94", "mg/dL", ("41653-7", "mg/dL")),
        ("BloodGlucose", "5.2", "mmol&lt;180.1558800000541&gt;/L", ("14743-9", "mmol/L")),
        ("BloodGlucose", "5.2", "mmol&lt;46.07&gt;/L", ("41653-7", "mmol<46.07>/L")),
    ],
)
def test_vital_signs_become_observations_with_their_loinc_code(
    tmp_path: Path, kind: str, value: str, unit: str, expected: tuple[str, str]
) -> None:
    _, observations, _ = landed(tmp_path, record(Q + kind, value, unit))
    assert observations.select("source_code", "source_unit").row(0) == expected
    assert observations.select("source_value", "source_observed_at").row(0) == (value, BEGIN)


@pytest.mark.parametrize(
    ("source", "described", "inside", "is_worn"),
    [
        ("Dexcom G7", "", "", True),
        ("Loop", "&lt;&lt;HKDevice: 0x1&gt;, name:CGMBLEKit, manufacturer:Dexcom&gt;", "", True),
        ("FreeStyle LibreLink", "", "", True),
        ("Health", "", "", False),
        ("Contour", "", "", False),
        ("Calibre fitness", "", "", False),
        ("Dexcom G7", "", noted("HKWasUserEntered", "1"), False),
        ("Dexcom G7", "", noted("HKWasUserEntered", "0"), True),
    ],
)
def test_glucose_is_a_sensors_only_by_a_known_sensor_and_not_when_typed(
    tmp_path: Path, source: str, described: str, inside: str, is_worn: bool
) -> None:
    more = {"sourceName": source} | ({"device": described} if described else {})
    samples, observations, _ = landed(
        tmp_path, record(f"{Q}BloodGlucose", "94", "mg/dL", inside, **more)
    )
    assert (samples.height, observations.height) == (int(is_worn), int(not is_worn))
    assert samples["kind"].to_list() == ["sensor_glucose"] * is_worn


@pytest.mark.parametrize(("told", "fasting"), [("2", "no"), ("1", None)])
def test_glucose_after_a_meal_is_not_fasting_and_before_one_is_not_known_to_be(
    tmp_path: Path, told: str, fasting: str | None
) -> None:
    inside = noted("HKBloodGlucoseMealTime", told)
    _, observations, _ = landed(tmp_path, record(f"{Q}BloodGlucose", "94", "mg/dL", inside))
    assert observations["source_fasting"].to_list() == [fasting]


def sleep(word: str, begin: str, end: str, source: str = "Watch") -> str:
    times = {"startDate": f"2024-03-01 {begin} +0100", "endDate": f"2024-03-01 {end} +0100"}
    return record(
        f"{C}SleepAnalysis", f"HKCategoryValueSleepAnalysis{word}", sourceName=source, **times
    )


def test_sleep_is_what_was_slept_and_lying_awake_is_not(tmp_path: Path) -> None:
    samples, _, counts = landed(
        tmp_path,
        sleep("InBed", "00:00:00", "06:00:00"),
        sleep("AsleepCore", "00:10:00", "01:00:00"),
        sleep("Awake", "01:00:00", "01:05:00"),
        sleep("AsleepREM", "01:05:00", "02:00:00"),
        sleep("AsleepUnspecified", "03:00:00", "04:00:00"),
        sleep("Asleep", "12:00:00", "12:30:00"),
    )
    assert samples.select("kind", "source_code", "source_value").rows() == [
        ("in_bed_duration", "InBed", None),
        ("sleep_duration", "AsleepCore", None),
        ("sleep_duration", "AsleepREM", None),
        ("sleep_duration", "AsleepUnspecified", None),
        ("sleep_duration", "Asleep", None),
    ]
    assert counts == {"record_not_used:SleepAnalysisAwake": 1}
    assert samples["source_ended_at"].is_not_null().all()


def test_a_night_without_stages_counts_unless_the_same_device_has_its_stages(
    tmp_path: Path,
) -> None:
    night = sleep("AsleepUnspecified", "00:00:00", "06:00:00")
    stages = sleep("AsleepDeep", "00:10:00", "01:00:00"), sleep("AsleepREM", "01:00:00", "02:00:00")
    samples, _, counts = landed(tmp_path, night, *stages)
    assert samples["source_code"].to_list() == ["AsleepDeep", "AsleepREM"]
    assert counts == {"record_not_used:SleepSession": 1}
    other = sleep("AsleepUnspecified", "00:00:00", "06:00:00", "AutoSleep")
    samples, _, counts = landed(tmp_path, other, *stages)
    assert (samples.height, counts) == (3, {})


def test_a_word_of_sleep_that_is_not_known_is_left_to_the_gate(tmp_path: Path) -> None:
    samples, _, _ = landed(tmp_path, sleep("AsleepFloating", "00:00:00", "06:00:00"))
    assert samples["source_value"].to_list() == ["HKCategoryValueSleepAnalysisAsleepFloating"]


@pytest.mark.parametrize(
    ("name", "word", "expected"),
    [
        ("MenstrualFlow", "MenstrualFlowHeavy", ("menstrual_flow", "Heavy", None)),
        ("MenstrualFlow", "VaginalBleedingLight", ("menstrual_flow", "Light", None)),
        ("MenstrualFlow", "VaginalBleedingNone", None),
        ("Fever", "SeverityModerate", ("symptom", "fever", "fever")),
        ("Fever", "SeverityNotPresent", None),
        ("SoreThroat", "SeverityUnspecified", ("symptom", "sore_throat", "sore_throat")),
        ("SleepChanges", "PresencePresent", ("symptom", "sleep_changes", "sleep_changes")),
        ("AppetiteChanges", "AppetiteChangesNoChange", None),
        ("AppetiteChanges", "AppetiteChangesDecreased", ("symptom", *["appetite_changes"] * 2)),
    ],
)
def test_bleeding_and_symptoms_are_noted_when_present(
    tmp_path: Path, name: str, word: str, expected: tuple[str, str, str | None] | None
) -> None:
    samples, _, counts = landed(tmp_path, record(C + name, f"HKCategoryValue{word}", endDate=BEGIN))
    found = samples.select("kind", "source_code", "method").rows()
    assert found == ([expected] if expected else [])
    assert all(end == BEGIN for end in samples["source_ended_at"])
    assert sum(counts.values()) == (expected is None)


def test_a_workout_is_worth_the_duration_it_states_or_else_its_own_length(tmp_path: Path) -> None:
    times = f'sourceName="x" startDate="{BEGIN}" endDate="{END}"'
    statistics = (
        f'<WorkoutStatistics type="{Q}ActiveEnergyBurned" startDate="{BEGIN}" sum="9" unit="Cal"/>'
    )
    samples, _, counts = landed(
        tmp_path,
        f'<Workout workoutActivityType="HKWorkoutActivityTypeRunning" {times}'
        ' duration="9.5" durationUnit="min" totalEnergyBurned="80"/>\n',
        f'<Workout workoutActivityType="HKWorkoutActivityTypeYoga" {times}>{statistics}</Workout>',
    )
    assert samples.select("kind", "source_code", "source_value", "source_unit").rows() == [
        ("workout_duration", "Running", "9.5", "min"),
        ("workout_duration", "Yoga", None, None),
    ]
    assert counts == {}


def pressure(*, is_outside: bool) -> list[str]:
    two = [
        record(f"{Q}BloodPressure{name}", value, "mmHg")
        for name, value in (("Systolic", "120"), ("Diastolic", "80"))
    ]
    correlation = (
        f' <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Omron"'
        f' startDate="{BEGIN}" endDate="{BEGIN}">\n{"".join(two)} </Correlation>\n'
    )
    return [*(two if is_outside else []), correlation]


@pytest.mark.parametrize("is_outside", [True, False])
def test_a_blood_pressure_is_taken_once_whether_or_not_it_also_stands_outside(
    tmp_path: Path, is_outside: bool
) -> None:
    _, observations, counts = landed(tmp_path, *pressure(is_outside=is_outside))
    assert observations["source_value"].to_list() == ["120", "80"]
    assert counts.get("record_not_used:CorrelationMember", 0) == 2 * is_outside
    assert counts["record_not_used:Correlation"] == 1


def test_what_is_not_used_is_set_aside_by_its_kind_and_beats_are_no_rows(tmp_path: Path) -> None:
    beats = (
        '<HeartRateVariabilityMetadataList><InstantaneousBeatsPerMinute bpm="60" time="7:00"/>'
        '<InstantaneousBeatsPerMinute bpm="62" time="7:01"/></HeartRateVariabilityMetadataList>\n'
    )
    samples, _, counts = landed(
        tmp_path,
        record(f"{Q}HeartRateVariabilitySDNN", "48.5", "ms", beats),
        record(f"{Q}FlightsClimbed", "2", "count"),
        record("HKDataTypeSleepDurationGoal", "8", "hr"),
        record("Ada Lovelace, born 1815", "8"),
        '<ClinicalRecord type="x" identifier="1" sourceName="Hospital"/>\n',
        '<VisionPrescription type="glasses"><RightEye sphere="1"/></VisionPrescription>\n',
        "<StateOfMind/>\n",
    )
    assert samples["kind"].to_list() == ["heart_rate_variability_sdnn"]
    assert counts == {
        f"record_not_used:{kind}": 1
        for kind in (
            *("FlightsClimbed", "SleepDurationGoal", "other", "ClinicalRecord"),
            *("VisionPrescription", "StateOfMind"),
        )
    }


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_record_without_value_is_nothing_and_never_its_own_length(
    tmp_path: Path, value: str | None
) -> None:
    for kind in (f"{Q}StepCount", f"{C}SleepAnalysis", f"{Q}BodyMass"):
        samples, observations, counts = landed(tmp_path, record(kind, value), STEPS)
        assert (samples.height, observations.height) == (1, 0)
        assert counts == {"row_empty": 1}


def test_a_sample_of_a_moment_has_no_interval(tmp_path: Path) -> None:
    beat = record(f"{Q}HeartRate", "92", "count/min", endDate=BEGIN)
    samples, _, _ = landed(tmp_path, beat, STEPS)
    assert samples["source_ended_at"].to_list() == [None, END]


def test_where_a_zone_is_set_an_offset_is_but_an_instant(tmp_path: Path) -> None:
    winter = record(f"{Q}StepCount", "1", "count", startDate="2024-02-29 23:30:00 -0500")
    summer = winter.replace("02-29 23:30:00 -0500", "03-01 00:30:00 -0400")
    local = winter.replace(" -0500", "")
    odd = winter.replace("02-29", "02-31")
    content = export(winter, summer, local, odd)
    zoned = checked(read(opened(tmp_path, content, time_zone="America/New_York")))[0]
    assert zoned["source_observed_at"].to_list() == [
        *["2024-03-01T04:30:00Z"] * 2,
        *("2024-02-29 23:30:00", "2024-02-31 23:30:00 -0500"),
    ]
    assert zoned["source_ended_at"].to_list() == ["2024-03-01T15:10:00Z"] * 4
    kept = checked(read(opened(tmp_path, content)))[0]
    assert kept["source_observed_at"][1] == "2024-03-01 00:30:00 -0400"


def test_one_device_is_one_whatever_its_address_and_software(tmp_path: Path) -> None:
    later = WATCH.replace("0x2823cc1e0", "0x600aa").replace("software:8.1", "software:10.3")
    phone = WATCH.replace("Watch6,1", "iPhone13,4").replace("Watch", "iPhone")
    twin = record(f"{Q}HeartRate", "92", "count/min", device=WATCH, sourceName="Second Watch")
    rows = [record(f"{Q}HeartRate", "92", "count/min", device=d) for d in (WATCH, later, phone)]
    samples, _, _ = landed(tmp_path, *rows, twin)
    first, same, other, second = samples["device"]
    assert first == same
    assert first.startswith("Apple Watch6,1 ")
    assert other.startswith("Apple iPhone13,4 ")
    assert second != first
    assert second.startswith("Apple Watch6,1 ")


@pytest.mark.parametrize(
    ("described", "source", "begins"),
    [
        (None, "Anna’s Apple\u00a0Watch", "apple watch "),
        (None, "iPhone de Anna", "iphone "),
        (None, "Anna", "app "),
        (None, None, "app "),
        (None, "Dexcom G7", "dexcom g7 "),
        ("<<HKDevice: 0x1>, name:Anna's, manufacturer:Withings, model:W5>", "x", "Withings W5 "),
        ("<<HKDevice: 0x1>, name:Anna's iPhone, manufacturer:, model:>", "x", "iphone "),
        ("Anna's thing", "x", "app "),
        ("<<HKDevice: 0x1>, name:a, manufacturer:Anna 😀, model:M>", "x", "M "),
    ],
)  # fmt: skip
def test_a_device_is_named_by_its_make_and_never_by_a_person(
    described: str | None, source: str | None, begins: str
) -> None:
    assert device(described, source).startswith(begins)
    assert "anna" not in device(described, source).lower()


def test_a_space_of_another_kind_is_the_same_source() -> None:
    assert device(None, "Anna’s Apple\u00a0Watch") == device(None, "Anna’s  Apple Watch")
    assert is_sensor(None, "Stelo")
    assert not is_sensor(None, "Steloid")


def test_nothing_that_is_kept_tells_who_it_is(tmp_path: Path) -> None:
    me = '<Me HKCharacteristicTypeIdentifierDateOfBirth="1815-12-10"/>\n'
    named = record(f"{Q}StepCount", "1", "count", sourceName="Ada's iPhone")
    odd = record("Ada Lovelace", "Ada Lovelace", sourceName="Ada")
    reading = read(opened(tmp_path, export(me, named, odd)))
    checked(reading)
    assert reading.lines is not None
    everything = [reading.lines.read_text(), *reading.notes]
    frames = (*reading.tables.values(), reading.rejects)
    everything.extend(str(frame.collect().rows()) for frame in frames)
    assert not any("Ada" in text or "1815" in text for text in everything)
    assert "steps" in everything[1]


def test_metadata_that_lies_in_the_next_block_belongs_to_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = noted("HKBloodGlucoseMealTime", "2")
    glucose = record(f"{Q}BloodGlucose", "94", "mg/dL", inside)
    content = export(*[glucose, STEPS] * 40)
    for size in (64, 301, 1009):
        monkeypatch.setattr("transforms.formats.apple_xml.BLOCK", size)
        monkeypatch.setattr("transforms.readers.apple_health.STORE_ROWS", 7)
        samples, observations, _ = checked(read(opened(tmp_path, content)))
        assert (samples.height, observations["source_fasting"].to_list()) == (40, ["no"] * 40)


def test_the_zip_is_read_and_its_other_files_are_counted(tmp_path: Path) -> None:
    others = ("export_cda.xml", "electrocardiograms/ecg_2020-09-24.csv", "workout-routes/r.gpx")
    reading = read(opened(tmp_path, export_zip(export(STEPS).encode(), others)))
    assert checked(reading)[0].height == 1
    assert reading.notes == ("3 other files of the archive are not read",)
    assert read(opened(tmp_path, export(STEPS))).notes == ()


def test_a_zip_in_another_language_is_read_and_one_without_export_is_not(tmp_path: Path) -> None:
    packed = export_zip(export(STEPS).encode())
    for name, is_read in (("Exportar.xml", True), ("export_cda.xml", False), ("a/b.xml", False)):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(f"apple_health_export/{name}", export(STEPS))
        if is_read:
            assert checked(read(opened(tmp_path, content.getvalue())))[0].height == 1
        else:
            assert refusal(tmp_path, content.getvalue()) == "archive_empty"
    assert refusal(tmp_path, packed[: len(packed) // 2]) == "archive_broken"


def test_without_any_patient_the_file_waits_and_a_mapping_names_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(opened(tmp_path, export(STEPS), patient_id=None))
    assert refused.value.reason == "file_unknown"
    mapped = opened(tmp_path, export(STEPS), patient_id=None, patients={"export": "p9"})
    assert checked(read(mapped))[0]["patient_id"].to_list() == ["p9"]


TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=20
).filter(lambda text: text == text.strip() and "\ufffd" not in text)
TIMES = st.builds(
    "{:%Y-%m-%d %H:%M:%S} {}{:02}{:02}".format,
    st.datetimes(), st.sampled_from("+-"), st.integers(0, 13), st.sampled_from([0, 30, 45]),
)  # fmt: skip
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from([f"{Q}HeartRate", f"{Q}StepCount", f"{Q}BodyMass"]),
            "sourceName": TEXTS,
            "device": st.none() | TEXTS,
            "unit": st.none() | st.sampled_from(["count", "count/min", "kg", "%<&>\"'"]),
            "startDate": TIMES,
            "endDate": TIMES,
            "value": TEXTS,
        }
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_what_is_emitted_is_read(
    tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, str | None]]
) -> None:
    records = pl.DataFrame(written, schema=dict.fromkeys(RECORD_COLUMNS, pl.String))
    content = export_xml(records, "2024-03-01 07:14:22 -0800")
    samples, observations, _ = checked(read(opened(tmp_path_factory.mktemp("x"), content)))
    said = ("line", "source_value", "source_unit", "source_observed_at")
    found = pl.concat([samples.select(said), observations.select(said)]).sort("line").rows()
    assert found == [
        (at + 3, row["value"], row["unit"], row["startDate"]) for at, row in enumerate(written)
    ]
    is_sample = [row for row in written if row["type"] != f"{Q}BodyMass"]
    assert samples["device"].to_list() == [device(r["device"], r["sourceName"]) for r in is_sample]
    assert samples["source_ended_at"].to_list() == [
        r["endDate"] if r["endDate"] != r["startDate"] else None for r in is_sample
    ]


RECORD_COLUMNS = ("type", "sourceName", "device", "unit", "startDate", "endDate", "value")


def test_metadata_and_workouts_are_emitted(tmp_path: Path) -> None:
    glucose = pl.DataFrame(
        {
            "type": [f"{Q}BloodGlucose"] * 2,
            "sourceName": ["Health"] * 2,
            "unit": ["mg/dL"] * 2,
            "startDate": [BEGIN] * 2,
            "endDate": [BEGIN] * 2,
            "value": ["90", "140"],
            "metadata": [None, [{"key": "HKBloodGlucoseMealTime", "value": "2"}]],
        }
    )
    runs = pl.DataFrame(
        {
            "workoutActivityType": ["HKWorkoutActivityTypeRunning"],
            "sourceName": ["Health"],
            "startDate": [BEGIN],
            "endDate": [END],
        }
    )
    reading = read(opened(tmp_path, export_zip(export_xml(glucose, BEGIN, runs))))
    samples, observations, _ = checked(reading)
    assert observations["source_fasting"].to_list() == [None, "no"]
    assert samples["source_code"].to_list() == ["Running"]
