"""Listen: HL7 v2 messages over MLLP, on disk before they are acknowledged.

Messages go as they came, in their frames, into a spool in ``inbox/<source>/`` whose ending lets a
night pass it by; after some messages or minutes it is renamed and the next night lands it. All
messages that wait at one moment share one flush to disk. A spool left by a killed process is
closed at the next start: whole frames stay, a torn last one is cut off (it was never
acknowledged).

A message sent again is stored again: its control id is unique only to its sender and for a while,
so to pass it by could lose a result, while the merge knows equal results as duplicates.
"""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import os
import signal
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from flows.home import Home, LockedError
from flows.settings import Settings, SettingsError
from transforms.formats.hl7 import MAX_MESSAGE
from transforms.formats.mllp import (
    END,
    Frames,
    Head,
    Received,
    Said,
    answer,
    code_of,
    frame,
    head_of,
    whole,
)
from warehouse.landed import sync_folder

Clock = Callable[[], datetime]
Tell = Callable[[str], None]

READ = 1 << 18
OPEN_ENDING = ".part"
"""One of :data:`flows.landing.UNFINISHED`."""
LAST_SECONDS = 5.0
"""How long the last answer may take to leave."""
FOREIGN = 1 << 16
"""Bytes outside of frames after which whoever sends them does not speak MLLP."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a spool and a connection may take; times in seconds, sizes in bytes."""

    messages: int = 10_000
    size: int = 64 << 20
    age: float = 300.0
    message: int = MAX_MESSAGE
    held: int = 256 << 20
    connections: int = 64
    message_seconds: float = 60.0
    idle_seconds: float = 3600.0
    answer_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, for which source, and under which certificate."""

    source: str
    host: str = "127.0.0.1"
    port: int = 2575
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    is_plain: bool = False
    bounds: Bounds = field(default_factory=Bounds)


def listen(
    home: Home, settings: Settings, wish: Listening, clock: Clock, tell: Tell
) -> dict[str, int]:
    """Listen until SIGTERM or SIGINT; return what was counted.

    Raises:
        SettingsError: the source is not of HL7 v2, the address or a certificate will not do.
        LockedError: another process listens for this source.
    """

    async def until_told() -> dict[str, int]:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await received(home, settings, wish, clock, tell, stop)

    return asyncio.run(until_told())


async def received(
    home: Home, settings: Settings, wish: Listening, clock: Clock, tell: Tell, stop: asyncio.Event
) -> dict[str, int]:
    """Receive messages until ``stop`` is set; return what was counted.

    ``tell`` hears the address, each closed spool's name and number of messages, and nothing of
    any message.
    """
    _check_source(settings, wish.source)
    addresses, context = _addresses(wish), _context(wish)
    folder = home.inbox / wish.source
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(home.inbox)
    with _only_one(folder):
        listener = _Listener(_Spool(folder, wish.bounds, clock, tell), wish.bounds, clock)
        try:
            server = await asyncio.start_server(
                listener.serve,
                addresses,
                wish.port,
                ssl=context,
                ssl_handshake_timeout=10 if context else None,
            )
        except OSError as error:
            raise SettingsError(f"--port: {wish.port} on {wish.host}: {error.strerror}") from None
        for bound in server.sockets:
            host, port = bound.getsockname()[:2]
            tell(f"listening on {host} port {port} for {wish.source}")
        await listener.run(server, stop)
    return dict(listener.counts)


# ---------------------------------------------------------------- what is asked for


def _check_source(settings: Settings, name: str) -> None:
    is_folder = name == Path(name).name and not name.startswith(".")
    source = settings.source(name) if is_folder else None
    if source is None or source.reader != "hl7v2":
        raise SettingsError(f'sources.{name}.reader: to listen for it, set it to "hl7v2"')


def _addresses(wish: Listening) -> list[str]:
    """The addresses of the host. Others than loopback ask for TLS, or for a word."""
    try:
        told = socket.getaddrinfo(wish.host, wish.port, type=socket.SOCK_STREAM)
    except OSError:
        raise SettingsError(f"--host: {wish.host} is no address of this machine") from None
    found = sorted({str(entry[4][0]) for entry in told})
    is_near = all(ipaddress.ip_address(one.split("%")[0]).is_loopback for one in found)
    if not (is_near or wish.cert or wish.is_plain):
        raise SettingsError(
            f"--host: on {wish.host} patients' results would cross the network in clear: give "
            "--cert and --key for TLS, or --plain where the line itself is protected"
        )
    return found


def _context(wish: Listening) -> ssl.SSLContext | None:
    if wish.cert is None:
        if wish.key or wish.client_ca:
            raise SettingsError("--cert: TLS needs a certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(wish.cert, wish.key, password="")  # never ask on a terminal
        if wish.client_ca:
            context.load_verify_locations(wish.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise SettingsError(f"--cert, --key, --client-ca: {type(error).__name__}") from None
    return context


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the source's folder against a second listener; the hold dies with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LockedError("another process listens for this source") from None
    finally:
        os.close(handle)


# ---------------------------------------------------------------- on disk


class _Spool:
    """The file that messages are added to, closed and begun anew as :class:`Bounds` say."""

    def __init__(self, folder: Path, bounds: Bounds, clock: Clock, tell: Tell) -> None:
        self._folder, self._bounds, self._clock, self._tell = folder, bounds, clock, tell
        self._file, self._size, self.count = -1, 0, 0
        self.close()

    @property
    def is_full(self) -> bool:
        return self.count >= self._bounds.messages or self._size >= self._bounds.size

    def add(self, contents: Sequence[bytes]) -> None:
        """Have the messages on disk, all or (with OSError) none of them."""
        try:
            if self._file < 0:
                self._begin()
            _write(self._file, b"".join(map(frame, contents)))
            os.fsync(self._file)
        except OSError:
            self._give_up()
            raise
        self._size = os.fstat(self._file).st_size
        self.count += len(contents)

    def close(self) -> None:
        """Close the open spool and whatever a killed process left; the next night takes them."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = -1, 0
        for path in sorted(self._folder.glob(f"listen-*.hl7{OPEN_ENDING}")):
            with suppress(OSError):  # it stays as it is, and is tried again
                self._finish(path)
        self.count = 0

    def _begin(self) -> None:
        path = self._folder / f"listen-{self._clock():%Y%m%dT%H%M%S%f}Z.hl7"
        while path.exists() or path.with_name(path.name + OPEN_ENDING).exists():
            path = path.with_stem(path.stem + "-")
        mode = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        self._file = os.open(path.with_name(path.name + OPEN_ENDING), mode, 0o600)
        sync_folder(self._folder)

    def _give_up(self) -> None:
        """Take back what was not flushed. After a flush that failed a file is not to be trusted
        with more, so the next message begins another."""
        if self._file >= 0:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
        self.close()

    def _finish(self, path: Path) -> None:
        stored = path.read_bytes()
        end = whole(stored)
        with path.open("r+b") as stream:
            stream.truncate(end)
            os.fsync(stream.fileno())
        target = path.with_suffix("")
        if end:
            path.rename(target)
        else:
            path.unlink()
        sync_folder(self._folder)
        if end:
            self._tell(f"closed {target.name}: {stored.count(END, 0, end)} messages")


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


# ---------------------------------------------------------------- connections


class _Listener:
    """Connections on one side, one writer on the other.

    What waits for the writer is what the connections handed over and have no answer to yet, so it
    is bounded by the sum of what they hold.
    """

    def __init__(self, spool: _Spool, bounds: Bounds, clock: Clock) -> None:
        self.counts: Counter[str] = Counter(stored=0, refused=0, not_stored=0, cut=0)
        self._spool, self._bounds, self._clock = spool, bounds, clock
        self._waiting: list[tuple[bytes, asyncio.Future[bool]]] = []
        self._wake, self._tasks = asyncio.Event(), set[asyncio.Task[None]]()
        self._held = 0
        self._answers = 0

    async def run(self, server: asyncio.Server, stop: asyncio.Event) -> None:
        """Serve until told to stop; what was handed over by then is stored and answered."""
        keeper, told = asyncio.create_task(self._keep()), asyncio.create_task(stop.wait())
        await asyncio.wait({keeper, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        server.close()
        if keeper.done():  # nobody else will answer them
            for _, kept in self._waiting:
                kept.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await asyncio.to_thread(self._spool.close)
        if not keeper.cancelled():
            keeper.result()

    async def _keep(self) -> None:
        """Store what waits, all of one moment at once; close the spool when it is due."""
        loop = asyncio.get_running_loop()
        due: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
            self._wake.clear()
            group, self._waiting = self._waiting, []
            if group:
                await self._stored(group)
                due = due or loop.time() + self._bounds.age
            if self._spool.is_full or (due and loop.time() >= due):
                await asyncio.to_thread(self._spool.close)
            due = due if self._spool.count else None

    async def _stored(self, group: list[tuple[bytes, asyncio.Future[bool]]]) -> None:
        is_kept = False
        try:
            await asyncio.to_thread(self._spool.add, [content for content, _ in group])
            is_kept = True
        except OSError:
            pass  # the senders are told; the disk is the operator's to mend
        finally:
            self.counts["stored" if is_kept else "not_stored"] += len(group)
            for _, kept in group:
                kept.set_result(is_kept)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last answer."""
        task, frames = asyncio.current_task(), Frames(self._bounds.message)
        if task is None or len(self._tasks) >= self._bounds.connections:
            self.counts["turned_away"] += 1
            writer.close()
            return
        self._tasks.add(task)
        with suppress(OSError, asyncio.CancelledError):  # without an answer, it is sent again
            await self._talk(reader, writer, frames)
        self._held -= frames.held
        self.counts["cut"] += frames.is_open
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            async with asyncio.timeout(LAST_SECONDS):
                await writer.wait_closed()
        self._tasks.discard(task)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: Frames
    ) -> None:
        loop, bounds = asyncio.get_running_loop(), self._bounds
        begun = loop.time()
        while frames.skipped <= FOREIGN and not self._is_greedy(frames):
            idle = loop.time() + bounds.idle_seconds
            wait = begun + bounds.message_seconds if frames.is_open else idle
            async with asyncio.timeout_at(wait):
                block = await reader.read(READ)
            if not block:
                return
            was_open, before = frames.is_open, frames.held
            found = frames.feed(block)
            begun = begun if was_open and not found else loop.time()
            self._held += len(block)
            try:
                if found:
                    await _to_its_end(self._answered(found, writer))
            finally:
                self._held += frames.held - before - len(block)

    def _is_greedy(self, frames: Frames) -> bool:
        """Whether all hold too much and this one more than its share."""
        share = self._bounds.held / self._bounds.connections
        return self._held > self._bounds.held and frames.held > share

    async def _answered(self, found: list[Received], writer: asyncio.StreamWriter) -> None:
        """Store what can be stored and answer all, in their order."""
        handed = [(head_of(one.content), one) for one in found]
        kept = [self._handed(one) if head and not one.problem else None for head, one in handed]
        for (head, one), stored in zip(handed, kept, strict=True):
            said, text = _verdict(one.problem, is_kept=await stored if stored else None)
            self.counts["refused"] += said == "reject"
            writer.write(self._answer(head, said, text))
        async with asyncio.timeout(self._bounds.answer_seconds):
            await writer.drain()

    def _handed(self, one: Received) -> asyncio.Future[bool]:
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((one.content, stored))
        self._wake.set()
        return stored

    def _answer(self, head: Head | None, said: Said, text: str) -> bytes:
        code = code_of(head, said)
        if not code:
            return b""
        self._answers += 1
        now = self._clock()
        number = f"{now:%Y%m%d%H%M%S}{self._answers}"
        return answer(head, code, text, number, f"{now:%Y%m%d%H%M%S%z}")


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """``work`` whole, even where the connection is told to stop meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _verdict(problem: str, *, is_kept: bool | None) -> tuple[Said, str]:
    if is_kept:
        return "accept", ""
    if is_kept is False:
        return "error", "could not be stored; send again"
    texts = {"too_long": f"longer than {MAX_MESSAGE >> 20} MB", "cut": "the frame is not closed"}
    return "reject", texts.get(problem, "no HL7 v2 message")
