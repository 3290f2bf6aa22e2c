"""Whole nights of alerts: told by role and panel, taken back, stepped up, escalated, woken."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

import pytest

from tests.flows import scene as scenes
from tests.flows.scene import (
    CLIMBING,
    FIRST_DRAW,
    GLUCOSE,
    INSULIN,
    NIGHT,
    Scene,
    decoded,
    labs,
    patients,
    result,
    series,
)
from transforms.alerting import Happening
from transforms.catalog.alert_rules import CLOSING
from transforms.telling import book
from warehouse import alerts
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

NEXT, WEEK, FORTNIGHT = (NIGHT + timedelta(days=n) for n in (1, 8, 16))
SLOW = (5.0, 5.6, 7.0, 8.2, 10.5, 12.6)
PEOPLE = ("ANN", "BEA", "CAT", "DOG", "EVE", "FAY", "GIL", "HAL")
SETTINGS = """
[alerts]
panels_file = "panels.csv"
[[mail.routes]]
panels = ["north"]
to = ["north@clinic.example", "both@clinic.example"]
[[mail.routes]]
panels = ["south"]
to = ["south@clinic.example", "both@clinic.example"]
[[mail.routes]]
role = "lead"
to = ["lead@clinic.example"]
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Four nights: everyone climbs; then things change; then nobody answers, twice."""
    made = scenes.scene(tmp_path_factory.mktemp("told") / "home")
    made.set(SETTINGS)
    panels = [f"{who},{'north' if who < 'E' else 'south'}" for who in PEOPLE]
    (made.home.root / "panels.csv").write_text("\n".join(["patient_id,panel", *panels]))
    steady = [row for who in PEOPLE if who != "EVE" for row in series(who, CLIMBING)]
    made.drop("clinic_csv/labs-1.csv", labs(*steady, *series("EVE", SLOW)))
    made.drop("clinic_csv/patients-1.csv", patients(*PEOPLE))
    made.night(NIGHT)
    _answer(made, "GIL", "acknowledged", NIGHT, note="")
    _answer(made, "HAL", "snoozed", NIGHT, until=str(WEEK), reason="on holiday")

    made.drop("clinic_csv/labs-2.csv", labs(*corrected("ANN"), *deleted("BEA"), *more("EVE")))
    made.drop("clinic_csv/patients-2.csv", patients("CAT", merged={"CAT": "DOG"}))
    made.night(NEXT)
    made.night(WEEK)
    made.night(FORTNIGHT)
    return made


def corrected(who: str) -> list[str]:
    return [
        result(who, day(year), INSULIN, 5.0 + year / 9, status="C") for year in range(len(CLIMBING))
    ]


def deleted(who: str) -> list[str]:
    """The laboratory takes the insulin of the last three years back."""
    return [result(who, day(year), INSULIN, CLIMBING[year], status="D") for year in (3, 4, 5)]


def more(who: str) -> list[str]:
    rows = []
    for days, insulin in ((20, 15.0), (35, 17.0), (49, 20.0)):
        on = day(5) + timedelta(days=days)
        rows += [result(who, on, INSULIN, insulin), result(who, on, GLUCOSE, 87)]
    return rows


def day(year: int) -> date:
    return FIRST_DRAW + timedelta(days=365 * year)


def _answer(scene: Scene, who: str, kind: str, night: date, **facts: str) -> None:
    ledger = Ledger(scene.home.ledger)
    with ledger.transaction():
        event = Happening(number(scene, who), kind, facts)
        alerts.note(ledger, [event], night, datetime.now(UTC), "nurse")
    ledger.close()


def number(scene: Scene, who: str) -> str:
    """The first alert of a person, by the number they had then."""
    rows = scene.ledger("SELECT alert_id, facts FROM alert_event WHERE kind = 'opened'")
    return next(r["alert_id"] for r in rows if json.loads(r["facts"])["patient_id"] == who)


def mails(scene: Scene, whom: str, night: date) -> list[EmailMessage]:
    """Digests that one recipient got in a night."""
    return [
        mail
        for path in sorted(scene.home.mail.glob(f"{night}-digest-*.eml"))
        if (mail := scenes.as_mail(path.read_bytes()))["To"] == f"{whom}@clinic.example"
    ]


def parts(scene: Scene, night: date) -> dict[tuple[str, str], set[str]]:
    """(recipient, section) -> people told of in a night, by its events."""
    names = {number(scene, who): who for who in PEOPLE}
    found: dict[tuple[str, str], set[str]] = {}
    for row in scene.ledger(
        "SELECT alert_id, facts FROM alert_event WHERE kind IN ('told', 'taken_back') "
        f"AND night = '{night}'"
    ):
        facts = json.loads(row["facts"])
        key = (facts["recipient"].split("@")[0], facts["section"])
        found.setdefault(key, set()).add(names[row["alert_id"]])
    return found


def test_everyone_is_told_to_those_of_their_panel_in_one_mail_each(told: Scene) -> None:
    north, south = set(PEOPLE[:4]), set(PEOPLE[4:])
    assert parts(told, NIGHT) == {
        ("north", "new"): north,
        ("south", "new"): south,
        ("both", "new"): north | south,
    }
    for whom in ("north", "south", "both"):
        assert len(mails(told, whom, NIGHT)) == 1
    assert mails(told, "lead", NIGHT) == []


def test_what_lost_its_ground_is_taken_back_to_the_same_people_and_a_step_up_is_told(
    told: Scene,
) -> None:
    assert parts(told, NEXT) == {
        ("north", "retracted"): {"ANN", "BEA"},
        ("both", "retracted"): {"ANN", "BEA"},
        ("south", "stepped_up"): {"EVE"},
        ("both", "stepped_up"): {"EVE"},
    }
    (mail,) = mails(told, "north", NEXT)
    assert CLOSING.ground_gone in " ".join(decoded(mail).split())
    assert number(told, "ANN") in decoded(mail)
    assert "ANN" not in decoded(mail).replace(number(told, "ANN"), "")


def test_a_merge_is_no_news_and_leaves_one_alert_of_the_two(told: Scene) -> None:
    rows = told.ledger("SELECT alert_id, patient_id, state, ended_because FROM alert")
    of = {row["alert_id"]: row for row in rows}
    cat, dog = of[number(told, "CAT")], of[number(told, "DOG")]
    assert {cat["patient_id"], dog["patient_id"]} == {"DOG"}
    assert sorted([cat["ended_because"] or "", dog["ended_because"] or ""]) == ["", CLOSING.merged]


def test_who_answers_is_left_in_peace_and_who_does_not_is_heard_higher_up(told: Scene) -> None:
    week = parts(told, WEEK)
    (stays,) = {"CAT", "DOG"} & week[("lead", "escalated")]
    assert week == {
        ("lead", "escalated"): {"FAY", "EVE", stays},
        ("south", "reminder"): {"HAL"},
        ("both", "reminder"): {"HAL"},
    }
    later = parts(told, FORTNIGHT)
    assert later[("both", "escalated")] >= {"FAY", stays}, "nobody is director: the team again"
    assert later[("lead", "escalated")] == {"HAL"}
    (heartbeat,) = [m for m in told.mails("heartbeat") if f"night of {FORTNIGHT}" in decoded(m)]
    assert "nobody has the role director" in " ".join(decoded(heartbeat).split())


def test_the_warehouse_shows_states_and_events_without_what_people_wrote(told: Scene) -> None:
    states = dict(told.rows("SELECT alert_id, state FROM alert"))
    assert {who: states[number(told, who)] for who in ("ANN", "GIL", "FAY")} == {
        "ANN": "retracted",
        "GIL": "acknowledged",
        "FAY": "escalated",
    }
    known = told.rows("SELECT event, by_hand FROM alert_event WHERE by_hand")
    assert sorted(known) == [("acknowledged", True), ("snoozed", True)]
    assert "holiday" not in str(told.rows("FROM alert_event"))


def test_what_the_ledger_shows_is_the_sum_of_its_events(told: Scene) -> None:
    ledger = Ledger(told.home.ledger)
    assert book(alerts.events(ledger)).alerts == {a.alert_id: a for a in alerts.standing(ledger)}
    ledger.close()


def test_a_night_again_tells_nothing_twice(told: Scene) -> None:
    before = len(told.mails("digest"))
    told.night(FORTNIGHT)
    assert len(told.mails("digest")) == before


@pytest.mark.parametrize(
    ("content", "said"), [("patient,panel\n", "patient_id and panel"), (None, "FileNotFoundError")]
)
def test_a_wrong_file_of_panels_is_named(scene: Scene, content: str | None, said: str) -> None:
    scene.set(SETTINGS)
    if content:
        (scene.home.root / "panels.csv").write_text(content)
    from flows.compose import panels
    from flows.settings import SettingsError

    with pytest.raises(SettingsError, match=said):
        panels(scene.home, scene.settings())
