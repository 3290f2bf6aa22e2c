"""Nights that end by ``kill -9`` at a chosen place, in processes of their own.

A server process with everything imported is forked for each, so that a death costs a second.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from flows.home import Home
from flows.night import Counts, Night, Step
from flows.steps import STEPS
from tests.flows import scene as scenes
from tests.flows.scene import FLAT, INSULIN, NIGHT, Scene, labs, result, series

NEXT = NIGHT + timedelta(days=1)
PLACES = tuple(f"{edge} {step.name}" for step in STEPS for edge in ("before", "after"))
"""Where a night can be killed: at both edges of every step."""
INSIDE = (
    "inside warehouse.landed.keep",
    "inside warehouse.ledger.Ledger.add_file",
    "inside warehouse.ledger.Ledger.owe",
    "inside warehouse.ledger.Ledger.note_published",
    "inside warehouse.publish.prune",
    "inside warehouse.publish.sync_folder",
    "inside flows.eml.write_mail",
    "inside warehouse.outbox.settle",
    "inside warehouse.ledger.Ledger.finish",
    "inside warehouse.heartbeats.note",
    "inside flows.heartbeat.write",
)
"""And after the first call of a function that leaves something behind."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["tests.flows.scene", "flows.steps", "expectations.checkpoint", "expectations.base"]
)


@dataclass(frozen=True)
class Outcome:
    """What stands after a night: its digest, its alerts, its mails."""

    digest: str
    alerts: frozenset[str]
    mails: frozenset[str]
    statuses: tuple[tuple[str, str], ...]


def prepared(root: Path) -> Scene:
    """A home with one night behind it and files for the next, among them a new climber."""
    made = scenes.scene(root)
    made.people()
    made.night(NIGHT)
    made.drop(
        "clinic_csv/labs-8.csv",
        labs(*series("BEA"), *series("GUS", FLAT), result("NEW", date(2026, 2, 2), INSULIN, 7)),
    )
    made.drop("clinic_csv/broken.csv", "x\n")
    return made


def copied(scene: Scene, root: Path) -> Scene:
    """The same home elsewhere, untouched."""
    shutil.copytree(scene.home.root, root, symlinks=True)
    return Scene(Home(root))


def killed(scene: Scene, place: str) -> bool:
    """Run the next night in a process that kills itself at ``place``; False if it never came
    there."""
    process = _context.Process(target=doom, args=(scene.home.root, place))
    process.start()
    while process.exitcode is None:
        process.join(0.05)
        assert readable(scene), "somebody who reads meanwhile sees a whole file"
    assert process.exitcode in (0, -signal.SIGKILL), place
    return process.exitcode == -signal.SIGKILL


def doom(root: Path, place: str) -> None:
    """The killed process: a night with a hook."""
    kind, name = place.split(" ")
    if kind == "inside":
        strike_after(name)
    else:
        strike_at(kind, name)
    Scene(Home(root)).night(NEXT)


def strike_at(edge: str, name: str) -> None:
    """Die before or after the step ``name``."""
    from flows import night

    perform = night.perform

    def deadly(tonight: Night, step: Step) -> Counts:
        if (edge, name) == ("before", step.name):
            die()
        counts = perform(tonight, step)
        if (edge, name) == ("after", step.name):
            die()
        return counts

    night.perform = deadly


def strike_after(name: str) -> None:
    """Die when the function ``name`` has been called once."""
    import importlib

    owner, _, attribute = name.rpartition(".")
    module, _, kind = owner.rpartition(".")
    holders = [importlib.import_module(owner)] if kind != "Ledger" else []
    if kind == "Ledger":
        holders = [importlib.import_module(module).Ledger]
    function: Callable[..., object] = getattr(holders[0], attribute)

    def deadly(*given: object, **named: object) -> object:
        function(*given, **named)
        die()
        return None

    users = [importlib.import_module(f"flows.{user}") for user in ("landing", "steps", "outbox")]
    for holder in (*holders, *(user for user in users if hasattr(user, attribute))):
        setattr(holder, attribute, deadly)


def die() -> None:
    """As by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


def readable(scene: Scene) -> bool:
    """Whether the published file opens and is whole, for one who reads now."""
    link = str(scene.home.warehouse / "undertow.duckdb")
    with duckdb.connect(link, read_only=True) as con:
        night = con.execute("SELECT as_of FROM tonight").fetchone()
        people = con.execute("SELECT count(*) FROM patient_status").fetchone()
    return (night, people) in (((NIGHT,), (3,)), ((NEXT,), (5,)))


def outcome(scene: Scene) -> Outcome:
    """What stands now."""
    return Outcome(
        digest=scene.digest(),
        alerts=frozenset(row["alert_id"] for row in scene.ledger("SELECT alert_id FROM alert")),
        mails=frozenset(str(mail["Message-ID"]) for mail in scene.mails()),
        statuses=tuple(sorted(scene.statuses().items())),
    )
