"""The laws of the house, checked on its own source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from transforms.readers import reader_names

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "expectations", "warehouse", "transforms")
LONG = ("transforms/catalog/",)
"""Reviewed data, a record a line, as long as there are records."""
LINES = 500
VAGUE = re.compile(r"^(utils?|helpers?|managers?|misc|common)(_|$)|_(utils?|helpers?|managers?)$")

OF_LIBRARIES = {"get_connection"}
"""Names that a library calls."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def trees(*folders: str) -> list[tuple[str, ast.Module]]:
    """Every file, by its name."""
    return [(str(path.relative_to(ROOT)), parsed(path)) for path in sources(*folders)]


@cache
def parsed(path: Path) -> ast.Module:
    """A file, parsed once for all that is asked of it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-2000:]


def test_the_locks_name_no_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))

    assert locks
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*PACKAGES)
    }
    long = {name: n for name, n in lengths.items() if n > LINES and not name.startswith(LONG)}

    assert long == {}


def test_no_name_is_vague() -> None:
    named = [path.stem for path in sources(*PACKAGES, "tests")]
    named += [node.name for _, tree in trees(*PACKAGES, "tests") for node in functions(tree)]

    vague = {name for name in named if name.startswith("get_") or VAGUE.search(name)}
    assert vague - OF_LIBRARIES == set()


@pytest.mark.parametrize(
    ("name", "is_vague"),
    [
        *[(name, True) for name in ("utils", "helper", "manager", "file_utils", "manager_of_x")],
        *[(name, False) for name in ("managed", "commonest", "futile", "outbox")],
    ],
)
def test_a_vague_name_is_told_from_another(name: str, is_vague: bool) -> None:
    assert bool(VAGUE.search(name)) == is_vague


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions, classes and methods that others may use."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    item
                    for item in node.body
                    if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")
                )


def test_everything_public_says_what_it_is() -> None:
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in trees(*PACKAGES)
        for node in public(tree)
        if not ast.get_docstring(node) and not says_so_otherwise(node)
    ]
    modules = [name for name, tree in trees(*PACKAGES) if not ast.get_docstring(tree)]

    assert silent + modules == []


def says_so_otherwise(node: ast.AST) -> bool:
    """An expectation says what it is by its sentence."""
    return isinstance(node, ast.ClassDef) and any(
        isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == "sentence"
        for item in node.body
    )


def test_no_two_tests_of_a_file_have_the_same_name() -> None:
    for name, tree in trees("tests"):
        tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert len(tests) == len(set(tests)), name


def test_only_the_outside_asks_for_the_time_or_the_environment() -> None:
    forbidden = {"now", "today", "utcnow", "environ", "getenv"}
    found = [
        f"{name}:{node.lineno} {node.attr}"
        for name, tree in trees("expectations", "warehouse", "transforms")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in forbidden
    ]

    assert found == []


def test_nothing_of_the_house_reaches_the_network_but_mail_prefect_and_the_listener() -> None:
    network = {"socket", "urllib", "http", "requests", "httpx", "ftplib", "smtplib"}
    users = {
        name
        for name, tree in trees(*PACKAGES)
        for node in ast.walk(tree)
        for module in imported(node)
        if module.split(".")[0] in network
    }

    page = "flows/worklist/serving.py"
    assert users == {"flows/listen.py", "flows/serve.py", "flows/smtp.py", page}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_every_reader_has_its_row_in_the_page_of_sources() -> None:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z0-9_]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", page, re.M))))
    assert told >= set(reader_names())
    assert {name for name in told if "_" not in name} <= set(reader_names()) | {"utc", "setting"}
