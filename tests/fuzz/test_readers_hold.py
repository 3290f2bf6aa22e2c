"""Every reader refuses a hostile file or puts each row in its place; what does not hold shows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import polars as pl
import pytest

from tests.fuzz import guided
from tests.fuzz.holding import Case, broken
from tests.fuzz.mutation import CHANGES, mutated
from tests.fuzz.running import (
    ROOT,
    Finding,
    Plan,
    _behind,
    changed,
    counts,
    keep,
    note,
    plan,
    run,
)
from tests.fuzz.seeds import seeds
from transforms.landing import REJECTS, Opened, Reading, UnreadableError, shaped
from transforms.readers import reader, reader_names

pytestmark = pytest.mark.slow

INPUTS = 24
"""A reader's seeds and the first changes of them; `make fuzz` reads for as long as it is told."""
CASE = Case(b"x", "x")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finding]]:
    """All readers in one process of their own: starting one takes longer than most inputs."""
    folder = tmp_path_factory.mktemp("fuzz")
    return folder, run(Plan(reader_names(), 7, 600, INPUTS, folder))


@pytest.mark.parametrize("name", reader_names())
def test_a_hostile_file_is_refused_or_each_of_its_rows_has_its_place(
    name: str, held: tuple[Path, list[Finding]]
) -> None:
    folder, found = held
    assert [(each.told, each.case(folder)) for each in found if each.reader == name] == []
    assert counts(folder)[name] == INPUTS


@pytest.mark.parametrize("name", reader_names())
def test_every_reader_has_a_seed_of_which_it_lands_rows(name: str) -> None:
    landed = 0

    def counted(opened: Opened) -> Reading:
        nonlocal landed
        found = reader(name)(opened)
        landed += sum(frame.collect().height for frame in found.tables.values())
        return found

    assert broken(name, counted, seeds(name)[0]) is None
    assert landed


def _sound(rows_in: int = 2, lines: tuple[int | None, ...] = (1, 2), part: int = 0) -> Reading:
    rows = pl.LazyFrame({"line": lines, "part": part}, schema={"line": pl.Int64, "part": pl.Int32})
    reject = pl.LazyFrame({"line": [2], "reason": ["row_empty:a"], "source_row": None}, REJECTS)
    return Reading({"sample": shaped("sample", rows)}, reject, rows_in)


def _reads(reading: Reading) -> Callable[[Opened], Reading]:
    return lambda _: reading


def _raises(error: BaseException) -> Callable[[Opened], Reading]:
    def read(_: Opened) -> Reading:
        raise error

    return read


def test_a_sound_reading_and_a_refusal_hold() -> None:
    assert broken("x", _reads(_sound()), CASE) is None
    assert broken("x", _raises(UnreadableError("file_empty")), CASE) is None


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (_reads(_sound(rows_in=3)), "holds 2 lines and counts 3"),
        (_reads(_sound(rows_in=1)), "holds 2 lines and counts 1"),
        (_reads(_sound(lines=(2, 3))), "has a row that can not be quoted"),
        (_reads(_sound(lines=(None, 1), rows_in=3)), "has a row without a line"),
        (_reads(_sound(lines=(1, 1, 2))), "two rows of sample have the same line and part"),
        (_raises(UnreadableError("because")), "refuses for a reason unknown: because"),
        (_raises(KeyError("a")), "raises KeyError in ?: 'a'"),
        (_raises(pl.exceptions.PanicException("a")), "raises PanicException in ?: a"),
        (
            _reads(replace(_sound(), rejects=_sound().rejects.with_columns(reason=pl.lit("b")))),
            "rejects for a reason unknown: {'b'}",
        ),
    ],
)
def test_a_reader_that_does_not_hold_is_told(read: Callable[[Opened], Reading], told: str) -> None:
    assert broken("x", read, CASE) == told


def _writes_beside(opened: Opened) -> Reading:
    (opened.scratch / "clean").write_text("this may be")
    (opened.scratch.parent / "other").write_text("this may not")
    return _sound()


def _connects(_: Opened) -> Reading:
    with socket.socket():
        return _sound()


def _starts(_: Opened) -> Reading:
    subprocess.run(["true"], check=True)
    return _sound()


def _renames(opened: Opened) -> Reading:
    opened.path.rename(opened.scratch / "mine")
    return _sound()


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (_writes_beside, "writes outside of its scratch"),
        (_connects, "does socket.__new__"),
        (_starts, "starts a program"),
        (_renames, "does os.rename outside of its scratch"),
    ],
)
def test_a_reader_that_reaches_out_is_told(read: Callable[[Opened], Reading], told: str) -> None:
    assert broken("x", read, CASE) == told


@pytest.mark.parametrize(
    "does",
    [
        "import time\nwith holding.bound_time(clock=1): time.sleep(30)",
        "with holding.bound_time(0):\n while True: pass",
        "holding.bound_memory(); bytearray(holding.MEMORY)",
    ],
)
def test_what_takes_too_long_or_too_much_ends_its_process(does: str) -> None:
    code = f"from tests.fuzz import holding\n{does}"
    ended = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        timeout=25,
    )
    assert ended.returncode != 0


def test_an_input_that_ended_its_process_is_kept_and_the_run_goes_on_behind_it(
    tmp_path: Path,
) -> None:
    of = Plan(("dexcom", "fhir", "libre"), 1, 60, 50, tmp_path)
    note(tmp_path, "fhir", 2, b"the input")
    (tmp_path / "number").write_text("17")
    left = _behind(of, 40)
    assert left == replace(of, readers=("fhir", "libre"), first=18, seconds=40)
    assert [path.read_bytes() for path in tmp_path.glob("fhir-*.bin")] == [b"the input"]
    assert _behind(of, 0).readers == ()
    assert plan(left.told()) == left


def test_of_inputs_that_fail_alike_the_shortest_is_kept(tmp_path: Path) -> None:
    for content in (b"three", b"on", b"four"):
        keep(tmp_path, "fhir", 0, content, f"raises at {len(content)}")
    keep(tmp_path, "fhir", 0, b"other", "writes")
    assert sorted(path.read_bytes() for path in tmp_path.glob("*.bin")) == [b"on", b"other"]


def test_an_input_has_a_number_that_gives_it_again() -> None:
    first = [changed("levels", 3, number)[1].content for number in range(9, 40)]
    assert first == [changed("levels", 3, number)[1].content for number in range(9, 40)]
    assert first != [changed("levels", 4, number)[1].content for number in range(9, 40)]


def by(seed: int) -> Random:
    return Random(seed)  # noqa: S311 the same changes every time are wanted


def test_every_change_changes_and_none_fails_on_nothing() -> None:
    content = b'pid,day\np1,2024-03-01\n"p2",x\n'
    for change in CHANGES:
        results = {change(content, [b"other,file\n"], by(seed)) for seed in range(20)}
        assert len(results) > 1, change.__name__
        assert isinstance(change(b"", [b""], by(1)), bytes)
    assert mutated(content, [content], by(5)) == mutated(content, [content], by(5))


@pytest.mark.skipif(guided.why_not() is not None, reason=str(guided.why_not()))
def test_guidance_keeps_what_reaches_new_code(tmp_path: Path) -> None:
    run(Plan(("levels",), 1, 60, 100, tmp_path, is_guided=True))
    assert len(list((tmp_path / "corpus-levels").iterdir())) > len(seeds("levels"))
