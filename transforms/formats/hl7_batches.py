"""HL7 v2 batches and files of batches: whether the counts they state are what came."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.landing import REJECTS


def batch_rejects(segments: pl.DataFrame) -> pl.DataFrame:
    """Rejects of batch segments (``line``, ``kind``, ``sep``, ``text``, with the MSH between them):
    BTS and FTS whose count is not what came, BHS and FHS that are never closed."""
    count, opened, wrong = {"BTS": 0, "FTS": 0}, {"BTS": 0, "FTS": 0}, []
    closer = {"BHS": "BTS", "FHS": "FTS"}
    for line, kind, mark, text in segments.sort("line").iter_rows():
        if kind == "MSH":
            count["BTS"] += 1
        elif kind in closer:
            wrong += _unclosed(opened, ("BTS",) if kind == "BHS" else ("BTS", "FTS"))
            opened[closer[kind]], count[closer[kind]] = line, 0
        else:
            if kind == "FTS":
                wrong += _unclosed(opened, ("BTS",))
            stated = text.split(mark)[1].strip() if mark in text else ""
            found = count[kind] or (kind == "FTS" and count["BTS"] > 0)
            if stated.isdecimal() and int(stated[:18]) != found:
                wrong.append((line, f"batch_count_wrong:{stated[:18]} stated, {int(found)} found"))
            opened[kind], count["FTS"] = 0, count["FTS"] + (kind == "BTS")
            count[kind] = 0
    wrong += _unclosed(opened, ("BTS", "FTS"))
    rows = [(line, reason, None) for line, reason in sorted(wrong)]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def _unclosed(opened: dict[str, int], kinds: Sequence[str]) -> list[tuple[int, str]]:
    found = [(opened[kind], f"batch_count_wrong:no {kind}") for kind in kinds if opened[kind]]
    opened.update(dict.fromkeys(kinds, 0))
    return found
