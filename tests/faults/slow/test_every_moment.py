"""``kill -9`` at every moment of noting and delivering; and twice, at some 270 pairs of moments."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.mortal_post import Nursery, is_well, live, outlived
from tests.flows.rude_server import RudeServer, Script

Say = Callable[[str], None]


@pytest.fixture
def server() -> Iterator[RudeServer]:
    made = RudeServer(Script())
    yield made
    made.stop()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def said(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text} ")

    return said


def test_one_kill_at_every_moment(
    tmp_path: Path, server: RudeServer, nursery: Nursery, say: Say
) -> None:
    moments = live(tmp_path / "measure", server.port, -1)
    duplicates = Counter(schedule(nursery, tmp_path, server, moment) for moment in range(moments))
    say(f"{moments} schedules of one kill: 0 lost, copies beyond the first {dict(duplicates)}")
    assert set(duplicates) == {0, 1}


def test_two_kills_at_pairs_of_moments(
    tmp_path: Path, server: RudeServer, nursery: Nursery, say: Say
) -> None:
    """The second falls anywhere in what the first left to do."""
    moments = live(tmp_path / "measure", server.port, -1)
    duplicates = Counter(
        schedule(nursery, tmp_path, server, first, second)
        for first in range(0, moments, 5)
        for second in range(first // 5 % 5, moments, 5)
    )
    n = duplicates.total()
    say(f"{n} schedules of two kills: 0 lost, copies beyond the first {dict(duplicates)}")
    assert set(duplicates) <= {0, 1, 2}


def schedule(nursery: Nursery, root: Path, server: RudeServer, *moments: int) -> int:
    server.mails.clear()
    home = root / "-".join(map(str, moments))
    found = outlived(nursery, home, server, *moments)
    assert is_well(found, len(moments)), f"killed at {moments}"
    return found.duplicates
