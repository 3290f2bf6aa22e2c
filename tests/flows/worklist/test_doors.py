"""Who gets in, by what, for how long; and what is turned away before any page."""

from __future__ import annotations

import logging
from datetime import date, timedelta

import pytest
from itsdangerous import URLSafeSerializer

from flows.links import Claim, token
from tests.flows.scene import NIGHT, Scene
from tests.flows.worklist.visiting import (
    FORM,
    FORM_TYPE,
    HOST,
    NEAR,
    PASSWORD,
    Visit,
    enrol,
    hidden,
    numbers,
    secret_of,
    visit,
)
from warehouse import alerts
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

LAST = NIGHT + timedelta(days=14)


@pytest.fixture
def door(home: Scene) -> Visit:
    """Before the door of a page with users."""
    enrol(home, nurse=(), north=("north",))
    return visit(home)


@pytest.fixture
def keyed(home: Scene) -> Visit:
    """Before the door of a page without users, its key shown."""
    made = visit(home, with_users=False)
    assert made.desk.key is not None
    made.desk.key.show()
    return made


def is_in(who: Visit) -> bool:
    return who.look("/").status_code == 200


# users


def test_nothing_is_shown_to_who_is_not_in(home: Scene, door: Visit) -> None:
    number = numbers(home)["ANN"]
    list_, one = door.look("/"), door.look(f"/alert/{number}")
    sent = door.send(f"/alert/{number}/comment", {"text": "x", "seen": "9", "token": ""})

    assert (list_.status_code, list_.headers["location"]) == (303, "/sign-in")
    assert (one.status_code, one.headers["location"]) == (303, f"/sign-in?to={number}")
    assert sent.status_code == 401
    assert "ANN" not in list_.text + one.text + sent.text + door.look("/sign-in").text


def test_a_name_and_its_password_open_the_page_and_lead_where_one_wanted(
    home: Scene, door: Visit
) -> None:
    number = numbers(home)["ANN"]
    given = {"name": "nurse", "password": PASSWORD}

    assert door.send("/sign-in", {**given, "to": number}).headers["location"] == f"/alert/{number}"
    assert is_in(door)
    for elsewhere in ("//evil.example", "/alert/../x", "https://evil.example", "ANN"):
        answer = door.send("/sign-in", {**given, "to": elsewhere})
        assert answer.headers["location"] == "/"


def test_an_unknown_name_and_a_wrong_password_are_answered_alike(door: Visit) -> None:
    answers = [
        door.send("/sign-in", {"name": name, "password": password})
        for name, password in (("nurse", "wrong"), ("nobody", PASSWORD), ("", ""))
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text.split("</style>")[1] for answer in answers}) == 1
    assert not is_in(door)


def test_who_guesses_is_slowed_down_and_the_right_password_too(door: Visit) -> None:
    for _ in range(5):
        assert door.sign_in("nurse", "wrong").status_code == 401

    braked = door.sign_in()
    assert (braked.status_code, braked.headers["retry-after"]) == (429, "30")
    assert door.sign_in("north").status_code == 303, "others are not"
    door.clock.later(seconds=31)
    assert door.sign_in().status_code == 303


def test_many_names_are_slowed_down_as_one(door: Visit) -> None:
    for n in range(40):
        assert door.sign_in(f"guess{n}", "wrong").status_code == 401

    assert door.sign_in("guess40", "wrong").status_code == 429
    door.clock.later(seconds=61)
    assert door.sign_in().status_code == 303


def test_a_session_ends_after_its_hours_when_idle_and_when_signed_out(door: Visit) -> None:
    door.sign_in()
    for _ in range(15):
        door.clock.later(minutes=30)
        assert is_in(door)
    door.clock.later(minutes=31)
    assert not is_in(door), "eight hours are over"

    door.sign_in()
    door.clock.later(minutes=61)
    assert not is_in(door), "idle"

    door.sign_in()
    cookie = dict(door.cookies)
    sign_out = hidden(door.look("/").text, "token")
    assert door.send("/sign-out", {"token": sign_out}).headers["location"] == "/sign-in"
    door.cookies.update(cookie)
    assert not is_in(door), "the cookie is good for nothing on the server's side"


def test_a_clock_set_back_makes_no_session_longer(door: Visit) -> None:
    door.sign_in()
    door.clock.now -= timedelta(days=900)
    door.clock.seconds += 9 * 3600

    assert not is_in(door)


def test_a_session_begins_under_a_new_name_each_time(door: Visit) -> None:
    door.cookies.set("undertow", "planted", domain="127.0.0.1")
    door.sign_in()
    first = door.cookies["undertow"]
    door.sign_in()
    second = door.cookies["undertow"]

    assert "planted" not in (first, second)
    assert first != second
    door.cookies.set("undertow", first, domain="127.0.0.1")
    assert not is_in(door), "the one before is over"


def test_a_cookie_that_is_forged_or_of_another_home_opens_nothing(home: Scene, door: Visit) -> None:
    door.sign_in()
    mine = door.cookies["undertow"]
    signer = URLSafeSerializer(b"another home's secret", salt="undertow.worklist.session.1")
    forged = signer.dumps(
        URLSafeSerializer(secret_of(home.home), salt="undertow.worklist.session.1").loads(mine)
    )

    for cookie in (forged, mine[:-2], mine.split(".")[0], "", "é", "x" * 4000):
        other = Visit(door.desk, door.clock, door.app)
        answer = other.ask("GET", "/", headers={"cookie": f"undertow={cookie}".encode()})
        assert answer.status_code == 303, cookie
    assert is_in(door)


def test_a_user_who_is_taken_out_or_gets_a_new_password_is_out_at_once(
    home: Scene, door: Visit
) -> None:
    door.sign_in()
    path = home.home.root / "users.toml"
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace("nurse", "norse"), encoding="utf-8")
    assert not is_in(door)

    door.sign_in("north")
    path.write_text(before.replace('"north"]', '"south"]', 2), encoding="utf-8")
    assert not is_in(door)


def test_a_users_file_that_others_may_read_lets_nobody_in(home: Scene, door: Visit) -> None:
    door.sign_in()
    (home.home.root / "users.toml").chmod(0o644)

    assert door.look("/").status_code == 503
    assert door.sign_in().status_code == 503


def test_cookies_are_kept_from_scripts_and_other_sites(home: Scene, door: Visit) -> None:
    plain = door.sign_in().headers["set-cookie"].lower()
    secure = visit(home, is_secure=True)
    held = secure.send("/sign-in", {"name": "nurse", "password": PASSWORD}).headers["set-cookie"]

    for part in ("httponly", "samesite=strict", "path=/"):
        assert part in plain
        assert part in held.lower()
    assert "; secure" not in plain
    assert held.startswith("__Host-undertow=")
    assert "; secure" in held.lower()
    assert "domain" not in held.lower()


# the terminal's key


def test_the_key_opens_the_page_once_and_then_there_is_another(keyed: Visit) -> None:
    (key,) = keyed.keys
    shown = keyed.look(f"/key/{key}")
    assert (shown.status_code, hidden(shown.text, "key")) == (200, key)
    assert not is_in(keyed), "looking is not opening"

    assert keyed.send("/sign-in", {"key": key}).status_code == 303
    assert is_in(keyed)
    other = Visit(keyed.desk, keyed.clock, keyed.app)
    assert other.send("/sign-in", {"key": key}).status_code == 401
    assert len(keyed.keys) == 2
    assert other.send("/sign-in", {"key": keyed.keys[1]}).status_code == 303


def test_without_the_key_nobody_comes_in(keyed: Visit) -> None:
    for given in ({"key": ""}, {"key": "x"}, {"name": "nurse", "password": PASSWORD}):
        assert keyed.send("/sign-in", given).status_code == 401
    assert not is_in(keyed)


# links


def link(home: Scene, number: str = "", whom: str = "north@clinic.example", on: date = LAST) -> str:
    return f"/open/{token(secret_of(home.home), Claim(whom, on, number))}"


def test_a_link_without_users_opens_its_recipients_panels_after_a_word(
    home: Scene, keyed: Visit
) -> None:
    known = numbers(home)
    where = link(home, known["ANN"])
    for _ in range(2):
        shown = keyed.look(where)
        assert shown.status_code == 200
        assert "north@clinic.example" in shown.text
        assert "ANN" not in shown.text
        assert not keyed.cookies
    assert not is_in(keyed), "a scanner that looks changes nothing"

    opened = keyed.send(where, {})
    assert (opened.status_code, opened.headers["location"]) == (303, f"/alert/{known['ANN']}")
    assert keyed.look(f"/alert/{known['ANN']}").status_code == 200
    assert keyed.look(f"/alert/{known['BEA']}").status_code == 404
    assert "north@clinic.example" in keyed.record()


def test_a_link_with_users_only_says_where_to_go(home: Scene, door: Visit) -> None:
    number = numbers(home)["ANN"]
    assert "north@clinic.example" in door.look(link(home, number)).text

    assert door.send(link(home, number), {}).headers["location"] == f"/sign-in?to={number}"
    assert not is_in(door)
    door.sign_in()
    assert door.send(link(home, number), {}).headers["location"] == f"/alert/{number}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_that_is_old_or_changed_says_so_and_is_logged_without_what_it_holds(
    home: Scene, keyed: Visit, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = link(home, numbers(home)["ANN"])
    old = link(home, numbers(home)["ANN"], on=NIGHT - timedelta(days=1))
    foreign = f"/open/{token(b'another home', Claim('north@clinic.example', LAST, ''))}"
    assert keyed.look(good).status_code == 200

    for bad, why in ((old, "was good until"), (good[:-1], "changed"), (foreign, "not one of ours")):
        answer = keyed.ask(method, bad, headers={**FORM, **FORM_TYPE})
        assert answer.status_code == 400
        assert why in answer.text
    assert "a link was refused: too old" in caplog.text
    assert "a link was refused: changed" in caplog.text
    own = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("undertow"))
    for secret in (good[6:], "north@", numbers(home)["ANN"]):
        assert secret not in own
    assert not is_in(keyed)


def test_a_link_of_who_gets_no_mails_any_more_opens_nothing(home: Scene, keyed: Visit) -> None:
    for whom in ("left@clinic.example", "operator@localhost"):
        assert keyed.send(link(home, whom=whom), {}).status_code == 403
    assert not is_in(keyed)
    assert keyed.send(link(home), {}).status_code == 303


# what is turned away


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),
        ({"origin": NEAR}, 303),
        ({"origin": NEAR, "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, 403),
        ({}, 403),
    ],
)
def test_a_form_of_another_page_changes_nothing(
    home: Scene, door: Visit, headers: dict[str, str], status: int
) -> None:
    door.sign_in()
    number = numbers(home)["ANN"]
    sent = {**door.fields(number), "text": "x"}

    assert door.send(f"/alert/{number}/comment", sent, headers).status_code == status
    ledger = Ledger(home.home.ledger)
    kinds = [event["kind"] for event in alerts.history(ledger, number)]
    ledger.close()
    assert ("commented" in kinds) == (status == 303)


def test_a_form_without_its_sessions_token_changes_nothing(home: Scene, door: Visit) -> None:
    number = numbers(home)["ANN"]
    door.sign_in()
    theirs = Visit(door.desk, door.clock, door.app)
    theirs.sign_in("north")
    mine, other = door.fields(number), theirs.fields(number)

    for bad in ("", "x", other["token"], "é"):
        answer = door.send(f"/alert/{number}/comment", {**mine, "token": bad, "text": "x"})
        assert answer.status_code == 403
    assert door.send("/sign-out", {"token": "x"}).status_code == 403
    assert is_in(door)
    assert door.send(f"/alert/{number}/comment", {**mine, "text": "x"}).status_code == 303


def test_nothing_is_changed_by_looking(home: Scene, door: Visit) -> None:
    door.sign_in()
    number = numbers(home)["ANN"]
    for path in (f"/alert/{number}/comment", f"/alert/{number}/acknowledge", "/sign-out"):
        assert door.look(path).status_code in (404, 405)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert door.ask(method, f"/alert/{number}", headers=FORM).status_code == 405
    assert is_in(door)


def test_only_its_own_addresses_are_answered(door: Visit) -> None:
    for host in ("evil.example", f"evil.example:{8765}", "127.0.0.1:1", "", f"{HOST}.evil.example"):
        answer = door.look("/sign-in", host=host)
        assert answer.status_code == 421, host
    assert door.look("/sign-in", host=HOST).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../undertow.toml",
        "/..%2f..%2fetc/passwd",
        "/alert/..%2f..%2fusers.toml",
        "/style.css/../users.toml",
        "/alert/%00",
        "/alert/' OR '1'='1",
        "/users.toml",
        "/access.jsonl",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_address_leads_out_of_the_page(door: Visit, path: str) -> None:
    door.sign_in()
    assert door.look(path).status_code == 404


def test_a_form_that_is_too_large_or_odd_is_turned_away(home: Scene, door: Visit) -> None:
    door.sign_in()
    number = numbers(home)["ANN"]
    path, mine = f"/alert/{number}/comment", door.fields(number)

    assert door.send(path, {**mine, "text": "x" * 70_000}).status_code == 413
    assert door.send(path, {**mine, **{f"f{n}": "x" for n in range(30)}}).status_code == 400
    for kind in ("multipart/form-data; boundary=x", "application/json", "text/plain", ""):
        odd = door.ask("POST", path, content=b"x=1", headers={**FORM, "content-type": kind})
        assert odd.status_code == 415, kind
    for seen in ("", "-1", "x", "1" * 40, "²"):
        assert door.send(path, {**mine, "text": "x", "seen": seen}).status_code in (400, 303)
    assert door.send(f"/alert/{number}/delete", mine).status_code == 400


def test_every_answer_forbids_framing_storing_scripts_and_foreign_content(
    home: Scene, door: Visit
) -> None:
    answers = [
        door.look("/sign-in"),
        door.look("/"),
        door.look("/nowhere"),
        door.look("/x", host=""),
    ]
    door.sign_in()
    answers += [door.look("/"), door.look(f"/alert/{numbers(home)['ANN']}"), door.send("/x", {})]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        for name, value in (
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ):
            assert answer.headers[name] == value
    nonces = {
        answer.headers["content-security-policy"].split("nonce-")[1][:22] for answer in answers
    }
    assert len(nonces) == len(answers)
    assert "strict-transport-security" in visit(home, is_secure=True).look("/sign-in").headers
    assert "strict-transport-security" not in answers[0].headers


# what is recorded


def test_every_look_at_a_person_is_recorded_and_holds_nothing_of_them(
    home: Scene, door: Visit
) -> None:
    known = numbers(home)
    door.sign_in("nurse", "wrong")
    door.sign_in("nobody-known")
    door.sign_in()
    door.look("/")
    door.look(f"/alert/{known['ANN']}")
    door.look("/alert/AAAA2222")

    lines = door.record().splitlines()
    assert len(lines) == 5
    assert [line.count(known["ANN"]) for line in lines] == [0, 0, 0, 0, 1]
    assert '"actor": "nurse", "action": "was refused"' in lines[0]
    assert '"actor": "unknown"' in lines[1], "what was typed may be a password"
    for word in ("ANN", "nobody-known", PASSWORD):
        assert word not in door.record()
    assert home.home.access.stat().st_mode & 0o077 == 0


def test_what_cannot_be_recorded_is_not_shown(home: Scene, door: Visit) -> None:
    door.sign_in()
    home.home.access.unlink()
    home.home.access.mkdir()

    answer = door.look(f"/alert/{numbers(home)['ANN']}")
    assert answer.status_code == 503
    assert "ANN" not in answer.text
    assert "cannot be recorded" in answer.text


def test_no_log_holds_a_name_a_number_a_token_or_a_word(
    home: Scene, door: Visit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    number = numbers(home)["ANN"]
    door.sign_in()
    door.answer(number, "comment", text="Canarina lives alone")
    door.answer(number, "comment", text="Canarina \u202e")
    door.look(link(home, number))

    def broken(*_: object, **__: object) -> None:
        raise ValueError("ANN Canarina")

    monkeypatch.setattr("flows.worklist.person.facts", broken)
    assert door.look(f"/alert/{number}").status_code == 500
    assert "failed: ValueError at test_doors.py:" in caplog.text
    own = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("httpx"))
    assert "POST answer 303" in own
    for word in ("ANN", "Canarina", number, "nurse", link(home, number)[6:]):
        assert word not in own, word


def test_a_ledger_that_cannot_be_written_says_that_nothing_changed(
    home: Scene, door: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    number = numbers(home)["ANN"]
    door.sign_in()

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "write", full)
        answer = door.send(f"/alert/{number}/comment", {**door.fields(number), "text": "x"})
    assert answer.status_code == 503
    assert "nothing was changed" in answer.text
    ledger = Ledger(home.home.ledger)
    assert "commented" not in [event["kind"] for event in alerts.history(ledger, number)]
    ledger.close()
    assert door.answer(number, "comment", text="x").status_code == 303


def test_what_was_typed_is_given_back_when_the_session_was_over(home: Scene, door: Visit) -> None:
    number = numbers(home)["ANN"]
    door.sign_in()
    mine = {**door.fields(number), "text": "an hour's <words>"}
    door.clock.later(hours=9)

    answer = door.send(f"/alert/{number}/comment", mine)
    assert answer.status_code == 401
    assert "an hour&#39;s &lt;words&gt;" in answer.text
