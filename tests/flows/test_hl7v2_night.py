"""HL7 v2 messages through whole nights: climbing is seen, corrections supersede, merges join."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.flows.scene import CLIMBING, FIRST_DRAW, FLAT, MARKED, NIGHT
from tests.flows.senders import Nights, Sender, sends, source

HEAD = r"MSH|^~\&|LIS|LAB A|EHR|CLINIC|{sent}||{kind}|{number}|P|2.5.1"
UNITS = {"20448-7": "u[IU]/mL", "1558-6": "mg/dL"}


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


def merge(old: str, new: str, sent: str) -> str:
    return segments(
        HEAD.format(sent=sent, kind="ADT^A40^ADT_A39", number=f"m{old}"),
        f"PID|1||{new}^^^HOSP^MR||DOE||19700203|F",
        f"MRG|{old}^^^HOSP^MR",
    )


BOTH = Sender({"hl7v2/all.hl7": reports("HANNA", CLIMBING) + reports("HUGO", FLAT)})


def test_a_climbing_patient_is_seen_and_a_flat_one_is_not(nights: Nights) -> None:
    home = nights.after(BOTH)
    statuses = home.statuses()
    assert statuses["HANNA"] in MARKED
    assert statuses["HUGO"] not in MARKED
    (account,) = home.rows(
        "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate FROM source_file"
    )
    assert account == (24, 24, 0, 0)


def first_draw(patient: str) -> str:
    return draws(patient, CLIMBING)[0][1]


def again(patient: str, obx: str, days: int) -> str:
    """More of the first draw, sent so many days after it."""
    return report(patient, FIRST_DRAW, obx, sent=FIRST_DRAW + timedelta(days=days))


CORRECTED = sends(
    "lab_corrected",
    "hl7v2",
    {"1.hl7": first_draw("HETTY"), "2.hl7": "\n" + first_draw("HETTY")},
    {"3.hl7": again("HETTY", result("20448-7", 6.5, "C"), days=2)},
)
TAKEN_BACK = sends(
    "lab_deleted",
    "hl7v2",
    {
        "1.hl7": first_draw("HANK"),
        "2.hl7": again("HANK", "OBX|1|NM|20448-7^x^LN||||||||D", days=1),
    },
)


def test_a_corrected_result_supersedes_and_the_same_message_again_does_not(nights: Nights) -> None:
    home = nights.after(CORRECTED, night=2)
    standing = home.rows("SELECT value, status FROM observation WHERE analyte = 'insulin'")
    assert standing == [(6.5, "corrected")]
    accounts = dict(home.rows("SELECT file, rows_duplicate FROM source_file"))
    assert accounts["2.hl7"] == 2


def test_a_deleted_result_is_taken_back(nights: Nights) -> None:
    assert nights.after(TAKEN_BACK).rows("SELECT analyte FROM observation") == [("glucose",)]


def joined() -> Sender:
    """Two draws under a former number and two under the new one; a merge; a late draw."""
    texts = [text for _, text in draws("HOPE", CLIMBING)[2:]]
    former = "".join(texts[:2]).replace("HOPE^^^", "HERA^^^")
    late = report("HERA", NIGHT, result("20448-7", 9.0), result("1558-6", 88), sent=NIGHT)
    return sends(
        "lab_merged",
        "hl7v2",
        {"1.hl7": former + "".join(texts[2:])},
        {"2.hl7": merge("HERA", "HOPE", "20260228100000")},
        {"3.hl7": late},
    )


JOINED = joined()


def test_merged_records_are_one_person(nights: Nights) -> None:
    first, second, third = (nights.after(JOINED, night) for night in (1, 2, 3))
    assert set(first.statuses()) == {"HOPE", "HERA"}
    assert not MARKED & set(first.statuses().values())

    assert set(second.statuses()) == {"HOPE"}
    assert second.statuses()["HOPE"] in MARKED

    assert set(third.statuses()) == {"HOPE"}
    assert (NIGHT,) in third.rows("SELECT drawn_on FROM fasting_pair WHERE patient_id = 'HOPE'")


def corrected_later(name: str, old: str, new: str, *, is_merged: bool) -> Sender:
    """A result under one number and its correction under another, of one person or of two."""
    on = date(2026, 1, 10)
    correction = report(new, on, result("20448-7", 12, status="C"), sent=on + timedelta(days=2))
    merged = merge(old, new, f"{on:%Y%m%d}160000") if is_merged else ""
    return sends(
        name,
        "hl7v2",
        {"1.hl7": report(old, on, result("20448-7", 9))},
        {"2.hl7": merged + correction.replace(f"{new}-", f"{old}-")},
    )


ONE_PERSON = corrected_later("lab_of_one", "HUMAN", "HAROLD", is_merged=True)
TWO_PEOPLE = corrected_later("lab_of_two", "HYMAN", "HARRY", is_merged=False)


@pytest.mark.parametrize(
    ("sender", "standing", "pairs"),
    [
        (ONE_PERSON, [("HAROLD", 12.0)], [(12.0,)]),
        (TWO_PEOPLE, [("HARRY", 12.0), ("HYMAN", 9.0)], [(9.0,), (12.0,)]),
    ],
    ids=["merged", "not merged"],
)
def test_a_result_corrected_after_its_record_was_merged_stands_once(
    nights: Nights,
    sender: Sender,
    standing: list[tuple[str, float]],
    pairs: list[tuple[float]],
) -> None:
    home = nights.after(sender, night=2)
    assert home.rows("SELECT patient_id, value FROM observation ORDER BY ALL") == standing
    assert home.rows("SELECT insulin_uiu_ml FROM fasting_pair ORDER BY ALL") == pairs
    assert nights.replay(2)


ODD = report(
    "HILDA",
    FIRST_DRAW,
    "OBX|1|NM|GLU^Glucose^L||95|mg/dL|||||F",
    "OBX|2|NM|1558-6^x^LN||||||||F",
    "OBX|3|NM|1558-6^x^LN|2|95||||||F",
    "OBX|4|ED|PDF||^a^b^Base64^AAAA||||||F",
    "OBX|5|NM|1558-6^x^LN|3|95|mg/dL|||||F",
)
TIMELESS = ODD.replace("20210110080", "2021013908").replace("HILDA", "HEIDI")
NOT_UNDERSTOOD = sends(
    "lab_odd",
    "hl7v2",
    {"1.hl7": ODD, "2.hl7": TIMELESS.replace("PID|1||HEIDI^^^HOSP^MR", "PID|1||")},
)


def test_what_is_not_understood_waits_with_its_segment_and_its_reason(nights: Nights) -> None:
    home = nights.after(NOT_UNDERSTOOD)
    reasons = home.waiting()
    assert {"code_is_known", "value_is_stated", "unit_is_stated", "record_not_used:ED"} == set(
        reasons["1.hl7"]
    )
    assert {"patient_is_named", "draw_time_is_readable"} <= set(reasons["2.hl7"])
    kept = home.rows("SELECT row, what_to_do FROM quarantine WHERE file = '1.hl7' AND line = 4")
    assert kept[0][0] == "OBX|1|NM|GLU^Glucose^L||95|mg/dL|||||F"
    assert "Map it in undertow.toml" in kept[0][1]


LOCAL_CODE = Sender(
    {"lab/1.hl7": report("HOLLY", FIRST_DRAW, "OBX|1|NM|GLU^Glucose^L||95|mg/dL|||||F")},
    settings=source("lab", "hl7v2", '[sources.lab.codes]\nGLU = "1558-6"\n'),
)


def test_a_local_code_that_the_source_maps_is_accepted(nights: Nights) -> None:
    home = nights.after(LOCAL_CODE)
    assert home.waiting() == {}
    assert home.rows("SELECT analyte, value FROM observation") == [("glucose", 95.0)]
