"""The ledger: what came once is known once, and what was begun is ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

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
            ledger.owe(MAIL, ["alert"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert ledger.files(date(2026, 3, 1)) == []
    assert ledger.owed() == []
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
    assert ledger.owe(MAIL, ["a1", "a2"])
    assert not ledger.owe(MAIL | {"message": b"other"}, ["a1", "a2"])
    assert [row["message"] for row in ledger.owed()] == [b"..."]
    assert len(ledger.rows("SELECT * FROM notice")) == 2
    assert ledger.owe(MAIL | {"message_id": "<2@undertow>"})


@pytest.mark.parametrize(
    ("state", "is_owed"),
    [("sent", False), ("refused", False), ("unknown", True), ("pending", True)],
)
def test_what_has_not_surely_arrived_is_still_owed(
    ledger: Ledger, state: str, is_owed: bool
) -> None:
    ledger.owe(MAIL)
    ledger.settle(MAIL["message_id"], state, NOW, "why")
    assert bool(ledger.owed()) is is_owed
    row = ledger.rows("SELECT attempts, sent_at FROM outbox")[0]
    assert (row["attempts"], row["sent_at"] is not None) == (1, state == "sent")


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
