"""Publish: whole or not at all, and never under a reader's feet."""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import pytest

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import DERIVED
from warehouse.publish import (
    LINK,
    USE_FIRST,
    NotWholeError,
    arguments,
    begin_build,
    create_macros,
    create_views,
    current,
    logs_beside,
    macro_names,
    night_of,
    prune,
    publish,
    verify,
    versions,
    view_names,
)
from warehouse.store import connect, create, digest, replace

CONTRACT = {
    "patient": "patient_id birth_date sex",
    "observation": "patient_id analyte observed_at value unit comparator fasting lab assay status "
    "source result_id known_at",
    "observation_history": "known_at superseded_at reason",
    "fasting_pair": "patient_id drawn_on insulin_uiu_ml glucose_mg_dl lab assay used reason",
    "trend": "patient_id as_of n_pairs first_on last_on insulin_level_uiu_ml "
    "insulin_slope_pct_year insulin_slope_low insulin_slope_high glucose_level_mg_dl "
    "glucose_slope_mg_dl_year glucose_slope_low glucose_slope_high p_insulin_climbing "
    "p_glucose_fine p_climbing_unseen",
    "patient_status": "patient_id as_of status reason tier evidence",
    "cohort": "cohort patient_id entered_on left_on definition_version",
    "cohort_attrition": "cohort step reason n_before n_excluded n_after",
    "index_value": "patient_id index observed_on value unit reason",
    "tissue_profile": "patient_id tissue signal value percentile trend evidence_grade claim "
    "missing",
    "cgm_day": "patient_id local_date",
    "wearable_day": "patient_id local_date",
    "quarantine": "quarantine_id source file line table_name reasons row first_seen_on state",
    "alert": "alert_id patient_id rule opened_on state",
    "run": "run_id night started_at finished_at state code_version",
    "source_file": "source file sha256 known_at state rows_in rows_accepted rows_quarantined "
    "rows_duplicate rows_superseded",
    "validation_result": "run_id table_name expectation severity rows_checked rows_failed passed",
    "dictionary": "table_name column_name type unit description",
}
"""View -> its columns in design.md section 4, in that order."""


def built(folder: Path, number: int = 0) -> tuple[Path, str]:
    """A closed build that holds ``number``, and its digest."""
    scratch = folder / f"scratch-{number}"
    scratch.mkdir(parents=True)
    build = folder / ".build.duckdb"
    begin_build(None, build)
    con = connect(build, scratch)
    create(con)
    row = "SELECT 'p' AS patient_id, NULL AS month, NULL AS low, NULL AS high, NULL AS n"
    replace(con, DERIVED["weight_month"], "true", f"{row}, {number} AS kg_per_month")
    create_views(con)
    create_macros(con, str(number))
    found = digest(con)
    con.execute("DETACH staging")
    con.execute("CHECKPOINT")
    con.close()
    return build, found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    folder = tmp_path_factory.mktemp("publish")
    build, _ = built(folder)
    published = publish(folder, build, "one")
    return duckdb.connect(str(published), read_only=True)


def columns(con: duckdb.DuckDBPyConnection, view: str) -> list[str]:
    return [row[0] for row in con.execute(f'DESCRIBE main."{view}"').fetchall()]


def answers(con: duckdb.DuckDBPyConnection, macro: str) -> list[str]:
    """The columns of a macro's answer."""
    (header,) = con.execute(
        "SELECT comment FROM duckdb_functions() WHERE function_name = ?", [macro]
    ).fetchall()
    nothing = ", ".join(["NULL"] * len(arguments(header[0])))
    return [row[0] for row in con.execute(f"DESCRIBE FROM {macro}({nothing})").fetchall()]


@pytest.mark.parametrize("view", CONTRACT)
def test_a_view_has_the_columns_of_the_contract_in_order(
    shown: duckdb.DuckDBPyConnection, view: str
) -> None:
    promised = CONTRACT[view].split()
    found = columns(shown, view)
    assert [name for name in found if name in promised] == promised
    if view not in ("observation_history", "wearable_day", "cgm_day"):
        assert found[: len(promised)] == promised


def test_the_contracts_views_are_there_and_answer(shown: duckdb.DuckDBPyConnection) -> None:
    assert set(CONTRACT) <= set(view_names())
    for view in view_names():
        assert shown.execute(f'SELECT count(*) FROM main."{view}"').fetchone() is not None


def test_every_view_and_column_has_a_comment_and_an_example(
    shown: duckdb.DuckDBPyConnection,
) -> None:
    views = shown.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal"
    ).fetchall()
    assert {name for name, _ in views} == set(view_names())
    headers = [*views, *macros(shown)]
    assert all(comment and "Example: SELECT" in comment for _, comment in headers)
    assert {name for name, comment in headers if "Key: " not in comment} == set()
    bare = shown.execute(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE schema_name IN ('main', 'store') AND NOT internal "
        "AND table_name <> 'digest' AND column_name <> 'is_here' "
        "AND coalesce(comment, '') = ''"
    ).fetchall()
    assert bare == []


def macros(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Every macro with its comment."""
    found = con.execute(
        "SELECT function_name, comment FROM duckdb_functions() WHERE schema_name = 'main' "
        "AND NOT internal ORDER BY ALL"
    ).fetchall()
    assert [name for name, _ in found] == list(macro_names())
    return found


def test_the_examples_in_the_comments_run(shown: duckdb.DuckDBPyConnection) -> None:
    views = "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main'"
    for name, comment in [*shown.execute(f"{views} AND NOT internal").fetchall(), *macros(shown)]:
        example = re.search(r"Example: (SELECT.*;)", comment)
        assert example, name
        shown.execute(example[1])


def test_the_dictionary_covers_every_column_with_its_unit_and_meaning(
    shown: duckdb.DuckDBPyConnection,
) -> None:
    found = shown.execute("SELECT table_name, column_name, unit, description FROM dictionary")
    rows = found.fetchall()
    promised = [(view, column) for view in view_names() for column in columns(shown, view)]
    promised += [(name, column) for name in macro_names() for column in answers(shown, name)]
    assert sorted((table, column) for table, column, *_ in rows) == sorted(promised)
    for _, column, unit, description in rows:
        assert (unit, description) == (FIELDS[column].unit, FIELDS[column].description)


def test_a_published_file_is_read_only_and_the_link_is_to_it(tmp_path: Path) -> None:
    build, _ = built(tmp_path)
    assert current(tmp_path) is None
    target = publish(tmp_path, build, "one")
    assert current(tmp_path) == target
    assert target.stat().st_mode & 0o777 == 0o444
    assert (tmp_path / LINK).readlink() == Path("undertow-one.duckdb")
    assert not build.exists()


def test_a_reader_keeps_the_old_file_and_a_new_reader_gets_the_new_one(tmp_path: Path) -> None:
    publish(tmp_path, built(tmp_path, 1)[0], "one")
    reader = duckdb.connect(str(tmp_path / LINK), read_only=True)
    publish(tmp_path, built(tmp_path, 2)[0], "two")
    prune(tmp_path, 1)
    assert reader.execute("SELECT kg_per_month FROM weight_month").fetchall() == [(1,)]
    with duckdb.connect(str(tmp_path / LINK), read_only=True) as fresh:
        assert fresh.execute("SELECT kg_per_month FROM weight_month").fetchall() == [(2,)]
    reader.close()


def test_a_build_that_was_not_closed_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    old = publish(tmp_path, built(tmp_path, 1)[0], "one")
    build, _ = built(tmp_path, 2)
    log = Path(f"{build}.wal")
    log.write_bytes(b"left over")
    with pytest.raises(NotWholeError, match="write-ahead log"):
        publish(tmp_path, build, "two")
    assert current(tmp_path) == old
    log.unlink()
    assert publish(tmp_path, build, "two") == current(tmp_path)


def test_logs_of_writers_are_seen_beside_the_file_and_the_link_and_gone_after_a_swap(
    tmp_path: Path,
) -> None:
    old = publish(tmp_path, built(tmp_path, 1)[0], "one")
    assert logs_beside(old) == []
    for name in (old.name, LINK):
        (tmp_path / f"{name}.wal").touch()
    assert [log.name for log in logs_beside(old)] == [f"{old.name}.wal", f"{LINK}.wal"]

    new = publish(tmp_path, built(tmp_path, 2)[0], "two")

    assert logs_beside(old) == logs_beside(new) == list(tmp_path.glob("*.wal")) == []
    assert versions(tmp_path) == [new, old]
    (tmp_path / f"{LINK}.wal").touch()
    assert (len(logs_beside(new)), len(logs_beside(old))) == (1, 0)


def test_a_run_published_says_its_night() -> None:
    assert night_of(Path("undertow-2026-03-01-0a1b2c3d.duckdb")) == "2026-03-01"


def test_macros_made_for_a_later_run_answer_and_those_of_the_earlier_are_gone(
    tmp_path: Path,
) -> None:
    build, _ = built(tmp_path, 1)
    with duckdb.connect(str(build)) as con:
        create_macros(con, "later")
        create_macros(con, "later")
        views = con.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'store'")
        assert views.fetchall() == [(USE_FIRST.format(run_id="later"),)]
        assert con.execute("FROM status_as_of(DATE '2026-03-01')").fetchall() == []
        twice = "SELECT table_name, column_name FROM dictionary GROUP BY ALL HAVING count(*) > 1"
        assert con.execute(twice).fetchall() == []


def test_verify_tells_the_rows_of_a_whole_build_and_refuses_another_digest(
    tmp_path: Path,
) -> None:
    build, found = built(tmp_path)
    with duckdb.connect(str(build)) as con:
        kept = con.execute("SELECT table_name, n FROM store.digest WHERE n > 0").fetchall()
    assert verify(build, found) == dict(kept)
    assert dict(kept)["weight_month"] == 1
    with pytest.raises(NotWholeError, match="digest"):
        verify(build, "0" * 32)


def test_verify_refuses_a_build_with_a_view_that_cannot_answer(tmp_path: Path) -> None:
    build, found = built(tmp_path)
    with duckdb.connect(str(build)) as con:
        con.execute("ALTER TABLE store.cohort RENAME TO elsewhere")
    with pytest.raises(NotWholeError, match="view"):
        verify(build, found)


def test_prune_keeps_the_newest_and_the_one_that_is_published(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        path = tmp_path / f"undertow-{name}.duckdb"
        path.touch()
        os.utime(path, ns=(age, age))
    (tmp_path / LINK).symlink_to("undertow-a.duckdb")
    assert prune(tmp_path, 2) == 1
    assert sorted(path.name[9] for path in tmp_path.glob("undertow-*.duckdb")) == ["a", "c", "d"]


def test_prune_of_none_keeps_all_and_of_one_does_not(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"undertow-{name}.duckdb").touch()
    assert prune(tmp_path, 0) == 0
    assert prune(tmp_path, 5) == 0
    assert prune(tmp_path, 1) == 1


def test_a_build_begins_with_the_published_rows_or_with_none(tmp_path: Path) -> None:
    old = publish(tmp_path, built(tmp_path, 7)[0], "one")
    build = tmp_path / ".build.duckdb"
    Path(f"{build}.wal").write_bytes(b"of a killed night")
    begin_build(old, build)
    assert not Path(f"{build}.wal").exists()
    with duckdb.connect(str(build)) as con:
        assert con.execute("SELECT kg_per_month FROM store.weight_month").fetchall() == [(7,)]
        con.execute("DELETE FROM store.weight_month")
    assert old.stat().st_mode & 0o777 == 0o444
    begin_build(None, build)
    with duckdb.connect(str(build)) as con:
        assert con.execute("SELECT * FROM store.weight_month").fetchall() == []
        assert con.execute("SELECT count(*) FROM patient_status").fetchall() == [(0,)]
