"""What the laboratories and the nurses write down of every visit.

One row per result in the shape of :data:`transforms.synthetic.columns.LABS` (times still wall
clock, see :func:`stamped`), with what the clinic knows beside it. Body size and lipids follow
insulin with the correlations of NHANES 2017-18 (clinical reference, section 6).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.synthetic.breakfasts import with_breakfasts
from transforms.synthetic.panel import MEASURES, PANEL, Listed, with_panel
from transforms.synthetic.people import Clientele
from transforms.synthetic.physiology import MG_DL_PER_MMOL_L, PMOL_L_PER_UIU_ML
from transforms.synthetic.tissues import LIVER_TRIGLYCERIDE, change

Floats = NDArray[np.float64]

ZONE = "Europe/Rome"
LABS_OF = {0: "Laboratorio Aurora, Bergamo", 1: "Laboratorio Città Alta"}
ASSAYS = {0: ("ECLIA", "ECLIA II"), 1: ("CLIA", "CLIA")}
"""Insulin assay of a laboratory before and after :data:`CHANGED_DAYS`."""
ASSAY_EFFECT = {0: (1.0, 1.10), 1: (0.95, 0.95)}
CHANGED_DAYS = 1600
"""Days before the first night on which the first laboratory changed its insulin assay."""
LOWEST_INSULIN = 2.0
"""uIU/mL; below it both laboratories report "<"."""
SAYS_NOT_FASTING = 0.3
"""Share of draws after food that say so."""
UNSPECIFIC = 0.15
"""Share of draws ordered under codes that claim nothing about fasting."""
HAEMOLYSED = "HEMOLYZED"

CODES = {
    "insulin": (("27873-9", "20448-7"), ("59179-2", "14796-7")),
    "glucose": (("1558-6", "2345-7"), ("14771-0", "14749-6")),
}
"""Codes, fasting and unspecific: in conventional units, in SI."""
UNITS = {"insulin": ("u[IU]/mL", "pmol/L"), "glucose": ("mg/dL", "mmol/L")}

SHARE = {
    "hba1c": 0.5,
    "triglyceride": 0.35,
    "hdl": 0.35,
    "alt": 0.3,
    "weight": 0.5,
    "waist": 0.3,
    "systolic": 0.4,
    "diastolic": 0.4,
    "height": 0.85,
}
"""Share of visits at which it is measured; height, of first visits."""
CHALLENGED = "challenge"
"""Role of those whose newest draw begins a tolerance test (:mod:`challenges`)."""
LAST_START = 50
"""Minutes past seven before which it begins, so that it is over by ten."""
METABOLIC = ("triglyceride", "hdl", "alt", "weight", "waist")
"""Measured at every visit of people with a tissue's course; weight, of every climber."""

KNOWN = (
    *("person", "patient_id", "source", "role", "night", "told_on", "role_night"),
    *(
        "draw_id",
        "from_last",
        "contamination",
        "drawn_on",
        "collected_at",
        "reported_at",
        "fasting",
        "lab",
    ),
)
"""What rows of one visit share."""


def visits(clients: Clientele, seed: int, first_night: date) -> pl.DataFrame:
    """A row per visit: when, by whom, in which file's night, and everything measured.

    The second half of a merged person's visits stands under the surviving registration, the first
    half under the former one.
    """
    people = clients.people.select(
        *("person", "sex", "source", "is_si", "role", "is_new", "former_id"),
        *("liver_slope", "adipose_slope", "weight_course", "is_enriched"),
        role_night="night",
    )
    drawn = clients.draws.join(people, on="person", maintain_order="left")
    rng = np.random.default_rng((seed, 3))
    is_former = pl.col("former_id").is_not_null() & (
        pl.col("from_last") * 2 >= pl.col("draw").max().over("person")
    )
    placed = drawn.with_columns(
        draw_id=_draw_id(),
        patient_id=pl.when(is_former).then("former_id").otherwise("patient_id"),
        night=_night(),
        told_on=pl.lit(first_night) + pl.duration(days=pl.col("role_night") - 2),
        **_times(rng, drawn.height),
    )
    said = _begun(_said(_assayed(placed, first_night), rng))
    return with_panel(_measured(with_breakfasts(said, seed), rng), seed)


def results(visit: pl.DataFrame) -> pl.DataFrame:
    """The laboratory's rows of all visits, all final."""
    parts = [
        _both("insulin", "INS", visit, _insulin_text(), pl.col("assay")),
        _both("glucose", "GLU", visit, _glucose_text(), pl.lit("hexokinase")),
        *(_single(name, listed, visit) for name, listed in PANEL.items()),
    ]
    return pl.concat(parts).with_columns(status=pl.lit("F"))


def vitals(visit: pl.DataFrame) -> pl.DataFrame:
    """The nurses' rows, in the same shape."""
    rows = pl.concat([_single(name, listed, visit) for name, listed in MEASURES.items()])
    empty = pl.lit(None, pl.String)
    return rows.with_columns(status=pl.lit("F"), lab=empty, assay=empty, fasting=empty)


def answers(labs: pl.DataFrame) -> pl.DataFrame:
    """What is said of fasting, as results of their own: FHIR has no other place for it."""
    said = labs.filter(
        pl.col("analyte") == "insulin", pl.col("status").is_in(["F", "P"]), pl.col("is_unspecific")
    ).unique("draw_id", keep="first", maintain_order=True)
    is_hours = pl.col("fasting").str.contains(r"^\d+$")
    return said.with_columns(
        analyte=pl.lit("fasting"),
        result_id=pl.concat_str("draw_id", pl.lit("-FST")),
        code=pl.when(is_hours).then(pl.lit("87527-8")).otherwise(pl.lit("49541-6")),
        value=pl.col("fasting"),
        unit=pl.when(is_hours).then(pl.lit("h")),
        assay=pl.lit(None, pl.String),
        status=pl.lit("F"),
    )


def stamped(rows: pl.DataFrame, *, has_offset: bool) -> pl.DataFrame:
    """Times as text: local without offset, to the minute; or with offset, to the second."""
    times = pl.col("collected_at", "reported_at")
    if not has_offset:
        return rows.with_columns(times.dt.strftime("%Y-%m-%dT%H:%M"))
    return rows.with_columns(times.dt.replace_time_zone(ZONE).dt.strftime("%Y-%m-%dT%H:%M:%S%:z"))


def shown(value: pl.Expr, decimals: int = 0) -> pl.Expr:
    """A number as a laboratory prints it.

    >>> pl.select(a=shown(pl.lit(12.04), 1), b=shown(pl.lit(91.7))).row(0)
    ('12.0', '92')
    """
    rounded = value.round(decimals)
    return (rounded if decimals else rounded.cast(pl.Int64)).cast(pl.String)


def _draw_id() -> pl.Expr:
    return pl.concat_str(pl.lit("L"), pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6))


def _night() -> pl.Expr:
    """The night of delivery: a new draw's own; a late draw's long after it was made."""
    is_held = (pl.col("is_new") & (pl.col("from_last") == 0)) | (
        (pl.col("role") == "late") & (pl.col("from_last") == 2)
    )
    return pl.when(is_held).then("role_night").otherwise(pl.lit(1, pl.Int32))


def _times(rng: np.random.Generator, n: int) -> dict[str, pl.Expr]:
    """Drawn between seven and ten; reported in the afternoon."""
    drawn = pl.Series(rng.integers(7 * 60, 10 * 60, n))
    reported = pl.Series(rng.integers(13 * 60, 18 * 60, n))
    midnight = pl.col("drawn_on").cast(pl.Datetime("us"))
    return {
        "collected_at": midnight + pl.lit(drawn) * timedelta(minutes=1),
        "reported_at": midnight + pl.lit(reported) * timedelta(minutes=1),
    }


def _assayed(placed: pl.DataFrame, first_night: date) -> pl.DataFrame:
    """The assay of the day, and insulin as that assay reads it."""
    is_after = pl.col("drawn_on") >= first_night - timedelta(days=CHANGED_DAYS)
    lab = pl.col("lab")

    def of_day(listed: dict[int, tuple[str, str]] | dict[int, tuple[float, float]]) -> pl.Expr:
        before, after = ({k: pair[i] for k, pair in listed.items()} for i in (0, 1))
        return (
            pl.when(is_after).then(lab.replace_strict(after)).otherwise(lab.replace_strict(before))
        )

    return placed.with_columns(
        assay=of_day(ASSAYS),
        insulin=pl.col("reported_insulin") * of_day(ASSAY_EFFECT),
        glucose="reported_glucose",
        lab=lab.replace_strict(LABS_OF),
    )


def _said(placed: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """What is said of fasting, and whether by the code."""
    n = placed.height
    honest, coded, worded = pl.Series(rng.random(n)), pl.Series(rng.random(n)), rng.random(n)
    hours = pl.Series(rng.integers(9, 15, n)).cast(pl.String)
    ate = pl.col("contamination") == "non_fasting"
    said_no = ate & (honest < SAYS_NOT_FASTING)
    word = pl.Series(worded)
    unspecific = (
        pl.when(word < 0.55)
        .then(pl.lit("yes"))
        .when(word < 0.80)
        .then(hours)
        .otherwise(pl.lit("unknown"))
    )
    specific = pl.when(word < 0.85).then(pl.lit("yes")).otherwise(pl.lit("unknown"))
    return placed.with_columns(is_unspecific=said_no | (coded < UNSPECIFIC)).with_columns(
        fasting=pl.when(said_no)
        .then(pl.lit("no"))
        .when("is_unspecific")
        .then(unspecific)
        .otherwise(specific)
    )


def _begun(said: pl.DataFrame) -> pl.DataFrame:
    """A draw that begins a tolerance test is an early one and coded as fasting."""
    begins = (pl.col("role") == CHALLENGED).fill_null(value=False) & (pl.col("from_last") == 0)
    minutes = timedelta(minutes=1) * (pl.col("collected_at").dt.minute() % LAST_START)
    early = pl.col("drawn_on").cast(pl.Datetime("us")) + timedelta(hours=7) + minutes
    return said.with_columns(
        begins_challenge=begins,
        collected_at=pl.when(begins).then(early).otherwise("collected_at"),
        fasting=pl.when(begins).then(pl.lit("yes")).otherwise("fasting"),
        is_unspecific=pl.col("is_unspecific") & ~begins,
    )


def _measured(said: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Body measures and the older analytes, each null at the visits that lack it.

    Beside them what is true: ``bmi``, ``true_alt``, ``true_weight``.
    """
    n = said.height
    tall = np.where(said["sex"].to_numpy() == "male", 1.77, 1.64)
    person = said["person"].to_numpy()
    own = rng.standard_normal((3, int(person.max()) + 1))[:, person]
    z = rng.standard_normal((6, n))
    insulin = np.log(said["true_insulin"].to_numpy() / 8.7)
    liver = change(said["liver_slope"], said["years"])
    mass = 27 + 5.2 * _felt(said, insulin) + 3.5 * own[0]
    bmi = np.clip(mass + 0.4 * z[0], 17, 55)
    systolic = 124 + 0.5 * (bmi - 27) + 9 * own[1] + 6 * z[4]
    alt, height = 22 * np.exp(0.18 * insulin + 0.35 * own[1] + liver), tall + 0.06 * own[1]
    fat = 105 * np.exp(0.25 * insulin + 0.35 * own[2] + LIVER_TRIGLYCERIDE * liver)
    values = {
        "hba1c": (1.05 * said["true_glucose"].to_numpy() + 54.7) / 28.7 * np.exp(0.02 * z[1]),
        "triglyceride": fat * np.exp(0.2 * z[2]),
        "hdl": 52 * np.exp(-0.14 * insulin + 0.2 * own[1] + 0.08 * z[3]),
        "alt": alt * np.exp(0.1 * z[5]),
        "weight": bmi * height**2,
        "waist": 40 + 2.1 * bmi + 2 * z[1],
        "systolic": systolic,
        "diastolic": 0.45 * systolic + 24 + 4 * z[5],
        "height": 100 * height,
    }
    chance = dict(zip(values, rng.random((len(values), n)), strict=True))
    chance["diastolic"] = chance["systolic"]
    wanted = {name: chance[name] < SHARE[name] for name in values}
    is_first = said["draw"].to_numpy() == 0
    wanted["height"] &= is_first
    taken = (
        _taken(name, value, wanted[name] | _always(said, name)) for name, value in values.items()
    )
    true = {"bmi": bmi, "true_alt": alt, "true_weight": np.clip(mass, 17, 55) * height**2}
    return said.with_columns(*taken, *(pl.Series(name, value) for name, value in true.items()))


def _felt(said: pl.DataFrame, insulin: Floats) -> Floats:
    """Insulin as body size follows it: where weight is steady, the person's own mean."""
    person = said["person"].to_numpy()
    mean = (np.bincount(person, insulin) / np.maximum(np.bincount(person), 1))[person]
    is_steady = (said["weight_course"] == "steady").fill_null(value=False).to_numpy()
    return np.where(is_steady, mean, insulin)


def _always(said: pl.DataFrame, name: str) -> NDArray[np.bool_]:
    """The visits at which it is measured whatever chance says."""
    has_course: NDArray[np.bool_] = (
        (said["liver_slope"] > 0) | (said["adipose_slope"] > 0)
    ).to_numpy()
    if name == "height":
        has_course &= said["draw"].to_numpy() == 0
        return has_course
    climbs = said["weight_course"].is_not_null().to_numpy()
    always: NDArray[np.bool_] = (has_course & (name in METABOLIC)) | (climbs & (name == "weight"))
    return always


def _taken(name: str, value: Floats, is_taken: NDArray[np.bool_]) -> pl.Series:
    return pl.Series(name, np.where(is_taken, value, np.nan)).fill_nan(None)


def _by_unit(conventional: pl.Expr, si: pl.Expr) -> pl.Expr:
    return pl.when("is_si").then(si).otherwise(conventional)


def _insulin_text() -> pl.Expr:
    value = pl.col("insulin")
    low = _by_unit(pl.lit("<2.0"), pl.lit("<12"))
    number = _by_unit(shown(value, 1), shown(value * PMOL_L_PER_UIU_ML))
    return (
        pl.when("is_haemolysis_reported")
        .then(pl.lit(HAEMOLYSED))
        .when(value.round(1) < LOWEST_INSULIN)
        .then(low)
        .otherwise(number)
    )


def _glucose_text() -> pl.Expr:
    value = pl.col("glucose")
    return _by_unit(shown(value), shown(value / MG_DL_PER_MMOL_L, 1))


def _both(
    analyte: str, ending: str, visit: pl.DataFrame, value: pl.Expr, assay: pl.Expr
) -> pl.DataFrame:
    """The rows of insulin or glucose, which have two codes and two units."""
    unit = _by_unit(*(pl.lit(unit) for unit in UNITS[analyte]))
    coded = [
        pl.when("is_unspecific").then(pl.lit(unspecific)).otherwise(pl.lit(fasting))
        for fasting, unspecific in CODES[analyte]
    ]
    return _rows(visit, analyte, ending, code=_by_unit(*coded), value=value, unit=unit, assay=assay)


def _single(analyte: str, listed: Listed, visit: pl.DataFrame) -> pl.DataFrame:
    ways = (listed.conventional, listed.si)
    return _rows(
        visit.filter(pl.col(analyte).is_not_null()),
        analyte,
        listed.ending,
        code=_by_unit(*(pl.lit(way.code) for way in ways)),
        value=_by_unit(*(shown(pl.col(analyte) * way.factor, way.decimals) for way in ways)),
        unit=_by_unit(*(pl.lit(way.unit) for way in ways)),
        assay=pl.lit(listed.method),
    )


def _rows(visit: pl.DataFrame, analyte: str, ending: str, **columns: pl.Expr) -> pl.DataFrame:
    return visit.select(
        *KNOWN,
        "is_unspecific",
        analyte=pl.lit(analyte),
        result_id=pl.concat_str("draw_id", pl.lit(f"-{ending}")),
        **columns,
    )
