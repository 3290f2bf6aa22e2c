"""What is true of the synthetic clinic: of each person, and how often what was planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from transforms.synthetic.challenges import not_fine_after_load
from transforms.synthetic.emit_cgm import CLARITY_RANGE
from transforms.synthetic.incidents import EVENING
from transforms.synthetic.people import Clientele
from transforms.synthetic.phones import carriers
from transforms.synthetic.register import DIABETES, PREDIABETES, PREGNANCY
from transforms.synthetic.results import HAEMOLYSED

NOTES = {
    "climber": "newest draw arrives after the first night",
    "new": "newest draw arrives after the first night",
    "insulin": "excluded: diabetes, insulin therapy",
    "sulfonylurea": "excluded: diabetes, sulfonylurea",
    "high_sensor": "excluded: diabetes; wears a sensor",
    "diabetes": "excluded: diabetes",
    "prediabetes": "prediabetes, which excludes nobody",
    "pregnancy": "excluded: pregnancy",
    "minor": "excluded: minor",
    "corrected": "newest insulin corrected",
    "deleted": "the draw before the newest deleted",
    "late": "a draw reported late",
    "misfiled": "newest draw first filed under another patient",
    "mistaken_for": "held another patient's draw for a while",
    "preliminary": "newest insulin preliminary, then final",
    "cancelled": "newest insulin cancelled",
    "glucose_slip": "newest glucose in mmol/L labelled mg/dL",
    "insulin_slip": "newest insulin in pmol/L labelled u[IU]/mL",
    "unknown_code": "newest insulin under an unknown code",
    "unknown_unit": "newest insulin in an unknown unit",
    "merged": "registered twice",
    "sensor": "wears a sensor",
    "stale": "newest draw over 400 days old",
    "liver": "full panel at every visit: the liver's signals worsen, those of fat tissue do not",
    "adipose": "full panel at every visit: fat tissue's signals worsen, those of the liver do not",
    "watched_fed": "wears a sensor around a draw after food",
    "watched_fasted": "wears a sensor around a fasting draw",
    "after_meals": "wears a sensor; glucose not fine by sensor",
    "challenge": "oral glucose tolerance test",
}
ROWS = (
    *("late", "corrected", "deleted", "wrong_patient", "preliminary", "cancelled"),
    *("unit_slip", "unknown_code", "unknown_unit"),
)
"""Incidents counted by the rows that carry them."""
FILES = {"duplicate_file": 1, "broken_file": 2, "missing_source": 1}
LONG_GAP_S = 3600

ATE = "ate before draws said to be fasting"
LYSED = "haemolysed, and not said to be"
HIDDEN = "insulin therapy that is not on record"
NOT_FINE_LATE = "glucose not fine two hours after a load"
PHONE = "carries a phone"
WEIGHT = {
    "follows": "weight rises with insulin",
    "steady": "weight steady while insulin climbs",
}


def truth(clients: Clientele, visit: pl.DataFrame, challenges: pl.DataFrame) -> pl.DataFrame:
    """A row a person: see :class:`transforms.synthetic.clinic.Clinic`."""
    days = visit.group_by("person").agg(
        ate=_days(ATE, _ate_unsaid()), lysed=_days(LYSED, _lysed_unsaid())
    )
    late = not_fine_after_load(challenges)["person"].to_list()
    phones = carriers(visit)["person"].to_list()
    note = pl.concat_str(
        pl.when("is_enriched").then(pl.lit("enriched: a climber added for clear draws")),
        pl.col("role").replace_strict(NOTES, default=None, return_dtype=pl.String),
        pl.when(pl.col("insulin_therapy") == "hidden").then(pl.lit(HIDDEN)),
        pl.when(pl.col("person").is_in(late)).then(pl.lit(NOT_FINE_LATE)),
        pl.when(pl.col("person").is_in(phones)).then(pl.lit(PHONE)),
        pl.col("weight_course").replace_strict(WEIGHT, default=None, return_dtype=pl.String),
        "ate",
        "lysed",
        separator="; ",
        ignore_nulls=True,
    )
    return (
        clients.people.join(days, on="person", maintain_order="left")
        .select(
            "patient_id",
            "class_",
            slope_pct_year=(pl.col("slope").exp() - 1) * 100,
            is_positive="is_positive",
            liver_course=_course("liver_slope"),
            adipose_course=_course("adipose_slope"),
            liver_pct_year=(pl.col("liver_slope").exp() - 1) * 100,
            adipose_pct_year=(pl.col("adipose_slope").exp() - 1) * 100,
            note=note,
        )
        .sort("patient_id")
    )


def _course(slope: str) -> pl.Expr:
    return pl.when(pl.col(slope) > 0).then(pl.lit("worsening")).otherwise(pl.lit("steady"))


def counts(
    clients: Clientele,
    visit: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    worn: Sequence[tuple[str, pl.DataFrame]],
) -> dict[str, int]:
    """Name -> how often it is found in the files."""
    return {
        **_row_counts(tables["labs"]),
        **_draw_counts(visit),
        **FILES,
        **_diagnosis_counts(tables),
        **_people_counts(clients, visit),
        **_sensor_counts(worn),
    }


def _days(words: str, where: pl.Expr) -> pl.Expr:
    """The days of the draws ``where`` holds, in words; null for none."""
    on = pl.col("drawn_on").filter(where)
    text = pl.concat_str(pl.lit(f"{words}: "), on.cast(pl.String).str.join(", "))
    return pl.when(on.len() > 0).then(text)


def _ate_unsaid() -> pl.Expr:
    is_silent = pl.col("is_unspecific") & (pl.col("fasting") == "unknown")
    ate = pl.col("contamination") == "non_fasting"
    return ate & (pl.col("fasting") != "no") & ~is_silent


def _lysed_unsaid() -> pl.Expr:
    return (pl.col("contamination") == "haemolysed") & ~pl.col("is_haemolysis_reported")


def _row_counts(labs: pl.DataFrame) -> dict[str, int]:
    # The evening file is sent again whole; the row it broke off in was not read the first time.
    again = _count(labs, pl.col("planted") == "duplicate_rows")
    evening = _count(labs, pl.col("batch") == EVENING)
    once = labs.unique("result_id")
    return {
        **{name: _count(labs, pl.col("planted") == name) for name in ROWS},
        "duplicate_rows": again + evening - 1,
        "censored": _count(once, pl.col("value").str.starts_with("<")),
        "haemolysed": _count(once, pl.col("value") == HAEMOLYSED),
    }


def _count(frame: pl.DataFrame, where: pl.Expr) -> int:
    return frame.filter(where).height


def _draw_counts(visit: pl.DataFrame) -> dict[str, int]:
    return {
        "non_fasting": _count(visit, pl.col("fasting") == "no"),
        "non_fasting_unsaid": _count(visit, _ate_unsaid()),
        "haemolysed_unsaid": _count(visit, _lysed_unsaid()),
    }


def _diagnosis_counts(tables: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    code, kind = pl.col("code"), pl.col("class")
    conditions, medications = tables["conditions"], tables["medications"]
    return {
        "excluded_diabetes": _count(conditions, code == DIABETES[0]),
        "excluded_pregnancy": _count(conditions, code == PREGNANCY[0]),
        "prediabetes": _count(conditions, code == PREDIABETES[0]),
        "excluded_insulin": _count(medications, kind == "insulin"),
        "excluded_sulfonylurea": _count(medications, kind == "sulfonylurea"),
        "metformin": _count(medications, kind == "biguanide"),
    }


def _people_counts(clients: Clientele, visit: pl.DataFrame) -> dict[str, int]:
    people, role = clients.people, pl.col("role")
    assays = visit.group_by("person").agg(pl.col("assay").n_unique())
    return {
        "minors": _count(people, role == "minor"),
        "merged": _count(people, role == "merged"),
        "stale": _count(people, role == "stale"),
        "enriched": _count(people, pl.col("is_enriched")),
        "new_draws": _count(people, pl.col("is_new")),
        "liver_courses": _count(people, pl.col("liver_slope") > 0),
        "adipose_courses": _count(people, pl.col("adipose_slope") > 0),
        "tolerance_tests": _count(visit, pl.col("begins_challenge")),
        "not_fine_by_sensor": _count(people, role == "after_meals"),
        "si_units": _count(people, pl.col("is_si")),
        "assay_change": _count(assays, pl.col("assay") > 1),
    }


def _sensor_counts(worn: Sequence[tuple[str, pl.DataFrame]]) -> dict[str, int]:
    low, high = CLARITY_RANGE
    clarity = pl.concat([found for path, found in worn if path.startswith("dexcom")]).select(
        value=pl.col("glucose_mg_dl").round()
    )
    gap = pl.col("elapsed_s").diff() > LONG_GAP_S
    return {
        "sensor_files": len(worn),
        "sensor_low": _count(clarity, pl.col("value") < low),
        "sensor_high": _count(clarity, pl.col("value") > high),
        "sensor_gaps": sum(_count(found, gap) for _, found in worn),
        "clock_changes": sum(
            _count(found, pl.col("local_at").diff().dt.total_seconds() < 0) for _, found in worn
        ),
    }
