"""Whose file it is, when the file itself does not say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import polars as pl

from transforms.landing import Opened, UnreadableError


def owner(opened: Opened) -> str | None:
    """The folder's patient, else the one that the settings map the file's stem to."""
    return opened.patient_id or opened.source.patients.get(PurePath(opened.name).stem)


def known_owner(
    opened: Opened, rows: pl.LazyFrame | None = None, identifiers: Sequence[pl.Expr] = ()
) -> str:
    """The same, else the one that a serial in the file is mapped to.

    Args:
        opened: the file.
        rows: the file's rows.
        identifiers: columns of ``rows`` (serials and the like) to look up, in this order.

    Raises:
        UnreadableError: nobody is known for it, or it holds the serials of several people.
    """
    named, mapped = owner(opened), opened.source.patients
    known = pl.LazyFrame() if rows is None else rows
    for identifier in identifiers if mapped and not named else ():
        keys = known.select(key=identifier).filter(pl.col("key").is_in(list(mapped))).unique()
        people = {mapped[key] for key in keys.collect(engine="streaming")["key"]}
        if len(people) > 1:
            raise UnreadableError("file_unknown", "its serials are mapped to several patients")
        if people:
            return people.pop()
    if not named:
        raise UnreadableError("file_unknown", "neither a folder nor a mapping names a patient")
    return named
