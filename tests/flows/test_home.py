from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from flows.home import Home, LockedError, NoHomeError, locate, locked, make, require, working_space
from flows.settings import Settings, load, template
from tests.flows.scene import Scene, undertow


def test_the_home_is_the_named_one_else_the_environments_else_var(tmp_path: Path) -> None:
    environ = {"UNDERTOW_HOME": str(tmp_path / "b")}

    assert locate(str(tmp_path / "a"), environ).root == tmp_path / "a"
    assert locate(None, environ).root == tmp_path / "b"
    assert locate(None, {}).root == Path.cwd() / "var"


def test_init_makes_a_home_that_only_its_owner_can_look_into(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    assert make(home)

    for folder in (home.root, home.inbox, home.landed, home.warehouse, home.mail, home.report):
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0, folder
    assert home.settings.stat().st_mode & 0o077 == 0


def test_init_again_changes_nothing_of_what_was_there(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    make(home)
    home.settings.write_text('[site]\nname = "Ours"\n')
    (home.inbox / "clinic_csv").mkdir()

    assert not make(home)

    assert load(home.settings).site.name == "Ours"
    assert (home.inbox / "clinic_csv").is_dir()


def test_the_template_is_all_comments_and_means_the_defaults(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    make(home)

    assert home.settings.read_text() == template()
    assert load(home.settings) == Settings()


def test_what_the_template_comments_out_is_allowed_when_uncommented(tmp_path: Path) -> None:
    file = tmp_path / "undertow.toml"
    plain = [line.removeprefix("# ") for line in template().splitlines()]
    text = "\n".join(line for line in plain if is_setting(line))
    key = tmp_path / "pseudonym.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    file.write_text(text.replace("/etc/undertow/pseudonym.key", str(key)), encoding="utf-8")

    settings = load(file)

    assert settings.site.name == "Metabolic clinic"
    assert settings.sources["city_lab"].codes == {"INS-F": "27873-9"}
    assert settings.mail.care_team == ("nurse@clinic.example",)
    assert settings.limits.memory == "6GB"


def is_setting(line: str) -> bool:
    """A line of TOML; what describes a table source needs columns and stands in docs/table.md."""
    words = ("[sources.my_export", 'reader = "table"', "delimiter", "shape")
    return (line.startswith("[") or " = " in line) and not line.startswith(words)


def test_init_says_whether_the_home_is_new(tmp_path: Path) -> None:
    where = ("--home", str(tmp_path / "home"), "--json")

    assert undertow("init", *where).json["new"] is True
    assert undertow("init", *where).json["new"] is False


def test_a_home_that_was_not_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoHomeError, match="undertow init"):
        require(Home(tmp_path / "none"))

    said = undertow("replay", "2026-03-01", "--home", str(tmp_path / "none"))
    assert (said.code, said.out) == (2, "")
    assert "undertow init" in said.err


def test_the_lock_is_held_by_one_and_free_afterwards(scene: Scene) -> None:
    with locked(scene.home), pytest.raises(LockedError), locked(scene.home):
        pass

    with locked(scene.home):
        pass


def test_a_killed_holder_frees_the_lock(scene: Scene) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    holder = context.Process(target=hold, args=(scene.home, theirs))
    holder.start()
    assert ours.recv() == "held"
    with pytest.raises(LockedError), locked(scene.home):
        pass

    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()

    with locked(scene.home):
        pass


def hold(home: Home, pipe: object) -> None:
    """Hold the lock until killed."""
    with locked(home):
        pipe.send("held")  # type: ignore[attr-defined]
        signal.pause()


def test_the_working_space_is_private_empty_and_gone_afterwards(scene: Scene) -> None:
    scene.home.scratch.mkdir()
    (scene.home.scratch / "left by a killed night").touch()

    with working_space(scene.home) as scratch:
        assert list(scratch.iterdir()) == []
        assert scratch.stat().st_mode & 0o077 == 0
        (scratch / "spilled").touch()

    assert not scene.home.scratch.exists()
