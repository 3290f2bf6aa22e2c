"""The gate: Great Expectations' report and the quarantine, over one real DuckDB.

``INCOMING`` and ``COMPUTED`` hold, per table, a row that passes everything and, per expectation,
what makes it fail. The report is made once for all of them: it takes seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import duckdb
import polars as pl
import pytest

from expectations import base, checkpoint
from expectations.base import RowExpectation, suites
from expectations.checkpoint import GateError, Verdict, verdicts
from expectations.gate import agree, divide, reasons_sql
from transforms.catalog.tables import TABLES
from warehouse.store import connect, create, receive, replace_frame

Row = dict[str, Any]
KNOWN = datetime(2026, 3, 1)  # noqa: DTZ001
DRAWN = KNOWN - timedelta(days=20)
PLACE: Row = {"source": "clinic", "file_id": 1, "part": 0, "known_at": KNOWN, "source_row": "text"}

GOOD: dict[str, Row] = {
    "observation": {
        "patient_id": "p1",
        "source_code": "27873-9",
        "analyte": "insulin",
        "timing": "fasting",
        "property": "arbitrary",
        "source_value": "5",
        "number": 5.0,
        "value": 5.0,
        "source_unit": "uIU/mL",
        "ucum": "u[IU]/mL",
        "unit": "u[IU]/mL",
        "low": 0.1,
        "high": 2000.0,
        "source_observed_at": "2026-02-09",
        "observed_at": DRAWN,
        "source_reported_at": "2026-02-10",
        "reported_at": DRAWN + timedelta(days=1),
        "source_fasting": "yes",
        "fasting": "yes",
        "fasting_basis": "stated",
        "source_status": "F",
        "status": "final",
        "is_withdrawal": False,
    },
    "patient": {
        "patient_id": "p1",
        "source_birth_date": "1980-01-01",
        "birth_date": date(1980, 1, 1),
        "source_sex": "f",
        "sex": "female",
        "status": "final",
    },
    "medication": {
        "patient_id": "p1",
        "name": "metformin",
        "source_start": "2020-01-01",
        "start_on": date(2020, 1, 1),
        "source_end": "2020-02-01",
        "end_on": date(2020, 2, 1),
        "source_status": "active",
        "status": "final",
    },
    "sample": {
        "patient_id": "p1",
        "kind": "sensor_glucose",
        "number": 100.0,
        "value": 100.0,
        "low": 20.0,
        "high": 600.0,
        "observed_at": DRAWN,
    },
}
GOOD["condition"] = {**GOOD["medication"], "name": None, "code": "E11.9"}

_SPAN: dict[str, Row] = {
    "dates_are_readable": {"start_on": None},
    "end_follows_start": {"end_on": date(2019, 12, 31)},
    "patient_is_named": {"patient_id": None},
    "report_time_is_readable": {"source_reported_at": "soon"},
    "start_is_stated": {"source_start": None, "start_on": None},
    "status_is_known": {"source_status": "??", "status": None},
}
INCOMING: dict[str, dict[str, Row]] = {
    "observation": {
        "patient_is_named": {"patient_id": None},
        "code_is_stated": {"source_code": None, "analyte": None},
        "code_is_known": {"source_code": "99999-9", "analyte": None},
        "status_is_known": {"source_status": "??", "status": None},
        "draw_time_is_readable": {"source_observed_at": "noon", "observed_at": None},
        "time_is_not_future": {"observed_at": KNOWN + timedelta(hours=49)},
        "time_is_within_living": {"observed_at": datetime(1899, 12, 31)},  # noqa: DTZ001
        "report_time_is_readable": {"source_reported_at": "soon", "reported_at": None},
        "value_is_stated": {"source_value": None, "number": None, "value": None, "unit": None},
        "value_is_number": {"source_value": "five", "number": None, "value": None, "unit": None},
        "value_is_possible": {"number": 2001.0, "value": 2001.0},
        "unit_is_stated": {"source_unit": None, "ucum": None, "value": None, "unit": None},
        "unit_is_known": {"source_unit": "spoons", "ucum": None, "value": None, "unit": None},
        "feed_keeps_its_unit": {"is_unit_held": True},
        "unit_fits_analyte": {"ucum": "mmol/L", "value": None, "unit": None},
        "clock_is_sure": {"observed_doubt": "clock_repeated"},
        "fasting_is_understood": {
            "source_fasting": "perhaps",
            "fasting": "yes",
            "fasting_basis": "code",
        },
        "fasting_agrees_with_code": {"fasting": "no"},
        "unit_fits_code": {"property": "molar"},
    },
    "patient": {
        "patient_is_named": {"patient_id": None},
        "report_time_is_readable": {"source_reported_at": "soon"},
        "birth_date_is_readable": {"source_birth_date": "May", "birth_date": None},
        "birth_date_is_possible": {"birth_date": date(1899, 12, 31)},
        "patient_is_not_merged_into_itself": {"merged_into": "p1"},
        "sex_is_understood": {"source_sex": "7", "sex": None},
    },
    "medication": {**_SPAN, "medication_is_named": {"name": None}},
    "condition": {**_SPAN, "entry_is_named": {"code": None}},
    "sample": {
        "patient_is_named": {"patient_id": None},
        "time_is_readable": {"observed_at": None},
        "time_is_not_future": {"observed_at": KNOWN + timedelta(hours=49)},
        "time_is_within_living": {"observed_at": datetime(1899, 12, 31)},  # noqa: DTZ001
        "time_is_within_devices": {"observed_at": datetime(1989, 12, 31)},  # noqa: DTZ001
        "value_is_possible": {"number": 601.0, "value": 601.0},
        "clock_is_sure": {"observed_doubt": "clock_skipped"},
        "sample_is_number": {"number": None, "value": None},
        "sample_unit_is_known": {"value": None},
        "sample_kind_is_known": {"kind": "mood", "low": None, "high": None},
        "sample_end_is_readable": {"source_ended_at": "soon"},
        "sample_ends_after_it_begins": {"ended_at": DRAWN - timedelta(minutes=1)},
        "device_clock_is_set": {"observed_on": date(2000, 1, 1)},
    },
}
BESIDES = {("sample", "time_is_within_living"): {"time_is_within_devices"}}
"""What else a failing row fails, and must."""
OF_A_FILE = "insulin_factor_is_six"
"""Holds of whole files: it has a test of its own."""

PASSING: dict[str, list[Row]] = {
    "observation": [
        {"observed_at": KNOWN + timedelta(hours=48)},
        {"value": 0.1},
        {"value": 2000.0},
        {"is_withdrawal": True, "status": "deleted", "source_value": None, "number": None}
        | {"value": None, "unit": None, "source_unit": None, "ucum": None},
        {"status": "cancelled", "source_value": None, "number": None, "value": None},
        {"source_value": "haemolysed", "number": None, "value": None, "unit": None}
        | {"absent_reason": "haemolysed"},
        {"low": None, "high": None, "timing": None, "property": None},
        {"source_fasting": None, "fasting": "unknown", "fasting_basis": None},
        {"is_unit_held": False},
        {"source_unit": None, "unit_basis": "approved"},
    ],
    "patient": [
        {"source_birth_date": None, "birth_date": None, "source_sex": None, "sex": None},
        {"merged_into": "p2"},
    ],
    "medication": [{"source_end": None, "end_on": None}, {"end_on": date(2020, 1, 1)}],
    "condition": [{"code": None, "name": "Diabetes"}],
    "sample": [
        {"value": 20.0},
        {"value": 600.0},
        {"ended_at": DRAWN, "source_ended_at": "now", "observed_on": date(2000, 1, 2)},
    ],
}
"""Rows at the border, or with nothing to judge, which must pass."""

TREND: Row = {
    "patient_id": "p1",
    "insulin_level_uiu_ml": 8.0,
    "glucose_level_mg_dl": 90.0,
    "insulin_slope_low": 1.0,
    "insulin_slope_high": 2.0,
    "glucose_slope_low": 0.0,
    "glucose_slope_high": 1.0,
    "p_insulin_climbing": 0.6,
    "p_glucose_fine": 0.7,
    "p_climbing_unseen": 0.5,
}
VERSION: Row = {
    "source": "clinic",
    "result_id": "r",
    "analyte": "insulin",
    "value": 1.0,
    "unit": "u[IU]/mL",
    "known_at": KNOWN,
}


def step(
    cohort: str, place: int, after: int, out: int = 0, sex: str = "all", band: str = "all"
) -> Row:
    """A step of an attrition of people with one draw each."""
    return {
        "cohort": cohort,
        "sex": sex,
        "age_band": band,
        "reason_id": place,
        "number_records": after,
        "number_subjects": after,
        "excluded_records": out,
        "excluded_subjects": out,
    }


COMPUTED: dict[str, tuple[list[Row], dict[str, list[Row]]]] = {
    "attrition": (
        [
            *(step("sound", place, after, out) for place, after, out in ((1, 3, 0), (2, 0, 3))),
            *(step("sound", 1, n, 0, "female", band) for n, band in ((1, "20-39"), (2, "60+"))),
            *(step("sound", 2, 0, n, "female", band) for n, band in ((1, "20-39"), (2, "60+"))),
            step("jumps", 1, 1),
        ],
        {
            "steps_add_up": [step("jumps", 2, 0)],
            "strata_add_up": [step("uneven", 1, 0), step("uneven", 1, 1, 0, "male", "60+")],
            "attrition_ends_at_the_cohort": [step("nobody", 1, 1)],
        },
    ),
    "cohort": (
        [{"entered_on": date(2026, 1, 1), "left_on": date(2026, 1, 2)}, {"left_on": None}],
        {"stay_ends_after_it_began": [{"entered_on": DRAWN.date(), "left_on": DRAWN.date()}]},
    ),
    "fasting_pair": (
        [
            {"used": True, "insulin_uiu_ml": 5.0, "glucose_mg_dl": 90.0},
            {"used": False, "reason": "no insulin"},
        ],
        {
            "used_pair_is_whole": [
                {"used": True, "insulin_uiu_ml": 0.0, "glucose_mg_dl": 90.0},
                {"used": True, "insulin_uiu_ml": 5.0},
            ],
            "unused_pair_has_reason": [{"used": False}],
        },
    ),
    "observation": (
        [VERSION, VERSION | {"superseded_at": KNOWN}, VERSION | {"timing": "fasting"}],
        {
            "value_has_unit": [VERSION | {"result_id": "u", "unit": None}],
            "version_ends_after_it_was_known": [
                VERSION | {"superseded_at": KNOWN - timedelta(days=1)}
            ],
            "result_stands_once": [VERSION | {"result_id": "t"}, VERSION | {"result_id": "t"}],
        },
    ),
    "patient_status": (
        [{"patient_id": "p1", "status": "climbing", "reason": "r"}],
        {
            "patient_status_is_known": [{"patient_id": "s1", "status": "well", "reason": "r"}],
            "status_has_reason": [{"patient_id": "s2", "status": "excluded"}],
            "patient_has_one_status": [
                {"patient_id": "s3", "status": "excluded", "reason": "r"},
                {"patient_id": "s3", "status": "unresolved", "reason": "r"},
            ],
            "flagged_patient_is_measured": [
                {"patient_id": "s4", "status": "high_stable", "reason": "r"}
            ],
        },
    ),
    "person": ([{"patient_id": "p1"}], {"person_has_status": [{"patient_id": "nobody"}]}),
    "source_file": (
        [
            {"rows_in": 10, "rows_accepted": 4, "rows_quarantined": 3, "rows_duplicate": 2}
            | {"rows_superseded": 1}
        ],
        {
            "every_row_is_in_one_place": [
                {"rows_in": 10, "rows_accepted": 9, "rows_quarantined": 0, "rows_duplicate": 0}
                | {"rows_superseded": 0}
            ],
            "file_is_read_whole": [
                {"rows_in": 20, "rows_accepted": 17, "rows_quarantined": 3, "rows_duplicate": 0}
                | {"rows_superseded": 0}
            ],
        },
    ),
    "trend": (
        [TREND],
        {
            "probabilities_are_probabilities": [
                TREND | {"patient_id": "t1", "p_climbing_unseen": None},
                TREND | {"patient_id": "t2", "p_glucose_fine": 1.2},
                TREND | {"patient_id": "t3", "pit_insulin": float("nan")},
            ],
            "joint_is_not_above_its_parts": [TREND | {"p_climbing_unseen": 0.63}],
            "interval_holds_its_slope": [
                TREND | {"insulin_slope_low": 3.0},
                TREND | {"insulin_level_low": 9.0, "insulin_level_high": 8.0},
            ],
            "level_is_plausible": [TREND | {"glucose_level_mg_dl": 900.0}],
        },
    ),
}


class Report:
    """Every table checked once: what was staged, what GX counted."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.incoming, self.computed = suites("incoming"), suites("computed")
        for table, cases in INCOMING.items():
            failing = [GOOD[table] | case for case in cases.values()]
            passing = [GOOD[table] | case for case in PASSING[table]]
            rows = [GOOD[table], *failing, *passing]
            self.put(table, [PLACE | {"line": i} | row for i, row in enumerate(rows, start=1)])
        for table, (sound, broken) in COMPUTED.items():
            rows = [*sound, *(row for many in broken.values() for row in many)]
            columns = TABLES[table].columns
            whole = pl.from_dicts(
                [{name: row.get(name) for name in columns} for row in rows],
                infer_schema_length=None,
            )
            replace_frame(con, TABLES[table], "true", whole)
        relations = {table: f"staging.{table}" for table in INCOMING}
        found = verdicts(con, relations, self.incoming)
        found += [
            replace(v, table=f"computed {v.table}")
            for v in verdicts(con, {t: f"store.{t}" for t in COMPUTED}, self.computed)
        ]
        self.verdicts = found
        self.counts = {(v.table, v.expectation): v.rows_failed for v in found}

    def put(self, table: str, rows: list[Row]) -> None:
        receive(self.con, table, pl.from_dicts(rows, infer_schema_length=None).lazy())

    def failing(self, table: str, line: int) -> set[str]:
        """The names of the expectations that the staged row fails, warnings too."""
        return {
            item.label()
            for item in self.incoming[table]
            if self.con.execute(
                f"SELECT 1 FROM staging.{table} WHERE line = ? AND ({item.fails_where})", [line]
            ).fetchone()
        }


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    con = connect(Path(":memory:"), tmp_path_factory.mktemp("gate"))
    create(con)
    yield Report(con)
    con.close()


CASES = [(table, label) for table, cases in INCOMING.items() for label in cases]


@pytest.mark.parametrize(("table", "label"), CASES)
def test_a_row_that_breaks_an_expectation_fails_it_and_no_other(
    report: Report, table: str, label: str
) -> None:
    line = list(INCOMING[table]).index(label) + 2
    assert report.failing(table, line) == {label} | BESIDES.get((table, label), set())


@pytest.mark.parametrize("table", INCOMING)
def test_a_sound_row_and_rows_at_the_border_pass_everything(report: Report, table: str) -> None:
    after = len(INCOMING[table]) + 2
    for line in (1, *range(after, after + len(PASSING[table]))):
        assert report.failing(table, line) == set()


def test_every_expectation_has_a_row_that_fails_it(report: Report) -> None:
    stated = {(table, item.label()) for table, many in report.incoming.items() for item in many}
    assert stated - {("observation", OF_A_FILE)} == set(CASES)
    computed = {(table, item.label()) for table, many in report.computed.items() for item in many}
    assert computed == {(t, label) for t, (_, broken) in COMPUTED.items() for label in broken}


def test_great_expectations_counts_what_the_predicates_count(report: Report) -> None:
    for table, label in CASES:
        also = sum(label in BESIDES.get((table, other), ()) for other in INCOMING[table])
        assert report.counts[table, label] == 1 + also, (table, label)
    assert report.counts["observation", OF_A_FILE] == 0


@pytest.mark.parametrize(
    ("table", "label"), [(t, label) for t, (_, broken) in COMPUTED.items() for label in broken]
)
def test_a_computed_row_that_breaks_an_expectation_is_counted(
    report: Report, table: str, label: str
) -> None:
    assert report.counts[f"computed {table}", label] == len(COMPUTED[table][1][label])


def test_every_verdict_says_how_many_rows_it_saw_and_why_they_fail(report: Report) -> None:
    for verdict in report.verdicts:
        table = verdict.table.removeprefix("computed ")
        schema = "store" if verdict.table.startswith("computed") else "staging"
        counted = report.con.execute(f"SELECT count(*) FROM {schema}.{table}").fetchone()
        assert counted == (verdict.rows_checked,)
        assert verdict.sentence.endswith(".")
        assert verdict.passed is (verdict.rows_failed == 0)


def test_every_class_has_a_name_of_its_own() -> None:
    found: dict[str, set[str]] = {}
    for stage in ("incoming", "computed"):
        for many in suites(stage).values():  # type: ignore[arg-type]
            for item in many:
                found.setdefault(item.label(), set()).add(f"{item.__module__}.{item.__name__}")
    assert len(found) > 40
    assert {label: places for label, places in found.items() if len(places) > 1} == {}


def test_insulin_converted_by_the_old_factor_is_doubted_and_insulin_at_six_is_not(
    report: Report,
) -> None:
    con = report.con
    con.execute("BEGIN")
    for file, factor in ((91, 6.945), (92, 6.0)):
        texts = [f"{(3 + 0.7 * i) * factor:.1f}" for i in range(12)]
        rows = [
            PLACE
            | GOOD["observation"]
            | {"file_id": file, "line": i, "source_value": text, "number": float(text)}
            | {"ucum": "pmol/L", "value": float(text) / 6}
            for i, text in enumerate(texts)
        ]
        report.put("observation", rows)
    item = next(i for i in report.incoming["observation"] if i.label() == OF_A_FILE)
    doubted = con.execute(
        f"SELECT DISTINCT file_id FROM staging.observation WHERE {item.fails_where}"
    ).fetchall()
    con.execute("ROLLBACK")
    assert doubted == [(91,)]


# quarantine


@pytest.fixture
def divided(report: Report) -> Iterator[Report]:
    """After the gate: failing rows have left; everything is put back afterwards."""
    report.con.execute("BEGIN")
    for table in INCOMING:
        divide(report.con, f"staging.{table}", "staging.rejected", table, report.incoming[table])
    yield report
    report.con.execute("ROLLBACK")


def rejecting(report: Report, table: str) -> set[str]:
    return {item.label() for item in report.incoming[table] if item.level == "reject"}


@pytest.mark.parametrize("table", INCOMING)
def test_quarantine_holds_exactly_the_rows_that_the_report_counts(
    divided: Report, table: str
) -> None:
    agree(divided.con, "staging.rejected", table, divided.verdicts)
    rows = divided.con.execute(
        "SELECT line, reasons, source_row FROM staging.rejected WHERE table_name = ?", [table]
    ).fetchall()
    expected = rejecting(divided, table)
    assert Counter(reason for _, reasons, _ in rows for reason in reasons) == Counter(expected)
    assert all(text == "text" for _, _, text in rows)


@pytest.mark.parametrize("table", INCOMING)
def test_what_is_left_has_passed_and_nothing_is_lost(divided: Report, table: str) -> None:
    con, rows = divided.con, 1 + len(INCOMING[table]) + len(PASSING[table])
    left = con.execute(f"SELECT count(*) FROM staging.{table}").fetchone()
    assert left == (rows - len(rejecting(divided, table)),)
    suite = divided.incoming[table]
    failing = con.execute(
        f"SELECT count(*) FROM staging.{table} WHERE len({reasons_sql(suite)}) > 0"
    ).fetchone()
    assert failing == (0,)


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM staging.rejected WHERE list_contains(reasons, 'code_is_known')",
        "INSERT INTO staging.rejected SELECT 1, 99, 0, 'observation', ['code_is_known'], [], ''",
        "UPDATE staging.rejected SET reasons = ['code_is_known', 'unit_is_known'] "
        "WHERE list_contains(reasons, 'code_is_known')",
    ],
)
def test_a_quarantine_that_differs_from_the_report_fails_the_night(
    divided: Report, tampering: str
) -> None:
    agree(divided.con, "staging.rejected", "observation", divided.verdicts)
    divided.con.execute(tampering)
    with pytest.raises(GateError, match="disagree"):
        agree(divided.con, "staging.rejected", "observation", divided.verdicts)


def test_a_report_of_warnings_is_not_held_against_the_quarantine_and_one_of_rejects_is(
    store: duckdb.DuckDBPyConnection,
) -> None:
    verdict = Verdict("observation", "clock_is_sure", "warn", "...", 10, 3)
    agree(store, "staging.rejected", "observation", [verdict])
    with pytest.raises(GateError):
        agree(store, "staging.rejected", "observation", [replace(verdict, severity="reject")])


def test_a_row_that_fails_twice_leaves_with_both_reasons(
    store: duckdb.DuckDBPyConnection,
) -> None:
    row = PLACE | GOOD["sample"] | {"line": 1, "patient_id": None, "observed_at": None}
    receive(store, "sample", pl.from_dicts([row]).lazy())
    moved = divide(
        store, "staging.sample", "staging.rejected", "sample", suites("incoming")["sample"]
    )
    reasons = store.execute("SELECT reasons FROM staging.rejected").fetchone()
    assert moved == 1
    assert reasons is not None
    assert set(reasons[0]) == {"patient_is_named", "time_is_readable"}


# what GX can do wrong


class ProbeHasNullPredicate(RowExpectation):
    sentence: ClassVar[str] = "A predicate that is NULL does not fail."
    fails_where: ClassVar[str] = "NULL::BOOLEAN OR name = 'b'"


class ProbeHasBraces(RowExpectation):
    sentence: ClassVar[str] = "Braces and regular expressions are SQL's own."
    fails_where: ClassVar[str] = "regexp_matches(name, '^[a-c]{1,2}$') AND name <> '{batch}'"


class ProbeNamesMissingColumn(RowExpectation):
    sentence: ClassVar[str] = "An engine error is no pass."
    fails_where: ClassVar[str] = "no_such_column IS NULL"


class ProbeFailsAtRunTime(RowExpectation):
    sentence: ClassVar[str] = "An error while rows are read is no pass."
    fails_where: ClassVar[str] = "name::INTEGER > 0"


@pytest.fixture
def probed(store: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    store.execute("CREATE TABLE probe AS SELECT unnest(['a', 'b', 'abcd', NULL]) AS name")
    return store


@pytest.mark.parametrize(
    ("item", "failed"), [(ProbeHasNullPredicate, 1), (ProbeHasBraces, 2)], ids=str
)
def test_report_and_quarantine_read_a_predicate_alike(
    probed: duckdb.DuckDBPyConnection, item: type[RowExpectation], failed: int
) -> None:
    (found,) = verdicts(probed, {"probe": "probe"}, {"probe": (item,)})
    assert (found.rows_checked, found.rows_failed) == (4, failed)
    held = probed.execute(
        f"SELECT count(*) FROM probe WHERE len({reasons_sql((item,))}) > 0"
    ).fetchone()
    assert held == (failed,)


@pytest.mark.parametrize("item", [ProbeNamesMissingColumn, ProbeFailsAtRunTime])
def test_an_expectation_that_cannot_be_evaluated_fails_the_night(
    probed: duckdb.DuckDBPyConnection, item: type[RowExpectation]
) -> None:
    with pytest.raises(GateError, match="could not be evaluated"):
        verdicts(probed, {"probe": "probe"}, {"probe": (item,)})


@pytest.mark.parametrize(
    "result",
    [
        None,
        SimpleNamespace(exception_info={"raised_exception": False}, result={}),
        SimpleNamespace(exception_info={}, result={"observed_value": None}),
        SimpleNamespace(exception_info={}, result={"observed_value": "3"}),
        SimpleNamespace(exception_info={"raised_exception": True}, result={"observed_value": 0}),
        SimpleNamespace(
            exception_info={"metric": {"raised_exception": True}}, result={"observed_value": 0}
        ),
    ],
)
def test_a_result_without_a_count_or_with_an_exception_fails_the_night(result: object) -> None:
    with pytest.raises(GateError):
        checkpoint._count("probe", "label", result)


def test_a_result_with_a_count_does_not() -> None:
    whole = SimpleNamespace(exception_info={"raised_exception": False}, result={})
    whole.result = {"observed_value": 3}
    assert checkpoint._count("probe", "label", whole) == 3


def test_a_table_without_rows_is_checked_and_a_table_without_suite_is_not(
    probed: duckdb.DuckDBPyConnection,
) -> None:
    empty = "(SELECT * FROM probe WHERE false)"
    found = verdicts(
        probed, {"probe": empty, "other": "probe"}, {"probe": (ProbeHasBraces,), "other": ()}
    )
    assert [(v.table, v.rows_checked, v.passed) for v in found] == [("probe", 0, True)]


def test_a_suite_is_found_by_its_file_and_no_file_is_no_suite() -> None:
    assert base.suite("incoming", "patient")
    assert base.suite("incoming", "nothing") == ()
