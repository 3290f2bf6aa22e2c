"""A home with a few people's files, the nights over them, and the command line, in this process."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import duckdb

from flows import cli
from flows.home import Home, make
from flows.running import run_here
from flows.settings import Settings, load
from warehouse.ledger import Ledger

LABS = "patient_id,collected_at,code,value,unit,fasting,lab,assay,status,result_id"
PATIENTS = "patient_id,birth_date,sex,time_zone,merged_into"
INSULIN, GLUCOSE = "20448-7", "1558-6"
CLIMBING = (5.0, 6.8, 9.1, 12.3, 16.6, 22.4)
"""Insulin of six years, a third more every year: no model can overlook it."""
FLAT = (5.0, 5.1, 4.9, 5.0, 5.1, 4.9)
NIGHT = date(2026, 3, 1)
"""The first night of most tests; the last draw of a series is seven weeks old then."""
FIRST_DRAW = date(2021, 1, 10)
QUICK = "[inbox]\nsettle_seconds = 0\n"

MARKED = {"climbing", "high_and_climbing"}


def result(
    patient: str,
    on: date,
    code: str,
    value: object,
    *,
    status: str = "F",
    number: str = "",
    fasting: str = "yes",
) -> str:
    unit = "mg/dL" if code == GLUCOSE else "u[IU]/mL"
    end = number or f"{patient}-{code}-{on}"
    return f"{patient},{on}T08:00:00,{code},{value},{unit},{fasting},Lab A,Assay A,{status},{end}"


def series(patient: str, insulin: tuple[float, ...] = CLIMBING, glucose: float = 88.0) -> list[str]:
    """One fasting pair a year."""
    rows = []
    for year, value in enumerate(insulin):
        on = FIRST_DRAW + timedelta(days=365 * year)
        rows.append(result(patient, on, INSULIN, value))
        rows.append(result(patient, on, GLUCOSE, glucose + year % 2))
    return rows


def labs(*rows: str) -> str:
    """A ``labs*.csv``."""
    return "\n".join([LABS, *rows]) + "\n"


def patients(*ids: str, merged: Mapping[str, str] | None = None) -> str:
    """A ``patients*.csv`` of people born in 1970."""
    into = merged or {}
    rows = [f"{patient},1970-02-03,F,,{into.get(patient, '')}" for patient in ids]
    return "\n".join([PATIENTS, *rows]) + "\n"


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, which must be one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Scene:
    """One home under test."""

    home: Home

    def copied(self, root: Path) -> Scene:
        """This home with its nights at another place, to go on from."""
        shutil.copytree(self.home.root, root, symlinks=True)
        return Scene(Home(root))

    def settings(self) -> Settings:
        """Its settings."""
        return load(self.home.settings)

    def set(self, text: str) -> None:
        """Replace ``undertow.toml``; files are taken at once unless the text says otherwise."""
        quick = "" if "[inbox]" in text else QUICK
        self.home.settings.write_text(quick + text, encoding="utf-8")

    def drop(self, name: str, content: str | bytes) -> Path:
        """Put a file into the inbox: ``source/name``."""
        path = self.home.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def people(self) -> None:
        """Ann climbs, Flo is flat, and a third has but one draw."""
        self.drop("clinic_csv/labs-1.csv", labs(*series("ANN"), *series("FLO", FLAT)))
        self.drop("clinic_csv/labs-2.csv", labs(result("NEW", date(2026, 1, 5), INSULIN, 7)))
        self.drop("clinic_csv/patients-1.csv", patients("ANN", "FLO", "NEW"))

    def night(self, day: date = NIGHT, *, rebuild: bool = False) -> dict[str, Any]:
        """One night in this process."""
        return run_here(self.home, self.settings(), now, lambda *_: None, day, rebuild=rebuild)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the published warehouse, as an analyst does."""
        link = str(self.home.warehouse / "undertow.duckdb")
        with duckdb.connect(link, read_only=True) as con:
            return con.execute(query, list(parameters)).fetchall()

    def statuses(self) -> dict[str, str]:
        """Patient -> status."""
        return dict(self.rows("SELECT patient_id, status FROM patient_status"))

    def waiting(self) -> dict[str, list[str]]:
        """File -> reasons of its rows in quarantine."""
        found: dict[str, list[str]] = {}
        for file, reason in self.rows("SELECT file, unnest(reasons) FROM quarantine ORDER BY ALL"):
            found.setdefault(file, []).append(reason)
        return found

    def ledger(self, query: str) -> list[dict[str, Any]]:
        """Ask the ledger."""
        opened = Ledger(self.home.ledger)
        try:
            return [dict(row) for row in opened.rows(query)]
        finally:
            opened.close()

    def digest(self) -> str:
        """The digest of the last completed night."""
        query = "SELECT digest FROM run WHERE state = 'done' ORDER BY started_at DESC LIMIT 1"
        return str(self.ledger(query)[0]["digest"])

    def published(self) -> list[str]:
        """The published versions."""
        return sorted(path.name for path in self.home.warehouse.glob("undertow-*.duckdb"))

    def mails(self, kind: str = "") -> list[EmailMessage]:
        """The messages written as files, of one kind or all."""
        paths = sorted(self.home.mail.glob(f"*-{kind}*.eml"))
        return [as_mail(path.read_bytes()) for path in paths]

    def page(self, day: date = NIGHT) -> str:
        """The night's page."""
        return (self.home.report / f"{day}.html").read_text(encoding="utf-8")

    def run(self, *arguments: str) -> Said:
        """A command on this home, in this process."""
        return undertow(*arguments, "--home", str(self.home.root))


def scene(root: Path) -> Scene:
    """An empty home whose inbox is taken at once."""
    made = Scene(Home(root))
    make(made.home)
    made.set("")
    return made


def now() -> datetime:
    """The clock of a night."""
    return datetime.now(UTC)


def as_mail(raw: bytes) -> EmailMessage:
    """A message from its bytes."""
    return cast("EmailMessage", message_from_bytes(raw, policy=policy.default))


def decoded(mail: EmailMessage) -> str:
    """Everything that is written in a message: headers and decoded parts."""
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join([*(f"{name}: {value}" for name, value in mail.items()), *parts])


def undertow(*arguments: str) -> Said:
    """The command ``undertow`` in this process, standard streams caught."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    mask = os.umask(0o077)
    sys.argv = ["undertow", *arguments]
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            cli.main()
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        sys.argv = before
        os.umask(mask)
    return Said(code, out.getvalue(), err.getvalue())
