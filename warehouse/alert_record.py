"""What the warehouse shows of the ledger's alerts: their state and events, without what people
wrote."""

from __future__ import annotations

import duckdb
import polars as pl

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import NIGHT
from warehouse import alerts
from warehouse.ledger import Ledger

_DELIVERED = (
    "SELECT DISTINCT n.alert_id FROM notice n JOIN outbox o USING (message_id) "
    "JOIN alert a USING (alert_id) WHERE o.state = 'sent' AND n.kind = 'told' "
    "AND n.night >= a.told_on"
)
_EVENTS = (
    "SELECT event_id, alert_id, kind AS event, night, substr(at, 1, 26) AS happened_at, "
    "actor <> 'undertow' AS by_hand, facts ->> 'tier' AS tier, facts ->> 'level' AS escalated, "
    "CASE WHEN actor = 'undertow' THEN facts ->> 'because' END AS because FROM alert_event "
    "ORDER BY event_id"
)


def delivered(ledger: Ledger, alert_id: str | None = None) -> set[str]:
    """Alerts, or whether this one, that somebody surely got a mail about, as they are."""
    one = "" if alert_id is None else " AND n.alert_id = ?"
    rows = ledger.rows(_DELIVERED + one, [] if alert_id is None else [alert_id])
    return {row["alert_id"] for row in rows}


def keep(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    """Write the alerts and their events into the warehouse under construction."""
    came = delivered(ledger)
    shown = [
        {
            **alerts.as_row(alert),
            "escalated": alert.level,
            "state": "sent" if alert.state == "new" and alert.alert_id in came else alert.state,
        }
        for alert in alerts.standing(ledger)
    ]
    _fill(con, "alert", shown)
    _fill(con, "alert_event", [dict(row) for row in ledger.rows(_EVENTS)])


def _fill(con: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]) -> None:
    names = NIGHT[table].columns
    texts = pl.DataFrame(
        [[None if row[name] is None else str(row[name]) for name in names] for row in rows],
        schema=dict.fromkeys(names, pl.String),
        orient="row",
    )
    con.execute(f"DELETE FROM store.{table}")
    con.register("shown", texts.to_arrow())
    typed = ", ".join(f'"{name}"::{FIELDS[name].type}' for name in names)
    con.execute(f"INSERT INTO store.{table} SELECT {typed} FROM shown")
    con.unregister("shown")
