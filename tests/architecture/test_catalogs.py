"""What is named in one place and meant in another: reasons, expectations, commands, columns."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from expectations.base import suites
from flows.cli import cli
from flows.settings import template
from flows.steps import REBUILD, STEPS
from tests.architecture.test_house import PACKAGES, ROOT, trees
from transforms.catalog.reasons import REASONS, SET_ASIDE
from transforms.readers import reader_names


def labels() -> list[str]:
    return [
        item.label() for stage in ("incoming", "computed") for many in suites(stage).values()
        for item in many
    ]  # fmt: skip


def raised() -> set[str]:
    """Every reason given to an ``UnreadableError`` in the source."""
    return {
        text
        for _, tree in trees(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UnreadableError"
        for argument in node.args[:1]
        for text in texts(argument)
    }


def stated() -> set[str]:
    """Every word of the readers' sources that has the form of a reason and is used as one: what
    a ``reason`` is set to, and what stands in a table of reasons."""
    found = set()
    for name, tree in trees("transforms"):
        if name.startswith("transforms/catalog"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                found |= texts(node.value)
            if isinstance(node, ast.Assign) and "REASON" in ast.unparse(node.targets[0]):
                found |= texts(node.value)
    return {text for text in found if re.fullmatch(r"[a-z]+(_[a-z]+)+", text)}


def texts(node: ast.AST) -> set[str]:
    return {
        part.value.split(":")[0]
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def test_every_reason_a_file_can_be_refused_for_has_its_sentence() -> None:
    assert {"file_empty", "kind_unknown", "too_large", "damaged"} <= raised()
    assert raised() - REASONS.keys() == set()


def test_every_reason_a_row_can_be_refused_for_has_its_sentence() -> None:
    columns = {"source_row", "patient_id", "file_id", "table_name"}

    assert stated() - REASONS.keys() - columns == set()


def test_every_reason_is_a_sentence() -> None:
    assert [name for name, sentence in REASONS.items() if not sentence.endswith(".")] == []
    assert REASONS.keys() >= SET_ASIDE


def test_no_reason_has_two_meanings() -> None:
    assert set(REASONS) & set(labels()) == set()


def test_an_expectation_has_one_sentence_wherever_it_is_stated() -> None:
    sentences: dict[str, set[str]] = {}
    for stage in ("incoming", "computed"):
        for many in suites(stage).values():
            assert len({item.label() for item in many}) == len(many), "twice on one table"
            for item in many:
                sentences.setdefault(item.label(), set()).add(item.sentence)

    assert {label: len(found) for label, found in sentences.items() if len(found) > 1} == {}


def test_an_expectation_says_what_is_wrong_in_a_sentence() -> None:
    for stage in ("incoming", "computed"):
        for many in suites(stage).values():
            for item in many:
                assert item.sentence.endswith("."), item.label()
                assert item.level in ("reject", "warn")


def test_a_night_has_the_steps_of_the_design_each_once() -> None:
    names = [step.name for step in STEPS]

    assert names == [
        "land",
        "read",
        "expect",
        "merge",
        "transform",
        "check",
        "alert",
        "publish",
        "show",
        "send",
    ]
    assert set(REBUILD) < set(STEPS)
    assert {step.name for step in STEPS if step.retries} <= {"land", "send", "show"}


def test_the_template_names_every_reader() -> None:
    for name in reader_names():
        assert name in template()


def commands() -> set[str]:
    """Every command as it is typed."""
    found = set()
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {part}" for part in inner} or {name}
        if isinstance(command, click.Group) and command.invoke_without_command:
            found.add(name)
    return found


def test_every_command_takes_a_home_and_answers_in_json() -> None:
    for typed in commands():
        command: click.Command = cli
        for part in typed.split():
            assert isinstance(command, click.Group)
            command = command.commands[part]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--home", "--json"} <= options, typed


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_every_command_of_a_page_exists(page: str) -> None:
    known = commands()
    for typed in re.findall(r"\bundertow ((?:[a-z]+ ?){1,2})", code(ROOT / page)):
        words = typed.split()
        assert {" ".join(words[:1]), " ".join(words[:2])} & known, f"{page}: undertow {typed}"


def test_every_make_target_of_a_page_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\bmake ([a-z]+)", code(page)):
            assert target in targets, f"{page.name}: make {target}"


def code(page: Path) -> str:
    """The parts of a page that are set as code."""
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
