"""What stood on a past night, by what is kept of it: results, statuses, cohorts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from tests.warehouse.test_merge import FIRST_NIGHT, Version, Warehouse, _history, came
from transforms.catalog.tables import TABLES
from warehouse.nights import TAKEN_OVER, keep_published, record, take_over
from warehouse.publish import create_macros, create_views
from warehouse.store import connect, create, digest, replace

ONE, TWO, THREE, FOUR = (date(2026, 3, day) for day in range(1, 5))
STANDS = "SELECT file_id, line, patient_id, value FROM {} ORDER BY ALL"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    scratch = tmp_path_factory.mktemp("as-of")
    con = connect(Path(":memory:"), scratch)
    create(con)
    create_views(con)
    create_macros(con, "one")
    yield Warehouse(con)
    con.close()


@pytest.fixture
def kept(house: Warehouse) -> duckdb.DuckDBPyConnection:
    """The same warehouse, emptied."""
    for name in TABLES:
        if name != "dictionary":
            house.con.execute(f"DELETE FROM store.{name}")
    return house.con


def shows(
    con: duckdb.DuckDBPyConnection,
    night: date,
    statuses: dict[str, tuple[str, str | None]],
    stays: dict[str, tuple[date, date | None]] | None = None,
    reason: str = "a reason",
) -> dict[str, int]:
    """A night that publishes these statuses and stays in one cohort."""
    con.execute("DELETE FROM store.patient_status")
    con.execute("DELETE FROM store.cohort")
    for patient, (status, tier) in statuses.items():
        con.execute(
            "INSERT INTO store.patient_status (patient_id, status, tier, reason, rule_version) "
            "VALUES (?, ?, ?, ?, 'r')",
            [patient, status, tier, reason],
        )
    for patient, (entered, left) in (stays or {}).items():
        con.execute(
            "INSERT INTO store.cohort VALUES ('climbing', ?, ?, ?, 'v')", [patient, entered, left]
        )
    return record(con, night)


def seen(version: Version) -> dict[str, Any]:
    """A row with the day on which it was observed."""
    return version.row() | {"observed_on": date(2026, 2, 9)}


def said(con: duckdb.DuckDBPyConnection, night: date) -> dict[str, tuple[str, str | None]]:
    """What ``status_as_of`` answers."""
    rows = con.execute("SELECT patient_id, status, tier FROM status_as_of(?)", [night]).fetchall()
    assert len(rows) == len({patient for patient, *_ in rows})
    return {patient: (status, tier) for patient, status, tier in rows}


def versions(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return con.execute(
        "SELECT patient_id, status, known_from, known_to FROM status_version ORDER BY ALL"
    ).fetchall()


@pytest.mark.parametrize("seed", range(2))
def test_what_stood_on_every_night_is_what_is_asked_of_it_afterwards(
    house: Warehouse, seed: int
) -> None:
    """The rule of the merge is written twice: here both are held against each other."""
    dice = Random(seed)  # noqa: S311 no secret
    many = [_history(dice, source, stated=source % 2 == 0) for source in range(30)]
    versions = [version for history in many for version in history]
    house.empty()
    then = {}
    for number in sorted({version.night for version in versions}):
        house.night([seen(version) for version in versions if version.night == number])
        then[number] = house.rows(STANDS.format("observation"))

    for number, stood in then.items():
        night = (FIRST_NIGHT + timedelta(days=number)).date()
        asked = f"observation_as_of(DATE '{night}', DATE '2026-12-31')"
        assert house.rows(STANDS.format(asked)) == stood
    assert house.rows(STANDS.format("observation_as_of('2026-02-28', '2026-12-31')")) == []


def test_a_number_of_two_patients_is_told_as_it_stood_then(house: Warehouse) -> None:
    """``superseded_at`` follows from all that is known today, and says otherwise here."""
    mine = Version(5, "corrected", None, night=1)
    yours = Version(6, "final", None, night=1, line=3, patient="p2")
    taken_back = Version(5, "deleted", None, night=2, file=2)
    house.empty().night([seen(mine), seen(yours)])
    house.night([seen(taken_back)])
    patients = "SELECT patient_id FROM observation_as_of('{}', '2026-12-31')"
    assert house.rows(patients.format(TWO)) == [("p1",)]
    assert house.rows(patients.format(THREE)) == [("p2",)]
    assert ("p1", datetime(2026, 3, 2)) in house.rows(  # noqa: DTZ001
        "SELECT patient_id, superseded_at FROM store.observation"
    )


@pytest.mark.parametrize(
    ("second", "values"),
    [
        (Version(6, "corrected", 2), [5, 6]),
        (Version(5, "deleted", 2), [5, None]),
        (Version(5, "entered_in_error", 2), [5, None]),
        (Version(4, "preliminary", 2), [5, 5]),
    ],
    ids=lambda value: value.status if isinstance(value, Version) else "",
)
def test_a_result_is_what_it_was_before_and_after_something_happened_to_it(
    house: Warehouse, second: Version, values: list[float | None]
) -> None:
    house.empty()
    for version in came(Version(5, reported=1), second):
        house.night([seen(version)])
    for night, value in zip((ONE, TWO), values, strict=True):
        rows = house.rows(f"SELECT value FROM observation_as_of('{night}', '2026-12-31')")
        assert rows == ([] if value is None else [(value,)])


def test_results_observed_after_the_day_asked_for_are_left_out(house: Warehouse) -> None:
    house.empty().night([seen(Version(5))])
    count = "SELECT count(*) FROM observation_as_of('2026-03-01', '{}')"
    assert house.rows(count.format("2026-02-08")) == [(0,)]
    assert house.rows(count.format("2026-02-09")) == [(1,)]


def test_a_merged_record_is_under_its_survivor_as_merges_stand(house: Warehouse) -> None:
    house.empty().night([seen(Version(5))])
    patients = "SELECT patient_id FROM observation_as_of('2026-03-01', '2026-12-31')"
    assert house.rows(patients) == [("p1",)]
    house.con.execute("INSERT INTO store.patient_alias VALUES ('p1', 'p9')")
    assert house.rows(patients) == [("p9",)]
    house.con.execute("DELETE FROM store.patient_alias")


def test_every_night_is_told_as_it_was_published(kept: duckdb.DuckDBPyConnection) -> None:
    published: dict[date, dict[str, tuple[str, str | None]]] = {
        ONE: {"a": ("unresolved", None), "b": ("climbing", "B")},
        TWO: {"a": ("climbing", "C"), "b": ("climbing", "B"), "c": ("excluded", None)},
        THREE: {"a": ("climbing", "A"), "c": ("excluded", None)},
        FOUR: {"a": ("unresolved", None), "b": ("climbing", "B"), "c": ("excluded", None)},
    }
    for night, statuses in published.items():
        shows(kept, night, statuses)
    for night, statuses in published.items():
        assert said(kept, night) == statuses
    assert said(kept, ONE - timedelta(days=1)) == {}
    assert said(kept, FOUR + timedelta(days=30)) == published[FOUR]


def test_a_status_that_stays_writes_nothing_and_one_that_changes_writes_two_rows(
    kept: duckdb.DuckDBPyConnection,
) -> None:
    people: dict[str, tuple[str, str | None]] = {f"p{n}": ("not_flagged", None) for n in range(50)}
    assert shows(kept, ONE, people)["status_version"] == 50
    assert shows(kept, TWO, people, reason="in other words")["status_version"] == 0
    assert shows(kept, THREE, people | {"p7": ("climbing", "A")})["status_version"] == 2
    assert versions(kept)[-2:] == [
        ("p8", "not_flagged", ONE, None),
        ("p9", "not_flagged", ONE, None),
    ]
    changed = [row for row in versions(kept) if row[0] == "p7"]
    assert changed == [("p7", "climbing", THREE, None), ("p7", "not_flagged", ONE, THREE)]


def test_a_tier_alone_and_a_rule_alone_make_a_version(kept: duckdb.DuckDBPyConnection) -> None:
    shows(kept, ONE, {"a": ("climbing", None)})
    assert shows(kept, TWO, {"a": ("climbing", "A")})["status_version"] == 2
    kept.execute("UPDATE store.patient_status SET rule_version = 's'")
    assert record(kept, THREE)["status_version"] == 2
    assert record(kept, FOUR)["status_version"] == 0


def test_a_night_that_is_run_again_replaces_its_own_record(
    kept: duckdb.DuckDBPyConnection,
) -> None:
    shows(kept, ONE, {"a": ("unresolved", None)}, {"a": (ONE, None)})
    shows(kept, TWO, {"a": ("climbing", "A"), "b": ("climbing", "B")}, {"a": (ONE, TWO)})
    shows(kept, TWO, {"a": ("unresolved", None)}, {"a": (ONE, None)})
    assert versions(kept) == [("a", "unresolved", ONE, None)]
    assert kept.execute("SELECT left_on, known_from, known_to FROM cohort_version").fetchall() == [
        (None, ONE, None)
    ]
    assert kept.execute("SELECT night FROM list_check_night").fetchall() == []


def test_a_cohort_is_told_of_a_day_by_what_a_night_said(kept: duckdb.DuckDBPyConnection) -> None:
    entered, left, corrected = date(2025, 5, 1), date(2025, 9, 1), date(2025, 7, 1)
    shows(kept, ONE, {}, {"a": (entered, None)})
    shows(kept, TWO, {}, {"a": (entered, left)})
    shows(kept, THREE, {}, {"a": (corrected, left)})
    asked = "SELECT patient_id FROM cohort_as_of(?, ?, ?)"

    def is_in(day: date, known: date, cohort: str | None = "climbing") -> bool:
        return kept.execute(asked, [cohort, day, known]).fetchall() == [("a",)]

    assert [is_in(date(2025, 10, 1), night) for night in (ONE, TWO, THREE)] == [True, False, False]
    assert [is_in(date(2025, 6, 1), night) for night in (ONE, TWO, THREE)] == [True, True, False]
    assert [is_in(date(2025, 8, 1), night) for night in (ONE, TWO, FOUR)] == [True, True, True]
    assert not is_in(entered - timedelta(days=1), ONE)
    assert not is_in(entered, ONE - timedelta(days=1))
    assert is_in(entered, ONE, None)
    assert not is_in(entered, ONE, "another")


def waiting(con: duckdb.DuckDBPyConnection, file: int, night: date, reasons: list[str]) -> None:
    con.execute(
        "INSERT INTO store.quarantine (quarantine_id, source, file_id, reasons, first_seen_on, "
        "state) VALUES (?, 'clinic', ?, ?, ?, 'waiting')",
        [f"q{file}", file, reasons, night],
    )


def landed(con: duckdb.DuckDBPyConnection, file: int, night: date, **rows: int) -> None:
    """A file and one result of it, observed ten days before."""
    places = ["in", "accepted", "quarantined", "duplicate", "superseded"]
    con.execute(
        "INSERT INTO store.source_file (source, file_id, known_at, rows_in, rows_accepted, "
        "rows_quarantined, rows_duplicate, rows_superseded) VALUES ('clinic', ?, ?, ?, ?, ?, ?, ?)",
        [file, night, *(rows.get(place, 0) for place in places)],
    )
    con.execute(
        "INSERT INTO store.observation (source, file_id, known_at, observed_on) "
        "VALUES ('clinic', ?, ?, ?)",
        [file, night, night - timedelta(days=10)],
    )


def test_counts_of_every_night_are_kept_and_their_trend_is_shown(
    kept: duckdb.DuckDBPyConnection,
) -> None:
    landed(kept, 1, ONE, **{"in": 10, "accepted": 9, "quarantined": 1})
    waiting(kept, 1, ONE, ["unit_is_known:furlong", "code_is_known"])
    record(kept, ONE)
    record(kept, TWO)
    landed(kept, 2, THREE, **{"in": 4, "accepted": 4})
    waiting(kept, 2, THREE, ["code_is_known"])
    record(kept, THREE)

    assert kept.execute(
        "SELECT night, source, files, rows_in, rows_quarantined, last_known_on, newest_on "
        "FROM source_night ORDER BY night"
    ).fetchall()[::2] == [
        (ONE, "clinic", 1, 10, 1, ONE, ONE - timedelta(days=10)),
        (THREE, "clinic", 1, 4, 0, THREE, THREE - timedelta(days=10)),
    ]
    assert kept.execute(
        "SELECT night, reason, waiting, oldest_waiting_days FROM waiting_night "
        "WHERE night <> ? ORDER BY ALL",
        [TWO],
    ).fetchall() == [
        (ONE, "code_is_known", 1, 0),
        (ONE, "unit_is_known", 1, 0),
        (THREE, "code_is_known", 2, 2),
        (THREE, "unit_is_known", 1, 2),
    ]
    trend = "SELECT night, files, rows_in, oldest_waiting_days FROM quality_trend ORDER BY night"
    assert kept.execute(trend).fetchall() == [(ONE, 1, 10, 0), (TWO, 0, 0, 1), (THREE, 1, 4, 2)]


def test_the_newest_day_of_a_source_is_the_same_night_by_night_and_at_once(
    kept: duckdb.DuckDBPyConnection,
) -> None:
    newest = "SELECT max(newest_on) FROM source_night WHERE night = ?"
    for file, night in ((1, THREE), (2, ONE), (3, FOUR)):
        landed(kept, file, night)
    record(kept, FOUR)
    at_once = kept.execute(newest, [FOUR]).fetchall()
    kept.execute("DELETE FROM store.source_night")
    for night in (ONE, THREE, FOUR):
        record(kept, night)
    assert kept.execute(newest, [FOUR]).fetchall() == at_once == [(FOUR - timedelta(days=10),)]


def test_the_record_is_no_part_of_the_digest(kept: duckdb.DuckDBPyConnection) -> None:
    before = digest(kept)
    shows(kept, ONE, {"a": ("climbing", "A")})
    keep_published(kept, [("r", "2026-03-01", "2026-03-01 05:00:00", "f", "d")])
    assert digest(kept) == before
    row = "SELECT 'a' AS patient_id, 'b' AS survivor_id"
    replace(kept, TABLES["patient_alias"], "true", row)
    assert digest(kept) != before


def test_a_record_is_taken_over_whole_and_from_an_older_shape_as_far_as_it_goes(
    kept: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    shows(kept, ONE, {"a": ("climbing", "A")}, {"a": (ONE, None)})
    kept.execute("INSERT INTO store.validation_result (run_id, passed) VALUES ('r', true)")
    whole, older = tmp_path / "whole.duckdb", tmp_path / "older.duckdb"
    for path in (whole, older):
        kept.execute(f"ATTACH '{path}' AS old")
        kept.execute("CREATE SCHEMA old.store")
        for name in TAKEN_OVER:
            kept.execute(f"CREATE TABLE old.store.{name} AS FROM store.{name}")
        if path == older:
            kept.execute("DROP TABLE old.store.cohort_version")
            kept.execute("ALTER TABLE old.store.status_version DROP COLUMN rule_version")
            kept.execute("ALTER TABLE old.store.status_version ADD COLUMN gone VARCHAR")
        kept.execute("DETACH old")
    before = {name: kept.execute(f"FROM store.{name}").fetchall() for name in TAKEN_OVER}

    for path, is_whole in ((whole, True), (older, False)):
        for name in TAKEN_OVER:
            kept.execute(f"DELETE FROM store.{name}")
        assert take_over(kept, path) == (3 if is_whole else 2)
        after = {name: kept.execute(f"FROM store.{name}").fetchall() for name in TAKEN_OVER}
        assert (after == before) is is_whole
        assert said(kept, ONE) == {"a": ("climbing", "A")}
