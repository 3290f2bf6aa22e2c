"""Where each of the real files is dropped, and the settings a user would write for its source."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "realdata"
LABS = REAL / "hl7_swiss_labs_elexis"

INBOX: dict[str, tuple[str, ...]] = {
    "ipop": ("ipop_t2d/*.txt",),
    "nhanes": ("nhanes_2017_2018/*.csv",),
    "nhanes_xpt": ("nhanes_2017_2018/G*.XPT", "nhanes_2017_2018/H*.XPT"),
    "altuve": ("altuve_venezuela/*.csv",),
    "metwally_series": ("metwally_subphenotypes/filtered_ogtt*.csv",),
    "metwally_people": (
        "metwally_subphenotypes/filtered_study*.csv",
        "metwally_subphenotypes/filtered_metabolic*.csv",
    ),
    "shanghai": ("shanghai_diabetes/Shanghai_T1DM/*.xlsx", "shanghai_diabetes/Shanghai_T1DM/*.xls"),
    "shanghai_summary": ("shanghai_diabetes/*.xlsx",),
    "uom_glucose": ("t1d_uom/UoMGlucose*.csv", "t1d_uom/UoMB*.csv"),
    "uom_activity": ("t1d_uom/UoMActivity*.csv",),
    "uom_sleep": ("t1d_uom/UoM*sleeptime.csv",),
    "uom_heart": ("t1d_uom/UoMsleep*.csv",),
    "cgmacros": ("cgm_cgm_format/CGMacros*.csv",),
    "dexcom/D1": ("cgm_glu_rpackage/CLARITY*.csv",),
    "dexcom/D2": ("cgm_cgm_format/Clarity*.csv", "cgm_cgm_format/Dexcom_001.csv"),
    "libre/L1": ("cgm_cgmanalysis/Libre.csv",),
    "libre/L2": ("cgm_cgm_format/FreeStyle*.csv",),
    "carelink/C1": ("cgm_glu_rpackage/data_export*.csv",),
    "nightscout/N1": ("cgm_cgm_format/nightscout_e*.json", "cgm_cgm_format/nightscout*.json"),
    "nightscout/N2": ("openaps_oref0/*.json",),
    "levels/V1": ("cgm_cgmr/*levels.csv",),
    "nutrisense/U1": ("cgm_cgmr/*nutrisense.csv",),
    "apple_health/A1": ("apple_health_tdda/*.xml",),
    "apple_counts": ("apple_health_tdda/StepCount.csv", "apple_health_tdda/Distance*.csv"),
    "apple_days": ("apple_health_tdda/ActivitySummary.csv",),
    "apple_workouts": ("apple_health_tdda/Workout.csv",),
    "garmin/G1": ("fit_fitdecode/*walk.fit", "fit_fitdecode/*.fit"),
    "walk": ("fit_fitdecode/*.csv",),
    "open_mhealth/O1": ("omh_schemas/test-data/omh/*/*/*/*.json",),
    "google_takeout/F1": ("vendor_api_json_shimmer/fitbit/*.json",),
    "ihealth/I1": ("vendor_api_json_shimmer/ihealth/*.json",),
    "fhir_examples": (
        "fhir_r4_examples/*f001-glucose.json",
        "fhir_r4_examples/*unsat.json",
        "fhir_r4_examples/*f205-egfr.json",
        "fhir_r4_examples/*.json",
        "fhir_us_core/*.json",
    ),
    "fhir_synthea": (
        "fhir_synthea_pathling/Observation.ndjson",
        "fhir_synthea_pathling/Condition.ndjson",
        "fhir_synthea_pathling/Patient.ndjson",
    ),
    "fhir_bulk": ("fhir_bulk_data_server/*.json",),
    "fhir_cumulus": ("fhir_cumulus_etl/*.ndjson",),
    "fhir_corners": ("fhir_google_jsonformat/*.json",),
    "fhir_public_health": ("cdc_reportstream/*.fhir", "cdc_reportstream/obx/*.fhir"),
    "hl7_public_health": ("cdc_reportstream/*.hl7", "cdc_reportstream/obx/*.hl7"),
    "hl7_converter": ("hl7_ms_fhir_converter/*.hl7",),
    "hl7_corners": ("hl7_cosyte_edge_cases/*/*.hl7",),
    "hl7_line_ends": ("hl7_linuxforhealth/*.hl7",),
    "omop": (
        "omop_synthea27/even_persons/MEASUREMENT.csv",
        "omop_synthea27/even_persons/PERSON.csv",
        "omop_synthea27/even_persons/DRUG*.csv",
        "omop_synthea27/even_persons/COND*.csv",
        "omop_synthea27/even_persons/*.csv",
        "omop_synthea27/*.csv",
    ),
}
"""Folder below the inbox -> the real files, as patterns."""

SAID: dict[str, dict[str, str]] = {
    "Analytica": {"HBA1": "4548-4"},
    "LabCube_SpotchemD": {"GLU": "14749-6", "HDL": "14646-4", "TG": "14927-8"},
    "Labtop": {"GLUN": "14771-0", "TRIG": "14927-8"},
    "Rothen": {"hdl_B": "14646-4", "tri_B": "14927-8"},
    "UHBS_alt": {"G": "14749-6", "HDL0": "14646-4", "TRI": "14927-8"},
    "Unilabs_StGallen": {
        "162": "14927-8",
        "166": "14646-4",
        "182": "14749-6",
        "195": "4548-4",
    },
    "Unilabs_Zurich": {"1490010": "4548-4"},
}
"""Laboratory -> its codes -> LOINC, where the text beside the code says what it is. Glucose that a
strip found in urine ("negativ", "+") is left out, and so are "Glukose postprandial", since no code
says how long after what, and a mean glucose made of HbA1c."""

SETTINGS = """
[inbox]
settle_seconds = 0

[sources.google_takeout.options]
weight_unit = "kg"

[sources.nhanes_xpt]
reader = "xpt"
[sources.nhanes_xpt.table]
patient_id = "SEQN"
patient_prefix = "N"
[sources.nhanes_xpt.table.constants]
observed_at = "2017-07-01"
lab = "NHANES 2017-2018"
[sources.nhanes_xpt.table.analytes]
LBXGH = { code = "4548-4", unit = "%", optional = true }
LBDHDD = { code = "2085-9", unit = "mg/dL", optional = true }

[sources.apple_counts]
reader = "table"
[sources.apple_counts.table]
observed_at = "startDate"
ended_at = "endDate"
device = "sourceName"
[sources.apple_counts.table.constants]
patient_id = "A2"
[sources.apple_counts.table.samples]
value = { kind = "steps", unit = "steps", only = { type = ["StepCount"] } }

[sources.apple_days]
reader = "table"
[sources.apple_days.table]
observed_at = "dateComponents"
[sources.apple_days.table.constants]
patient_id = "A2"
device = "all"
[sources.apple_days.table.samples]
activeEnergyBurned = { kind = "active_energy", unit = "kcal" }

[sources.apple_workouts]
reader = "table"
[sources.apple_workouts.table]
observed_at = "startDate"
ended_at = "endDate"
device = "sourceName"
name = "workoutActivityType"
[sources.apple_workouts.table.constants]
patient_id = "A2"
[sources.apple_workouts.table.samples]
"#length" = { kind = "workout_duration" }

[sources.walk]
reader = "table"
time_zone = "America/Los_Angeles"
[sources.walk.table]
date_format = "%a %b %d %H:%M:%S PDT %Y"
observed_at = "timestamp"
[sources.walk.table.constants]
patient_id = "G2"
device = "watch"
[sources.walk.table.samples]
heart_rate = { kind = "heart_rate", unit = "/min" }
"""

READERS = {
    **{name: "fhir" for name in INBOX if name.startswith("fhir_")},
    **{name: "hl7v2" for name in INBOX if name.startswith("hl7_")},
}


def laboratories() -> list[str]:
    """The Swiss laboratories: a folder each, and "" for the messages beside the folders."""
    return ["", *sorted(path.name for path in LABS.iterdir() if path.is_dir())]


def settings() -> str:
    """The whole ``undertow.toml``: the project's examples, and a few sources more."""
    examples = sorted((ROOT / "docs" / "examples").glob("*.toml"))
    parts = [SETTINGS, *(path.read_text(encoding="utf-8") for path in examples)]
    parts += [f'[sources.{name}]\nreader = "{reader}"' for name, reader in READERS.items()]
    parts += [_laboratory(name) for name in laboratories()]
    return "\n".join(parts)


def dropped(*, whole: bool) -> dict[str, list[Path]]:
    """Folder below the inbox -> the real files of it; else one by pattern, and of laboratories
    whose codes nobody mapped none."""
    names = laboratories() if whole else list(SAID)
    patterns = INBOX | {
        source_of(name): (f"{LABS.name}/{name or '.'}/*.[hH][lL]7",) for name in names
    }
    return {folder: _found(of, 1000 if whole else 1) for folder, of in patterns.items()}


def _found(patterns: tuple[str, ...], most: int) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        more = sorted(path for path in REAL.glob(pattern) if path not in found)
        found += more[:most]
    return found


def source_of(laboratory: str) -> str:
    """The source of a laboratory."""
    return f"swiss_{laboratory.lower() or 'others'}"


def _laboratory(name: str) -> str:
    head = f'[sources.{source_of(name)}]\nreader = "hl7v2"\ntime_zone = "Europe/Zurich"\n'
    codes = SAID.get(name, {})
    said = "".join(f'"{own}" = "{loinc}"\n' for own, loinc in codes.items())
    return head + (f"[sources.{source_of(name)}.codes]\n{said}" if said else "")
