"""Alert, first form: open an alert per patient, rule and episode; owe one digest per recipient.

The episode is the draw with which the patient entered the cohort, never tonight's date, so the
same ground never alerts twice. Everything is committed to the ledger before the warehouse is
published, and nothing of it depends on when it runs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import duckdb
import polars as pl

from flows.mail import Letter, letter
from flows.night import Counts, Night
from transforms.catalog.rule import COHORTS, RULE
from transforms.corroboration import evidence_beside
from warehouse.store import frame

Row = dict[str, Any]
MOST_CODES = 10
"""New codes that a mail names; the view ``unknown_code`` has all."""
_MODEL = (
    "SELECT m.model_version, m.in_force_from, m.people, c.n, c.coverage_90_pct FROM store.model m "
    "LEFT JOIN store.prediction_check c ON c.analyte = 'insulin' AND c.grouped_by = 'all' "
    "ORDER BY m.in_force_from DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Account:
    """What a mail says of the night: rows by place, patients by status, checks that failed."""

    night: str
    files: list[Row]
    statuses: dict[str, int]
    waiting: int
    oldest_waiting: str
    silent: list[str]
    feeds: list[str]
    warnings: int
    evaluated: int
    checked: Row
    model: Row
    remarks: tuple[str, ...] = ()

    @property
    def not_evaluated(self) -> int:
        """Patients that keep what was found before, since nothing of theirs came or changed."""
        return sum(self.statuses.values()) - self.evaluated

    @property
    def list_said(self) -> str:
        """Tonight's list against chance, and whether it is held back."""
        c = self.checked
        if c["is_held"]:
            return (
                f"The list of {c['n_listed']} marked people does not agree with chance: "
                f"{c['held_because']}. Unless `hold = false` stands under [model] in "
                "undertow.toml, nobody is told of new marks; `undertow model` shows more."
            )
        said = f"Marked with tier A or B: {c['n_listed']} of {c['n_evaluated']} evaluated"
        if not c["n_listed"]:
            return f"{said}."
        return (
            f"{said}; {c['false_claimed']:.0%} of them falsely by the model, "
            f"{c['false_shuffled']:.0%} by shuffled draws."
        )

    @property
    def model_said(self) -> str:
        """The newest model, and how the newest draws lay in their forecasts."""
        m = self.model
        whom = (
            "simulated people" if m["model_version"].startswith("simulated") else "of your people"
        )
        said = f"Trend model {m['model_version']}, from {m['people']:,} {whom}"
        if not m["n"]:
            return f"{said}."
        return (
            f"{said}; {m['coverage_90_pct']:.0f} % of {m['n']:,} newest insulin values lay in "
            "their 90 % forecast."
        )


def compose(night: Night) -> Counts:
    """Open alerts and owe mails; return how many of each are new."""
    members = _members(night)
    changed = night.counts["transform"]["patients changed"]
    account = account_of(night.db, night.as_of, night.verdicts, changed)
    account = replace(account, remarks=tuple(night.remarks))
    is_held = bool(account.checked["is_held"]) and night.settings.model.hold
    opened = mails = 0
    with night.ledger.transaction():
        _end(night, members)
        if not is_held:
            opened = sum(_open(night, member) for member in members)
            mails = sum(_digest(night, who, account) for who in night.settings.mail.care_team)
        mails += sum(_heartbeat(night, who, account) for who in night.settings.mail.operators)
    return {"members": len(members), "opened": opened, "mails": mails, "held": int(is_held)}


def account_of(
    con: duckdb.DuckDBPyConnection,
    as_of: date,
    verdicts: Sequence[tuple[object, ...]],
    evaluated: int,
) -> Account:
    """The night in numbers, none of them a patient's; ``evaluated``: patients computed anew."""
    files = frame(
        con,
        "SELECT source, count(*) AS files, sum(rows_in) AS rows_in, "
        "sum(rows_accepted) AS accepted, sum(rows_quarantined) AS quarantined, "
        "sum(rows_duplicate) AS duplicate, sum(rows_superseded) AS superseded "
        "FROM store.source_file WHERE known_at = ? GROUP BY source ORDER BY source",
        [as_of.isoformat()],
    ).to_dicts()
    statuses = frame(
        con,
        "SELECT status, count(*) AS n FROM store.patient_status GROUP BY status ORDER BY status",
    )
    waiting = frame(
        con,
        "SELECT count(*) AS n, min(first_seen_on) AS oldest FROM store.quarantine "
        "WHERE state = 'waiting'",
    ).row(0)
    return Account(
        night=as_of.isoformat(),
        files=files,
        statuses=dict(statuses.iter_rows()),
        waiting=int(waiting[0]),
        oldest_waiting=str(waiting[1] or ""),
        silent=_silent(con, as_of),
        feeds=_feeds(con, as_of),
        warnings=sum(1 for verdict in verdicts if not verdict[-1]),
        evaluated=evaluated,
        checked=frame(con, "SELECT * FROM store.list_check").to_dicts()[0],
        model=frame(con, _MODEL).to_dicts()[0],
    )


def _silent(con: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    """Sources that have sent before and sent nothing tonight, unless their rhythm explains it."""
    rows = frame(
        con,
        "SELECT source FROM store.source_file GROUP BY source HAVING max(known_at) < ? "
        "AND source NOT IN (SELECT source FROM store.feed_check GROUP BY source "
        "HAVING bool_and(p_silence IS NOT NULL AND alarm IS NULL)) ORDER BY 1",
        [as_of.isoformat()],
    )
    return [str(name) for name in rows["source"]]


def _feeds(con: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    """What is wrong with feeds tonight, in sentences: held, silent, too few or too many rows."""
    held = frame(
        con,
        "SELECT source, lab, analyte, likely_unit, known_at::DATE AS night, "
        "sum(n_rows)::BIGINT AS n FROM store.feed "
        "WHERE likely_unit IS NOT NULL AND known_at = ? GROUP BY ALL ORDER BY ALL",
        [as_of.isoformat()],
    ).to_dicts()
    checks = frame(
        con, "SELECT * FROM store.feed_check WHERE alarm IS NOT NULL ORDER BY source, analyte"
    ).to_dicts()
    alarms = [_ALARMS[row["alarm"]].format(**row) for row in checks]
    return [*map(_held, held), *alarms, *_new_codes(con, as_of)]


def _new_codes(con: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    """Codes that came for the first time tonight and are not mapped: told once, with counts."""
    rows = frame(
        con,
        "SELECT source, source_code, sum(n_rows)::BIGINT AS n FROM store.unknown_code "
        "GROUP BY ALL HAVING min(known_at) = ? ORDER BY source, n DESC, source_code",
        [as_of.isoformat()],
    )
    return [
        _said_new(str(source[0]), codes)
        for source, codes in rows.group_by("source", maintain_order=True)
    ]


def _said_new(source: str, codes: pl.DataFrame) -> str:
    few = codes.head(MOST_CODES).select("source_code", "n").iter_rows()
    named = ", ".join(f"{code[:40]} ({n})" for code, n in few)
    more = " ..." if codes.height > MOST_CODES else ""
    return (
        f"{source}: {codes.height} new codes, not mapped, with {codes['n'].sum()} rows that wait: "
        f"{named}{more}"
    )


def _held(row: Row) -> str:
    lab = f" ({row['lab']})" if row["lab"] else ""
    only = f' --lab "{row["lab"]}"' if row["lab"] else ""
    return (
        f"{row['source']}{lab}: {row['n']} rows of {row['analyte']} are held, since the values "
        f"jumped as if {row['likely_unit']} were sent under another label. Ask the laboratory; if "
        f"so: undertow quarantine approve {row['source']} --analyte {row['analyte']}{only} "
        f"--unit {row['likely_unit']} --from {row['night']}"
    )


_ALARMS = {
    "silent": "{source}: no {analyte} since {last_on}, which is not its rhythm",
    "few": "{source}: rows of {analyte} are few, {rows_tonight} and usually {rows_usual:.0f}",
    "many": "{source}: rows of {analyte} are many, {rows_tonight} and usually {rows_usual:.0f}",
}


def _members(night: Night) -> list[Row]:
    alerting = [cohort.name for cohort in COHORTS if cohort.alerts]
    return frame(
        night.db,
        "SELECT c.cohort AS rule, c.patient_id, c.entered_on, s.tier, s.status, s.reason, "
        "(SELECT max(left_on) FROM store.cohort e WHERE e.cohort = c.cohort "
        "AND e.patient_id = c.patient_id) AS last_left_on, "
        "t.* EXCLUDE (patient_id) FROM store.cohort c "
        "JOIN store.patient_status s USING (patient_id) "
        "JOIN store.trend t USING (patient_id) WHERE c.left_on IS NULL "
        f"AND c.cohort IN ({', '.join(repr(name) for name in alerting)}) "
        "ORDER BY t.p_climbing_unseen DESC, c.patient_id",
    ).to_dicts()


def _end(night: Night, members: list[Row]) -> None:
    """End the alerts of patients who are members no longer."""
    staying = {(member["patient_id"], member["rule"]) for member in members}
    for row in night.ledger.rows("SELECT * FROM alert WHERE state = 'new'"):
        if (row["patient_id"], row["rule"]) not in staying:
            night.ledger.write(
                "UPDATE alert SET state = 'ended' WHERE alert_id = ?", [row["alert_id"]]
            )


def _open(night: Night, member: Row) -> int:
    """Open an alert, unless one of this stay is open: a correction or a refit may move the draw
    with which the stay began, but nobody left and came again."""
    stay = night.ledger.rows(
        "SELECT 1 FROM alert WHERE patient_id = ? AND rule = ? AND state = 'new' AND episode >= ?",
        [member["patient_id"], member["rule"], str(member["last_left_on"] or "")],
    )
    if stay:
        return 0
    key = f"{member['patient_id']}|{member['rule']}|{member['entered_on']}"
    seal = hmac.new(night.ledger.secret(), key.encode(), hashlib.sha256).digest()
    member["alert_id"] = base64.b32encode(seal)[:8].decode()
    night.ledger.write(
        "UPDATE alert SET state = 'new' WHERE alert_id = ? AND state = 'ended'",
        [member["alert_id"]],
    )
    return night.ledger.write(
        "INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?, ?, ?, 'new')",
        [member["alert_id"], member["patient_id"], member["rule"], member["tier"]]
        + [member["entered_on"].isoformat(), night.as_of.isoformat()],
    )


def _untold(night: Night, recipient: str) -> list[Row]:
    rows = night.ledger.rows(
        "SELECT alert_id, patient_id, rule FROM alert WHERE state = 'new' AND alert_id NOT IN "
        "(SELECT alert_id FROM notice WHERE recipient = ?)",
        [recipient],
    )
    return [dict(row) for row in rows]


def _digest(night: Night, recipient: str, account: Account) -> int:
    """One mail of everything this recipient has not been told; none when there is nothing."""
    alerts = _untold(night, recipient)
    if not alerts:
        return 0
    told = [_told(night, alert) for alert in alerts]
    key = [recipient, *sorted(alert["alert_id"] for alert in alerts)]
    return _owe(night, "digest", recipient, key, told, account)


def _heartbeat(night: Night, recipient: str, account: Account) -> int:
    return _owe(
        night, "heartbeat", recipient, [recipient, account.night, night.digest], [], account
    )


def _owe(
    night: Night,
    kind: str,
    recipient: str,
    key: Sequence[str],
    alerts: list[Row],
    account: Account,
) -> int:
    seal = hmac.new(night.ledger.secret(), "|".join([kind, *key]).encode(), hashlib.sha256)
    message_id = f"<{kind}.{seal.hexdigest()[:32]}@undertow.invalid>"
    facts: Letter = {
        "kind": kind,
        "account": account,
        "alerts": alerts,
        "rule": RULE,
        "site": night.settings.site.name,
        "is_detailed": night.settings.mail.detail == "full",
        "code_version": night.code_version,
    }
    message = letter(night.settings.mail.sender, recipient, message_id, night.clock(), facts)
    row = {
        "message_id": message_id,
        "recipient": recipient,
        "kind": kind,
        "night": account.night,
        "message": message.as_bytes(),
    }
    return int(night.ledger.owe(row, [alert["alert_id"] for alert in alerts]))


def _told(night: Night, alert: Row) -> Row:
    """An alert with what a reviewer needs: status, numbers, draws."""
    facts = frame(
        night.db,
        "SELECT s.status, s.tier, s.reason, t.* EXCLUDE (patient_id) FROM store.patient_status s "
        "LEFT JOIN store.trend t USING (patient_id) WHERE patient_id = ?",
        [alert["patient_id"]],
    ).to_dicts()
    draws = frame(
        night.db,
        "SELECT drawn_on, insulin_comparator, insulin_uiu_ml, glucose_mg_dl, used, reason "
        "FROM store.fasting_pair "
        "WHERE patient_id = ? ORDER BY drawn_on",
        [alert["patient_id"]],
    ).to_dicts()
    beside = _beside(night, alert["patient_id"])
    return {**(facts[0] if facts else {}), **alert, "draws": draws, **beside}


def _beside(night: Night, patient_id: str) -> Row:
    """What agrees or disagrees with fine fasting glucose, with values and without."""
    status = pl.LazyFrame({"patient_id": [patient_id], "as_of": [night.as_of]})
    found = frame(night.db, "FROM store.corroboration WHERE patient_id = ?", [patient_id])
    rows = evidence_beside(status, found.lazy()).collect().to_dicts()
    return rows[0] if rows else {"beside": "", "beside_in_mail": ""}
