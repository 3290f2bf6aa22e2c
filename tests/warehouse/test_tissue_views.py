"""The tissue profile as analysts read it: newest values, their place among comparable people, and
what is missing."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from transforms.catalog.fields import FIELDS
from transforms.catalog.tissues import SIGNALS, TISSUES, signals_frame
from transforms.comparable import FEWEST, FRESH_DAYS, reference
from warehouse.publish import view_names
from warehouse.store import frame

Con = duckdb.DuckDBPyConnection
VIEWS = Path(__file__).resolve().parents[2] / "warehouse" / "views"
TONIGHT = date(2026, 6, 1)
CONTRACT = "patient_id tissue signal value percentile trend evidence_grade claim missing"


@pytest.fixture
def clinic(store: Con) -> Con:
    """A warehouse with the catalog, one woman of 30, and the views of tissues."""
    store.execute("INSERT INTO store.tonight (as_of) VALUES (?)", [TONIGHT])
    person(store, "p", date(1996, 1, 1), "female")
    catalog = signals_frame()  # noqa: F841 DuckDB finds the frame by its name
    store.execute("INSERT INTO store.tissue_signal BY NAME SELECT * FROM catalog")
    for view in ("tissue_profile", "tissue_month"):
        sql = (VIEWS / f"{view}.sql").read_text(encoding="utf-8")
        store.execute(f"CREATE VIEW main.{view} AS\n{sql}")
    return store


def person(con: Con, name: str, birth: date | None, sex: str | None) -> None:
    con.execute(
        "INSERT INTO store.person (patient_id, birth_date, sex) VALUES (?, ?, ?)",
        [name, birth, sex],
    )


def measure(con: Con, signal: str = "alt", tissue: str = "liver", **more: Any) -> None:
    """One value of a signal."""
    row = {
        "patient_id": "p",
        "tissue": tissue,
        "signal": signal,
        "observed_on": TONIGHT,
        "value": 30.0,
        "unit": "U/L",
        "platform": "a",
        "n": 3,
        "trend": "rising",
        "course": "worsening",
    } | more
    names = ", ".join(row)
    marks = ", ".join("?" for _ in row)
    con.execute(f"INSERT INTO store.tissue_value ({names}) VALUES ({marks})", list(row.values()))


def compare(con: Con, quantiles: list[float], **more: Any) -> None:
    row = {
        "signal": "alt",
        "platform": "a",
        "sex": "female",
        "age_band": "20-39",
        "n": 50,
        "quantiles": quantiles,
        "compared_with": "women aged 20 to 39",
    } | more
    names = ", ".join(row)
    marks = ", ".join("?" for _ in row)
    con.execute(
        f"INSERT INTO store.signal_reference ({names}) VALUES ({marks})", list(row.values())
    )


def shown(con: Con, columns: str = "*", patient: str = "p") -> list[dict[str, Any]]:
    """Rows of measured signals."""
    query = f"SELECT {columns} FROM tissue_profile WHERE signal IS NOT NULL AND patient_id = ?"
    return frame(con, f"{query} ORDER BY tissue, signal", [patient]).rows(named=True)


def missing(con: Con, patient: str = "p") -> dict[str, dict[str, Any]]:
    """By tissue, the row that says what is missing."""
    query = "FROM tissue_profile WHERE signal IS NULL AND patient_id = ?"
    return {row["tissue"]: row for row in frame(con, query, [patient]).rows(named=True)}


def test_the_contracts_columns_come_first_and_each_has_its_field(clinic: Con) -> None:
    columns = [row[0] for row in clinic.execute("DESCRIBE tissue_profile").fetchall()]
    months = [row[0] for row in clinic.execute("DESCRIBE tissue_month").fetchall()]

    assert " ".join(columns[:9]) == CONTRACT
    assert columns[9:16] == [
        *("observed_on", "unit", "n", "course", "n_comparable", "compared_with", "not_claimed")
    ]
    assert set(columns) | set(months) <= FIELDS.keys()
    assert {"tissue_profile", "tissue_month"} <= set(view_names())


def test_a_signal_shows_its_newest_value_with_trend_grade_and_claim(clinic: Con) -> None:
    measure(clinic, value=40.0, observed_on=date(2026, 3, 2), trend="steady")
    measure(clinic, value=50.0, observed_on=date(2026, 5, 2))
    alt = next(signal for signal in SIGNALS if signal.name == "alt")

    assert shown(
        clinic, "signal, value, observed_on, trend, course, evidence_grade, claim, not_claimed, n"
    ) == [
        {
            "signal": "alt",
            "value": 50.0,
            "observed_on": date(2026, 5, 2),
            "trend": "rising",
            "course": "worsening",
            "evidence_grade": "C",
            "claim": alt.claim,
            "not_claimed": alt.not_claimed,
            "n": 3,
        }
    ]


def test_the_months_keep_what_the_profile_leaves_behind(clinic: Con) -> None:
    measure(clinic, value=40.0, observed_on=date(2026, 3, 2))
    measure(clinic, value=50.0, observed_on=date(2026, 5, 30), course=None)
    measure(clinic, value=45.0, observed_on=date(2026, 5, 2))
    courses = clinic.execute("SELECT course FROM tissue_month ORDER BY month").fetchall()

    assert courses == [("worsening",), (None,)]
    assert clinic.execute("SELECT month, value FROM tissue_month ORDER BY month").fetchall() == [
        (date(2026, 3, 1), 40.0),
        (date(2026, 5, 1), 50.0),
    ]


@pytest.mark.parametrize(
    ("value", "percentile"), [(30.0, 62.5), (29.0, 50.0), (9.0, 0.0), (10.0, 12.5), (99.0, 100.0)]
)
def test_the_percentile_is_the_share_below_and_half_of_the_equal(
    clinic: Con, value: float, percentile: float
) -> None:
    measure(clinic, value=value)
    compare(clinic, [10.0, 20.0, 30.0, 40.0])

    assert shown(clinic, "percentile, n_comparable, compared_with") == [
        {
            "percentile": percentile,
            "n_comparable": 50,
            "compared_with": "women aged 20 to 39",
        }
    ]


@pytest.mark.parametrize(
    ("who", "is_compared"),
    [
        ({}, True),
        ({"sex": "male"}, False),
        ({"sex": "any"}, False),
        ({"age_band": "40-59"}, False),
        ({"signal": "ast"}, False),
        ({"platform": "b"}, False),
        ({"platform": None}, False),
    ],
    ids=str,
)
def test_a_value_is_compared_with_its_own_kind_alone(
    clinic: Con, who: dict[str, Any], is_compared: bool
) -> None:
    measure(clinic)
    compare(clinic, [10.0, 20.0, 30.0, 40.0], **who)
    (row,) = shown(clinic)

    assert (row["percentile"] is not None) == is_compared
    assert (row["n_comparable"] == 50) == is_compared
    assert (row["compared_with"] == "nobody: too few comparable people") == (not is_compared)


def test_an_unknown_platform_is_compared_with_unknown_ones(clinic: Con) -> None:
    measure(clinic, platform=None)
    compare(clinic, [10.0, 20.0, 30.0, 40.0], platform=None)

    assert shown(clinic)[0]["percentile"] == 62.5


@pytest.mark.parametrize(
    ("birth", "sex", "cell"),
    [
        (date(2006, 6, 1), "female", ("female", "20-39")),
        (date(2006, 6, 2), "female", None),
        (date(1986, 6, 2), "male", ("male", "20-39")),
        (date(1986, 6, 1), "male", ("male", "40-59")),
        (date(1966, 6, 1), "other", ("any", "60+")),
        (date(1966, 6, 2), None, ("any", "40-59")),
        (None, "female", None),
    ],
)
def test_whom_a_person_is_compared_with_follows_from_age_and_sex(
    clinic: Con, birth: date | None, sex: str | None, cell: tuple[str, str] | None
) -> None:
    person(clinic, "q", birth, sex)
    measure(clinic, patient_id="q")
    for a_sex in ("female", "male", "any"):
        for band in ("20-39", "40-59", "60+"):
            compare(clinic, [1.0], sex=a_sex, age_band=band, compared_with=f"{a_sex} {band}")

    said = "nobody: too few comparable people" if cell is None else " ".join(cell)
    assert shown(clinic, "compared_with", "q") == [{"compared_with": said}]


def test_a_value_too_old_has_no_percentile_and_says_how_to_measure_it_again(clinic: Con) -> None:
    compare(clinic, [10.0, 20.0, 30.0, 40.0])
    measure(clinic, observed_on=TONIGHT - timedelta(FRESH_DAYS))
    fresh = shown(clinic)[0]
    clinic.execute("UPDATE store.tissue_value SET observed_on = observed_on - 1")
    old = shown(clinic)[0]

    assert (fresh["percentile"], fresh["missing"]) == (62.5, None)
    assert (old["percentile"], old["n_comparable"]) == (None, None)
    assert (fresh["trend"], fresh["course"]) == ("rising", "worsening")
    assert (old["value"], old["trend"], old["course"]) == (30.0, None, None)
    assert old["compared_with"] == "nobody: the value is too old"
    assert old["missing"] == f"Older than {FRESH_DAYS} days: ALT, AST, GGT and platelets."


def test_a_tissue_has_one_row_for_what_was_never_measured_by_the_test_that_measures_it(
    clinic: Con,
) -> None:
    row = missing(clinic)["muscle"]

    assert row["value"] is None
    assert row["missing"] == (
        "Never measured: Matsuda index (glucose drink), Stumvoll ISI (glucose drink), "
        "MISI (glucose drink) (by glucose and insulin 0, 30, 60, 90 and 120 minutes after "
        "a 75 g glucose drink); Hours of sleep, Resting heart rate, Steps a day (by a month of a "
        "watch, ring or phone)."
    )


def test_what_was_measured_is_not_missing(clinic: Con) -> None:
    for signal in SIGNALS:
        if signal.tissue == "liver" and signal.name != "ggt":
            measure(clinic, signal.name)
        if signal.tissue == "clearance":
            measure(clinic, signal.name, "clearance")

    assert missing(clinic)["liver"]["missing"] == (
        "Never measured: GGT (by ALT, AST, GGT and platelets)."
    )
    assert "clearance" not in missing(clinic)


def test_whatever_was_measured_the_rest_is_named_as_the_catalog_has_it(clinic: Con) -> None:
    """Against the same text made in Python, for people with signals at random."""
    rng = np.random.default_rng(7505)
    expected = {}
    for i in range(40):
        person(clinic, f"r{i:02}", None, None)
        has = {(s.tissue, s.name) for s in SIGNALS if rng.random() < i / 39}
        for tissue, name in sorted(has):
            measure(clinic, name, tissue, patient_id=f"r{i:02}")
        expected[f"r{i:02}"] = {t.name: never(t.name, has) for t in TISSUES}
    found = {who: missing(clinic, who) for who in expected}

    assert {who: {t: row["missing"] for t, row in rows.items()} for who, rows in found.items()} == {
        who: {t: text for t, text in texts.items() if text} for who, texts in expected.items()
    }


def never(tissue: str, has: set[tuple[str, str]]) -> str | None:
    tests: dict[str, list[tuple[str, str]]] = {}
    for s in SIGNALS:
        if s.tissue == tissue and (s.tissue, s.name) not in has:
            tests.setdefault(s.next_test, []).append((s.evidence_grade, s.title))
    said = sorted(
        (min(signals)[0], ", ".join(title for _, title in sorted(signals)), test)
        for test, signals in tests.items()
    )
    text = "; ".join(f"{titles} (by {test})" for _, titles, test in said)
    return f"Never measured: {text}." if text else None


def test_a_signal_of_two_tissues_is_missing_only_where_it_was_not_shown(clinic: Con) -> None:
    measure(clinic, "leptin", "adipose")

    assert "Leptin," not in missing(clinic)["adipose"]["missing"]
    assert "Leptin (by" in missing(clinic)["brain"]["missing"]


def test_not_evaluated_is_never_shown_as_normal(clinic: Con) -> None:
    """Everybody has every tissue, whether anything was measured or not."""
    measure(clinic)
    rows = missing(clinic)

    assert set(rows) == {tissue.name for tissue in TISSUES}
    assert rows["muscle"]["claim"] == "Not evaluated: nothing was measured."
    assert rows["liver"]["claim"] == "Seen only through what was measured."
    assert {row["evidence_grade"] for row in rows.values()} == {"D"}
    assert {row["not_claimed"] for row in rows.values()} == {
        "That what was not measured is normal."
    }


def test_a_person_known_only_by_name_has_every_tissue_too(clinic: Con) -> None:
    person(clinic, "q", None, None)

    assert set(missing(clinic, "q")) == {tissue.name for tissue in TISSUES}


def test_the_brain_is_graded_d_whatever_is_measured(clinic: Con) -> None:
    for signal in SIGNALS:
        measure(clinic, signal.name, signal.tissue)
    grades = clinic.execute(
        "SELECT tissue, min(evidence_grade) FROM tissue_profile GROUP BY tissue"
    ).fetchall()

    assert dict(grades) == {tissue.name: tissue.ceiling for tissue in TISSUES}


def test_no_row_says_that_a_tissue_is_resistant(clinic: Con) -> None:
    for signal in SIGNALS:
        measure(clinic, signal.name, signal.tissue)
    said = clinic.execute("SELECT claim || coalesce(missing, '') FROM tissue_profile").fetchall()

    assert len(said) == len(SIGNALS)
    assert [text for (text,) in said if "resistan" in text.lower()] == []


def test_a_profile_of_many_people_comes_whole_and_in_order(clinic: Con) -> None:
    """Unsorted, a fetch of 100,000 rows was seen to hang; the interrupt makes of that a failure."""
    clinic.execute(
        "INSERT INTO store.person BY NAME SELECT format('m{:05}', i) AS patient_id, "
        "'female' AS sex, DATE '1990-01-01' AS birth_date FROM range(3600) t(i)"
    )
    clinic.execute(
        "INSERT INTO store.signal_reference BY NAME SELECT DISTINCT signal, 'female' AS sex, "
        "'20-39' AS age_band, 3600 AS n, range(101) AS quantiles FROM store.tissue_signal"
    )
    clinic.execute(
        "INSERT INTO store.tissue_value BY NAME SELECT patient_id, tissue, signal, 1.0 AS value, "
        "DATE '2026-05-02' AS observed_on "
        "FROM store.person, store.tissue_signal WHERE hash(patient_id || signal) % 20 > 0"
    )
    watch = Timer(60, clinic.interrupt)
    watch.start()
    try:
        rows = frame(clinic, "FROM tissue_profile")
    finally:
        watch.cancel()

    measured = rows.filter(pl.col("signal").is_not_null())
    assert measured.height > 120_000
    assert clinic.execute("SELECT count(*) FROM store.tissue_value").fetchall() == [
        (measured.height,)
    ]
    assert rows.equals(rows.sort("patient_id", "tissue", "signal", nulls_last=True))


def test_the_percentile_of_everyone_is_that_of_the_values_themselves(clinic: Con) -> None:
    """Through the reference and back, against the share counted directly."""
    rng = np.random.default_rng(7504)
    n = FEWEST + 20
    values = np.round(rng.lognormal(3.0, 0.5, n), 0)
    for i, value in enumerate(values):
        person(clinic, f"c{i:03}", date(1990, 1, 1), "male")
        measure(clinic, patient_id=f"c{i:03}", value=float(value))
    values_of_all = frame(clinic, "FROM store.tissue_value").lazy()
    people = frame(clinic, "FROM store.person").lazy()
    cells = reference(values_of_all, people, people, TONIGHT).collect()  # noqa: F841
    clinic.execute("INSERT INTO store.signal_reference BY NAME SELECT * FROM cells")
    found = frame(
        clinic,
        "SELECT value, percentile, n_comparable FROM tissue_profile "
        "WHERE signal IS NOT NULL AND patient_id LIKE 'c%'",
    )
    exact = [100 * ((values < v).mean() + (values == v).mean() / 2) for v in found["value"]]

    assert found["n_comparable"].to_list() == [n] * n
    assert (found["percentile"] - pl.Series(exact)).abs().max() < 1 + 50 / n
