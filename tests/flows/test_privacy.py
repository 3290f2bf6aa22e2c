"""Canaries: what nothing but the warehouse, the ledger, landed files and the inbox may hold."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.flows import scene as scenes
from tests.flows.scene import CLIMBING, NIGHT, Scene, decoded, labs, result, series

PATIENT, NAME, VALUE = "ZZCANARY77", "Canarina Testperson", "17.377"
CANARIES = tuple(text.encode() for text in (PATIENT, NAME, VALUE, "Canarina"))
KEPT = ("inbox", "landed", "warehouse", "ledger.sqlite")
"""Where patients' data belong: folders and files that only the owner may read."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, str]]:
    """A home after a night with canaries in good rows, bad rows and a broken file; and all that
    was printed or logged meanwhile."""
    made = scenes.scene(tmp_path_factory.mktemp("told") / "home")
    drop_canaries(made)
    out, log = io.StringIO(), io.StringIO()
    listening = logging.StreamHandler(log)
    logging.getLogger().addHandler(listening)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            said = made.run("run", "--as-of", str(NIGHT))
            again = made.run("run", "--as-of", str(NIGHT), "--json")
    finally:
        logging.getLogger().removeHandler(listening)
    assert said.code == again.code == 0
    parts = (said.out, said.err, again.out, again.err, out.getvalue(), log.getvalue())
    yield made, "\n".join(parts)


def drop_canaries(scene: Scene) -> None:
    """Canaries in rows that are accepted, quarantined and unreadable."""
    scene.drop("clinic_csv/labs-1.csv", labs(*series(PATIENT, (*CLIMBING[:5], float(VALUE)))))
    on = NIGHT.replace(month=1)
    scene.drop(
        "clinic_csv/labs-2.csv",
        labs(result(PATIENT, on, "NO-CODE", VALUE), f"{PATIENT},{NAME},cut off here"),
    )
    scene.drop("clinic_csv/other.csv", f"{PATIENT},{NAME}\n")
    scene.drop("fhir/patient.ndjson", f'{{"resourceType": "Patient", "name": "{NAME}\n')
    scene.drop(
        "clinic_csv/medications-1.csv",
        f"patient_id,name,class,start_date,end_date\n{PATIENT},{NAME},,2020-01-02,\n",
    )


def holding(root: Path) -> dict[str, list[str]]:
    """Files below ``root`` -> the canaries in their bytes or their names."""
    found: dict[str, list[str]] = {}
    for path in root.rglob("*"):
        content = path.name.encode() + (path.read_bytes() if path.is_file() else b"")
        hits = [canary.decode() for canary in CANARIES if canary in content]
        if hits:
            found[str(path.relative_to(root))] = hits
    return found


def test_the_canaries_are_where_patients_data_belong(told: tuple[Scene, str]) -> None:
    scene, _ = told
    places = {name.split("/")[0] for name in holding(scene.home.root)}

    assert {"inbox", "landed", "warehouse"} <= places
    assert scene.rows("SELECT count(*) FROM patient WHERE patient_id = ?", PATIENT) == [(1,)]
    assert scene.ledger("SELECT patient_id FROM alert") == [{"patient_id": PATIENT}]


def test_no_canary_is_anywhere_else_in_the_home(told: tuple[Scene, str]) -> None:
    scene, _ = told
    found = holding(scene.home.root)
    places = {name.split("/")[0] for name in found if not name.startswith("report/care/")}

    assert any(name.startswith("report/care/") for name in found), "the care team's copy names"
    assert places <= {*KEPT, "ledger.sqlite-wal"}


def test_no_canary_is_printed_or_logged(told: tuple[Scene, str]) -> None:
    _, printed = told

    assert "Night of 2026-03-01: done" in printed
    for canary in CANARIES:
        assert canary.decode() not in printed


def test_no_canary_is_in_a_mail_or_on_the_page(told: tuple[Scene, str]) -> None:
    scene, _ = told
    text = "\n".join([scene.page(), *map(decoded, scene.mails())])

    assert len(scene.mails("digest")) == 1
    for canary in (*(canary.decode() for canary in CANARIES), "17.4"):
        assert canary not in text


def test_the_ledgers_counts_are_numbers(told: tuple[Scene, str]) -> None:
    scene, _ = told
    steps = scene.ledger("SELECT name, counts FROM step")

    assert steps
    for canary in CANARIES:
        assert canary.decode() not in str(steps)


def test_what_is_only_counted_shows_no_canary_and_what_shows_rows_does(
    told: tuple[Scene, str],
) -> None:
    scene, _ = told
    for arguments in (("quarantine", "list"), ("alerts", "list"), ("doctor",), ("verify",)):
        said = scene.run(*arguments)
        assert PATIENT not in said.out + said.err, arguments
        assert NAME not in said.out + said.err, arguments

    assert NAME in scene.run("quarantine", "show", "labs-2.csv").out
    assert PATIENT in scene.run("explain", PATIENT).out


def test_nobody_else_may_read_what_holds_patients_data(told: tuple[Scene, str]) -> None:
    scene, _ = told
    assert scene.home.root.stat().st_mode & 0o077 == 0
    for name in ("inbox", "landed", "warehouse", "mail", "report"):
        assert (scene.home.root / name).stat().st_mode & 0o077 == 0, name
    assert scene.home.ledger.stat().st_mode & 0o077 == 0


def test_nothing_is_left_in_the_working_space(told: tuple[Scene, str]) -> None:
    scene, _ = told

    assert not scene.home.scratch.exists()
