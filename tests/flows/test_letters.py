"""Letters by themselves: what each form says and leaves out, in which order, byte for byte."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest

from flows.mail import IN_THE_OPEN, SUBJECTS, Letter
from tests.flows.letters import (
    LINK,
    WATCH,
    alarm,
    digest,
    entry,
    heartbeat,
    part,
    quiet,
    sent,
    standalone,
)
from tests.flows.people import EVIL

SECRETS = ("P0001", "P0007", "29.0", "27.0", "12.5 uIU", "2018-02-10", "HbA1c of 5.4", "Lab B")
"""A name, values, a date of a draw, a laboratory: what stands in the full form only."""


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_default_form_holds_numbers_of_the_work_list_and_nothing_of_a_person(kind: str) -> None:
    mail = sent(digest(is_detailed=False))
    said = part(mail, kind)

    for number in ("BACKBACK", "RISENRIS", "CCCCCCCC", "AAAAAAAA", "HHHHHHHH"):
        assert number in said
    assert "HbA1c agrees" in said
    assert f"{LINK}/AAAAAAAA" in said
    assert not [secret for secret in SECRETS if secret in said]
    assert not [item for item in mail.walk() if item.get_content_maintype() == "image"]


def test_the_full_form_holds_everything_and_a_picture_of_each() -> None:
    mail = sent(digest(is_detailed=True))
    text, html = part(mail, "plain"), part(mail, "html")

    for secret in ("P0001", "P0007", "29.0", "27.0", "2018-02-10", "HbA1c of 5.4"):
        assert secret in text, secret
        assert secret in html, secret
    images = [item for item in mail.walk() if item.get_content_type() == "image/png"]
    assert len(images) == 4, "one each, none of who is taken back"
    shown = re.findall(r'src="cid:([^"]+)" alt="([^"]+)"', html)
    assert [cid for cid, _ in shown] == [item["Content-ID"][1:-1] for item in images]
    assert all("fasting draws used" in alt for _, alt in shown)
    assert all(item.get_content().startswith(b"\x89PNG") for item in images)
    assert {item.get_filename() for item in images} == {"1.png", "2.png", "3.png", "4.png"}


def test_even_facts_that_are_too_many_do_not_reach_the_default_form() -> None:
    facts = digest(is_detailed=False)
    facts["sections"][0]["entries"][0]["rule"] = "climbing_unseen"

    assert {"patient_id", "reason", "draws", "picture"}.isdisjoint(IN_THE_OPEN)
    assert "P0003" not in sent(facts).as_string()


@pytest.mark.parametrize("is_detailed", [False, True])
def test_what_is_taken_back_comes_first_and_says_so(is_detailed: bool) -> None:
    mail = sent(digest(is_detailed=is_detailed))

    for kind in ("plain", "html"):
        said = part(mail, kind)
        assert "do not act on it" in said.lower()
        assert "a result was corrected by its laboratory" in said
        order = [said.index(n) for n in ("BACKBACK", "RISENRIS", "AAAAAAAA", "CCCCCCCC")]
        assert order == sorted(order), "taken back, stronger, then new by tier"
    nothing = digest(is_detailed=is_detailed)
    nothing["sections"] = nothing["sections"][:2]
    assert "do not act" not in sent(nothing).as_string().lower()


def test_sections_without_anybody_are_not_shown() -> None:
    assert "snooze" not in sent(digest(is_detailed=False)).as_string()


def test_what_was_held_back_is_said_and_limits_stand_in_the_foot() -> None:
    for kind in ("plain", "html"):
        said = re.sub(r"\s+", " ", part(sent(digest(is_detailed=False)), kind))
        assert "2 more are held back" in said
        assert "not a diagnosis" in said
        assert "status-1" in said
        assert "Not a medical device" in said
    assert "held back" not in sent(digest(is_detailed=False, held_back=0)).as_string()


def test_without_a_work_list_page_the_command_is_named() -> None:
    facts = digest(is_detailed=False, link=None)
    facts["sections"] = [
        {"kind": "new", "title": "New", "entries": [entry("AAAAAAAA", "P0001", link=None)]}
    ]
    said = part(sent(facts), "plain")

    assert "http" not in said
    assert "undertow alerts show NUMBER" in said


@pytest.mark.parametrize("is_detailed", [False, True])
def test_the_same_facts_give_the_same_bytes(is_detailed: bool) -> None:
    once, again = (sent(digest(is_detailed=is_detailed)).as_bytes() for _ in range(2))
    other = sent(digest(is_detailed=is_detailed), "<digest.9999@undertow.invalid>")

    assert once == again
    boundaries = [item.get_boundary() for item in other.walk() if item.is_multipart()]
    assert len(set(boundaries)) == len(boundaries) == (2 if is_detailed else 1)
    assert not any(boundary.encode() in once for boundary in boundaries if boundary)


def test_a_letter_survives_its_way() -> None:
    mail = sent(digest(is_detailed=True))
    read = message_from_bytes(mail.as_bytes(policy=policy.SMTP), policy=policy.default)

    assert [item.get_content_type() for item in read.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        *["image/png"] * 4,
    ]
    assert read.defects == []


def test_hostile_text_ends_no_line_turns_none_and_is_no_markup() -> None:
    mail = sent(digest(is_detailed=True))
    text, html = part(mail, "plain"), part(mail, "html")

    assert "\u202e" not in text + html
    assert "\x00" not in text + html
    assert "\n=cmd()" not in text
    assert "<script>alert('1')</script>" in text
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<b>of</b>" in text
    assert "<b>of</b>" not in html
    assert "\u202e" in EVIL


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (quiet(), ("25 new marks", "3", "beyond what a recipient", "61 rows", "2026-01-02")),
        (heartbeat(), ("240", "90210", "1 quarantined", "4 wait for an answer", "ward")),
        (alarm(), ("technical alarm", "60 alerts opened tonight")),
        (alarm(**WATCH), ("No night has ended since 2026-02-27", "26 hours", "undertow doctor")),
    ],
    ids=["quiet", "heartbeat", "alarm", "watch"],
)
def test_other_letters_say_the_same_in_both_parts_under_a_constant_subject(
    facts: Letter, words: tuple[str, ...]
) -> None:
    mail = sent(facts)

    for kind in ("plain", "html"):
        said = re.sub(r"\s+", " ", part(mail, kind))
        assert not [word for word in words if word not in said]
        assert "\u202e" not in said
        assert "<script" not in part(mail, "html")
    assert mail["Subject"] == SUBJECTS[str(facts["kind"])]
    assert not re.search(r"\d", "".join(SUBJECTS.values()))


def test_nothing_kept_quiet_is_said_too() -> None:
    assert "nothing was kept quiet" in part(sent(quiet() | {"kept": []}), "plain")


def test_a_text_part_is_narrow_where_it_is_prose() -> None:
    lines = part(sent(digest(is_detailed=False)), "plain").splitlines()

    assert max(map(len, lines)) <= 100


def test_a_letter_shown_alone_asks_for_nothing() -> None:
    html = standalone(sent(digest(is_detailed=True)))

    assert "cid:" not in html.replace("data: cid:", "")
    assert set(re.findall(r"https?://[^/\"]+", html)) == {"https://worklist.clinic.example"}
