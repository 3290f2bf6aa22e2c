"""Small good files of every format: what is changed into hostile ones.

A function here bears its reader's name and gives that reader's seeds. A reader without one gets
the few files every reader gets.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import polars as pl

from tests.fuzz.holding import Case
from tests.transforms.readers.test_omop import MEASUREMENT, row
from tests.transforms.readers.test_table import workbook
from tests.transforms.readers.test_xpt import OWN, TWO, Cell, Column, xpt_file
from transforms.synthetic import (
    columns,
    emit_apple_health,
    emit_carelink,
    emit_cgm,
    emit_fhir,
    emit_garmin,
    emit_google_takeout,
    emit_hl7v2,
    emit_ihealth,
    emit_levels,
    emit_nightscout,
    emit_nutrisense,
    emit_open_mhealth,
    emit_oura,
    emit_withings,
)

ROME = timezone(timedelta(hours=1))
NOON = datetime(2026, 3, 29, 0, 30)  # noqa: DTZ001 the clocks of Europe change within two hours
TIMES = [NOON + timedelta(minutes=15 * n) for n in range(12)]
ANY = (b"", b"\n", b"{}", b"[]", b'[{"a": 1}]\n', b"a,b\n1,2\n", b'{"a": [1]}\n{"b": 2}\n')
ANY_NAME = ("x.csv", "x.json", "x.zip", "x")
"""What every reader gets besides its own."""


def seeds(reader: str) -> tuple[Case, ...]:
    """The seeds of ``reader``: its own, and the few of every reader."""
    named: Callable[[], list[Case]] | None = globals().get(reader)
    own = named() if named else []
    options = own[0].options if own else {}
    anyone = (Case(text, ANY_NAME[n % 4], options) for n, text in enumerate(ANY))
    return (*own, *anyone)


def zipped(name: str, content: bytes) -> bytes:
    """An archive of one file, not packed, the same bytes every time."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def _inside(archive: bytes, name: str, content: bytes) -> bytes:
    """The archive with other bytes in its file ``name``."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename == name else old.read(info))
    return made.getvalue()


def _readings(**of: Any) -> pl.DataFrame:
    return pl.DataFrame({"local_at": TIMES, "at": TIMES, "glucose_mg_dl": range(35, 47), **of})


def _contract(kind: str, **of: Any) -> tuple[str, pl.DataFrame]:
    return kind, pl.DataFrame({"patient_id": ["P1", "P1", "P2"], **of})


def _labs() -> pl.DataFrame:
    _, rows = _contract(
        "labs",
        collected_at=["2026-02-01T08:00:00+01:00", "2026-02-01", "2026-02-02T08:00:00Z"],
        code=["27873-9", "1558-6", "4548-4"],
        value=["12.5", "<60", "5,6"],
        unit=["uIU/mL", "mg/dL", "%"],
        fasting=["yes", "10", ""],
        lab='Labör "A", Rome',
        status=["F", "C", "X"],
        result_id=["r-1", "r-2", "r-3"],
        reported_at="2026-02-03T00:00:00Z",
    )
    return rows


def clinic_csv() -> list[Case]:
    dates = {"start_date": "2025-01-01", "end_date": None}
    kinds = [
        ("labs", _labs(), columns.LABS),
        (*_contract("patients", birth_date="1970-02-03", sex="F"), columns.PATIENTS),
        (*_contract("medications", name="metformin", **dates), columns.MEDICATIONS),
        (*_contract("conditions", code="E11", onset_date="2020"), columns.CONDITIONS),
        (*_contract("vitals", code="29463-7", value="70", unit="kg"), columns.VITALS),
    ]
    cases = [Case(columns.csv(rows, names), f"{kind}.csv") for kind, rows, names in kinds]
    return [*cases, replace(cases[0], zone="Europe/Rome", content=cases[0].content[:-1])]


def dexcom() -> list[Case]:
    rows = _readings(elapsed_s=[300 * n for n in range(12)])
    content = emit_cgm.clarity_csv(rows, emit_cgm.Wearer("P1", date(1970, 2, 3), "8XYZ"))
    german = content.replace(b"Glucose Value (mg/dL)", b"Glucose Value (mmol/L)")
    return [Case(content, "c.csv", zone="Europe/Rome"), Case(german.replace(b",", b";"), "c.csv")]


def libre() -> list[Case]:
    wearer = emit_cgm.Wearer("P1", date(1970, 2, 3), "8XYZ")
    rows = _readings(is_scan=[n % 3 == 0 for n in range(12)])
    content = emit_cgm.libre_csv(rows, wearer, NOON)
    tabs = content.replace(b",", b"\t").replace(b"-", b"/")
    return [
        Case(content, "l.csv", {"date_order": "dmy"}, "Europe/Rome"),
        Case(content, "l.csv"),
        Case(tabs, "l.txt"),
    ]


def carelink() -> list[Case]:
    rows = _readings(glucose=[5.5 + n for n in range(12)])
    pump = emit_carelink.Pump(unit="mmol/L")
    recorder = replace(pump, unit="mg/dL")
    return [
        Case(emit_carelink.carelink_csv(rows.reverse(), pump), "c.csv", zone="Europe/Rome"),
        Case(emit_carelink.carelink_csv(rows, replace(recorder, separator=",")), "c.csv"),
        Case(emit_carelink.ipro2_txt(rows, recorder), "i.txt"),
    ]


def levels() -> list[Case]:
    rows = _readings(
        east_minutes=[60] * 6 + [120] * 6,
        glucose=[f"{90 + n}" for n in range(12)],
        type=["timeseries"] * 11 + ["directRead"],
    )
    return [
        Case(emit_levels.levels_csv(rows), "l.csv"),
        Case(emit_levels.levels_csv(rows[:2]), "l"),
    ]


def nutrisense() -> list[Case]:
    rows = _readings(
        glucose=["90", None] * 6,
        ended_at=[None, NOON + timedelta(hours=9)] * 6,
        activity=[None, "a walk"] * 6,
    )
    content = emit_nutrisense.nutrisense_csv
    return [
        Case(content(rows), "n.csv", zone="Europe/Rome"),
        Case(content(rows, time_format="%Y-%m-%dT%H:%M:%SZ"), "n.csv", {"unit": "mmol/L"}),
    ]


LONG = {"patient_id": "pid", "observed_at": "day", "code": "test", "value": "value", "unit": "unit"}
TABLE = b'pid,day,test,value,unit\np1,2024-03-01,27873-9,8.5,uIU/mL\np2,,1558-6,"<60",mg/dL\n'
SAMPLED: dict[str, object] = {
    "patient_id": "pid",
    "observed_at": ["day", "hour"],
    "ended_at": "end",
    "date_format": ["iso", "%d.%m.%Y %H:%M"],
    "delimiter": ";",
    "decimal": ",",
    "unterminated_last_row": "accept",
    "utc_offset": "off",
    "extract": {"visit": {"column": "note", "pattern": "^v([0-9]+)"}},
    "samples": {
        "GL": {"kind": "sensor_glucose", "unit": "mg/dL", "device": "Libre", "missing": ["0"]},
        "#length": {"kind": "sleep_duration", "only": {"note": ["v1"]}},
    },
    "analytes": {"INS": {"code": "20448-7", "unit": "uIU/mL", "optional": True}},
    "patient": {"age_years": "age", "sex": "sex", "sex_values": {"1": "F"}},
    "flags": {"note": {"equals": ["v2"], "condition": {"code": "Z33.1", "name": "pregnant"}}},
    "result_id": "#line",
}
SAMPLES = (
    b"pid;day;hour;end;off;GL;note;INS;age;sex\n"
    b"p1;2024-03-01;08:00;2024-03-01 09:00;+01:00;94,1;v1;7;40;1\n"
    b"p1;2024-10-27;02:30;;3600;0;v2;;41,5;2\np2;;;;;;;;;"
)
EPOCHS = {"patient_id": "#file", "observed_at": "t", "date_format": "epoch_ms", "decimal": ".",
          "samples": {"v": {"kind": "heart_rate", "unit": "/min"}}}  # fmt: skip


def table() -> list[Case]:
    book = workbook([["pid", "day", "test", "value", "unit"], ["p1", NOON, "1558-6", 8.5, "mg/dL"]])
    sheet = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        cells = archive.read(sheet)
    return [
        Case(TABLE, "t.csv", LONG),
        Case(SAMPLES, "t.csv", SAMPLED, "Europe/Rome"),
        Case(b"t,v\n1711000000000,60\n1711000001000,61\n", "p7.csv", EPOCHS, "America/New_York"),
        Case(book, "t.xlsx", LONG),
        Case(cells, "t.xlsx", LONG, wrap=partial(_inside, book, sheet)),
    ]


def omop() -> list[Case]:
    rows = "\n".join((MEASUREMENT, row(), row(measurement_id=2, unit_source_value="mg/dL"), ""))
    person = (
        "person_id,gender_concept_id,year_of_birth,month_of_birth\n1,8507,1970,2\n2,8532,1980,\n"
    )
    drug = (
        "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,drug_source_value\n"
        "1,1,1503297,2024-01-01,metformin\n"
    )
    illness = (
        "condition_occurrence_id,person_id,condition_concept_id,condition_start_date\n"
        "1,1,201826,2024-01-01\n"
    )
    packed = io.BytesIO()
    pl.read_csv(rows.encode()).write_parquet(packed)
    return [
        Case(rows.encode(), "measurement.csv", zone="America/New_York"),
        Case(person.encode(), "person.csv", {"partial_birth_date": "middle"}),
        Case(drug.replace(",", "\t").encode(), "drug_exposure_1.csv"),
        Case(illness.encode(), "condition_occurrence.csv"),
        Case(rows.replace("measurement", "observation").encode(), "observation.csv"),
        Case(packed.getvalue(), "measurement.parquet"),
    ]


def xpt() -> list[Case]:
    nhanes = [Column("SEQN"), Column("LBXIN"), Column("LBDINLC"), Column("DAY", form="DATE")]
    cells: list[list[Cell]] = [[83732.0, 8.5, 0.0, 22000.0], [83733.0, ".A", 1.0, None]]
    dated = {"constants": {"observed_at": "2017-07-01"}}
    return [
        Case(xpt_file(TWO, [["p1", 8.5], ["p2", -1e-5], ["p3", None]]), "s.xpt", OWN),
        Case(xpt_file(nhanes, cells, version=8), "n.xpt", dated),
        Case(xpt_file(nhanes, cells), "n.xpt", {}),
    ]


def apple_health() -> list[Case]:
    stamp = "2026-03-29 01:{:02}:00 +0100"
    kinds = ("StepCount", "HeartRate", "BloodGlucose", "BodyMass", "HeartRateVariabilitySDNN")
    records = pl.DataFrame(
        {
            "type": [f"HKQuantityTypeIdentifier{kind}" for kind in kinds]
            + ["HKCategoryTypeIdentifierSleepAnalysis"] * 2,
            "sourceName": "Dëmo’s iPhone",
            "device": "<<HKDevice: 0x1>, name:iPhone, manufacturer:Apple, model:iPhone>",
            "unit": ["count", "count/min", "mg/dL", "kg", "ms", None, None],
            "startDate": [stamp.format(n) for n in range(7)],
            "endDate": [stamp.format(n + 20) for n in range(7)],
            "value": ["10", "61", "95", "70.5", "40"]
            + [f"HKCategoryValueSleepAnalysis{stage}" for stage in ("AsleepREM", "InBed")],
            "metadata": [[{"key": "HKMetadataKey", "value": "a & b"}]] * 7,
        }
    )
    workouts = pl.DataFrame(
        {
            "workoutActivityType": ["HKWorkoutActivityTypeRunning"],
            "startDate": [stamp.format(1)],
            "endDate": [stamp.format(9)],
        }
    )
    xml = emit_apple_health.export_xml(records, stamp.format(59), workouts)
    inner = partial(zipped, "apple_health_export/export.xml")
    return [
        Case(xml, "export.xml", zone="Europe/Rome"),
        Case(xml, "export.zip", wrap=inner),
        Case(emit_apple_health.export_zip(xml), "export.zip"),
        Case(xml, "export.xml", {"encoding": "latin-1"}),
    ]


def garmin() -> list[Case]:
    told = [
        emit_garmin.reading(emit_garmin.Reading(kind, NOON, 60)) for kind in emit_garmin.READINGS
    ]
    totals = [
        emit_garmin.total(emit_garmin.Total("walking", at, 100 * n, 5 * n))
        for n, at in enumerate(TIMES)
    ]
    run = emit_garmin.session(NOON, timedelta(minutes=30), "running", TIMES[-1])
    first = emit_garmin.opening(emit_garmin.Device(), NOON, timedelta(hours=2))
    rest = [emit_garmin.short(TIMES[3], 55), emit_garmin.stage(TIMES[2], "rem"), run]
    day = emit_garmin.fit_file([*first, *told, *totals, *rest])
    big = emit_garmin.fit_file([*first, *told], order=">")
    lists = {
        "UDSFile_1.json": emit_garmin.daily_summaries({NOON.date(): (100, 50)}),
        "2026_sleepData.json": emit_garmin.nights([(NOON, TIMES[-1], {"deep": 900, "rem": 60})]),
        "1_userBioMetrics.json": emit_garmin.weighings({NOON: 70500.0}),
    }
    return [
        Case(day[14:-2], "day.fit", zone="Europe/Rome", wrap=emit_garmin.closed),
        Case(big[14:-2], "day.fit", wrap=emit_garmin.closed),
        Case(day, "day.fit"),
        Case(day + big, "day.fit"),
        Case(zipped("a/b.fit", day), "export.zip"),
        *(Case(content, name) for name, content in lists.items()),
    ]


def nightscout() -> list[Case]:
    rows = pl.DataFrame(
        {
            "observed_at": TIMES,
            "offset_minutes": [60, None, 0, 120] * 3,
            "sgv": range(35, 47),
            "device": ["xDrip", None, "ü", "loop"] * 3,
        }
    )
    mixed = b'[{"type":"mbg","mbg":90,"date":1711000000000},{"eventType":"Note","notes":"x"}]'
    return [
        Case(emit_nightscout.entries_json(rows), "entries.json"),
        Case(emit_nightscout.entries_ndjson(rows), "entries.ndjson", zone="Europe/Rome"),
        Case(emit_nightscout.entries_csv(rows), "entries.csv"),
        Case(emit_nightscout.entries_csv(rows, "\t"), "entries.tsv"),
        Case(mixed, "entries.json"),
    ]


def google_takeout() -> list[Case]:
    stages = [emit_google_takeout.Stage("deep", at, 900) for at in TIMES[:3]]
    timed = pl.DataFrame({"at": TIMES, "value": range(12), "device": ["Pixel"] * 12})
    files = {
        "steps-2026-03-29.json": emit_google_takeout.steps_json([(at, 7) for at in TIMES]),
        "heart_rate-2026-03-29.json": emit_google_takeout.heart_rate_json(
            [(at, 61, 2) for at in TIMES]
        ),
        "sleep-2026-03-29.json": emit_google_takeout.sleep_json([stages], stages[:1]),
        "weight-2026-03-29.json": emit_google_takeout.weight_json([(NOON, 154.0)]),
        "heart_rate_2026-03-29.csv": emit_google_takeout.google_csv(timed, "beats per minute"),
        "steps_2026-03-29.csv": emit_google_takeout.google_csv(timed, "steps"),
    }
    several = {f"{emit_google_takeout.EXPORT}/{name}": text for name, text in files.items()}
    options = {"weight_unit": "kg"}
    return [
        *(Case(text, name, options, "Europe/Rome") for name, text in files.items()),
        Case(emit_google_takeout.takeout_zip(several), "takeout.zip", options),
    ]


def ihealth() -> list[Case]:
    at = NOON.replace(tzinfo=ROME)
    replies = (
        emit_ihealth.pressure_reply([(at, 120.0, 80.0)] * 3),
        emit_ihealth.glucose_reply([(at, 95.0)] * 2, unit=1),
        emit_ihealth.weight_reply([(at, 70.5)], unit=2),
        emit_ihealth.sleep_reply([(at, at + timedelta(hours=7), 400)]),
    )
    return [Case(reply, "reply.json") for reply in replies]


def open_mhealth() -> list[Case]:
    point = emit_open_mhealth.DataPoint("blood-glucose", "95.0", "mg/dL", "2026-03-29T01:00:00Z")
    end = "2026-03-29T02:00:00+01:00"
    points = [
        point,
        replace(point, schema="body-weight", unit="kg", user_id="u"),
        replace(point, schema="step-count", unit="steps", end=end),
        replace(point, schema="heart-rate", unit="beats/min", more={"descriptive_statistic": "x"}),
    ]
    return [
        Case(emit_open_mhealth.ndjson(points), "points.ndjson", zone="Europe/Rome"),
        Case(emit_open_mhealth.array(points), "points.json", patient_id=None),
    ]


def oura() -> list[Case]:
    night = emit_oura.Night(
        "2026-03-29T00:10:00+01:00", "2026-03-29T03:00:00+02:00", "124312", 50, 40
    )
    beats = [emit_oura.Beat("2026-03-29T01:00:00+00:00", 61, "rest")] * 2
    days = [emit_oura.Day("2026-03-29", 5000, 300)]
    csv = b"day,steps,active_calories\n2026-03-29,5000,300\n"
    return [
        Case(emit_oura.export([night], days, beats, "gen3"), "oura.json", zone="Europe/Rome"),
        Case(emit_oura.page(beats), "page.json"),
        Case(csv, "oura.zip", wrap=partial(zipped, "App Data/dailyactivity.csv")),
    ]


def withings() -> list[Case]:
    groups = [emit_withings.Group(n, 1774738800 + n, [(1, "70.5"), (9, "80")]) for n in range(3)]
    series = [emit_withings.Series("2026-03-29T01:00:00+01:00", (60, 60), (5, 7))] * 2
    beats = emit_withings.series_csv(series)
    weights = emit_withings.weight_csv([("2026-03-29 07:00:00", "70.5")] * 2)
    return [
        Case(emit_withings.reply(groups, "Europe/Rome"), "reply.json"),
        Case(beats, "raw_tracker_steps.csv"),
        Case(weights, "weight.csv", zone="Europe/Rome"),
        Case(beats, "data.zip", wrap=partial(zipped, "raw_hr_hr.csv")),
    ]


def fhir() -> list[Case]:
    lines = emit_fhir.observation_ndjson(_labs())
    person = b'{"resourceType":"Patient","id":"P1","gender":"female","birthDate":"1970-02-03"}\n'
    entries = b",".join(b'{"resource":' + line + b"}" for line in lines.splitlines())
    bundle = b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"
    return [
        Case(lines, "labs.ndjson", zone="Europe/Rome"),
        Case(person + lines, "all.ndjson"),
        Case(bundle, "bundle.json"),
        Case(person, "patient.json"),
    ]


def hl7v2() -> list[Case]:
    results = [
        emit_hl7v2.Result("27873-9", "8.5", "u[IU]/mL", drawn="20260329013000+0100"),
        emit_hl7v2.Result("1558-6", "<60", "mg/dL", "C", note="fasting, a & b\nc"),
    ]
    at = datetime(2026, 3, 29, tzinfo=UTC)
    sent = f"{at:%Y%m%d%H%M%S}+0000"
    report = emit_hl7v2.Report("m1", "P1", "o1", sent, sent, "LAB", results, "19700203", "F")
    merge = b"MSH|^~\\&|LIS|L|E|C|20260329||ADT^A40|m2|P|2.5\rPID|1||P2^^^H^MR\rMRG|P1^^^H^MR\r"
    return [
        Case(emit_hl7v2.emitted([report, replace(report, number="m3")]), "r.hl7"),
        Case(emit_hl7v2.emitted([report], is_framed=True), "r.hl7", zone="Europe/Rome"),
        Case(merge, "m.hl7"),
    ]
