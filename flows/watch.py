"""The dead man's switch: mail operators when no night ended whole in time.

It runs by its own line of cron and needs nothing that nights need: no Prefect, DuckDB, Polars or
Great Expectations, no warehouse, no readable ledger, not even right settings. It keeps a clock
that never goes back, tells of a silence once and again every day, and when nights run again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from flows.eml import write_mail
from flows.home import Home, NoHomeError
from flows.settings import Settings, SettingsError, parsed, salvaged
from flows.smtp import Outcome, UnusableError, session
from flows.watch_memory import Episode, Memory, Notice, recalled, remember
from warehouse.heartbeats import Heartbeat, Look, from_json, looked

REMINDER = timedelta(hours=24)
CLOCK_DRIFT = timedelta(minutes=5)
"""By which a heartbeat may lie ahead of the clock."""
LEDGER_PATIENCE_SECONDS = 5.0
SUBJECTS = {"alarm": "Undertow: no fresh heartbeat", "recovery": "Undertow: nights run again"}
"""Constant, as of all mails."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found: ``reasons`` to alarm (none: all is well), what is known beside them, how
    many mails left, and ``troubles`` of the watch itself, for standard error."""

    reasons: dict[str, str]
    known: list[str]
    mailed: int = 0
    troubles: list[str] = field(default_factory=list)

    def as_text(self) -> str:
        """A line a fact."""
        told = [f"{self.mailed} mails to operators"] if self.mailed else []
        return "\n".join([*(self.reasons.values() or ["All is well."]), *self.known, *told])


@dataclass(frozen=True, slots=True)
class _Scene:
    """The home as it is found, and the time by the machine's clock and by the watch's own."""

    home: Home
    settings: Settings
    wrong_settings: str
    look: Look
    beat: Heartbeat | None
    now: datetime
    own: float


def watch(home: Home, clock: Callable[[], datetime]) -> Found:
    """Look once; mail operators what has changed, or what is a day old.

    Raises:
        NoHomeError: there is no home, or the disk it is on is away.
    """
    if not home.settings.exists():
        raise NoHomeError(f"no settings at {home.settings}: is the home there, and its disk?")
    with _alone(home.root) as is_alone:
        if is_alone:
            return _watched(home, clock().astimezone(UTC))
    return Found({}, ["Another watch is looking."])


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """One watch at a time, by a lock on the folder itself, which needs no room on a full disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _watched(home: Home, now: datetime) -> Found:
    memory = recalled(home.watch)
    scene = _scene(home, memory, now)
    reasons, known = _reasons(scene, memory), _known(scene)
    memory.owed += _due(memory, scene, reasons, known)
    is_kept = remember(home.watch, memory)  # before anything leaves: again is the same mail
    troubles = [scene.wrong_settings] if scene.wrong_settings else []
    if reasons and not scene.settings.mail.operators:
        troubles.append("nobody is told: mail.operators is empty")
    n_owed = len(memory.owed)
    memory.owed, failed = _sent(scene, memory.owed)
    if not (is_kept and remember(home.watch, memory)):
        troubles.append(f"{home.watch.name} cannot be written: the same is told every time")
    return Found(reasons, known, n_owed - len(memory.owed), [*troubles, *failed])


def _scene(home: Home, memory: Memory, now: datetime) -> _Scene:
    """Look at everything; the memory learns of a new heartbeat and of the time."""
    own = memory.tick(now.timestamp())
    settings, wrong = _settings(home)
    look = looked(home.ledger, LEDGER_PATIENCE_SECONDS)
    memory.key = look.key.hex() if look.key else memory.key
    beat = _true_beat(home, look, bytes.fromhex(memory.key))
    if memory.since is None:
        memory.since = own
    if beat and beat.time and beat.run_id != memory.run_id:
        memory.run_id = beat.run_id
        memory.since = own - max(0.0, (now - beat.time).total_seconds())
    return _Scene(home, settings, wrong, look, beat, now, own)


def _settings(home: Home) -> tuple[Settings, str]:
    try:
        return parsed(home.settings), ""
    except (SettingsError, OSError) as error:
        said = str(error) if isinstance(error, SettingsError) else type(error).__name__
        return salvaged(home.settings), said


def _true_beat(home: Home, look: Look, key: bytes) -> Heartbeat | None:
    """The ledger's newest heartbeat, or that of the file where the ledger shows none; only with
    the seal."""
    if look.beat and look.beat.is_true(key):
        return look.beat
    try:
        beat = from_json(home.heartbeat.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return beat if beat and key and beat.is_true(key) else None


def _reasons(scene: _Scene, memory: Memory) -> dict[str, str]:
    """Why operators must look, by kind; each in a sentence."""
    found = {}
    most = scene.settings.watch.most_hours
    silent = (scene.own - (memory.since or 0.0)) / 3600
    if silent > most:
        never = "" if memory.run_id else " since the first look, nor before"
        found["silent"] = f"No night ended whole for {silent:.0f} hours{never}; {most:g} are usual."
    if scene.beat and scene.beat.time and scene.beat.time > scene.now + CLOCK_DRIFT:
        found["clock"] = (
            f"The machine's clock says {_time(scene.now)}, which is before the last night ended."
        )
    if scene.look.problem not in ("", "busy") and (scene.look.problem != "absent" or memory.run_id):
        found["ledger"] = f"The ledger cannot be read ({scene.look.problem}): no night can run."
    if scene.wrong_settings:
        found["settings"] = (
            "The settings cannot be used: no night can run. `undertow doctor` says why."
        )
    owed = scene.look.owed_since
    if owed and scene.now - owed > timedelta(hours=most):
        found["mail"] = f"Mails are owed since {_time(owed)}: see `undertow outbox list`."
    return found


def _known(scene: _Scene) -> list[str]:
    """What the ledger and the last heartbeat tell, without a patient's data."""
    beat, run, look = scene.beat, scene.look.run, scene.look
    said = ["No heartbeat bears this home's seal."]
    if beat and beat.time:
        said = [f"The night of {beat.night} ended whole, {_time(beat.time)} (run {beat.run_id})."]
    if run:
        step = f"; the last step that ended is {look.step}" if look.step else ""
        why = f" ({run['problem']})" if run["problem"] else ""
        said.append(f"The last run, {run['run_id']}, is {run['state']}{why}{step}.")
    if look.problem == "busy":
        said.append("The ledger was busy all the time.")
    return said


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _due(memory: Memory, scene: _Scene, reasons: dict[str, str], known: list[str]) -> list[Notice]:
    """The mails to write now: what is new, what is a day old, that all is well again."""
    episode = memory.episode
    if not reasons:
        memory.episode = None
        return _notices(scene, episode, "recovery", known) if episode else []
    if episode is None:
        episode = Episode(began_at=scene.own, told_at=scene.own, number=0, reasons=[])
    is_old = scene.own - episode.told_at >= REMINDER.total_seconds()
    if not is_old and set(reasons) <= set(episode.reasons):
        return []
    episode.told_at, episode.number = scene.own, episode.number + 1
    episode.reasons = sorted({*episode.reasons, *reasons})
    memory.episode = episode
    return _notices(scene, episode, "alarm", [*reasons.values(), "", *known])


_CLOSING = {
    "alarm": "Until a night ends whole nobody is told of new marks, corrections or retractions, "
    "and silence says nothing of anybody.\nLook with `undertow doctor`, then `undertow run`. This "
    "is told again every day until it is mended.",
    "recovery": "What was owed meanwhile is sent by the night itself.",
}


def _notices(scene: _Scene, episode: Episode, kind: str, said: list[str]) -> list[Notice]:
    """One mail to every operator; the same occasion gives the same Message-IDs."""
    return [_notice(scene, episode, kind, said, to) for to in scene.settings.mail.operators]


def _notice(scene: _Scene, episode: Episode, kind: str, said: list[str], to: str) -> Notice:
    occasion = f"{episode.began_at}|{episode.number}|{kind}|{to}"
    seal = hashlib.sha256(occasion.encode()).hexdigest()[:32]
    message = EmailMessage()
    message["From"], message["To"] = scene.settings.mail.sender, to
    message["Subject"], message["Date"] = SUBJECTS[kind], format_datetime(scene.now)
    message["Message-ID"] = f"<watch.{seal}@undertow.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    text = "\n".join([f"Undertow at {scene.settings.site.name}", "", *said, "", _CLOSING[kind]])
    message.set_content(text, cte="quoted-printable")
    number, day = str(message["Message-ID"]), scene.now.date().isoformat()
    return Notice(message_id=number, to=to, day=day, message=message.as_string())


def _sent(scene: _Scene, owed: list[Notice]) -> tuple[list[Notice], list[str]]:
    """Hand over what is owed: what is still owed then, and what went wrong. What did not leave, or
    left by settings that are wrong, lies in ``mail/`` too."""
    if not scene.settings.mail.host:
        return _written(scene.home.mail, owed)
    ended = _handed_over(scene, owed)
    failed = [(notice, end) for notice, end in ended if end.state != "sent"]
    doubtful = owed if scene.wrong_settings else [notice for notice, _ in failed]
    _, unwritten = _written(scene.home.mail, doubtful)
    why = sorted({f"an operator's mail did not leave: {end.problem}" for _, end in failed})
    return [notice for notice, end in failed if end.state != "refused"], [*why, *unwritten]


def _handed_over(scene: _Scene, owed: list[Notice]) -> list[tuple[Notice, Outcome]]:
    """How each ended, a session each; a server that cannot be had is asked once."""
    ended: list[tuple[Notice, Outcome]] = []
    for notice in owed:
        is_dead = bool(ended) and not ended[-1][1].is_its_own
        ended.append((notice, ended[-1][1] if is_dead else _handed(scene.settings, notice)))
    return ended


def _handed(settings: Settings, notice: Notice) -> Outcome:
    try:
        with session(settings.mail, settings.mail_password()) as opened:
            message = notice.message.encode("ascii", "replace")
            return opened.hand_over(settings.mail.sender, notice.to, message, lambda: None)
    except UnusableError as error:
        return Outcome("pending", str(error), is_its_own=False)
    except SettingsError as error:
        return Outcome("pending", type(error).__name__, is_its_own=False)


def _written(folder: Path, owed: list[Notice]) -> tuple[list[Notice], list[str]]:
    """Drop the mails as files: what could not be written, and why."""
    left, why = [], set()
    for notice in owed:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            write_mail(folder, notice.message_id, notice.day, notice.message.encode())
        except OSError as error:
            left.append(notice)
            why.add(f"an operator's mail cannot be written: {type(error).__name__}")
    return left, sorted(why)
