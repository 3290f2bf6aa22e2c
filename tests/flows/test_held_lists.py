"""A list that does not agree with chance is held back, and said; and one alert for one stay."""

from __future__ import annotations

import json
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.flows import scene as scenes
from tests.flows.scene import (
    CLIMBING,
    FIRST_DRAW,
    FLAT,
    GLUCOSE,
    INSULIN,
    MARKED,
    NIGHT,
    Scene,
    labs,
    result,
    series,
)
from tests.flows.test_mail import Tags
from tests.flows.test_models import copied
from transforms.catalog.alert_rules import CLOSING
from transforms.catalog.rule import HOLD

pytestmark = pytest.mark.slow

NEXT, LATER = NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)
ODD_LAB = "<b>x</b>&"
CLIMBERS, OTHERS = HOLD.fewest_listed + 4, 60
WHY = f"100% of the list come from one lab ({ODD_LAB}), 29% of all people"


def at(lab: str, rows: list[str]) -> list[str]:
    """The same draws, measured by another laboratory with the same assay."""
    return [row.replace("Lab A", lab) for row in rows]


def crowd(name: str, n: int, lab: str, insulin: tuple[float, ...] = FLAT) -> list[str]:
    """People with the same draws, by their number a little different."""
    people = [(f"{name}{k:03}", tuple(v + k / 100 for v in insulin)) for k in range(n)]
    return [row for person, values in people for row in at(lab, series(person, values))]


def dominated() -> str:
    """Everybody who climbs was measured by one laboratory, most people by another."""
    climbers = crowd("UP", CLIMBERS, ODD_LAB, CLIMBING)
    return labs(*climbers, *crowd("FLAT", OTHERS, "Lab A"))


def agreeing() -> str:
    """So many more flat people of that laboratory that the list is no longer odd."""
    return labs(*crowd("MORE", OTHERS, ODD_LAB))


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after one night on which the list was held, to look at."""
    made = scenes.scene(tmp_path_factory.mktemp("held") / "home")
    made.drop("clinic_csv/labs-1.csv", dominated())
    made.night(NIGHT)
    return made


def heartbeat(scene: Scene, night: date = NIGHT) -> tuple[str, str]:
    """Text and HTML of the night's heartbeat."""
    (mail,) = (mail for mail in scene.mails("heartbeat") if f"the night of {night}" in text(mail))
    html = mail.get_body(("html",))
    assert html is not None
    return text(mail), html.get_content()


def text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def alerts(scene: Scene) -> int:
    """Alerts that somebody was told of."""
    return len(scene.ledger("SELECT * FROM alert WHERE was_told = 1"))


# held


def test_a_held_list_is_kept_quiet_and_tells_the_care_team_nothing(held: Scene) -> None:
    listed = "SELECT count(*) FROM patient_status WHERE tier IN ('A', 'B')"

    assert held.rows("SELECT n_listed, is_held, held_because FROM list_check") == [
        (CLIMBERS, True, WHY)
    ]
    assert held.rows(listed) == [(CLIMBERS,)], "marked they are, for whoever looks"
    assert alerts(held) == 0
    assert held.mails("digest") == []
    assert held.rows("SELECT state, quiet_because, count(*) FROM alert GROUP BY ALL") == [
        ("new", "list", CLIMBERS)
    ]
    (counts,) = held.ledger("SELECT counts FROM step WHERE name = 'alert'")
    assert json.loads(counts["counts"]) == {
        "opened": CLIMBERS, "retracted": 0, "told": 0, "kept quiet": CLIMBERS, "mails": 2, "held": 1
    }  # fmt: skip


def test_what_is_kept_quiet_is_told_to_operators_with_its_reason_once_a_week(
    held: Scene, tmp_path: Path
) -> None:
    home = copied(held, tmp_path / "home")
    (quiet,) = home.mails("quiet")
    assert f"{CLIMBERS}  climbing unseen, tier" in text(quiet)
    assert "does not agree with chance" in text(quiet)

    home.night(NIGHT + timedelta(days=6))
    assert len(home.mails("quiet")) == 1
    home.night(NIGHT + timedelta(days=7))
    assert len(home.mails("quiet")) == 2


def test_a_held_list_is_told_to_operators_with_the_reason(held: Scene) -> None:
    told, _ = heartbeat(held)

    assert f"The list of {CLIMBERS} marked people does not agree with chance: {WHY}." in told
    assert "`undertow model` shows more." in told
    assert f"HELD BACK: {WHY}" in held.run("model").out


def test_the_page_and_the_mail_show_a_hostile_laboratory_as_text(held: Scene) -> None:
    for html in (heartbeat(held)[1], held.page()):
        tags = Tags()
        tags.feed(html)
        assert "b" not in tags.names
        assert WHY in tags.text
        assert "&lt;b&gt;x&lt;/b&gt;&amp;" in html
        assert 'class="bad">The list of' in html


def test_once_the_list_agrees_its_alerts_go_out_once(held: Scene, tmp_path: Path) -> None:
    home = copied(held, tmp_path / "home")
    home.drop("clinic_csv/labs-2.csv", agreeing())
    home.night(NEXT)

    assert alerts(home) == CLIMBERS
    (digest,) = home.mails("digest")
    assert text(digest).count("climbing unseen") == CLIMBERS
    told, html = heartbeat(home, NEXT)
    assert f"Marked with tier A or B: {CLIMBERS} of {CLIMBERS + 2 * OTHERS} evaluated" in told
    assert "does not agree" not in told + html + home.page(NEXT)

    home.night(LATER)
    assert (alerts(home), len(home.mails("digest"))) == (CLIMBERS, 1)


def test_a_list_is_held_night_after_night_until_it_agrees(held: Scene, tmp_path: Path) -> None:
    home = copied(held, tmp_path / "home")
    home.night(NEXT)

    assert (alerts(home), home.mails("digest")) == (0, [])
    assert WHY in heartbeat(home, NEXT)[0]


def test_who_does_not_want_it_held_is_told_all_the_same(held: Scene, tmp_path: Path) -> None:
    home = copied(held, tmp_path / "home")
    home.set("[model]\nhold = false\n")
    home.night(NIGHT)
    assert alerts(home) == CLIMBERS
    assert len(home.mails("digest")) == 1

    home.night(NEXT)
    told, _ = heartbeat(home, NEXT)
    assert f"does not agree with chance: {WHY}" in told
    assert "does not agree with chance" in home.page(NEXT)
    assert (alerts(home), len(home.mails("digest"))) == (CLIMBERS, 1)


def test_a_list_too_short_to_judge_is_not_held(tmp_path: Path) -> None:
    scene = scenes.scene(tmp_path / "home")
    few = crowd("UP", HOLD.fewest_listed - 1, ODD_LAB, CLIMBING)
    scene.drop("clinic_csv/labs-1.csv", labs(*few, *crowd("FLAT", OTHERS, "Lab A")))
    scene.night()

    assert alerts(scene) == HOLD.fewest_listed - 1
    assert "does not agree" not in heartbeat(scene)[0]


# one stay, one alert

OPEN = (
    "SELECT entered_on FROM cohort WHERE cohort = 'climbing_unseen' "
    "AND patient_id = ? AND left_on IS NULL"
)


def entered(scene: Scene, patient: str = "ANN") -> date:
    """When the open stay began."""
    ((day,),) = scene.rows(OPEN, patient)
    assert isinstance(day, date)
    return day


def episodes(scene: Scene, patient: str = "ANN") -> list[str]:
    found = scene.ledger("SELECT * FROM alert WHERE rule = 'climbing_unseen' ORDER BY episode")
    return [row["episode"] for row in found if row["patient_id"] == patient]


def day(year: int) -> date:
    return FIRST_DRAW + timedelta(days=365 * year)


def correction(*values: tuple[int, float], patient: str = "ANN") -> str:
    return labs(*(result(patient, day(year), INSULIN, value, status="C") for year, value in values))


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after the night on which Ann was marked."""
    made = scenes.scene(tmp_path_factory.mktemp("marked") / "home")
    made.drop("clinic_csv/labs-1.csv", labs(*series("ANN")))
    made.night(NIGHT)
    return made


@pytest.fixture
def scene(marked: Scene, tmp_path: Path) -> Scene:
    """Such a home, to go on from."""
    return marked.copied(tmp_path / "home")


def test_a_correction_that_moves_the_entry_of_an_open_stay_opens_no_second_alert(
    tmp_path: Path,
) -> None:
    scene = scenes.scene(tmp_path / "home")
    slow = (5.0, 5.6, 7.5, 11.0, 16.0, 22.4)
    scene.drop("clinic_csv/labs-1.csv", labs(*series("ANN", slow), *series("BEA", slow)))
    scene.night(NIGHT)
    before = {who: entered(scene, who) for who in ("ANN", "BEA")}
    assert {who: episodes(scene, who) for who in before} == {
        who: [str(day)] for who, day in before.items()
    }

    scene.drop("clinic_csv/labs-2.csv", correction((1, 30.0)))
    scene.drop("clinic_csv/labs-3.csv", correction((2, 5.1), patient="BEA"))
    scene.night(NEXT)

    assert all(entered(scene, who) != day for who, day in before.items())
    assert {who: episodes(scene, who) for who in before} == {
        who: [str(day)] for who, day in before.items()
    }
    assert len(scene.mails("digest")) == 1


def test_nobody_looking_ends_no_alert_and_a_draw_that_goes_on_is_the_same(scene: Scene) -> None:
    came = entered(scene)
    stale = NIGHT + timedelta(days=500)
    scene.night(stale)
    assert scene.rows(OPEN, "ANN") == [], "the cohort's stay ends, for want of a draw"
    assert scene.statuses()["ANN"] == "unresolved"
    assert scene.rows("SELECT ended_on FROM episode") == [(None,)]

    back = stale - timedelta(days=9)
    again = (result("ANN", back, INSULIN, 36), result("ANN", back, GLUCOSE, 88))
    scene.drop("clinic_csv/labs-2.csv", labs(*again))
    scene.night(stale + timedelta(days=1))

    assert scene.statuses()["ANN"] in MARKED
    assert episodes(scene) == [str(came)]


def test_what_came_to_its_end_is_resolved_and_not_taken_back(scene: Scene) -> None:
    down = series("ANN", (*CLIMBING, 9.0, 6.0, 5.5))[2 * len(CLIMBING) :]
    scene.drop("clinic_csv/labs-2.csv", labs(*down))
    scene.night(day(8) + timedelta(days=30))

    (alert,) = scene.ledger("SELECT * FROM alert")
    assert (alert["state"], alert["ended_because"]) == ("resolved", CLOSING.held_no_longer)
    assert len(scene.mails("digest")) == 1


def test_who_was_marked_by_mistake_and_climbs_later_gets_a_new_alert(scene: Scene) -> None:
    """A correction takes the whole stay back: nothing of it is left but the alert."""
    scene.drop("clinic_csv/labs-2.csv", correction(*((year, 5.0 + year / 9) for year in range(6))))
    scene.night(NEXT)
    assert scene.rows("FROM cohort WHERE patient_id = 'ANN'") == []
    assert scene.statuses()["ANN"] == "not_flagged"
    assert "taken back" in text(scene.mails("digest")[1])

    came = []
    for year, value in ((6, 9.0), (7, 13.0), (8, 19.0), (9, 28.0)):
        came += [result("ANN", day(year), INSULIN, value), result("ANN", day(year), GLUCOSE, 88)]
    scene.drop("clinic_csv/labs-3.csv", labs(*came))
    scene.night(day(9) + timedelta(days=30))

    assert scene.statuses()["ANN"] in MARKED
    assert max(episodes(scene)) <= str(entered(scene))
    assert len(episodes(scene)) == 2
    assert len(scene.mails("digest")) == 3
