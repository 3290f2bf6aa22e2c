"""Shared by every folder: a warehouse under construction, and text on its way into it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from datetime import date
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

if os.environ.get("PYTEST_XDIST_WORKER") == "gw0":
    # Two workers share two cores: one goes without a second thread, the other keeps it, so that
    # the order in which threads end still varies.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

import duckdb
import pytest
from hypothesis import HealthCheck, settings

from transforms.conform import Arrival, conform
from transforms.landing import Opened, Reading, Source
from transforms.model import Series
from transforms.readers.clinic_csv import read
from warehouse.store import connect, create, receive, reject

settings.register_profile(
    "ci",
    max_examples=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "nightly",
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

Stage = Callable[..., Reading]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: nobody need look through it for what could go."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of several workers one compiles a loop of the trend model, and the others take what it kept:
    compiling takes the greater part of a minute."""
    own = tmp_path_factory.getbasetemp()
    lock = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "compiling"
    plain, ready = Series.swept, set[Any]()

    def swept(series: Series, loop: Any, model: Any) -> list[Any]:
        if loop in ready:
            return plain(series, loop, model)
        with lock.open("w") as held:
            flock(held, LOCK_EX)
            found = plain(series, loop, model)
        ready.add(loop)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Series, "swept", swept)
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse under construction, on disk."""
    con = connect(tmp_path / "build.duckdb", tmp_path)
    create(con)
    yield con
    con.close()


@pytest.fixture
def stage(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> Stage:
    """``stage(text, name, file_id, known_on)``: clinic_csv rows, staged as a night does."""

    def staged(
        content: str,
        name: str = "labs.csv",
        file_id: int = 1,
        known_on: date = date(2026, 3, 1),
        source: str = "clinic",
    ) -> Reading:
        folder = tmp_path / f"file-{file_id}"
        folder.mkdir()
        path = folder / "landed"
        path.write_text(content, encoding="utf-8")
        reading = read(Opened(path, name, Source(source, "clinic_csv"), folder))
        store.execute(
            "INSERT INTO staging.file VALUES (?, ?, ?, ?, ?, 'clinic_csv', NULL, ?)",
            [file_id, source, name, f"{file_id:064x}", known_on, reading.rows_in],
        )
        arrival = Arrival(source, file_id, known_on)
        for table, rows in reading.tables.items():
            receive(store, table, conform(table, rows, arrival))
        reject(store, file_id, reading.rejects)
        return reading

    return staged
