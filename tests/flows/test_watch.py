"""The dead man's switch: it speaks when nights are silent, whatever else is broken."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from flows import heartbeat, smtp, watch
from flows.home import Home
from flows.night import Night, Step, opened, walk
from flows.watch import Found
from flows.watch_memory import Memory
from tests.flows import scene as scenes
from tests.flows.rude_server import CLOSE, RudeServer, Script
from tests.flows.scene import as_mail
from warehouse import outbox
from warehouse.heartbeats import Heartbeat, derived_key, from_json, looked, note
from warehouse.ledger import Ledger

NIGHT = datetime(2026, 3, 1, 5, 3, tzinfo=UTC)
TWO = '[mail]\noperators = ["it@clinic.example", "boss@clinic.example"]\n'


class Vigil:
    """A home whose nights come or do not, and looks at it as time passes."""

    def __init__(self, root: Path) -> None:
        self.scene = scenes.scene(root)
        self.home = self.scene.home
        self.now = NIGHT

    def night(self, state: str = "done") -> None:
        """A night ends now."""

        def fail(_night: Night) -> dict[str, int]:
            if state == "failed":
                raise RuntimeError("canary")
            return {"mails": 1}

        steps = (Step("land", lambda _: {"files": 2}), Step("read", fail))
        try:
            with opened(self.home, self.scene.settings(), self.clock, lambda *_: None) as night:
                walk(night, steps)
        except RuntimeError:
            assert state == "failed"

    def beat(self) -> None:
        """A night ends whole now, as quickly as can be."""
        ledger = Ledger(self.home.ledger)
        run = f"r{self.now.timestamp()}"
        heartbeat.write(self.home.heartbeat, note(ledger, "2026-03-01", run, self.now, {}))
        ledger.close()

    def clock(self) -> datetime:
        return self.now

    def look(self, hours: float = 0.0) -> Found:
        """Look, so many hours later."""
        self.now += timedelta(hours=hours)
        return watch.watch(self.home, self.clock)

    def mails(self) -> list[EmailMessage]:
        """The mails in ``mail/`` in the order in which they were written."""
        paths = sorted(self.home.mail.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        return [as_mail(path.read_bytes()) for path in paths]

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails()]


@pytest.fixture
def vigil(tmp_path: Path) -> Vigil:
    """A night ended whole at ``NIGHT``; nobody has looked yet."""
    made = Vigil(tmp_path / "home")
    made.night()
    return made


ALARM, RECOVERY = watch.SUBJECTS["alarm"], watch.SUBJECTS["recovery"]


# ---------------------------------------------------------------- heartbeats


def test_a_night_that_ends_whole_leaves_a_sealed_heartbeat_in_ledger_and_file(
    vigil: Vigil,
) -> None:
    found = looked(vigil.home.ledger, 1)
    beat = from_json(vigil.home.heartbeat.read_text())

    assert beat == found.beat
    assert beat is not None
    assert found.key is not None
    assert beat.is_true(found.key)
    assert (beat.night, beat.time, beat.counts["files"]) == ("2026-03-01", NIGHT, 0)
    assert vigil.home.heartbeat.stat().st_mode & 0o777 == 0o600


def test_a_night_that_fails_leaves_none(vigil: Vigil) -> None:
    before = vigil.home.heartbeat.read_text()
    vigil.now += timedelta(days=1)
    vigil.night("failed")

    assert vigil.home.heartbeat.read_text() == before
    assert vigil.scene.ledger("SELECT count(*) AS n FROM heartbeat") == [{"n": 1}]


@pytest.mark.parametrize(
    "change",
    [
        {"night": "2026-03-02"},
        {"finished_at": "2026-03-02T05:00:00+00:00"},
        {"counts": {"files": 3}},
        {"run_id": "x"},
        {"seal": ""},
    ],
    ids=str,
)
def test_a_heartbeat_that_was_changed_is_not_true(change: dict[str, Any]) -> None:
    key = derived_key(b"secret")
    beat = Heartbeat("2026-03-01", "r", NIGHT.isoformat(), {"files": 2}).sealed(key)
    facts = {name: getattr(beat, name) for name in Heartbeat.__dataclass_fields__}

    assert beat.is_true(key)
    assert not Heartbeat(**(facts | change)).is_true(key)
    assert not beat.is_true(derived_key(b"other"))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"night": 1}', "\0", '{"a": 1}'])
def test_what_is_no_heartbeat_is_none(text: str) -> None:
    assert from_json(text) is None


# ---------------------------------------------------------------- silence


def test_while_heartbeats_are_fresh_nobody_is_told_anything(vigil: Vigil) -> None:
    for _ in range(3):
        found = vigil.look(hours=8)
        assert (found.reasons, found.troubles, found.mailed) == ({}, [], 0)
    assert vigil.mails() == []
    assert "The night of 2026-03-01 ended whole, 2026-03-01 05:03 UTC" in found.as_text()


def test_a_silence_is_told_once_to_every_operator_again_after_a_day_and_its_end(
    vigil: Vigil,
) -> None:
    vigil.scene.set(TWO)
    vigil.look()
    assert vigil.look(hours=26).reasons == {}
    found = vigil.look(hours=1)
    assert list(found.reasons) == ["silent"]
    assert found.mailed == 2
    assert [mail["To"] for mail in vigil.mails()] == ["it@clinic.example", "boss@clinic.example"]

    assert [vigil.look(hours=1).mailed for _ in range(23)] == [0] * 23
    assert vigil.look(hours=1).mailed == 2

    vigil.night()
    found = vigil.look()
    assert (found.reasons, found.mailed) == ({}, 2)
    assert vigil.look(hours=1).mailed == 0
    assert vigil.subjects() == [ALARM] * 4 + [RECOVERY] * 2
    assert len({mail["Message-ID"] for mail in vigil.mails()}) == 6


def test_an_alarm_says_what_is_known_and_what_to_do(vigil: Vigil) -> None:
    vigil.now += timedelta(days=1)
    vigil.night("failed")
    vigil.look(hours=3)

    text = vigil.mails()[0].get_content()
    for part in (
        "No night ended whole for 27 hours; 26 are usual.",
        "The night of 2026-03-01 ended whole, 2026-03-01 05:03 UTC",
        "is failed (RuntimeError); the last step that ended is land.",
        "undertow doctor",
        "nobody is told of new marks",
    ):
        assert part in text
    assert "canary" not in text


def test_a_home_in_which_no_night_ever_ended_is_silent_from_the_first_look_on(
    tmp_path: Path,
) -> None:
    vigil = Vigil(tmp_path / "home")
    assert vigil.look().reasons == {}
    assert "since the first look" in vigil.look(hours=27).reasons["silent"]
    vigil.night()
    assert vigil.look().reasons == {}


def test_an_alarm_comes_within_an_hour_of_its_time_whenever_looks_are(tmp_path: Path) -> None:
    """Fifty homes, looked at every hour, each at its own minute."""
    vigil = Vigil(tmp_path / "home")
    draw = random.Random(7)  # noqa: S311 minutes
    late = []
    for _ in range(50):
        vigil.now += timedelta(days=2, minutes=draw.random() * 1440)
        vigil.beat()
        ended = vigil.now
        vigil.look(hours=25 + draw.random())
        while "silent" not in vigil.look(hours=1).reasons:
            assert vigil.now - ended <= timedelta(hours=26)
        late.append(vigil.now - ended - timedelta(hours=26))

    assert len(late) == 50
    assert timedelta(0) < min(late)
    assert max(late) <= timedelta(hours=1)


# ---------------------------------------------------------------- clocks


def test_a_clock_set_back_behind_the_heartbeat_is_told(vigil: Vigil) -> None:
    assert vigil.look(hours=1).reasons == {}
    found = vigil.look(hours=-72)

    assert list(found.reasons) == ["clock"]
    assert found.mailed == 1


def test_a_clock_that_is_set_back_again_and_again_does_not_silence_it(vigil: Vigil) -> None:
    """A machine restored to the same hour every time: its clock never gets beyond three hours."""
    real = 0
    while "silent" not in vigil.look(hours=1).reasons:
        real += 1
        if real % 3 == 0:
            vigil.now -= timedelta(hours=3)
        assert real < 60
    assert vigil.now - NIGHT <= timedelta(hours=3)
    assert 26 <= real <= 40, "what passed between a look and a setting is not seen"


def test_a_clock_a_little_apart_is_no_alarm(vigil: Vigil) -> None:
    assert vigil.look(hours=-4 / 60).reasons == {}
    assert list(vigil.look(hours=-2 / 60).reasons) == ["clock"]


# ---------------------------------------------------------------- everything else broken


def damage_warehouse(home: Home) -> None:
    (home.warehouse / "undertow.duckdb").write_bytes(b"no database")


def remove_warehouse(home: Home) -> None:
    home.warehouse.rmdir()


def damage_ledger(home: Home) -> None:
    home.ledger.write_bytes(b"no database" * 1000)


def remove_ledger(home: Home) -> None:
    home.ledger.unlink()


def damage_heartbeat(home: Home) -> None:
    home.heartbeat.write_bytes(b"\xff{")


def damage_memory(home: Home) -> None:
    home.watch.write_text('{"ahead": "much"}')


def break_settings(home: Home) -> None:
    home.settings.write_text('[site]\ntime_zone = "Rome"\n')


def garble_settings(home: Home) -> None:
    home.settings.write_bytes(b"\xff\xfe[[[")


def garble_ledger(home: Home) -> None:
    with sqlite3.connect(home.ledger) as con:
        con.execute("UPDATE outbox SET first_tried_at = 'yesterday'")
        con.execute("UPDATE heartbeat SET counts = 'many'")


RUINS: dict[Callable[[Home], None], set[str]] = {
    damage_warehouse: set(),
    remove_warehouse: set(),
    damage_ledger: {"ledger"},
    remove_ledger: {"ledger"},
    damage_heartbeat: set(),
    damage_memory: set(),
    break_settings: {"settings"},
    garble_settings: {"settings"},
    garble_ledger: set(),
}


@pytest.mark.parametrize("ruin", RUINS, ids=lambda ruin: ruin.__name__)
def test_it_works_and_speaks_whatever_is_broken(vigil: Vigil, ruin: Callable[[Home], None]) -> None:
    vigil.look()
    ruin(vigil.home)

    assert set(vigil.look(hours=1).reasons) == RUINS[ruin]
    assert vigil.subjects() == [ALARM] * len(RUINS[ruin])
    assert set(vigil.look(hours=26).reasons) == {*RUINS[ruin], "silent"}
    assert vigil.subjects() == [ALARM] * (len(RUINS[ruin]) + 1)


def test_a_locked_ledger_is_waited_for_and_the_file_believed_meanwhile(
    vigil: Vigil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LEDGER_PATIENCE_SECONDS", 0.05)
    vigil.look()
    ledger = sqlite3.connect(vigil.home.ledger, isolation_level=None)
    ledger.execute("PRAGMA journal_mode = DELETE")
    ledger.execute("BEGIN EXCLUSIVE")

    found = vigil.look(hours=1)
    assert found.reasons == {}
    assert "The ledger was busy all the time." in found.known
    assert list(vigil.look(hours=26).reasons) == ["silent"]
    ledger.close()


def test_a_forged_heartbeat_does_not_silence_it(vigil: Vigil) -> None:
    vigil.look()
    remove_ledger(vigil.home)
    late = NIGHT + timedelta(hours=30)
    forged = Heartbeat("2026-03-02", "r", late.isoformat(), {}).sealed(derived_key(b"guess"))
    vigil.home.heartbeat.write_text(forged.as_json())

    found = vigil.look(hours=30)
    assert "silent" in found.reasons
    assert "No heartbeat bears this home's seal." in found.known


def test_mails_that_are_owed_for_too_long_are_told(vigil: Vigil) -> None:
    ledger = Ledger(vigil.home.ledger)
    row = {"recipient": "a@b.example", "kind": "digest", "night": "2026-03-01"}
    ledger.owe(row | {"message_id": "<digest.1@undertow.invalid>", "message": b"canary"})
    (owed,) = outbox.owed(ledger)
    outbox.postpone(ledger, owed, vigil.now, "ConnectionRefusedError", vigil.now)
    ledger.close()

    vigil.now += timedelta(hours=20)
    vigil.night()
    assert vigil.look().reasons == {}
    found = vigil.look(hours=7)
    assert list(found.reasons) == ["mail"]
    assert "Mails are owed since 2026-03-01 05:03 UTC" in found.reasons["mail"]
    assert "canary" not in vigil.mails()[0].as_string()


def test_two_watches_at_once_are_one(vigil: Vigil) -> None:
    vigil.now += timedelta(hours=30)
    with watch._alone(vigil.home.root) as is_alone:
        assert is_alone
        assert vigil.look().mailed == 0
    assert vigil.look().mailed == 1


# ---------------------------------------------------------------- its mails


@pytest.fixture
def server(vigil: Vigil) -> Iterator[RudeServer]:
    """A relay that settings lead to."""
    made = RudeServer(Script())
    vigil.scene.set(
        f'[mail]\nhost = "localhost"\nport = {made.port}\nsecurity = "relay"\n'
        'operators = ["it@clinic.example"]\n'
    )
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"greeting": ("421 busy",)}, "SMTP 421 at greeting"),
        ({"RCPT": ("451 later",)}, "SMTP 451 at RCPT"),
        ({"body": (CLOSE,)}, "SMTPServerDisconnected after DATA"),
    ],
)
def test_an_alarm_that_does_not_leave_lies_in_mail_and_goes_again_the_same(
    vigil: Vigil, server: RudeServer, answers: dict[str, Any], problem: str
) -> None:
    server.script = Script(answers)
    found = vigil.look(hours=30)
    assert found.mailed == 0
    assert found.troubles == [f"an operator's mail did not leave: {problem}"]
    (dropped,) = vigil.mails()

    found = vigil.look(hours=1)
    assert (found.mailed, found.troubles) == (1, [])
    assert {str(as_mail(content)["Message-ID"]) for _, content in server.mails} == {
        str(dropped["Message-ID"])
    }
    assert vigil.look(hours=1).mailed == 0
    assert len(vigil.mails()) == 1


def test_an_alarm_that_is_refused_lies_in_mail_and_is_said_and_comes_again_the_next_day(
    vigil: Vigil, server: RudeServer
) -> None:
    server.script = Script({"RCPT": ("550 who",)})
    assert vigil.look(hours=30).troubles == ["an operator's mail did not leave: SMTP 550 at RCPT"]
    assert len(vigil.mails()) == 1
    assert vigil.look(hours=1).troubles == []
    assert vigil.look(hours=24).mailed == 1
    assert len(server.taken) == 1


def test_a_watch_that_dies_when_its_mail_has_left_sends_the_same_again(
    vigil: Vigil, server: RudeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(smtp.Session, "leave", die)
        with pytest.raises(KeyboardInterrupt):
            vigil.look(hours=30)
    vigil.look(hours=1)

    assert len(server.taken) == 2
    assert len({content for _, content in server.taken}) == 1


def test_wrong_settings_still_reach_operators_by_the_sections_that_are_right(
    vigil: Vigil, server: RudeServer
) -> None:
    text = vigil.home.settings.read_text()
    vigil.home.settings.write_text(text + '[site]\ntime_zone = "Rome"\n')

    found = vigil.look(hours=1)
    assert found.mailed == 1
    assert "site.time_zone: 'Rome'" in found.troubles[0]
    assert len(server.taken) == len(vigil.mails()) == 1


def test_a_memory_that_cannot_be_kept_is_told_and_the_alarm_leaves_all_the_same(
    vigil: Vigil,
) -> None:
    vigil.home.watch.mkdir()
    (vigil.home.watch / "x").touch()

    found = vigil.look(hours=30)
    assert found.mailed == 1
    assert "watch.json cannot be written" in found.troubles[0]


def test_mails_that_cannot_even_be_written_are_owed(vigil: Vigil) -> None:
    for path in vigil.home.mail.iterdir():
        path.unlink()
    vigil.home.mail.rmdir()
    vigil.home.mail.touch()
    found = vigil.look(hours=30)
    assert found.mailed == 0
    assert found.troubles == ["an operator's mail cannot be written: FileExistsError"]

    vigil.home.mail.unlink()
    assert vigil.look(hours=1).mailed == 1


def test_no_operators_is_said(vigil: Vigil) -> None:
    vigil.scene.set("[mail]\noperators = []\n")
    assert vigil.look(hours=30).troubles == ["nobody is told: mail.operators is empty"]


def test_what_it_remembers_is_private(vigil: Vigil) -> None:
    vigil.look()
    assert vigil.home.watch.stat().st_mode & 0o777 == 0o600
    memory = Memory.model_validate_json(vigil.home.watch.read_text())
    ledger = Ledger(vigil.home.ledger)
    assert ledger.secret().hex() != memory.key
    ledger.close()


# ---------------------------------------------------------------- the command


def test_the_command_is_quiet_and_zero_when_all_is_well_and_one_when_not(
    tmp_path: Path,
) -> None:
    vigil = Vigil(tmp_path / "home")
    vigil.now = datetime.now(UTC)
    vigil.night()
    said = vigil.scene.run("watch")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("All is well.\nThe night of ")

    break_settings(vigil.home)
    said = vigil.scene.run("watch", "--json")
    assert said.code == 1
    assert list(said.json["reasons"]) == ["settings"]
    assert said.err.startswith("undertow watch: site.time_zone: 'Rome'")
    assert len(vigil.mails()) == 1


def test_no_home_is_code_two(tmp_path: Path) -> None:
    said = scenes.undertow("watch", "--home", str(tmp_path / "none"))
    assert said.code == 2
    assert "is the home there, and its disk?" in said.err


def test_it_loads_nothing_that_nights_need(vigil: Vigil) -> None:
    vigil.scene.set(
        '[sources.own]\nreader = "table"\n[sources.own.table]\nshape = "round"\n'
        '[mail]\nhost = "localhost"\nport = 1\n'
    )
    script = (
        f"import sys; sys.argv = ['undertow', 'watch', '--home', {str(vigil.home.root)!r}]\n"
        "from flows.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'duckdb', 'polars', 'great_expectations', 'sqlalchemy', 'numpy', "
        "'pandas', 'pyarrow', 'jinja2', 'starlette'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "No night ended whole" in done.stdout
    assert "did not leave: ConnectionRefusedError" in done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
