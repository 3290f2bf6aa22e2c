"""Mails as they leave: who is told what, once, and what a mail never says."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from flows.mail import SUBJECTS
from tests.flows import scene as scenes
from tests.flows.scene import (
    CLIMBING,
    FIRST_DRAW,
    FLAT,
    INSULIN,
    NIGHT,
    Scene,
    decoded,
    labs,
    patients,
    result,
    series,
)

pytestmark = pytest.mark.slow

NEXT = NIGHT + timedelta(days=1)
HOSTILE = """<script>alert('1')</script>"'&amp;"""
CANARY, VALUE = "ZZCANARYPATIENT", 17.377
"""A patient and an insulin value that stand nowhere else."""
FULL = '[mail]\ndetail = "full"\n'
UNSURE = (*CLIMBING[:5], VALUE)


@pytest.fixture(scope="module")
def detailed(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home whose mails tell everything: of a canary, of a name meant to do harm, of a limit."""
    made = scenes.scene(tmp_path_factory.mktemp("detailed") / "home")
    made.set(FULL + '[site]\nname = "A <b>clinic</b>"\n')
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    hostile = [row.replace("X1", quoted, 1) for row in series("X1")]
    made.drop("clinic_csv/labs-1.csv", labs(*series(CANARY, UNSURE), *hostile))
    limit, value = series("LIMIT", (4.7, *CLIMBING[1:])), series("VALUE", (4.8, *CLIMBING[1:]))
    made.drop(
        "clinic_csv/labs-2.csv",
        labs(*(row.replace(",4.7,", ",<4.7,") for row in limit), *value),
    )
    made.drop("clinic_csv/patients-1.csv", patients(CANARY))
    made.night()
    return made


def test_a_night_writes_each_mail_once_with_a_message_id_that_follows_from_it(
    begun: Scene,
) -> None:
    before = {path.name: path.read_bytes() for path in begun.home.mail.iterdir()}
    owed = begun.ledger("SELECT message_id, state, attempts FROM outbox")

    begun.night()
    begun.night(rebuild=True)

    assert {path.name: path.read_bytes() for path in begun.home.mail.iterdir()} == before
    assert begun.ledger("SELECT message_id, state, attempts FROM outbox") == owed
    assert {mail["Message-ID"] for mail in begun.mails()} == {row["message_id"] for row in owed}
    assert {(row["state"], row["attempts"]) for row in owed} == {("sent", 1)}
    assert all(path.stat().st_mode & 0o077 == 0 for path in begun.home.mail.iterdir())


def test_there_is_a_heartbeat_every_night_and_a_digest_only_of_what_is_new(begun: Scene) -> None:
    for day in (1, 2):
        begun.night(NIGHT + timedelta(days=day))
    assert (len(begun.mails("heartbeat")), len(begun.mails("digest"))) == (3, 1)

    begun.drop("clinic_csv/labs-5.csv", labs(*series("BEA")))
    begun.night(NIGHT + timedelta(days=3))
    assert (len(begun.mails("heartbeat")), len(begun.mails("digest"))) == (4, 2)
    assert numbers(decoded(begun.mails("digest")[1])).isdisjoint(
        numbers(decoded(begun.mails("digest")[0]))
    )


def numbers(text: str) -> set[str]:
    """The work-list numbers of a digest."""
    return set(re.findall(r"^  ([A-Z2-7]{8})  ", text, re.MULTILINE))


def test_nobody_to_tell_of_is_no_digest_but_a_heartbeat(scene: Scene) -> None:
    scene.drop("clinic_csv/labs-1.csv", labs(*series("FLO", FLAT)))
    scene.night()

    assert (len(scene.mails("heartbeat")), scene.mails("digest")) == (1, [])


def test_more_draws_on_the_same_ground_alert_nobody_again(begun: Scene) -> None:
    begun.drop("clinic_csv/labs-5.csv", labs(result("ANN", date(2026, 2, 1), INSULIN, 23)))
    begun.night(NEXT)

    assert len(begun.mails("digest")) == 1
    assert len(begun.ledger("SELECT * FROM alert")) == 1


def test_each_recipient_is_told_and_one_who_joins_later_too(scene: Scene) -> None:
    scene.set('[mail]\ncare_team = ["a@x.example", "b@x.example"]\n')
    scene.people()
    scene.night(NIGHT)
    assert sorted(mail["To"] for mail in scene.mails("digest")) == ["a@x.example", "b@x.example"]

    scene.set('[mail]\ncare_team = ["a@x.example", "c@x.example"]\n')
    scene.night(NEXT)
    assert sorted(mail["To"] for mail in scene.mails("digest")) == [
        f"{name}@x.example" for name in "abc"
    ]


def test_a_subject_says_nothing_and_never_changes(detailed: Scene) -> None:
    assert [mail["Subject"] for mail in detailed.mails("digest")] == [SUBJECTS["digest"]]
    assert [mail["Subject"] for mail in detailed.mails("heartbeat")] == [SUBJECTS["heartbeat"]]
    assert not re.search(r"\d", "".join(SUBJECTS.values()))


def test_the_text_part_comes_first_and_says_what_the_html_part_says(after: Scene) -> None:
    for mail in after.mails():
        kinds = [part.get_content_type() for part in mail.iter_parts()]
        assert kinds == ["text/plain", "text/html"]
        text, html = (part.get_content() for part in mail.iter_parts())
        if mail["Subject"] == SUBJECTS["digest"]:
            assert numbers(text)
            assert all(number in html for number in numbers(text))
        else:
            assert "not flagged" in text
            assert "not flagged" in html


def test_a_mail_is_complete_for_a_mail_program(after: Scene) -> None:
    for mail in after.mails():
        for header in ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"):
            assert mail[header], header


def test_a_mail_loads_nothing_and_runs_nothing(after: Scene) -> None:
    for mail in after.mails():
        html = mail.get_body(("html",))
        assert html is not None
        tags = Tags()
        tags.feed(html.get_content())
        assert not {"script", "img", "link", "iframe", "form", "a"} & tags.names
        assert tags.handlers == []
        assert "http" not in html.get_content().replace("http-equiv", "")


@pytest.fixture
def discreet(scene: Scene) -> Scene:
    """A home whose mails tell no more than they must."""
    scene.set('[mail]\ndetail = "none"\n')
    scene.drop("clinic_csv/labs-1.csv", labs(*series(CANARY, UNSURE)))
    scene.drop("clinic_csv/patients-1.csv", patients(CANARY))
    scene.night()
    return scene


@pytest.mark.parametrize(("home", "is_told"), [("discreet", False), ("detailed", True)])
def test_no_mail_names_anybody_or_a_value_unless_that_is_asked_for(
    request: pytest.FixtureRequest, home: str, is_told: bool
) -> None:
    scene: Scene = request.getfixturevalue(home)

    assert len(scene.mails("digest")) == 1, "there is something to tell"
    everything = "\n".join(decoded(mail) for mail in scene.mails())
    raw = b"\n".join(path.read_bytes() for path in scene.home.mail.iterdir())
    shown = [CANARY in everything, f"{VALUE:.1f}" in everything, CANARY.encode() in raw]
    assert shown == [is_told] * 3
    assert ("1970" in everything) is False


def test_a_number_in_a_mail_leads_to_the_patient_only_on_the_clinics_machine(
    after: Scene,
) -> None:
    (number,) = numbers(decoded(after.mails("digest")[0]))

    assert after.run("alerts", "show", number, "--json").json["patient_id"] == "ANN"


def test_another_home_gives_the_same_patient_another_number(begun: Scene, after: Scene) -> None:
    assert numbers(decoded(begun.mails("digest")[0])) != numbers(decoded(after.mails("digest")[0]))


def test_a_hostile_patient_id_is_text_in_html_and_reaches_no_header(detailed: Scene) -> None:
    (mail,) = detailed.mails("digest")
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert HOSTILE in text.get_content()
    tags = Tags()
    tags.feed(html.get_content())
    assert "script" not in tags.names
    assert "b" not in tags.names
    assert HOSTILE in tags.text
    assert not any("script" in value for _, value in mail.items())
    assert "<script" not in detailed.page()


def test_the_heartbeat_counts_what_waits_and_who_is_not_evaluated(after: Scene) -> None:
    text = decoded(after.mails("heartbeat")[0])

    for part in ("unresolved", "2 rows wait", "5 files, "):
        assert part in text, part


def test_the_page_holds_counts_and_nobody(after: Scene) -> None:
    page = after.page()

    assert "code_is_known" in page
    for name in ("ANN", "FLO", str(FIRST_DRAW), "22.4"):
        assert name not in page
    assert (after.home.report / f"{NIGHT}.html").stat().st_mode & 0o077 == 0


class Tags(HTMLParser):
    """What a browser would make of a page: elements, event handlers, text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.handlers: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.names.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: Any) -> None:
        """Note text."""
        self.text += data


@pytest.mark.parametrize("shown", ["<4.7", "4.8"])
def test_a_limit_is_mailed_as_a_limit_and_a_value_as_a_value(detailed: Scene, shown: str) -> None:
    (mail,) = detailed.mails("digest")
    parts = [mail.get_body((kind,)) for kind in ("plain", "html")]
    plain, page = (part.get_content() for part in parts if part)
    assert f"insulin {shown:>6}  glucose" in plain
    assert f'<td class="n">{shown.replace("<", "&lt;")}</td>' in page
