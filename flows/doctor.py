"""Doctor looks before a night whether all is in order; verify proves what is kept, from nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import duckdb

from flows.home import Home
from flows.settings import SettingsError, load
from warehouse import publish, store
from warehouse.landed import DamagedError, sha256
from warehouse.landed import verified as landed_verified
from warehouse.ledger import Ledger

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
    """Versions, home, settings, disk, permissions, mail."""
    return [
        _versions(),
        _home(home),
        _settings(home),
        _disk(home),
        _mail(home),
        Check("runner", "note", "Prefect" if environ.get("PREFECT_API_URL") else "this process"),
    ]


def verified(home: Home) -> list[Check]:
    """Landed bytes against the ledger, the published file against its digest and its account."""
    ledger = Ledger(home.ledger)
    try:
        return [_landed(home, ledger), *_published(home, ledger)]
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


def _landed(home: Home, ledger: Ledger) -> Check:
    rows = ledger.rows("SELECT DISTINCT sha256 FROM file")
    damaged = [row["sha256"][:12] for row in rows if not _is_whole(home, row["sha256"])]
    if damaged:
        return Check("landed files", "bad", f"damaged or missing: {', '.join(damaged)}")
    return Check("landed files", "good", f"{len(rows)} files have the bytes they came with")


def _is_whole(home: Home, digest: str) -> bool:
    try:
        landed_verified(home.landed, digest)
    except DamagedError:
        return False
    return True


def _published(home: Home, ledger: Ledger) -> list[Check]:
    current = publish.current(home.warehouse)
    if current is None:
        return [Check("warehouse", "note", "nothing is published yet")]
    whole = Check("published file", "good", "has the bytes it was published with")
    if ledger.published(current.name) != sha256(current):
        whole = Check("published file", "bad", f"{current.name} was changed or damaged")
    elif logs := publish.logs_beside(current):
        said = f"{logs[0].name} lies beside it: somebody opened it for writing. The next night "
        whole = Check("published file", "bad", f"{said}leaves that behind")
    run = ledger.rows(
        "SELECT digest FROM run WHERE warehouse = ? AND state = 'done'", [current.name]
    )
    try:
        with duckdb.connect(str(current), read_only=True) as con:
            return [
                whole,
                _named("digest", lambda: _digest(con, run[0]["digest"] if run else "")),
                _named("account", lambda: _account(con)),
            ]
    except duckdb.Error as error:
        return [whole, Check("warehouse", "bad", f"cannot be read: {type(error).__name__}")]


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
