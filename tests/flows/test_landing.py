from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from flows import landing
from flows.landing import Landed, land
from tests.flows.scene import NIGHT, Scene, labs, result
from warehouse import landed
from warehouse.landed import place, sha256
from warehouse.ledger import Ledger


@pytest.fixture
def ledger(scene: Scene) -> Iterator[Ledger]:
    opened = Ledger(scene.home.ledger)
    yield opened
    opened.close()


def look(scene: Scene, ledger: Ledger, night: date = NIGHT, settle: float = 0.0) -> Landed:
    return land(scene.home, ledger, night, settle)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_file_is_kept_under_its_hash_with_its_bytes(scene: Scene, ledger: Ledger) -> None:
    dropped = scene.drop("clinic_csv/labs.csv", b"\x00any bytes\xff\r\n")

    assert look(scene, ledger) == Landed(new=1)

    (row,) = ledger.files(NIGHT)
    kept = place(scene.home.landed, row["sha256"])
    assert kept.read_bytes() == dropped.read_bytes()
    assert row["sha256"] == sha256(dropped)
    assert (row["source"], row["name"], row["patient_id"]) == ("clinic_csv", "labs.csv", None)
    assert kept.stat().st_mode & 0o222 == 0


def test_the_inbox_is_never_changed(scene: Scene, ledger: Ledger) -> None:
    scene.drop("clinic_csv/labs.csv", "a")
    scene.drop("dexcom/P1/clarity.csv", "b")
    before = tree(scene.home.inbox)

    look(scene, ledger)
    look(scene, ledger)

    assert tree(scene.home.inbox) == before


def test_the_same_bytes_twice_are_one_file(scene: Scene, ledger: Ledger) -> None:
    scene.drop("clinic_csv/labs.csv", "same")
    scene.drop("clinic_csv/labs-copy.csv", "same")

    assert look(scene, ledger) == Landed(new=1, known=1)
    assert len(ledger.files(NIGHT)) == 1


def test_the_same_bytes_from_another_source_or_person_count_again(
    scene: Scene, ledger: Ledger
) -> None:
    for name in ("clinic_csv/x.csv", "fhir/x.csv", "dexcom/P1/x.csv", "dexcom/P2/x.csv"):
        scene.drop(name, "same")

    assert look(scene, ledger) == Landed(new=4)
    assert [row["patient_id"] for row in ledger.files(NIGHT)] == [None, "P1", "P2", None]
    assert len({row["sha256"] for row in ledger.files(NIGHT)}) == 1


def test_other_bytes_under_a_known_name_are_a_new_file(scene: Scene, ledger: Ledger) -> None:
    scene.drop("clinic_csv/labs.csv", "one")
    look(scene, ledger)
    scene.drop("clinic_csv/labs.csv", "two, longer")

    assert look(scene, ledger) == Landed(new=1)


def test_a_second_look_reads_no_file_again_unless_it_was_touched(
    scene: Scene, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [scene.drop(f"clinic_csv/labs-{i}.csv", str(i)) for i in range(3)]
    look(scene, ledger)
    hashed: list[Path] = []

    def counting(root: Path, source: Path) -> tuple[str, int]:
        hashed.append(source)
        return landed.keep(root, source)

    monkeypatch.setattr(landing, "keep", counting)

    assert look(scene, ledger) == Landed()
    assert hashed == []

    os.utime(paths[1])
    assert look(scene, ledger) == Landed(known=1)
    assert hashed == [paths[1]]


@pytest.mark.parametrize(
    "name", ["labs.csv.part", "labs.csv.filepart", "labs.CSV.TMP", "labs.csv~", ".labs.csv", ".x/a"]
)
def test_a_name_that_means_not_finished_or_hidden_is_left(
    scene: Scene, ledger: Ledger, name: str
) -> None:
    left = scene.drop(f"clinic_csv/{name}", "half")
    assert look(scene, ledger).new == 0

    left.rename(scene.home.inbox / "clinic_csv" / "labs.csv")
    assert look(scene, ledger).new == 1


def test_a_link_is_not_followed(scene: Scene, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.csv").write_text("secret")
    scene.drop("clinic_csv/labs.csv", "own")
    (scene.home.inbox / "clinic_csv" / "link.csv").symlink_to(tmp_path / "elsewhere/secret.csv")
    (scene.home.inbox / "fhir").symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    assert look(scene, ledger) == Landed(new=1)


def test_a_pipe_in_the_inbox_holds_nothing_up(scene: Scene, ledger: Ledger) -> None:
    (scene.home.inbox / "clinic_csv").mkdir()
    os.mkfifo(scene.home.inbox / "clinic_csv" / "labs.csv")

    assert look(scene, ledger) == Landed()


def test_a_file_that_grows_during_the_look_waits_for_the_next_night(
    scene: Scene, ledger: Ledger
) -> None:
    growing = scene.drop("clinic_csv/labs-growing.csv", "a\n")
    scene.drop("clinic_csv/labs-still.csv", "b\n")
    stop = threading.Event()

    def write() -> None:
        with growing.open("a") as out:
            while not stop.is_set():
                out.write("more\n")
                out.flush()
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert look(scene, ledger, settle=0.3) == Landed(new=1, growing=1)
    finally:
        stop.set()
        writer.join()

    assert look(scene, ledger, settle=0.1) == Landed(new=1)
    (file,) = (row for row in ledger.files(NIGHT) if "growing" in row["name"])
    assert place(scene.home.landed, file["sha256"]).read_bytes() == growing.read_bytes()


def test_a_file_that_changes_while_it_is_copied_waits_for_the_next_night(
    scene: Scene, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scene.drop("clinic_csv/labs.csv", "first")

    def slow(root: Path, source: Path) -> tuple[str, int]:
        kept = landed.keep(root, source)
        source.write_text("second, longer")
        return kept

    monkeypatch.setattr(landing, "keep", slow)
    assert look(scene, ledger) == Landed(growing=1)
    assert ledger.files(NIGHT) == []

    monkeypatch.undo()
    assert look(scene, ledger) == Landed(new=1)
    assert ledger.files(NIGHT)[0]["sha256"] == sha256(path)


def test_a_file_that_lay_still_long_enough_costs_no_waiting_and_a_young_one_does(
    scene: Scene, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(landing.time, "sleep", waits.append)
    old = scene.drop("clinic_csv/labs.csv", "a")
    os.utime(old, (0, 0))

    assert look(scene, ledger, settle=5.0) == Landed(new=1)
    assert waits == []

    scene.drop("clinic_csv/labs-2.csv", "b")
    assert look(scene, ledger, settle=5.0) == Landed(new=1)
    assert [0 < wait <= 5 for wait in waits] == [True]


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_file_that_cannot_be_read_is_left_and_the_others_land(
    scene: Scene, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    scene.drop("clinic_csv/a.csv", "a")
    scene.drop("clinic_csv/b.csv", "b")

    def failing(root: Path, source: Path) -> tuple[str, int]:
        if source.name == "a.csv":
            raise error(2, "canary", str(source))
        return landed.keep(root, source)

    monkeypatch.setattr(landing, "keep", failing)
    assert look(scene, ledger) == Landed(new=1, unreadable=1)

    monkeypatch.undo()
    assert look(scene, ledger) == Landed(new=1)


def test_a_name_that_is_no_utf8_lands_like_any_other(scene: Scene, ledger: Ledger) -> None:
    folder = os.fsencode(scene.home.inbox / "clinic_csv")
    Path(os.fsdecode(folder)).mkdir()
    with open(folder + b"/labs-citt\xe0.csv", "wb") as out:  # noqa: PTH123 bytes
        out.write(b"x")
    scene.drop("clinic_csv/labs-b.csv", "b")

    assert look(scene, ledger) == Landed(new=2)
    assert look(scene, ledger) == Landed()


def test_a_damaged_landed_copy_is_told_and_the_others_are_read(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(result("P1", date(2026, 1, 5), "20448-7", 5)))
    scene.drop("clinic_csv/labs-2.csv", labs(result("P2", date(2026, 1, 5), "20448-7", 5)))
    opened = Ledger(scene.home.ledger)
    look(scene, opened)
    damaged = opened.files(NIGHT)[0]
    opened.close()
    flip(place(scene.home.landed, damaged["sha256"]))

    scene.night()

    assert scene.waiting() == {damaged["name"]: ["damaged"]}
    assert scene.rows("SELECT DISTINCT patient_id FROM observation") == [("P2",)]


def test_dropping_a_damaged_file_again_mends_it(scene: Scene) -> None:
    content = labs(result("P1", date(2026, 1, 5), "20448-7", 5))
    scene.drop("clinic_csv/labs-1.csv", content)
    opened = Ledger(scene.home.ledger)
    look(scene, opened)
    flip(place(scene.home.landed, opened.files(NIGHT)[0]["sha256"]))
    opened.close()
    scene.night()
    assert scene.statuses() == {}

    scene.drop("clinic_csv/labs-1-again.csv", content)
    scene.night()
    scene.night(rebuild=True)

    assert scene.waiting() == {}
    assert list(scene.statuses()) == ["P1"]


def flip(path: Path) -> None:
    """One byte of a read-only file, changed."""
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_file_in_no_source_folder_is_counted_and_one_in_a_folder_is_not(
    scene: Scene, ledger: Ledger
) -> None:
    scene.drop("stray.csv", "a,b\n1,2\n")
    scene.drop("clinic_csv/labs-1.csv", "a,b\n1,2\n")

    assert look(scene, ledger) == Landed(new=1, misplaced=1)
    (scene.home.inbox / "stray.csv").unlink()
    assert look(scene, ledger) == Landed()
