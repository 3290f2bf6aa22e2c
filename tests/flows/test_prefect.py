"""The night under a real Prefect server: it runs, and Prefect's database learns nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest

from flows.serve import prefect_api
from tests.flows import scene as scenes
from tests.flows.scene import MARKED, Scene
from tests.flows.test_privacy import CANARIES, NAME, PATIENT, drop_canaries

pytestmark = pytest.mark.slow

SECRET = "hunter2-canary-password"
NIGHTS = """
import os, sys
from datetime import UTC, date, datetime
from pathlib import Path
from polars.exceptions import PanicException
from flows import nightly as under_prefect
from flows.home import Home
from flows.night import Step
from flows.running import run_night
from flows.settings import load
from flows.steps import STEPS

home, canary = Home(Path(sys.argv[1])), " ".join(sys.argv[2:])


def run(day):
    clock = lambda: datetime.now(UTC)
    done = run_night(home, load(home.settings), clock, os.environ, day)
    print("ran", done["night"], done["state"])


def failing(error):
    def step(night):
        said = f"a value of {canary}"
        raise error(said)

    return (*STEPS[:4], Step("transform", step), *STEPS[5:])


run(date(2026, 3, 1))
for error in (ValueError, OSError, PanicException):
    under_prefect.STEPS = failing(error)
    try:
        run(date(2026, 3, 2))
    except BaseException as caught:
        print("failed", type(caught).__name__)
under_prefect.STEPS = STEPS
run(date(2026, 3, 2))
"""


@pytest.fixture(scope="module")
def under(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, str, str]:
    """A home after nights under Prefect, some failed; what they printed; the server's address."""
    made = scenes.scene(tmp_path_factory.mktemp("under") / "home")
    drop_canaries(made)
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with prefect_api(made.home, environ) as api:
        given = environ | {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(made.home.root / "prefect"),
            "UNDERTOW_MAIL__PASSWORD": SECRET,
        }
        done = subprocess.run(
            [sys.executable, "-c", NIGHTS, str(made.home.root), PATIENT, NAME],
            env=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return made, done.stdout + done.stderr, api


def test_nights_under_prefect_are_done_by_the_ledger(under: tuple[Scene, str, str]) -> None:
    scene, printed, _ = under
    runs = scene.ledger("SELECT night, state, problem FROM run ORDER BY started_at")

    assert [(run["night"], run["state"]) for run in runs] == [
        ("2026-03-01", "done"),
        *[("2026-03-02", "failed")] * 3,
        ("2026-03-02", "done"),
    ]
    assert [run["problem"] for run in runs][1:4] == ["StepFailedError"] * 3
    assert [line for line in printed.splitlines() if line.startswith(("ran ", "failed "))] == [
        "ran 2026-03-01 done",
        *["failed StepFailedError"] * 3,
        "ran 2026-03-02 done",
    ]
    assert scene.statuses()[PATIENT] in MARKED
    assert len(scene.mails("digest")) == 1


def test_a_night_under_prefect_has_the_digest_of_one_without(
    under: tuple[Scene, str, str], tmp_path: Path
) -> None:
    scene, _, _ = under
    plain = scenes.scene(tmp_path / "plain")
    drop_canaries(plain)
    plain.night()
    first = scene.ledger("SELECT digest FROM run WHERE state = 'done' ORDER BY started_at")[0]

    assert first["digest"] == plain.digest()


def test_prefect_knows_the_steps_and_no_canary(under: tuple[Scene, str, str]) -> None:
    scene, _, _ = under
    kept = {path: path.read_bytes() for path in files(scene.home.root / "prefect")}
    database = b"".join(content for path, content in kept.items() if "prefect.db" in path.name)

    assert b"nightly" in database
    assert b"StepFailedError" in database
    for canary in (*CANARIES, SECRET.encode()):
        assert [str(path) for path, content in kept.items() if canary in content] == []


def test_no_canary_was_printed_under_prefect(under: tuple[Scene, str, str]) -> None:
    _, printed, _ = under

    for canary in (*CANARIES, SECRET.encode()):
        assert canary.decode() not in printed


def test_the_server_is_gone_when_it_is_no_longer_needed(under: tuple[Scene, str, str]) -> None:
    _, _, api = under
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlparse(api).port or 0)) != 0


def test_an_api_that_is_configured_is_used_and_none_is_started(scene: Scene) -> None:
    environ = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}

    with prefect_api(scene.home, environ) as api:
        assert api == environ["PREFECT_API_URL"]
    assert not (scene.home.root / "prefect").exists()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
