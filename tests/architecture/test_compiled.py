"""Compiled code is never older than the files it was made from.

A compiled function is cached by the date of its own file, while what it calls from other files is
compiled into it. So each compiled file says by hash which others it was made with: a change of one
of these changes it too.
"""

from __future__ import annotations

import ast
from hashlib import sha256
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "transforms"
COMPILED = ("normals", "kernel", "passes")
ALONE = ("censored", "synthetic/oracle")
"""Compiled, but from nothing of other files than the decorator and what never changes."""
LASTING = {"compiled", "_compiled", "DAYS_PER_YEAR"}


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:12]


def made_with(tree: ast.Module) -> dict[str, str]:
    """The literal ``MADE_WITH`` of a module."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name("MADE_WITH")], value=value):
                return dict(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name("MADE_WITH"), value=ast.expr() as value):
                return dict(ast.literal_eval(value))
    return {}


def imported(tree: ast.Module) -> set[str]:
    """The modules of ``transforms`` that a module takes something from."""
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.removeprefix("transforms.") for name in names if name.startswith("transforms.")}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_code_is_made_with_the_files_as_they_are(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    right = {other: digest((FOLDER / f"{other}.py").read_bytes()) for other in imported(tree)}
    assert made_with(tree) == right, (
        f"transforms/{name}.py inlines what has changed: set its MADE_WITH to {right}"
    )


def taken(tree: ast.Module) -> set[str]:
    """What a module takes from the compiled ones."""
    files = {f"transforms.{name}" for name in COMPILED}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in nodes if node.module in files for alias in node.names}


def test_every_compiled_file_is_known_and_those_alone_take_only_what_lasts() -> None:
    trees = {
        path.relative_to(FOLDER).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in FOLDER.rglob("*.py")
    }
    users = {name for name, tree in trees.items() if taken(tree) & {"compiled", "_compiled"}}
    assert users - {*COMPILED} <= {*ALONE}
    assert [name for name in ALONE if name in trees and taken(trees[name]) - LASTING] == []
    assert taken(trees["passes"]) - LASTING


def test_a_file_that_changed_is_told_by_its_digest() -> None:
    tree = ast.parse(f'from transforms.b import x\nMADE_WITH = {{"b": "{digest(b"once")}"}}\n')
    assert imported(tree) == {"b"}
    assert made_with(tree) == {"b": digest(b"once")}
    assert made_with(tree) != {"b": digest(b"now")}
