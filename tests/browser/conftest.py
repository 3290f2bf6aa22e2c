"""One browser for all tests of a session, and pages that tell what they asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NARROW, WIDE = 320, 1000
GRAVE = ("serious", "critical")


@dataclass
class Shown:
    """A page in the browser: what it asked for, and what the browser complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def findings(self, *rules: str) -> list[str]:
        """Grave findings of axe, by all its rules or these, each with where it stands."""
        options = {"runOnly": list(rules)} if rules else {}
        found = Axe().run(self.page, options=options).response["violations"]
        return [
            f"{item['id']}: {node['html'][:120]}"
            for item in found
            if item["impact"] in GRAVE
            for node in item["nodes"]
        ]

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        said = "document.documentElement.scrollWidth - window.innerWidth"
        return max(int(self.page.evaluate(said)), 0)

    def background(self) -> int:
        """How light the page's ground is, 0 to 255."""
        said = "getComputedStyle(document.querySelector('main')).backgroundColor"
        numbers = str(self.page.evaluate(said)).strip("rgba()").split(",")[:3]
        return sum(map(int, numbers)) // 3


Open = Callable[..., Shown]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; without one these tests are skipped."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(CHROMIUMS)})")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """``show(html or address, width=..., dark=...)``: a page, opened from a file of its own."""
    contexts = []

    def shown(target: str | Path, *, width: int = WIDE, dark: bool = False, **more: Any) -> Shown:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            **more,
        )
        contexts.append(context)
        made = Shown(context.new_page())
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.on("console", lambda message: _complain(made, message))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on("dialog", lambda dialog: (made.complaints.append("dialog"), dialog.dismiss()))
        made.page.goto(_address(target, tmp_path / f"{len(contexts)}.html"))
        return made

    yield shown
    for context in contexts:
        context.close()


def _complain(made: Shown, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        made.complaints.append(message.text)


def _address(target: str | Path, place: Path) -> str:
    """The address of a file, of an address, or of HTML once it is a file."""
    if isinstance(target, Path):
        return target.as_uri()
    if target.startswith(("http://", "https://")):
        return target
    place.write_text(target, encoding="utf-8")
    return place.as_uri()
