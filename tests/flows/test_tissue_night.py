"""A night over a clinic large enough to compare people: the profile of tissues, and patterns."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.flows import scene as scenes
from tests.flows.context_scene import FACTS, PERSONS, panel, table
from tests.flows.scene import NIGHT, Scene, labs
from transforms.catalog.tissues import TISSUES

ON = date(2026, 1, 10)
PANEL = ("insulin_uiu_ml", "glucose_mg_dl", "alt_u_l", "triglyceride_mg_dl", "hdl_mg_dl")
WOMEN = tuple(f"W{number:02}" for number in range(1, 46))
"""Forty-five women of fifty-five; the higher the number, the higher insulin and ALT."""
WITH_LEPTIN = WOMEN[:10]
MAN, DIABETIC, RISING, OLD, BARE = "MAN", "DIA", "RISE", "OLD", "BARE"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after one night: the women, a man, and others who are not compared."""
    made = scenes.scene(tmp_path_factory.mktemp("clinic") / "home")
    rows = [row for patient in WOMEN for row in a_woman(patient)]
    rows += panel(MAN, ON, PANEL, alt_u_l=25.5)
    rows += panel(DIABETIC, ON, PANEL, insulin_uiu_ml=90, alt_u_l=300)
    rows += panel(OLD, date(2024, 6, 1), PANEL, alt_u_l=25.5)
    made.drop("clinic_csv/labs-1.csv", labs(*rows, *rising()))
    people = [f"{patient},1970-06-01,F," for patient in (*WOMEN, DIABETIC, RISING, OLD, BARE)]
    made.drop("clinic_csv/patients-1.csv", table(PERSONS, *people, f"{MAN},1970-06-01,M,"))
    made.drop("clinic_csv/conditions-1.csv", table(FACTS, f"{DIABETIC},E11.9,Type 2,2020-01-01,"))
    made.night()
    return made


def a_woman(patient: str) -> list[str]:
    number = int(patient[1:])
    leptin = panel(patient, ON, ("leptin_ng_ml",)) if patient in WITH_LEPTIN else []
    return [
        *panel(patient, ON, PANEL, insulin_uiu_ml=3 + number / 5, alt_u_l=10 + number),
        *leptin,
    ]


def rising() -> list[str]:
    """Six years in which ALT and triglyceride climb while NEFA and glucose stay."""
    rows = []
    for year in range(6):
        values = {"alt_u_l": 15 * 1.4**year, "triglyceride_mg_dl": 70 * 1.5**year}
        insulin = 5 + year % 2 / 10
        on = ON - timedelta(days=365 * (5 - year))
        known = ("glucose_mg_dl", "nefa_mmol_l")
        rows += panel(RISING, on, known, insulin_uiu_ml=insulin, **values)
    return rows


def profile(scene: Scene, patient: str, signal: str) -> tuple[float, int | None, str]:
    """Percentile, among how many, and who they are."""
    query = (
        "SELECT percentile, n_comparable, compared_with FROM tissue_profile "
        "WHERE patient_id = ? AND signal = ?"
    )
    ((percentile, count, whom),) = scene.rows(query, patient, signal)
    return percentile, count, whom


def test_forty_comparable_people_place_a_value(clinic: Scene) -> None:
    query = (
        "SELECT percentile, n_comparable, compared_with FROM tissue_profile "
        "WHERE patient_id LIKE 'W%' AND signal = 'alt' ORDER BY patient_id"
    )
    percentiles, counts, whom = zip(*clinic.rows(query), strict=True)

    assert len(percentiles) == len(WOMEN)
    assert set(counts) == {46}, "the women and one who climbs, of one band of age"
    assert list(percentiles) == sorted(percentiles)
    assert percentiles[0] < 5
    assert percentiles[22] == pytest.approx(48, abs=3)
    assert percentiles[-1] > 93
    assert {text.split(",")[0] for text in whom} == {"women aged 40 to 59"}


def test_too_few_comparable_people_place_none(clinic: Scene) -> None:
    query = (
        "SELECT percentile, compared_with, count(DISTINCT patient_id) FROM tissue_profile "
        "WHERE signal = 'leptin' GROUP BY ALL"
    )
    assert clinic.rows(query) == [(None, "nobody: too few comparable people", len(WITH_LEPTIN))]


def test_a_man_among_women_is_compared_with_all_adults(clinic: Scene) -> None:
    percentile, count, whom = profile(clinic, MAN, "alt")

    assert (count, whom.split(",")[0]) == (47, "adults aged 20 and over")
    assert percentile == pytest.approx(33, abs=4)


def test_who_is_excluded_is_placed_and_places_nobody(clinic: Scene) -> None:
    assert profile(clinic, DIABETIC, "alt")[:2] == (100.0, 46)
    query = "SELECT max(quantiles[101]) FROM signal_reference WHERE signal = 'alt'"
    assert clinic.rows(query)[0][0] < 300


def test_an_old_value_is_shown_and_not_placed(clinic: Scene) -> None:
    query = (
        "SELECT value, percentile, compared_with, missing FROM tissue_profile "
        "WHERE patient_id = 'OLD' AND signal = 'alt'"
    )
    ((value, percentile, whom, missing),) = clinic.rows(query)

    assert (value, percentile, whom) == (25.5, None, "nobody: the value is too old")
    assert missing.startswith("Older than 400 days: ")
    assert clinic.rows(query.replace("'OLD'", "'W01'"))[0][3] is None


def test_every_person_has_every_tissue_with_a_claim_and_what_is_missing(clinic: Scene) -> None:
    silent = "SELECT count(*) FROM tissue_profile WHERE coalesce(claim, '') = ''"
    assert clinic.rows(silent) == [(0,)]
    query = (
        "SELECT patient_id, list(DISTINCT tissue ORDER BY tissue) FROM tissue_profile GROUP BY 1"
    )
    tissues = dict(clinic.rows(query))
    assert len(tissues) == len(WOMEN) + 5
    assert set(map(tuple, tissues.values())) == {tuple(sorted(t.name for t in TISSUES))}
    unnamed = "SELECT count(*) FROM tissue_profile WHERE signal IS NULL AND missing IS NULL"
    assert clinic.rows(unnamed) == [(0,)]


def test_of_a_person_without_results_nothing_is_evaluated(clinic: Scene) -> None:
    query = (
        "SELECT DISTINCT signal, value, percentile, claim FROM tissue_profile WHERE patient_id = ?"
    )
    told = [(None, None, None, "Not evaluated: nothing was measured.")]

    assert clinic.rows(query, BARE) == told
    assert len(clinic.rows(query, "W01")) > 1


def test_the_brain_is_context_and_no_row_says_that_a_tissue_is_resistant(clinic: Scene) -> None:
    grades = "SELECT DISTINCT evidence_grade FROM tissue_profile WHERE tissue = 'brain'"
    assert clinic.rows(grades) == [("D",)]
    assert {row[0] for row in clinic.rows("SELECT evidence_grade FROM tissue_profile")} > {"D"}
    claimed = "SELECT count(*) FROM tissue_profile WHERE claim ILIKE '%resistan%'"
    assert clinic.rows(claimed) == [(0,)]
    lines = clinic.run("explain", RISING).out.splitlines()
    assert [line for line in lines if "May be said:" in line and "resistan" in line] == []
    assert any("May not be said: That this liver is insulin resistant" in line for line in lines)


def test_liver_signals_that_worsen_while_fat_tissue_does_not_are_a_pattern(clinic: Scene) -> None:
    courses = dict(
        clinic.rows(
            "SELECT tissue || '.' || signal, course FROM tissue_profile "
            "WHERE patient_id = 'RISE' AND course IS NOT NULL"
        )
    )
    inside = clinic.rows("SELECT cohort, patient_id FROM cohort WHERE cohort LIKE '%pattern'")

    assert courses["liver.alt"] == courses["liver.tyg"] == "worsening"
    assert courses["adipose.nefa"] == "steady"
    assert inside == [("liver_pattern", "RISE")]


def test_the_attrition_of_every_pattern_adds_up_to_its_members(clinic: Scene) -> None:
    members = dict(
        clinic.rows("SELECT cohort, count(*) FROM cohort WHERE left_on IS NULL GROUP BY cohort")
    )
    cohorts = [name for (name,) in clinic.rows("SELECT DISTINCT cohort FROM cohort_attrition")]
    assert {"liver_pattern", "adipose_pattern", "clearance_pattern"} <= set(cohorts)
    for cohort in cohorts:
        steps = clinic.rows(
            "SELECT n_before, n_excluded, n_after FROM cohort_attrition WHERE cohort = ? "
            "ORDER BY step",
            cohort,
        )
        assert steps[0][0] == len(WOMEN) + 5
        assert all(before - excluded == after for before, excluded, after in steps), cohort
        assert [row[2] for row in steps[:-1]] == [row[0] for row in steps[1:]], cohort
        assert steps[-1][2] == members.get(cohort, 0), cohort


def test_explain_tells_the_profile_and_forbids_what_it_does_not_say(clinic: Scene) -> None:
    text = clinic.run("explain", RISING).out
    rows = clinic.run("explain", RISING, "--json").json["tissues"]

    assert "none says which tissue is resistant" in text
    assert "Not evaluated, nothing was measured: " in text
    assert {row["tissue"] for row in rows} == {tissue.name for tissue in TISSUES}
    alt = next(row for row in rows if row["signal"] == "alt")
    assert (alt["course"], alt["n_comparable"]) == ("worsening", 46)
    assert alt["percentile"] > 90


def test_the_nights_page_names_no_tissue_of_a_person(clinic: Scene) -> None:
    page = clinic.page(NIGHT)

    assert "300" in str(clinic.rows("SELECT value FROM observation WHERE patient_id = 'DIA'"))
    for secret in (*WOMEN, DIABETIC, RISING, "worsening"):
        assert secret not in page
