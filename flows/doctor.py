"""Doctor looks before a night whether all is in order; verify proves what is kept, from nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import duckdb

from flows.home import Home
from flows.outbox import standing
from flows.reading import published_file
from flows.settings import SettingsError, load
from flows.worklist.access import ChainError
from flows.worklist.access import verified as chained
from warehouse import publish, store
from warehouse.landed import DamagedError, sha256
from warehouse.landed import verified as landed_verified
from warehouse.ledger import Ledger
from warehouse.pseudonyms import is_pseudonymous

MIN_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=False)
class Check:
    """One thing looked at."""

    name: str
    state: Literal["good", "bad", "note"]
    said: str


def as_text(checks: list[Check]) -> str:
    """A line a check."""
    return "\n".join(f"{check.state:<5} {check.name}: {check.said}" for check in checks)


def examined(home: Home, environ: Mapping[str, str]) -> list[Check]:
    """Versions, home, settings, disk, permissions, mail, what the outbox owes."""
    return [
        _versions(),
        _home(home),
        _settings(home),
        _disk(home),
        _mail(home),
        *_outbox(home),
        _privacy(home),
        Check("runner", "note", "Prefect" if environ.get("PREFECT_API_URL") else "this process"),
    ]


def verified(home: Home) -> list[Check]:
    """Landed bytes against the ledger, the published file against its digest and its account, and
    the chain of who looked at whom."""
    ledger = Ledger(home.ledger)
    try:
        return [_landed(home, ledger), *_published(home, ledger), *_looks(home)]
    finally:
        ledger.close()


def _versions() -> Check:
    names = ("undertow", "polars", "duckdb", "great-expectations", "prefect")
    return Check("versions", "good", ", ".join(f"{n} {metadata.version(n)}" for n in names))


def _home(home: Home) -> Check:
    if not home.inbox.is_dir():
        return Check("home", "bad", f"none at {home.root}: run `undertow init`")
    if home.root.stat().st_mode & 0o077:
        return Check("home", "note", f"others may look into {home.root}: chmod 700 it")
    return Check("home", "good", str(home.root))


def _settings(home: Home) -> Check:
    try:
        settings = load(home.settings)
    except SettingsError as error:
        return Check("settings", "bad", str(error))
    found = home.inbox.iterdir() if home.inbox.is_dir() else ()
    folders = sorted(p.name for p in found if p.is_dir() and not p.name.startswith("."))
    unknown = [name for name in folders if settings.source(name) is None]
    if unknown:
        return Check("settings", "bad", f"no reader for inbox/{', inbox/'.join(unknown)}")
    return Check("settings", "good", f"{len(folders)} sources in the inbox")


def _disk(home: Home) -> Check:
    place = home.root if home.root.exists() else home.root.parent
    free = shutil.disk_usage(place).free
    state: Literal["good", "bad"] = "good" if free >= MIN_FREE_BYTES else "bad"
    return Check("disk", state, f"{free / 1e9:.1f} GB free")


def _mail(home: Home) -> Check:
    try:
        mail = load(home.settings).mail
    except SettingsError:
        return Check("mail", "bad", "settings cannot be read")
    if not mail.host:
        return Check("mail", "note", f"no host is set; messages go to {home.mail}")
    if mail.detail == "full" and mail.security == "relay":
        return Check("mail", "bad", "detail is full but the relay is without TLS")
    return Check("mail", "good", f"{mail.host}:{mail.port} by {mail.security}")


def _outbox(home: Home) -> list[Check]:
    """What is owed is noted, what waits for a person is bad; nothing before the first night."""
    if not home.ledger.exists():
        return []
    try:
        ledger = Ledger(home.ledger)
        try:
            found = standing(ledger)
        finally:
            ledger.close()
    except sqlite3.Error as error:
        return [Check("outbox", "bad", f"the ledger cannot be read: {type(error).__name__}")]
    told = [Check("outbox", "bad", said) for said in found.stuck]
    if found.owed:
        told.append(Check("outbox", "note", found.said[0]))
    return told or [Check("outbox", "good", "every mail was sent")]


def _privacy(home: Home) -> Check:
    """Whom the published file names, and whether that is what the settings say."""
    try:
        is_apart = load(home.settings).privacy.pseudonym_key_file is not None
    except SettingsError:
        return Check("privacy", "bad", "settings cannot be read")
    if home.care.exists() and home.care.stat().st_mode & 0o077:
        return Check("privacy", "bad", "others may look into care/: chmod 700 it")
    theirs = published_file(home, for_analysts=True)
    is_so = theirs is not None and is_pseudonymous(theirs)
    if is_apart != is_so:
        return Check("privacy", "note", "the key was set or taken away: from the next night on")
    said = "knows people by pseudonym" if is_so else "names people by the sources' identifiers"
    return Check("privacy", "good", f"the file in warehouse/ {said}")


def _landed(home: Home, ledger: Ledger) -> Check:
    rows = ledger.rows("SELECT DISTINCT sha256 FROM file")
    damaged = [row["sha256"][:12] for row in rows if not _is_whole(home, row["sha256"])]
    if damaged:
        return Check("landed files", "bad", f"damaged or missing: {', '.join(damaged)}")
    return Check("landed files", "good", f"{len(rows)} files have the bytes they came with")


def _looks(home: Home) -> list[Check]:
    if not home.access.exists():
        return []
    try:
        said = f"{chained(home.access)} lines of the work-list's record hold together"
    except ChainError as error:
        return [Check("who looked", "bad", str(error))]
    return [Check("who looked", "good", said)]


def _is_whole(home: Home, digest: str) -> bool:
    try:
        landed_verified(home.landed, digest)
    except DamagedError:
        return False
    return True


def _published(home: Home, ledger: Ledger) -> list[Check]:
    current, theirs = published_file(home), published_file(home, for_analysts=True)
    if current is None:
        return [Check("warehouse", "note", "nothing is published yet")]
    whole = [_bytes("published file", current, ledger)]
    if theirs and theirs != current:
        whole.append(_bytes("analyst file", theirs, ledger))
    run = ledger.rows(
        "SELECT digest FROM run WHERE warehouse = ? AND state = 'done'", [current.name]
    )
    try:
        with duckdb.connect(str(current), read_only=True) as con:
            return [
                *whole,
                _named("digest", lambda: _digest(con, run[0]["digest"] if run else "")),
                _named("account", lambda: _account(con)),
            ]
    except duckdb.Error as error:
        return [*whole, Check("warehouse", "bad", f"cannot be read: {type(error).__name__}")]


def _bytes(name: str, file: Path, ledger: Ledger) -> Check:
    if ledger.published(file.name) != sha256(file):
        return Check(name, "bad", f"{file.name} was changed or damaged")
    if logs := publish.logs_beside(file):
        said = f"{logs[0].name} lies beside it: somebody opened it for writing. The next night "
        return Check(name, "bad", f"{said}leaves that behind")
    return Check(name, "good", "has the bytes it was published with")


def _named(name: str, look: Callable[[], str]) -> Check:
    problem = look()
    return Check(name, "bad" if problem else "good", problem or "holds")


def _digest(con: duckdb.DuckDBPyConnection, expected: str) -> str:
    wrong = store.wrong_digests(con)
    if wrong:
        return f"rows do not add up in: {', '.join(wrong)}"
    return "" if store.digest(con) == expected else "not the digest the ledger has of this night"


def _account(con: duckdb.DuckDBPyConnection) -> str:
    found = con.execute(
        "SELECT count(*) FROM source_file WHERE rows_in <> rows_accepted + rows_quarantined + "
        "rows_duplicate + rows_superseded"
    ).fetchone()
    return f"{found[0]} files do not add up" if found and found[0] else ""
