"""Inputs guided by coverage: what reaches new code of a reader is kept and changed further.

The first byte of an input says which seed's name and settings it is read with, so that the
fuzzer's own corpus holds all of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
from dataclasses import replace
from random import Random
from typing import Any

MOST_BYTES = 200_000


def why_not() -> str | None:
    """Why there is no guidance on this machine, or None."""
    if importlib.util.find_spec("atheris"):
        return None
    return (
        f"atheris is not installed (it is for Linux on x86-64; this is {sysconfig.get_platform()})"
    )


def follow(told: str) -> None:
    """Fuzz the told plan's one reader for its seconds or inputs; then the process ends."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["transforms"]):
        running = importlib.import_module("tests.fuzz.running")
        mutation = importlib.import_module("tests.fuzz.mutation")
        holding = importlib.import_module("tests.fuzz.holding")
    of = running.plan(told)
    (name,) = of.readers
    known = running.seeds(name)
    contents = [case.content for case in known]
    corpus = of.folder / f"corpus-{name}"
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        (corpus / f"seed-{number}").write_bytes(bytes([number]) + content)
    done = 0

    def test(data: bytes) -> None:
        nonlocal done
        own = (data[0] if data else 0) % len(known)
        running.note(of.folder, name, own, data[1:])
        running.judge(of.folder, name, own, replace(known[own], content=data[1:]))
        done += 1
        if done % 50 == 0:
            (of.folder / f"guided-{name}-{of.seed}").write_text(str(done))

    def change(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 the same changes every time are wanted
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        head = data[:1] or b"\0"
        if random.random() < 0.1:
            head = bytes([random.randrange(len(known))])
        return bytes(head + mutation.mutated(data[1:], contents, random))[:most]

    holding.bound_memory()
    limits = [f"-max_total_time={max(int(of.seconds), 1)}", f"-seed={of.seed}", "-timeout=600"]
    runs = -1 if of.inputs == running.ENDLESS else of.inputs
    sizes = [
        f"-runs={runs}",
        f"-max_len={MOST_BYTES}",
        "-rss_limit_mb=4000",
        f"-artifact_prefix={of.folder}/",
    ]
    atheris.Setup([sys.argv[0], *limits, *sizes, str(corpus)], test, custom_mutator=change)
    atheris.Fuzz()
