"""The ways in: a name and a password, the terminal's key, a link of a mail; and the way out.

A link or a key is only looked at by GET, for mail programs and scanners open addresses on their
own; a form opens it. With users a link says where to go and lets nobody in.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from functools import cache, wraps
from math import ceil

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flows.links import BadLinkError, Claim, claimed
from flows.worklist.desk import Desk, as_visitor
from flows.worklist.guard import TurnedAwayError
from flows.worklist.looks import message_page, page
from flows.worklist.sessions import Session, Visitor
from flows.worklist.users import hashed, is_right

log = logging.getLogger("undertow.worklist")

Handler = Callable[[Request], Response]
NUMBER = re.compile(r"[A-Z2-7]{8}")
SEE_OTHER = 303
_HASHING = threading.Semaphore(2)
"""scrypt takes 32 MB a try."""


@cache
def nobody() -> str:
    """What the password of an unknown name is held against, so that it takes as long."""
    return hashed("nobody's", b"sixteen bytes of")


def desk_of(request: Request) -> Desk:
    """The desk that the page was started with."""
    desk: Desk = request.app.state.desk
    return desk


def form_of(request: Request) -> dict[str, str]:
    """The fields of the form that was sent."""
    form: dict[str, str] = request.state.form
    return form


def session_of(request: Request) -> Session | None:
    """The visitor's session, if they are in."""
    desk = desk_of(request)
    return desk.session(request.cookies.get(desk.cookie, ""))


def inside(handler: Callable[[Request, Desk, Session], Response]) -> Handler:
    """A page for who is in; others are asked to sign in, and what they wrote is shown to them."""

    @wraps(handler)
    def opened(request: Request) -> Response:
        session = session_of(request)
        if session is None:
            return _asked_in(request)
        if request.method == "POST" and not session.is_form(form_of(request).get("token", "")):
            raise TurnedAwayError(403, "The form is of another session. Open the page again.")
        request.state.session = session
        return handler(request, desk_of(request), session)

    return opened


def _asked_in(request: Request) -> Response:
    number = request.path_params.get("number", "")
    if request.method != "POST":
        return _to(f"/sign-in?to={number}" if NUMBER.fullmatch(number) else "/sign-in")
    wrote = [form_of(request).get(name, "") for name in ("note", "reason", "text", "why")]
    said = "Your session is over and nothing was changed. Sign in, then send it again."
    return message_page(request.scope, 401, "Sign in again", said, "\n".join(filter(None, wrote)))


def _to(where: str) -> RedirectResponse:
    return RedirectResponse(where, SEE_OTHER)


def _target(number: str) -> str:
    """Where to go after the door: to an alert or to the list, nowhere else."""
    return f"/alert/{number}" if NUMBER.fullmatch(number) else "/"


def _let_in(request: Request, visitor: Visitor, how: str, number: str) -> Response:
    """Begin a session, always under a new name."""
    desk = desk_of(request)
    desk.access.note(visitor.actor, how)
    desk.sessions.end(request.cookies.get(desk.cookie, ""))
    answer = _to(_target(number))
    answer.set_cookie(
        desk.cookie,
        desk.sessions.begin(visitor),
        path="/",
        secure=desk.is_secure,
        httponly=True,
        samesite="strict",
    )
    return answer


def sign_in(request: Request) -> Response:
    """The form for a name and password, or for the terminal's key."""
    number = request.query_params.get("to", "")
    if session_of(request) is not None:
        return _to(_target(number))
    return _door(request, number)


def _door(request: Request, number: str, problem: str = "", status: int = 200) -> Response:
    facts = {
        "to": number if NUMBER.fullmatch(number) else "",
        "problem": problem,
        "has_users": desk_of(request).key is None,
    }
    return page(request.scope, "sign_in.html.j2", facts, status)


def signed_in(request: Request) -> Response:
    """A name and password were sent."""
    desk, form = desk_of(request), form_of(request)
    name, number = form.get("name", "").strip(), form.get("to", "")
    if desk.key is not None:
        return _by_key(request, form.get("key", ""), number)
    if left := desk.brake.wait(name[:64]):
        return _braked(request, number, left)
    user = desk.users().get(name)
    with _HASHING:
        is_known = is_right(form.get("password", ""), user.password if user else nobody())
    if user is None or not is_known:
        desk.access.note(name if user else "unknown", "was refused")
        return _door(request, number, "The name or the password is wrong.", 401)
    desk.brake.succeeded(name)
    return _let_in(request, as_visitor(name, user), "signed in", number)


def _braked(request: Request, number: str, left: float) -> Response:
    seconds = ceil(left)
    answer = _door(request, number, f"Too many tries. Try again in {seconds} seconds.", 429)
    answer.headers["retry-after"] = str(seconds)
    return answer


def _by_key(request: Request, given: str, number: str) -> Response:
    desk = desk_of(request)
    if left := desk.brake.wait("key"):
        return _braked(request, number, left)
    if desk.key is None or not desk.key.take(given.strip()):
        desk.access.note("unknown", "was refused")
        said = "That is not the key, or it was used: the terminal shows a new one after each use."
        return _door(request, number, said, 401)
    desk.brake.succeeded("key")
    return _let_in(request, Visitor(desk.owner), "came by the key", number)


def key_shown(request: Request) -> Response:
    """The address that the terminal shows: a form that holds the key."""
    if desk_of(request).key is None:
        return _to("/sign-in")
    return page(request.scope, "key.html.j2", {"key": request.path_params["key"]})


def link_shown(request: Request) -> Response:
    """A link of a mail: whom it was sent to, and a form that opens it; nothing of a patient."""
    claim, desk = _claim(request), desk_of(request)
    facts = {"claim": claim, "has_users": desk.key is None}
    return page(request.scope, "open.html.j2", facts)


def link_opened(request: Request) -> Response:
    """Follow a link: to its alert for who is in, to the door, or in for its recipient's panels."""
    claim, desk = _claim(request), desk_of(request)
    if session_of(request) is not None:
        return _to(_target(claim.alert_id))
    if desk.key is None:
        return _to(f"/sign-in?to={claim.alert_id}")
    visitor = desk.of_link(claim.address)
    if visitor is None:
        said = "Whom this link was sent to gets no such mails any more. Nothing was opened."
        raise TurnedAwayError(403, said)
    return _let_in(request, visitor, "came by a link", claim.alert_id)


def _claim(request: Request) -> Claim:
    desk = desk_of(request)
    try:
        return claimed(desk.secret, request.path_params["token"], desk.today())
    except BadLinkError as error:
        log.warning(
            "a link was refused: %s", "too old" if "good until" in str(error) else "changed"
        )
        said = str(error)
        raise TurnedAwayError(400, f"{said[:1].upper()}{said[1:]}.") from None


def sign_out(request: Request, desk: Desk, session: Session) -> Response:
    """Out, on this side as well: the cookie is good for nothing any more."""
    desk.access.note(session.visitor.actor, "signed out")
    desk.sessions.end(request.cookies.get(desk.cookie, ""))
    answer = _to("/sign-in")
    answer.delete_cookie(
        desk.cookie, path="/", secure=desk.is_secure, httponly=True, samesite="strict"
    )
    return answer
