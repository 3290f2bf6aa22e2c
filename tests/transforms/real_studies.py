"""Published studies as the project itself reads them: its reader, its mapping, its conversion."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.conform import Arrival, conform
from transforms.exclusions import barred_days, excluded_spans
from transforms.index_inputs import index_inputs
from transforms.indices import index_values
from transforms.landing import Opened, Source
from transforms.pairs import fasting_pairs
from transforms.readers.table import read

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/realdata"

SPAN = {"start_on": pl.Date, "end_on": pl.Date}
CONDITION = {"patient_id": pl.String, "code_system": pl.String, "code": pl.String} | SPAN
CONDITION |= {"name": pl.String}
MEDICATION = CONDITION | {"class": pl.String}
PERSON = {"patient_id": pl.String, "birth_date": pl.Date, "sex": pl.String}


@dataclass(frozen=True)
class Study:
    """One file under one of the project's own mappings (docs/examples)."""

    example: str
    source: str
    file: str

    def options(self) -> dict[str, Any]:
        """The source's settings as a user would write them."""
        text = (ROOT / "docs" / "examples" / f"{self.example}.toml").read_text(encoding="utf-8")
        found: dict[str, Any] = tomllib.loads(text)["sources"][self.source]
        return found


NHANES = Study("nhanes", "nhanes", "nhanes_2017_2018/nhanes_2017_2018_fasting_even_seqn.csv")
ALTUVE = Study("altuve", "altuve", "altuve_venezuela/resultsclassif.csv")
IPOP = Study("ipop", "ipop", "ipop_t2d/clinical_tests.subjects_dev.txt")
SHANGHAI = Study("shanghai", "shanghai_summary", "shanghai_diabetes/Shanghai_T1DM_Summary.xlsx")
METWALLY = Study(
    "metwally",
    "metwally_series",
    "metwally_subphenotypes/filtered_ogtt_glucose_timeseries_ctru_athome_venous_cgm_03222026.csv",
)


def path_of(study: Study) -> Path:
    """The study's file; the test is skipped where it is not at hand."""
    path = REAL / study.file
    if not path.is_file():
        pytest.skip("the real files are not beside the project")
    return path


def conformed(study: Study, scratch: Path) -> dict[str, pl.DataFrame]:
    """The study's tables in canonical units, as a night would keep them."""
    given = study.options()
    source = Source(study.source, given["reader"], given["time_zone"], given["table"])
    reading = read(Opened(path_of(study), Path(study.file).name, source, scratch))
    arrival = Arrival(
        study.source, 1, date(2026, 1, 1), source.time_zone, reading.time_formats, reading.decimal
    )
    return {
        name: conform(name, rows, arrival).collect()
        for name, rows in reading.tables.items()
        if name in {"observation", "patient", "condition"}
    }


def index_rows(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """What the project says of every index, from the tables of :func:`conformed`."""
    results = tables["observation"].lazy()
    conditions = tables.get("condition", pl.DataFrame(schema=CONDITION)).lazy()
    bars = barred_days(conditions, pl.LazyFrame(schema=MEDICATION))
    spans = pl.concat([bars, excluded_spans(conditions, pl.LazyFrame(schema=MEDICATION))])
    people = tables.get("patient", pl.DataFrame(schema=PERSON)).lazy()
    inputs = index_inputs(
        results,
        fasting_pairs(results, bars),
        people.select(*PERSON).unique("patient_id", keep="first", maintain_order=True),
        spans,
        pl.LazyFrame(schema={"patient_id": pl.String, "from_on": pl.Date}),
    )
    return index_values(inputs.collect().lazy()).collect()
