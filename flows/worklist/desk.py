"""What every page works with: the home, its settings and secret, and who may see which panel."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from flows.answering import business_date
from flows.compose import panels
from flows.home import Home
from flows.letters import OPERATOR, recipients
from flows.settings import Settings, SettingsError
from flows.worklist import users
from flows.worklist.access import AccessLog
from flows.worklist.sessions import Brake, Seconds, Session, Sessions, Visitor
from transforms.alerting import Alert
from warehouse.ledger import Ledger

MEMORY = "512MB"
"""What DuckDB may take for one request."""


class Key:
    """The key that the terminal shows where there are no users: good once, then there is another.

    Whoever can read the terminal may come in; no other process of the machine can.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._lock = tell, threading.Lock()
        self._key = secrets.token_urlsafe(24)

    def show(self) -> None:
        """Tell the key."""
        self._tell(self._key)

    def take(self, given: str) -> bool:
        """Whether it is the key; if so it is spent and the next one is told."""
        with self._lock:
            is_key = secrets.compare_digest(self._key.encode(), given.encode("utf-8", "replace"))
            if is_key:
                self._key = secrets.token_urlsafe(24)
        if is_key:
            self.show()
        return is_key


@dataclass(slots=True)
class Desk:
    """One home's page.

    Attributes:
        home: where.
        settings: as they were when the page was started.
        clock: the time, UTC.
        seconds: a clock that is never set back.
        secret: the ledger's.
        key: the way in where there are no users; None where there are.
        owner: under whose name the holder of the key answers.
        is_secure: whether browsers reach the page by TLS.
    """

    home: Home
    settings: Settings
    clock: Callable[[], datetime]
    seconds: Seconds
    secret: bytes
    key: Key | None = None
    owner: str = "owner"
    is_secure: bool = False
    sessions: Sessions = field(init=False)
    brake: Brake = field(init=False)
    access: AccessLog = field(init=False)
    _panels: tuple[object, Mapping[str, str]] = (None, {})
    _users: tuple[object, Mapping[str, users.User]] = (None, {})

    def __post_init__(self) -> None:
        hours = self.settings.worklist.session_hours
        self.sessions = Sessions(self.secret, hours, self.seconds)
        self.brake = Brake(self.seconds)
        self.access = AccessLog(self.home.access, self.clock)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, opened for one request."""
        opened = Ledger(self.home.ledger)
        try:
            yield opened
        finally:
            opened.close()

    def today(self) -> date:
        """The clinic's day."""
        return business_date(self.settings, self.clock())

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; a browser takes ``__Host-`` only from this host, by
        TLS."""
        return "__Host-undertow" if self.is_secure else "undertow"

    # who

    def users(self) -> Mapping[str, users.User]:
        """Who may sign in, read again when the file was changed."""
        path = users_path(self.home, self.settings)
        if path is None:
            return {}
        stamp = _stamp(path)
        if stamp is None or stamp != self._users[0]:
            self._users = (stamp, users.read(path))
        return self._users[1]

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie, of somebody who may still come in."""
        session = self.sessions.of(cookie)
        if session is None or self._is_still(session.visitor):
            return session
        self.sessions.end(cookie)
        return None

    def _is_still(self, visitor: Visitor) -> bool:
        """A session ends with its user's block, or with any change of it."""
        if self.key is not None:
            return True
        user = self.users().get(visitor.actor)
        return user is not None and as_visitor(visitor.actor, user) == visitor

    def of_link(self, address: str) -> Visitor | None:
        """Somebody who came by a link of their mail: with the panels that this address gets mail
        about now; None where it gets none any more."""
        mine = [
            one
            for one in recipients(self.settings)
            if one.address == address and one.role != OPERATOR
        ]
        if not mine:
            return None
        sees_all = any(not one.panels for one in mine)
        seen = frozenset() if sees_all else frozenset().union(*(one.panels for one in mine))
        return Visitor(address, mine[0].role, seen, address)

    # what they may see

    def panel(self, alert: Alert) -> str:
        """The panel of an alert's patient; empty where none is named."""
        return self.panels().get(alert.patient_id, "")

    def panels(self) -> Mapping[str, str]:
        """Patient -> panel, read again when the file was changed."""
        given = self.settings.alerts.panels_file
        if given is None:
            return {}
        stamp = _stamp(self.home.root / given)
        if stamp is None or stamp != self._panels[0]:
            self._panels = (stamp, panels(self.home, self.settings))
        return self._panels[1]


def as_visitor(name: str, user: users.User) -> Visitor:
    """A user of the file as who looks."""
    return Visitor(name, user.role, frozenset(user.panels), user.mail, user.password)


def users_path(home: Home, settings: Settings) -> Path | None:
    """The users' file, if settings name one."""
    given = settings.worklist.users_file
    return None if given is None else home.root / given


def require_users_path(home: Home, settings: Settings) -> Path:
    """The users' file.

    Raises:
        SettingsError: settings name none.
    """
    path = users_path(home, settings)
    if path is None:
        raise SettingsError('worklist.users_file: name the file first, such as "users.toml"')
    return path


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
