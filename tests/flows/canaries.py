"""A file of every source format with the name and the number of a person wherever it may carry
them: in its folder, its own name, its header, its rows, its remarks, its broken rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tests.flows.scene import Scene, labs, result, series
from tests.fuzz.seeds import LONG, seeds

NUMBER, NAME = "ZZCANARY77", "Canarina Testperson"
CANARIES = (NUMBER, "Canarina", "Testperson")
TABLE = "\n".join(f'{key} = "{column}"' for key, column in LONG.items())
SETTINGS = (
    f'[sources.table]\nreader = "table"\n[sources.table.table]\n{TABLE}\n'
    '[sources.xpt]\nreader = "xpt"\n[sources.xpt.table]\npatient_id = "ID"\n'
    '[sources.xpt.table.constants]\nobserved_at = "2020-05-05"\n'
    '[sources.xpt.table.analytes.X]\ncode = "20448-7"\nunit = "uIU/mL"\n'
)
"""What the sources ``table`` and ``xpt`` need."""


@dataclass(frozen=True)
class Planted:
    """What of a seed (by its place among those of its reader) gives way to a canary: the first
    file of a reader, where the owner is known by the folder."""

    seed: int = 0
    swaps: tuple[tuple[str, str], ...] = ()


PLANTED: dict[str, Planted] = {
    "apple_health": Planted(
        swaps=(("Dëmo’s iPhone", f"{NAME}’s iPhone"), ("name:iPhone", f"name:{NAME}"))
    ),
    "carelink": Planted(
        swaps=(
            ('"Patient";"Demo";""', f'"{NAME}";"{NAME}";"{NUMBER}"'),
            ("NG1234567H", NUMBER),
        )
    ),
    "dexcom": Planted(
        swaps=(
            ("FirstName,,Demo", f"FirstName,,{NAME}"),
            ("PatientIdentifier,,P1", f"PatientIdentifier,,{NUMBER}"),
            ("Dexcom G6 Mobile App", f"{NAME}’s phone"),
        )
    ),
    "fhir": Planted(
        1,
        (
            ('"id":"P1"', f'"id":"{NUMBER}","name":[{{"text":"{NAME}"}}]'),
            ("Patient/P1", f"Patient/{NUMBER}"),
            ('"issued"', f'"note":[{{"text":"call {NAME}"}}],"issued"'),
        ),
    ),
    "garmin": Planted(),
    "google_takeout": Planted(5),
    "hl7v2": Planted(
        swaps=(
            ("|P1^^^HOSP^MR||", f"|{NUMBER}^^^HOSP^MR||{NAME}"),
            ("fasting, a", f"call {NAME}, a"),
            ("||8.5|", f"||8.5 {NAME}|"),
        )
    ),
    "ihealth": Planted(
        1,
        (
            ('"Note": ""', f'"Note": "{NAME}"'),
            ("id-2026", f"{NUMBER}-2026"),
            ('"BGUnit": 1', '"BGUnit": 0'),
        ),
    ),
    "levels": Planted(swaps=(("Demo Patient", NAME),)),
    "libre": Planted(1, (("Demo Patient", NAME), ("8XYZ", NUMBER))),
    "nightscout": Planted(swaps=(("xDrip", f"{NAME}’s xDrip"),)),
    "nutrisense": Planted(swaps=(("Demo Patient", NAME), ("a walk", f"a walk with {NAME}"))),
    "omop": Planted(swaps=(("9093,,,", f"9093,{NUMBER},,{NAME}"), (",7,", f",{NUMBER},"))),
    "open_mhealth": Planted(
        swaps=(
            ("Meter", f"{NAME}’s meter"),
            ('"user_id": null', f'"user_id": "{NUMBER}"'),
            ('"user_id": "u"', f'"user_id": "{NUMBER}"'),
        )
    ),
    "oura": Planted(swaps=(("rest", NAME),)),
    "table": Planted(swaps=(("p1", NUMBER), ("p2", NAME), ("mg/dL", NAME))),
    "withings": Planted(),
    "xpt": Planted(),
}
FEEDS = ("fhir", "hl7v2", "omop", "table", "xpt")
"""Files of many people say whose a row is; the others lie in the person's folder."""


def drop_everywhere(scene: Scene) -> None:
    """Put a file of every format into the inbox, and a few of ``clinic_csv``."""
    for reader, planted in PLANTED.items():
        case = seeds(reader)[planted.seed]
        content = case.content
        for old, new in planted.swaps:
            assert old.encode() in content, (reader, old)
            content = content.replace(old.encode(), new.encode())
        kind = (
            case.name if reader in ("omop", "withings", "google_takeout") else f"{NAME}.{case.name}"
        )
        folder = reader if reader in FEEDS else f"{reader}/{NUMBER}"
        scene.drop(f"{folder}/{kind}", case.wrap(content))
    drop_labs(scene)


def drop_labs(scene: Scene) -> None:
    """Ann climbs; a number and a name stand in every column that takes text, and in bad rows."""
    own = result(NUMBER, series_day(), "1558-6", 91)
    scene.drop("clinic_csv/labs-ann.csv", labs(*series("ANN"), own))
    scene.drop(
        f"clinic_csv/labs-{NAME}.csv",
        labs(
            f"{NUMBER},2026-01-05T08:00:00,20448-7,{NAME},uIU/mL,yes,{NAME},{NUMBER},F,{NUMBER}-1",
            f"{NUMBER},2026-01-06T08:00:00,20448-7,7.5,uIU/mL,yes,{NAME},{NAME},F,{NUMBER}-2",
            f"{NUMBER},2026-01-07T08:00:00,{NAME},7.5,uIU/mL,yes,{NAME},{NAME},F,{NUMBER}-3",
            f"{NUMBER},{NAME},cut off here",
        ),
    )
    scene.drop(f"clinic_csv/{NAME}.csv", f"{NAME},{NUMBER}\n1,2\n")
    spans = "patient_id,name,class,start_date,end_date\n"
    scene.drop("clinic_csv/medications-1.csv", f"{spans}{NUMBER},{NAME},{NAME},2020-01-02,\n")
    spans = "patient_id,code,name,onset_date,end_date\n"
    scene.drop("clinic_csv/conditions-1.csv", f"{spans}{NUMBER},{NAME},{NAME},2020-01-02,\n")
    people = "patient_id,birth_date,sex,time_zone,merged_into\n"
    scene.drop(
        "clinic_csv/patients-1.csv",
        f"{people}{NUMBER},1970-02-03,F,{NAME},\nANN,1970-02-03,F,,\n{NUMBER}-OLD,1970-02-03,F,,{NUMBER}\n",
    )


def series_day() -> date:
    """A day on which the person was seen."""
    return date(2026, 1, 8)
