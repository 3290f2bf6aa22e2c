"""Publish for analysts: where a key is set, a file of its own in which nobody is named.

The care team's file is then in ``care/``, and what analysts see in ``warehouse/`` is made of it.
Setting the key, changing it or taking it away holds from the next night on, whatever came.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from flows.home import Home
from flows.night import Night
from flows.reading import published_file
from transforms.pseudonyms import Pads, pads
from warehouse import pseudonyms, publish
from warehouse.landed import sha256


class UnknownPersonError(LookupError):
    """Nobody has that name or pseudonym."""


def told_apart(home: Home, who: str) -> dict[str, str]:
    """``patient_id`` and ``pseudonym`` of whom ``who`` names by either.

    Raises:
        UnknownPersonError: nobody is so called, or there is no crosswalk.
    """
    path = home.care / pseudonyms.CROSSWALK
    if path.exists():
        rows = pl.scan_parquet(path).filter((pl.col("value") == who) | (pl.col("said") == who))
        for person, pseudonym in rows.collect().iter_rows():
            return {"patient_id": person, "pseudonym": pseudonym}
    raise UnknownPersonError("nobody is so called in the crosswalk of this home (care/)")


def key_of(night: Night) -> Pads | None:
    """The key in force, ready for use."""
    key = night.settings.pseudonym_key(night.home.root)
    return pads(key) if key else None


def is_settled(night: Night) -> bool:
    """Whether what is published is for whom it should be, under the key that is set."""
    key, home = key_of(night), night.home
    own, theirs = published_file(home), published_file(home, for_analysts=True)
    if own is None or theirs is None:
        return own is theirs
    if key is None:
        return own == theirs
    is_pair = own.parent == home.care.resolve() and theirs.name == _name_for_analysts(own)
    return is_pair and pseudonyms.is_of_key(home.care, key)


def written(night: Night) -> Path | None:
    """Write the analyst file of the closed, verified build; None where no key is set.

    Raises:
        UndecidedColumnError: a column is on no list; nothing is published.
    """
    home, key = night.home, key_of(night)
    fresh = home.warehouse / ".analyst.duckdb"
    for path in (fresh, Path(f"{fresh}.wal")):
        path.unlink(missing_ok=True)
    if key is None:
        return None
    with duckdb.connect(str(fresh), config=_limits(night)) as con:
        known = pseudonyms.crosswalk(home.care, key)
        people = pseudonyms.write(con, night.build, key, known, night.run_id)
        con.execute("CHECKPOINT")
    pseudonyms.keep_crosswalk(home.care, people, key)
    return fresh


def settle(night: Night, fresh: Path | None) -> None:
    """Swap in the analyst file, or none, and put every file that names people where it belongs."""
    home = night.home
    if fresh:
        version = f"{night.run_id}{pseudonyms.SUFFIX}"
        night.ledger.note_published(publish.version_name(version), sha256(fresh), fresh.stat())
        publish.publish(home.warehouse, fresh, version)
        elsewhere = home.warehouse
    else:
        (home.care / publish.LINK).unlink(missing_ok=True)
        elsewhere = home.care
    for left in (".build.duckdb", ".build.duckdb.wal"):  # of a night that was killed
        (elsewhere / left).unlink(missing_ok=True)
    for path in _naming(elsewhere):
        path.rename(night.own_folder / path.name)


def _naming(folder: Path) -> list[Path]:
    """The published versions of a folder that name people."""
    found = folder.glob("undertow-*.duckdb")
    return [path for path in found if not pseudonyms.is_pseudonymous(path)]


def _name_for_analysts(own: Path) -> str:
    return f"{own.stem}{pseudonyms.SUFFIX}{own.suffix}"


def _limits(night: Night) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB spills in clear text, so only into the night's private working space."""
    limits = night.settings.limits
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(night.scratch / "spill")
    }
    if limits.memory:
        config["memory_limit"] = limits.memory
    if limits.threads:
        config["threads"] = limits.threads
    return config
