"""The letters of one night: who gets mail, and what each letter says."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from flows.account import Account, account_of
from flows.explain import explanation
from flows.links import Claim, token
from flows.mail import letter
from flows.pictures.reading import series_of
from flows.pictures.series import series_picture
from flows.settings import Settings
from transforms import telling
from transforms.alerting import Alert, Episode, by_urgency
from transforms.catalog.rule import RULE
from transforms.corroboration import evidence_beside
from transforms.telling import Book, Recipient
from warehouse.store import frame

Row = dict[str, Any]
OPERATOR = "operator"
_EPISODES = (
    "SELECT patient_id, rule, began_on, ended_on, tier, tier_now, p, p_on, is_marked, "
    "is_excluded FROM store.episode "
    "WHERE ended_on IS NULL OR patient_id IN (SELECT unnest(?::VARCHAR[]))"
)
_OVERDUE = (
    "SELECT count(*) AS n FROM store.quarantine WHERE state = 'waiting' AND first_seen_on < ?"
)


QUIET = {
    "budget": "beyond what a recipient is told of in a week",
    "burst": "so many at once are rather a fault of a feed: `undertow alerts release` lets them go",
    "list": "the list does not agree with chance: see the heartbeat",
    "nobody": "nobody gets the mails of the panel",
}
"""Why an alert is kept quiet, for people."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a night's mails rest on beside its warehouse and the events before it.

    Attributes:
        at: when they were composed.
        night: the night's date.
        digest: of the night's warehouse.
        code_version: of the night.
        is_new_code: whether the night before ran other code.
        evaluated: patients computed anew.
        warnings: expectations that failed.
        earlier: alerts opened in each earlier night.
        last_quiet_on: the night of the last mail about what was kept quiet.
        panels: patient -> panel.
        notes: sentences for operators about what is not the warehouse's.
    """

    at: datetime
    night: date
    digest: str = ""
    code_version: str = ""
    is_new_code: bool = False
    evaluated: int = 0
    warnings: int = 0
    earlier: tuple[int, ...] = ()
    last_quiet_on: date | None = None
    panels: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def recipients(settings: Settings) -> list[Recipient]:
    """Everyone who gets mail, by role and panels; without routes for it the care team is
    ``mail.care_team``."""
    mail = settings.mail
    routed = [
        Recipient(address, route.role, frozenset(route.panels))
        for route in mail.routes
        for address in route.to
    ]
    is_routed = any(recipient.role == telling.CARE for recipient in routed)
    care = [] if is_routed else [Recipient(address) for address in mail.care_team]
    return [*care, *routed, *(Recipient(address, OPERATOR) for address in mail.operators)]


class Post:
    """The mails of one night: its warehouse, settings and secret at hand."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, settings: Settings, secret: bytes, given: Given
    ) -> None:
        self.con, self.settings, self.secret, self.given = con, settings, secret, given
        self.recipients = recipients(settings)
        self.account: Account = account_of(con, given.night, given.warnings, given.evaluated)
        self._p: dict[tuple[str, str], float | None] = {}

    # what is known

    def number(self, patient_id: str, rule: str, episode: date) -> str:
        """The work-list number of an episode; says nothing of the person."""
        seal = self._seal(f"{patient_id}|{rule}|{episode}")
        return base64.b32encode(seal)[:8].decode()

    def _seal(self, text: str) -> bytes:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).digest()

    def episodes(self, known: Book) -> list[Episode]:
        """Open episodes, and all of people with an alert."""
        of = sorted({alert.patient_id for alert in known.alerts.values()})
        moved = self.survivors()
        rows = frame(self.con, _EPISODES, [[*of, *(moved[p] for p in of if p in moved)]])
        found = [Episode(**row) for row in rows.to_dicts()]
        self._p = {(e.patient_id, e.rule): e.p for e in found if e.ended_on is None}
        return found

    def survivors(self) -> dict[str, str]:
        """Merged record -> the record it lives on under."""
        return dict(frame(self.con, "FROM store.patient_alias").iter_rows())

    def panel(self, alert: Alert) -> str:
        """The panel of an alert's patient; empty where none is named."""
        return self.given.panels.get(alert.patient_id, "")

    def order(self, alert: Alert) -> tuple[object, ...]:
        """What is told first."""
        return by_urgency(alert, self._p.get((alert.patient_id, alert.rule)))

    def terms(self, _known: Book, *, is_list_held: bool) -> telling.Telling:
        """What decides who is told."""
        limits = self.settings.alerts
        return telling.Telling(
            self.given.night,
            self.recipients,
            self.panel,
            self.order,
            limits.budget_per_week,
            limits.escalate_to,
            is_list_held=is_list_held,
        )

    # letters

    def digest(self, whom: str, mine: telling.Sections, known: Book, held_back: int) -> Row:
        """One recipient's mail of everything they are told tonight."""
        parts = [
            {
                "kind": section,
                "title": title,
                "entries": [self._entry(known.alerts[n], whom) for n in mine.get(section, ())],
            }
            for section, title in telling.SECTIONS.items()
            if mine.get(section)
        ]
        key = [
            f"{section}:{number}:{known.renewed[number][0]}:{known.alerts[number].level}"
            for section, numbers in sorted(mine.items())
            for number in numbers
        ]
        link = self._link(whom, "")
        return self._message(
            "digest", whom, key, {"sections": parts, "held_back": held_back, "link": link}
        )

    def _entry(self, alert: Alert, whom: str) -> Row:
        """What a mail says of an alert; values only where the site turned detail on."""
        said = {
            "alert_id": alert.alert_id,
            "rule": alert.rule,
            "tier": alert.tier,
            "since": alert.opened_on,
            "was": alert.ended_because,
            "link": self._link(whom, alert.alert_id),
            **self._beside(alert.patient_id),
        }
        if not self.is_detailed:
            return said
        found = explanation(self.con, alert.patient_id)
        return {
            **(found.trend or {}),
            "patient_id": found.patient_id,
            "status": found.status,
            "reason": found.reason,
            "draws": found.draws,
            "missing": found.missing,
            "next_tests": found.next_tests,
            "picture": series_picture(series_of(self.con, found.patient_id)),
            **said,
        }

    @property
    def is_detailed(self) -> bool:
        """Whether mails hold values."""
        return self.settings.mail.detail == "full"

    def _beside(self, patient_id: str) -> Row:
        """What agrees or disagrees with fine fasting glucose, with values and without."""
        status = pl.LazyFrame({"patient_id": [patient_id], "as_of": [self.given.night]})
        found = frame(self.con, "FROM store.corroboration WHERE patient_id = ?", [patient_id])
        rows = evidence_beside(status, found.lazy()).collect().to_dicts()
        return rows[0] if rows else {"beside": "", "beside_in_mail": ""}

    def _link(self, whom: str, alert_id: str) -> str | None:
        base = self.settings.worklist.url.rstrip("/")
        if not base:
            return None
        until = self.given.night + timedelta(days=self.settings.worklist.link_days)
        return f"{base}/open/{token(self.secret, Claim(whom, until, alert_id))}"

    def to_operators(self, known: Book, opened: int, digests: int) -> list[Row]:
        """The heartbeat, always; what was kept quiet, once a week; an alarm where many came."""
        notes = [*self._notes(known, opened, digests), *self.given.notes]
        night = self.given.night.isoformat()
        messages = []
        for whom in self.settings.mail.operators:
            key = [night, self.given.digest]
            messages.append(self._message("heartbeat", whom, key, {"notes": notes}))
            messages += self._quiet(whom, known)
            if self._is_burst(known):
                said = (
                    f"{opened} alerts opened tonight, far more than usual: rather a fault of a "
                    "feed than people. None of them is told to the care team. Look at the feeds in "
                    f"the heartbeat; `undertow alerts release --night {night}` lets them go."
                )
                messages.append(self._message("alarm", whom, ["burst", night], {"said": said}))
        return messages

    def _is_burst(self, known: Book) -> bool:
        return any(
            alert.quiet_because == telling.STICKY and alert.opened_on == self.given.night
            for alert in known.alerts.values()
        )

    def _quiet(self, whom: str, known: Book) -> list[Row]:
        night, last = self.given.night, self.given.last_quiet_on
        since = last or night - telling.WEEK
        rows = telling.kept_quiet(known, since)
        if not rows or (last is not None and night < last + telling.WEEK):
            return []
        kept = [
            {"rule": rule, "tier": tier, "because": QUIET[why], "n": n}
            for (rule, tier, why), n in sorted(rows.items(), key=str)
        ]
        facts = {"kept": kept, "since": since, "budget": self.settings.alerts.budget_per_week}
        return [self._message("quiet", whom, [night.isoformat()], facts)]

    def _notes(self, known: Book, opened: int, digests: int) -> list[str]:
        """Sentences about alerts and what waits too long."""
        states = Counter(a.state for a in known.alerts.values())
        useful, judged = telling.precision(known)
        limits, night = self.settings.alerts, self.given.night
        oldest = night - timedelta(days=limits.quarantine_most_days)
        overdue = int(frame(self.con, _OVERDUE, [oldest])["n"][0])
        held = [a for a in known.alerts.values() if a.state == "new" and a.quiet_because]
        late = [a for a in held if (night - a.opened_on).days > limits.held_most_days]
        missing = telling.unseen_roles(self.recipients, limits.escalate_to)
        waits = any(a.state == "escalated" for a in known.alerts.values())
        nobody = sum(a.quiet_because == "nobody" for a in held)
        said = {
            f"Alerts: {opened} opened, {digests} digests; {states['new']} wait for an answer, "
            f"{states['acknowledged']} acknowledged, {states['snoozed']} snoozed, "
            f"{states['escalated']} escalated": True,
            f"{len(held)} are kept quiet; `undertow alerts list --quiet` says why": held,
            f"{len(late)} have been kept quiet for more than {limits.held_most_days} days": late,
            f"{nobody} alerts have no recipient: set mail.care_team or a route": nobody,
            f"Of {judged} alerts judged by reviewers {useful} were useful": judged,
            f"{overdue} rows have waited in quarantine for more than "
            f"{limits.quarantine_most_days} days: `undertow quarantine list`": overdue,
            f"Unanswered alerts go to the care team again: nobody has the role "
            f"{' or '.join(missing)} (mail.routes)": missing and waits,
        }
        return [sentence for sentence, is_so in said.items() if is_so]

    def _message(self, kind: str, whom: str, key: Sequence[str], more: Row) -> Row:
        seal = self._seal("|".join([kind, whom, *key])).hex()[:32]
        message_id = f"<{kind}.{seal}@undertow.invalid>"
        facts = {
            "kind": kind,
            "account": self.account,
            "night": self.given.night,
            "rule": RULE,
            "site": self.settings.site.name,
            "is_detailed": self.is_detailed,
            "code_version": self.given.code_version,
            **more,
        }
        message = letter(self.settings.mail.sender, whom, message_id, self.given.at, facts)
        return {
            "message_id": message_id,
            "recipient": whom,
            "kind": kind,
            "night": self.given.night.isoformat(),
            "message": message.as_bytes(),
        }
