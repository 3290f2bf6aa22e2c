"""The version of a night, in parts: what decides it beside its files, its date and its models."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import metadata, resources
from pathlib import Path

import duckdb
import polars as pl

from flows.settings import Settings
from transforms.approvals import Approval
from transforms.approvals import mark as approved

WRITTEN = re.compile(
    r"(?P<code>.+\+[0-9a-f]{10})\.e(?P<engines>[0-9a-f]{6})\.s(?P<settings>[0-9a-f]{6})"
    r"(?:\.a(?P<approvals>[0-9a-f]{6}))?"
)
PARTS = {
    "code": "code",
    "engines": "engines (DuckDB or Polars)",
    "settings": "settings of sources or zone",
    "approvals": "approved units",
}
"""A part of a version -> what it is to people."""


@dataclass(frozen=True, slots=True)
class Version:
    """``code``: the package's version and a hash of its sources; the others are hashes.
    ``approvals`` is empty where no unit was approved."""

    code: str
    engines: str
    settings: str
    approvals: str = ""

    def __str__(self) -> str:
        """As the ledger keeps it.

        >>> str(Version("1.0+0123456789", "aaaaaa", "bbbbbb", "cccccc"))
        '1.0+0123456789.eaaaaaa.sbbbbbb.acccccc'
        """
        given = f".a{self.approvals}" if self.approvals else ""
        return f"{self.code}.e{self.engines}.s{self.settings}{given}"


def version(settings: Settings, approvals: Sequence[Approval] = ()) -> Version:
    """The version by which a night of these settings and approvals would run now."""
    read_by = {name: part.model_dump() for name, part in sorted(settings.sources.items())}
    mapping = json.dumps([settings.site.time_zone, read_by], sort_keys=True, default=str)
    engines = f"{duckdb.__version__} {pl.__version__}"
    return Version(_code(), _hash(engines), _hash(mapping), approved(approvals))


def changed(then: str, now: str) -> list[str]:
    """The parts (:data:`PARTS`) in which two written versions differ.

    >>> changed("1.0+0123456789.eaaaaaa.sbbbbbb", "1.0+0123456789.eaaaaaa.scccccc.adddddd")
    ['settings', 'approvals']

    A version written by code from before it had parts differs in its code, and nothing is known of
    the others.

    >>> changed("1.0+0123456789.bbbbbb", "1.0+0123456789.eaaaaaa.sbbbbbb")
    ['code']
    """
    if then == now:
        return []
    read, ours = WRITTEN.fullmatch(then), WRITTEN.fullmatch(now)
    if read is None or ours is None:
        return ["code"]
    return [part.name for part in fields(Version) if read[part.name] != ours[part.name]]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _code() -> str:
    digest = hashlib.sha256()
    for package in ("expectations", "flows", "transforms", "warehouse"):
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".sql"):
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return f"{metadata.version('undertow')}+{digest.hexdigest()[:10]}"
