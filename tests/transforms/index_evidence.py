"""What the indices were measured to be on published people; prints the tables of the evidence page.

python -m tests.transforms.index_evidence
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from tests.transforms.real_studies import (
    ALTUVE,
    IPOP,
    METWALLY,
    NHANES,
    SHANGHAI,
    Study,
    conformed,
    index_rows,
    path_of,
)
from transforms.catalog.indices import INDICES, MINUTES, Index
from transforms.ogtt import challenges

Floats = NDArray[np.float64]
Tables = dict[str, pl.DataFrame]
SHARES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
REFERENCE: dict[tuple[str, str], tuple[int, tuple[float, ...]]] = {
    ("fpg_below_126", "insulin"): (1792, (3.10, 3.73, 5.71, 8.68, 13.9, 23.0, 29.4)),
    ("fpg_below_126", "homa_ir"): (1792, (0.74, 0.88, 1.39, 2.19, 3.57, 5.80, 7.75)),
    ("normoglycaemic", "insulin"): (618, (2.39, 3.03, 4.26, 6.48, 10.3, 14.7, 21.6)),
    ("normoglycaemic", "homa_ir"): (618, (0.54, 0.67, 0.96, 1.49, 2.42, 3.46, 5.01)),
}
"""(group, measure) -> n and percentiles of all of NHANES 2017-2018, weighted: clinical reference,
section 6. The file here is every second person of it."""
REFERENCE_CORRELATIONS = {
    "bmi": 0.60,
    "waist": 0.61,
    "glucose": 0.36,
    "ln_tg": 0.34,
    "ln_hdl": -0.38,
}
"""Of ln insulin where fasting glucose is below 126 mg/dL: the same place."""


def read_study(study: Study) -> tuple[Tables, pl.DataFrame]:
    """The study's tables and what the project says of every index."""
    path_of(study)
    with tempfile.TemporaryDirectory() as scratch:
        tables = conformed(study, Path(scratch))
        return tables, index_rows(tables)


def lines(study: Study) -> list[dict[str, str]]:
    """The file by the standard library alone."""
    with path_of(study).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def wide(tables: Tables) -> pl.DataFrame:
    """One row a person: the single value of each analyte."""
    return tables["observation"].pivot(
        "analyte", index="patient_id", values="value", aggregate_function="first"
    )


# NHANES


def nhanes_people() -> pl.DataFrame:
    """Adults whose HOMA-IR the project gives, with their measurements and survey weight."""
    tables, said = read_study(NHANES)
    homa = said.filter(pl.col("index") == "homa_ir", pl.col("value").is_not_null())
    weights = pl.DataFrame(
        [(f"N{row['SEQN']}", float(row["WTSAF2YR"])) for row in lines(NHANES)],
        schema=["patient_id", "weight_of_survey"],
        orient="row",
    )
    return (
        homa.select("patient_id", homa_ir="value")
        .join(wide(tables), on="patient_id")
        .join(weights, on="patient_id")
        .filter(pl.col("weight_of_survey") > 1)
        .sort("patient_id")
    )


def groups(people: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The two groups of the clinical reference."""
    below = {"fpg_below_126": (126, 6.5), "normoglycaemic": (100, 5.7)}
    return {
        name: people.filter(pl.col("glucose") < fpg, pl.col("hba1c") < a1c)
        for name, (fpg, a1c) in below.items()
    }


def weighted(values: Floats, weights: Floats) -> Floats:
    """Percentiles of :data:`SHARES`, each person standing for as many as his weight says."""
    order = np.argsort(values)
    below = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    found: Floats = np.interp(SHARES, below, values[order])
    return found


@dataclass(frozen=True)
class Percentiles:
    """One row of the table: ours by the piece and by weight, and the reference's."""

    group: str
    measure: str
    n: int
    plain: tuple[float, ...]
    weighted: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reference: tuple[float, ...]


def nhanes_percentiles(people: pl.DataFrame, seed: int = 7204) -> list[Percentiles]:
    """Both groups, insulin and HOMA-IR; ``low`` to ``high`` are 95 % of 1,000 resamples."""
    rng, rows = np.random.default_rng(seed), []
    for (group, measure), (_, reference) in REFERENCE.items():
        own = groups(people)[group]
        values, weights = (own[name].to_numpy() for name in (measure, "weight_of_survey"))
        draws = rng.integers(0, len(values), (1000, len(values)))
        again = np.array([weighted(values[draw], weights[draw]) for draw in draws])
        rows.append(
            Percentiles(
                group,
                measure,
                len(values),
                tuple(np.quantile(values, SHARES).tolist()),
                tuple(weighted(values, weights).tolist()),
                tuple(np.quantile(again, 0.025, axis=0).tolist()),
                tuple(np.quantile(again, 0.975, axis=0).tolist()),
                reference,
            )
        )
    return rows


def nhanes_correlations(people: pl.DataFrame) -> dict[str, tuple[int, float]]:
    """Pearson's r of ln insulin, fasting glucose below 126: measure -> (n, r)."""
    own = groups(people)["fpg_below_126"].with_columns(
        ln_insulin=pl.col("insulin").log(),
        ln_tg=pl.col("triglyceride").log(),
        ln_hdl=pl.col("hdl").log(),
    )
    found = {}
    for name in REFERENCE_CORRELATIONS:
        both = own.select("ln_insulin", name).drop_nulls()
        found[name] = (both.height, float(np.corrcoef(both.to_numpy().T)[0, 1]))
    return found


# women of Altuve and Severeyn

CLASSES = ("NGT", "IGT", "DGT")
"""Two-hour glucose normal, impaired, diabetic: columns of the file."""
WOMEN = ("homa_ir", "homa_b", "quicki", "stumvoll_isi_no_bmi")


def altuve_women() -> pl.DataFrame:
    """One row a woman of 20 and over: indices, measurements, and the file's own class."""
    _, said = read_study(ALTUVE)
    rows = [
        (f"resultsclassif-{n}", *(float(row[name]) for name in ("G0", "I0", "G120", "I120")), own)
        for n, row in enumerate(lines(ALTUVE), start=2)
        for own in CLASSES
        if row[own] == "1" and int(row["Age"]) >= 20
    ]
    columns = ["patient_id", "g0", "i0", "g120", "i120", "tolerance"]
    stated = pl.DataFrame(rows, schema=columns, orient="row")
    values = said.pivot("index", index="patient_id", values="value")
    return stated.join(values, on="patient_id", how="left").sort("patient_id")


def altuve_medians(women: pl.DataFrame) -> pl.DataFrame:
    """Class of two-hour glucose -> n and medians."""
    order = {name: place for place, name in enumerate(CLASSES)}
    return (
        women.group_by("tolerance")
        .agg(pl.len().alias("n"), pl.col(*WOMEN).median())
        .sort(pl.col("tolerance").replace_strict(order))
    )


# people of the omics study


def ipop_variation() -> tuple[int, int, float]:
    """People and degrees of freedom, and the CV of HOMA-IR about each person's own mean, of people
    of four draws and more."""
    _, said = read_study(IPOP)
    homa = said.filter(pl.col("index") == "homa_ir", pl.col("value").is_not_null())
    own = homa.group_by("patient_id").agg(
        n=pl.len(), squares=pl.col("value").log().var() * (pl.len() - 1)
    )
    often = own.filter(pl.col("n") >= 4)
    freedom = int((often["n"] - 1).sum())
    variance = float(often["squares"].sum()) / freedom
    return often.height, freedom, float(np.sqrt(np.expm1(variance)))


# tolerance tests of Metwally

SAME_INSULIN = {f"insulin_{minute}_uiu_ml": 10.0 for minute in MINUTES}
"""The files hold no insulin. With the same insulin for everybody an index ranks people by its
glucose alone, whatever that insulin is."""
PARTS = {
    "matsuda": "Matsuda, glucose part",
    "hiri": "HIRI, glucose part",
    "misi": "MISI, glucose part",
}


def metwally_tests() -> pl.DataFrame:
    """One row a person of a tolerance test by vein: glucose of five minutes, the glucose parts of
    indices, SSPG and disposition index as stated. Who was tested twice has means."""
    path_of(METWALLY)
    with tempfile.TemporaryDirectory() as scratch:
        results = conformed(METWALLY, Path(scratch))["observation"].lazy()
    glucose = challenges(results).collect().select("patient_id", pl.col("^glucose_.*$"))
    formulas = {index.name: index for index in INDICES if index.name in PARTS}
    full = glucose.with_columns(**{name: pl.lit(value) for name, value in SAME_INSULIN.items()})
    parts = full.drop_nulls().with_columns(
        **{name: pl.when(_is_sound(index)).then(index.formula) for name, index in formulas.items()}
    )
    return parts.join(_stated_of_metwally(), on="patient_id").sort("patient_id")


def _is_sound(index: Index) -> pl.Expr:
    return ~pl.any_horizontal(pl.lit(value=False), *(check for check, _ in index.checks))


def _stated_of_metwally() -> pl.DataFrame:
    stated = Study(
        METWALLY.example, METWALLY.source, "metwally_subphenotypes/filtered_metabolic_tests.csv"
    )
    rows = [
        (f"MSP-{row['SubjectID']}", float(row["sspg"]), _number(row["di"])) for row in lines(stated)
    ]
    frame = pl.DataFrame(rows, schema=["patient_id", "sspg", "di"], orient="row")
    return frame.group_by("patient_id").agg(pl.col("sspg", "di").mean())


def _number(text: str) -> float | None:
    return None if text in {"", "NA"} else float(text)


@dataclass(frozen=True)
class Rank:
    """Spearman's rho with its n and 95 % of 2,000 resamples of people."""

    measure: str
    other: str
    n: int
    rho: float
    low: float
    high: float


def rank_correlation(frame: pl.DataFrame, measure: str, other: str, seed: int = 7202) -> Rank:
    """Spearman's rho of two columns."""
    both = frame.select(measure, other).drop_nulls().to_numpy().astype(float)
    rng = np.random.default_rng(seed)
    ranks = rankdata(both[rng.integers(0, len(both), (2000, len(both)))], axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    x, y = ranks[:, :, 0], ranks[:, :, 1]
    again = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    low, high = np.quantile(again, (0.025, 0.975))
    rho = float(spearmanr(*both.T).statistic)
    return Rank(measure, other, len(both), rho, float(low), float(high))


COMPARED = ("glucose_0_mg_dl", "glucose_60_mg_dl", "glucose_120_mg_dl", *PARTS)


def metwally_ranks(tests: pl.DataFrame) -> list[Rank]:
    """Rank correlations with SSPG (insulin resistance of the whole body) and disposition index."""
    return [rank_correlation(tests, name, other) for other in ("sspg", "di") for name in COMPARED]


SENSORS = ("CTRU_CGM", "Home_CGM_1", "Home_CGM_2")
"""The sensor during a test in the clinic, and during the same drink twice at home."""


def metwally_sensors() -> list[Rank]:
    """Rank correlation of mean sensor glucose from the drink to two hours later with SSPG."""
    means = (
        pl.DataFrame(lines(METWALLY))
        .with_columns(pl.col("Timepoint", "Glucose").cast(pl.Float64))
        .filter(pl.col("Timepoint").is_between(0, 120))
        .group_by("SubjectID", where="SampleLocation_ExtractionMethod")
        .agg(pl.col("Glucose").mean())
        .pivot("where", index="SubjectID", values="Glucose")
        .with_columns(patient_id="MSP-" + pl.col("SubjectID"))
        .join(_stated_of_metwally(), on="patient_id")
        .sort("patient_id")
    )
    return [rank_correlation(means, where, "sspg") for where in SENSORS]


# type 1 diabetes of Shanghai


def shanghai_ratios(tables: Tables) -> pl.DataFrame:
    """C-peptide to insulin of every fasting draw by the formula alone: the index itself is void in
    diabetes."""
    formula = next(index.formula for index in INDICES if index.name == "c_peptide_insulin")
    draws = tables["observation"].filter(
        pl.col("fasting") == "yes", pl.col("analyte").is_in(["insulin", "c_peptide"])
    )
    both = draws.pivot("analyte", index=["patient_id", "observed_on"], values="value").drop_nulls()
    named = both.rename({"insulin": "insulin_uiu_ml", "c_peptide": "c_peptide_ng_ml"})
    return named.with_columns(ratio=formula).sort("patient_id", "observed_on")


def without_conditions(tables: Tables) -> pl.DataFrame:
    """What would be said of the same people were their diabetes not told."""
    return index_rows({name: rows for name, rows in tables.items() if name != "condition"})


# printing


def _row(cells: Sequence[object]) -> str:
    shown = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    return "| " + " | ".join(shown) + " |"


def _nhanes() -> Iterator[str]:
    people = nhanes_people()
    for found in nhanes_percentiles(people):
        head = (found.group, found.measure, found.n)
        for kind in ("plain", "weighted", "low", "high", "reference"):
            yield _row([*head, kind, *getattr(found, kind)])
    for name, (n, r) in nhanes_correlations(people).items():
        yield _row(["ln insulin", name, n, r, REFERENCE_CORRELATIONS[name]])


def _altuve() -> Iterator[str]:
    women = altuve_women()
    yield from (_row(row) for row in altuve_medians(women).iter_rows())
    fine = women.filter(pl.col("g0") < 100, pl.col("g120") < 140)
    for name in ("i0", "homa_ir"):
        yield _row([name, fine.height, *np.quantile(fine[name].to_numpy(), SHARES).tolist()])
    yield _row(["insulin of exactly 2", women.filter(pl.col("i0") == 2).height])


def _ipop() -> Iterator[str]:
    yield _row(["HOMA-IR within people", *ipop_variation()])


def _metwally() -> Iterator[str]:
    for rank in (*metwally_ranks(metwally_tests()), *metwally_sensors()):
        yield _row([rank.measure, rank.other, rank.n, rank.rho, rank.low, rank.high])


def _shanghai() -> Iterator[str]:
    tables, said = read_study(SHANGHAI)
    yield _row(["C-peptide to insulin", *shanghai_ratios(tables)["ratio"].sort().to_list()])
    for kind, rows in (("as told", said), ("diabetes not told", without_conditions(tables))):
        counted = rows.group_by("index", "reason").agg(
            pl.len(), pl.col("value").min().alias("least"), pl.col("value").median().alias("mid")
        )
        yield from (_row([kind, *row]) for row in counted.sort("index", "reason").iter_rows())


PAGES: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
    ("NHANES 2017-2018", _nhanes),
    ("Altuve and Severeyn", _altuve),
    ("iPOP", _ipop),
    ("Metwally", _metwally),
    ("Shanghai, type 1 diabetes", _shanghai),
)


def main() -> None:
    """Print every table."""
    for title, page in PAGES:
        print(f"\n{title}\n")  # noqa: T201
        for line in page():
            print(line)  # noqa: T201


if __name__ == "__main__":
    main()
