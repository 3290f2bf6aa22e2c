"""Serve: the schedule, with what it needs. An API that is configured is used; else one is started
on loopback and ended again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import click

from flows.home import Home
from flows.settings import Settings

STARTUP_SECONDS = 180
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_SECONDS),
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
}
"""No telemetry, no log lines in Prefect's database, time to start on a busy machine."""


class ServerError(RuntimeError):
    """The local Prefect server did not start."""


def serve(home: Home, settings: Settings, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Run nights on the schedule of settings until stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the server is ended too
    with prefect_api(home, environ) as api:
        os.environ.update(QUIET | {"PREFECT_API_URL": api})
        from prefect.schedules import Cron

        from flows.nightly import nightly

        said = f"serving nightly at '{settings.schedule.cron}' ({settings.schedule.time_zone})"
        click.echo(f'{{"api": "{api}"}}' if as_json else f"{said}; Prefect at {api}")
        nightly.serve(
            name="nightly",
            parameters={"home": str(home.root)},
            schedule=Cron(settings.schedule.cron, timezone=settings.schedule.time_zone),
            pause_on_shutdown=False,
            print_starting_message=False,
        )


@contextmanager
def prefect_api(home: Home, environ: Mapping[str, str]) -> Iterator[str]:
    """The address of a Prefect API: the one configured, else a server of our own on loopback."""
    if environ.get("PREFECT_API_URL"):
        yield environ["PREFECT_API_URL"]
        return
    folder = home.root / "prefect"
    folder.mkdir(mode=0o700, exist_ok=True)
    _end_orphan(folder / "server.pid")
    port = _free_port()
    own = {**environ, **QUIET, "PREFECT_HOME": str(folder)}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    log = (folder / "server.log").open("ab")
    server = subprocess.Popen(  # noqa: S603 our own interpreter and fixed arguments
        [*command, "--port", str(port)], env=own, stdout=log, stderr=log
    )
    (folder / "server.pid").write_text(str(server.pid), encoding="ascii")
    try:
        _await(server, f"http://127.0.0.1:{port}/api/health")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        server.wait(timeout=20)
        (folder / "server.pid").unlink(missing_ok=True)
        log.close()


def _end_orphan(noted: Path) -> None:
    """End a server that a killed process left behind: it would answer on loopback for ever."""
    if not noted.exists():
        return
    pid = int(noted.read_text(encoding="ascii"))
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"prefect" in command and b"server" in command:
            os.kill(pid, signal.SIGTERM)
    noted.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(server: subprocess.Popen[bytes], health: str) -> None:
    """Wait until the server answers; it takes 15 to 30 seconds."""
    until = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ServerError("the local Prefect server ended; see prefect/server.log in the home")
        try:
            with urllib.request.urlopen(health, timeout=2):  # noqa: S310 loopback, fixed scheme
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise ServerError("the local Prefect server did not answer in time")
