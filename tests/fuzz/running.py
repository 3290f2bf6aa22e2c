"""Runs: many changed files through a reader, in a process that may be ended by one of them.

A child notes which input it is at before it reads it. When an input ends the child (time, memory,
a crash of a library), the parent takes the note for the finding and starts another behind it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from tests.fuzz.holding import Case, bound_memory, bound_time, broken
from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import seeds
from transforms.readers import reader

ROOT = Path(__file__).parents[2]
ENDLESS = 1 << 62
"""Inputs of a run that time alone ends."""


@dataclass(frozen=True)
class Plan:
    """One run: its readers, the mutator's seed, how long (seconds and inputs for each reader), and
    the folder for what is found. ``first`` is where the first of the readers goes on."""

    readers: tuple[str, ...]
    seed: int
    seconds: float
    inputs: int
    folder: Path
    is_guided: bool = False
    first: int = 0

    def told(self) -> str:
        """The plan as an argument of a child."""
        return json.dumps(vars(self) | {"folder": str(self.folder)})


def plan(told: str) -> Plan:
    """The plan that :meth:`Plan.told` told."""
    given = json.loads(told)
    return Plan(**given | {"readers": tuple(given["readers"]), "folder": Path(given["folder"])})


@dataclass(frozen=True)
class Finding:
    """A reader, what does not hold, and the input: its file's name in the folder of the run, which
    seed's name and settings it has."""

    reader: str
    told: str
    file: str
    of_seed: int

    def case(self, folder: Path) -> Case:
        """The input again, as it was read."""
        return replace(seeds(self.reader)[self.of_seed], content=(folder / self.file).read_bytes())


def changed(name: str, seed: int, number: int) -> tuple[int, Case]:
    """Input ``number`` of reader ``name``: which of its seeds it comes from, and the input."""
    of = seeds(name)
    if number < len(of):
        return number, of[number]
    random = Random(f"{name} {seed} {number}")  # noqa: S311 the same changes every time are wanted
    own = random.randrange(len(of))
    others = [case.content for case in of]
    return own, replace(of[own], content=mutated(of[own].content, others, random))


def read_inputs(of: Plan) -> None:
    """The child's part of a plain run: read, judge, note; go on after what is merely wrong."""
    bound_memory()
    for name in of.readers:
        end = time.monotonic() + of.seconds
        number = of.first if name == of.readers[0] else 0
        while number < of.inputs and time.monotonic() < end:
            own, case = changed(name, of.seed, number)
            note(of.folder, name, own, case.content)
            (of.folder / "number").write_text(str(number))
            judge(of.folder, name, own, case)
            number += 1
        with (of.folder / "counts").open("a") as counts:
            counts.write(f"{name} {number}\n")


def judge(folder: Path, name: str, own: int, case: Case) -> None:
    """Read one input within its time; keep it if something does not hold."""
    with bound_time():
        told = broken(name, lambda opened: reader(name)(opened), case)  # noqa: PLW0108 an import may fail too
    if told:
        keep(folder, name, own, case.content, told)


def note(folder: Path, name: str, own: int, content: bytes) -> None:
    """Say which input is about to be read."""
    (folder / "content").write_bytes(content)
    (folder / "now").write_text(f"{name} {own}")


def keep(folder: Path, name: str, own: int, content: bytes, told: str) -> None:
    """Keep an input and what was wrong, if nothing alike was kept before: the shortest of them."""
    alike = hashlib.sha256(re.sub(r"/\S+|\d+", "", f"{name} {told}").encode()).hexdigest()[:12]
    file = folder / f"{name}-{alike}.bin"
    if file.exists() and file.stat().st_size <= len(content):
        return
    file.write_bytes(content)
    (folder / f"{name}-{alike}.json").write_text(json.dumps([name, told, file.name, own]))


def run(of: Plan) -> list[Finding]:
    """Carry out a plan in children; return what was found, by reader."""
    of.folder.mkdir(parents=True, exist_ok=True)
    for part in _plans(of):
        left, end = part, time.monotonic() + part.seconds * len(part.readers)
        while left.readers and _child(left):
            left = _behind(left, end - time.monotonic())
    found = (json.loads(path.read_text()) for path in sorted(of.folder.glob("*.json")))
    return [Finding(*each) for each in found]


def _plans(of: Plan) -> Iterator[Plan]:
    """A child that is guided or held to a time has one reader, any other all of them: the start of
    a child takes longer than many inputs."""
    is_alone = of.is_guided or of.inputs == ENDLESS
    for group in [(name,) for name in of.readers] if is_alone else [of.readers]:
        yield replace(of, readers=group)


def _child(of: Plan) -> bool:
    """Run a child; whether an input ended it."""
    command = [sys.executable, "-B", "-m", "tests.fuzz.child", of.told()]
    environment = os.environ | {"POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (of.folder / "child.log").open("ab") as log:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False
        )
    return ended.returncode != 0


def _behind(of: Plan, seconds: float) -> Plan:
    """Keep the input that ended a child; what is left of its plan, and of its time. A guided child
    goes on from another seed."""
    if not (of.folder / "now").exists():
        raise RuntimeError((of.folder / "child.log").read_text(errors="replace")[-2000:])
    name, own = (of.folder / "now").read_text().split()
    keep(of.folder, name, int(own), (of.folder / "content").read_bytes(), "ends its process")
    if seconds < 1:
        return replace(of, readers=())
    left = replace(of, seconds=min(of.seconds, seconds))
    if of.is_guided:
        return replace(left, seed=of.seed + 1)
    behind = of.readers[of.readers.index(name) :]
    return replace(left, readers=behind, first=int((of.folder / "number").read_text()) + 1)


def counts(folder: Path) -> dict[str, int]:
    """Inputs that were read in a plain run, by reader."""
    path = folder / "counts"
    lines: Sequence[str] = path.read_text().splitlines() if path.exists() else ()
    return {name: int(number) for name, number in (line.split() for line in lines)}
