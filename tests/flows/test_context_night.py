"""Nights over full panels: every index, why one is void, and what a change of a file changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.flows import scene as scenes
from tests.flows.context_scene import (
    BLOOD,
    DIASTOLIC,
    DRUGS,
    FACTS,
    OF_PERSONS,
    PERSONS,
    STEPS,
    SYSTOLIC,
    VITALS,
    Beside,
    beside,
    coded_drink,
    drink,
    index,
    lab,
    meal,
    panel,
    sensor,
    table,
)
from tests.flows.scene import NIGHT, Scene, labs
from transforms.catalog.indices import INDICES, Index

pytestmark = pytest.mark.slow

ON = date(2026, 1, 5)
DRUNK_AT = datetime(2026, 2, 2, 8)  # noqa: DTZ001
NEXT = NIGHT + timedelta(days=1)
PAIR = ("insulin_uiu_ml", "glucose_mg_dl")
LIPIDS = (*PAIR, "triglyceride_mg_dl", "hdl_mg_dl")
OTHERS = ("METF", "PREG", "LOWG", "NARROW", "FEDTG", "ALONE", "BESIDE", "MOVED", "STAYED")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after one night: the two cases of the clinical reference, and others with a fault."""
    made = scenes.scene(tmp_path_factory.mktemp("indexed") / "home")
    made.drop("clinic_csv/labs-1.csv", labs(*whole(), *faults(), *assays()))
    pressure = [f"ANN,{ON},{SYSTOLIC},118,mm[Hg]", f"ANN,{ON},{DIASTOLIC},76,mm[Hg]"]
    made.drop("clinic_csv/vitals-1.csv", table(VITALS, *pressure))
    facts = [f"BOB,I10,Essential hypertension,{ON},", "PREG,Z33.1,Pregnant,2025-11-01,"]
    made.drop("clinic_csv/conditions-1.csv", table(FACTS, *facts))
    drugs = ["METF,Metformin,biguanide,2025-06-01,"]
    made.drop("clinic_csv/medications-1.csv", table(DRUGS, *drugs))
    others = [f"{name},1970-02-03,F," for name in OTHERS]
    people = ["ANN,1990-06-01,F,", "BOB,1975-06-01,M,", "CODED,1990-06-01,F,", *others]
    made.drop("clinic_csv/patients-1.csv", table(PERSONS, *people))
    made.night()
    return made


def whole() -> list[str]:
    """Case A with the drink of case C, case B with that of case D; and a drink by codes alone."""
    return [
        *panel("ANN", ON, tuple(BLOOD)),
        *drink("ANN", DRUNK_AT, "C"),
        *panel("BOB", ON, tuple(BLOOD), "B"),
        *drink("BOB", DRUNK_AT, "D"),
        *coded_drink("CODED", DRUNK_AT.date(), "C"),
    ]


def faults() -> list[str]:
    """Draws each of which has one thing that voids an index."""
    tg = "triglyceride_mg_dl"
    return [
        *panel("METF", ON, LIPIDS),
        *panel("PREG", ON, LIPIDS),
        *panel("LOWG", ON, PAIR, glucose_mg_dl=62),
        *panel("NARROW", ON, (*LIPIDS, "bmi_kg_m2", "waist_cm"), waist_cm=57),
        *panel("FEDTG", ON, (tg, "hdl_mg_dl"), fasting="no"),
        *panel("ALONE", ON, (tg, "hdl_mg_dl"), fasting="unknown"),
        *panel("BESIDE", ON, (tg, "hdl_mg_dl"), fasting="unknown"),
        *panel("BESIDE", ON, PAIR),
    ]


def assays() -> list[str]:
    """Insulin that trebles within a year: of one assay, and from one assay to another."""
    years = [(date(2024, 1, 5), 5), (date(2025, 1, 5), 5.5), (ON, 16)]
    moved = [
        row
        for (on, value), assay in zip(years, ("Assay A", "Assay A", "Assay B"), strict=True)
        for row in panel("MOVED", on, PAIR, insulin_uiu_ml=value, assay=assay)
    ]
    stayed = [row for on, value in years for row in panel("STAYED", on, PAIR, insulin_uiu_ml=value)]
    return [*moved, *stayed]


@pytest.fixture(scope="module")
def values(indexed: Scene) -> dict[tuple[str, str], list[float]]:
    """Patient and index -> values."""
    found: dict[tuple[str, str], list[float]] = {}
    for patient, name, value in indexed.rows('SELECT patient_id, "index", value FROM index_value'):
        found.setdefault((patient, name), []).append(value)
    return found


@pytest.mark.parametrize("row", INDICES, ids=lambda row: row.name)
def test_from_files_on_every_index_has_the_value_of_the_clinical_reference(
    values: dict[tuple[str, str], list[float]], row: Index
) -> None:
    for patient, expected in zip(("ANN", "BOB"), row.gives, strict=True):
        found = [value for value in values[patient, row.name] if value is not None]
        assert any(value == pytest.approx(expected, rel=2e-3) for value in found), found


def test_who_has_all_inputs_lacks_no_index_and_who_has_a_pair_lacks_what_needs_more(
    indexed: Scene,
) -> None:
    query = 'SELECT "index", reason, inputs FROM index_missing WHERE patient_id = ?'

    assert indexed.rows(query, "ANN") == []
    lacking = {name: (reason, inputs) for name, reason, inputs in indexed.rows(query, "STAYED")}
    assert {"matsuda", "tg_hdl", "lar", "fli"} <= set(lacking)
    assert "homa_ir" not in lacking
    assert lacking["tg_hdl"][0] is None
    assert "HDL" in str(lacking["tg_hdl"][1])


def test_a_drink_of_which_only_codes_tell_the_minutes_gives_what_two_samples_can(
    indexed: Scene,
) -> None:
    found = index(indexed, "CODED")

    assert found["stumvoll_isi_no_bmi"] == (pytest.approx(0.1062, rel=2e-3), None)
    assert not {"matsuda", "misi", "igi"} & set(found)
    assert {"matsuda", "misi", "igi"} <= set(index(indexed, "ANN"))


@pytest.mark.parametrize(
    ("patient", "name", "reason", "sound"),
    [
        ("LOWG", "homa_b", "glucose at or below 3.5 mmol/L", "homa_ir"),
        ("NARROW", "lap", "waist at or below the constant of LAP", "tyg_wc"),
        ("FEDTG", "tg_hdl", "triglyceride not fasting", None),
        ("ALONE", "tg_hdl", "fasting of triglyceride unknown", None),
        ("METF", "homa_ir", "during metformin", "tg_hdl"),
        ("PREG", "homa_ir", "during pregnancy", None),
        ("PREG", "tg_hdl", "during pregnancy", None),
    ],
)
def test_an_index_outside_its_limits_has_a_reason_and_no_value_and_another_of_the_draw_has_one(
    indexed: Scene, patient: str, name: str, reason: str, sound: str | None
) -> None:
    found = index(indexed, patient)

    value, said = found[name]
    assert value is None
    assert said.startswith(reason)
    assert sound is None or found[sound][0] > 0
    missing = 'SELECT reason FROM index_missing WHERE patient_id = ? AND "index" = ?'
    assert indexed.rows(missing, patient, name) == [(said,)]


def test_triglyceride_of_unknown_fasting_counts_beside_a_fasting_pair_of_the_same_draw(
    indexed: Scene,
) -> None:
    value, reason = index(indexed, "BESIDE")["tg_hdl"]

    assert (value, reason) == (pytest.approx(1.527, rel=2e-3), None)
    assert index(indexed, "ALONE")["tg_hdl"][0] is None


def test_a_zero_hdl_and_a_negative_insulin_wait_and_no_ratio_is_made(scene: Scene) -> None:
    rows = [*panel("NONE", ON, LIPIDS, hdl_mg_dl=0), *panel("SOME", ON, LIPIDS)]
    below = panel("LOST", ON, LIPIDS, insulin_uiu_ml=-1)
    scene.drop("clinic_csv/labs-1.csv", labs(*rows, *below))
    scene.night()

    assert scene.waiting() == {"labs-1.csv": ["value_is_possible"] * 2}
    assert index(scene, "NONE")["homa_ir"] == index(scene, "SOME")["homa_ir"]
    query = "SELECT patient_id, reason FROM index_missing WHERE \"index\" = 'tg_hdl'"
    assert scene.rows(query) == [("NONE", None)]


def test_a_value_of_another_assay_is_no_change_and_one_of_the_same_assay_is(indexed: Scene) -> None:
    query = (
        "SELECT platform, n, previous_on, change, round(rcv_rise_pct, 1), round(rcv_fall_pct, 1) "
        "FROM index_trend WHERE patient_id = ? AND \"index\" = 'homa_ir' AND observed_on = ?"
    )
    ((same, *stayed),) = indexed.rows(query, "STAYED", ON)
    ((other, *moved),) = indexed.rows(query, "MOVED", ON)

    assert stayed == [3, date(2025, 1, 5), "rose", 109.9, -52.4]
    assert moved[:3] == [1, None, None]
    assert same != other
    ((_, *before),) = indexed.rows(query, "MOVED", date(2025, 1, 5))
    assert before[:3] == [2, date(2024, 1, 5), "within noise"]


def test_a_value_of_an_index_is_said_with_the_day_of_its_oldest_input(indexed: Scene) -> None:
    query = (
        "SELECT inputs_from FROM index_value WHERE patient_id = 'ANN' AND observed_on = ? "
        'AND "index" = ?'
    )

    assert indexed.rows(query, DRUNK_AT.date(), "stumvoll_isi") == [(ON,)]
    assert indexed.rows(query, DRUNK_AT.date(), "matsuda") == [(DRUNK_AT.date(),)]


PEOPLE = ("ANN", "BOB", "OLD", "NEW", "GONE", "FLO")
Changed = tuple[Scene, dict[str, Beside], dict[str, Beside], dict[str, Any]]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """A home after two nights: on the second an ALT is corrected, an HbA1c and all of GONE are
    withdrawn, OLD is merged into NEW; with what stood after each, and the second's counts."""
    made = scenes.scene(tmp_path_factory.mktemp("changed") / "home")
    rows = [row for patient in PEOPLE if patient != "NEW" for row in panel(patient, ON, BLOOD)]
    hba1c = panel("BOB", NIGHT - timedelta(days=9), (), hba1c_pct=5.9)
    made.drop("clinic_csv/labs-1.csv", labs(*rows, *hba1c, *drink("OLD", DRUNK_AT, "C")))
    made.drop("clinic_csv/patients-1.csv", table(PERSONS, *(f"{p},1980-02-03,F," for p in PEOPLE)))
    walked = [f"OLD,2026-01-{day:02},{STEPS},{7000 + day},{{#}}/(24.h)" for day in range(1, 29)]
    made.drop("clinic_csv/vitals-1.csv", table(VITALS, *walked))
    draw = datetime(2026, 1, 5, 8)  # noqa: DTZ001
    worn = sensor(draw - timedelta(hours=10), 24 * 14, meal(draw - timedelta(minutes=90), 60))
    made.drop("nightscout/OLD/entries.json", worn)
    made.night(NIGHT)
    stood = beside(made)

    mended = lab("ANN", ON, BLOOD["alt_u_l"][0], 72, "U/L", status="C")
    taken = [row.replace(",F,", ",D,") for row in (*hba1c, *panel("GONE", ON, BLOOD))]
    made.drop("clinic_csv/labs-2.csv", labs(mended, *taken))
    made.drop("clinic_csv/patients-2.csv", table(PERSONS, "OLD,1980-02-03,F,NEW"))
    steps = made.night(NEXT)["steps"]
    return made, stood, beside(made), steps


def test_a_corrected_alt_changes_what_is_computed_of_it_and_nothing_else_of_the_person(
    changed: Changed,
) -> None:
    scene, stood, stands, _ = changed
    before = {row[1]: row for row in stood["ANN"]["index_value"]}
    after = {row[1]: row for row in stands["ANN"]["index_value"]}

    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"hsi", "fib_4"}
    months = "SELECT value FROM tissue_month WHERE patient_id = 'ANN' AND signal = 'alt'"
    assert scene.rows(months) == [(72.0,)]


def test_a_withdrawn_hba1c_corroborates_no_more_and_an_older_one_does(changed: Changed) -> None:
    _, stood, stands, _ = changed
    said = [[row[6] for row in of["BOB"]["corroboration"]] for of in (stood, stands)]

    assert said == [["fine", "not fine"], ["fine"]]


def test_all_that_stood_beside_a_merged_record_stands_beside_the_survivor(changed: Changed) -> None:
    _, stood, stands, _ = changed

    assert set(stood["OLD"]) == set(OF_PERSONS)
    assert set(stood["NEW"]) == {"tissue_profile"}
    assert "OLD" not in stands
    assert set(stands["NEW"]) == set(OF_PERSONS)
    for name in OF_PERSONS:
        assert [row[1:] for row in stood["OLD"][name]] == [row[1:] for row in stands["NEW"][name]]


def test_nothing_stands_beside_a_person_all_of_whose_results_were_withdrawn(
    changed: Changed,
) -> None:
    scene, stood, stands, _ = changed

    assert {"index_value", "index_trend", "tissue_month", "corroboration"} <= set(stood["GONE"])
    assert set(stands["GONE"]) == {"tissue_profile"}
    claims = "SELECT DISTINCT signal, claim FROM tissue_profile WHERE patient_id = 'GONE'"
    assert scene.rows(claims) == [(None, "Not evaluated: nothing was measured.")]


def test_only_people_of_whom_something_came_are_computed_again(changed: Changed) -> None:
    _, stood, stands, steps = changed

    assert {patient for patient in stood if stood[patient] == stands.get(patient)} == {"FLO"}
    assert steps["transform"]["patients changed"] == 4, (
        "ANN, BOB, GONE, and NEW with what was OLD's"
    )


def test_a_night_with_nothing_new_and_a_rebuild_give_the_same_digest(changed: Changed) -> None:
    scene = changed[0]
    digest = scene.digest()
    scene.night(NEXT)
    assert scene.digest() == digest

    scene.night(NEXT, rebuild=True)

    assert scene.digest() == digest
