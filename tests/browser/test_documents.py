"""Mails and the night's pages in a real browser: nothing leaves them, everyone can read them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.browser.conftest import NARROW, Open
from tests.flows import pages
from tests.flows.letters import WATCH, alarm, digest, heartbeat, quiet, sent, standalone
from tests.flows.people import EVIL

pytestmark = pytest.mark.slow

Document = Callable[[], str]
MAILS: dict[str, Document] = {
    "digest with detail": lambda: standalone(sent(digest(is_detailed=True))),
    "digest": lambda: standalone(sent(digest(is_detailed=False))),
    "quiet": lambda: standalone(sent(quiet())),
    "heartbeat": lambda: standalone(sent(heartbeat())),
    "alarm": lambda: standalone(sent(alarm(**WATCH))),
}
PAGES: dict[str, Document] = {
    "night": pages.page,
    "care team": pages.care,
    "first night": pages.empty,
    "index": pages.index,
}
DOCUMENTS = MAILS | PAGES
HOSTILE = ("digest with detail", "heartbeat", "night", "care team", "index")
INNER = "<script>alert('1')</script>"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_can_be_read_by_everyone_by_day_by_night_and_on_a_phone(
    name: str, show: Open
) -> None:
    shown = show(DOCUMENTS[name](), width=NARROW)

    assert shown.overflow() == 0
    assert shown.findings() == []
    assert shown.background() > 240
    shown.page.emulate_media(color_scheme="dark")
    assert shown.background() < 40
    assert shown.findings("color-contrast") == []
    assert shown.complaints == []
    assert [url for url in shown.requests if not url.startswith("data:")] == [shown.page.url]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_stays_text(name: str, show: Open) -> None:
    shown = show(DOCUMENTS[name]())
    text = shown.page.locator("main").inner_text()

    assert shown.page.locator("script").count() == 0
    assert INNER in text
    assert "\u202e" not in text
    assert shown.complaints == []


def test_what_is_grave_wide_or_fetched_is_noticed(show: Open) -> None:
    shown = show(
        '<!doctype html><html><body><main style="background:#fff"><img src="gone.png">'
        f'<p style="color:#ccc;width:900px">{EVIL}</p></main></body></html>',
        width=NARROW,
    )

    assert {item.split(":")[0] for item in shown.findings()} >= {
        "image-alt",
        "color-contrast",
        "html-has-lang",
    }
    assert shown.overflow() > 500
    assert len(shown.requests) == 2
    assert "dialog" in shown.complaints


@pytest.mark.parametrize("name", ["night", "care team", "index"])
def test_no_style_and_no_script_can_be_slipped_into_a_page(name: str, show: Open) -> None:
    given = PAGES[name]().replace(
        "</main>", '<p id="x" style="color:red">x</p><script>1</script></main>'
    )
    shown = show(given)

    assert len([said for said in shown.complaints if "Content Security Policy" in said]) == 2
    colour = shown.page.evaluate("getComputedStyle(document.getElementById('x')).color")
    assert colour != "rgb(255, 0, 0)"


def test_a_page_can_be_walked_by_keyboard(show: Open) -> None:
    shown = show(pages.care(), width=NARROW)
    seen = []
    for _ in range(12):
        shown.page.keyboard.press("Tab")
        seen.append(str(shown.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")))

    assert any('href="2026-02-28.html"' in html for html in seen)
    assert any("index.html" in html for html in seen)
    assert any("<summary>" in html for html in seen)
    shut = shown.page.locator("details:not([open])")
    before = shut.count()
    shut.locator("summary").first.focus()
    shown.page.keyboard.press("Enter")
    assert shut.count() == before - 1


def test_headings_of_a_page_go_down_by_one_and_every_table_has_heads(show: Open) -> None:
    for document in (pages.page(), pages.care()):
        page = show(document).page
        levels = [int(tag[1]) for tag in page.locator("h1, h2, h3").evaluate_all(_TAGS)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        tables, heads = page.locator("table").count(), page.locator("table:has(th[scope])").count()
        assert tables == heads > 5


_TAGS = "items => items.map(item => item.tagName)"


def test_a_picture_speaks_for_who_does_not_see_it(show: Open) -> None:
    page = show(pages.care()).page
    labels = page.locator("svg[role=img]").evaluate_all("all => all.map(s => s.ariaLabel)")

    assert len(labels) > 20
    assert all(labels)
    assert any("level now 27.0" in label for label in labels)
    images = show(DOCUMENTS["digest with detail"]()).page.locator("img")
    assert all("level now" in alt for alt in images.evaluate_all("all => all.map(i => i.alt)"))
    assert images.evaluate_all("all => all.every(i => i.naturalWidth > 600)")


def test_letters_of_a_picture_are_large_enough_on_a_phone(show: Open) -> None:
    page = show(pages.care(), width=NARROW).page
    heights = page.locator("figure svg text").evaluate_all(
        "all => all.map(t => t.getBoundingClientRect().height)"
    )

    assert min(heights) > 9


def test_printed_a_page_shows_by_daylight_what_is_open_and_cuts_no_row(show: Open) -> None:
    shown = show(pages.care(), dark=True)
    shown.page.emulate_media(media="print", color_scheme="dark")

    assert (
        shown.background() == 255
        or shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert not shown.page.locator("nav").is_visible()
    assert (
        shown.page.locator("tr").first.evaluate("r => getComputedStyle(r).breakInside") == "avoid"
    )
    assert shown.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
