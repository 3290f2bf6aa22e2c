"""Compiled code is never older than the files it was made from."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from transforms.compiling import SOURCES, folder

TRANSFORMS = Path(__file__).resolve().parents[2] / "transforms"
HARMLESS = {"synthetic/physiology", "synthetic/worlds"}
"""Imported by a compiled file, but nothing of it is compiled: frames and worlds."""


def imported(path: Path) -> set[str]:
    """The modules of ``transforms`` that a file takes something from."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    mine = {name.removeprefix("transforms.") for name in names if name.startswith("transforms.")}
    return {name.replace(".", "/") for name in mine}


def compiling_files() -> list[Path]:
    return [path for path in TRANSFORMS.rglob("*.py") if "compiling" in imported(path)]


def test_every_compiled_file_is_among_the_sources_with_what_it_takes() -> None:
    assert compiling_files()
    for path in compiling_files():
        name = path.relative_to(TRANSFORMS).with_suffix("").as_posix()
        assert {name, *imported(path)} - {*SOURCES, *HARMLESS} == set()


@pytest.mark.parametrize("changed", SOURCES)
def test_a_change_of_any_source_leaves_what_was_compiled_behind(
    tmp_path: Path, changed: str
) -> None:
    for name in SOURCES:
        copy = tmp_path / f"{name}.py"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((TRANSFORMS / f"{name}.py").read_bytes())
    before = folder(tmp_path)
    assert folder(tmp_path) == before
    with (tmp_path / f"{changed}.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    after = folder(tmp_path)
    assert after != before
    assert (before.exists(), after.exists()) == (False, True)
