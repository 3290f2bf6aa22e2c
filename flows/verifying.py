"""Verify a flag certificate: from its file alone, and against the files of a home at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl

from flows.certificate import NotCertifiedError, certified
from flows.doctor import Check
from flows.explain import UnknownPatientError
from flows.home import Home
from flows.intake import arrival_of, reading_of
from flows.reading import kept_file
from flows.settings import Settings, load
from transforms.certificate import (
    MOST_BYTES,
    Certificate,
    CertificateError,
    Record,
    Row,
    decoded,
)
from transforms.certificate_checks import EXACT, checked, unlike
from transforms.conform import conform
from transforms.frozen import SHIPPED, mark
from transforms.frozen import decoded as model_of
from transforms.landing import UnreadableError
from warehouse.landed import DamagedError
from warehouse.ledger import Ledger

Differences = Iterator[str]
Plain = dict[str, Any]
_SHUT: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": False}
SHOWN = 5
"""Differences of one check that are shown; the rest are counted."""
_ELSEWHERE = {
    *("source", "file_sha256", "line", "part", "table"),
    *("decimal", "factor", "offset", "citation", "says", "matches"),
}
"""What a certificate says of a row beside what the row itself does."""


def verified_file(path: Path, home: Home | None = None) -> list[Check]:
    """Every check of a certificate; with a home, also its rows against what landed there.

    A file that is no certificate is one bad check that says why.
    """
    try:
        if not path.is_file():
            raise CertificateError("not a file")
        with path.open("rb") as stream:
            certificate = decoded(stream.read(MOST_BYTES + 1))
    except CertificateError as error:
        return [Check("file", "bad", str(error))]
    answers = checked(certificate)
    checks = [_check(answer.name, answer.sentence, answer.differences) for answer in answers]
    return checks + (_landed(certificate, home) if home else [])


def _check(name: str, holds: str, differences: Iterable[str]) -> Check:
    found = list(differences)
    more = f" (and {len(found) - SHOWN} more)" if len(found) > SHOWN else ""
    if found:
        return Check(name, "bad", "; ".join(found[:SHOWN]) + more)
    return Check(name, "good", holds)


def _landed(certificate: Certificate, home: Home) -> list[Check]:
    ledger = Ledger(home.ledger)
    try:
        rows = _Again(certificate, home, load(home.settings), ledger)
        return [
            _check(
                "landed models",
                "the trend models are those of this home's ledger",
                _models(certificate, ledger),
            ),
            _check("landed rows", "rows and records are as they landed", rows.compared()),
            _published(certificate, home, ledger, rows.patients),
        ]
    finally:
        ledger.close()


def _models(certificate: Certificate, ledger: Ledger) -> Differences:
    ours = [SHIPPED, *(model_of(text) for text in ledger.models(certificate.as_of))]
    found = [(model.version, model.in_force_from, mark(model)) for model in ours]
    stated = [(item.version, item.in_force_from, item.sha256) for item in certificate.models]
    if stated != found:
        yield "models: not those that were in force here by that night"


@dataclass
class _Again:
    """Rows and records read again from the files they came in; ``patients``: whose they are."""

    certificate: Certificate
    home: Home
    settings: Settings
    ledger: Ledger
    patients: set[str] = field(default_factory=set)

    def compared(self) -> Differences:
        night = self.certificate.as_of
        known = {(str(f["source"]), str(f["sha256"])): dict(f) for f in self.ledger.files(night)}
        parts: list[Row | Record] = sorted(
            [*self.certificate.rows, *self.certificate.records], key=_file
        )
        for key, stated in groupby(parts, key=_file):
            if key not in known:
                yield f"{_at(key)}: no such file landed by that night"
                continue
            try:
                yield from self._of_file(known[key], list(stated))
            except (UnreadableError, DamagedError) as error:
                yield f"{_at(key)}: {error}"

    def _of_file(self, file: Plain, stated: list[Row | Record]) -> Differences:
        source, approvals = self.settings.source(file["source"]), self.ledger.approvals
        with TemporaryDirectory(dir=self.home.root, prefix=".verify-") as folder:
            reading = reading_of(self.home, self.settings, file, source, Path(folder))
            arrival = arrival_of(file, source, reading, approvals(self.certificate.as_of))
            found = {
                (table, row["line"], row["part"]): row
                for table in {_table(part) for part in stated} & reading.tables.keys()
                for row in conform(table, _lines(reading.tables[table], stated), arrival)
                .collect()
                .to_dicts()
            }
        self.patients |= {row["patient_id"] for row in found.values()}
        for part in stated:
            row = found.get((_table(part), part.line, part.part))
            if row is None:
                yield f"{part.at}: no such row in the landed file"
            else:
                told = part.model_dump(exclude=_ELSEWHERE)
                ours = {name: _of(row, name) for name in told}
                yield from unlike(f"{part.at} ", told, ours, EXACT)


def _of(row: Plain, name: str) -> object:
    if name == "known_on":
        return row["known_at"].date()
    return row.get("class") if name == "drug_class" else row[name]


def _lines(rows: pl.LazyFrame, stated: Iterable[Row | Record]) -> pl.LazyFrame:
    return rows.filter(pl.col("line").is_in([part.line for part in stated]))


def _table(part: Row | Record) -> str:
    return part.table if isinstance(part, Record) else "observation"


def _file(part: Row | Record) -> tuple[str, str]:
    return part.source, part.file_sha256


def _at(file: tuple[str, str]) -> str:
    return f"{file[0]} {file[1][:8]}"


def _published(certificate: Certificate, home: Home, ledger: Ledger, patients: set[str]) -> Check:
    """The certificate that this home itself writes of that night, where the night is still kept:
    what was left out throughout shows only here."""
    name, night = "published", certificate.as_of
    kept = ledger.rows(
        "SELECT warehouse FROM run WHERE night = ? AND state = 'done' ORDER BY started_at DESC",
        [night.isoformat()],
    )
    path = kept_file(home, str(kept[0]["warehouse"])) if kept else None
    if path is None:
        return Check(name, "note", f"the file published on {night} is not kept here any more")
    person = certificate.person
    ids = sorted(patients) if person.is_anonymous else [person.id]
    try:
        with duckdb.connect(str(path), read_only=True, config=_SHUT) as con:
            ours = certified(con, ids[0], person.id if person.is_anonymous else None)
    except (IndexError, UnknownPatientError):
        return Check(name, "bad", "the file published that night does not know this person")
    except NotCertifiedError as error:
        return Check(name, "bad", str(error))
    except duckdb.Error as error:
        return Check(name, "bad", f"the file published that night: {type(error).__name__}")
    stated, found = certificate.plain(), ours.plain()
    return _check(
        name,
        "it is the certificate that this home writes of that night",
        (f"{part}: not as in the file published that night"
         for part in found if part != "content_sha256" and stated[part] != found[part]),
    )  # fmt: skip
