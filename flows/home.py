"""The home: one folder with everything of one clinic, and the lock that lets one night run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.settings import template


class LockedError(RuntimeError):
    """Another run holds the lock."""


class NoHomeError(RuntimeError):
    """There is no home where one was named."""


@dataclass(frozen=True, slots=True)
class Home:
    """The places below one home directory (design.md section 4)."""

    root: Path

    @property
    def settings(self) -> Path:
        """``undertow.toml``."""
        return self.root / "undertow.toml"

    @property
    def inbox(self) -> Path:
        """Where files are dropped."""
        return self.root / "inbox"

    @property
    def landed(self) -> Path:
        """Landed bytes by hash."""
        return self.root / "landed"

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.root / "ledger.sqlite"

    @property
    def warehouse(self) -> Path:
        """The published versions and the link to the newest."""
        return self.root / "warehouse"

    @property
    def care(self) -> Path:
        """The care team's own files, where analysts have pseudonymous ones."""
        return self.root / "care"

    @property
    def mail(self) -> Path:
        """Messages as files, when no SMTP host is set."""
        return self.root / "mail"

    @property
    def bounces(self) -> Path:
        """Where delivery reports are dropped, if anywhere: made by whoever drops them."""
        return self.mail / "bounces"

    @property
    def heartbeat(self) -> Path:
        """The last completed night's heartbeat."""
        return self.root / "heartbeat.json"

    @property
    def watch(self) -> Path:
        """What ``undertow watch`` remembers."""
        return self.root / "watch.json"

    @property
    def report(self) -> Path:
        """The nights' pages."""
        return self.root / "report"

    @property
    def access(self) -> Path:
        """Who looked at what on the work-list page."""
        return self.root / "access.jsonl"

    @property
    def scratch(self) -> Path:
        """Private working space; wiped at the start and the end of a night."""
        return self.root / "scratch"


def locate(given: str | None, environ: Mapping[str, str]) -> Home:
    """The home named by ``--home``, else ``UNDERTOW_HOME``, else ``./var``."""
    return Home(Path(given or environ.get("UNDERTOW_HOME") or "var").expanduser().absolute())


def make(home: Home) -> bool:
    """Make the home, its folders and its commented settings; False if it was there."""
    is_new = not home.settings.exists()
    for folder in (home.root, home.inbox, home.landed, home.warehouse, home.mail, home.report):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_new:
        home.settings.write_text(template(), encoding="utf-8")
        home.settings.chmod(0o600)
    return is_new


def require(home: Home) -> Home:
    """The home, which must exist."""
    if not home.inbox.is_dir():
        raise NoHomeError(f"no home at {home.root}: make one with `undertow init`")
    return home


@contextmanager
def locked(home: Home, name: str = ".lock") -> Iterator[None]:
    """Hold the home's lock, or another of its locks; it dies with the process.

    Raises:
        LockedError: another run holds it.
    """
    handle = os.open(home.root / name, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError("another run holds the lock of this home") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def working_space(home: Home) -> Iterator[Path]:
    """An empty private folder, gone afterwards: DuckDB spills patients' rows in clear text."""
    shutil.rmtree(home.scratch, ignore_errors=True)
    home.scratch.mkdir(mode=0o700)
    try:
        yield home.scratch
    finally:
        shutil.rmtree(home.scratch, ignore_errors=True)
