"""The users' file, its passwords, and the record of who looked at what."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli import cli
from flows.settings import SettingsError
from flows.worklist import doors, users
from flows.worklist.access import AccessError, AccessLog, ChainError, verified
from flows.worklist.sessions import Brake
from tests.flows.scene import Scene
from tests.flows.worklist.visiting import HASH, PASSWORD

NOBODY = doors.nobody
NURSE = users.User(password=HASH, role="care_team", panels=("north", 'so"uth'), mail="n@x.example")


def test_what_was_added_is_read_again_and_only_we_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    old = os.umask(0)
    try:
        assert users.add(path, "nurse", NURSE)
        assert users.add(path, "a.b@c-d", NURSE)
        assert not users.add(path, "nurse", NURSE)
    finally:
        os.umask(old)

    assert users.read(path) == {"nurse": NURSE, "a.b@c-d": NURSE}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["users.toml"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "users.toml"
    users.add(path, "nurse", NURSE)
    path.chmod(mode)

    with pytest.raises(SettingsError, match="chmod 600"):
        users.read(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[nurse", "not TOML"),
        ('[nurse]\nrole = "x"\npanels = []\n', "nurse: password is wrong or missing"),
        (f'[nurse]\nrole = "x"\npassword = "{HASH}"\n', "nurse: panels is wrong or missing"),
        ('[nurse]\nrole = "x"\npanels = []\npassword = "Canarina"\n', "password is no hash"),
        (f'[nurse]\nrole="x"\npanels=[]\npassword="{HASH}"\nadmin=true\n', "nurse: admin is wrong"),
        ('nurse = "Canarina"\n', "nurse: table is wrong"),
        ('["<b>"]\nrole = "x"\n', "a name is letters"),
    ],
)
def test_a_user_that_is_not_whole_is_named_and_no_value_repeated(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "users.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)

    with pytest.raises(SettingsError) as refused:
        users.read(path)
    assert why in str(refused.value)
    assert "Canarina" not in str(refused.value)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="add-user"):
        users.read(tmp_path / "users.toml")


def test_a_password_is_kept_as_a_salted_hash_that_states_its_cost() -> None:
    kept = users.hashed("päßword", b"salt", (4, 8, 1))

    assert kept.startswith("scrypt$n=4,r=8,p=1$")
    assert kept != users.hashed("päßword", b"tlas", (4, 8, 1))
    assert users.is_right("pa\u0308ßword", kept), "however the letters are composed"
    for wrong in ("", "passwort", "päßword "):
        assert not users.is_right(wrong, kept)
    assert not users.is_right("x", "plain")


def test_an_unknown_name_costs_a_try_as_much_as_a_known_one() -> None:
    kept = NOBODY()

    assert kept.split("$")[1] == "n={},r={},p={}".format(*users.COST)


def test_the_command_asks_for_the_password_and_writes_the_file(scene: Scene) -> None:
    scene.set('[worklist]\nusers_file = "users.toml"\n')
    home = ["--home", str(scene.home.root)]

    def add(*more: str, given: str = f"{PASSWORD}\n{PASSWORD}\n") -> int:
        return (
            CliRunner().invoke(cli, ["worklist", "add-user", *more, *home], input=given).exit_code
        )

    assert add("nurse", "--panel", "north", "--mail", "n@x.example") == 0
    path = scene.home.root / "users.toml"
    kept = tomllib.loads(path.read_text(encoding="utf-8"))["nurse"]
    assert (kept["role"], kept["panels"], kept["mail"]) == ("care_team", ["north"], "n@x.example")
    assert kept["password"].startswith("scrypt$n=32768,r=8,p=3$")
    assert users.is_right(PASSWORD, kept["password"])
    assert PASSWORD not in path.read_text(encoding="utf-8")

    before = path.read_bytes()
    for said in (
        add("nurse"),
        add("nurse", "--all-panels", "--panel", "x"),
        add("nurse", "--all-panels", given="short\nshort\n"),
        add("nurse", "--all-panels", given=f"{PASSWORD}\nanother\n"),
        add("a b", "--all-panels"),
        add("nurse", "--panel", "a\nb"),
    ):
        assert said != 0
    assert path.read_bytes() == before


def test_without_a_named_file_the_command_says_what_to_set(scene: Scene) -> None:
    said = scene.run("worklist", "add-user", "nurse", "--all-panels")

    assert said.code == 2
    assert "worklist.users_file" in said.err


# the record


def noted(path: Path, *actions: str) -> AccessLog:
    log = AccessLog(path, lambda: datetime(2026, 3, 1, tzinfo=UTC))
    for action in actions:
        log.note("nurse é", action, "ABCD2345")
    return log


def test_a_record_holds_together_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    noted(path, "one", "two", "three")

    assert verified(path) == 3
    assert verified(tmp_path / "none.jsonl") == 0
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert first["action"] == "one"


@pytest.mark.parametrize("change", ["word", "gone", "moved", "added", "garbage"])
def test_a_changed_record_says_from_which_line(tmp_path: Path, change: str) -> None:
    path = tmp_path / "access.jsonl"
    noted(path, "one", "two", "three")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = {
        "word": [lines[0], lines[1].replace("two", "2"), lines[2]],
        "gone": [lines[0], lines[2]],
        "moved": [lines[0], lines[2], lines[1]],
        "added": [lines[0], lines[0], *lines[1:]],
        "garbage": [lines[0], "[]\n", *lines[1:]],
    }[change]
    path.write_text("".join(changed), encoding="utf-8")

    with pytest.raises(ChainError, match="line 2"):
        verified(path)


def test_verify_looks_at_the_record(scene: Scene) -> None:
    def checked() -> dict[str, str]:
        return {one["name"]: one["state"] for one in scene.run("verify", "--json").json}

    assert "who looked" not in checked()
    noted(scene.home.access, "one", "two")
    assert checked()["who looked"] == "good"
    kept = scene.home.access.read_text(encoding="utf-8")
    scene.home.access.write_text(kept.replace("one", "1"), encoding="utf-8")
    assert checked()["who looked"] == "bad"


def test_a_line_that_a_crash_tore_is_cut_off_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    noted(path, "one", "two")
    with path.open("ab") as stream:
        stream.write(b'{"at": "2026-')
    assert verified(path) == 2

    noted(path, "three")
    assert verified(path) == 3


def test_many_write_one_record(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: noted(path, str(n)), range(40)))

    assert verified(path) == 40


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AccessError):
        noted(tmp_path, "one")


def test_the_brake_forgets_after_success_and_never_holds_more_names_than_its_bound() -> None:
    now = [0.0]
    brake = Brake(lambda: now[0])
    for _ in range(4):
        assert brake.wait("a") == 0
    brake.succeeded("a")
    for _ in range(5):
        assert brake.wait("a") == 0
    assert brake.wait("a") == 30
    now[0] = 30
    assert brake.wait("a") == 0
    assert brake.wait("a") == 60, "longer each time"
    for n in range(6000):
        now[0] += 2
        brake.wait(f"name {n}")
    assert len(brake._tries) <= Brake.MOST_NAMES
