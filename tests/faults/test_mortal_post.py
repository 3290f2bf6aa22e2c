"""``kill -9`` while alerts are noted and mails delivered: none is lost, a copy is the same mail.
Here a few moments; ``make faults`` takes every one, and hundreds of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.mortal_post import Nursery, is_well, live, outlived
from tests.flows.rude_server import RudeServer, Script

BODY = 42
"""The moment before the first body leaves; three moments later its end is noted."""


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


def test_undisturbed_each_mail_is_sent_once(
    tmp_path: Path, server: RudeServer, nursery: Nursery
) -> None:
    assert is_well(outlived(nursery, tmp_path / "home", server), 0)
    assert live(tmp_path / "other", server.port, -1) >= 80, "moments to die at"


@pytest.mark.parametrize("moment", range(2, 82, 22))
def test_killed_at_some_moments_and_at_others_again(
    tmp_path: Path, server: RudeServer, nursery: Nursery, moment: int
) -> None:
    assert not nursery.lived(tmp_path / "once", server.port, moment)
    assert is_well(outlived(nursery, tmp_path / "once", server), 1)

    server.mails.clear()
    assert is_well(outlived(nursery, tmp_path / "twice", server, moment, moment // 2), 2)


def test_killed_after_a_body_has_left_a_mail_comes_twice_under_one_number(
    tmp_path: Path, server: RudeServer, nursery: Nursery
) -> None:
    """The twin: there is a duplicate where there must be one, and nowhere else."""
    found = {}
    for moment in (BODY, BODY + 1, BODY + 3, BODY + 4):
        server.mails.clear()
        found[moment - BODY] = outlived(nursery, tmp_path / f"{moment}", server, moment).duplicates

    assert found == {0: 0, 1: 1, 3: 1, 4: 0}


def test_killed_while_files_are_written_each_is_there_once(
    tmp_path: Path, nursery: Nursery
) -> None:
    moments = live(tmp_path / "measure", 0, -1)
    for moment in range(3, moments, 9):
        root = tmp_path / f"{moment}"
        assert is_well(outlived(nursery, root, None, moment, moment), 0), "again is the same file"
        assert not list((root / "mail").glob("*.part"))
