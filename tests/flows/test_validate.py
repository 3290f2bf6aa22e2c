"""The command `validate`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from flows.validate import (
    COMPARED,
    Report,
    as_page,
    blocks,
    headline,
    plain,
    reported,
    sheets,
)
from tests.flows.scene import Said, undertow
from transforms.rivals import RIVALS
from transforms.synthetic.worlds import SCENARIOS, Wishes, wished
from transforms.validation import MODEL, ORACLE, Bin

SMALL = ("--people", "100", "--draws", "4")


@pytest.fixture(scope="module")
def report() -> Report:
    plan = (SCENARIOS["base"], wished(SCENARIOS["base"], Wishes(draws=5)))
    return reported(plan, 200, 1205, iter([None] * 4), with_oracle=True)


@pytest.fixture(scope="module")
def said() -> Said:
    return undertow("validate", *SMALL)


def test_the_tables_name_every_method_and_their_errors(said: Said) -> None:
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("World base: the world that the model was fitted in. ")
    for name in (MODEL, *(rival.name for rival in RIVALS)):
        assert re.search(rf"^{re.escape(name)} +0\.\d{{3}} ±\.\d{{3}}", said.out, re.MULTILINE)
    for title in ("Who is put first", "Fixed rules", "What the model claims", "Before glucose"):
        assert title in said.out
    assert "\x1b" not in said.out


def test_the_same_arguments_say_the_same_and_another_seed_does_not(said: Said) -> None:
    assert undertow("validate", *SMALL).out == said.out
    assert undertow("validate", *SMALL, "--seed", "1206").out != said.out


def test_for_machines_there_is_one_document_without_anything_that_is_no_number() -> None:
    found = undertow("validate", *SMALL, "--json", "--prevalence", "0.2", "--repeat", "2")
    assert (found.code, found.err) == (0, "")
    document = json.loads(found.out, parse_constant=pytest.fail)
    assert document["changed"]["prevalence"] == 0.2
    (world,) = document["worlds"]
    assert (world["world"], world["draws_a_visit"], world["seed"]) == ("base", 2, 3001)
    assert [row["name"] for row in world["rows"]] == [MODEL, *(r.name for r in RIVALS)]
    assert sum(b["people"] for b in world["bins"]) == world["people"]
    assert 0.1 < world["positive"] / world["people"] < 0.3


def test_several_worlds_come_one_after_the_other() -> None:
    found = undertow("validate", *SMALL, "--world", "clean", "--world", "smooth", "--json").json
    assert [world["world"] for world in found["worlds"]] == ["clean", "smooth"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--world", "mars"), "no world is called mars; there are base"),
        (("--draws", "11"), "11 is not in the range"),
        (("--people", "5"), "5 is not in the range"),
        (("--every", "0"), "years between draws must be above zero"),
        (("--prevalence", "0.9"), "a prevalence must lie between"),
        (("--world", "smooth", "--prevalence", "0.1"), "world smooth has no classes"),
        (("--insulin-cv", "nan"), "the insulin CV must be above zero"),
        (("--html", "/nowhere/at/all.html"), "there is no folder /nowhere/at"),
    ],
)
def test_what_cannot_be_asked_is_code_two_and_says_why(
    arguments: tuple[str, ...], says: str
) -> None:
    found = undertow("validate", *arguments)
    assert (found.code, found.out) == (2, "")
    assert says in found.err


def test_the_oracle_stands_first_and_the_model_is_measured_against_it(report: Report) -> None:
    assert [row.name for row in report.rows][:2] == [ORACLE, MODEL]
    assert report.to_oracle is not None
    first, second = report.rows[0].ranking.auroc, report.rows[1].ranking.auroc
    assert report.to_oracle.ranking.auroc == pytest.approx(second / first)
    assert "this model / oracle" in plain(sheets(report)[0])
    assert [row.name for row in report.strata[0].rows] == [ORACLE, *COMPARED]


def test_where_draws_are_repeated_there_is_no_oracle() -> None:
    plan = (SCENARIOS["dup"], wished(SCENARIOS["dup"], Wishes(draws=3)))
    found = reported(plan, 100, 1205, iter([None] * 4), with_oracle=True)
    assert found.to_oracle is None
    assert found.rows[0].name == MODEL
    assert "no oracle" in sheets(found)[0].note


def test_a_seed_that_flatters_is_named(report: Report) -> None:
    assert "flatters" not in headline(report)
    assert "Seed 202 flatters the model" in headline(replace(report, seed=202))


def test_blocks_show_what_is_true_and_the_bar_what_is_claimed() -> None:
    honest = Bin(0.4, 0.5, 10, 0.45, 0.45, 0.1)
    assert blocks(honest) == "█" * 9 + "|" + "·" * 11
    assert blocks(replace(honest, true=0.25)) == "█" * 5 + "·" * 4 + "|" + "·" * 11
    assert blocks(replace(honest, true=0.75)) == "█" * 9 + "|" + "█" * 6 + "·" * 5
    assert blocks(replace(honest, people=0)) == ""


class Page(HTMLParser):
    """Tags with their attributes, and whether they close as they should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(report: Report) -> None:
    text = as_page([report])
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?:|url\(|@import| on\w+=", text)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert page.count("table") == len(sheets(report))


def test_the_page_draws_every_bin_that_has_people_and_every_bar(report: Report) -> None:
    page = Page(as_page([report]))
    assert page.count("circle") == sum(b.people > 0 for b in report.bins) > 3
    bars = sum(len(stratum.rows) for stratum in report.strata)
    assert page.count("rect") == bars + 2
    for tag, a in page.tags:
        if tag == "rect":
            assert 0 <= float(a["y"]) <= 100
            assert float(a["y"]) + float(a["height"]) == pytest.approx(100, abs=0.02)


def test_what_a_world_says_is_escaped(report: Report) -> None:
    text = as_page([replace(report, sentence="<script>alert(1)</script> & more")])
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text


def test_the_page_is_written_beside_what_is_printed(tmp_path: Path, said: Said) -> None:
    target = tmp_path / "page.html"
    assert undertow("validate", *SMALL, "--html", str(target)).out == said.out
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "World base" in target.read_text(encoding="utf-8")
