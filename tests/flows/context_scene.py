"""What stands beside the draws, as files: full panels, drinks of glucose, bodies, worn sensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import duckdb
import polars as pl

from tests.flows.scene import Scene
from transforms.catalog.index_cases import CASES
from transforms.synthetic.emit_nightscout import entries_json

BLOOD = {
    "insulin_uiu_ml": ("20448-7", "u[IU]/mL"),
    "glucose_mg_dl": ("1558-6", "mg/dL"),
    "triglyceride_mg_dl": ("2571-8", "mg/dL"),
    "hdl_mg_dl": ("2085-9", "mg/dL"),
    "nefa_mmol_l": ("15066-4", "mmol/L"),
    "c_peptide_ng_ml": ("13037-7", "ng/mL"),
    "hba1c_pct": ("4548-4", "%"),
    "alt_u_l": ("1742-6", "U/L"),
    "ast_u_l": ("1920-8", "U/L"),
    "ggt_u_l": ("2324-2", "U/L"),
    "platelets_10e3_ul": ("777-3", "10*3/uL"),
    "leptin_ng_ml": ("21365-2", "ng/mL"),
    "adiponectin_mg_l": ("47828-9", "mg/L"),
    "bmi_kg_m2": ("39156-5", "kg/m2"),
    "waist_cm": ("8280-0", "cm"),
}
"""Column of a case -> code and unit under which it comes."""
SYSTOLIC, DIASTOLIC, STEPS = "8480-6", "8462-4", "41950-7"
DRINK = {"glucose": ("2345-7", "20436-2", "mg/dL"), "insulin": ("20448-7", "27826-7", "u[IU]/mL")}
"""Analyte of a drink -> code that names no minute, code of two hours, unit."""
FACTS = "patient_id,code,name,onset_date,end_date"
DRUGS = "patient_id,name,class,start_date,end_date"
VITALS = "patient_id,observed_at,code,value,unit"
PERSONS = "patient_id,birth_date,sex,merged_into"
OF_PERSONS = (
    *("index_value", "index_trend", "tissue_month", "tissue_profile", "corroboration"),
    *("fasting_evidence", "cgm_day", "cgm_window", "cgm_profile"),
    *("wearable_day", "wearable_month"),
)
"""Tables of what stands beside the draws, all by patient."""
Beside = dict[str, list[tuple[Any, ...]]]


def table(header: str, *rows: str) -> str:
    """A CSV file."""
    return "\n".join([header, *rows]) + "\n"


def lab(
    patient: str,
    at: date | datetime,
    code: str,
    value: object,
    unit: str,
    *,
    fasting: str = "yes",
    assay: str = "Assay A",
    status: str = "F",
) -> str:
    """One result; a date is eight in the morning of it. The same place and code is the same one."""
    when = at if isinstance(at, datetime) else datetime.combine(at, time(8))
    number = f"{patient}-{code}-{when:%Y%m%d%H%M}"
    stamp = when.isoformat()
    return f"{patient},{stamp},{code},{value},{unit},{fasting},Lab A,{assay},{status},{number}"


def panel(
    patient: str,
    at: date | datetime,
    columns: Sequence[str],
    case: str = "A",
    *,
    fasting: str = "yes",
    assay: str = "Assay A",
    status: str = "F",
    **values: object,
) -> list[str]:
    """Results of one draw: those of a case of the clinical reference, or other ``values``."""
    told: dict[str, object] = {**{name: CASES[case].get(name) for name in columns}, **values}
    return [
        lab(patient, at, *_coded(name, value), fasting=fasting, assay=assay, status=status)
        for name, value in told.items()
    ]


def _coded(name: str, value: object) -> tuple[str, object, str]:
    code, unit = BLOOD[name]
    return code, value, unit


def drink(patient: str, at: datetime, case: str) -> list[str]:
    """A glucose drink of five samples: all but the two hours are placed by their instants."""
    rows = []
    for minute in (0, 30, 60, 90, 120):
        for analyte, unit in (("glucose", "mg_dl"), ("insulin", "uiu_ml")):
            plain, two_hours, ucum = DRINK[analyte]
            code = two_hours if minute == 120 else plain
            value = CASES[case][f"{analyte}_{minute}_{unit}"]
            when, fasting = at + timedelta(minutes=minute), "no" if minute else "yes"
            rows.append(lab(patient, when, code, value, ucum, fasting=fasting))
    return rows


def coded_drink(patient: str, on: date, case: str) -> list[str]:
    """A drink of which only days are known: what codes say is 0 and 120 minutes."""
    rows = [
        (BLOOD["glucose_mg_dl"][0], "glucose_0_mg_dl", "mg/dL"),
        ("27873-9", "insulin_0_uiu_ml", "u[IU]/mL"),
        ("20436-2", "glucose_120_mg_dl", "mg/dL"),
        ("27826-7", "insulin_120_uiu_ml", "u[IU]/mL"),
    ]
    timed = [lab(patient, on, code, CASES[case][name], unit) for code, name, unit in rows]
    return [row.replace("T08:00:00", "") for row in timed]


def sensor(start: datetime, hours: float, glucose: Callable[[datetime], float]) -> bytes:
    """A Nightscout export: a reading every five minutes."""
    instants = [start + timedelta(minutes=5 * step) for step in range(round(hours * 12))]
    rows = [(at, 0, round(glucose(at)), "share2") for at in instants]
    columns = ["observed_at", "offset_minutes", "sgv", "device"]
    return entries_json(pl.DataFrame(rows, schema=columns, orient="row"))


def meal(at: datetime, height: float) -> Callable[[datetime], float]:
    """Glucose of 90 mg/dL that rises within 45 minutes of a meal and falls within two hours."""

    def glucose(now: datetime) -> float:
        minutes = (now - at).total_seconds() / 60
        if not 0 <= minutes <= 165:
            return 90.0
        share = minutes / 45 if minutes <= 45 else (165 - minutes) / 120
        return 90.0 + height * share

    return glucose


def beside(scene: Scene) -> dict[str, Beside]:
    """Patient -> table -> rows in one order: all that stands beside the draws."""
    found: dict[str, Beside] = {}
    with duckdb.connect(str(scene.home.warehouse / "undertow.duckdb"), read_only=True) as con:
        for name in OF_PERSONS:
            for row in con.execute(f"SELECT patient_id, * FROM {name} ORDER BY ALL").fetchall():
                found.setdefault(row[0], {}).setdefault(name, []).append(row[1:])
    return found


def index(scene: Scene, patient: str, on: date | None = None) -> dict[str, tuple[Any, Any]]:
    """Index -> value and reason on a day, or on the patient's newest."""
    query = (
        'SELECT "index", value, reason FROM index_value WHERE patient_id = ? '
        'AND observed_on <= coalesce(?, observed_on) ORDER BY "index", observed_on'
    )
    return {name: (value, reason) for name, value, reason in scene.rows(query, patient, on)}
