"""Compile loops, and keep what was compiled for as long as what it was made from stays the same.

The compiler keeps a function by the date of its own file, while what it calls from other files is
compiled into it. Here it is kept in a folder named by the content of all files concerned, so that
it is never older than any of them, however they came to change.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

SOURCES = (
    "catalog/prior",
    "censored",
    "cgm_excursions",
    "compiling",
    "kernel",
    "normals",
    "passes",
    "shapes",
    "synthetic/oracle",
)
"""The files that are compiled, or that compiled ones take something from."""
_HERE = Path(__file__).parent
_PREFIX = "compiled-"


def folder(here: Path) -> Path:
    """Where compiled code of the files as they are is kept; that of other days is thrown away."""
    digest = sha256(numba.__version__.encode())
    for name in SOURCES:
        digest.update((here / f"{name}.py").read_bytes())
    kept = here / "__pycache__" / f"{_PREFIX}{digest.hexdigest()[:12]}"
    if not kept.exists():
        for old in kept.parent.glob(f"{_PREFIX}*"):
            rmtree(old, ignore_errors=True)
        kept.mkdir(parents=True, exist_ok=True)
    return kept


if os.access(_HERE, os.W_OK):
    numba.config.CACHE_DIR = str(folder(_HERE))  # type: ignore[attr-defined]


def compiled(function: Function) -> Function:
    """Compile; in every process anew where there is no folder to keep compiled code in.

    Division as NumPy divides: Python's check for zero makes the inner loop eight times slower.
    """
    try:
        made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("Function", made)


def inlined(function: Function) -> Function:
    """Compile into every function that calls it: a loop with a call in it is not vectorised."""
    made = numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)
    return cast("Function", made)
