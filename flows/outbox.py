"""Deliver what the outbox owes: by SMTP over verified TLS, or as .eml files without a host.

A refusal by the server is an outcome, a lost connection after the body is *unknown*: the message
is sent again with the same Message-ID. Nothing is ever dropped.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path

from flows.home import Home
from flows.settings import Mail, Settings
from warehouse.ledger import Ledger

TIMEOUT_SECONDS = 30
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def deliver(
    ledger: Ledger, home: Home, settings: Settings, clock: Callable[[], datetime]
) -> dict[str, int]:
    """Try every owed message once; return how many ended in each state."""
    counts = {"sent": 0, "pending": 0, "unknown": 0, "refused": 0}
    for row in ledger.owed():
        if settings.mail.host:
            state, problem = _send(settings, row["recipient"], bytes(row["message"]))
        else:
            state, problem = _write(
                home.mail, row["message_id"], row["night"], bytes(row["message"])
            )
        ledger.settle(row["message_id"], state, clock(), problem)
        counts[state] += 1
    return counts


def _write(folder: Path, message_id: str, night: str, message: bytes) -> tuple[str, str]:
    """Write the message as a file named for its night and Message-ID: again is the same file."""
    kind, _, seal = message_id.strip("<>").split("@")[0].partition(".")
    target = folder / f"{night}-{kind}-{seal[:12]}.eml"
    partial = target.with_suffix(".part")
    partial.write_bytes(message)
    partial.chmod(0o600)
    partial.rename(target)
    return "sent", ""


def _send(settings: Settings, recipient: str, message: bytes) -> tuple[str, str]:
    """Before the session stands nothing is the message's fault; what follows the server's yes
    (its answer to QUIT) takes nothing back."""
    parsed = message_from_bytes(message, policy=policy.SMTP)
    try:
        server = _connected(settings.mail, settings.mail_password())
    except (OSError, smtplib.SMTPException) as error:
        return "pending", type(error).__name__
    try:
        server.send_message(parsed, settings.mail.sender, [recipient])
    except smtplib.SMTPRecipientsRefused as error:
        return _by_code(next(iter(error.recipients.values()))[0])
    except smtplib.SMTPResponseException as error:
        return _by_code(error.smtp_code)
    except smtplib.SMTPServerDisconnected:
        return "unknown", "connection lost"
    except (OSError, smtplib.SMTPException) as error:
        return "pending", type(error).__name__
    finally:
        _leave(server)
    return "sent", ""


def _leave(server: smtplib.SMTP) -> None:
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()


def _by_code(code: int) -> tuple[str, str]:
    """A permanent refusal (5xx) needs a person; anything else is tried again."""
    return ("refused" if 500 <= code < 600 else "pending"), f"SMTP {code}"


def _connected(mail: Mail, password: str) -> smtplib.SMTP:
    """A session: TLS with a verified certificate, or a relay on this very machine."""
    context = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
    server: smtplib.SMTP
    if mail.security == "tls":
        server = smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        if mail.security == "relay" and mail.host not in LOOPBACK:
            raise smtplib.SMTPNotSupportedError("a relay without TLS must be on this machine")
        server = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_SECONDS)
    try:
        if mail.security == "starttls":
            server.starttls(context=context)
        if mail.username:
            server.login(mail.username, password)
    except BaseException:
        server.close()
        raise
    return server
