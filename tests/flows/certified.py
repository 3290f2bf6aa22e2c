"""A home whose people have a certificate each of another kind, and certificates to change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson

from tests.flows import scene as scenes
from tests.flows.scene import FLAT, INSULIN, NIGHT, QUICK, Scene, labs, patients, result, series
from tests.flows.test_explanations import SLOW, WARD, commented, moved, own
from transforms.certificate import Certificate, decoded, hash_of
from transforms.certificate_checks import CHECKS, checked
from transforms.frozen import encoded
from warehouse.ledger import Ledger

Plain = dict[str, Any]
HIGH = (20.0, 21.0, 19.5, 20.5, 20.0, 21.0)
COMMA = WARD.replace("ward", "komma").replace(
    "[sources.komma.table]", '[sources.komma.table]\ndelimiter = ";"\ndecimal = ","'
)
CONDITIONS = (
    "patient_id,code,name,onset_date,end_date\nDIA,E11.9,Type 2 diabetes,2020-01-01,\n"
    "ANN,J45,<script>alert(1)</script> asthma,2020-01-01,\n"
)
FHIR_CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/MOL"},
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]},
    "onsetDateTime": "2020-01-01",
}
"""A record whose line has no parts."""
MEDICATIONS = (
    "patient_id,name,class,start_date,end_date\nBAR,metformin 500 mg,biguanide,2023-01-01,"
    "2023-03-01\n"
)


def molar(patient: str) -> list[str]:
    """A climbing series in pmol/L and mmol/L."""
    rows = []
    for row in series(patient):
        cells = row.split(",")
        is_insulin = cells[2] == INSULIN
        cells[2:5] = (
            ["59179-2" if is_insulin else "14771-0"]
            + [f"{float(cells[3]) * 6:.1f}" if is_insulin else f"{float(cells[3]) / 18.016:.2f}"]
            + ["pmol/L" if is_insulin else "mmol/L"]
        )
        rows.append(",".join(cells))
    return rows


def with_commas(patient: str) -> str:
    """The same as any, but with decimal commas, as a ward's own file."""
    rows = [row.replace(",", ";") for row in series(patient, SLOW)]
    text = "\n".join([f"{scenes.LABS};comment".replace(",", ";"), *(f"{r};" for r in rows)])
    return text.replace(".", ",") + "\n"


def people(root: Path) -> Scene:
    """Two nights: the second by a model of the clinic's own, which judges who came with it."""
    made = scenes.scene(root)
    made.set(QUICK + WARD + COMMA)
    censored = [row.replace(",9.0,", ",<2.0,") for row in series("LIM", SLOW)]
    everyone = (
        *(*series("ANN"), *series("FLO", FLAT), *series("HIG", HIGH), *series("DIA")),
        *(*molar("MOL"), *censored, *series("BAR", SLOW)),
        result("NEW", date(2026, 1, 5), INSULIN, 7),
    )
    made.drop("clinic_csv/labs-1.csv", labs(*everyone))
    made.drop("clinic_csv/conditions-1.csv", CONDITIONS)
    made.drop("fhir/conditions.ndjson", orjson.dumps(FHIR_CONDITION) + b"\n")
    made.drop("clinic_csv/medications-1.csv", MEDICATIONS)
    made.drop("clinic_csv/patients-1.csv", patients("ANN", "FLO", "DIA", "OLD"))
    made.drop("ward/ill.csv", commented("SIC", *["sober"] * 5, "Patient had a fever"))
    made.drop("komma/labs.csv", with_commas("KOM"))
    made.night(NIGHT - timedelta(days=1))
    ledger = Ledger(made.home.ledger)
    ledger.keep_model("own-1", NIGHT, encoded(own()))
    ledger.close()
    made.drop("clinic_csv/labs-2.csv", labs(*moved("MOV")))
    made.drop("clinic_csv/patients-2.csv", patients("OLD", merged={"OLD": "ANN"}))
    made.night(NIGHT)
    return made


def plain_of(certificate: Certificate) -> Plain:
    """A certificate to be changed."""
    return dict(orjson.loads(orjson.dumps(certificate.plain())))


def forged(plain: Plain) -> Certificate:
    """The certificate with a hash that fits, as a forger would hand it on."""
    return decoded(orjson.dumps(plain | {"content_sha256": hash_of(plain)}))


def failing(certificate: Certificate, *, quick: bool = False) -> list[str]:
    """The checks that differ; ``quick``: but the slow one of the counterfactual."""
    asked = [check for check in CHECKS if check.name != "counterfactual" or not quick]
    return [answer.name for answer in checked(certificate, asked) if answer.differences]


Change = Callable[[Plain], None]
