"""Nights over tables of device samples, by the examples alone: every row has one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.scene import Scene
from tests.flows.senders import Nights, Sender

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "realdata"
EXAMPLES = ROOT / "docs" / "examples"
MINUTES = (
    "Timestamp,Libre GL,Dexcom GL,HR\n"
    "2024-03-01 08:00:00,94.1,99.3,60.0\n"
    "2024-03-01 08:01:00,,97.1,61.0\n"
    "2024-03-01 08:02:00,,,\n"
    "2024-03-01 08:03:00,9999,96.0,\n"
)
ACCOUNT = (
    "SELECT file, rows_in, rows_accepted, rows_quarantined, rows_duplicate + rows_superseded "
    "FROM source_file ORDER BY known_at, file"
)


def example(*names: str) -> str:
    return "\n".join((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8") for name in names)


CGMACROS = Sender(
    {"cgmacros/CGMacros-007.csv": MINUTES},
    {"cgmacros/CGMacros-007.csv": MINUTES.replace("97.1,61.0", "97.1,62.0")},
    settings=example("cgmacros"),
)


def test_sensors_side_by_side_are_published_apart_and_once(nights: Nights) -> None:
    scene = nights.after(CGMACROS)
    query = "SELECT patient_id, kind, device, value FROM sample ORDER BY observed_at, device"
    published = [
        ("CGMACROS-007", "sensor_glucose", "Dexcom", 99.3),
        ("CGMACROS-007", "sensor_glucose", "FreeStyle Libre", 94.1),
        ("CGMACROS-007", "heart_rate", "watch", 60.0),
        ("CGMACROS-007", "sensor_glucose", "Dexcom", 97.1),
        ("CGMACROS-007", "heart_rate", "watch", 61.0),
        ("CGMACROS-007", "sensor_glucose", "Dexcom", 96.0),
    ]
    assert scene.rows(query) == published
    waiting = ["row_empty", "value_is_possible"]
    assert sorted(scene.waiting()["CGMacros-007.csv"]) == waiting
    before = scene.rows(ACCOUNT)
    assert [row[1] for row in before] == [4]

    changed = [row if row[3] != 61.0 else (*row[:3], 62.0) for row in published]
    assert nights.after(CGMACROS, night=2).rows(query) == changed


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_published_studies_have_every_row_in_one_place(scene: Scene) -> None:
    scene.set(example("t1d_uom", "shanghai", "metwally"))
    folders = {
        "uom_glucose": "t1d_uom/UoMGlucose2401.csv",
        "uom_sleep": "t1d_uom/UoM2401sleeptime.csv",
        "shanghai": "shanghai_diabetes/Shanghai_T1DM/1010_0_20210915.xls",
        "shanghai_summary": "shanghai_diabetes/Shanghai_T1DM_Summary.xlsx",
        "metwally_people": "metwally_subphenotypes/filtered_study_participants_characteristics.csv",
    }
    for source, path in folders.items():
        scene.drop(f"{source}/{Path(path).name}", (REAL / path).read_bytes())
    scene.drop("uom_heart/UoMBasal2401.csv", (REAL / "t1d_uom/UoMBasal2401.csv").read_bytes())

    scene.night()

    placed = {row[0]: row[1:] for row in scene.rows(ACCOUNT)}
    assert {name: row[0] for name, row in placed.items()} == {
        "UoMGlucose2401.csv": 15047,
        "UoM2401sleeptime.csv": 69,
        "1010_0_20210915.xls": 918,
        "Shanghai_T1DM_Summary.xlsx": 16,
        "filtered_study_participants_characteristics.csv": 48,
        "UoMBasal2401.csv": 95,
    }
    assert all(row[0] == sum(row[1:]) for row in placed.values())
    assert placed["UoMBasal2401.csv"] == (95, 0, 95, 0)
    assert scene.rows(
        "SELECT source, kind, count(*) FROM sample WHERE patient_id <> '' GROUP BY ALL ORDER BY ALL"
    ) == [
        ("shanghai", "sensor_glucose", 918),
        ("uom_glucose", "sensor_glucose", 15047),
        ("uom_sleep", "sleep_duration", 207),
    ]
