"""What stands before every page: who may ask, how much and how slowly, and what answers carry.

A request is turned away here when its Host is not ours, when a form comes from elsewhere or is too
large or too slow. Logs hold the method, the page's name, status and time: no number, token,
name or text, and of an error only its kind and place.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.worklist.looks import message_page

log = logging.getLogger("undertow.worklist")

MOST_BYTES = 64 * 1024
"""Of a form; the longest comment takes a fifth."""
MOST_FIELDS = 20
BODY_SECONDS = 10.0
"""In which a form has to arrive."""
FORM = "application/x-www-form-urlencoded"

HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "connection": "close",
}
"""On every answer. A connection serves one request, so that none can be held open half asked."""
POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class TurnedAwayError(Exception):
    """A request that goes no further: status and sentence."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


@dataclass(frozen=True, slots=True)
class Front:
    """The addresses that the page answers to: ``hosts`` and ``origins`` as browsers send them; and
    whose page it is."""

    hosts: frozenset[str]
    origins: frozenset[str]
    is_secure: bool = False
    site: str = ""


class Guard:
    """The outermost application."""

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._asked(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _asked(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, status = time.monotonic(), 0
        nonce = secrets.token_urlsafe(16)
        scope["state"] = {**scope.get("state", {}), "nonce": nonce, "site": self._front.site}

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), nonce)
            await send(message)

        try:
            scope["state"]["form"] = await self._checked(scope, receive)
            await self._app(scope, receive, dressed)
        except TurnedAwayError as away:
            page = message_page(scope, away.status, "This was not done", away.said)
            await page(scope, receive, dressed)
        except Exception as error:  # noqa: BLE001 the edge: its text may hold a patient's data
            log.error("failed: %s at %s", type(error).__name__, _place(error))  # noqa: TRY400 no text
            if not status:
                said = "Something went wrong here, and nothing was changed. Try again."
                await message_page(scope, 500, "That did not work", said)(scope, receive, dressed)
        what = getattr(scope.get("endpoint"), "__name__", "-")
        took = 1000 * (time.monotonic() - begun)
        log.info("%s %s %d %.0f ms", scope["method"], what, status, took)

    def _dress(self, headers: MutableHeaders, nonce: str) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        headers["content-security-policy"] = POLICY.format(nonce=nonce)
        if self._front.is_secure:
            headers["strict-transport-security"] = "max-age=31536000"

    async def _checked(self, scope: Scope, receive: Receive) -> Mapping[str, str]:
        """The fields of a form that may be acted on; empty for what only looks.

        Raises:
            TurnedAwayError: it may not.
        """
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self._front.hosts:
            raise TurnedAwayError(421, "This address is not one of the work-list's.")
        if scope["method"] in ("GET", "HEAD"):
            return {}
        if scope["method"] != "POST":
            raise TurnedAwayError(405, "Pages are only looked at, and forms sent.")
        if not self._is_from_here(headers):
            raise TurnedAwayError(403, "The form did not come from a page of the work-list.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise TurnedAwayError(415, "Only forms are taken.")
        return await _fields(scope, await _body(headers, receive))

    def _is_from_here(self, headers: Headers) -> bool:
        """By what browsers say of themselves; who says nothing is not believed."""
        site = headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = headers.get("origin")
        # Pages send no referrer, for which browsers call the origin of their forms "null".
        return origin in self._front.origins or (site is not None and origin in (None, "null"))


async def _body(headers: Headers, receive: Receive) -> bytes:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BYTES:
        raise TurnedAwayError(413, f"A form is at most {MOST_BYTES // 1024} KB.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise TurnedAwayError(400, "The form broke off.")
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    raise TurnedAwayError(413, f"A form is at most {MOST_BYTES // 1024} KB.")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise TurnedAwayError(408, "The form came too slowly.") from None


async def _fields(scope: Scope, body: bytes) -> dict[str, str]:
    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        form = await Request(scope, again).form(max_fields=MOST_FIELDS)
    except MultiPartException:
        raise TurnedAwayError(400, f"A form has at most {MOST_FIELDS} fields.") from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _place(error: Exception) -> str:
    """Where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"
