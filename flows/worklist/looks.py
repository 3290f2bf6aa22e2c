"""How pages are made: escaped templates, in which no value can turn the direction of text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.types import Scope

from flows.answering import HIDDEN
from flows.pictures.palette import DARK, LIGHT

Facts = dict[str, Any]


@cache
def environment() -> jinja2.Environment:
    """The page's templates: everything is escaped, a name that is missing is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("flows", "templates/worklist"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"words": lambda name: str(name).replace("_", " "), "number": number}
    made.globals |= {"lines": lines, "light": LIGHT, "dark": DARK}
    return made


def _inert(value: object) -> object:
    """Text without hidden characters; what comes from sources was never checked for them."""
    return HIDDEN.sub("\ufffd", value) if type(value) is str else value


def lines(text: str) -> Markup:
    """What somebody wrote, for a form: escaped, its line ends kept.

    >>> print(lines("a\n<b>"))
    a
    &lt;b&gt;
    """
    return Markup("\n").join(str(_inert(line)) for line in text.splitlines())


def number(value: float | None, digits: int = 0) -> str:
    """A number, or a dash where there is none.

    >>> number(1234.5), number(None), number(0.25, 2)
    ('1,234', '–', '0.25')
    """
    return "–" if value is None else f"{value:,.{digits}f}"


def page(scope: Scope, template: str, facts: Facts, status: int = 200) -> HTMLResponse:
    """A page; ``visitor`` and ``form_token`` stand in the scope's state where somebody is in."""
    state = scope.get("state", {})
    session = state.get("session")
    common = {
        "nonce": state["nonce"],
        "site": state.get("site", ""),
        "visitor": session.visitor if session else None,
        "form_token": session.form_token if session else "",
    }
    text = environment().get_template(template).render({**common, **facts})
    return HTMLResponse(re.sub(r"\n\s*\n+", "\n", text), status_code=status)


def message_page(scope: Scope, status: int, title: str, said: str, kept: str = "") -> HTMLResponse:
    """A page that says one thing; ``kept``: what somebody wrote, to be copied."""
    return page(scope, "message.html.j2", {"title": title, "said": said, "kept": kept}, status)
