"""The benchmark cases: how to make the input, our way through it, and the floor."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from tests.benchmarks.cgm import CGM
from tests.benchmarks.context import CONTEXT
from tests.benchmarks.files import FILES, fhir_models
from tests.benchmarks.published import PUBLISHED
from tests.benchmarks.questions import QUESTIONS
from tests.benchmarks.small import SMALL


@dataclass(frozen=True)
class Case:
    """Rows at full size, and how to prepare the folder, run ours over it, the floor, and the
    library that people would take, if there is one."""

    size: int
    prepare: Callable[[Path, int], None]
    ours: Callable[[Path], None]
    floor: Callable[[Path], None]
    peer: Callable[[Path], None] | None = None


def labs(folder: Path, size: int) -> None:
    """clinic_csv results: six draws a patient, insulin and glucose of each."""
    rng = np.random.default_rng(1)
    pl.DataFrame({"i": np.arange(size)}).with_columns(
        patient_id=pl.format("P{}", pl.col("i") // 12),
        collected_at=pl.lit(date(2018, 1, 1)) + pl.duration(days=pl.col("i") // 2 % 6 * 365),
        is_insulin=pl.col("i") % 2 == 0,
        noise=pl.Series(rng.lognormal(0, 0.25, size)),
    ).select(
        "patient_id",
        pl.col("collected_at").cast(pl.String) + "T08:00:00",
        code=pl.when("is_insulin").then(pl.lit("27873-9")).otherwise(pl.lit("1558-6")),
        value=pl.when("is_insulin").then(pl.col("noise") * 8).otherwise(92).round(1),
        unit=pl.when("is_insulin").then(pl.lit("uIU/mL")).otherwise(pl.lit("mg/dL")),
        fasting=pl.lit("yes"),
        lab=pl.lit("L1"),
        assay=pl.lit("roche"),
        status=pl.lit("F"),
        result_id=pl.format("R{}", pl.col("i")),
    ).write_csv(folder / "labs.csv")


def night(folder: Path) -> None:
    """A whole first night over the file, in this process."""
    from flows.home import Home, make
    from flows.running import run_here
    from flows.settings import load

    home = Home(folder / "home")
    shutil.rmtree(home.root, ignore_errors=True)
    make(home)
    inbox = home.inbox / "clinic_csv"
    inbox.mkdir()
    (inbox / "labs.csv").hardlink_to(folder / "labs.csv")
    done = run_here(
        home, load(home.settings), lambda: datetime.now(UTC), lambda *_: None, date(2024, 6, 1)
    )
    print(done["seconds"], file=sys.stderr)


def text_scan(folder: Path) -> None:
    """DuckDB reads the same file, every column as text."""
    rows = f"read_csv('{folder / 'labs.csv'}', all_varchar = true)"
    duckdb.sql(f"SELECT count(*), min(result_id) FROM {rows}").fetchall()


def observations(folder: Path, size: int) -> None:
    """FHIR R4 Observations, one a line."""
    line = (
        '{"resourceType":"Observation","id":"o{}","status":"final","category":[{"coding":[{"system":'
        '"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],'
        '"code":{"coding":[{"system":"http://loinc.org","code":"27873-9","display":"Insulin"}],'
        '"text":"Insulin"},"subject":{"reference":"Patient/p{}"},"effectiveDateTime":'
        '"2024-01-09T08:04:32+01:00","issued":"2024-01-09T19:04:32.819+01:00","valueQuantity":'
        '{"value":{},"unit":"uIU/mL","system":"http://unitsofmeasure.org","code":"u[IU]/mL"}}'
    )
    parts = line.split("{}")
    values = pl.Series(np.random.default_rng(2).lognormal(2, 0.5, size).round(1)).cast(pl.String)
    frame = pl.DataFrame({"i": np.arange(size), "v": values})
    text = frame.select(
        pl.concat_str(
            pl.lit(parts[0]), "i", pl.lit(parts[1]), pl.col("i") // 6, pl.lit(parts[2]), "v",
            pl.lit(parts[3]),
        )
    )  # fmt: skip
    text.write_csv(folder / "o.ndjson", include_header=False, quote_style="never")


def fhir_read(folder: Path) -> None:
    """Our reader, its rows written to Parquet."""
    from transforms.landing import Opened, Source
    from transforms.readers.fhir import read

    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    reading = read(Opened(folder / "o.ndjson", "o.ndjson", Source("fhir", "fhir"), scratch))
    for name, rows in reading.tables.items():
        rows.sink_parquet(scratch / f"{name}.parquet", compression="lz4")


def duckdb_json(folder: Path) -> None:
    """DuckDB reads the same lines with an explicit structure, into a table."""
    duckdb.sql(
        "CREATE TABLE o AS SELECT id, status, code.coding[1].code AS code, "
        "subject.reference AS s, effectiveDateTime AS t, issued, "
        "valueQuantity.value AS v, valueQuantity.code AS u "
        f"FROM read_json('{folder / 'o.ndjson'}', format = 'newline_delimited', columns = "
        "{id: 'VARCHAR', status: 'VARCHAR', "
        "code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])', "
        "subject: 'STRUCT(reference VARCHAR)', effectiveDateTime: 'VARCHAR', issued: 'VARCHAR', "
        "valueQuantity: 'STRUCT(value DOUBLE, unit VARCHAR, code VARCHAR)'})"
    )


def pairs(folder: Path, size: int) -> None:
    """Six used pairs a patient."""
    rng = np.random.default_rng(3)
    n = size * 6
    pl.DataFrame(
        {
            "patient_id": pl.Series(np.arange(n) // 6).cast(pl.String),
            "drawn_on": pl.Series(np.arange(n) % 6 * 365 + 17_000, dtype=pl.Int32).cast(pl.Date),
            "insulin_uiu_ml": rng.lognormal(2.1, 0.5, n),
            "glucose_mg_dl": rng.normal(92, 5, n),
        }
    ).write_parquet(folder / "pairs.parquet")


def trend(folder: Path) -> None:
    """The newest trend of every patient."""
    from transforms.trends import trends

    trends(pl.scan_parquet(folder / "pairs.parquet"), latest_only=True).collect()


def group_by(folder: Path) -> None:
    """One group-by pass over the same rows: the sums of a least-squares line."""
    x, y = pl.col("drawn_on").cast(pl.Float64), pl.col("insulin_uiu_ml").log()
    pl.scan_parquet(folder / "pairs.parquet").group_by("patient_id").agg(
        pl.len(), x.sum(), (x * x).sum().alias("xx"), y.sum(), (x * y).sum().alias("xy")
    ).collect(engine="streaming")


CASES: dict[str, Case] = {
    "night over clinic_csv / text scan": Case(10_000_000, labs, night, text_scan),
    "fhir reader / DuckDB read_json": Case(
        1_000_000, observations, fhir_read, duckdb_json, fhir_models
    ),
    "trends / one group-by": Case(1_000_000, pairs, trend, group_by),
    **{f"cgm: {name}": Case(*parts) for name, parts in CGM.items()},
    **{name: Case(*parts) for name, parts in CONTEXT.items()},
    **{name: Case(*parts) for name, parts in FILES.items()},
    **{name: Case(*parts) for name, parts in PUBLISHED.items()},
    **{name: Case(*parts) for name, parts in SMALL.items()},
    **{name: Case(*parts) for name, parts in QUESTIONS.items()},
}

if __name__ == "__main__":
    _, _name, _role, _folder, _size = sys.argv
    getattr(CASES[_name], _role)(Path(_folder))
