"""The definitions that were accepted, and the fingerprint of what was accepted.

A line is added when a version is accepted, and never changed or taken out again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version, the day it was accepted, and the SHA-256 of its content
    (:func:`transforms.catalog.acceptance.fingerprint`)."""

    cohort: str
    version: str
    accepted_on: date
    fingerprint: str


ACCEPTED: tuple[Accepted, ...] = (
    Accepted(
        "climbing_unseen",
        "1",
        date(2026, 11, 22),
        "32dd285b532d55018b264b3f3bf9fc1997d411c3e02fb33c5028371af9239b2b",
    ),
    Accepted(
        "climbing_repeat",
        "1",
        date(2026, 11, 22),
        "2dc3343f9a21cfe2049b92d471f861013b9914f7fa896c58213dc4ac147384be",
    ),
    Accepted(
        "high_stable",
        "1",
        date(2026, 11, 22),
        "e33e72cc1219bf74806b358267315c925c7f118f590b5d6ffe1b874b47b62e2e",
    ),
    Accepted(
        "decompensating",
        "1",
        date(2026, 11, 22),
        "0e5a53bb060bdebb9366a7f6d6f208765dec6d34fbe0987cbb42af6d90dbe321",
    ),
    Accepted(
        "glucose_not_fine_by_cgm",
        "2",
        date(2026, 11, 22),
        "87d498b5d8042bcb88dddd7501e2587be1762504460ab67a396e591adf8ec041",
    ),
    Accepted(
        "glucose_not_fine_by_hba1c",
        "1",
        date(2026, 11, 22),
        "2f96bdd5a2b16c5bc1902569a71f352cf8376b18e6e4dd55da0bc13fc4dcb1c7",
    ),
    Accepted(
        "liver_pattern",
        "2",
        date(2026, 11, 22),
        "f55d8c4e07d870925add98e69b4f2194f050cf3116df2822b6501b0463090884",
    ),
    Accepted(
        "adipose_pattern",
        "2",
        date(2026, 11, 22),
        "8198042ea447fc668ff8fc0c2479d3f4e43f42862dbd876b8c93045a73a30299",
    ),
    Accepted(
        "clearance_pattern",
        "1",
        date(2026, 11, 22),
        "165227d123eaa645f16cc6b1709988d759a3b15cc55b71ac4a4c055e7ac31981",
    ),
)
