"""The pages behind the door: the list, a person's page, and what is answered there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from flows.answering import Answer, AnswerError, ChangedError, answered
from flows.reading import NothingPublishedError, UnknownAlertError, published
from flows.settings import SettingsError
from flows.worklist import doors, listing, person
from flows.worklist.access import AccessError
from flows.worklist.desk import MEMORY, Desk
from flows.worklist.doors import form_of, inside
from flows.worklist.guard import Front, Guard, TurnedAwayError
from flows.worklist.looks import message_page, page
from flows.worklist.sessions import Session, Visitor
from transforms.alerting import Alert, NotPossibleError
from warehouse import alerts
from warehouse.ledger import Ledger

AT_ONCE = 4
"""Requests that are worked on at one moment; each may hold a connection of DuckDB."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a person's page: the kind of answer, its facts, and what is said once noted."""

    kind: str
    facts: Callable[[Mapping[str, str]], dict[str, object]]
    done: str


FORMS: Mapping[str, Form] = {
    "acknowledge": Form("acknowledged", lambda f: {"note": f.get("note")}, "Acknowledged."),
    "snooze": Form(
        "snoozed", lambda f: {"until": f.get("until"), "reason": f.get("reason")}, "Snoozed."
    ),
    "comment": Form("commented", lambda f: {"text": f.get("text")}, "Your comment was added."),
    "judge": Form(
        "disposed",
        lambda f: {
            "is_useful": {"yes": True, "no": False}.get(f.get("is_useful", "")),
            "why": f.get("why"),
        },
        "Your judgement was noted.",
    ),
}


def the_list(request: Request, desk: Desk, session: Session) -> Response:
    """Alerts of the visitor's panels."""
    wish = listing.wish_of(request.query_params)
    with desk.ledger() as ledger:
        shown = listing.facts(request.app.state.register, ledger, session.visitor, wish)
    desk.access.note(session.visitor.actor, "looked at the list")
    return page(request.scope, "list.html.j2", shown)


def one_alert(request: Request, desk: Desk, session: Session) -> Response:
    """The page of an alert's patient."""
    done = FORMS.get(request.query_params.get("done", ""))
    return _shown(request, desk, session.visitor, {"done": done.done if done else ""})


def _shown(
    request: Request, desk: Desk, visitor: Visitor, more: Mapping[str, object], status: int = 200
) -> Response:
    """A person's page, recorded before it is shown."""
    usual = {"done": "", "problem": "", "field": "", "form": "", "given": {}}
    with desk.ledger() as ledger, published(desk.home, memory_limit=MEMORY) as con:
        alert = _alert(request, desk, ledger, visitor)
        facts = person.facts(desk, ledger, con, alert, visitor)
        desk.access.note(visitor.actor, "looked at an alert", alert.alert_id)
    return page(request.scope, "person.html.j2", {**usual, **facts, **more}, status)


def _alert(request: Request, desk: Desk, ledger: Ledger, visitor: Visitor) -> Alert:
    """The alert of an address, if it is of the visitor's panels.

    Raises:
        UnknownAlertError: it is not, or there is none: the same to who asks.
    """
    alert = alerts.one(ledger, request.path_params["number"])
    if alert is None or not visitor.sees(desk.panel(alert)):
        raise UnknownAlertError("no alert has that number")
    return alert


def answer(request: Request, desk: Desk, session: Session) -> Response:
    """Note an answer; what cannot be noted is shown with what was written still in the form."""
    name, given = request.path_params["form"], form_of(request)
    form, visitor = FORMS.get(name), session.visitor
    seen = given.get("seen", "")
    if form is None or not (seen.isascii() and seen.isdecimal()):
        raise TurnedAwayError(400, "The form is not one of this page.")
    kept = {"form": name, "given": given}
    try:
        with desk.ledger() as ledger:
            alert = _alert(request, desk, ledger, visitor)
            said = Answer(
                alert.alert_id, form.kind, form.facts(given), visitor.actor, int(seen[:18])
            )
            answered(ledger, desk.settings, said, desk.clock())
    except AnswerError as error:
        field, _, problem = str(error).partition(": ")
        return _shown(request, desk, visitor, {**kept, "field": field, "problem": problem}, 422)
    except (ChangedError, NotPossibleError) as error:
        return _shown(request, desk, visitor, {**kept, "problem": _sentence(error)}, 409)
    return RedirectResponse(f"/alert/{alert.alert_id}?done={name}", doors.SEE_OTHER)


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}"


_FAILURES: Mapping[type[Exception], tuple[int, str]] = {
    UnknownAlertError: (404, "No alert of your panels has that number."),
    NothingPublishedError: (503, "No night was published yet: `undertow run` comes first."),
    AccessError: (
        503,
        "Who looks at what cannot be recorded now, so nothing is shown. Tell who runs Undertow: "
        "the disk may be full.",
    ),
    SettingsError: (503, "The settings of the page are not in order. Tell who runs Undertow."),
    sqlite3.OperationalError: (
        503,
        "The ledger could not be written and nothing was changed. Try again; if it stays so, tell "
        "who runs Undertow.",
    ),
}
"""What is said of an error: status and sentence."""


def _failed(request: Request, error: Exception) -> Response:
    kind = next(kind for kind in type(error).__mro__ if kind in _FAILURES)
    status, said = _FAILURES[kind]
    return message_page(request.scope, status, "That did not work", said)


def _no_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return message_page(request.scope, status, "No such page", "There is no page at this address.")


def _turned_away(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, TurnedAwayError) else 400
    return message_page(request.scope, status, "This was not done", str(error))


def _broken(request: Request, _error: Exception) -> Response:
    """The guard writes down its kind and place."""
    said = "Something went wrong here. Try again; if it stays so, tell who runs Undertow."
    return message_page(request.scope, 500, "That did not work", said)


@asynccontextmanager
async def _few_at_once(_app: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = AT_ONCE
    yield


def application(desk: Desk, front: Front) -> ASGIApp:
    """The whole page of one home, guarded."""
    routes = [
        Route("/", inside(the_list)),
        Route("/alert/{number}", inside(one_alert)),
        Route("/alert/{number}/{form}", inside(answer), methods=["POST"]),
        Route("/sign-in", doors.sign_in),
        Route("/sign-in", doors.signed_in, methods=["POST"]),
        Route("/sign-out", inside(doors.sign_out), methods=["POST"]),
        Route("/key/{key}", doors.key_shown),
        Route("/open/{token}", doors.link_shown),
        Route("/open/{token}", doors.link_opened, methods=["POST"]),
    ]
    handlers = {
        **dict.fromkeys(_FAILURES, _failed),
        HTTPException: _no_page,
        TurnedAwayError: _turned_away,
        Exception: _broken,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=_few_at_once)
    app.state.desk, app.state.register = desk, listing.Register(desk)
    return Guard(app, front)
