"""Rows whose unit is in doubt: proposals with odds, a person's approval, feeds that are held."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.flows import scene as scenes
from tests.flows.scene import GLUCOSE, INSULIN, NIGHT, Scene, decoded, labs

pytestmark = pytest.mark.slow

KNOWN = "SELECT value, unit, unit_basis FROM store.observation WHERE superseded_at IS NULL"


def row(patient: str, on: date, code: str, value: object, unit: str, lab: str = "Lab A") -> str:
    number = f"{lab}-{patient}-{code}-{on}"
    return f"{patient},{on}T08:00:00,{code},{value},{unit},yes,{lab},Assay A,F,{number}"


def feed(first: date, people: int, factor: float = 1.0, lab: str = "Lab A") -> list[str]:
    """Insulin of so many people around 9 uIU/mL, under its usual label."""
    return [
        row(f"p{at}", first, INSULIN, round((5 + at % 9) * factor, 1), "u[IU]/mL", lab)
        for at in range(people)
    ]


def drop(scene: Scene, name: str, rows: list[str]) -> None:
    scene.drop(f"clinic_csv/{name}", labs(*rows))


def waiting(scene: Scene) -> list[dict[str, Any]]:
    names = ("quarantine_id", "file", "reasons", "proposed_unit", "odds", "odds_basis")
    query = f"SELECT {', '.join(names)} FROM quarantine WHERE state = 'waiting' ORDER BY file, line"
    return [dict(zip(names, found, strict=True)) for found in scene.rows(query)]


def decide(scene: Scene, *wish: str) -> str:
    """Approve, and read again what waits."""
    done = scene.run("quarantine", "approve", *wish, "--by", "nurse")
    if done.code == 0:
        assert scene.run("quarantine", "replay").code == 0
    return done.out + done.err


def same(scene: Scene, night: date) -> bool:
    return scene.run("replay", str(night)).code == 0


def heartbeat(scene: Scene, night: date) -> str:
    mails = [mail for mail in map(decoded, scene.mails("heartbeat")) if f"night of {night}" in mail]
    return mails[-1]


@pytest.fixture(scope="module")
def in_doubt(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two people with a history; then one glucose in mmol/L under mg/dL and one without a unit."""
    years = [date(2022, 1, 10) + timedelta(days=365 * at) for at in range(3)]
    scene = scenes.scene(tmp_path_factory.mktemp("doubt") / "home")
    past = [row(who, on, GLUCOSE, 91, "mg/dL") for who in ("p1", "p2") for on in years]
    new = [row("p1", date(2026, 2, 1), GLUCOSE, 5.1, "mg/dL")]
    new += [row("p2", date(2026, 2, 1), GLUCOSE, 5.0, "")]
    drop(scene, "labs-1.csv", past)
    scene.night(NIGHT)
    drop(scene, "labs-2.csv", new)
    scene.night(NIGHT + timedelta(days=1))
    return scene


@pytest.fixture
def doubtful(in_doubt: Scene, tmp_path: Path) -> Scene:
    """Such a home, to go on from."""
    return in_doubt.copied(tmp_path / "home")


def test_a_row_in_doubt_waits_with_a_proposal_and_its_odds(doubtful: Scene) -> None:
    found = waiting(doubtful)
    assert [(item["reasons"], item["proposed_unit"]) for item in found] == [
        (["value_is_possible"], "mmol/L"),
        (["unit_is_stated"], "mmol/L"),
    ]
    assert all(item["odds"] > 20 for item in found)
    assert found[0]["odds_basis"].startswith("3 other results of the patient")
    said = doubtful.run("quarantine", "show", "unit_is_stated").out
    assert "Likely mmol/L, odds" in said
    assert f"quarantine approve {found[1]['quarantine_id']}" in said


def test_nothing_is_converted_until_a_person_approves_and_then_it_is(doubtful: Scene) -> None:
    first = waiting(doubtful)[0]
    assert len(doubtful.rows(KNOWN)) == 6
    decide(doubtful, first["quarantine_id"])
    read = [item for item in doubtful.rows(KNOWN) if item[2] == "approved"]
    assert [(unit, round(value, 2)) for value, unit, _ in read] == [("mg/dL", 91.88)]
    assert [item["reasons"] for item in waiting(doubtful)] == [["unit_is_stated"]]


def test_an_approval_for_a_file_holds_for_its_rows_alone(doubtful: Scene) -> None:
    decide(doubtful, "labs-2.csv", "--unit", "mmol/l", "--stated", "mg/dL")
    decide(doubtful, "labs-2.csv", "--unit", "mmol/l")
    assert waiting(doubtful) == []
    basis = [found[2] for found in doubtful.rows(KNOWN)]
    assert sorted(basis, key=str) == [None] * 6 + ["approved"] * 2


def test_a_rebuild_after_an_approval_is_the_same_night_again(doubtful: Scene) -> None:
    decide(doubtful, "labs-2.csv", "--unit", "mmol/L", "--stated", "")
    assert same(doubtful, NIGHT + timedelta(days=1))
    assert same(doubtful, NIGHT)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (["nothing", "--unit", "mmol/L"], "no row waits for a unit there"),
        (["labs-2.csv", "--unit", "furlong", "--stated", ""], "glucose is stated in one of"),
        (["labs-2.csv", "--stated", ""], "glucose is stated in one of"),
    ],
)
def test_what_cannot_be_approved_is_said(doubtful: Scene, wish: list[str], said: str) -> None:
    assert said in decide(doubtful, *wish)


@pytest.fixture(scope="module")
def one_switched(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Laboratory A sends pmol/L under its old label from the third night on; B does not."""
    scene = scenes.scene(tmp_path_factory.mktemp("switched") / "home")
    for night in range(2):
        on = date(2026, 1, 10) + timedelta(days=night)
        drop(scene, f"labs-a{night}.csv", feed(on, 30))
        drop(scene, f"labs-b{night}.csv", feed(on, 30, lab="Lab B"))
        scene.night(NIGHT + timedelta(days=night))
    on = date(2026, 2, 1)
    drop(scene, "labs-a2.csv", feed(on, 20, factor=6.0))
    drop(scene, "labs-b2.csv", feed(on, 20, lab="Lab B"))
    scene.night(NIGHT + timedelta(days=2))
    return scene


@pytest.fixture
def switched(one_switched: Scene, tmp_path: Path) -> Scene:
    """Such a home, to go on from."""
    return one_switched.copied(tmp_path / "home")


def test_a_feed_that_switches_its_unit_silently_is_held_and_others_go_on(switched: Scene) -> None:
    held = waiting(switched)
    assert {(item["file"], *item["reasons"]) for item in held} == {
        ("labs-a2.csv", "feed_keeps_its_unit")
    }
    assert (len(held), {item["proposed_unit"] for item in held}) == (20, {"pmol/L"})
    assert len(switched.rows(f"{KNOWN} AND lab = 'Lab B'")) == 80
    alarm = "20 rows of insulin are held, since the values jumped as if pmol/L"
    assert alarm in heartbeat(switched, NIGHT + timedelta(days=2))
    assert alarm not in heartbeat(switched, NIGHT + timedelta(days=1))


def test_a_held_feed_is_read_again_as_the_person_decides(switched: Scene) -> None:
    wish = ["--unit", "pmol/L", "--lab", "Lab A", "--from", str(NIGHT + timedelta(days=2))]
    decide(switched, "clinic_csv", *wish)
    assert waiting(switched) == []
    assert {found[2] for found in switched.rows(f"{KNOWN} AND lab = 'Lab B'")} == {None}
    largest = switched.rows("SELECT max(value) FROM observation WHERE lab = 'Lab A'")
    assert largest == [(pytest.approx(13.0),)]
    drop(switched, "labs-a3.csv", feed(date(2026, 2, 2), 20, factor=6.0))
    switched.night(NIGHT + timedelta(days=3))
    assert waiting(switched) == []


def test_a_decision_is_about_a_label_and_a_feed_that_jumps_back_is_held_again(
    switched: Scene,
) -> None:
    decide(switched, "clinic_csv", "--unit", "pmol/L", "--from", str(NIGHT + timedelta(days=2)))
    right = [text.replace("u[IU]/mL", "mIU/L") for text in feed(date(2026, 2, 2), 12)]
    drop(switched, "labs-a3.csv", right)
    switched.night(NIGHT + timedelta(days=3))
    assert waiting(switched) == []
    newest = "SELECT max(value) FROM observation WHERE observed_on = DATE '2026-02-02'"
    assert switched.rows(newest) == [(13.0,)]
    drop(switched, "labs-a4.csv", feed(date(2026, 2, 3), 20))
    switched.night(NIGHT + timedelta(days=4))
    assert {item["file"] for item in waiting(switched)} == {"labs-a4.csv"}
    assert len(waiting(switched)) == 20


def test_a_wish_that_meets_several_labels_is_asked_back(scene: Scene) -> None:
    rows = [row("p1", date(2026, 2, 1), GLUCOSE, 5.1, "mg/dL")]
    rows += [row("p2", date(2026, 2, 1), GLUCOSE, 5.0, "")]
    drop(scene, "labs-1.csv", rows)
    scene.night(NIGHT)
    said = decide(scene, "labs-1.csv", "--unit", "mmol/L")
    assert "the rows state several units: add --stated, one of '', 'mg/dL'" in said
    decide(scene, "labs-1.csv", "--unit", "mmol/L", "--stated", "mg/dL")
    assert [item["reasons"] for item in waiting(scene)] == [["unit_is_stated"]]


def test_values_that_truly_jumped_are_taken_as_stated_once_a_person_says_so(
    switched: Scene,
) -> None:
    decide(switched, "labs-a2.csv", "--unit", "uIU/mL")
    assert waiting(switched) == []
    assert switched.rows("SELECT max(value) FROM observation") == [(pytest.approx(78.0),)]


def test_nights_with_held_feeds_rebuild_to_their_digest(switched: Scene) -> None:
    for night in range(3):
        assert same(switched, NIGHT + timedelta(days=night))


def test_a_daily_feed_that_is_silent_alarms_the_same_night(scene: Scene) -> None:
    for night in range(6):
        drop(scene, f"labs-{night}.csv", feed(date(2026, 1, 10) + timedelta(days=night), 3))
        scene.night(NIGHT + timedelta(days=night))
    last = NIGHT + timedelta(days=5)
    alarm = f"clinic_csv: no insulin since {last}"
    assert alarm not in heartbeat(scene, last)
    scene.night(last + timedelta(days=1))
    assert alarm in heartbeat(scene, last + timedelta(days=1))


def test_a_certificate_of_an_approved_value_verifies_and_one_of_another_value_does_not(
    doubtful: Scene, tmp_path: Path
) -> None:
    decide(doubtful, "labs-2.csv", "--unit", "mmol/L", "--stated", "mg/dL")
    doubtful.night(NIGHT + timedelta(days=2))
    assert doubtful.run("certificate", "p1", "--to", str(tmp_path / "out")).code == 0
    (document,) = (tmp_path / "out").glob("*.json")
    home = str(doubtful.home.root)
    assert scenes.undertow("verify", str(document), "--landed", home).code == 0
    text = document.read_text()
    assert '"approved"' in text
    document.write_text(text.replace('"source_value": "5.1"', '"source_value": "5.2"'))
    assert document.read_text() != text
    assert scenes.undertow("verify", str(document), "--landed", home).code == 1
