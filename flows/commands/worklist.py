"""The work-list page: the group ``worklist``."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

import click

from flows.commands.base import FILE, clock, home_of, settings_of, shared, tell


@click.group(invoke_without_command=True)
@click.option("--host", default="", help="The address to listen on (default: of settings).")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: of settings.")
@click.option("--cert", type=FILE, help="Certificate chain (PEM): TLS 1.2 or newer.")
@click.option("--key", type=FILE, help="Its private key (PEM).")
@click.option("--behind-proxy", is_flag=True, help="TLS ends at a proxy before it.")
@shared
@click.pass_context
def worklist(context: click.Context, /, home: str | None, as_json: bool, **wish: Any) -> None:  # noqa: ANN401 the fields of Listening
    """Serve the page on which a care team answers alerts."""
    if context.invoked_subcommand is not None:
        return
    from flows.home import require
    from flows.worklist.serving import Listening, prepared, serve

    place = require(home_of(home))

    def say(said: str) -> None:
        tell({"said": said}, as_json, said)

    settings, owner = settings_of(place), getpass.getuser()
    serve(prepared(place, settings, Listening(**wish), clock, say, owner), say)


@worklist.command("add-user")
@click.argument("name")
@click.option("--role", default="care_team", show_default=True, help="As in mail.routes.")
@click.option("--panel", "panels", multiple=True, help="A panel whose patients they see.")
@click.option("--all-panels", is_flag=True, help="They see every patient.")
@click.option("--mail", default="", help="The address that Undertow writes to.")
@shared
def worklist_add_user(
    name: str,
    role: str,
    panels: tuple[str, ...],
    all_panels: bool,
    mail: str,
    home: str | None,
    as_json: bool,
) -> None:
    """Let NAME sign in, or give them a new password; it is asked for."""
    from flows.answering import line
    from flows.home import require
    from flows.worklist import users
    from flows.worklist.desk import require_users_path

    if bool(panels) == all_panels:
        raise click.UsageError("say which patients they see: --panel NAME, or --all-panels")
    place = require(home_of(home))
    path: Path = require_users_path(place, settings_of(place))
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(password) < users.FEWEST_LETTERS:
        raise click.UsageError(f"a password has at least {users.FEWEST_LETTERS} characters")
    user = users.User(
        password=users.hashed(password, os.urandom(users.SALT_BYTES)),
        role=line(role, "--role"),
        panels=tuple(line(panel, "--panel") for panel in panels),
        mail=mail,
    )
    is_new = users.add(path, name, user)
    said = "may sign in" if is_new else "has a new password, role and panels; open sessions end"
    tell({"user": name, "new": is_new}, as_json, f"{name} {said}.")


COMMANDS = (worklist,)
