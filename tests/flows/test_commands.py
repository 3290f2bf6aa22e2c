"""The command line: answers, exit codes, and what machines and pipes see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from flows.home import locked
from tests.flows.scene import FLAT, MARKED, NIGHT, Scene, labs, result, series, undertow

UNDERTOW = str(Path(sys.executable).with_name("undertow"))
LOOKS = (
    ("explain", "ANN"),
    ("quarantine", "list"),
    ("quarantine", "list", "--all"),
    ("quarantine", "show", "code_is_known"),
    ("alerts", "list"),
    ("doctor",),
    ("verify",),
)


def spawned(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [UNDERTOW, *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_help_leaves_nothing_behind(tmp_path: Path) -> None:
    said = spawned("--help", cwd=tmp_path)

    assert (said.returncode, said.stdout.startswith("Usage: undertow")) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_help_loads_none_of_the_heavy_libraries() -> None:
    script = (
        "import sys; sys.argv = ['undertow', '--help']\n"
        "from flows.cli import main; main()\n"
        "heavy = {'duckdb', 'polars', 'prefect', 'great_expectations', 'numpy', 'pandas'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_every_command_and_group_has_its_help() -> None:
    from flows.cli import cli

    for name, command in cli.commands.items():
        assert command.help, name
        assert undertow(name, "--help").out.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [("rum",), ("run", "--as-of", "yesterday"), ("run", "--as-of", "2026-02-30"), ("explain",)],
)
def test_a_usage_mistake_is_code_two_and_says_what(arguments: tuple[str, ...]) -> None:
    said = undertow(*arguments)

    assert (said.code, said.out) == (2, "")
    assert "Error: " in said.err


@pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
def test_json_is_one_json_document_and_nothing_else(
    after: Scene, arguments: tuple[str, ...]
) -> None:
    said = after.run(*arguments, "--json")

    assert said.code == 0
    assert said.json
    assert said.err == ""


@pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
def test_a_pipe_sees_no_colour_and_no_progress(after: Scene, arguments: tuple[str, ...]) -> None:
    said = after.run(*arguments)

    assert said.code == 0
    assert said.out
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.out + said.err


def test_a_run_answers_in_json_and_in_words(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))

    found = scene.run("run", "--as-of", str(NIGHT), "--json")
    assert (found.code, found.err) == (0, "")
    assert found.json["state"] == "done"
    assert found.json["steps"]["read"]["staged"] == 12

    said = scene.run("run", "--as-of", str(NIGHT))
    assert said.out.startswith("Night of 2026-03-01: done in ")
    assert "nothing changed" in said.out
    replayed = scene.run("replay", str(NIGHT), "--json")
    assert replayed.json["same"] is True
    assert "\x1b" not in said.out + found.out


def test_the_first_night_of_a_home_says_so_and_the_next_does_not(tmp_path: Path) -> None:
    """A path mistyped in a schedule makes a home in which every night is fine."""
    home = tmp_path / "tpyo"
    run = ("run", "--home", str(home), "--as-of", str(NIGHT))
    assert undertow(*run).out.startswith(f"This is the first night of a new home: {home}\nNight of")
    assert undertow(*run).out.startswith("Night of")


def test_explain_shows_draws_rule_numbers_and_what_would_change_it(after: Scene) -> None:
    text = after.run("explain", "ANN").out
    found = after.run("explain", "ANN", "--json").json

    assert found["status"] in MARKED
    assert len(found["draws"]) == 6
    place = re.compile(r"clinic_csv/labs-1\.csv \([0-9a-f]{8}\) line ")
    assert all(place.match(draw["lines"]) for draw in found["draws"])
    assert found["what_would_change_it"]
    for part in (found["rule_version"], "2021-01-10", "90 % interval", "not a diagnosis"):
        assert part in text


def test_explain_says_why_somebody_is_not_evaluated(after: Scene) -> None:
    said = after.run("explain", "NEW")

    assert said.code == 0
    assert "unresolved" in said.out
    assert "3 usable fasting pairs" in said.out


def test_an_unknown_patient_or_alert_is_code_one(after: Scene) -> None:
    for arguments in (("explain", "NOBODY"), ("alerts", "show", "00000000")):
        said = after.run(*arguments)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("undertow: no ")


def test_before_the_first_night_there_is_nothing_to_look_at(scene: Scene) -> None:
    for arguments in (("explain", "ANN"), ("quarantine", "list"), ("model",), ("questions", "1")):
        said = scene.run(*arguments)
        assert said.code == 1
        assert "undertow run" in said.err
    assert scene.run("alerts", "list").out == "No alert is open.\n"


def test_quarantine_list_counts_and_says_what_to_do(after: Scene) -> None:
    rows = {
        row["reason"].split(":")[0]: row for row in after.run("quarantine", "list", "--json").json
    }

    assert rows.keys() == {"code_is_known", "kind_unknown"}
    assert rows["code_is_known"]["rows"] == 1
    assert all(row["what_to_do"] for row in rows.values())
    assert "Map it in undertow.toml" in after.run("quarantine", "list").out


def test_quarantine_list_says_when_nothing_waits(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))
    scene.night()

    assert scene.run("quarantine", "list").out == "Nothing waits in quarantine.\n"
    assert scene.run("quarantine", "list", "--json").json == []


def test_quarantine_show_finds_a_row_by_id_file_or_reason_with_its_text(after: Scene) -> None:
    (row,) = after.run("quarantine", "show", "code_is_known", "--json").json

    assert row["row"] == result("FLO", date(2026, 1, 20), "LOCAL-INS", 5.2, number="own-1")
    assert (row["file"], row["line"]) == ("labs-3.csv", 2)
    for which in (row["quarantine_id"], row["file"]):
        assert after.run("quarantine", "show", which, "--json").json == [row]
    assert "labs-3.csv line 2: code_is_known" in after.run("quarantine", "show", "labs-3.csv").out
    assert after.run("quarantine", "show", "nothing").out == "No such row waits.\n"


def test_quarantine_show_is_no_way_into_the_database(after: Scene) -> None:
    said = after.run("quarantine", "show", "' OR true --")

    assert (said.code, said.out) == (0, "No such row waits.\n")


def test_alerts_are_listed_by_number_and_shown_with_their_patient(after: Scene) -> None:
    (row,) = after.run("alerts", "list", "--json").json

    assert "ANN" not in after.run("alerts", "list").out
    assert row["alert_id"] in after.run("alerts", "list").out
    assert after.run("alerts", "show", row["alert_id"], "--json").json["patient_id"] == "ANN"
    assert after.run("alerts", "show", row["alert_id"]).out.startswith("ANN: ")


def test_no_alert_is_said_to_be_none(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(*series("FLO", FLAT)))
    scene.night()

    assert scene.run("alerts", "list").out == "No alert is open.\n"


def test_a_look_needs_neither_the_lock_nor_leaves_a_trace(after: Scene) -> None:
    before = sorted(str(path) for path in after.home.root.rglob("*"))

    with locked(after.home):
        for arguments in LOOKS:
            assert after.run(*arguments).code == 0

    assert sorted(str(path) for path in after.home.root.rglob("*")) == before


def test_a_held_lock_is_code_75_before_anything_is_done(scene: Scene) -> None:
    run = ("run", "--home", str(scene.home.root), "--as-of", str(NIGHT))

    with locked(scene.home):
        assert spawned(*run).returncode == 75
    assert scene.ledger("SELECT * FROM run") == []
    assert spawned(*run).returncode == 0
    assert len(scene.ledger("SELECT * FROM run")) == 1


def test_of_five_runs_at_once_one_runs_and_four_are_told(scene: Scene) -> None:
    scene.set("[inbox]\nsettle_seconds = 3\n")
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))
    command = [UNDERTOW, "run", "--home", str(scene.home.root), "--as-of", str(NIGHT)]

    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    answers = [(process.communicate(), process.returncode) for process in started]

    assert sorted(code for _, code in answers) == [0, 75, 75, 75, 75]
    for (out, err), code in answers:
        assert (code == 0) == bool(out)
        assert code == 0 or "another run holds the lock" in err
    assert [run["state"] for run in scene.ledger("SELECT state FROM run")] == ["done"]
    assert scene.statuses()["ANN"] in MARKED


def test_the_home_may_be_named_by_the_environment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTOW_HOME", str(scene.home.root))

    assert undertow("doctor", "--json").code == 0
    monkeypatch.setenv("UNDERTOW_HOME", os.devnull)
    assert undertow("doctor", "--json").code == 1


def test_an_unforeseen_error_is_told_by_its_class_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("row of CANARY-77")

    monkeypatch.setattr("flows.steps.merge_staged", failing)
    said = scene.run("run", "--as-of", str(NIGHT))

    assert said.code == 1
    assert said.err.startswith("undertow: ValueError; set UNDERTOW_DEBUG=1")
    assert "CANARY-77" not in said.out + said.err

    monkeypatch.setenv("UNDERTOW_DEBUG", "1")
    with pytest.raises(ValueError, match="CANARY-77"):
        scene.run("run", "--as-of", str(NIGHT))
