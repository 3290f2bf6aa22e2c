"""Nights with a worn sensor: what it says of a fast, what it contradicts, and what it leaves."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from tests.flows import scene as scenes
from tests.flows.context_scene import beside, meal, sensor
from tests.flows.scene import CLIMBING, FIRST_DRAW, FLAT, NIGHT, Scene, decoded, labs, series
from tests.flows.scene import patients as persons

pytestmark = pytest.mark.slow

DRAWN_ON = FIRST_DRAW + timedelta(days=365 * 5)
DRAW = datetime.combine(DRAWN_ON, time(8))
WORN_FROM = datetime(2026, 2, 3)  # noqa: DTZ001
BREAKFAST = DRAW - timedelta(minutes=100)
ATE, KEPT, BARE, HIGH, CALM = "ZZATE", "ZZKEPT", "ZZBARE", "ZZHIGH", "ZZCALM"
"""Ate before the last draw; did not; has no sensor; a sensor often above 140 mg/dL; and seldom."""
CLIMBERS = (ATE, KEPT, BARE)
COHORT = "glucose_not_fine_by_cgm"


@dataclass(frozen=True)
class Worn:
    """A home before and after the sensors' files came, on one date; and what the command said."""

    scene: Scene
    before: dict[str, dict[str, tuple[Any, ...]]]
    after: dict[str, dict[str, tuple[Any, ...]]]
    printed: str


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Worn:
    """Three who climb alike and two who are flat; then four sensors' files."""
    made = scenes.scene(tmp_path_factory.mktemp("worn") / "home")
    climbers = [row for patient in CLIMBERS for row in series(patient, CLIMBING)]
    flat = [row for patient in (HIGH, CALM) for row in series(patient, FLAT)]
    made.drop("clinic_csv/labs-1.csv", labs(*climbers, *flat))
    made.drop("clinic_csv/patients-1.csv", persons(*CLIMBERS, HIGH, CALM))
    made.night(NIGHT)
    before = standing(made)
    drop_sensors(made)
    out, log = io.StringIO(), io.StringIO()
    listening = logging.StreamHandler(log)
    logging.getLogger().addHandler(listening)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            said = made.run("run", "--as-of", str(NIGHT))
    finally:
        logging.getLogger().removeHandler(listening)
    assert said.code == 0, said.err
    printed = "\n".join((said.out, said.err, out.getvalue(), log.getvalue()))
    return Worn(made, before, standing(made), printed)


def drop_sensors(scene: Scene) -> None:
    """Ten hours before a draw with breakfast and without; two weeks with high days and without."""
    evening = DRAW - timedelta(hours=10)
    shapes = {
        ATE: sensor(evening, 10, meal(BREAKFAST, 62)),
        KEPT: sensor(evening, 10, lambda _: 90.0),
        HIGH: sensor(WORN_FROM, 24 * 15, lambda at: 151.0 if 9 <= at.hour < 18 else 95.0),
        CALM: sensor(WORN_FROM, 24 * 15, lambda at: 151.0 if at.hour == 9 else 95.0),
    }
    for patient, content in shapes.items():
        scene.drop(f"nightscout/{patient}/entries.json", content)


def standing(scene: Scene) -> dict[str, dict[str, tuple[Any, ...]]]:
    """Table -> patient -> what it says: the trend, the status, the last draw."""
    queries = {
        "trend": "FROM trend",
        "status": "SELECT patient_id, status, reason, tier FROM patient_status",
        "draw": f"FROM fasting_pair WHERE drawn_on = '{DRAWN_ON}'",
        "p": "SELECT patient_id, p_bad, p_fasting, likely FROM fasting_pair "
        f"WHERE drawn_on = '{DRAWN_ON}'",
        "p_unseen": "SELECT patient_id, p_climbing_unseen FROM trend",
    }
    return {name: {row[0]: row[1:] for row in scene.rows(query)} for name, query in queries.items()}


def test_who_wears_no_sensor_has_the_same_trend_and_draws_bit_for_bit(worn: Worn) -> None:
    for table in ("trend", "status", "draw"):
        assert worn.after[table][BARE] == worn.before[table][BARE], table
    assert worn.before["p_unseen"][ATE] == worn.before["p_unseen"][BARE]
    assert worn.after["p_unseen"][ATE] != worn.after["p_unseen"][BARE]


def test_breakfast_before_a_draw_labelled_fasting_makes_the_draw_doubtful(worn: Worn) -> None:
    ((drawn_on, p, evidence),) = worn.scene.rows(
        "SELECT drawn_on, p_fasting, evidence FROM fasting_evidence WHERE patient_id = ?", ATE
    )

    assert (drawn_on, p < 0.65) == (DRAWN_ON, True)
    assert evidence.startswith("sensor: glucose rose by ")
    p_bad, p_fasting, likely = worn.after["p"][ATE]
    assert p_fasting == p
    assert worn.before["p"][ATE][1] is None
    assert p_bad > 2 * worn.before["p"][ATE][0]
    assert "fasting" in likely
    assert worn.after["p_unseen"][ATE] < worn.before["p_unseen"][ATE]


def test_a_flat_line_before_a_draw_speaks_for_the_fast(worn: Worn) -> None:
    ((p, evidence),) = worn.scene.rows(
        "SELECT p_fasting, evidence FROM fasting_evidence WHERE patient_id = ?", KEPT
    )

    assert p > 0.97
    assert evidence.startswith("sensor: no rise in the 8 h before the draw")
    assert worn.after["p"][KEPT][0] < worn.before["p"][KEPT][0]


def test_a_sensor_that_was_not_worn_before_a_draw_says_nothing_of_its_fast(worn: Worn) -> None:
    told = {patient for (patient,) in worn.scene.rows("SELECT patient_id FROM fasting_evidence")}

    assert told == {ATE, KEPT}


def test_explain_shows_what_speaks_of_the_fast_and_for_machines_too(worn: Worn) -> None:
    text = worn.scene.run("explain", ATE).out
    found = worn.scene.run("explain", ATE, "--json").json

    assert "sensor: glucose rose by" in text
    newest = {draw["drawn_on"]: draw for draw in found["draws"]}[str(DRAWN_ON)]
    assert newest["fasting_evidence"].startswith("sensor: glucose rose by")
    assert newest["p_fasting"] == worn.after["p"][ATE][1]
    assert "sensor: glucose" not in worn.scene.run("explain", BARE).out


def test_a_sensor_often_high_stands_beside_a_status_and_changes_nothing_of_it(worn: Worn) -> None:
    said = dict(worn.scene.rows("SELECT DISTINCT patient_id, says FROM corroboration"))

    assert said == {HIGH: "not fine", CALM: "fine"}
    for table in ("trend", "status", "draw"):
        for patient in (HIGH, CALM):
            assert worn.after[table][patient] == worn.before[table][patient], (table, patient)
    assert "not fine" in worn.scene.run("explain", HIGH).out
    assert any(
        "above 140" in line for line in worn.scene.run("explain", HIGH, "--json").json["beside"]
    )


def test_who_is_fine_by_draws_and_not_by_sensor_is_a_cohort_whose_attrition_adds_up(
    worn: Worn,
) -> None:
    members = worn.scene.rows(
        "SELECT patient_id FROM cohort WHERE cohort = ? AND left_on IS NULL", COHORT
    )
    steps = worn.scene.rows(
        "SELECT n_before, n_excluded, n_after FROM cohort_attrition WHERE cohort = ? ORDER BY step",
        COHORT,
    )

    assert members == [(HIGH,)]
    assert steps[0][0] == 5
    assert all(before - excluded == after for before, excluded, after in steps)
    assert [row[2] for row in steps[:-1]] == [row[0] for row in steps[1:]]
    assert steps[-1][2] == len(members)


def test_nobody_is_called_away_from_a_status_by_a_sensor_nor_listed_for_it(worn: Worn) -> None:
    alerted = {row["patient_id"] for row in worn.scene.ledger("SELECT patient_id FROM alert")}

    assert HIGH not in alerted
    assert BARE in alerted


def test_what_stands_beside_the_draws_is_nowhere_but_in_the_warehouse(worn: Worn) -> None:
    evidence = [text for (text,) in worn.scene.rows("SELECT evidence FROM fasting_evidence")]
    sentences = [text for (text,) in worn.scene.rows("SELECT sentence FROM corroboration")]
    p = str(worn.after["p"][ATE][1])
    mails = list(map(decoded, worn.scene.mails()))
    shown = "\n".join([worn.printed, worn.scene.page(), *mails])

    assert "Night of 2026-03-01: done" in worn.printed
    assert len(evidence) == 2
    assert len(sentences) >= 2
    for secret in (*CLIMBERS, HIGH, CALM, *evidence, *sentences, p, "sensor: "):
        assert secret not in shown
    assert evidence[0] in worn.scene.run("explain", ATE).out


def test_days_and_two_weeks_of_a_sensor_are_told_of_who_wore_it(worn: Worn) -> None:
    found = beside(worn.scene)

    assert "cgm_day" not in found[BARE]
    sufficient = worn.scene.rows(
        "SELECT DISTINCT patient_id FROM cgm_window WHERE is_sufficient ORDER BY ALL"
    )
    assert sufficient == [(CALM,), (HIGH,)]
    assert {"cgm_day", "cgm_window"} <= set(found[HIGH])
