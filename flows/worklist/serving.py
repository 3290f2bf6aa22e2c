"""Serve the page: where it may listen, by which ways in, and the server itself."""

from __future__ import annotations

import ipaddress
import socket
import time
from asyncio import TimerHandle, Transport, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uvicorn
from starlette.datastructures import URL
from uvicorn.protocols.http.h11_impl import H11Protocol

from flows.home import Home
from flows.settings import Settings, SettingsError
from flows.worklist import users
from flows.worklist.access import verified
from flows.worklist.app import application
from flows.worklist.desk import Desk, Key, users_path
from flows.worklist.guard import Front
from warehouse.ledger import Ledger

Clock = Callable[[], datetime]
Tell = Callable[[str], None]
HEAD_SECONDS = 15.0
"""In which a request's first lines have to arrive, the handshake included."""
MOST_CONNECTIONS = 64
LAST_SECONDS = 5
NEAR = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to serve: of settings what is not given."""

    host: str = ""
    port: int | None = None
    cert: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by TLS."""
        return self.cert is not None or self.behind_proxy


class Prompt(H11Protocol):
    """A connection that has to ask for something soon; uvicorn alone would wait for ever."""

    _late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start to wait."""
        super().connection_made(transport)
        self._late = get_running_loop().call_later(HEAD_SECONDS, self._close_unasked)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _close_unasked(self) -> None:
        if self.cycle is None:
            self.transport.close()


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is ready: its server, the socket it listens on, its address, and its key."""

    server: uvicorn.Server
    listener: socket.socket
    address: str
    key: Key | None

    def run(self) -> None:
        """Serve until told to stop."""
        with self.listener:
            self.server.run(sockets=[self.listener])


def serve(page: Page, tell: Tell) -> None:
    """Say where the page is, and the key where there are no users; serve until told to stop."""
    with suppress(KeyboardInterrupt):
        tell(f"The work-list is at {page.address}/ (Ctrl-C ends it)")
        if page.key is not None:
            page.key.show()
        page.run()


def prepared(
    home: Home, settings: Settings, wish: Listening, clock: Clock, tell: Tell, owner: str
) -> Page:
    """A page that listens already.

    Args:
        home: whose.
        settings: its settings.
        wish: where to listen.
        clock: the time, UTC.
        tell: says each new key.
        owner: under whose name the holder of the key answers.

    Raises:
        SettingsError: it may not listen there, or a file is not in order.
        ChainError: the record of who looked at what was changed.
    """
    host, is_near = _host(settings, wish)
    has_users = _has_users(home, settings, is_near=is_near and not wish.behind_proxy)
    verified(home.access)
    listener = _bound(host, settings.worklist.port if wish.port is None else wish.port)
    try:
        port = int(listener.getsockname()[1])
        base = _base(settings, wish, host, port)
        key = None if has_users else Key(lambda one: tell(f"Open {base}/key/{one}"))
        secret = _secret(home)
        desk = Desk(home, settings, clock, time.monotonic, secret, key, owner, wish.is_secure)
        front = _front(settings, wish, port, is_near=is_near)
        server = uvicorn.Server(_config(application(desk, front), wish))
    except BaseException:
        listener.close()
        raise
    return Page(server, listener, base, key)


def _host(settings: Settings, wish: Listening) -> tuple[str, bool]:
    """The host, and whether it is this machine only."""
    host = wish.host or settings.worklist.host
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        raise SettingsError(f"--host: {host} is no address of this machine") from None
    if (wish.cert is None) != (wish.key is None):
        raise SettingsError("--cert and --key: TLS needs both")
    is_near = all(ipaddress.ip_address(one.split("%")[0]).is_loopback for one in found)
    if not is_near and not wish.is_secure:
        raise SettingsError(
            f"--host: on {host} patients' results would cross the network in clear: give --cert "
            "and --key, or --behind-proxy where TLS ends at a proxy"
        )
    address = URL(settings.worklist.url)
    if (not is_near or wish.behind_proxy) and address.scheme != "https":
        raise SettingsError(
            "worklist.url: beyond this machine the page answers to one address, such as "
            '"https://worklist.clinic.example"'
        )
    if address.path.strip("/"):
        raise SettingsError("worklist.url: the page is at the root of its host, without a path")
    return host, is_near


def _has_users(home: Home, settings: Settings, *, is_near: bool) -> bool:
    path = users_path(home, settings)
    if path is not None:
        if not users.read(path):
            raise SettingsError(
                "worklist.users_file: nobody is in it; `undertow worklist add-user`"
            )
        return True
    if not is_near:
        raise SettingsError(
            "worklist.users_file: beyond this machine only users who sign in are let in; name a "
            "file and add them with `undertow worklist add-user NAME`"
        )
    return False


def _bound(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(MOST_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"--port: {host}:{port} cannot be listened on ({error.strerror}); give another"
        ) from None
    return listener


def _front(settings: Settings, wish: Listening, port: int, *, is_near: bool) -> Front:
    """What browsers may call the page: the address of settings; near by, this machine's names."""
    scheme = "https" if wish.is_secure else "http"
    usual = 443 if wish.cert else 80
    end = "" if port == usual else f":{port}"  # browsers leave the usual port out
    names = {f"{name}{end}" for name in NEAR} if is_near else set()
    origins = {f"{'https' if wish.cert else 'http'}://{name}" for name in names}
    if netloc := URL(settings.worklist.url).netloc.lower():
        given = URL(settings.worklist.url).scheme or scheme
        names, origins = names | {netloc}, origins | {f"{given}://{netloc}"}
    return Front(frozenset(names), frozenset(origins), wish.is_secure, settings.site.name)


def _base(settings: Settings, wish: Listening, host: str, port: int) -> str:
    if wish.is_secure and settings.worklist.url:
        return settings.worklist.url.rstrip("/")
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if wish.cert else 'http'}://{name}:{port}"


def _secret(home: Home) -> bytes:
    ledger = Ledger(home.ledger)
    try:
        return ledger.secret()
    finally:
        ledger.close()


def _config(app: object, wish: Listening) -> uvicorn.Config:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=Prompt,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=2,
        timeout_graceful_shutdown=LAST_SECONDS,
        ssl_certfile=wish.cert,
        ssl_keyfile=wish.key,
    )
    try:
        config.load()
    except (OSError, ValueError):
        raise SettingsError("--cert, --key: no certificate chain with its key (PEM)") from None
    return config
