"""An adversary who knows the rule works out everything that could lie behind a release.

Every small table is made, released, and grouped by what was told: what a cell may be is what it is
in any table that reads the same. So the adversary uses also which cells are hidden, and why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import product

import polars as pl
import pytest

from transforms.catalog.releases import ReleaseTable
from transforms.release import FEW, RELEASED, released, rounded

LEVELS = ("a", "b", "c")
Counts = tuple[int, ...]
Told = tuple[int | None, ...]
NOTHING = pl.LazyFrame(schema={**RELEASED, "area": pl.String, "kind": pl.String})


def groups(many: Sequence[Counts]) -> pl.DataFrame:
    """Each table as a group of its own: groups are hidden each for itself."""
    size = len(many[0])
    return pl.DataFrame(
        {
            "area": [str(n) for n in range(len(many)) for _ in range(size)],
            "kind": list(LEVELS[:size]) * len(many),
            "patients": [count for counts in many for count in counts],
        }
    )


def told(many: Sequence[Counts], earlier: pl.LazyFrame = NOTHING) -> list[Told]:
    """What a release tells of each table."""
    size = len(many[0])
    table = ReleaseTable(
        name="t", description="", sql="", levels={"area": ("x",), "kind": LEVELS[:size]}
    )
    shown = released(groups(many).lazy(), earlier, table).collect()["shown"].to_list()
    return [tuple(shown[n : n + size]) for n in range(0, len(shown), size)]


def redacted_and_rounded(many: Sequence[Counts]) -> list[Told]:
    """What the rule would tell without second cells."""
    shown = groups(many).select(rounded(pl.col("patients")))["patients"].to_list()
    size = len(many[0])
    return [tuple(shown[n : n + size]) for n in range(0, len(shown), size)]


def recovered(
    size: int, most: int, rule: Callable[[Sequence[Counts]], list[Told]], *, knows_total: bool
) -> list[tuple[Told, int]]:
    """Releases in which a hidden cell can only be one number: what was told, and which cell."""
    many = list(product(range(most + 1), repeat=size))
    behind: dict[object, list[Counts]] = defaultdict(list)
    for counts, shown in zip(many, rule(many), strict=True):
        behind[shown, sum(counts) if knows_total else None].append(counts)
    return [
        (shown, cell)
        for (shown, total), tables in behind.items()  # type: ignore[misc]
        if total is None or FEW < total <= most  # larger totals have tables that were not made
        for cell in range(size)
        if shown[cell] is None and len({counts[cell] for counts in tables}) == 1
    ]


@pytest.mark.parametrize(("size", "most"), [(2, 40), (3, 18)])
@pytest.mark.parametrize("knows_total", [False, True])
def test_no_hidden_count_can_be_worked_out(size: int, most: int, knows_total: bool) -> None:
    assert recovered(size, most, told, knows_total=knows_total) == []


def test_without_second_cells_hidden_counts_can_be_worked_out_by_the_total() -> None:
    assert recovered(2, 40, redacted_and_rounded, knows_total=True)


def test_no_true_total_can_be_worked_out() -> None:
    many = list(product(range(18), repeat=3))  # 18 and more read 20, not all of which are made
    behind = defaultdict(set)
    for counts, shown in zip(many, told(many), strict=True):
        behind[shown].add(sum(counts))

    assert all(len(totals) > FEW for totals in behind.values())


def releases_of_two(most: int, *, is_held: bool) -> dict[object, list[tuple[Counts, Counts]]]:
    """What two nights tell -> the nights that tell it; ``is_held``: against the first release."""
    many = list(product(range(most + 1), repeat=2))
    pairs = list(product(range(len(many)), repeat=2))
    first = told(many)
    earlier = groups([many[n] for n, _ in pairs]).lazy().with_columns(
        release=pl.lit(0, pl.Int64),
        shown=pl.Series([cell for n, _ in pairs for cell in first[n]], dtype=pl.Int64),
    )  # fmt: skip
    second = told([many[n] for _, n in pairs], earlier if is_held else NOTHING)
    behind = defaultdict(list)
    for (n, now), shown in zip(pairs, second, strict=True):
        behind[first[n], shown].append((many[n], many[now]))
    return behind


def telling(behind: dict[object, list[tuple[Counts, Counts]]]) -> tuple[int, int]:
    """Of the pairs of releases: in how many a cell surely changed by 1 to 7 people, and in how many
    a cell is told both times, reads otherwise, and may have changed by so few."""
    surely = perhaps = 0
    for (then, now), nights in behind.items():  # type: ignore[misc]
        for cell in (0, 1):
            few = [1 <= abs(second[cell] - first[cell]) <= FEW for first, second in nights]
            surely += all(few)
            is_told = then[cell] is not None and now[cell] is not None
            perhaps += is_told and then[cell] != now[cell] and any(few)
    return surely, perhaps


def test_two_releases_tell_of_no_few_people_who_came_or_left() -> None:
    assert telling(releases_of_two(14, is_held=True)) == (0, 0)


def test_releases_that_are_not_held_against_each_other_do() -> None:
    _, perhaps = telling(releases_of_two(14, is_held=False))

    assert perhaps > 0
