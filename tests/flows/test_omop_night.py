"""Nights over OMOP tables and SAS transport files: every row placed, the same people found."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest

from tests.flows.scene import CLIMBING, FLAT, Scene, labs, patients, series
from tests.flows.senders import Nights, Sender, sends

REAL = Path(__file__).parents[2].parent / "shared" / "realdata"
NHANES = """
[sources.xpt]
reader = "xpt"
time_zone = "America/New_York"
[sources.xpt.table]
patient_prefix = "N"
[sources.xpt.table.constants]
observed_at = "2017-07-01"
"""


def persons(climbing: str, flat: str) -> str:
    """Both in a PERSON table."""
    head = "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth\n"
    return head + "".join(f"{person},8532,1970,2,3\n" for person in (climbing, flat))


def measurements(climbing: str, flat: str) -> pl.DataFrame:
    """The draws of :func:`series` as a MEASUREMENT table."""
    of = {climbing: CLIMBING, flat: FLAT}
    rows = [line.split(",") for draws in of.values() for line in series("", draws)]
    people = [person for person, draws in of.items() for _ in range(2 * len(draws))]
    return pl.DataFrame(
        {
            "measurement_id": range(1, len(rows) + 1),
            "person_id": [int(person) for person in people],
            "measurement_concept_id": [3016244 if r[2] == "20448-7" else 3037110 for r in rows],
            "measurement_date": [r[1][:10] for r in rows],
            "measurement_datetime": [r[1].replace("T", " ") for r in rows],
            "operator_concept_id": 4172703,
            "value_as_number": [float(r[3]) for r in rows],
            "unit_concept_id": [9093 if r[2] == "20448-7" else 8840 for r in rows],
            "measurement_source_value": ["27873-9" if r[2] == "20448-7" else "" for r in rows],
        }
    )


def placed(scene: Scene) -> dict[str, tuple[int, int, int]]:
    """File -> rows in, accepted, quarantined; after the law that each has one place."""
    rows = scene.rows(
        "SELECT file, rows_in, rows_accepted, rows_quarantined, rows_duplicate + rows_superseded "
        "FROM source_file"
    )
    assert all(row[1] == sum(row[2:]) for row in rows)
    return {file: (rows_in, accepted, waiting) for file, rows_in, accepted, waiting, _ in rows}


PLAIN = sends(
    "plain_files",
    "clinic_csv",
    {
        "labs.csv": labs(*series("plain-1"), *series("plain-2", FLAT)),
        "patients.csv": patients("plain-1", "plain-2"),
    },
)
TABLES = Sender(
    {
        "omop/PERSON.csv": persons("1", "2").upper(),
        "omop/measurement_0001.csv": measurements("1", "2").write_csv(separator="\t"),
        "omop/death.csv": "person_id,death_date\n9,2020-01-01\n",
        "omop/CONCEPT.csv": "concept_id\n1\n2\n3\n",
    }
)


def test_the_tables_of_a_model_find_whom_the_plain_files_find(nights: Nights) -> None:
    plain, scene = nights.after(PLAIN), nights.after(TABLES)

    assert {f"plain-{who}": status for who, status in scene.statuses().items()} == plain.statuses()
    assert set(scene.statuses()) == {"1", "2"}
    pairs = (
        "SELECT right(patient_id, 1), insulin_uiu_ml, glucose_mg_dl FROM fasting_pair ORDER BY ALL"
    )
    assert len(scene.rows(pairs)) == 12
    assert scene.rows(pairs) == plain.rows(pairs)
    assert placed(scene) == {
        "PERSON.csv": (2, 2, 0),
        "measurement_0001.csv": (24, 24, 0),
        "death.csv": (1, 0, 1),
        "CONCEPT.csv": (1, 0, 1),
    }
    states = "SELECT DISTINCT state, row IS NOT NULL FROM quarantine"
    assert scene.rows(states) == [("set_aside", True)]


def contradicting() -> bytes:
    """A Parquet file of which one row states another unit and one another code."""
    table = measurements("11", "12").with_columns(
        unit_source_value=pl.when(pl.col("measurement_id") == 3).then(pl.lit("mmol/L")),
        measurement_source_value=pl.when(pl.col("measurement_id") == 5)
        .then(pl.lit("1558-6"))
        .otherwise("measurement_source_value"),
    )
    made = io.BytesIO()
    table.write_parquet(made)
    return made.getvalue()


CONTRADICTING = sends(
    "omop_in_doubt",
    "omop",
    {
        "measurement.parquet": contradicting(),
        "person.csv": persons("11", "12") + "13,8507,1980,,\n",
    },
)


def test_what_contradicts_itself_waits_and_parquet_is_as_good_as_text(nights: Nights) -> None:
    scene = nights.after(CONTRADICTING)
    assert placed(scene) == {"measurement.parquet": (24, 22, 2), "person.csv": (3, 2, 1)}
    waiting = "SELECT file, line, reasons, row FROM quarantine ORDER BY file, line"
    (unit, code, born) = scene.rows(waiting)
    assert (unit[1], unit[2]) == (4, ["unit_is_known"])
    assert "mmol/L" in unit[3]
    assert (code[1], code[2]) == (6, ["code_is_known"])
    assert born[2] == ["birth_date_is_readable"]


DRUGS = sends(
    "omop_with_drugs",
    "omop",
    {
        "measurement.csv": measurements("21", "22").write_csv(),
        "person.csv": persons("21", "22"),
        "drug_exposure.csv": "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,"
        "drug_exposure_end_date,drug_source_value\n"
        "1,21,19009384,2020-01-01,2030-01-01,00002-8715-01\n"
        "2,22,1503297,2020-01-01,,00093-1048\n",
    },
)


def test_a_drug_that_cannot_be_judged_waits_with_its_concept(nights: Nights) -> None:
    scene = nights.after(DRUGS)
    assert scene.statuses()["21"] == "excluded"
    assert scene.statuses()["22"] != "excluded"
    assert placed(scene)["drug_exposure.csv"] == (2, 1, 1)
    assert scene.waiting() == {"drug_exposure.csv": ["concept_unknown:drug_concept_id 1503297"]}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_real_tables_and_surveys_have_every_row_in_one_place(scene: Scene) -> None:
    scene.set(NHANES)
    for path in (REAL / "omop_synthea27" / "even_persons").iterdir():
        scene.drop(f"omop/{path.name}", path.read_bytes())
    survey = REAL / "nhanes_2017_2018"
    for path in sorted(survey.glob("*.XPT")):
        scene.drop(f"xpt/{path.name}", path.read_bytes())

    scene.night()

    found = placed(scene)
    assert {file: rows for file, (rows, _, _) in found.items()} == {
        "CONDITION_OCCURRENCE.csv": 269,
        "DRUG_EXPOSURE.csv": 711,
        "MEASUREMENT.csv": 5482,
        "OBSERVATION_PERIOD.csv": 14,
        "PERSON.csv": 14,
        "VISIT_OCCURRENCE.csv": 918,
        "GHB_J.XPT": 6401,
        "HDL_J.XPT": 7435,
    }
    assert found["GHB_J.XPT"][1:] == (6045, 356)
    assert found["HDL_J.XPT"][1:] == (6738, 697)
    reasons = dict(
        scene.rows(
            "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM quarantine "
            "WHERE file = 'MEASUREMENT.csv') GROUP BY ALL"
        )
    )
    assert reasons["code_is_known"] == 5482 - 4097
    assert reasons["value_is_possible"] == 20  # protein in g/L under a g/dL label
