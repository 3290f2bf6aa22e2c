"""A store of a few thousand people made without nights: simulated, and on every border."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import polars as pl

from flows.tonight import tonight
from transforms.catalog.patterns import PATTERNS
from transforms.catalog.tables import TABLES
from transforms.frozen import SHIPPED
from transforms.synthetic.physiology import cohort
from transforms.trends import latest, trends, without_each
from warehouse.publish import create_views
from warehouse.store import create, replace_frame

Con = duckdb.DuckDBPyConnection
AS_OF = date(2024, 3, 1)
SIMULATED, DRAWN_AT_RANDOM = 1200, 2500
_SIGNS = sorted({(sign.tissue, sign.signal) for p in PATTERNS for sign in p.signs})
_COURSES = ("worsening", "worsening", "steady", "improving", None)
_AGES = (0, 399, 400, 401, 30, 365, 366, 120)
"""Days before the night on which borders lie."""


def put(con: Con, table: str, rows: pl.DataFrame) -> None:
    """Add rows to a kept table; columns that they lack are null."""
    columns = TABLES[table].columns
    kept = con.execute(f"SELECT * FROM store.{table}").pl()
    whole = rows.select(
        *(pl.col(name) if name in rows.columns else pl.lit(None).alias(name) for name in columns)
    )
    replace_frame(con, TABLES[table], "true", pl.concat([kept, whole], how="vertical_relaxed"))


def clinic(con: Con) -> Con:
    """Make the store, and one night's pass over everyone."""
    rng = np.random.default_rng(20_240_301)
    create(con)
    simulated(con)
    at_random(con, rng)
    persons(con, rng)
    beside(con, rng)
    con.execute("CREATE OR REPLACE TEMP TABLE changed AS SELECT patient_id FROM store.person")
    tonight(con, AS_OF, [SHIPPED])
    create_views(con)
    return con


def simulated(con: Con) -> None:
    """People of the simulated world, with the trends the model finds."""
    pairs = cohort(SIMULATED, 77).pairs().filter(pl.col("drawn_on") <= AS_OF).collect()
    series = trends(pairs.lazy()).collect()
    newest = latest(series.lazy()).collect()
    near = newest.filter(pl.col("p_climbing_unseen") >= 0.5)["patient_id"].implode()
    dropped = without_each(pairs.lazy().filter(pl.col("patient_id").is_in(near)))
    weakest = dropped.group_by("patient_id").agg(p_without_one=pl.col("p_climbing_unseen").min())
    drawn = pairs.unique(["patient_id", "drawn_on"])
    put(con, "fasting_pair", drawn.with_columns(used=pl.lit(value=True), lab=pl.lit("Lab A")))
    put(con, "trend_at_draw", series)
    put(con, "trend", newest.join(weakest.collect(), on="patient_id", how="left"))


def at_random(con: Con, rng: np.random.Generator) -> None:
    """People whose numbers lie on the bounds of the rule as often as not."""
    rows = [row for k in range(DRAWN_AT_RANDOM) for row in _series(f"R{k:04}", rng)]
    n_pairs = pl.col("used").cast(pl.Int64).cum_sum().over("patient_id")
    frame = pl.from_dicts(rows, infer_schema_length=None).with_columns(n_pairs=n_pairs)
    put(con, "fasting_pair", frame)
    series = frame.filter("used")
    put(con, "trend_at_draw", series)
    newest = latest(series.lazy()).collect()
    p = pl.col("p_climbing_unseen")
    put(con, "trend", newest.with_columns(p_without_one=pl.when(p >= 0.5).then(p - 0.1)))


def _series(who: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    last = AS_OF - timedelta(days=int(rng.choice(_AGES)))
    days = sorted({last - timedelta(days=int(d)) for d in _gaps(rng)})
    return [_draw(who, days, place, rng) for place in range(len(days))]


def _gaps(rng: np.random.Generator) -> list[int]:
    n = int(rng.integers(1, 7))
    return [0, *np.cumsum(rng.choice([182, 183, 364, 365, 730], n))] if n > 1 else [0]


def _draw(who: str, days: list[date], place: int, rng: np.random.Generator) -> dict[str, Any]:
    p = {
        name: float(rng.choice([0.0, 0.1, 0.29, 0.3, 0.5, 0.7, 0.79, 0.8, 0.9, 1.0]))
        for name in ("insulin_climbing", "glucose_fine", "insulin_high", "glucose_rising")
    }
    return {
        "patient_id": who,
        "drawn_on": days[place],
        "used": len(days) == 1 or place != 1 or rng.random() > 0.1,
        "reason": "not fasting",
        "lab": str(rng.choice(["Lab A", "Lab B"])),
        "insulin_uiu_ml": 9.0,
        "glucose_mg_dl": float(rng.choice([88.0, 99.9, 100.0, 104.0])),
        "first_on": days[0],
        "last_on": days[place],
        **{f"p_{name}": value for name, value in p.items()},
        "p_climbing_unseen": min(p["insulin_climbing"], p["glucose_fine"]),
        "p_bad_newest": 0.0,
    }


def persons(con: Con, rng: np.random.Generator) -> None:
    """Everyone who was drawn, some who were not; minors, excluded people, people of unknown age."""
    query = (
        "SELECT patient_id, max(drawn_on) FROM store.fasting_pair WHERE used GROUP BY 1 ORDER BY 1"
    )
    drawn = dict(sorted(con.execute(query).fetchall()))
    names = [*drawn, *(f"N{k:03}" for k in range(80))]
    born = [_born(drawn.get(name, AS_OF), rng) for name in names]
    sexes = rng.choice(["female", "male", "unknown"], len(names), p=[0.5, 0.45, 0.05])
    people = {"patient_id": names, "birth_date": born, "sex": sexes.tolist()}
    put(con, "person", pl.DataFrame(people, schema_overrides={"birth_date": pl.Date}))
    ill = [_condition(name, rng) for name in names if rng.random() < 0.3]
    rows = pl.from_dicts(ill, infer_schema_length=None)
    put(con, "condition", rows.with_row_index("line").with_columns(status=pl.lit("active")))


def _born(on: date, rng: np.random.Generator) -> date | None:
    """Adults mostly; some came of age on the day of a draw, the day before or after."""
    kind = rng.random()
    if kind < 0.05:
        return None
    if kind < 0.8:
        return date(1950, 1, 1) + timedelta(days=int(rng.integers(0, 18_000)))
    day = on.replace(year=on.year - 20, day=min(on.day, 28))
    return day + timedelta(days=int(rng.integers(-1, 2)))


def _condition(name: str, rng: np.random.Generator) -> Mapping[str, Any]:
    """Pregnancies that are over before the night or not, and diabetes."""
    start = AS_OF - timedelta(days=int(rng.choice([*_AGES, 500, 900])))
    ended = rng.random() < 0.7
    code = str(rng.choice(["O26.9", "E11.9", "O26.9"]))
    return {
        "patient_id": name,
        "code_system": "icd10",
        "code": code,
        "name": "",
        "start_on": start,
        "end_on": start + timedelta(days=int(rng.integers(0, 300))) if ended else None,
        "source": "clinic",
        "file_id": 1,
        "record_id": f"{name}-{start}-{code}",
        "known_at": AS_OF,
    }


def beside(con: Con, rng: np.random.Generator) -> None:
    """HbA1c, sensors and signals of tissues, of days on either side of too old and of tonight."""
    names = [n for (n,) in con.execute("SELECT patient_id FROM store.person").fetchall()]
    ages = [*_AGES, -10, 800]
    seen = [
        {
            "patient_id": who,
            "kind": kind,
            "observed_on": AS_OF - timedelta(days=int(age)),
            "value": limit + above,
            "unit": "%",
            "limit": limit,
            "says": None if rng.random() < 0.1 else "not fine" if above >= 0 else "fine",
        }
        for who in names
        for kind, limit in (("hba1c", 5.7), ("cgm", 25.0))
        for age in rng.choice(ages, int(rng.integers(0, 3)), replace=False)
        for above in [float(rng.choice([-0.1, 0.0, 0.4]))]
    ]
    put(con, "corroboration", pl.from_dicts(seen, infer_schema_length=None))
    values = [
        {
            "patient_id": who,
            "tissue": tissue,
            "signal": signal,
            "observed_on": AS_OF - timedelta(days=int(age)),
            "value": 1.0,
            "course": _COURSES[int(rng.integers(0, 5))],
        }
        for who in names
        if rng.random() < 0.7
        for tissue, signal in _SIGNS
        if rng.random() < 0.45
        for age in rng.choice(ages, int(rng.integers(1, 3)), replace=False)
    ]
    put(con, "tissue_value", pl.from_dicts(values, infer_schema_length=None))
