"""Exports: the published warehouse, written in the field's own shapes into a folder of its own.

Patients are taken in shards, in the order of their ids, so memory follows a shard and not the
warehouse. Everything is written beside the target and renamed at the end: a folder that is there
is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.exports.base import SHARD_ROWS, Export, ExportError
from flows.exports.fhir import export_fhir
from flows.exports.meds import export_meds
from flows.exports.omop import export_omop
from flows.exports.views import export_views
from flows.home import Home
from flows.reading import published
from warehouse.store import frame

KINDS: dict[str, Callable[[Export], None]] = {
    "omop": export_omop,
    "meds": export_meds,
    "fhir": export_fhir,
    "parquet": partial(export_views, suffix="parquet"),
    "arrow": partial(export_views, suffix="arrow"),
}


def export(
    home: Home,
    kind: str,
    to: Path,
    clock: Callable[[], datetime],
    shard_rows: int = SHARD_ROWS,
    *,
    is_identified: bool = False,
) -> dict[str, Any]:
    """Write the published warehouse as ``kind`` into ``to``; return what was written.

    Args:
        home: whose warehouse.
        kind: one of ``KINDS``.
        to: a folder that is not there yet, or is empty.
        clock: the time, for the account.
        shard_rows: about how many observations are in memory at once.
        is_identified: from the care team's file, where analysts have another one.

    Raises:
        ExportError: ``to`` holds something, or what was written departs from its shape.
        NothingPublishedError: no night has been published.
    """
    target = to.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{target} is there already and is not an empty folder")
    with (
        published(home, for_analysts=not is_identified) as con,
        _whole(target) as folder,
    ):
        as_of = frame(con, "SELECT as_of FROM tonight").item()
        under_way = Export(con, folder, as_of, clock(), shard_rows)
        KINDS[kind](under_way)
        account = _account(under_way, kind)
        under_way.write_json("export.json", account)
    return {**account, "folder": str(target)}


def as_text(account: dict[str, Any]) -> str:
    """The account for people."""
    lines = [f"{rows:>12,}  {name}" for name, rows in account["counts"].items()]
    return "\n".join([f"{account['kind']} as of {account['as_of']}: {account['folder']}", *lines])


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A private folder beside ``target`` that becomes it, or is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    try:
        yield part
        for path in part.rglob("*"):
            if path.is_file():
                _kept(path)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _kept(path: Path) -> None:
    """On disk, and its owner's alone."""
    path.chmod(0o600)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _account(under_way: Export, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "as_of": under_way.as_of.isoformat(),
        "made_at": under_way.made_at.isoformat(timespec="seconds"),
        "version": version("undertow"),
        "counts": under_way.counts,
    }
