"""Frames to the bytes of real formats: clinic_csv, FHIR R4 NDJSON, Dexcom Clarity, LibreView.

Pure and without choice: what a frame says is written, nothing is drawn at random. Laboratory
results and vital signs have one shape (:data:`LABS`) whichever format they leave in, so that one
simulated clinic can speak several.
"""

from __future__ import annotations

import gzip

import polars as pl

from transforms.synthetic.columns import CONDITIONS, LABS, MEDICATIONS, PATIENTS, VITALS, csv
from transforms.synthetic.emit_cgm import Wearer, clarity_csv, libre_csv
from transforms.synthetic.emit_fhir import (
    condition_ndjson,
    medication_ndjson,
    observation_ndjson,
    patient_ndjson,
)

__all__ = [
    "CONDITIONS", "LABS", "MEDICATIONS", "PATIENTS", "VITALS", "Wearer", "clarity_csv",
    "condition_ndjson", "conditions_csv", "gzipped", "labs_csv", "libre_csv", "medication_ndjson",
    "medications_csv", "observation_ndjson", "patient_ndjson", "patients_csv", "vitals_csv",
]  # fmt: skip


def labs_csv(labs: pl.DataFrame) -> bytes:
    """``labs*.csv``: the columns :data:`LABS`, all text; one not given is left empty."""
    return csv(labs, LABS)


def patients_csv(patients: pl.DataFrame) -> bytes:
    """``patients*.csv``: the columns :data:`PATIENTS`."""
    return csv(patients, PATIENTS)


def medications_csv(medications: pl.DataFrame) -> bytes:
    """``medications*.csv``: the columns :data:`MEDICATIONS`."""
    return csv(medications, MEDICATIONS)


def conditions_csv(conditions: pl.DataFrame) -> bytes:
    """``conditions*.csv``: the columns :data:`CONDITIONS`."""
    return csv(conditions, CONDITIONS)


def vitals_csv(vitals: pl.DataFrame) -> bytes:
    """``vitals*.csv``: the columns :data:`VITALS`."""
    return csv(vitals, VITALS)


def gzipped(data: bytes) -> bytes:
    """``data`` compressed, the same bytes every time: no time of writing inside."""
    return gzip.compress(data, mtime=0)
