"""Nights end to end: the contract of tables, and what changes and does not from night to night."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from polars.exceptions import PanicException

from flows import intake
from flows.night import PastNightError, business_date
from flows.running import run_here
from flows.steps import STEPS
from flows.version import version
from tests.flows.scene import (
    FIRST_DRAW,
    GLUCOSE,
    INSULIN,
    MARKED,
    NIGHT,
    Scene,
    labs,
    now,
    patients,
    result,
    series,
)
from tests.flows.senders import Nights, Sender, source
from transforms.landing import Opened, Reading
from transforms.readers import clinic_csv

NEXT = NIGHT + timedelta(days=1)
CONTRACT = {
    "patient": "patient_id, birth_date, sex",
    "observation": "patient_id, analyte, observed_at, value, unit, comparator, fasting, lab, "
    "assay, status, source, result_id, known_at",
    "fasting_pair": "patient_id, drawn_on, insulin_uiu_ml, glucose_mg_dl, lab, assay, used, reason",
    "trend": "patient_id, as_of, n_pairs, first_on, last_on, insulin_level_uiu_ml, "
    "insulin_slope_pct_year, insulin_slope_low, insulin_slope_high, glucose_level_mg_dl, "
    "glucose_slope_mg_dl_year, glucose_slope_low, glucose_slope_high, p_insulin_climbing, "
    "p_glucose_fine, p_climbing_unseen",
    "patient_status": "patient_id, as_of, status, reason, tier, evidence",
    "cohort": "cohort, patient_id, entered_on, left_on, definition_version",
    "cohort_attrition": "cohort, step, reason, n_before, n_excluded, n_after",
    "index_value": "patient_id, index, observed_on, value, unit",
    "tissue_profile": "patient_id, tissue, signal, value, percentile, trend, evidence_grade, "
    "claim, missing",
    "cgm_day": "patient_id, local_date",
    "wearable_day": "patient_id, local_date",
    "quarantine": "quarantine_id, source, file, line, table_name, reasons, row, first_seen_on, "
    "state",
    "alert": "alert_id, patient_id, rule, opened_on, state",
    "run": "run_id, night, started_at, finished_at, state, code_version",
    "source_file": "source, file, sha256, known_at, state, rows_in, rows_accepted, "
    "rows_quarantined, rows_duplicate, rows_superseded",
    "validation_result": "run_id, table_name, expectation, severity, rows_checked, rows_failed, "
    "passed",
    "dictionary": "table_name, column_name, type, unit, description",
}
"""Design.md section 4: these columns come first, in this order."""


@pytest.mark.parametrize("table", CONTRACT)
def test_a_table_of_the_contract_begins_with_its_columns(after: Scene, table: str) -> None:
    promised = CONTRACT[table].split(", ")
    query = f"SELECT column_name FROM (DESCRIBE {table})"

    assert [row[0] for row in after.rows(query)][: len(promised)] == promised
    after.rows(f"SELECT * FROM {table}")


def test_the_history_has_every_version_with_when_and_why(after: Scene) -> None:
    columns = [
        row[0] for row in after.rows("SELECT column_name FROM (DESCRIBE observation_history)")
    ]

    assert {"known_at", "superseded_at", "reason"} < set(columns)


def test_every_column_of_every_table_is_described(after: Scene) -> None:
    query = "SELECT table_name, column_name FROM dictionary WHERE coalesce(description, '') = ''"

    assert after.rows(query) == []


def test_every_row_that_came_is_in_one_place(after: Scene) -> None:
    totals = after.rows(
        "SELECT rows_in, rows_accepted + rows_quarantined + rows_duplicate + rows_superseded "
        "FROM source_file"
    )

    assert len(totals) == 5
    assert all(came == placed for came, placed in totals)


def test_every_patient_has_one_status_and_the_climber_is_marked(after: Scene) -> None:
    assert after.rows("SELECT count(*), count(DISTINCT patient_id) FROM patient_status") == [(3, 3)]
    found = after.statuses()
    assert found["ANN"] in MARKED
    assert (found["FLO"], found["NEW"]) == ("not_flagged", "unresolved")


def test_the_published_file_is_a_link_to_a_file_nobody_may_write(after: Scene) -> None:
    link = after.home.warehouse / "undertow.duckdb"

    assert link.is_symlink()
    assert link.resolve().stat().st_mode & 0o777 == 0o444
    assert len(after.published()) == 2, "the night before is kept"
    assert not list(after.home.warehouse.glob("*.wal"))
    assert not list(after.home.warehouse.glob(".build*"))


def test_the_ledger_tells_what_each_step_did(after: Scene) -> None:
    runs = after.ledger("SELECT * FROM run ORDER BY started_at")
    first = runs[0]["run_id"]
    steps = after.ledger(f"SELECT name FROM step WHERE run_id = '{first}' ORDER BY rowid")

    assert [run["state"] for run in runs] == ["done", "done"]
    assert [step["name"] for step in steps] == [step.name for step in STEPS]


def test_a_night_again_changes_nothing_and_new_files_do(begun: Scene) -> None:
    digest, versions, mails = begun.digest(), begun.published(), len(begun.mails())

    done = begun.night()

    assert done["state"] == "done"
    assert (begun.digest(), begun.published(), len(begun.mails())) == (digest, versions, mails)

    begun.drop("clinic_csv/labs-3.csv", labs(result("NEW", date(2026, 2, 5), INSULIN, 8)))
    begun.night()

    assert begun.digest() != digest
    assert len(begun.published()) == 2


def test_a_night_with_nothing_in_the_inbox_is_a_night(scene: Scene) -> None:
    assert scene.night()["state"] == "done"
    assert scene.statuses() == {}
    assert "No file came" in scene.page()
    assert len(scene.mails("heartbeat")) == 1


def test_a_night_before_the_last_is_refused_and_the_same_or_a_later_is_not(scene: Scene) -> None:
    scene.night(NEXT)

    with pytest.raises(PastNightError, match="undertow replay 2026-03-01"):
        scene.night(NIGHT)
    said = scene.run("run", "--as-of", "2026-03-01")
    assert (said.code, said.out) == (2, "")
    assert "undertow replay 2026-03-01" in said.err
    assert len(scene.ledger("SELECT * FROM run")) == 1

    assert scene.run("run", "--as-of", "2026-03-02").code == 0


def test_a_failed_night_lets_an_earlier_date_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.steps.store.digest", explode)
    with pytest.raises(ZeroDivisionError):
        scene.night(NEXT)
    monkeypatch.undo()

    assert scene.night(NIGHT)["state"] == "done"
    states = [run["state"] for run in scene.ledger("SELECT state FROM run ORDER BY started_at")]
    assert states == ["failed", "done"]


def explode(*_: object) -> str:
    raise ZeroDivisionError("a fault")


def test_a_failed_night_leaves_the_old_file_published(
    begun: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = begun.rows("FROM tonight")
    begun.drop("clinic_csv/labs-3.csv", labs(result("NEW", date(2026, 2, 5), INSULIN, 8)))
    monkeypatch.setattr("flows.steps.publish.verify", explode)

    with pytest.raises(ZeroDivisionError):
        begun.night(NEXT)
    assert begun.rows("FROM tonight") == before

    monkeypatch.undo()
    begun.night(NEXT)
    assert begun.rows("SELECT as_of FROM tonight") == [(NEXT,)]


def test_a_past_night_replays_to_its_digest(begun: Scene) -> None:
    begun.drop("clinic_csv/labs-3.csv", labs(result("NEW", date(2026, 2, 5), INSULIN, 8)))
    begun.night(NEXT)
    versions = begun.published()

    for day in (NIGHT, NEXT):
        said = begun.run("replay", str(day), "--json")
        assert (said.code, said.json["same"], said.json["same_code"]) == (0, True, True)
    assert begun.published() == versions
    assert begun.run("replay", "2026-02-01").code == 1


def test_a_source_that_is_silent_is_told_and_its_patients_keep_their_status(scene: Scene) -> None:
    scene.set('[sources.city_lab]\nreader = "clinic_csv"\n')
    scene.drop("city_lab/labs-1.csv", labs(*series("ANN")))
    scene.drop("clinic_csv/labs-1.csv", labs(result("NEW", date(2026, 1, 5), INSULIN, 7)))
    scene.night(NIGHT)
    status = scene.statuses()["ANN"]
    assert "Nothing came tonight" not in scene.page()
    assert "sent nothing" not in body(scene, NIGHT)

    scene.drop("clinic_csv/labs-2.csv", labs(result("NEW", date(2026, 2, 5), INSULIN, 7)))
    scene.night(NEXT)

    assert "Nothing came tonight from: city_lab." in scene.page(NEXT)
    assert "Sources that sent nothing: city_lab." in body(scene, NEXT)
    assert scene.statuses()["ANN"] == status
    assert status in MARKED


def body(scene: Scene, night: date) -> str:
    (mail,) = [m for m in scene.mails("heartbeat") if f"night of {night}" in str(m)]
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_data_grow_old_without_becoming_normal(begun: Scene) -> None:
    assert begun.statuses()["FLO"] == "not_flagged"

    begun.night(NIGHT + timedelta(days=500))

    assert begun.statuses() == {"ANN": "unresolved", "FLO": "unresolved", "NEW": "unresolved"}
    ((reason,),) = begun.rows("SELECT reason FROM patient_status WHERE patient_id = 'ANN'")
    assert "days old" in reason


UNREADABLE = (
    ("half_read/labs-empty.csv", b"", "file_empty"),
    ("half_read/other.csv", b"a,b\n1,2\n", "kind_unknown"),
    ("half_read/labs-short.csv", b"patient_id,value\nP1,5\n", "column_missing"),
    ("half_read/labs-cut.csv", b"\x1f\x8b\x08\x00", "compressed_broken"),
    ("half_read/labs-binary.csv", bytes(range(256)) * 20, "nul_byte"),
    ("broken_fhir/labs.ndjson", b"not json\n", "json_broken"),
    ("city_lab/labs-city.csv", labs(*series("P1")).encode(), "source_unknown"),
    ("dexcom/clarity.csv", b"Index,Timestamp\n1,2\n", "format_unknown"),
)
HALF_READ = Sender(
    {"half_read/labs-1.csv": labs(*series("AMY"))}
    | {name: content for name, content, _ in UNREADABLE},
    settings=source("half_read", "clinic_csv") + source("broken_fhir", "fhir"),
)


def test_a_file_that_cannot_be_read_waits_with_its_reason_and_the_others_go_on(
    nights: Nights,
) -> None:
    scene = nights.after(HALF_READ)
    found = {file: reasons[0].split(":")[0] for file, reasons in scene.waiting().items()}
    assert found == {name.split("/")[1]: reason for name, _, reason in UNREADABLE}
    assert scene.statuses().keys() == {"AMY"}
    assert scene.statuses()["AMY"] in MARKED


def test_a_reader_that_fails_loses_its_file_and_not_the_night(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {"labs-1.csv": ValueError("P1 canary"), "labs-2.csv": PanicException("P1 canary")}
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))
    scene.drop("clinic_csv/labs-2.csv", labs(*series("ABE")))
    scene.drop("clinic_csv/labs-3.csv", labs(*series("BEA")))
    read = clinic_csv.read

    def failing(opened: Opened) -> Reading:
        if opened.name in errors:
            raise errors[opened.name]
        return read(opened)

    monkeypatch.setattr(intake, "reader", lambda _: failing)

    assert scene.night()["state"] == "done"
    assert scene.waiting() == {
        "labs-1.csv": ["reader_failed:ValueError"],
        "labs-2.csv": ["reader_failed:PanicException"],
    }
    assert scene.statuses().keys() == {"BEA"}

    monkeypatch.undo()
    scene.night(rebuild=True)
    assert scene.waiting() == {}
    assert scene.statuses().keys() == {"ANN", "ABE", "BEA"}


def test_a_reader_that_fails_halfway_leaves_no_half_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))

    def halfway(con: duckdb.DuckDBPyConnection, table: str, rows: Any) -> int:
        staged = original(con, table, rows)
        assert staged
        raise ValueError

    original = intake.receive
    monkeypatch.setattr(intake, "receive", halfway)
    scene.night()

    assert scene.rows("SELECT count(*) FROM observation_history") == [(0,)]
    assert scene.rows("SELECT rows_in, rows_quarantined FROM source_file") == [(1, 1)]


def test_a_full_disk_ends_the_night_and_harms_no_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))

    def full(_: Opened) -> Reading:
        raise OSError("No space left on device (os error 28)")

    monkeypatch.setattr(intake, "reader", lambda _: full)
    with pytest.raises(OSError, match="No space"):
        scene.night()

    monkeypatch.undo()
    scene.night()
    assert scene.waiting() == {}
    assert scene.statuses().keys() == {"ANN"}


LATE = [FIRST_DRAW + timedelta(days=365 * year) for year in (2, 3, 4, 5)]
CORRECTED = Sender(
    {"corrected_csv/labs-1.csv": labs(*series("CORA"))},
    {
        "corrected_csv/labs-c.csv": labs(
            *(result("CORA", on, INSULIN, 5, status="C") for on in LATE)
        )
    },
    settings=source("corrected_csv", "clinic_csv"),
)


def test_a_corrected_result_removes_a_mark(nights: Nights) -> None:
    assert nights.after(CORRECTED).statuses()["CORA"] in MARKED
    entered = "FROM cohort WHERE left_on IS NULL AND patient_id = 'CORA'"
    assert nights.after(CORRECTED).rows(entered)

    scene = nights.after(CORRECTED, night=2)
    assert scene.statuses()["CORA"] == "not_flagged"
    versions = "SELECT count(*) FROM observation_history WHERE patient_id = 'CORA' AND reason = ?"
    assert scene.rows(versions, "corrected") == [(4,)]
    assert scene.rows("SELECT rows_superseded FROM source_file WHERE file = 'labs-1.csv'") == [(4,)]
    assert scene.rows(entered) == []


TWO_RECORDS = Sender(
    {
        "two_records/labs-1.csv": labs(*series("OLGIERD")[:4], *series("MAX")[8:]),
        "two_records/patients-1.csv": patients("OLGIERD", "MAX"),
    },
    {"two_records/patients-2.csv": patients("OLGIERD", merged={"OLGIERD": "MAX"})},
    {"two_records/patients-3.csv": "patient_id,birth_date,sex\nOLGIERD,1970-02-03,M\n"},
    settings=source("two_records", "clinic_csv"),
)


def test_a_merge_of_two_records_moves_the_draws_to_the_survivor(nights: Nights) -> None:
    first, second, third = (nights.after(TWO_RECORDS, night) for night in (1, 2, 3))
    assert first.statuses().keys() == {"MAX", "OLGIERD"}
    assert not MARKED & set(first.statuses().values())

    assert second.statuses().keys() == {"MAX"}
    assert second.statuses()["MAX"] in MARKED
    assert second.rows("SELECT DISTINCT patient_id FROM observation") == [("MAX",)]
    assert second.run("explain", "OLGIERD", "--json").json["patient_id"] == "MAX"

    assert third.statuses().keys() == {"MAX", "OLGIERD"}


def test_mending_a_mapping_lets_waiting_rows_in_once(scene: Scene) -> None:
    rows = [row.replace(INSULIN, "OWN-INS") for row in series("ANN")]
    scene.drop("clinic_csv/labs-1.csv", labs(*rows))
    scene.night(NIGHT)
    assert scene.waiting() == {"labs-1.csv": ["code_is_known"] * 6}

    assert scene.run("quarantine", "replay").code == 0
    assert scene.waiting() == {"labs-1.csv": ["code_is_known"] * 6}, "nothing was mended"

    scene.set(f'[sources.clinic_csv]\ncodes = {{ "OWN-INS" = "{INSULIN}" }}\n')
    assert scene.run("quarantine", "replay").code == 0
    digest = scene.digest()
    assert scene.waiting() == {}
    assert scene.statuses()["ANN"] in MARKED
    assert scene.rows("SELECT count(*) FROM observation") == [(12,)]

    again = scene.run("quarantine", "replay", "--json")
    assert (again.code, again.json["state"]) == (0, "done")
    assert scene.digest() == digest
    assert scene.rows("SELECT count(*) FROM observation_history") == [(12,)]


def test_a_new_mapping_alone_makes_the_next_night_start_from_the_files(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(result("ANN", date(2026, 1, 5), "OWN-INS", 7)))
    assert scene.night(NIGHT)["steps"]["read"]["rebuilt"] == 1
    assert scene.night(NEXT)["steps"]["read"]["rebuilt"] == 0

    scene.set(f'[sources.clinic_csv]\ncodes = {{ "OWN-INS" = "{INSULIN}" }}\n')
    assert scene.night(NEXT)["steps"]["read"]["rebuilt"] == 1
    assert scene.waiting() == {}


def test_the_code_version_follows_what_decides_a_night(scene: Scene) -> None:
    before = version(scene.settings())
    scene.set('[mail]\ndetail = "full"\n')
    assert version(scene.settings()) == before

    scene.set('[site]\ntime_zone = "Europe/Rome"\n')
    assert version(scene.settings()) != before


def test_the_business_date_is_the_sites_calendar_day() -> None:
    late = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    assert business_date(late, "Europe/Rome") == date(2026, 3, 29)
    assert business_date(late, "America/Chicago") == date(2026, 3, 28)


def test_the_warehouse_can_be_thrown_away(begun: Scene) -> None:
    begun.night(NEXT)
    digest = begun.digest()
    shutil.rmtree(begun.home.warehouse)

    begun.night(NEXT)

    assert begun.digest() == digest
    assert begun.statuses()["ANN"] in MARKED


def test_only_as_many_versions_are_kept_as_asked_and_an_open_one_stays_readable(
    begun: Scene,
) -> None:
    begun.set("[publish]\nkeep = 2\n")
    link = str(begun.home.warehouse / "undertow.duckdb")
    with duckdb.connect(link, read_only=True) as reader:
        for day in range(1, 4):
            begun.night(NIGHT + timedelta(days=day))
        assert reader.execute("SELECT as_of FROM tonight").fetchone() == (NIGHT,)

    assert len(begun.published()) == 2
    assert begun.rows("SELECT as_of FROM tonight") == [(NIGHT + timedelta(days=3),)]


def test_a_check_that_does_not_hold_stops_the_publishing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expectations import checkpoint

    scene.people()
    found = checkpoint.verdicts

    def failing(con: Any, tables: dict[str, str], suite: Any) -> Any:
        verdicts = list(found(con, tables, suite))
        if "patient_status" in tables:
            verdicts[0] = replace(verdicts[0], severity="reject", rows_failed=1)
        return verdicts

    monkeypatch.setattr(checkpoint, "verdicts", failing)

    said = scene.run("run", "--as-of", str(NIGHT))

    assert said.code == 1
    assert "not published" in said.err
    assert scene.published() == []
    assert scene.mails() == []


ON = date(2026, 1, 5)
CENSORED = Sender(
    {
        "censored/labs-1.csv": labs(
            *series("CLIO"),
            result("EVE", ON, INSULIN, "<2"),
            result("EVE", ON, GLUCOSE, 90),
            result("FED", ON, INSULIN, 9, fasting="no"),
            result("FED", ON, GLUCOSE, 90, fasting="no"),
        )
    },
    settings=source("censored", "clinic_csv"),
)


def test_a_censored_or_non_fasting_draw_is_kept_and_said(nights: Nights) -> None:
    scene = nights.after(CENSORED)
    assert scene.rows("SELECT comparator FROM observation WHERE comparator IS NOT NULL") == [("<",)]
    ((used, reason),) = scene.rows("SELECT used, reason FROM fasting_pair WHERE patient_id = 'FED'")
    assert not used
    assert reason


def test_the_clock_only_dates_runs_and_decides_no_row(first_night: Scene, scene: Scene) -> None:
    scene.people()
    run_here(
        scene.home, scene.settings(), lambda: now() + timedelta(days=9), lambda *_: None, NIGHT
    )

    assert scene.digest() == first_night.digest()
    (run,) = scene.ledger("SELECT started_at FROM run")
    (before,) = first_night.ledger("SELECT started_at FROM run")
    assert run["started_at"] > before["started_at"]


def test_a_home_may_have_any_name(first_night: Scene, tmp_path: Path) -> None:
    odd = first_night.copied(tmp_path / "o'neil's \"home\" & größe; --")
    odd.drop("clinic_csv/labs-3.csv", labs(result("NEW", date(2026, 2, 5), INSULIN, 8)))
    odd.night(NIGHT)
    odd.night(NIGHT, rebuild=True)

    assert odd.statuses()["ANN"] in MARKED
    assert odd.run("replay", str(NIGHT)).code == 0
    assert odd.run("verify").code == 0
