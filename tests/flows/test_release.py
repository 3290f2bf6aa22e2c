"""A release leaves a file without few people and a line in a private log, in that order."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from flows.home import Home, make
from flows.reading import NothingPublishedError
from flows.release import (
    DamagedLogError,
    NothingToTellError,
    Released,
    UnknownTableError,
    as_list,
    as_text,
    log_path,
    release,
    tables,
)
from transforms.catalog.releases import RELEASES, ReleaseTable
from warehouse.publish import LINK, create_views
from warehouse.store import connect, create

NIGHT = date(2026, 3, 1)
WOMEN = {"climbing": 12, "high_stable": 9, "not_flagged": 60, "unresolved": 30, "excluded": 3}


@pytest.fixture(scope="module", autouse=True)
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file without a person, made once."""
    folder = tmp_path_factory.getbasetemp() / "release-nobody"
    folder.mkdir()
    con = connect(folder / LINK, folder)
    create(con)
    con.execute("INSERT INTO store.tonight (as_of) VALUES (?)", [NIGHT])
    create_views(con)
    con.close()
    return folder / LINK


@pytest.fixture
def home(tmp_path: Path, nobody: Path) -> Home:
    """A home with a published night of women of 50 years."""
    made = Home(tmp_path / "home")
    make(made)
    shutil.copyfile(nobody, made.warehouse / LINK)
    publish(made, **WOMEN)
    return made


def publish(home: Home, **counts: int) -> None:
    """Fill the published file with that many women of every status."""
    with duckdb.connect(str(home.warehouse / LINK)) as con:
        con.execute("DELETE FROM store.person")
        con.execute("DELETE FROM store.patient_status")
        for status, size in counts.items():
            con.execute(
                "INSERT INTO store.person (patient_id, birth_date, sex) "
                "SELECT $1 || range, DATE '1976-01-05', 'female' FROM range($2)",
                [status, size],
            )
            con.execute(
                "INSERT INTO store.patient_status (patient_id, as_of, status) "
                "SELECT $1 || range, $3, $1 FROM range($2)",
                [status, size, NIGHT],
            )


def clock() -> datetime:
    return datetime(2026, 3, 1, 7, tzinfo=UTC)


def leave(home: Home) -> Released:
    return release(home, "status", home.root / "out", clock, "ann")


def told(done: Released) -> dict[str, str]:
    """Status -> what the file says of women of 40 to 59."""
    rows = pl.read_csv(done.file, infer_schema=False).filter(
        pl.col("sex") == "female", pl.col("age_band") == "40-59"
    )
    return dict(zip(rows["status"], rows["patients"], strict=True))


def lines(home: Home) -> list[dict[str, object]]:
    return [json.loads(line) for line in log_path(home).read_text(encoding="utf-8").splitlines()]


def test_a_release_is_a_file_of_rounded_counts(home: Home) -> None:
    done = leave(home)

    assert Path(done.file).name == "status-2026-03-01.csv"
    assert told(done) == {
        "climbing": "10",
        "high_stable": "[redacted]",  # 9, the smallest, beside four cells with 3 people in all
        "high_and_climbing": "[redacted]",
        "decompensating": "[redacted]",
        "not_flagged": "60",
        "unresolved": "30",
        "excluded": "[redacted]",
        "all": "[redacted]",
    }


def test_the_log_holds_the_exact_counts_for_the_owner_alone(home: Home) -> None:
    done = leave(home)
    (entry,) = lines(home)

    assert {12, 9, 60, 3} <= {cell["patients"] for cell in entry["cells"]}  # type: ignore[attr-defined]
    assert (entry["by"], entry["night"]) == ("ann", "2026-03-01")
    assert log_path(home).stat().st_mode & 0o777 == 0o600
    assert log_path(home).parent.stat().st_mode & 0o777 == 0o700
    assert "12" not in Path(done.file).read_text(encoding="utf-8")


def test_one_person_more_is_refused_and_the_cell_named_without_its_count(home: Home) -> None:
    leave(home)
    publish(home, **{**WOMEN, "climbing": 13})  # 10 then, would read 15
    done = leave(home)

    cell = {"sex": "female", "age_band": "40-59", "status": "climbing"}
    assert done.differences == (cell,)
    assert told(done)["climbing"] == "[redacted]"
    assert "female, 40-59, climbing" in as_text(done)
    assert "13" not in as_text(done).replace(str(home.root), "")


def test_eight_people_more_are_told(home: Home) -> None:
    leave(home)
    publish(home, **{**WOMEN, "climbing": 20})
    done = leave(home)

    assert done.differences == ()
    assert told(done)["climbing"] == "20"
    assert "Refused" not in as_text(done)


def test_without_the_log_one_person_more_is_told(home: Home) -> None:
    leave(home)
    log_path(home).unlink()
    publish(home, **{**WOMEN, "climbing": 13})

    assert told(leave(home))["climbing"] == "15"


def test_the_same_night_again_is_the_same_file(home: Home) -> None:
    first = Path(leave(home).file).read_bytes()

    assert Path(leave(home).file).read_bytes() == first
    assert len({str(entry["sha256"]) for entry in lines(home)}) == 1


def test_a_table_that_is_not_listed_is_not_released(home: Home) -> None:
    with pytest.raises(UnknownTableError, match="there are status, cohort"):
        release(home, "observation", home.root / "out", clock)

    assert not log_path(home).exists()


def test_nothing_is_written_where_everything_would_be_redacted(home: Home) -> None:
    publish(home, climbing=7)

    with pytest.raises(NothingToTellError):
        leave(home)

    assert not (home.root / "out").exists()
    assert lines(home) == []


def test_before_the_first_night_there_is_nothing_to_release(tmp_path: Path) -> None:
    empty = Home(tmp_path / "new")
    make(empty)

    with pytest.raises(NothingPublishedError):
        leave(empty)


def test_a_changed_log_is_not_trusted(home: Home) -> None:
    leave(home)
    leave(home)
    path = log_path(home)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"patients": 12', '"patients": 99', 1), encoding="utf-8")

    with pytest.raises(DamagedLogError, match="changed"):
        leave(home)


def test_a_line_that_is_no_line_is_not_trusted(home: Home) -> None:
    leave(home)
    with log_path(home).open("a", encoding="utf-8") as stream:
        stream.write("nonsense\n")

    with pytest.raises(DamagedLogError, match="damaged"):
        leave(home)


def test_a_line_that_a_kill_cut_short_is_left_out(home: Home) -> None:
    leave(home)
    whole = log_path(home).read_bytes()
    log_path(home).write_bytes(whole + b'{"table": "sta')
    leave(home)

    assert log_path(home).read_bytes().startswith(whole)
    assert len(lines(home)) == 2


def test_a_file_that_cannot_be_written_is_in_the_log_all_the_same(home: Home) -> None:
    (home.root / "out").write_text("a file, no folder", encoding="utf-8")

    with pytest.raises(OSError, match="out"):
        leave(home)

    assert len(lines(home)) == 1


def test_a_log_that_cannot_grow_lets_no_file_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(home)
    before, write = log_path(home).read_bytes(), os.write
    Path(home.root / "out" / "status-2026-03-01.csv").unlink()
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:9]))

    with pytest.raises(OSError, match="grow"):
        leave(home)

    assert log_path(home).read_bytes() == before
    assert list((home.root / "out").iterdir()) == []


def test_a_log_that_is_a_link_is_not_followed(home: Home) -> None:
    log_path(home).parent.mkdir()
    log_path(home).symlink_to(home.root / "elsewhere")

    with pytest.raises(OSError, match=r"log\.jsonl"):
        leave(home)

    assert not (home.root / "elsewhere").exists()


@pytest.mark.parametrize("record", RELEASES, ids=lambda each: each.name)
def test_every_record_asks_the_views_for_its_own_columns_and_no_more(
    home: Home, record: ReleaseTable
) -> None:
    with duckdb.connect(str(home.warehouse / LINK), read_only=True) as con:
        names = con.execute(record.sql).pl().columns

    assert set(names) == {"patient_id", *record.levels, *record.means}


def test_the_list_names_every_table_with_its_columns() -> None:
    assert [row["name"] for row in tables()] == [record.name for record in RELEASES]
    assert tables()[0]["columns"] == ["sex", "age_band", "status", "patients"]
    assert all(record.description in as_list(tables()) for record in RELEASES)
