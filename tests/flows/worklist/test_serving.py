"""The server itself: where it may listen, and connections that are slow or ask for nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.settings import SettingsError
from flows.worklist import guard, serving
from flows.worklist.serving import Listening, Page, prepared
from tests.flows import scene as scenes
from tests.flows.scene import Scene
from tests.flows.worklist.visiting import enrol

URL = '[worklist]\nurl = "https://w.example"\n'
USERS = 'users_file = "users.toml"\n'


@pytest.mark.parametrize(
    ("settings", "wish", "why"),
    [
        ("", {"host": "0.0.0.0"}, "cross the network in clear"),  # noqa: S104
        ("", {"behind_proxy": True}, "worklist.url"),
        (URL.replace("https", "http"), {"behind_proxy": True}, "worklist.url"),
        (URL, {"behind_proxy": True}, "worklist.users_file: beyond this machine only users"),
        (URL, {"host": "0.0.0.0", "behind_proxy": True}, "worklist.users_file"),  # noqa: S104
        (URL.replace('ple"', 'ple/w"'), {}, "without a path"),
        ("", {"cert": Path("x.pem")}, "TLS needs both"),
        ("", {"host": "no.such.host.invalid"}, "no address of this machine"),
        ("[worklist]\n" + USERS, {}, "make it with"),
    ],
)
def test_it_listens_only_where_patients_are_safe(
    scene: Scene, settings: str, wish: dict[str, object], why: str
) -> None:
    scene.set(settings)
    with pytest.raises(SettingsError, match=re.escape(why)):
        prepare(scene, **wish)


def prepare(scene: Scene, **wish: Any) -> Page:
    """The page of a home, on whatever port is free."""
    listening = Listening(port=0, **wish)
    return prepared(scene.home, scene.settings(), listening, scenes.now, print, "me")


def test_a_port_that_is_taken_is_said(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = scene.run("worklist", "--port", str(port))

    assert said.code == 2
    assert f"127.0.0.1:{port} cannot be listened on" in said.err


def test_a_changed_record_of_who_looked_keeps_the_page_shut(scene: Scene) -> None:
    scene.home.access.write_text("{}\n", encoding="utf-8")

    said = scene.run("worklist", "--port", "0")
    assert said.code == 1
    assert "access.jsonl was changed at line 1" in said.err


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine and its key."""
    folder = tmp_path_factory.mktemp("cert")
    done = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            folder / "key.pem",
            "-out",
            folder / "cert.pem",
        ],
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("no openssl to make a certificate with")
    return folder / "cert.pem", folder / "key.pem"


@contextlib.contextmanager
def running(page: Page) -> Iterator[Page]:
    """The page, served by a thread."""
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        page.server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def connected(page: Page) -> socket.socket:
    """A connection to it."""
    return socket.create_connection(("127.0.0.1", port_of(page)), timeout=10)


def port_of(page: Page) -> int:
    return int(page.address.rpartition(":")[2])


def said(connection: socket.socket) -> bytes:
    """All that it answers until it closes."""
    blocks = []
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            blocks.append(block)
    return b"".join(blocks)


def head(page: Page, first: str = "GET /sign-in", **more: str) -> bytes:
    """A request's first lines, whole."""
    lines = [f"{first} HTTP/1.1", f"Host: 127.0.0.1:{port_of(page)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode()


FORM = {"Content_Type": "application/x-www-form-urlencoded", "Sec_Fetch_Site": "same-origin"}


def test_slow_large_and_silent_connections_are_ended_while_others_are_answered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(guard, "BODY_SECONDS", 1.0)
    with running(prepare(scene)) as page:
        silent, slow_head, slow_body, large = (connected(page) for _ in range(4))
        slow_head.sendall(head(page)[:30])
        slow_body.sendall(head(page, "POST /sign-in", Content_Length="100", **FORM) + b"key=")
        large.sendall(head(page, "POST /sign-in", Content_Length="99999999", **FORM))
        with connected(page) as other:
            other.sendall(head(page))
            answer = said(other)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer.lower()
            assert b"server:" not in answer.lower()

        assert said(large).startswith(b"HTTP/1.1 413")
        assert said(slow_body).startswith(b"HTTP/1.1 408")
        assert said(silent) == b""
        assert said(slow_head) == b""
        for one in (silent, slow_head, slow_body, large):
            one.close()


def test_a_body_without_an_end_is_bounded(scene: Scene) -> None:
    with running(prepare(scene)) as page, connected(page) as endless:
        endless.sendall(head(page, "POST /sign-in", Transfer_Encoding="chunked", **FORM))
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                endless.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n")
        assert said(endless).startswith(b"HTTP/1.1 413")


def test_by_tls_the_page_answers_in_tls_only(scene: Scene, cert: tuple[Path, Path]) -> None:
    page = prepare(scene, cert=cert[0], key=cert[1])
    assert page.address.startswith("https://")
    with running(page):
        context = ssl.create_default_context(cafile=str(cert[0]))
        with context.wrap_socket(connected(page), server_hostname="localhost") as safe:
            assert safe.version() in ("TLSv1.2", "TLSv1.3")
            safe.sendall(head(page))
            assert b"strict-transport-security" in said(safe).lower()
        with connected(page) as plain:
            plain.sendall(head(page))
            assert not said(plain).startswith(b"HTTP/1.1 200")


def test_a_certificate_that_is_none_is_said(scene: Scene, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("x", encoding="utf-8")
    with pytest.raises(SettingsError, match="no certificate chain"):
        prepare(scene, cert=bad, key=bad)


def test_beyond_this_machine_only_the_address_of_settings_is_answered(scene: Scene) -> None:
    scene.set(URL + USERS)
    enrol(scene, nurse=())
    page = prepare(scene, behind_proxy=True)
    assert page.key is None
    assert page.address == "https://w.example"
    front = page.server.config.app._front
    assert "w.example" in front.hosts
    assert "https://w.example" in front.origins
    assert front.is_secure
    page.listener.close()


def test_the_command_says_where_it_is_with_a_key_and_ends_by_ctrl_c(scene: Scene) -> None:
    command = [Path(sys.executable).with_name("undertow"), "worklist", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--home", scene.home.root],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    where, key = (process.stdout.readline() for _ in range(2))
    address = key.split()[1]
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 loopback; it serves
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert re.match(r"The work-list is at http://127\.0\.0\.1:\d+/", where)
    assert re.match(r"Open http://127\.0\.0\.1:\d+/key/[\w-]{32}", key)
    assert (process.returncode, err) == (0, "")
