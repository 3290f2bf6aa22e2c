"""A replay says what differs: parts of the version, tables, rows, statuses; and nobody by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows import replay
from flows.differing import Comparer, Past
from flows.replay import as_verdict, replayed
from flows.version import Version, changed, version
from tests.flows.scene import NIGHT, QUICK, Scene, now
from tests.flows.test_models import copied
from transforms.approvals import Approval
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(first_night: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One night, to be copied and changed."""
    return first_night.copied(tmp_path_factory.mktemp("replayed") / "home")


def again(scene: Scene) -> dict[str, Any]:
    return replayed(scene.home, scene.settings(), NIGHT, now)


def lose(scene: Scene, name: str) -> None:
    """A landed file is gone, so that the night comes out otherwise."""
    file = scene.ledger(f"SELECT sha256 FROM file WHERE name = '{name}'")[0]["sha256"]
    (scene.home.landed / file[:2] / file).unlink()


def test_the_same_night_differs_in_nothing(home: Scene) -> None:
    found = again(home)

    assert (found["same"], found["changed"]) == (True, [])
    assert (found["tables"], found["statuses"]) == ([], [])
    assert as_verdict(found).startswith(f"The night of {NIGHT} is the same again: digest ")
    assert found["mails"] == {
        "composed": 2, "same": 2, "other": [], "only_then": [], "only_now": []
    }  # fmt: skip
    assert "its 2 mails are the same, byte for byte" in as_verdict(found)


def test_mails_are_those_of_the_night_whatever_was_answered_or_set_since(
    home: Scene, tmp_path: Path
) -> None:
    scene = copied(home, tmp_path / "home")
    (row,) = scene.run("alerts", "list", "--json").json
    scene.run("alerts", "ack", row["alert_id"], "--by", "nurse")
    scene.set('[mail]\ncare_team = ["other@clinic.example"]\n[site]\nname = "Elsewhere"\n')

    found = again(scene)["mails"]
    assert (found["composed"], found["same"]) == (2, 2)

    opened = Ledger(scene.home.ledger)
    opened.write(
        "UPDATE outbox SET message = CAST(message || x'0a' AS BLOB) WHERE kind = 'heartbeat'"
    )
    opened.close()
    found = again(scene)["mails"]
    assert (found["same"], found["other"]) == (1, ["heartbeat"])


def test_each_table_that_differs_is_named_with_its_rows_then_and_now(
    home: Scene, tmp_path: Path
) -> None:
    scene = copied(home, tmp_path / "home")
    lose(scene, "labs-1.csv")
    replayed_now = scene.run("replay", str(NIGHT), "--json")
    found = replayed_now.json
    said = as_verdict(found)
    tables = {row.pop("table"): row for row in found["tables"]}

    assert (replayed_now.code, found["same"]) == (1, False)
    assert "comes out differently" in said
    assert tables["observation"] == {
        "rows_then": 25, "rows_now": 1, "only_then": 24, "only_now": 0
    }  # fmt: skip
    assert tables["patient_status"]["only_then"] == 2, "of those whose status is another"
    assert "person" not in tables, "who is on record stays on record"
    assert "  observation: 25 rows then, 1 now; 24 only then, 0 only now" in said
    assert "nothing of its version changed" in said
    assert [row["patient_id"] for row in found["statuses"]] == ["ANN", "FLO"]
    assert "  1 patient: not flagged then, unresolved now" in said
    assert "ANN" not in said
    assert "FLO" not in said


def test_what_changed_is_said_and_rows_are_told_though_the_file_is_gone(
    home: Scene, tmp_path: Path
) -> None:
    scene = copied(home, tmp_path / "home")
    scene.set('[site]\ntime_zone = "Europe/Rome"\n')
    (scene.home.warehouse / scene.published()[0]).unlink()
    found = again(scene)
    said = as_verdict(found)

    assert (found["same"], found["changed"]) == (False, ["settings"])
    assert "changed: settings of sources or zone" in said
    assert {"table": "observation", "rows_then": 25, "rows_now": 25} in found["tables"]
    assert found["statuses"] is None


def test_what_was_not_kept_is_said_not_to_be_known(
    home: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = copied(home, tmp_path / "home")
    lose(scene, "labs-1.csv")
    ledger = Ledger(scene.home.ledger)
    ledger.write("DELETE FROM night_table")
    ledger.close()
    from_file = again(scene)["tables"]
    (scene.home.warehouse / scene.published()[0]).unlink()
    seen: list[int] = []

    def count(past: Past) -> int:
        found = past.night.db.execute("SELECT count(*) FROM store.person").fetchall()
        seen.append(found[0][0])
        return 7

    mine = Comparer("mine", count, lambda found: [f"  mine says {found}"])
    monkeypatch.setattr(replay, "COMPARERS", (*replay.COMPARERS, mine))
    found = again(scene)

    assert "observation" in {row["table"] for row in from_file}
    assert (found["tables"], found["statuses"]) == (None, None)
    assert "which tables differ is not known" in as_verdict(found)
    assert (seen, found["mine"]) == ([3], 7), "a comparer has the rebuilt night open"
    assert "  mine says 7" in as_verdict(found)


ONE = Version("1.0+0123456789", "aaaaaa", "bbbbbb")


@pytest.mark.parametrize(
    ("other", "parts"),
    [
        (ONE, []),
        (Version("1.1+0123456789", "aaaaaa", "bbbbbb"), ["code"]),
        (Version("1.0+9876543210", "aaaaaa", "bbbbbb"), ["code"]),
        (Version("1.0+0123456789", "cccccc", "bbbbbb"), ["engines"]),
        (Version("1.0+0123456789", "aaaaaa", "cccccc"), ["settings"]),
        (Version("1.0+0123456789", "aaaaaa", "bbbbbb", "cccccc"), ["approvals"]),
        (Version("1.1+0123456789", "aaaaaa", "bbbbbb", "cccccc"), ["code", "approvals"]),
    ],
)
def test_versions_differ_in_the_parts_that_are_others(other: Version, parts: list[str]) -> None:
    assert changed(str(ONE), str(other)) == parts
    assert changed(str(other), str(ONE)) == parts


def test_the_version_follows_what_decides_a_night(scene: Scene) -> None:
    first = version(scene.settings())
    scene.set(QUICK + '[mail]\ndetail = "full"\n')
    assert version(scene.settings()) == first

    scene.set(QUICK + '[sources.city]\nreader = "clinic_csv"\n')
    assert changed(str(first), str(version(scene.settings()))) == ["settings"]
    given = Approval("city", "insulin", "pmol/L", NIGHT + timedelta(days=1), number=1)
    approved = version(scene.settings(), [given])
    assert changed(str(version(scene.settings())), str(approved)) == ["approvals"]
