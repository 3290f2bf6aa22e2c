"""Visit the page in this process: sign in, look, send forms, as a browser does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
from starlette.types import ASGIApp

from flows.home import Home
from flows.settings import load
from flows.worklist import users
from flows.worklist.app import application
from flows.worklist.desk import Desk, Key
from flows.worklist.guard import Front
from tests.flows.scene import NIGHT, Scene
from warehouse.ledger import Ledger

HOSTILE = """<script>alert('1')</script>"'&amp;"""
SETTINGS = """
[site]
name = "The <b>clinic</b>"
[alerts]
panels_file = "panels.csv"
[worklist]
users_file = "users.toml"
[[mail.routes]]
role = "care_team"
to = ["all@clinic.example"]
[[mail.routes]]
role = "care_team"
panels = ["north"]
to = ["north@clinic.example"]
[[mail.routes]]
role = "lead"
panels = ["south"]
to = ["lead@clinic.example"]
"""
NOW = datetime(NIGHT.year, NIGHT.month, NIGHT.day, 12, tzinfo=UTC)
CHEAP = (4, 8, 1)
PASSWORD = "correct horse battery"
HASH = users.hashed(PASSWORD, b"salt", CHEAP)
OTHER = users.hashed("another", b"salt", CHEAP)
NEAR = "http://127.0.0.1:8765"
HOST = "127.0.0.1:8765"
FORM = {"sec-fetch-site": "same-origin"}
FORM_TYPE = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Clock:
    """A day and a stopwatch that tests move."""

    now: datetime = NOW
    seconds: float = 1000.0

    def later(self, **by: float) -> None:
        """Time passes."""
        self.now += timedelta(**by)
        self.seconds += timedelta(**by).total_seconds()


@dataclass
class Visit:
    """One browser at one page."""

    desk: Desk
    clock: Clock
    app: ASGIApp
    base: str = NEAR
    keys: list[str] = field(default_factory=list)
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request, redirects not followed."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=self.base, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(asked())

    def look(self, path: str, **headers: str) -> httpx.Response:
        """GET."""
        return self.ask("GET", path, headers=headers)

    def send(
        self, path: str, given: Mapping[str, str], headers: Mapping[str, str] = FORM
    ) -> httpx.Response:
        """POST a form."""
        return self.ask("POST", path, data=dict(given), headers={**FORM_TYPE, **headers})

    def sign_in(self, name: str = "nurse", password: str = PASSWORD) -> httpx.Response:
        """Sign in by name and password."""
        return self.send("/sign-in", {"name": name, "password": password})

    def fields(self, number: str) -> dict[str, str]:
        """The hidden fields of an alert's forms."""
        text = self.look(f"/alert/{number}").text
        return {name: hidden(text, name) for name in ("token", "seen")}

    def answer(self, number: str, form: str, **given: str) -> httpx.Response:
        """Open an alert's page and send one of its forms."""
        return self.send(f"/alert/{number}/{form}", {**self.fields(number), **given})

    def record(self) -> str:
        """Who looked at what."""
        return self.desk.home.access.read_text(encoding="utf-8")


def hidden(text: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found, name
    return unescape(found[1])


def visit(
    scene: Scene, *, with_users: bool = True, secret: bytes | None = None, is_secure: bool = False
) -> Visit:
    """A browser at the page of a home, not signed in yet."""
    clock, keys = Clock(), list[str]()
    settings = load(scene.home.settings)
    desk = Desk(
        scene.home,
        settings,
        lambda: clock.now,
        lambda: clock.seconds,
        secret or secret_of(scene.home),
        None if with_users else Key(keys.append),
        "owner",
        is_secure,
    )
    front = Front(frozenset({HOST}), frozenset({NEAR}), is_secure, settings.site.name)
    app = application(desk, front)
    base = f"https://{HOST}" if is_secure else NEAR
    return Visit(desk, clock, app, base, keys)


def secret_of(home: Home) -> bytes:
    """The ledger's secret."""
    ledger = Ledger(home.ledger)
    try:
        return ledger.secret()
    finally:
        ledger.close()


def enrol(scene: Scene, **panels: tuple[str, ...]) -> None:
    """Users by name, with their panels and all the same password."""
    for name, seen in panels.items():
        user = users.User(password=HASH, role="care_team", panels=seen, mail=f"{name}@x.example")
        users.add(scene.home.root / "users.toml", name, user)


def numbers(scene: Scene) -> dict[str, str]:
    """Patient -> the number of their alert."""
    return {
        row["patient_id"]: row["alert_id"]
        for row in scene.ledger("SELECT patient_id, alert_id FROM alert")
    }
