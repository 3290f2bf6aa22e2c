"""Alerts on the command line: list, answer, try a change."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.home import Home
from tests.flows.scene import NIGHT, Scene
from transforms.alerting import Happening
from warehouse import alerts
from warehouse.ledger import Ledger


@pytest.fixture(scope="module")
def ours(after: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A copy of a home after two nights, to answer in."""
    root = tmp_path_factory.mktemp("ours") / "home"
    shutil.copytree(after.home.root, root, symlinks=True)
    return Scene(Home(root))


def number(scene: Scene) -> str:
    (row,) = scene.run("alerts", "list", "--json").json
    return str(row["alert_id"])


def test_alerts_are_listed_as_sent_without_their_patients(after: Scene) -> None:
    said = after.run("alerts", "list")
    assert said.code == 0
    assert "climbing unseen" in said.out
    assert "sent" in said.out
    assert "ANN" not in said.out


def test_an_alert_is_shown_by_its_number_and_an_unknown_number_refused(after: Scene) -> None:
    assert after.run("alerts", "show", number(after)).out.startswith("ANN: ")
    wrong = after.run("alerts", "show", "NOSUCH")
    assert (wrong.code, "no alert has that number" in wrong.err) == (1, True)


def test_people_answer_and_the_list_says_so(ours: Scene) -> None:
    which = number(ours)
    until = datetime.now(UTC).date() + timedelta(days=30)

    assert "acknowledged" in ours.run("alerts", "ack", which, "--by", "nurse").out
    slept = ours.run("alerts", "snooze", which, "--until", str(until), "--reason", "draw booked")
    assert f"snoozed  until {until}" in slept.out
    assert ours.run("alerts", "comment", which, "Phoned.").code == 0
    assert ours.run("alerts", "judge", which, "--useful", "--json").json["is_useful"] is True
    events = ours.ledger("SELECT kind, actor FROM alert_event WHERE actor <> 'undertow'")
    assert [row["kind"] for row in events] == ["acknowledged", "snoozed", "commented", "disposed"]
    assert events[0]["actor"] == "nurse"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("snooze", "--until", "2020-01-01", "--reason", "x"), "until: a day after"),
        (("snooze", "--until", "soon", "--reason", "x"), "until: a day such as"),
        (("judge", "--not-useful"), "why: an alert that was not useful needs one"),
        (("ack", "--note", "\u202egnp"), "right-to-left override"),
    ],
)
def test_a_wrong_answer_is_usage_and_says_what_to_do(
    ours: Scene, arguments: tuple[str, ...], said: str
) -> None:
    before = len(ours.ledger("SELECT 1 FROM alert_event"))
    answered = ours.run("alerts", arguments[0], number(ours), *arguments[1:])
    assert (answered.code, answered.out) == (2, "")
    assert said in answered.err
    assert len(ours.ledger("SELECT 1 FROM alert_event")) == before


def held(scene: Scene, because: str) -> tuple[str, str]:
    """Keep the one alert quiet; its number and its night."""
    (row,) = scene.ledger("SELECT alert_id, opened_on FROM alert")
    ledger = Ledger(scene.home.ledger)
    with ledger.transaction():
        event = Happening(row["alert_id"], "held", {"because": because})
        alerts.note(ledger, [event], NIGHT, datetime.now(UTC))
    ledger.close()
    return row["alert_id"], row["opened_on"]


def test_all_that_a_burst_of_a_night_holds_goes_at_once_and_no_other(
    after: Scene, tmp_path: Path
) -> None:
    home = after.copied(tmp_path / "home")
    number, night = held(home, "budget")
    none = home.run("alerts", "release", "--night", night)
    assert (none.code, f"no burst of {night} holds an alert" in none.err) == (1, True)

    held(home, "burst")
    assert home.run("alerts", "release", "--night", "2020-01-01").code == 1
    said = home.run("alerts", "release", "--night", night, "--by", "operator", "--json")
    assert [(row["alert_id"], row["quiet_because"]) for row in said.json] == [(number, None)]
    held(home, "burst")
    assert number in home.run("alerts", "release", number).out
    last = "SELECT kind, actor FROM alert_event WHERE kind = 'released' ORDER BY event_id"
    assert home.ledger(last)[0] == {"kind": "released", "actor": "operator"}


@pytest.mark.parametrize("wanted", [(), ("A1", "--night", "2026-03-01")], ids=["none", "both"])
def test_what_is_released_is_named_in_one_way(after: Scene, wanted: tuple[str, ...]) -> None:
    said = after.run("alerts", "release", *wanted)
    assert (said.code, "by their numbers, or a --night, not both" in said.err) == (2, True)


def test_a_change_is_tried_on_the_nights_that_were(after: Scene) -> None:
    plain = after.run("alerts", "plan")
    assert "told in all: 1 as it is, 1 with the change; 0 only as it is, 0 only" in plain.out

    strict = after.run(
        "alerts", "plan", "--set", "tier_c_p=0.999", "--set", "tier_b_p=0.999", "--set",
        "tier_a_p=0.999", "--json",
    ).json  # fmt: skip
    assert [night["told"] for night in strict["now"]] == [1, 0]
    assert [night["told"] for night in strict["then"]] == [0, 0]
    assert len(strict["only_now"]) == 1
    assert after.ledger("SELECT 1 FROM alert_event WHERE kind = 'opened'") != []


def test_a_threshold_the_rule_has_not_is_named(after: Scene) -> None:
    wrong = after.run("alerts", "plan", "--set", "tier_z=1")
    assert (wrong.code, wrong.out) == (2, "")
    assert "rule.tier_z: no such threshold; there are " in wrong.err
    stored = after.run("alerts", "plan", "--set", "insulin_upper_limit=14")
    assert (stored.code, "the stored trends were made with it" in stored.err) == (2, True)
    assert after.run("alerts", "plan", "--set", "tier_b_p").code == 2
