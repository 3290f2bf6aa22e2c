"""Sessions of the page, kept in this process only; and the brake on guessing passwords."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from itsdangerous import BadSignature, URLSafeSerializer

Seconds = Callable[[], float]
"""A clock that is never set back."""
IDLE_SECONDS = 3600.0
"""After so long without a request a session is over."""
MOST_SESSIONS = 500
_SALT = "undertow.worklist.session.1"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks: the name that answers are noted under, their role and panels (none: all), the
    address they get mail at, and what they proved who they are by."""

    actor: str
    role: str = ""
    panels: frozenset[str] = frozenset()
    mail: str = ""
    proof: str = field(default="", repr=False)

    def sees(self, panel: str) -> bool:
        """Whether patients of a panel are theirs."""
        return not self.panels or panel in self.panels


@dataclass(slots=True)
class Session:
    """One visit; ``form_token`` stands in each of its forms."""

    visitor: Visitor
    form_token: str
    began: float
    used: float

    def is_form(self, token: str) -> bool:
        """Whether a form was made in this session."""
        return hmac.compare_digest(self.form_token.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """Open sessions. A cookie is a random name, signed by this home; all else stays here."""

    def __init__(self, secret: bytes, hours: float, seconds: Seconds) -> None:
        self._signer = URLSafeSerializer(secret, salt=_SALT)
        self._most = hours * 3600
        self._seconds = seconds
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, visitor: Visitor) -> str:
        """Open a session under a new name; return its cookie."""
        name, now = secrets.token_urlsafe(32), self._seconds()
        with self._lock:
            self._open[name] = Session(visitor, secrets.token_urlsafe(32), now, now)
            while len(self._open) > MOST_SESSIONS:
                self._open.popitem(last=False)
        return str(self._signer.dumps(name))

    def of(self, cookie: str) -> Session | None:
        """The session of a cookie; None where it is not ours, over, or was signed out."""
        name, now = self._name(cookie), self._seconds()
        with self._lock:
            session = self._open.get(name)
            if session is None:
                return None
            if now - session.began >= self._most or now - session.used >= IDLE_SECONDS:
                del self._open[name]
                return None
            session.used = now
            return session

    def end(self, cookie: str) -> None:
        """Sign out: the cookie is good for nothing from here on."""
        with self._lock:
            self._open.pop(self._name(cookie), None)

    def _name(self, cookie: str) -> str:
        try:
            return str(self._signer.loads(cookie))
        except (BadSignature, ValueError):
            return ""


@dataclass(frozen=True, slots=True)
class _Tries:
    count: int = 0
    last: float = 0.0


class Brake:
    """Slows down who guesses: after some failures of one name, or many of all, a wait.

    A try is counted before its password is looked at, so that tries at one moment count as well;
    success takes one's own back.
    """

    FREE, FIRST_WAIT, LONGEST = 5, 30.0, 900.0
    ALL, ALL_SECONDS = 40, 60.0
    MOST_NAMES = 5000

    def __init__(self, seconds: Seconds) -> None:
        self._seconds = seconds
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._all: deque[float] = deque()
        self._lock = threading.Lock()

    def wait(self, name: str) -> float:
        """Count a try; return the seconds to wait before it may be made, 0 for none."""
        now = self._seconds()
        with self._lock:
            while self._all and now - self._all[0] >= self.ALL_SECONDS:
                self._all.popleft()
            tries = self._tries.get(name) or _Tries()
            left = self._pause(tries) - (now - tries.last)
            if len(self._all) >= self.ALL:
                left = max(left, self.ALL_SECONDS - (now - self._all[0]))
            if left > 0:
                return left
            self._tries[name] = _Tries(tries.count + 1, now)
            self._tries.move_to_end(name)
            self._all.append(now)
            while len(self._tries) > self.MOST_NAMES:
                self._tries.popitem(last=False)
            return 0.0

    def _pause(self, tries: _Tries) -> float:
        beyond = tries.count - self.FREE
        return 0.0 if beyond < 0 else min(self.FIRST_WAIT * 2.0**beyond, self.LONGEST)

    def succeeded(self, name: str) -> None:
        """The password was right."""
        with self._lock:
            self._tries.pop(name, None)
            if self._all:
                self._all.pop()
