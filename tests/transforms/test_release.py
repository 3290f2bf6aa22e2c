"""Few people are never told, nor can they be worked out: from sums, nor from two releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.catalog.indices import INDICES
from transforms.catalog.releases import ALL, OTHER, RELEASES, ReleaseTable
from transforms.release import (
    FEW,
    REDACTED,
    RELEASED,
    cells,
    differences,
    harmless,
    printed,
    released,
    rounded,
)

LEVELS = ("a", "b", "c", "d")


def table(size: int = 4, means: tuple[str, ...] = ()) -> ReleaseTable:
    levels = {"area": ("north",), "kind": LEVELS[:size]}
    return ReleaseTable(name="t", description="", sql="", levels=levels, means=means)


def exact(*counts: int, mean: Sequence[float | None] = ()) -> pl.LazyFrame:
    facts: dict[str, Any] = {
        "area": ["north"] * len(counts),
        "kind": LEVELS[: len(counts)],
        "patients": counts,
    }
    return pl.LazyFrame(facts | ({"m": mean} if mean else {}))


def log(*releases: pl.DataFrame, means: tuple[str, ...] = ()) -> pl.LazyFrame:
    schema = {
        **RELEASED,
        **dict.fromkeys(("area", "kind"), pl.String),
        **dict.fromkeys(means, pl.Float64),
    }
    rows = [each.with_columns(release=pl.lit(n)) for n, each in enumerate(releases)]
    return pl.concat(
        [pl.LazyFrame(schema=schema)]
        + [row.lazy().select(*(pl.col(c).cast(t) for c, t in schema.items())) for row in rows]
    )


def after(*nights: Sequence[int]) -> list[pl.DataFrame]:
    """What each of several releases, one after another, holds."""
    done: list[pl.DataFrame] = []
    for counts in nights:
        done.append(released(exact(*counts), log(*done), table(len(counts))).collect())
    return done


def shown(*nights: Sequence[int]) -> list[int | None]:
    return after(*nights)[-1]["shown"].to_list()


def hidden(*nights: Sequence[int]) -> list[str | None]:
    return after(*nights)[-1]["hidden"].to_list()


def people(**counts: int) -> pl.LazyFrame:
    """``people(a=3)``: three people of the kind ``a``."""
    rows = [
        (f"{kind}{n}", "north", kind, float(n))
        for kind, size in counts.items()
        for n in range(size)
    ]
    return pl.LazyFrame(rows, schema=["patient_id", "area", "kind", "m"], orient="row")


# one cell


def test_eight_people_are_told_as_ten_and_seven_not_at_all() -> None:
    assert shown([8, 30, 40]) == [10, 30, 40]
    assert shown([7, 30, 40]) == [None, None, 40]


def test_no_count_is_told_that_is_not_a_multiple_of_five() -> None:
    counts = pl.DataFrame({"n": range(400)}).with_columns(told=rounded(pl.col("n")))

    assert counts.filter(pl.col("told").is_null())["n"].to_list() == list(range(FEW + 1))
    told = counts.drop_nulls()
    assert (told["told"] % 5).unique().to_list() == [0]
    assert (told["told"] - told["n"]).abs().max() == 2


# counting


def test_people_are_counted_and_not_their_rows() -> None:
    twice = pl.concat([people(a=9), people(a=9)])

    assert cells(twice, table()).collect()["patients"].to_list() == [9, 0, 0, 0]


def test_a_cell_nobody_is_in_is_there_as_one_of_few() -> None:
    done = released(cells(people(a=9, b=20, c=3), table()), log(), table()).collect()

    assert done["hidden"].to_list() == ["beside", None, "few", "few"]


def test_a_value_that_is_not_listed_is_left_out_or_counted_as_other() -> None:
    free = people(a=9, NAME_OF_A_PERSON=20)
    with_other = ReleaseTable(
        name="t", description="", sql="", levels={"area": ("north",), "kind": ("a", OTHER)}
    )

    assert cells(free, table(1)).collect()["patients"].to_list() == [9]
    assert cells(free, with_other).collect()["patients"].to_list() == [9, 20]


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = people(a=9, b=20).collect()
    both = [cells(r.lazy(), table(2, ("m",))).collect() for r in (rows, rows.reverse())]

    assert both[0].equals(both[1])


def test_only_the_columns_of_the_record_are_written() -> None:
    rows = people(a=9, b=20).with_columns(name=pl.lit("Ann"))
    done = printed(released(cells(rows, table(2)), log(), table(2)), table(2)).collect()

    assert done.columns == ["area", "kind", "patients"]
    assert "Ann" not in done.write_csv()


# means


def test_a_mean_is_of_eight_people_or_more() -> None:
    assert cells(people(a=8, b=7), table(2, ("m",))).collect()["m"].to_list() == [3.5, None]


def test_a_mean_of_seven_values_among_many_people_is_not_told() -> None:
    rows = people(a=30).with_columns(m=pl.when(pl.col("m") < FEW).then("m"))
    one_more = people(a=30).with_columns(m=pl.when(pl.col("m") <= FEW).then("m"))

    assert cells(rows, table(1, ("m",))).collect()["m"].to_list() == [None]
    assert cells(one_more, table(1, ("m",))).collect()["m"].to_list() == [3.5]


def test_a_person_with_many_values_weighs_as_one() -> None:
    often = pl.concat([people(a=8), *[people(a=8).filter(pl.col("m") == 7)] * 50])

    assert cells(often, table(1, ("m",))).collect()["m"].to_list() == [3.5]


def test_a_value_that_is_no_number_leaves_the_mean() -> None:
    strange = people(a=9).with_columns(
        m=pl.when(pl.col("m") == 8).then(float("nan")).otherwise("m")
    )

    assert cells(strange, table(1, ("m",))).collect()["m"].to_list() == [3.5]


@pytest.mark.parametrize(
    ("now", "mean", "told"),
    [(30, 5.1, None), (33, 5.1, None), (30, 5.0, 5.0), (38, 5.1, 5.1), (37, 5.1, None)],
)
def test_a_mean_of_nearly_the_same_people_is_told_only_once(
    now: int, mean: float, told: float | None
) -> None:
    with_mean = table(2, ("m",))
    first = released(exact(30, 40, mean=[5.0, 6.0]), log(means=("m",)), with_mean).collect()
    earlier = log(first, means=("m",))
    second = released(exact(now, 40, mean=[mean, 6.0]), earlier, with_mean).collect()

    assert first["m"].to_list() == [5.0, 6.0]
    assert second["m"][0] == told


def test_a_hidden_cell_has_no_mean() -> None:
    done = released(
        exact(9, 3, 40, mean=[5.0, 6.0, 7.0]), log(means=("m",)), table(3, ("m",))
    ).collect()

    assert done["m"].to_list() == [None, None, 7.0]


# beside what is hidden


def test_a_cell_hidden_alone_takes_the_smallest_other_with_it() -> None:
    assert hidden([3, 50, 20, 40]) == ["few", None, "beside", None]


def test_few_people_hidden_in_all_take_another_cell_with_them() -> None:
    assert hidden([3, 4, 50, 20]) == ["few", "few", None, "beside"]
    assert hidden([3, 5, 50, 20]) == ["few", "few", None, None]


def test_of_equal_cells_one_is_hidden() -> None:
    assert sorted(map(str, hidden([3, 20, 20, 20]))) == ["None", "None", "beside", "few"]


def test_the_cell_hidden_beside_stays_the_same_while_counts_pass_each_other() -> None:
    assert hidden([3, 10, 50, 12]) == ["few", "beside", None, None]
    assert hidden([3, 22, 50, 12]) == ["few", None, None, "beside"]
    assert hidden([3, 10, 50, 12], [3, 22, 50, 12]) == ["few", "beside", None, None]


def test_groups_are_hidden_each_for_itself() -> None:
    two = pl.concat([exact(3, 20, 30), exact(9, 20, 30).with_columns(area=pl.lit("south"))])

    assert released(two, log(), table(3)).collect()["hidden"].to_list() == [
        *("few", "beside", None),
        *(None, None, None),
    ]


def test_a_total_is_of_rounded_counts_or_redacted() -> None:
    whole = printed(released(exact(8, 12, 13), log(), table(3)), table(3)).collect()
    partly = printed(released(exact(3, 12, 13), log(), table(3)), table(3)).collect()

    assert whole.rows()[-1] == ("north", ALL, "35")
    assert partly.rows()[-1] == ("north", ALL, REDACTED)


# what the sums give away


def sums(options: Sequence[range]) -> set[int]:
    """Every sum of one number of each."""
    found = {0}
    for option in options:
        found = {total + number for total in found for number in option}
    return found


def feasible(told: Sequence[int | None], total: int, which: int) -> set[int]:
    """Every count that a hidden cell may have, for who knows the group's true total."""
    others = [
        range(total + 1) if cell is None else range(max(FEW + 1, cell - 2), cell + 3)
        for n, cell in enumerate(told)
        if n != which
    ]
    return {total - rest for rest in sums(others) if total >= rest}


counts = st.lists(st.integers(0, 14), min_size=2, max_size=4)


@given(counts)
def test_who_knows_the_true_total_cannot_tell_a_hidden_cell_from_one_of_many(
    group: list[int],
) -> None:
    told = shown(group)
    for which, cell in enumerate(told):
        if cell is None and sum(group) > FEW:  # a smaller total is never told either
            values = feasible(told, sum(group), which)
            assert group[which] in values
            assert len(values) >= 2
            assert max(values) > FEW


def test_without_a_second_cell_the_sum_tells_the_first() -> None:
    group = [0, 8, 13]
    alone = [None if n <= FEW else (n + 2) // 5 * 5 for n in group]

    assert feasible([None, 15], 13, 0) == {0}
    assert max(feasible(alone, sum(group), 0)) <= FEW
    assert max(feasible(shown(group), sum(group), 0)) > FEW


def test_without_a_second_cell_many_groups_give_the_first_away() -> None:
    told = [
        feasible([None, (n + 2) // 5 * 5], n + few, 0) for n in range(8, 30) for few in range(8)
    ]

    assert sum(len(values) == 1 for values in told) > 0
    assert sum(max(values) <= FEW for values in told) > len(told) / 2


@given(counts)
def test_what_is_printed_tells_no_sum_of_a_group_with_a_hidden_cell(group: list[int]) -> None:
    size = len(group)
    lines = printed(released(exact(*group), log(), table(size)), table(size)).collect()
    *each, total = lines["patients"].to_list()

    if REDACTED in each:
        assert total == REDACTED
    else:
        assert int(total) == sum(map(int, each))
    assert all(text == REDACTED or int(text) >= 10 for text in lines["patients"])


# two releases


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        (32, 33, "change"),  # 30 and 35: one person more
        (32, 39, "change"),
        (32, 40, None),  # eight
        (30, 32, None),  # both read 30: nobody can tell
        (30, 30, None),
    ],
)
def test_a_change_by_few_people_is_not_told(then: int, now: int, why: str | None) -> None:
    assert hidden([then, 80, 90], [now, 80, 90])[0] == why


def test_a_change_is_held_against_every_earlier_release_and_not_the_last_alone() -> None:
    assert hidden([32, 80, 90], [60, 80, 90], [34, 80, 90])[0] == "change"
    assert hidden([60, 80, 90], [34, 80, 90])[0] is None


def test_what_was_hidden_then_cannot_be_subtracted_from() -> None:
    assert hidden([7, 80, 90], [8, 80, 90])[0] is None


def test_a_change_takes_a_second_cell_with_it() -> None:
    assert hidden([32, 80, 90], [33, 80, 90]) == ["change", "beside", None]


def test_the_cells_of_a_difference_are_named() -> None:
    first = after([32, 80, 90])
    named = differences(exact(33, 80, 99), log(*first, *first), table(3)).collect()

    assert named.rows() == [("north", "a")]


def test_the_same_again_is_released_the_same() -> None:
    assert shown([3, 20, 30, 40]) == shown(*[[3, 20, 30, 40]] * 3)


@given(st.lists(st.lists(st.integers(0, 60), min_size=4, max_size=4), min_size=2, max_size=4))
def test_no_two_releases_differ_by_few_people(nights: list[list[int]]) -> None:
    done = after(*nights)
    for n, (now, group) in enumerate(zip(done, nights, strict=True)):
        for then, before in zip(done[:n], nights, strict=False):
            for cell in range(4):
                first, second = then["shown"][cell], now["shown"][cell]
                if first is not None and second is not None and first != second:
                    assert abs(group[cell] - before[cell]) > FEW


def test_rounding_alone_lets_two_releases_differ_by_one_person() -> None:
    told = pl.DataFrame({"n": [32, 33]}).select(rounded(pl.col("n")))["n"].to_list()

    assert told == [30, 35]


# what a spreadsheet sees


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        *[(f"{sign}cmd", f"'{sign}cmd") for sign in ("=", "+", "-", "@", "\t", "\r", "＝")],
        (" =1", "' =1"),
        ("\u202e=1", "'=1"),
        ("a\u200fb\u2067c", "abc"),
        ("a-b", "a-b"),
        ("[redacted]", "[redacted]"),
    ],
)
def test_no_text_runs_or_turns_round(text: str, safe: str) -> None:
    assert pl.DataFrame({"t": [text]}).select(harmless(pl.col("t")))["t"].to_list() == [safe]


# the records


@pytest.mark.parametrize("record", RELEASES, ids=lambda each: each.name)
def test_a_record_lists_no_level_twice_and_none_that_means_a_total(record: ReleaseTable) -> None:
    for levels in record.levels.values():
        assert len(set(levels)) == len(levels) > 1
        assert not {ALL, REDACTED} & set(levels)
    assert record.description.endswith(".")
    assert not {"patient_id", "birth_date"} & {*record.levels, *record.means, record.count}


def test_no_table_tells_the_sums_of_another() -> None:
    levels = [set(record.levels) for record in RELEASES]

    assert all(not a < b for a in levels for b in levels)
    assert len(INDICES) in [len(record.levels.get("index", ())) for record in RELEASES]
