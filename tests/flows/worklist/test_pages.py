"""The pages: what the list shows of whom, a person's page, and what is answered there."""

from __future__ import annotations

import json
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from tests.flows.scene import NIGHT, Scene
from tests.flows.test_mail import Tags
from tests.flows.worklist.visiting import HOSTILE, NOW, Visit, enrol, numbers, visit
from transforms.alerting import Happening
from warehouse import alerts
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

SOON = str(NIGHT + timedelta(days=20))
OVERRIDE = "\u202e"


@pytest.fixture
def nurse(home: Scene) -> Visit:
    """Signed in, of all panels."""
    enrol(home, nurse=(), north=("north",), doctor=())
    made = visit(home)
    assert made.sign_in().status_code == 303
    return made


def another(nurse: Visit, name: str) -> Visit:
    """Another browser at the same page."""
    made = Visit(nurse.desk, nurse.clock, nurse.app)
    assert made.sign_in(name).status_code == 303
    return made


def happen(scene: Scene, number: str, kind: str, **facts: Any) -> None:
    """An event of the night after."""
    ledger = Ledger(scene.home.ledger)
    with ledger.transaction():
        alerts.note(ledger, [Happening(number, kind, facts)], NIGHT, NOW)
    ledger.close()


def happened(scene: Scene, number: str) -> list[tuple[str, dict[str, Any], str]]:
    """Kind, facts and actor of what people said to an alert."""
    rows = scene.ledger(f"SELECT * FROM alert_event WHERE alert_id = '{number}' ORDER BY event_id")
    return [
        (row["kind"], json.loads(row["facts"]), row["actor"])
        for row in rows
        if row["actor"] != "undertow"
    ]


def read(text: str) -> str:
    """What a reader sees of a page."""
    tags = Tags()
    tags.feed(text)
    return " ".join(tags.text.split())


# the list


def test_the_list_shows_who_waits_the_most_urgent_first(home: Scene, nurse: Visit) -> None:
    text = nurse.look("/").text

    assert text.index("BEA") < text.index("ANN"), "the surer one first"
    assert "FLO" not in text
    assert f"night of {NIGHT}" in text
    assert "Waiting <b>3</b></a>" in text
    for number in numbers(home).values():
        assert f'href="/alert/{number}"' in text


def test_a_user_sees_only_patients_of_their_panels(home: Scene, nurse: Visit) -> None:
    north, known = another(nurse, "north"), numbers(home)
    text = north.look("/").text

    assert "ANN" in text
    assert "BEA" not in text
    assert "Waiting <b>1</b></a>" in text
    assert north.look(f"/alert/{known['ANN']}").status_code == 200
    theirs, nobodys = (north.look(f"/alert/{one}") for one in (known["BEA"], "AAAA2222"))
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert read(theirs.text) == read(nobodys.text)
    sent = {**north.fields(known["ANN"]), "note": ""}
    assert north.send(f"/alert/{known['BEA']}/acknowledge", sent).status_code == 404
    assert happened(home, known["BEA"]) == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"ANN", "BEA", HOSTILE}),
        ("?panel=north", {"ANN"}),
        ("?panel=nowhere", set()),
        ("?rule=climbing_unseen", {"ANN", "BEA", HOSTILE}),
        ("?rule=decompensating", set()),
        ("?state=acknowledged", set()),
        ("?state=all&sort=oldest", {"ANN", "BEA", HOSTILE}),
        ("?page=999999999999999999999&sort=x&state=' OR 1&tier=Z", {"ANN", "BEA", HOSTILE}),
        ("?page=-1", {"ANN", "BEA", HOSTILE}),
        ("?page=²", {"ANN", "BEA", HOSTILE}),
        ("?mine=1", set()),
    ],
)
def test_a_filter_leaves_what_it_asks_for(nurse: Visit, query: str, shown: set[str]) -> None:
    answer = nurse.look(f"/{query}")

    assert answer.status_code == 200
    assert {
        one for one in ("ANN", "BEA", HOSTILE) if f"<bdi>{_escaped(one)}</bdi>" in answer.text
    } == shown


def test_each_tier_shows_its_own(home: Scene, nurse: Visit) -> None:
    rows = home.ledger("SELECT patient_id, tier FROM alert")
    assert rows
    for tier in "ABC":
        text = nurse.look(f"/?tier={tier}").text
        for row in rows:
            assert (f"<bdi>{_escaped(row['patient_id'])}</bdi>" in text) == (row["tier"] == tier)


def _escaped(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))


def test_mine_is_what_i_answered_was_told_of_or_was_passed_on_to_my_role(
    home: Scene, nurse: Visit
) -> None:
    known = numbers(home)
    nurse.answer(known["ANN"], "comment", text="mine")
    happen(home, known["BEA"], "told", recipient="doctor@x.example", message_id="<1@x>")

    mine = [read(who.look("/?mine=1").text) for who in (nurse, another(nurse, "doctor"))]
    assert [("ANN" in text, "BEA" in text) for text in mine] == [(True, False), (False, True)]
    happen(home, known["BEA"], "escalated", level=1)
    nurse.desk.settings.alerts.escalate_to = ("care_team", "director")
    assert "BEA" in read(nurse.look("/?mine=1").text)


def test_what_is_kept_quiet_is_said_with_why_and_waits_for_nobody(
    home: Scene, nurse: Visit
) -> None:
    happen(home, numbers(home)["ANN"], "held", because="budget")
    text = read(nurse.look("/").text)

    assert "Waiting 2" in text
    assert "1 beyond what a recipient is told of in a week" in text
    assert "ANN" not in text
    assert "ANN" in read(nurse.look("/?state=quiet").text)
    assert "Kept quiet: nobody got a mail" in read(
        nurse.look(f"/alert/{numbers(home)['ANN']}").text
    )


def test_long_lists_are_paged_and_nobody_is_lost(home: Scene, nurse: Visit) -> None:
    ledger = Ledger(home.home.ledger)
    with ledger.transaction():
        facts = {"rule": "climbing_unseen", "episode": "2025-01-10", "tier": "B"}
        many = [
            Happening(
                f"MANY{n:04}".translate(str.maketrans("0189", "ABCD")),
                "opened",
                {**facts, "patient_id": f"M{n:03}"},
            )
            for n in range(120)
        ]
        alerts.note(ledger, many, NIGHT, NOW)
    ledger.close()

    seen: list[str] = []
    for page in (1, 2, 3):
        text = nurse.look(f"/?page={page}").text
        seen += [one for one in (f"M{n:03}" for n in range(120)) if f"<bdi>{one}</bdi>" in text]
        assert f"Page {page} of 3" in text
    assert sorted(seen) == [f"M{n:03}" for n in range(120)]
    assert 'rel="next"' in nurse.look("/?page=2").text
    assert 'rel="next"' not in nurse.look("/?page=3").text


# a person


def test_a_persons_page_says_why_by_which_draws_and_what_would_change_it(
    home: Scene, nurse: Visit
) -> None:
    text = read(nurse.look(f"/alert/{numbers(home)['ANN']}").text)

    for part in (
        "Climbing unseen Tier ",
        "Fasting insulin now",
        "90 % intervals",
        "22.4",
        "clinic_csv/labs-1.csv (",
        "What would change it",
        "no mark",
        "Next best tests",
        "May not be said",
        "Grades: A measures this tissue itself",
        "It is not a diagnosis",
        "Mail to all@clinic.example: New",
        "panel north",
    ):
        assert part in text, part


def test_what_stands_beside_is_shown_as_context(home: Scene, nurse: Visit) -> None:
    text = read(nurse.look(f"/alert/{numbers(home)['ANN']}").text)

    assert "Beside it, deciding nothing" in text
    assert "Not evaluated is not normal" in text


def test_an_alert_taken_back_says_so_and_why_and_takes_no_acknowledgement(
    home: Scene, nurse: Visit
) -> None:
    number = numbers(home)["ANN"]
    before = nurse.fields(number)
    happen(home, number, "retracted", because="the results it rested on were corrected")
    text = nurse.look(f"/alert/{number}").text

    assert f"Taken back on {NIGHT}. Do not act on this alert." in read(text)
    assert "Why: the results it rested on were corrected." in read(text)
    assert "/acknowledge" not in text
    assert nurse.send(f"/alert/{number}/acknowledge", before).status_code == 409
    assert nurse.answer(number, "judge", is_useful="no", why="a swapped sample").status_code == 303
    assert "Taken back" in read(nurse.look("/?state=retracted").text)


def test_a_person_whom_the_warehouse_no_longer_knows_has_a_page_that_says_so(
    home: Scene, nurse: Visit
) -> None:
    number = numbers(home)["ANN"]
    happen(home, number, "rekeyed", patient_id="GONE")

    text = read(nurse.look(f"/alert/{number}").text)
    assert "does not know this person any more" in text
    assert "Moved with the record" in text


# answers


@pytest.mark.parametrize(
    ("form", "given", "noted", "shown"),
    [
        ("acknowledge", {"note": "Phoned."}, ("acknowledged", {"note": "Phoned."}), "Phoned."),
        (
            "snooze",
            {"until": SOON, "reason": "Draw due"},
            ("snoozed", {"until": SOON, "reason": "Draw due"}),
            f"Snoozed until {SOON}",
        ),
        ("comment", {"text": "a\r\nb"}, ("commented", {"text": "a\nb"}), "Your comment was added."),
        (
            "judge",
            {"is_useful": "no", "why": "known already"},
            ("disposed", {"is_useful": False, "why": "known already"}),
            "Judged not useful",
        ),
    ],
)
def test_an_answer_is_noted_under_the_users_name_and_shown(
    home: Scene,
    nurse: Visit,
    form: str,
    given: dict[str, str],
    noted: tuple[str, dict[str, Any]],
    shown: str,
) -> None:
    number = numbers(home)["ANN"]
    answer = nurse.answer(number, form, **given)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/alert/{number}?done={form}")
    assert happened(home, number) == [(*noted, "nurse")]
    assert shown in read(nurse.look(answer.headers["location"]).text)


def test_an_acknowledged_alert_leaves_those_that_wait(home: Scene, nurse: Visit) -> None:
    nurse.answer(numbers(home)["ANN"], "acknowledge", note="")

    assert "ANN" not in read(nurse.look("/").text)
    assert "ANN" in read(nurse.look("/?state=acknowledged").text)


def test_a_form_sent_twice_is_noted_once(home: Scene, nurse: Visit) -> None:
    number = numbers(home)["ANN"]
    sent = {**nurse.fields(number), "text": "once"}

    answers = [nurse.send(f"/alert/{number}/comment", sent) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert happened(home, number) == [("commented", {"text": "once"}, "nurse")]


def test_what_changed_meanwhile_is_shown_and_nothing_that_was_written_is_lost(
    home: Scene, nurse: Visit
) -> None:
    number = numbers(home)["ANN"]
    doctor = another(nurse, "doctor")
    mine = {**nurse.fields(number), "reason": "=my reason", "until": SOON}
    doctor.answer(number, "acknowledge", note="I have her.")

    answer = nurse.send(f"/alert/{number}/snooze", mine)
    assert answer.status_code == 409
    assert "Something happened to this alert meanwhile" in answer.text
    assert "I have her." in answer.text
    assert "=my reason</textarea>" in answer.text
    assert [kind for kind, *_ in happened(home, number)] == ["acknowledged"]
    assert nurse.answer(number, "snooze", reason="=my reason", until=SOON).status_code == 303


@pytest.mark.parametrize(
    ("form", "given", "field"),
    [
        ("snooze", {"until": "2027-01-01", "reason": "x"}, "until"),
        ("snooze", {"until": "", "reason": "x"}, "until"),
        ("snooze", {"until": SOON, "reason": ""}, "reason"),
        ("comment", {"text": ""}, "text"),
        ("comment", {"text": f"a{OVERRIDE}b"}, "text"),
        ("comment", {"text": "x" * 2001}, "text"),
        ("acknowledge", {"note": "a\x07b"}, "note"),
        ("judge", {"why": "x"}, "is_useful"),
        ("judge", {"is_useful": "no", "why": " "}, "why"),
    ],
)
def test_an_answer_that_cannot_stand_names_its_field_and_is_not_noted(
    home: Scene, nurse: Visit, form: str, given: dict[str, str], field: str
) -> None:
    number = numbers(home)["ANN"]
    answer = nurse.answer(number, form, **given)

    assert answer.status_code == 422
    assert f'<a href="#{field}">' in answer.text
    assert f'id="{field}-wrong"' in answer.text
    assert happened(home, number) == []
    assert OVERRIDE not in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "=HYPERLINK(1)",
        "a\nBcc: x@y",
        "</textarea><b>",
        "עברית {{7*7}}",
    ],
)
def test_a_comment_is_text_wherever_it_is_shown(home: Scene, nurse: Visit, text: str) -> None:
    number = numbers(home)["ANN"]
    assert nurse.answer(number, "comment", text=text).status_code == 303
    page = nurse.look(f"/alert/{number}").text

    tags = Tags()
    tags.feed(page)
    assert not {"img", "b", "script"} & tags.names
    assert tags.handlers == []
    for one in text.splitlines():
        assert one in unescape(page)
    refused = nurse.answer(number, "judge", is_useful="no", why="", note=text)
    assert "<img" not in refused.text


def test_a_hostile_name_is_text_on_every_page(home: Scene, nurse: Visit) -> None:
    for path in ("/", f"/alert/{numbers(home)[HOSTILE]}"):
        tags = Tags()
        tags.feed(nurse.look(path).text)
        assert "script" not in tags.names
        assert HOSTILE in tags.text
        assert "The <b>clinic</b>" in tags.text


def test_the_page_shows_the_newest_night_without_a_restart(home: Scene, nurse: Visit) -> None:
    shown = nurse.look("/").text
    assert f"night of {NIGHT}" in shown

    real = (home.home.warehouse / "undertow.duckdb").resolve()
    home.home.warehouse.unlink()
    home.home.warehouse.mkdir()
    assert nurse.look("/").status_code == 503
    import duckdb

    later = home.home.warehouse / "undertow-later.duckdb"
    later.write_bytes(real.read_bytes())
    later.chmod(0o600)
    with duckdb.connect(str(later)) as con:
        con.execute("UPDATE store.tonight SET as_of = as_of + 1")
    (home.home.warehouse / "undertow.duckdb").symlink_to(later.name)
    assert f"night of {NIGHT + timedelta(days=1)}" in nurse.look("/").text
