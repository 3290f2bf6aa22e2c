"""Pseudonyms: HMAC-SHA256 under a key that is kept outside of the warehouse.

Whoever has the key can work out the pseudonym of a name, and whoever has not cannot try names
until one fits, as with a plain hash of a record number. A pseudonym is the letter of its kind (so
that no program takes it for a number) and the first :data:`DIGITS` hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import polars as pl

from transforms.catalog.passages import KINDS, MANY, Passage
from transforms.exports.tables import NUMBER_AS_WRITTEN

DIGITS = 20
"""80 bits: of ten million people two meet with a chance of 4 in 10^11, and then it is an error."""
BLOCK = 64
SAID = {"value": pl.String, "said": pl.String}


class CollisionError(RuntimeError):
    """Two people have one pseudonym: another key has to be taken."""


@dataclass(frozen=True, slots=True)
class Pads:
    """A key made ready for HMAC (RFC 2104): what stands before the message, and before its hash."""

    inner: bytes
    outer: bytes

    @property
    def mark(self) -> str:
        """Tells keys apart, and says nothing of the key."""
        return _hex(self, "key:")[:DIGITS]


def pads(key: bytes) -> Pads:
    """The pads of a key of any length."""
    block = (hashlib.sha256(key).digest() if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    return Pads(bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block))


def _hex(key: Pads, message: str) -> str:
    inside = hashlib.sha256(key.inner + message.encode()).digest()
    return hashlib.sha256(key.outer + inside).hexdigest()


def pseudonym(key: Pads, kind: str, value: str) -> str:
    """What ``value`` is called where it may not be named.

    >>> pseudonym(pads(b"x" * 32), "person", "P1")
    'p7df7894b542a53a38ffc'
    """
    return KINDS[kind].letter + _hex(key, f"{kind}:{value}")[:DIGITS]


def of_people(key: Pads, people: pl.Series, known: pl.DataFrame) -> pl.DataFrame:
    """Every person with a pseudonym, worked out only for those who have none yet.

    Args:
        key: the key.
        people: names, each once or more.
        known: :data:`SAID` of earlier nights under the same key.

    Raises:
        CollisionError: two people would be one.
    """
    new = people.drop_nulls().unique().to_frame("value").join(known, on="value", how="anti")
    said = [pseudonym(key, "person", value) for value in new["value"]]
    every = pl.concat([known, new.with_columns(said=pl.Series(said, dtype=pl.String))])
    if every["said"].is_duplicated().any():
        raise CollisionError(
            "two people have one pseudonym, so nothing was published: take another key"
        )
    return every.sort("said")


def said(key: Pads, passage: Passage, texts: pl.DataFrame) -> pl.DataFrame:
    """What becomes of each text of a kind (:data:`SAID`).

    Args:
        key: the key.
        passage: ``pseudonym``, or ``shared`` with what becomes of the rare.
        texts: ``value``, ``people`` who have it.
    """
    kind, value = KINDS[passage.kind], pl.col("value")
    passes = (
        (pl.col("people") >= MANY)
        | value.is_in(sorted(kind.known))
        | value.str.contains(kind.pattern)
    ) & (passage.way == "shared")
    known = texts.drop_nulls("value").select("value", passes=passes)
    is_named = passage.way == "pseudonym" or passage.rare == "pseudonym"
    rare = known.filter(~pl.col("passes"))["value"]
    names = [pseudonym(key, passage.kind, text) if is_named else None for text in rare]
    return pl.concat(
        [
            known.filter("passes").select("value", said="value"),
            pl.DataFrame({"value": rare, "said": names}, schema=SAID),
        ]
    )


NUMERIC = NUMBER_AS_WRITTEN
"""A number as a source writes it, with or without a comparator."""
