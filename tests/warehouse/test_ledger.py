"""The ledger: what came once is known once, and what was begun is ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from transforms.telling import book
from warehouse import outbox
from warehouse.alerts import events, standing
from warehouse.ledger import Ledger

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
FILE = {
    "source": "clinic",
    "name": "labs.csv",
    "patient_id": None,
    "sha256": "ab",
    "size": 3,
    "known_on": "2026-03-01",
}
MAIL = {
    "message_id": "<1@undertow>",
    "recipient": "care@example.org",
    "kind": "digest",
    "night": "2026-03-01",
    "message": b"...",
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def test_the_same_bytes_twice_are_one_file(ledger: Ledger) -> None:
    assert ledger.add_file(FILE)
    assert not ledger.add_file(FILE | {"name": "copy.csv", "known_on": "2026-03-02"})
    assert [row["name"] for row in ledger.files(date(2026, 3, 9))] == ["labs.csv"]


@pytest.mark.parametrize(
    "other", [{"sha256": "cd"}, {"source": "elsewhere"}, {"patient_id": "p2"}], ids=str
)
def test_other_bytes_or_another_source_or_person_are_another_file(
    ledger: Ledger, other: dict[str, str]
) -> None:
    ledger.add_file(FILE)
    assert ledger.add_file(FILE | other)


def test_a_night_knows_the_files_that_came_by_then_in_the_order_of_landing(ledger: Ledger) -> None:
    for sha, day in (("b", "2026-03-01"), ("a", "2026-03-02"), ("c", "2026-03-03")):
        ledger.add_file(FILE | {"sha256": sha, "known_on": day})
    assert [row["sha256"] for row in ledger.files(date(2026, 3, 2))] == ["b", "a"]


def test_a_file_is_seen_until_its_size_or_time_changes(ledger: Ledger) -> None:
    assert not ledger.is_seen("a/x", 1, 2)
    ledger.see("a/x", 1, 2)
    assert ledger.is_seen("a/x", 1, 2)
    assert not ledger.is_seen("a/x", 2, 2)
    assert not ledger.is_seen("a/x", 1, 3)


def test_a_transaction_that_fails_leaves_nothing_and_one_that_ends_leaves_all(
    ledger: Ledger,
) -> None:
    def fail() -> None:
        with ledger.transaction():
            ledger.add_file(FILE)
            ledger.owe(MAIL)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert ledger.files(date(2026, 3, 1)) == []
    assert outbox.owed(ledger) == []
    with ledger.transaction():
        ledger.add_file(FILE)
    assert len(ledger.files(date(2026, 3, 1))) == 1


def test_a_run_left_running_is_closed_as_failed_when_the_next_begins(ledger: Ledger) -> None:
    ledger.begin("r1", date(2026, 3, 1), NOW, "v")
    ledger.begin("r2", date(2026, 3, 1), NOW, "v")
    rows = ledger.rows("SELECT run_id, state, problem FROM run")
    runs = {row["run_id"]: (row["state"], row["problem"]) for row in rows}
    assert runs == {"r1": ("failed", "ended without a word"), "r2": ("running", None)}


def test_a_run_that_ended_stays_as_it_ended(ledger: Ledger) -> None:
    ledger.begin("r1", date(2026, 3, 1), NOW, "v1")
    ledger.finish("r1", NOW, "done", digest="d", warehouse="undertow-r1.duckdb")
    ledger.begin("r2", date(2026, 3, 2), NOW, "v2")
    assert ledger.rows("SELECT state, digest FROM run WHERE run_id = 'r1'")[0][:] == ("done", "d")
    assert ledger.made_by("undertow-r1.duckdb") == "v1"
    assert ledger.made_by("undertow-r2.duckdb") is None


def test_a_published_file_is_known_by_its_bytes_and_by_what_the_disk_says(
    ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "undertow-r1.duckdb"
    file.write_bytes(b"night")
    assert ledger.published(file.name) is None
    assert not ledger.is_stamped(file.name, file.stat())
    ledger.note_published(file.name, "abc", file.stat())
    assert ledger.published(file.name) == "abc"
    assert ledger.is_stamped(file.name, file.stat())
    assert not ledger.is_stamped("undertow-r2.duckdb", file.stat())

    file.write_bytes(b"NIGHT!")
    assert not ledger.is_stamped(file.name, file.stat())
    ledger.stamp(file.name, file.stat())
    assert ledger.is_stamped(file.name, file.stat())
    assert ledger.published(file.name) == "abc"


def test_the_last_night_is_the_last_that_was_completed(ledger: Ledger) -> None:
    assert ledger.last_night() is None
    for run, day, state in (("a", 1, "done"), ("b", 2, "done"), ("c", 3, "failed")):
        ledger.begin(run, date(2026, 3, day), NOW, "v")
        ledger.finish(run, NOW, state)
    assert ledger.last_night() == date(2026, 3, 2)


def test_a_message_is_owed_once_however_often_it_is_put(ledger: Ledger) -> None:
    assert ledger.owe(MAIL)
    assert not ledger.owe(MAIL | {"message": b"other"})
    assert [row["message"] for row in outbox.owed(ledger)] == [b"..."]
    assert ledger.owe(MAIL | {"message_id": "<2@undertow>"})


def test_the_ledgers_key_is_made_once_and_is_its_own(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.secret() == ledger.secret()
    other = Ledger(tmp_path / "other.sqlite")
    assert other.secret() != ledger.secret()
    other.close()


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.sqlite")
    first.add_file(FILE)
    first.close()
    again = Ledger(tmp_path / "ledger.sqlite")
    assert len(again.files(date(2026, 3, 1))) == 1
    assert again.rows("PRAGMA synchronous")[0][0] == 2
    assert again.rows("PRAGMA journal_mode")[0][0] == "wal"
    again.close()


def test_a_night_knows_the_models_in_force_by_then_oldest_first(ledger: Ledger) -> None:
    assert ledger.models(date(2026, 3, 9)) == []
    ledger.keep_model("b", date(2026, 3, 8), "second")
    ledger.keep_model("a", date(2026, 3, 1), "first")

    assert ledger.models(date(2026, 2, 28)) == []
    assert ledger.models(date(2026, 3, 1)) == ledger.models(date(2026, 3, 7)) == ["first"]
    assert ledger.models(date(2026, 3, 8)) == ["first", "second"]


@pytest.mark.parametrize("version", ["a", "another"])
def test_the_first_model_of_a_night_stays(ledger: Ledger, version: str) -> None:
    ledger.keep_model("a", date(2026, 3, 1), "first")
    ledger.keep_model(version, date(2026, 3, 1), "other")
    assert ledger.models(date(2026, 3, 9)) == ["first"]

    ledger.keep_model(f"{version} later", date(2026, 3, 2), "other")
    assert ledger.models(date(2026, 3, 9)) == ["first", "other"]


def test_a_model_that_was_kept_is_there_after_the_ledger_was_closed(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.keep_model("a", date(2026, 3, 1), "content with ' and \n and \u00fc")
    ledger.close()
    again = Ledger(tmp_path / "ledger.sqlite")

    assert again.models(date(2026, 3, 1)) == ["content with ' and \n and \u00fc"]
    again.close()


def test_a_runs_tables_are_kept_to_the_last_bit_and_replaced_by_the_same_run(
    ledger: Ledger,
) -> None:
    tables = {"patient": (3, 2**100 + 1), "trend": (2, 7)}
    ledger.keep_tables("r1", {"gone": (1, 1)})
    ledger.keep_tables("r1", tables)
    ledger.keep_tables("r2", {"patient": (4, 8)})

    assert ledger.tables("r1") == tables
    assert ledger.tables("r2") == {"patient": (4, 8)}
    assert ledger.tables("r3") == {}


def test_alerts_of_a_ledger_made_before_are_brought_over_with_who_was_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as con:
        con.executescript(BEFORE)
    opened = Ledger(path)
    again = Ledger(path)
    found = {alert.alert_id: alert for alert in standing(again)}
    assert {n: (a.rule, a.state, a.was_told) for n, a in found.items()} == {
        "A1": ("climbing_unseen", "new", True),
        "A2": ("climbing_unseen", "resolved", False),
    }
    assert book(events(again)).alerts == found
    opened.close()
    again.close()


BEFORE = """
CREATE TABLE alert (
    alert_id TEXT PRIMARY KEY, patient_id TEXT NOT NULL, rule TEXT NOT NULL, tier TEXT,
    episode TEXT NOT NULL, opened_on TEXT NOT NULL, state TEXT NOT NULL,
    UNIQUE (patient_id, rule, episode)) STRICT;
CREATE TABLE notice (
    alert_id TEXT NOT NULL, recipient TEXT NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (alert_id, recipient)) STRICT;
INSERT INTO alert VALUES ('A1', 'p', 'climbing_unseen', 'B', '2026-01-01', '2026-03-01', 'new'),
    ('A2', 'q', 'climbing_repeat', 'C', '2026-01-01', '2026-03-01', 'ended');
INSERT INTO notice VALUES ('A1', 'nurse@x', '<1@x>');
"""


def test_a_ledger_made_before_gets_its_new_columns_and_keeps_its_rows(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "ledger.sqlite")
    old.executescript(
        "CREATE TABLE outbox (message_id TEXT PRIMARY KEY, recipient TEXT NOT NULL, "
        "kind TEXT NOT NULL, night TEXT NOT NULL, message BLOB NOT NULL, state TEXT NOT NULL, "
        "attempts INTEGER NOT NULL DEFAULT 0, problem TEXT, sent_at TEXT) STRICT;"
        "INSERT INTO outbox VALUES ('<1@u>', 'a@b', 'digest', '2026-03-01', x'00', 'pending', 1, "
        "'SMTP 451', NULL);"
    )
    old.close()
    for _ in range(2):
        opened = Ledger(tmp_path / "ledger.sqlite")
        (row,) = outbox.owed(opened)
        assert (row["problem"], row["faults"], row["next_try_at"]) == ("SMTP 451", 0, None)
        opened.close()
