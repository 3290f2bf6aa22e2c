"""The index catalog as a table and as a page for people.

`python -m transforms.catalog.index_page > docs/indices.md` writes the page anew; a test holds it to
the records.
"""

from __future__ import annotations

import sys

import polars as pl

from transforms.catalog.indices import INDICES, SYMBOLS, Index, Input

BETTER = {1: "higher is worse", -1: "lower is worse", 0: "neither by itself"}


def definition_frame() -> pl.DataFrame:
    """One row an index: ``index``, ``title``, ``unit``, ``formula`` (text), ``inputs`` (list of
    text), ``population``, ``limits``, ``direction``, ``evidence_grade``, ``citation``,
    ``reviewed``, ``next_review``."""
    return pl.DataFrame(
        {
            "index": [item.name for item in INDICES],
            "title": [item.title for item in INDICES],
            "unit": [item.unit for item in INDICES],
            "formula": [item.written for item in INDICES],
            "inputs": [[_needed(need) for need in item.inputs] for item in INDICES],
            "population": [item.population for item in INDICES],
            "limits": [item.limits for item in INDICES],
            "direction": [item.direction for item in INDICES],
            "evidence_grade": [item.evidence_grade for item in INDICES],
            "citation": [item.citation for item in INDICES],
            "reviewed": [item.reviewed for item in INDICES],
            "next_review": [item.next_review for item in INDICES],
        }
    )


def _needed(need: Input) -> str:
    window = f", within {need.window_days} days" if need.window_days else ""
    return f"{need.words} [{need.unit}{window}]" if need.kind != "person" else need.words


def page() -> str:
    """The page, Markdown."""
    parts = [
        "# Indices",
        "Every index that is computed from stored results, from the catalog's own records. Outside "
        "its limits an index has a reason in place of a value (`index_value.reason`). No index says "
        "which tissue is resistant.",
        f"{SYMBOLS}.",
        *(_section(item) for item in INDICES),
    ]
    return "\n\n".join(parts) + "\n"


def _section(item: Index) -> str:
    checks = "; ".join(reason for _, reason in item.checks)
    facts = {
        "Formula": f"`{item.written}`",
        "Needs": "; ".join(_needed(need) for need in item.inputs),
        "Derived in": item.population,
        "Limits": item.limits,
        "No value": checks,
        "Direction": BETTER[item.direction],
        "Evidence": f"grade {item.evidence_grade}",
        "Examples": ", ".join(f"case {case}: {value:g}" for case, value in item.examples),
        "Source": f"{item.citation}; reviewed {item.reviewed}, again {item.next_review}",
    }
    lines = [f"- **{name}**: {text}" for name, text in facts.items() if text]
    return "\n".join([f"## {item.title} (`{item.name}`, {item.unit})", "", *lines])


if __name__ == "__main__":
    sys.stdout.write(page())
