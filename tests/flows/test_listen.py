"""undertow listen: what is acknowledged is on disk, and nothing else is acknowledged."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import listen
from flows.home import LockedError
from flows.landing import Landed, land
from flows.listen import Bounds, Listening, received
from flows.settings import SettingsError
from tests.flows.certificates import Authority, authority, certificate, named, private
from tests.flows.scene import NIGHT, Scene, scene
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

VT, END = b"\x0b", b"\x1c\r"
SOURCE = "hl7v2"
EVERYWHERE = "0.0.0.0"  # noqa: S104 the address that is refused
Ack = tuple[str, str]


@pytest.fixture
def home(tmp_path: Path) -> Scene:
    return scene(tmp_path / "home")


def oru(number: str, *, asks: str = "", patient: str = "4711", rest: bytes = b"") -> bytes:
    head = rf"MSH|^~\&|LIS|LAB A|EHR|CLINIC|20260301120000||ORU^R01^ORU_R01|{number}|P|2.5.1||"
    lines = (
        f"{head}|{asks}",
        f"PID|1||{patient}^^^HOSP^MR||DOE^JANE||19700203|F",
        f"OBR|1||F-{number}|24323-8^Panel^LN|||202602280800",
        "OBX|1|NM|1558-6^Glucose fasting^LN||95|mg/dL^^UCUM|70-99|N|||F",
    )
    return "".join(line + "\r" for line in lines).encode() + rest


def framed(*messages: bytes) -> bytes:
    return b"".join(VT + one + END for one in messages)


class Sender:
    """A laboratory's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self) -> bytes:
        raw = await asyncio.wait_for(self.reader.readuntil(END), 10)
        assert raw.startswith(VT)
        return raw[1:-2]

    async def acks(self, count: int) -> list[Ack]:
        found = []
        for _ in range(count):
            msa = (await self.answer()).split(b"\r")[1].decode().split("|")
            assert msa[0] == "MSA"
            found.append((msa[1], msa[2]))
        return found

    async def is_ended(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(), 10) == b""
        except ConnectionError:  # bytes of ours were on their way
            return True


class Place:
    """A listener under test: where it is, what it said, what it counted."""

    def __init__(self) -> None:
        self.port = 0
        self.said: list[str] = []
        self.counts: dict[str, int] = {}

    async def sender(self, **options: Any) -> Sender:
        return Sender(*await asyncio.open_connection("127.0.0.1", self.port, **options))


@asynccontextmanager
async def listening(home: Scene, **wish: Any) -> AsyncIterator[Place]:
    place, stop, up = Place(), asyncio.Event(), asyncio.Event()

    def tell(text: str) -> None:
        place.said.append(text)
        if text.startswith("listening on"):
            place.port = int(text.split()[4])
            up.set()

    asked: dict[str, Any] = {"source": SOURCE, "port": 0} | wish
    wished = Listening(**asked)
    running = asyncio.create_task(
        received(home.home, home.settings(), wished, lambda: datetime.now(UTC), tell, stop)
    )
    await asyncio.wait(
        {running, asyncio.create_task(up.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    if running.done():
        running.result()
    try:
        yield place
    finally:
        stop.set()
        place.counts = await asyncio.wait_for(running, 20)


def talk(home: Scene, says: Callable[[Place], Awaitable[None]], **wish: Any) -> Place:
    async def whole() -> Place:
        async with listening(home, **wish) as place:
            await says(place)
        return place

    return asyncio.run(whole())


def spooled(home: Scene, ending: str = ".hl7") -> list[bytes]:
    folder = home.home.inbox / SOURCE
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.name.endswith(ending)]


# ---------------------------------------------------------------- stored, then acknowledged


def test_a_message_is_stored_as_it_came_and_acknowledged_by_its_number(home: Scene) -> None:
    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(oru("A1")))
        msh, msa = (await lab.answer()).decode().rstrip("\r").split("\r")
        assert msa == "MSA|AA|A1"
        fields = msh.split("|")
        assert fields[1:6] == ["^~\\&", "EHR", "CLINIC", "LIS", "LAB A"]
        assert (fields[8], fields[10], fields[11]) == ("ACK^R01^ACK", "P", "2.5.1")

    place = talk(home, says)
    assert spooled(home) == [framed(oru("A1"))]
    assert place.counts["stored"] == 1


def test_an_open_spool_is_passed_by_and_a_closed_one_is_landed(home: Scene) -> None:
    def landed() -> Landed:
        with closing(Ledger(home.home.ledger)) as ledger:
            return land(home.home, ledger, NIGHT, 0)

    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(oru("A1"), oru("A2")))
        assert await lab.acks(2) == [("AA", "A1"), ("AA", "A2")]
        assert (len(spooled(home, ".part")), spooled(home)) == (1, [])
        assert landed() == Landed(growing=1)

    talk(home, says)
    assert landed() == Landed(new=1)


def test_file_and_folder_are_flushed_before_the_answer(
    home: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    flush = os.fsync

    def noted(handle: int) -> None:
        flush(handle)
        flushed.append(Path(f"/proc/self/fd/{handle}").readlink().suffix)

    async def says(place: Place) -> None:
        lab = await place.sender()
        monkeypatch.setattr(os, "fsync", noted)
        lab.send(framed(oru("A1")))
        await lab.answer()
        assert flushed == ["", ".part"]
        lab.send(framed(oru("A2")))
        await lab.answer()
        assert flushed == ["", ".part", ".part"]

    talk(home, says)


def test_messages_that_wait_at_one_moment_share_a_flush(
    home: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def says(place: Place) -> None:
        groups: list[int] = []
        real, held = listen._Spool.add, threading.Event()

        def slow(spool: Any, contents: Any) -> None:
            groups.append(len(contents))
            held.wait(10)
            real(spool, contents)

        monkeypatch.setattr(listen._Spool, "add", slow)
        labs = [await place.sender() for _ in range(8)]
        labs[0].send(framed(oru("first")))
        while not groups:
            await asyncio.sleep(0.005)
        for number, lab in enumerate(labs):
            lab.send(framed(oru(f"B{number}"), oru(f"C{number}")))
        await asyncio.sleep(0.2)
        held.set()
        assert await labs[0].acks(3) == [("AA", "first"), ("AA", "B0"), ("AA", "C0")]
        for number, lab in enumerate(labs[1:], 1):
            assert await lab.acks(2) == [("AA", f"B{number}"), ("AA", f"C{number}")]
        assert groups[0] == 1
        assert sum(groups) == 17
        assert len(groups) <= 3

    talk(home, says)
    assert spooled(home)[0].count(END) == 17


@pytest.mark.parametrize("failing", ["write", "fsync", "open"])
def test_a_full_disk_is_an_error_and_nothing_of_it_stays(
    home: Scene, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    real: dict[str, Any] = {name: getattr(os, name) for name in ("write", "fsync", "open")}

    def full(*arguments: Any) -> Any:
        if failing == "write" and len(arguments[1]) < 2000:
            raise OSError(errno.ENOSPC, "full")
        if failing == "write":
            return real["write"](arguments[0], arguments[1][:1500])
        raise OSError(errno.ENOSPC, "full")

    async def says(place: Place) -> None:
        lab = await place.sender()
        if failing != "open":
            lab.send(framed(oru("before")))
            assert await lab.acks(1) == [("AA", "before")]
        with monkeypatch.context() as patch:
            patch.setattr(os, failing, full)
            lab.send(framed(oru("lost", rest=b"NTE|1||" + b"x" * 3000 + b"\r")))
            assert await lab.acks(1) == [("AE", "lost")]
        lab.send(framed(oru("after")))
        assert await lab.acks(1) == [("AA", "after")]

    place = talk(home, says)
    assert place.counts["not_stored"] == 1
    expected = [oru("before"), oru("after")][failing == "open" :]
    assert b"".join(spooled(home)) == framed(*expected)
    assert spooled(home, ".part") == []


def test_a_spool_is_closed_after_so_many_messages_or_so_long(home: Scene) -> None:
    async def says(place: Place) -> None:
        lab = await place.sender()
        for number in range(4):
            lab.send(framed(oru(f"A{number}")))
            await lab.acks(1)
        while len(spooled(home)) < 1:
            await asyncio.sleep(0.01)
        assert spooled(home) == [framed(*(oru(f"A{number}") for number in range(3)))]
        assert len(spooled(home, ".part")) == 1
        while len(spooled(home)) < 2:
            await asyncio.sleep(0.01)
        assert spooled(home, ".part") == []

    place = talk(home, says, bounds=Bounds(messages=3, age=0.5))
    assert [text.split(": ")[1] for text in place.said[1:]] == ["3 messages", "1 messages"]


# ---------------------------------------------------------------- after a kill


LISTENER = """
import sys
from datetime import UTC, datetime
from flows.home import Home
from flows.listen import Listening, listen
from flows.settings import load
from pathlib import Path
home = Home(Path(sys.argv[1]))
wish = Listening("hl7v2", port=0)
def tell(text): print(text, flush=True)
tell(listen(home, load(home.settings), wish, lambda: datetime.now(UTC), tell))
"""


def started(home: Scene) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", LISTENER, str(home.home.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    while not (said := process.stdout.readline()).startswith("listening"):
        assert process.poll() is None
    return process, int(said.split()[4])


async def _sends_until_the_end(port: int, name: str, acked: list[str]) -> None:
    """Three messages and a half at a time, until the line is dead."""
    lab = Sender(*await asyncio.open_connection("127.0.0.1", port))
    try:
        for number in range(100_000):
            batch = [f"{name}-{number}-{i}" for i in range(4)]
            raw = framed(*(oru(one) for one in batch))
            lab.send(raw[:-200])
            acked += [one for _, one in await lab.acks(3)]
            lab.send(raw[-200:])
            acked += [one for _, one in await lab.acks(1)]
    except (OSError, asyncio.IncompleteReadError):
        pass


def test_after_kill_9_every_acknowledged_message_is_there_and_a_torn_one_is_not(
    home: Scene,
) -> None:
    process, port = started(home)
    acked: list[str] = []

    async def until_killed() -> None:
        asyncio.get_running_loop().call_later(0.7, process.send_signal, signal.SIGKILL)
        await asyncio.gather(*(_sends_until_the_end(port, f"S{i}", acked) for i in range(4)))

    asyncio.run(until_killed())
    process.wait(10)
    (torn,) = (home.home.inbox / SOURCE).glob("*.part")
    with torn.open("ab") as out:
        out.write(VT + oru("torn")[:100])

    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(oru("next")))
        assert await lab.acks(1) == [("AA", "next")]

    talk(home, says)
    kept = [one for raw in spooled(home) for one in raw.removesuffix(END).split(END)]
    numbers = [one.split(b"|")[9].decode() for one in kept]
    assert len(acked) > 20
    assert set(acked) <= set(numbers)
    assert len(numbers) == len(set(numbers))
    assert "torn" not in numbers
    assert all(one == VT + oru(number) for one, number in zip(kept, numbers, strict=True))
    assert spooled(home, ".part") == []


def test_sigterm_answers_what_came_and_closes_the_spool(home: Scene) -> None:
    process, port = started(home)

    async def says() -> None:
        lab = Sender(*await asyncio.open_connection("127.0.0.1", port))
        lab.send(framed(oru("A1")) + VT + oru("half")[:50])
        assert await lab.acks(1) == [("AA", "A1")]
        process.send_signal(signal.SIGTERM)
        assert await lab.is_ended()

    asyncio.run(says())
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "'stored': 1" in out
    assert "'cut': 1" in out
    assert spooled(home) == [framed(oru("A1"))]
    assert "4711" not in out
    assert "DOE" not in out


def test_a_spool_with_nothing_whole_leaves_no_file(home: Scene) -> None:
    left = home.drop(f"{SOURCE}/listen-20260101T000000000000Z.hl7.part", VT + oru("torn")[:80])

    async def says(place: Place) -> None:
        assert place.port

    talk(home, says)
    assert not left.exists()
    assert spooled(home) == []


# ---------------------------------------------------------------- what senders do


@pytest.mark.parametrize("size", [1, 7, 200])
def test_bytes_may_come_in_any_pieces(home: Scene, size: int) -> None:
    raw = b"noise\r\n" + framed(oru("A1")) + b"\r\n" + framed(oru("A2"), oru("A3"))

    async def says(place: Place) -> None:
        lab = await place.sender()
        for at in range(0, len(raw), size):
            lab.send(raw[at : at + size])
            await asyncio.sleep(0)
        assert await lab.acks(3) == [("AA", "A1"), ("AA", "A2"), ("AA", "A3")]

    talk(home, says)
    assert spooled(home) == [framed(oru("A1"), oru("A2"), oru("A3"))]


def test_a_frame_without_an_end_is_refused_when_the_next_begins(home: Scene) -> None:
    pasted = oru("A2", rest=b"NTE|1||a\x0bb\r")

    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(VT + oru("A1") + framed(pasted) + VT + oru("A3") + b"\x1c" + framed(oru("A4")))
        assert await lab.acks(4) == [("AR", "A1"), ("AA", "A2"), ("AA", "A3"), ("AA", "A4")]

    talk(home, says)
    assert spooled(home) == [framed(pasted, oru("A3"), oru("A4"))]


@pytest.mark.parametrize(
    ("content", "ack"),
    [
        (b"hello", ("AR", "")),
        (b"", ("AR", "")),
        (b"PID|1||4711\r", ("AR", "")),
        (b"MSH|" + b"x" * 9000 + b"\r", ("AR", "")),
        (oru(""), ("AA", "")),
        (oru("A1").translate(bytes.maketrans(b"|^~\\&", b"$*!?%")).replace(b"!!", b"!"), None),
        (b"BHS|^~\\&|L|A|E|C|20260301||||B7\r" + oru("A1") + b"BTS|1\r", ("AA", "B7")),
    ],
)
def test_only_messages_are_taken(home: Scene, content: bytes, ack: Ack | None) -> None:
    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(content))
        if ack is None:
            assert b"\rMSA$AA$A1\r" in await lab.answer()
        else:
            assert await lab.acks(1) == [ack]
        lab.send(framed(oru("then")))
        assert await lab.acks(1) == [("AA", "then")]

    talk(home, says)
    is_kept = ack is None or ack[0] == "AA"
    assert spooled(home) == [framed(content) * is_kept + framed(oru("then"))]


def test_a_message_that_is_too_long_is_refused_and_not_held(home: Scene) -> None:
    long = oru("long", rest=b"NTE|1||" + b"x" * 300_000 + b"\r")
    fits = oru("fits", rest=b"NTE|1||" + b"x" * 90_000 + b"\r")

    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(long, fits))
        assert await lab.acks(2) == [("AR", "long"), ("AA", "fits")]

    talk(home, says, bounds=Bounds(message=100_000))
    assert spooled(home) == [framed(fits)]


ASKED = [
    ("|", "AA", "AR"),
    ("AL|NE", "CA", "CR"),
    ("SU|", "CA", ""),
    ("ER|", "", "CR"),
    ("NE|AL", "AA", "AR"),
    ("AL|AL", "CA", "CR"),
    ("NE|NE", "", ""),
]


@pytest.mark.parametrize(("asks", "good", "cut"), ASKED)
def test_a_sender_is_answered_as_it_asks(home: Scene, asks: str, good: str, cut: str) -> None:
    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(oru("A1", asks=asks)) + VT + oru("A2", asks=asks) + framed(oru("A3")))
        expected = [(code, number) for code, number in ((good, "A1"), (cut, "A2")) if code]
        assert await lab.acks(len(expected) + 1) == [*expected, ("AA", "A3")]

    talk(home, says)
    assert spooled(home)[0].count(END) == 2


def test_a_message_sent_again_is_stored_again_and_its_results_stand_once(home: Scene) -> None:
    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(framed(oru("A1"), oru("A1")))
        assert await lab.acks(2) == [("AA", "A1")] * 2

    talk(home, says)
    assert spooled(home)[0].count(END) == 2
    home.night()
    assert home.rows("SELECT rows_in, rows_accepted, rows_duplicate FROM source_file") == [
        (2, 1, 1)
    ]


# ---------------------------------------------------------------- bounds


def test_a_slow_message_and_an_idle_line_are_ended_and_a_steady_one_is_not(home: Scene) -> None:
    async def says(place: Place) -> None:
        steady, slow, idle = [await place.sender() for _ in range(3)]

        async def drips() -> None:
            for byte in framed(oru("slow")):
                slow.send(bytes([byte]))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drips())
        for number in range(8):
            steady.send(framed(oru(f"A{number}")))
            assert await steady.acks(1) == [("AA", f"A{number}")]
            await asyncio.sleep(0.1)
        dripping.cancel()
        assert await slow.is_ended()
        assert await idle.is_ended()
        steady.send(framed(oru("last")))
        assert await steady.acks(1) == [("AA", "last")]

    place = talk(home, says, bounds=Bounds(message_seconds=0.3, idle_seconds=0.6))
    assert (place.counts["stored"], place.counts["cut"]) == (9, 1)


def test_one_connection_too_many_is_turned_away(home: Scene) -> None:
    async def says(place: Place) -> None:
        first, second = await place.sender(), await place.sender()
        first.send(framed(oru("A1")))
        second.send(framed(oru("A2")))
        assert (await first.acks(1), await second.acks(1)) == ([("AA", "A1")], [("AA", "A2")])
        third = await place.sender()
        assert await third.is_ended()
        second.writer.close()
        await second.writer.wait_closed()
        await asyncio.sleep(0.05)
        fourth = await place.sender()
        fourth.send(framed(oru("A4")))
        assert await fourth.acks(1) == [("AA", "A4")]

    place = talk(home, says, bounds=Bounds(connections=2))
    assert place.counts["turned_away"] == 1


def test_who_sends_no_frames_is_cut_off(home: Scene) -> None:
    async def says(place: Place) -> None:
        lab = await place.sender()
        lab.send(oru("A1") * 400)
        assert await lab.is_ended()

    place = talk(home, says)
    assert (place.counts["stored"], spooled(home)) == (0, [])


def test_who_holds_more_than_a_share_gives_way_when_all_hold_too_much(home: Scene) -> None:
    async def says(place: Place) -> None:
        small, large, larger = [await place.sender() for _ in range(3)]
        small.send((VT + oru("small"))[:-50])
        large.send(VT + oru("large") + b"x" * 90_000)
        await asyncio.sleep(0.1)
        larger.send(VT + oru("larger") + b"x" * 90_000)
        assert await larger.is_ended()
        small.send(oru("small")[-50:] + END)
        assert await small.acks(1) == [("AA", "small")]
        large.send(END)
        assert await large.acks(1) == [("AA", "large")]

    talk(home, says, bounds=Bounds(held=120_000, connections=4))


# ---------------------------------------------------------------- where, and for whom


@pytest.mark.parametrize("name", ["clinic_csv", "nobody", "../hl7v2", ""])
def test_only_a_source_of_hl7_v2_can_be_listened_for(home: Scene, name: str) -> None:
    with pytest.raises(SettingsError, match="to listen for it"):
        talk(home, nothing, source=name)
    home.set('[sources.lab]\nreader = "hl7v2"\n')
    assert talk(home, nothing, source="lab").said


async def nothing(place: Place) -> None:
    assert place.port


def test_results_do_not_cross_a_network_in_clear_unless_told_so(home: Scene) -> None:
    with pytest.raises(SettingsError, match="in clear"):
        talk(home, nothing, host=EVERYWHERE)
    assert talk(home, nothing, host=EVERYWHERE, is_plain=True).said
    assert talk(home, nothing, host="localhost").said


def test_a_port_that_is_taken_is_told_and_a_free_one_is_not(home: Scene) -> None:
    home.set('[sources.lab]\nreader = "hl7v2"\n')

    async def says(place: Place) -> None:
        with pytest.raises(SettingsError, match=f"--port: {place.port}"):
            async with listening(home, source="lab", port=place.port):
                pass
        async with listening(home, source="lab"):
            pass

    talk(home, says)


def test_a_second_listener_of_a_source_is_refused_and_of_another_is_not(home: Scene) -> None:
    home.set('[sources.lab]\nreader = "hl7v2"\n')

    async def says(place: Place) -> None:
        with pytest.raises(LockedError):
            async with listening(home):
                pass
        async with listening(home, source="lab") as other:
            assert other.port != place.port

    talk(home, says)


def server_files(made: Authority, name: str) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    found = certificate(named(name), key, made, 10).sign(made.key, hashes.SHA256())
    cert, keyed = made.folder / f"{name}.crt", made.folder / f"{name}.key"
    cert.write_bytes(found.public_bytes(serialization.Encoding.PEM))
    keyed.write_bytes(private(key))
    return cert, keyed


async def told_off(place: Place, context: ssl.SSLContext | None) -> None:
    name = "localhost" if context else None
    stranger = await place.sender(ssl=context, server_hostname=name)
    stranger.send(framed(oru("A2")))
    await stranger.answer()


def test_tls_takes_known_clients_and_turns_others_away(home: Scene, tmp_path: Path) -> None:
    made = authority(tmp_path)
    cert, key = server_files(made, "localhost")
    trusting = ssl.create_default_context(cafile=made.file)
    known = ssl.create_default_context(cafile=made.file)
    known.load_cert_chain(*server_files(made, "lab"))

    async def says(place: Place) -> None:
        lab = await place.sender(ssl=known, server_hostname="localhost")
        lab.send(framed(oru("A1")))
        assert await lab.acks(1) == [("AA", "A1")]
        lab.writer.close()
        for context in (trusting, None):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await told_off(place, context)

    place = talk(home, says, cert=cert, key=key, client_ca=made.file)
    assert (place.counts["stored"], spooled(home)) == (1, [framed(oru("A1"))])


@pytest.mark.parametrize("wish", [{"key": "k"}, {"cert": "absent.pem"}, {"client_ca": "ca"}])
def test_a_certificate_that_will_not_do_is_told(
    home: Scene, tmp_path: Path, wish: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match="--cert"):
        talk(home, nothing, **{name: tmp_path / value for name, value in wish.items()})
