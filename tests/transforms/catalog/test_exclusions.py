"""Exclusions: each ground with the entry that looks like it and is not."""

from __future__ import annotations

import polars as pl
import pytest

from transforms.catalog.exclusions import (
    EXCLUSIONS,
    HYPERTENSION,
    Exclusion,
    exclusion_frame,
    matches,
    matching,
)
from transforms.catalog.words import folded_words

BY_NAME = {exclusion.name: exclusion for exclusion in EXCLUSIONS}
COLUMNS = ["code_system", "code", "name"]


def grounds(
    system: str | None = None, code: str | None = None, name: str | None = None
) -> list[str]:
    """The exclusions of one condition."""
    frame = pl.DataFrame([(system, code, name)], dict.fromkeys(COLUMNS, pl.String), orient="row")
    found: list[str] = frame.select(matching("condition")).to_series().to_list()[0]
    return found


def drug_grounds(
    name: str | None = None,
    drug_class: str | None = None,
    system: str | None = None,
    code: str | None = None,
) -> list[str]:
    """The exclusions of one medication."""
    schema = dict.fromkeys([*COLUMNS, "class"], pl.String)
    frame = pl.DataFrame([(system, code, name, drug_class)], schema, orient="row")
    found: list[str] = frame.select(matching("medication")).to_series().to_list()[0]
    return found


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        ("icd10", "E11.9", None),
        ("icd10", "e119", None),
        ("ICD10", "E10", "Type 1 diabetes mellitus"),
        ("icd10", "O24.1", None),
        ("snomed", "44054006", "Diabetes"),
        ("snomed", "46635009", None),
        ("snomed", "73211009", None),
        ("snomed", "368581000119106", "Neuropathy due to type 2 diabetes mellitus (disorder)"),
        (None, "E11.9", None),
        ("local", "44054006", None),
        (None, None, "Type 2 diabetes mellitus without complication"),
        (None, None, "DIABETIC retinopathy"),
        (None, None, "History of diabetes mellitus type 2"),
        (None, None, "Diabète de type 2"),
        (None, None, "Non-insulin-dependent diabetes mellitus"),
    ],
)
def test_diabetes_is_diabetes(system: str | None, code: str | None, name: str | None) -> None:
    assert "diabetes" in grounds(system, code, name)


@pytest.mark.parametrize("name", ["Prediabetes", "Pre-diabetes", "PREDIABETES (finding)"])
def test_prediabetes_is_not_diabetes(name: str) -> None:
    assert grounds("snomed", "15777000", name) == []
    assert grounds("icd10", "R73.03", name) == []


@pytest.mark.parametrize(
    "name",
    [
        "Family history of diabetes mellitus",
        "Diabetes insipidus",
        "Screening for diabetes mellitus",
        "At risk of diabetes; risk of diabetes mellitus",
        "Non-diabetic hyperglycaemia",
        "Nondiabetic",
        "No history of diabetes",
        "History of gestational diabetes",
        "Insulin resistance",
        "Hyperinsulinaemia",
        "Impaired fasting glucose",
        "Metabolic syndrome X (disorder)",
    ],
)
def test_what_only_sounds_like_diabetes_excludes_nobody(name: str) -> None:
    assert grounds(name=name) == []


def test_gestational_diabetes_ends_with_the_pregnancy() -> None:
    assert grounds("icd10", "O24.410", "Gestational diabetes mellitus") == [
        "pregnancy",
        "pregnancy_draw",
    ]
    assert "diabetes" not in grounds("snomed", "11687002", "Gestational diabetes mellitus")


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        ("snomed", "72892002", "Normal pregnancy"),
        ("snomed", "77386006", None),
        ("icd10", "O09.9", None),
        ("icd10", "Z34.90", None),
        (None, "O26.9", None),
        (None, None, "Pregnant, 12 weeks"),
    ],
)
def test_pregnancy_excludes_the_patient_and_its_draws(
    system: str | None, code: str | None, name: str | None
) -> None:
    assert grounds(system, code, name) == ["pregnancy", "pregnancy_draw"]


@pytest.mark.parametrize(
    "name",
    ["Pregnancy test negative", "Not pregnant", "History of pregnancy", "Pregnancy counselling"],
)
def test_no_pregnancy_is_no_pregnancy(name: str) -> None:
    assert grounds(name=name) == []


@pytest.mark.parametrize("code", ["OBESE", "O2SAT", "OB-GYN-01"])
def test_a_local_code_that_begins_with_o_is_no_pregnancy(code: str) -> None:
    assert grounds("local", code, None) == []
    assert grounds(None, code, None) == []


def test_pregnancy_lasts_twelve_weeks_longer_and_not_for_ever() -> None:
    pregnancy = BY_NAME["pregnancy"]
    assert (pregnancy.effect, pregnancy.after_days, pregnancy.open_days) == ("patient", 84, 300)
    assert BY_NAME["pregnancy_draw"].effect == "draw"


@pytest.mark.parametrize(
    ("ground", "held", "twin"),
    [
        ("pancreas_disease", "Acute pancreatitis (disorder)", "Family history of pancreatitis"),
        ("pancreas_disease", "Whipple procedure", "Pancreatic enzyme replacement"),
        ("kidney_disease", "Chronic kidney disease, stage 4 (severe)", "Breast cancer, stage 4"),
        ("kidney_disease", "CKD stage 3b", "CKD stage 3a"),
        ("kidney_disease", "End-stage renal disease", "Chronic kidney disease stage 3"),
        ("cirrhosis", "Cirrhosis of liver", "Alcoholic hepatitis without cirrhosis"),
        ("cirrhosis", "Leberzirrhose; Zirrhose", "Hepatic fibrosis"),
        ("insulinoma", "Benign insulinoma", "Functional hyperinsulinism"),
        ("insulin_antibodies", "Insulin antibodies present", "Thyroid antibodies present"),
        ("insulin_use", "Long term (current) use of insulin", "Insulin resistance"),
        ("bariatric_surgery", "Laparoscopic sleeve gastrectomy", "Bariatric surgery counselling"),
    ],
)
def test_a_condition_matches_and_its_twin_does_not(ground: str, held: str, twin: str) -> None:
    assert ground in grounds(name=held)
    assert ground not in grounds(name=twin)


@pytest.mark.parametrize(
    ("ground", "held", "twin"),
    [
        ("kidney_disease", "N18.4", "N18.3"),
        ("kidney_disease", "N18.32", "N18.31"),
        ("cirrhosis", "K74.60", "K74.0"),
        ("cirrhosis", "K70.30", "K70.0"),
        ("insulinoma", "D13.7", "E16.1"),
        ("insulin_use", "Z79.4", "Z79.84"),
        ("diabetes", "E13.9", "E16.2"),
        ("bariatric_surgery", "Z98.84", "Z98.1"),
    ],
)
def test_an_icd10_code_matches_and_its_neighbour_does_not(
    ground: str, held: str, twin: str
) -> None:
    assert ground in grounds("icd10", held)
    assert ground not in grounds("icd10", twin)


@pytest.mark.parametrize(
    ("ground", "name"),
    [
        ("insulin_therapy", "insulin lispro 100 UNT/ML Injectable Solution [Humalog]"),
        ("insulin_therapy", "Lantus SoloStar"),
        ("insulin_therapy", "INSULIN GLARGINE"),
        ("sulfonylurea", "glipizide 5 MG Oral Tablet"),
        ("sulfonylurea", "Gliclazid 30 mg"),
        ("glinide", "repaglinide 1 MG Oral Tablet"),
        ("metformin", "Metformin hydrochloride 500 MG Oral Tablet"),
        ("metformin", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"),
        ("metformin", "sitagliptin / metformin"),
        ("thiazolidinedione", "pioglitazone 15 MG Oral Tablet"),
        ("sglt2_inhibitor", "Empagliflozin 10 MG"),
        ("systemic_glucocorticoid", "prednisone 20 MG Oral Tablet"),
        ("systemic_glucocorticoid", "methylPREDNISolone 4 MG Oral Tablet"),
        ("antipsychotic", "Olanzapine 10 MG Oral Tablet"),
    ],
)
def test_a_drug_is_known_by_its_name(ground: str, name: str) -> None:
    assert ground in drug_grounds(name)


@pytest.mark.parametrize(
    "name",
    [
        "Insulin syringe 1 ML",
        "Pen needle 4 mm for insulin pen needle use",
        "insulin-like growth factor",
        "hydrocortisone 10 MG/ML Topical Cream",
        "budesonide 0.032 MG/ACTUAT Metered Dose Nasal Spray",
        "ciprofloxacin / dexamethasone Otic Suspension",
        "semaglutide 1 MG/ML Pen Injector",
        "tirzepatide",
        "sitagliptin 100 MG Oral Tablet",
        "haloperidol",
        "Simvastatin 10 MG Oral Tablet",
        "hydrochlorothiazide 25 MG",
    ],
)
def test_another_drug_excludes_nothing(name: str) -> None:
    assert drug_grounds(name) == []


@pytest.mark.parametrize(
    ("drug_class", "expected"),
    [
        ("insulin", ["insulin_therapy"]),
        ("Insulin", ["insulin_therapy"]),
        ("Sulfonylureas", ["sulfonylurea"]),
        ("SGLT-2 inhibitor", ["sglt2_inhibitor"]),
        ("insulin sensitiser", []),
        ("insulin secretagogue", []),
        ("GLP-1 agonist", []),
        ("statin", []),
    ],
)
def test_a_drug_class_matches_as_a_whole(drug_class: str, expected: list[str]) -> None:
    assert drug_grounds(None, drug_class) == expected


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("atc", "A10AE04", ["insulin_therapy"]),
        ("atc", "A10BB09", ["sulfonylurea"]),
        ("atc", "A10BX02", ["glinide"]),
        (None, "A10BA02", ["metformin"]),
        ("atc", "A10BJ02", []),
        ("rxnorm", "860975", ["metformin"]),
        ("rxnorm", "8609750", []),
        (None, "8640", []),
    ],
)
def test_a_drug_code_matches(system: str | None, code: str, expected: list[str]) -> None:
    assert drug_grounds(None, None, system, code) == expected


def test_a_diagnosis_of_insulin_resistance_is_no_insulin_therapy() -> None:
    assert grounds("icd10", "E88.81", "Insulin resistance") == []


@pytest.mark.parametrize("exclusion", [*EXCLUSIONS, HYPERTENSION], ids=lambda e: e.name)
def test_an_empty_row_matches_nothing_and_is_never_null(exclusion: Exclusion) -> None:
    frame = pl.DataFrame({"code_system": [None], "code": [None], "name": [None], "class": [None]})
    strings = frame.cast(pl.String)
    assert strings.select(matches(exclusion)).to_series().to_list() == [False]


@pytest.mark.parametrize("exclusion", EXCLUSIONS, ids=lambda e: e.name)
def test_every_exclusion_is_reviewed_cited_and_says_how_long(exclusion: Exclusion) -> None:
    assert exclusion.next_review > exclusion.reviewed
    assert exclusion.citation.strip()
    assert exclusion.sentence.endswith(".")
    assert exclusion.effect == "patient" or exclusion.after_days is not None


@pytest.mark.parametrize("exclusion", [*EXCLUSIONS, HYPERTENSION], ids=lambda e: e.name)
def test_every_word_is_written_folded(exclusion: Exclusion) -> None:
    listed = [*exclusion.words, *exclusion.not_words, *exclusion.classes]
    if not listed:
        return
    frame = pl.DataFrame({"word": listed}).with_columns(again=folded_words(pl.col("word")))
    assert frame.filter(pl.col("again") != pl.col("word")).rows() == []


def has_hypertension(system: str | None, code: str | None, name: str | None) -> bool:
    row = pl.DataFrame([(system, code, name)], dict.fromkeys(COLUMNS, pl.String), orient="row")
    return bool(row.select(matches(HYPERTENSION)).item())


@pytest.mark.parametrize(
    "name",
    [
        "Essential hypertension (disorder)",
        "Hypertension, no complications",
        "Hypertensive heart disease without heart failure",
        "High blood pressure",
        "Bluthochdruck",
        "Arterielle Hypertonie",
        "Hypertonie, kein Hinweis auf Endorganschaden",
        "Benigne essentielle Hypertonie: Ohne Angabe einer hypertensiven Krise",
        "Hochdruckkrankheit",
        "Hypertension artérielle",
        "Hipertensión arterial",
        "Ipertensione arteriosa",
    ],
)
def test_high_blood_pressure_is_known_by_its_name(name: str) -> None:
    assert has_hypertension(None, None, name)


@pytest.mark.parametrize(
    "name",
    [
        "Pulmonary hypertension",
        "Pulmonale Hypertonie",
        "Pulmonaler Bluthochdruck",
        "Ipertensione polmonare",
        "Hypertension artérielle pulmonaire",
        "Hipertensión pulmonar",
        "Portal hypertension",
        "Gestational hypertension",
        "Hipertensión gestacional",
        "Ipertensione gestazionale",
        "Hypertension artérielle gravidique",
        "Bluthochdruck in der Schwangerschaft",
        "Ocular hypertension",
        "Okuläre Hypertension",
        "Intraokulare Hypertension",
        "Idiopathic intracranial hypertension",
        "Intrakranielle Hypertension",
        "Ipertensione endocranica",
        "No hypertension",
        "No evidence of hypertension",
        "Kein Hinweis auf Hypertonie",
        "Kein Hinweis auf arterielle Hypertonie",
        "Kein Bluthochdruck",
        "Pas d'hypertension artérielle",
        "Sin hipertensión",
        "Senza ipertensione",
        "White coat hypertension",
        "Family history of hypertension",
        "Low blood pressure",
    ],
)
def test_pressure_elsewhere_or_denied_is_no_high_blood_pressure(name: str) -> None:
    assert not has_hypertension(None, None, name)


def test_a_code_of_high_blood_pressure_counts_whatever_its_name() -> None:
    assert has_hypertension("icd10", "I10.90", "Ohne Angabe einer hypertensiven Krise")
    assert has_hypertension("snomed", "38341003", "Pulmonary or other hypertension")
    assert not has_hypertension("icd10", "I27.0", "Primary pulmonary hypertension")


def test_windows_are_the_reviewed_ones() -> None:
    days = dict(exclusion_frame().select("exclusion", "after_days").iter_rows())
    assert days["metformin"] == days["thiazolidinedione"] == 90
    assert days["systemic_glucocorticoid"] == 42
    assert days["bariatric_surgery"] == 365
    assert days["insulin_therapy"] is None
    assert exclusion_frame()["exclusion"].is_duplicated().sum() == 0
