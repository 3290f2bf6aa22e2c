"""The steps of a night, in order. Design.md section 1 is this list in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from flows import analyst, bounces, compose, landing, page
from flows.compute import compute, prepare
from flows.intake import quote, read_files
from flows.night import Counts, Night, NightFailedError, Step
from flows.outbox import deliver
from flows.reading import naming, published_file
from flows.refit import models
from flows.starting import is_untouched, open_build, take_over_record
from transforms.catalog.reasons import REASONS
from transforms.catalog.tables import HISTORY
from warehouse import account, alert_record, deletions, feeds, nights, publish, store
from warehouse.landed import sha256
from warehouse.merge import merge as merge_staged


def land(night: Night) -> Counts:
    """Keep the bytes of every new file in the inbox."""
    found = landing.land(night.home, night.ledger, night.as_of, night.settings.inbox.settle_seconds)
    return asdict(found)


def read(night: Night) -> Counts:
    """Open the build and stage the rows of every file it does not hold yet."""
    start, con = open_build(night), night.db
    held = {row[0] for row in con.execute("SELECT file_id FROM store.source_file").fetchall()}
    files = [dict(row) for row in night.ledger.files(night.as_of) if row["file_id"] not in held]
    intake = read_files(
        con, night.home, night.settings, files, night.scratch, night.progress, night.approvals
    )
    night.lines = intake.lines
    return {
        "files": intake.files,
        "staged": intake.staged,
        "rejected": intake.rejected,
        "rebuilt": int(start is None),
        "changed by others": int(bool(night.remarks)),
    }


def expect(night: Night) -> Counts:
    """The gate: validate staged rows, move failing ones to quarantine with every reason."""
    sentences = dict(REASONS)
    deletions.set_apart(night.db)
    arrived = [name for name in HISTORY if _rows(night, f"staging.{name}")]
    held = feeds.keep_feeds(night.db)
    if arrived:  # importing Great Expectations costs seconds, so only when rows came
        from expectations.base import suites
        from expectations.checkpoint import verdicts
        from expectations.gate import agree, divide

        suite = suites("incoming")
        found = verdicts(night.db, {name: f"staging.{name}" for name in arrived}, suite)
        for name in arrived:
            divide(night.db, f"staging.{name}", "staging.rejected", name, suite.get(name, ()))
            agree(night.db, "staging.rejected", name, found)
        _keep_verdicts(night, found)
        sentences |= {item.label(): item.sentence for many in suite.values() for item in many}
    deletions.carry_out(night.db)
    quote(night.db, night.lines)
    kept = account.keep_rejected(night.db, sentences)
    return {"tables": len(arrived), "quarantined": kept, "held for their unit": held}


def merge(night: Night) -> Counts:
    """Versions find their place in history; duplicates are noted; files are accounted for."""
    counts = merge_staged(night.db)
    counts["duplicate_row"] = account.keep_duplicates(night.db)
    counts["source_file"] = account.account(night.db)
    counts["unit_proposal"] = feeds.keep_proposals(night.db)
    return counts


def transform(night: Night) -> Counts:
    """Recompute what follows from what came, by the trend models in force."""
    prepare(night.db)
    return compute(night.db, night.as_of, models(night))


def check(night: Night) -> Counts:
    """Expectations on what is kept and computed; a failing ``reject`` fails the night."""
    if not night.counts["read"]["files"] and not night.counts["transform"]["patients changed"]:
        return {"expectations": 0}
    from expectations.base import suites
    from expectations.checkpoint import verdicts

    suite = suites("computed")
    tables = {name: f"store.{name}" for name in suite}
    found = verdicts(night.db, tables, suite)
    _keep_verdicts(night, found)
    broken = [
        f"{v.table}.{v.expectation}" for v in found if v.severity == "reject" and not v.passed
    ]
    if broken:
        raise NightFailedError(f"not published, since it does not hold: {', '.join(broken)}")
    return {"expectations": len(found), "warnings": sum(not v.passed for v in found)}


def alert(night: Night) -> Counts:
    """Open alerts and put the night's mails into the outbox, before anything is published."""
    bounces.take(night.home.bounces, night.ledger)
    night.digest = store.digest(night.db)
    night.ledger.keep_tables(night.run_id, store.table_digests(night.db))
    return compose.compose(night)


def publish_(night: Night) -> Counts:
    """Close, verify and swap in the new warehouse, unless it would be the same one again."""
    current = published_file(night.home)
    came = night.counts["read"]["files"] or night.counts["read"]["changed by others"]
    is_new = came or not analyst.is_settled(night)
    if current and not is_new and _is_same_again(night):
        night.published = current
        night.close()
        night.build.unlink()
        return {"published": 0}
    _keep_night(night)
    publish.create_macros(night.db, night.run_id)
    night.db.execute("DETACH staging")
    night.db.execute("CHECKPOINT")
    night.close()
    rows = publish.verify(night.build, night.digest)
    for_analysts = analyst.written(night)
    name, build = publish.version_name(night.run_id), night.build
    night.ledger.note_published(name, sha256(build), build.stat())
    night.published = publish.publish(night.own_folder, night.build, night.run_id)
    analyst.settle(night, for_analysts)
    for folder in (night.home.warehouse, night.home.care):
        publish.prune(folder, night.settings.publish.keep)
    return {"published": 1, **{f"rows of {name}": count for name, count in rows.items()}}


def show(night: Night) -> Counts:
    """Write the night's pages."""
    return {"pages": page.write(night)}


def send(night: Night) -> Counts:
    """Deliver what the outbox owes; what cannot be delivered stays owed."""
    return deliver(night.ledger, night.home, night.settings, night.clock)


STEPS: tuple[Step, ...] = (
    Step("land", land, retries=2),
    Step("read", read),
    Step("expect", expect),
    Step("merge", merge),
    Step("transform", transform),
    Step("check", check),
    Step("alert", alert),
    Step("publish", publish_),
    Step("show", show),
    Step("send", send, retries=2),
)
"""The night."""

REBUILD: tuple[Step, ...] = tuple(step for step in STEPS[1:6])
"""The part of the night that decides its digest."""


def _rows(night: Night, relation: str) -> bool:
    return night.db.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None


def _keep_verdicts(night: Night, found: Sequence[object]) -> None:
    night.verdicts += [
        (v.table, v.expectation, v.severity, v.sentence, v.rows_checked, v.rows_failed, v.passed)  # type: ignore[attr-defined]
        for v in found
    ]


def _is_same_again(night: Night) -> bool:
    done = night.ledger.rows(
        "SELECT digest FROM run WHERE state = 'done' AND night = ? AND code_version = ? "
        "ORDER BY started_at DESC LIMIT 1",
        [night.as_of.isoformat(), night.code_version],
    )
    return bool(done) and done[0]["digest"] == night.digest


_VERDICT = (
    *("run_id", "table_name", "expectation", "severity", "sentence"),
    *("rows_checked", "rows_failed", "passed"),
)
_RUN = ("run_id", "night", "started_at", "finished_at", "state", "code_version")


def _keep_night(night: Night) -> None:
    """Copy the ledger's account of runs and alerts, and tonight's verdicts, into the warehouse."""
    con = night.db
    if night.counts["read"]["rebuilt"]:
        take_over_record(night)
    nights.record(con, night.as_of)
    nights.keep_published(con, _kept_files(night))
    verdicts = [(night.run_id, *row) for row in night.verdicts]
    store.append(con, "store.validation_result", _VERDICT, verdicts)
    con.execute("DELETE FROM store.run")
    done = {"finished_at": night.clock().isoformat(), "state": "done"}
    runs = [
        {**run, **done} if run["run_id"] == night.run_id else run
        for run in map(dict, night.ledger.rows("SELECT * FROM run ORDER BY started_at"))
    ]
    timed = [
        {**run, **{at: _naive(run[at]) for at in ("started_at", "finished_at")}} for run in runs
    ]
    store.append(con, "store.run", _RUN, [[run[name] for name in _RUN] for run in timed])
    alert_record.keep(con, night.ledger)


def _kept_files(night: Night) -> list[nights.Kept]:
    """The published files that stand beside tonight's, and tonight's."""
    most = night.settings.publish.keep - 1
    beside = naming(night.home)[:most]
    sound = {path.name for path in beside if is_untouched(night.ledger, path)}
    runs = night.ledger.rows("SELECT * FROM run WHERE state = 'done' AND digest <> ''")
    kept = [
        (run["run_id"], run["night"], _naive(run["finished_at"]), name, run["digest"])
        for run in runs
        if (name := publish.version_name(run["run_id"])) in sound
    ]
    now = _naive(night.clock().isoformat())
    name = publish.version_name(night.run_id)
    return [*kept, (night.run_id, night.as_of.isoformat(), now, name, night.digest)]


def _naive(text: str | None) -> str | None:
    return text[:26].replace("T", " ").removesuffix("+00:00") if text else None
