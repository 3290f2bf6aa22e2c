"""The work-list in a real browser: by keyboard alone, no grave finding, narrow, dark, printed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from flows.worklist.serving import Listening, prepared
from tests.browser.conftest import NARROW, WIDE, Open, Shown
from tests.flows import scene as scenes
from tests.flows.scene import CLIMBING, NIGHT, Scene, labs, patients, series
from tests.flows.worklist.visiting import HOSTILE, NOW, PASSWORD, SETTINGS, enrol, numbers
from transforms.alerting import Happening
from warehouse import alerts
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

BACK = "the results it rested on were corrected"


@dataclass(frozen=True)
class Served:
    """A page that is served, and the home it is of."""

    address: str
    scene: Scene

    def of(self, patient: str) -> str:
        """The address of a patient's page."""
        return f"{self.address}/alert/{numbers(self.scene)[patient]}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Four people climb; one alert was taken back, one waits too long."""
    made = scenes.scene(tmp_path_factory.mktemp("served") / "home")
    made.set(SETTINGS)
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    rows = [row for name in ("ANN", "BEA", "CAT") for row in series(name, CLIMBING)]
    rows += [row.replace("X1", quoted, 1) for row in series("X1")]
    made.drop("clinic_csv/labs-1.csv", labs(*rows))
    made.drop("clinic_csv/patients-1.csv", patients("ANN", "BEA", "CAT"))
    (made.home.root / "panels.csv").write_text("patient_id,panel\nANN,north\n", encoding="utf-8")
    made.night(NIGHT)
    enrol(made, nurse=())
    known = numbers(made)
    ledger = Ledger(made.home.ledger)
    with ledger.transaction():
        events = [
            Happening(known["BEA"], "retracted", {"because": BACK}),
            Happening(known[HOSTILE], "escalated", {"level": 1}),
        ]
        alerts.note(ledger, events, NIGHT, NOW)
    ledger.close()
    page = prepared(made.home, made.settings(), Listening(port=0), lambda: NOW, print, "me")
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    yield Served(page.address, made)
    page.server.should_exit = True
    thread.join(20)


def signed_in(shown: Shown) -> Shown:
    """Through the door by keyboard: the first field has the focus."""
    shown.page.wait_for_selector("#name:focus")
    shown.page.keyboard.type("nurse")
    shown.page.keyboard.press("Tab")
    shown.page.keyboard.type(PASSWORD)
    shown.page.keyboard.press("Enter")
    shown.page.wait_for_selector("nav.tabs")
    return shown


def focused(page: Page) -> str:
    """What has the focus: its text or its name."""
    said = "(e => e.innerText || e.name || e.id)(document.activeElement)"
    return str(page.evaluate(said)).strip()


def tab_to(page: Page, what: str) -> None:
    """Press Tab until it has the focus, which must be visible."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == what:
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) != "none", f"{what} does not show its focus"
            return
    raise AssertionError(f"{what} cannot be reached by keyboard")


def test_by_keyboard_alone_from_the_door_to_an_acknowledged_alert(
    served: Served, show: Open
) -> None:
    page = signed_in(show(f"{served.address}/", width=WIDE)).page
    page.keyboard.press("Tab")
    assert focused(page) == "To the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

    tab_to(page, "ANN")
    page.keyboard.press("Enter")
    page.wait_for_selector(".evidence")
    tab_to(page, "note")
    page.keyboard.type("Phoned.")
    page.keyboard.press("Tab")
    assert focused(page) == "Acknowledge"
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status]")

    assert page.inner_text("[role=status]") == "Acknowledged."
    assert "Phoned." in page.inner_text(".life")
    page.keyboard.press("Tab")
    tab_to(page, "Snooze")
    page.keyboard.press("Enter")
    assert page.is_visible("#until")


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_every_page_has_no_grave_finding_and_fits(
    served: Served, show: Open, width: int, dark: bool
) -> None:
    shown = show(f"{served.address}/", width=width, dark=dark)
    pages = {"door": (shown.findings(), shown.overflow())}
    signed_in(shown)
    places = ["/", "/?state=all&sort=newest", "/?state=snoozed", "/nowhere"]
    for place in [
        *(served.address + place for place in places),
        served.of("CAT"),
        served.of("BEA"),
    ]:
        shown.page.goto(place)
        shown.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        pages[place] = (shown.findings(), shown.overflow())

    assert pages == dict.fromkeys(pages, ([], 0))
    assert (shown.background() < 60) == dark
    assert [said for said in shown.complaints if "404" not in said] == []
    assert {address.split("/")[2] for address in shown.requests if address.startswith("http")} == {
        served.address.split("/")[2]
    }


def test_what_was_refused_is_announced_and_leads_to_its_field(served: Served, show: Open) -> None:
    shown = signed_in(show(f"{served.address}/", width=NARROW))
    page = shown.page
    page.goto(served.of("CAT"))
    page.click("text=Was it useful?")
    page.check("input[value=no]")
    page.click("text=Note it")
    page.wait_for_selector("[role=alert]")

    page.click("[role=alert] a")
    assert page.evaluate("document.activeElement.id || location.hash") in ("why", "#why")
    assert page.get_attribute("#why", "aria-invalid") == "true"
    assert page.is_checked("input[value=no]")
    assert shown.findings() == []
    assert shown.overflow() == 0


def test_what_was_taken_back_is_said_first_and_loud(served: Served, show: Open) -> None:
    page = signed_in(show(f"{served.address}/", width=NARROW)).page
    page.goto(served.of("BEA"))

    said = page.inner_text(".banner")
    assert "Do not act on this alert" in said
    assert BACK in said
    box = page.locator(".banner").bounding_box()
    assert box
    assert box["y"] < 500, "on the first screen of a phone"


def test_an_attack_in_a_name_and_a_comment_is_shown_as_text(served: Served, show: Open) -> None:
    shown = signed_in(show(f"{served.address}/"))
    shown.page.goto(served.of(HOSTILE))
    shown.page.click("summary:has-text('Comment')")
    shown.page.fill("#text", f"{HOSTILE}<img src=x onerror=alert(2)>")
    shown.page.click("text=Add the comment")
    shown.page.wait_for_selector("[role=status]")

    assert shown.page.inner_text("h1") == HOSTILE
    assert f"{HOSTILE}<img src=x" in shown.page.inner_text(".life")
    assert shown.complaints == []


def test_the_page_cannot_be_framed_and_forms_of_others_do_nothing(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    context: BrowserContext = browser.new_context()
    page = context.new_page()
    elsewhere = tmp_path / "evil.html"
    number = numbers(served.scene)["CAT"]
    elsewhere.write_text(
        f'<iframe src="{served.address}/sign-in"></iframe><form method="post" '
        f'action="{served.address}/alert/{number}/comment"><input name="text" value="evil">'
        '<input name="seen" value="9"><input name="token" value=""><button>x</button></form>',
        encoding="utf-8",
    )
    page.goto(elsewhere.as_uri())
    framed = page.frames[1]
    assert "Sign in" not in framed.content()
    page.click("button")
    page.wait_for_selector("h1")
    assert page.inner_text("main p") == "The form did not come from a page of the work-list."
    context.close()


def test_the_key_and_a_link_are_opened_by_a_button(served: Served, show: Open) -> None:
    keys: list[str] = []
    scene = served.scene
    settings = scene.settings()
    settings.worklist.users_file = None
    page = prepared(scene.home, settings, Listening(port=0), lambda: NOW, keys.append, "me")
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    assert page.key
    page.key.show()
    shown = show(keys[0].split()[1], width=NARROW)
    assert (shown.findings(), shown.overflow()) == ([], 0)
    assert focused(shown.page) == "Open"
    shown.page.keyboard.press("Enter")
    shown.page.wait_for_selector("nav.tabs")
    assert len(keys) == 2
    page.server.should_exit = True
    thread.join(20)


def test_printed_it_has_no_forms_and_its_colours_are_daylight(served: Served, show: Open) -> None:
    shown = signed_in(show(f"{served.address}/", dark=True))
    shown.page.goto(served.of("CAT"))
    shown.page.emulate_media(media="print")

    assert not shown.page.is_visible("button")
    assert not shown.page.is_visible("nav")
    assert shown.page.is_visible("table")
    assert shown.background() == 255
