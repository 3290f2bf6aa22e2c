"""Codes that no analyte has: told once, with counts, and kept until they are mapped."""

from __future__ import annotations

from datetime import date, timedelta

from tests.flows.scene import NIGHT, Scene, decoded, labs, result

SECOND = NIGHT + timedelta(days=1)


def told(scene: Scene, night: date) -> str:
    mails = [mail for mail in map(decoded, scene.mails("heartbeat")) if f"night of {night}" in mail]
    return mails[-1]


def test_a_new_code_is_told_once_with_its_count_and_kept_until_it_is_mapped(scene: Scene) -> None:
    on = date(2026, 1, 5)
    scene.drop(
        "clinic_csv/labs-1.csv",
        labs(result("a", on, "INS-F", 7), result("b", on, "INS-F", 8), result("a", on, "TSH", 2)),
    )
    scene.night(NIGHT)
    assert "2 new codes, not mapped, with 3 rows that wait: INS-F (2), TSH (1)" in told(
        scene, NIGHT
    )
    scene.drop("clinic_csv/labs-2.csv", labs(result("c", on, "INS-F", 9)))
    scene.night(SECOND)
    assert "new codes" not in told(scene, SECOND)
    query = "SELECT source_code, n_rows FROM unknown_code ORDER BY source_code"
    assert scene.rows(query) == [("INS-F", 3), ("TSH", 1)]

    scene.set('[sources.clinic_csv]\ncodes = { "INS-F" = "20448-7" }\n')
    assert scene.run("quarantine", "replay").code == 0
    assert scene.rows(query) == [("TSH", 1)]
    assert scene.rows("SELECT count(*) FROM observation WHERE analyte = 'insulin'") == [(3,)]


def test_a_night_of_known_codes_tells_of_none(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(result("a", date(2026, 1, 5), "20448-7", 7)))
    scene.night(NIGHT)
    assert "new codes" not in told(scene, NIGHT)
    assert scene.rows("FROM unknown_code") == []
