"""The night's pages: what stands in them, who stands in which, and how they are linked."""

from __future__ import annotations

import re
from datetime import date, timedelta

import duckdb
import pytest

from flows import page_facts, page_people
from flows.pictures.bars import COLUMNS, LEAST, LENGTH, over_nights, shares
from flows.pictures.calibration import coverage, expected, tenths
from tests.flows import pages, people
from tests.flows import scene as scenes
from tests.flows.scene import NIGHT, Scene, now
from tests.flows.test_mail import Tags
from warehouse.ledger import Ledger

FAILED, LAST = NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after a night, one that failed and another: Ann climbs, a source is hostile."""
    made = scenes.scene(tmp_path_factory.mktemp("pages") / "home")
    made.people()
    made.drop(f"{EVIL}/labs.csv", "x\n")
    made.night(NIGHT)
    ledger = Ledger(made.home.ledger)
    ledger.begin("broken", FAILED, now(), "1")
    ledger.finish("broken", now(), "failed", problem="NightFailedError")
    ledger.close()
    made.night(LAST)
    return made


def read(scene: Scene, name: str) -> str:
    """A page below ``report/``."""
    return (scene.home.report / name).read_text(encoding="utf-8")


def test_only_the_owner_reads_the_pages(shown: Scene) -> None:
    report = shown.home.report
    written = sorted(str(path.relative_to(report)) for path in report.rglob("*.html"))

    copies = [f"{folder}{night}.html" for folder in ("", "care/") for night in (NIGHT, LAST)]
    assert written == sorted([*copies, "index.html"])
    assert not list(report.rglob("*.part"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in report.rglob("*.html"))
    assert (report / "care").stat().st_mode & 0o077 == 0


def test_the_page_of_counts_names_nobody_and_the_care_teams_copy_who_is_new(shown: Scene) -> None:
    counts, care = read(shown, f"{NIGHT}.html"), read(shown, f"care/{NIGHT}.html")

    (number,) = shown.ledger("SELECT alert_id FROM alert")
    for said in ("ANN", number["alert_id"], "level now"):
        assert said in care, said
        assert said not in counts, said
    assert "FLO" not in care
    later = read(shown, f"care/{LAST}.html")
    assert "Nobody is new tonight" in later
    assert "ANN" not in later


@pytest.mark.parametrize("folder", ["", "care/"])
def test_nights_are_linked_with_each_other_and_with_the_list(shown: Scene, folder: str) -> None:
    first, last = (read(shown, f"{folder}{night}.html") for night in (NIGHT, LAST))

    assert f'<a href="{LAST}.html" rel="next">' in first
    assert 'rel="prev"' not in first
    assert f'<a href="{NIGHT}.html" rel="prev">' in last
    assert 'rel="next"' not in last
    assert 'index.html">All nights</a>' in first


def test_the_list_has_every_night_with_its_state(shown: Scene) -> None:
    index = read(shown, "index.html")
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", index)

    assert [re.findall(r"\d{4}-\d\d-\d\d", row)[0] for row in rows] == [
        str(LAST),
        str(FAILED),
        str(NIGHT),
    ]
    assert "failed: NightFailedError" in rows[1]
    assert "href" not in rows[1]
    assert f'href="care/{NIGHT}.html"' in rows[2]
    assert "ANN" not in index


def test_a_page_tells_what_came_what_ran_and_how_nights_went(shown: Scene) -> None:
    page = read(shown, f"{LAST}.html")

    assert "The last 2 nights" in page
    assert f"{NIGHT} to {LAST}" in page
    for step in ("land", "transform", "publish"):
        assert f'<th scope="row">{step}</th>' in page
    with duckdb.connect(str(shown.home.warehouse / "undertow.duckdb"), read_only=True) as con:
        ledger = Ledger(shown.home.ledger)
        rows = page_facts.nights(con, ledger, "", LAST)
        ledger.close()
    assert [row["night"] for row in rows] == [str(NIGHT), str(LAST)]
    assert rows[0]["rows_in"] > 20
    assert (rows[0]["opened"], rows[1]["opened"]) == (1, 0)
    assert (rows[1]["rows_in"], rows[1]["quarantined_pct"]) == (0, None), "nothing came"
    assert (rows[0]["waiting"], rows[1]["waiting"]) == (1, 1), "a file that nobody can read"


def test_a_hostile_source_is_text_and_the_page_runs_and_loads_nothing(shown: Scene) -> None:
    for name in (f"{NIGHT}.html", f"{LAST}.html", f"care/{LAST}.html"):
        text = read(shown, name)
        tags = Tags()
        tags.feed(text)
        assert not {"img", "script", "link", "iframe", "form"} & tags.names
        assert tags.handlers == []
        assert EVIL in tags.text
        assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
        assert "unsafe" not in text


def test_what_happened_to_alerts_stands_under_its_section(
    store: duckdb.DuckDBPyConnection,
) -> None:
    night = date(2026, 3, 1)
    events = [
        ("N1", "opened", night, False),
        ("N1", "told", night, False),
        ("R1", "opened", night - timedelta(days=9), False),
        ("R1", "retracted", night, False),
        ("S1", "stepped_up", night, False),
        ("Q1", "acknowledged", night, True),
        ("O1", "opened", night - timedelta(days=1), False),
    ]
    for number, (alert_id, event, on, by_hand) in enumerate(events):
        store.execute(
            "INSERT INTO store.alert_event (event_id, alert_id, event, night, by_hand) "
            "VALUES (?, ?, ?, ?, ?)",
            [number, alert_id, event, on, by_hand],
        )
    for alert_id in sorted({event[0] for event in events}):
        store.execute(
            "INSERT INTO store.alert (alert_id, patient_id, rule, tier) "
            "VALUES (?, ?, 'climbing_unseen', 'A')",
            [alert_id, f"P{alert_id}"],
        )

    found = page_people.happened(store, night)
    assert {part["kind"]: [entry["alert_id"] for entry in part["entries"]] for part in found} == {
        "retracted": ["R1"],
        "stepped_up": ["S1"],
        "new": ["N1"],
    }
    assert page_people.happened(store, night + timedelta(days=1)) == []


def rects(svg: str) -> list[float]:
    """Widths of the parts of a bar, without its ground."""
    return [float(wide) for wide in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)][1:]


def test_a_bar_shows_what_is_there_at_all_and_nothing_else() -> None:
    some = rects(shares([("accepted", 999_999), ("quarantined", 1)], 1_000_000, "").svg)

    assert len(some) == 2
    assert min(some) >= LEAST
    assert sum(some) == LENGTH
    assert rects(shares([("accepted", 10), ("quarantined", 0)], 10, "").svg) == [LENGTH]
    assert rects(shares([("glucose", 1)], 4, "").svg) == [LENGTH / 4]
    assert rects(shares([("accepted", 0)], 0, "").svg) == []


def test_columns_are_nights_from_zero_with_a_gap_where_nothing_is_known() -> None:
    drawn = over_nights([("2026-03-01", 5.0), ("2026-03-02", None), ("2026-03-03", 10.0)], "Rows")
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" fill', drawn.svg)]

    assert heights[0] * 2 == heights[2]
    assert heights[1] == 0.0
    assert "10 in the last night; least 5, most 10" in drawn.alt
    many = over_nights([(f"2026-01-{day:02}", 1.0) for day in range(1, 32)], "Rows")
    assert many.svg.count("<rect") == COLUMNS
    assert "none" not in over_nights([], "Rows").alt


def test_forecasts_beyond_chance_stand_out() -> None:
    good, _, bad = pages.checks()[:3]

    assert "0 tenths lie beyond chance" in tenths(good["pit_deciles"], "x").alt
    assert "1 tenths lie beyond chance" in tenths(bad["pit_deciles"], "x").alt
    assert "var(--bad)" not in coverage([("all", good)], "x").svg
    assert coverage([("all", bad)], "x").svg.count("var(--bad)") == 2
    assert expected(10, 0.9) == pytest.approx((7.14, 10), abs=0.01)


def test_a_first_night_without_anything_has_its_page() -> None:
    page = pages.empty()

    for said in ("No file came", "The first night", "Nobody is known", "Nothing waits"):
        assert said in page


def test_a_page_of_many_new_people_has_pictures_of_the_first(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_people, "MOST_PICTURES", 2)
    monkeypatch.setattr(page_people, "series_of", lambda *_: people.climbing())
    for number in range(5):
        store.execute(
            "INSERT INTO store.alert_event (event_id, alert_id, event, night, by_hand) "
            "VALUES (?, ?, 'opened', DATE '2026-03-01', false)",
            [number, f"A{number}"],
        )
        store.execute(
            "INSERT INTO store.alert (alert_id, patient_id, rule) VALUES (?, ?, 'climbing_unseen')",
            [f"A{number}", f"P{number}"],
        )

    (section,) = page_people.happened(store, date(2026, 3, 1))
    assert [entry["picture"] is not None for entry in section["entries"]] == [True] * 2 + [
        False
    ] * 3
