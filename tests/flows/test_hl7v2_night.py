"""HL7 v2 messages through whole nights: climbing is seen, corrections supersede, merges join."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.flows.scene import CLIMBING, FIRST_DRAW, FLAT, MARKED, NIGHT, Scene, scene

HEAD = r"MSH|^~\&|LIS|LAB A|EHR|CLINIC|{sent}||{kind}|{number}|P|2.5.1"
UNITS = {"20448-7": "u[IU]/mL", "1558-6": "mg/dL"}


@pytest.fixture
def home(tmp_path: Path) -> Scene:
    return scene(tmp_path / "home")


def segments(*lines: str) -> str:
    return "".join(line + "\r" for line in lines)


def result(code: str, value: object, status: str = "F") -> str:
    return f"OBX|1|NM|{code}^x^LN||{value}|{UNITS[code]}^^UCUM|||||{status}"


def report(patient: str, on: date, *obx: str, sent: date | None = None) -> str:
    told = f"{sent or on:%Y%m%d}150000"
    return segments(
        HEAD.format(sent=told, kind="ORU^R01^ORU_R01", number=f"{patient}{on}"),
        f"PID|1||{patient}^^^HOSP^MR||DOE||19700203|F",
        f"OBR|1||{patient}-{on}|24323-8^Panel^LN|||{on:%Y%m%d}0800",
        *obx,
    )


def draws(patient: str, insulin: tuple[float, ...]) -> list[tuple[date, str]]:
    days = [FIRST_DRAW + timedelta(days=365 * year) for year in range(len(insulin))]
    return [
        (on, report(patient, on, result("20448-7", value), result("1558-6", 88 + year % 2)))
        for year, (on, value) in enumerate(zip(days, insulin, strict=True))
    ]


def reports(patient: str, insulin: tuple[float, ...]) -> str:
    return "".join(text for _, text in draws(patient, insulin))


def test_a_climbing_patient_is_seen_and_a_flat_one_is_not(home: Scene) -> None:
    home.drop("hl7v2/all.hl7", reports("ANN", CLIMBING) + reports("FLO", FLAT))
    home.night()
    statuses = home.statuses()
    assert statuses["ANN"] in MARKED
    assert statuses["FLO"] not in MARKED
    (account,) = home.rows(
        "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate FROM source_file"
    )
    assert account == (24, 24, 0, 0)


def test_a_corrected_result_supersedes_and_the_same_message_again_does_not(home: Scene) -> None:
    on, first = draws("ANN", CLIMBING)[0]
    home.drop("hl7v2/1.hl7", first)
    home.drop("hl7v2/2.hl7", "\n" + first)
    home.night()
    later = on + timedelta(days=2)
    home.drop("hl7v2/3.hl7", report("ANN", on, result("20448-7", 6.5, "C"), sent=later))
    home.night(NIGHT + timedelta(days=1))
    standing = home.rows("SELECT value, status FROM observation WHERE analyte = 'insulin'")
    assert standing == [(6.5, "corrected")]
    accounts = dict(home.rows("SELECT file, rows_duplicate FROM source_file"))
    assert accounts["2.hl7"] == 2


def test_a_deleted_result_is_taken_back(home: Scene) -> None:
    on, first = draws("ANN", CLIMBING)[0]
    deletion = report("ANN", on, "OBX|1|NM|20448-7^x^LN||||||||D", sent=on + timedelta(days=1))
    home.drop("hl7v2/1.hl7", first)
    home.drop("hl7v2/2.hl7", deletion)
    home.night()
    assert home.rows("SELECT analyte FROM observation") == [("glucose",)]


def test_merged_records_are_one_person(home: Scene) -> None:
    texts = [text for _, text in draws("ANN", CLIMBING)[2:]]
    former = "".join(texts[:2]).replace("ANN^^^", "OLD^^^")
    merge = segments(
        HEAD.format(sent="20260228100000", kind="ADT^A40^ADT_A39", number="1"),
        "PID|1||ANN^^^HOSP^MR||DOE||19700203|F",
        "MRG|OLD^^^HOSP^MR",
    )
    home.drop("hl7v2/1.hl7", former + "".join(texts[2:]))
    home.night()
    assert set(home.statuses()) == {"ANN", "OLD"}
    assert not MARKED & set(home.statuses().values())
    home.drop("hl7v2/2.hl7", merge)
    home.night(NIGHT + timedelta(days=1))
    assert set(home.statuses()) == {"ANN"}
    assert home.statuses()["ANN"] in MARKED

    late = report("OLD", NIGHT, result("20448-7", 9.0), result("1558-6", 88), sent=NIGHT)
    home.drop("hl7v2/3.hl7", late)
    home.night(NIGHT + timedelta(days=2))
    assert set(home.statuses()) == {"ANN"}
    assert (NIGHT,) in home.rows("SELECT drawn_on FROM fasting_pair WHERE patient_id = 'ANN'")


def merged(old: str, new: str, on: date) -> str:
    return segments(
        HEAD.format(sent=f"{on:%Y%m%d}160000", kind="ADT^A40^ADT_A39", number=f"m{old}"),
        f"PID|1||{new}^^^HOSP^MR||DOE||19700203|F",
        f"MRG|{old}^^^HOSP^MR",
    )


@pytest.mark.parametrize("is_merged", [True, False])
def test_a_result_corrected_after_its_record_was_merged_stands_once(
    home: Scene, *, is_merged: bool
) -> None:
    on = date(2026, 1, 10)
    first = report("OLD", on, result("20448-7", 9))
    again = report("ANN", on, result("20448-7", 12, status="C"), sent=on + timedelta(days=2))
    home.drop("hl7v2/1.hl7", first)
    home.night()
    merge = merged("OLD", "ANN", on) if is_merged else ""
    home.drop("hl7v2/2.hl7", merge + again.replace("ANN-", "OLD-"))
    home.night(NIGHT + timedelta(days=1))
    found = home.rows("SELECT patient_id, value FROM observation ORDER BY ALL")
    assert found == ([("ANN", 12.0)] if is_merged else [("ANN", 12.0), ("OLD", 9.0)])
    values = home.rows("SELECT insulin_uiu_ml FROM fasting_pair ORDER BY ALL")
    assert values == ([(12.0,)] if is_merged else [(9.0,), (12.0,)])
    assert home.run("replay", str(NIGHT + timedelta(days=1))).code == 0


def test_what_is_not_understood_waits_with_its_segment_and_its_reason(home: Scene) -> None:
    odd = report(
        "ANN",
        FIRST_DRAW,
        "OBX|1|NM|GLU^Glucose^L||95|mg/dL|||||F",
        "OBX|2|NM|1558-6^x^LN||||||||F",
        "OBX|3|NM|1558-6^x^LN|2|95||||||F",
        "OBX|4|ED|PDF||^a^b^Base64^AAAA||||||F",
        "OBX|5|NM|1558-6^x^LN|3|95|mg/dL|||||F",
    )
    timeless = odd.replace("20210110080", "2021013908").replace("ANN", "EVE")
    home.drop("hl7v2/1.hl7", odd)
    home.drop("hl7v2/2.hl7", timeless.replace("PID|1||EVE^^^HOSP^MR", "PID|1||"))
    home.night()
    reasons = home.waiting()
    assert {"code_is_known", "value_is_stated", "unit_is_stated", "record_not_used:ED"} == set(
        reasons["1.hl7"]
    )
    assert {"patient_is_named", "draw_time_is_readable"} <= set(reasons["2.hl7"])
    kept = home.rows("SELECT row, what_to_do FROM quarantine WHERE file = '1.hl7' AND line = 4")
    assert kept[0][0] == "OBX|1|NM|GLU^Glucose^L||95|mg/dL|||||F"
    assert "Map it in undertow.toml" in kept[0][1]


def test_a_local_code_that_the_source_maps_is_accepted(home: Scene) -> None:
    local = report("ANN", FIRST_DRAW, "OBX|1|NM|GLU^Glucose^L||95|mg/dL|||||F")
    home.set('[sources.lab]\nreader = "hl7v2"\n[sources.lab.codes]\nGLU = "1558-6"\n')
    home.drop("lab/1.hl7", local)
    home.night()
    assert home.waiting() == {}
    assert home.rows("SELECT analyte, value FROM observation") == [("glucose", 95.0)]
