"""What takes long to make and is only looked at or copied: made by one worker for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Of several workers one at a time."""
    with place.with_suffix(".lock").open("w") as held:
        flock(held, LOCK_EX)
        yield


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker to want it makes, while others who want it wait."""
    own = folders.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with alone(place):
        if not place.exists():
            under_way = folders.mktemp(name)
            make(under_way)
            under_way.rename(place)
    return place
