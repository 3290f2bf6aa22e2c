"""The merge: which version stands, and since when, whatever the order in which things came.

``Reference`` states the documented rule over sets of versions, without SQL, windows or nights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.tables import HISTORY
from warehouse.account import keep_duplicates
from warehouse.merge import merge
from warehouse.store import connect, create, receive, wrong_digests
from warehouse.store import stage as empty_staging

FIRST_NIGHT = datetime(2026, 3, 1)  # noqa: DTZ001
WITHDRAWALS = ("deleted", "wrong_patient", "entered_in_error")


@dataclass(frozen=True)
class Version:
    """One row of one file. ``reported`` counts hours, ``night`` days; None: not stated."""

    value: float = 5.0
    status: str = "final"
    reported: int | None = 1
    night: int = 0
    file: int = 1
    line: int = 2
    patient: str = "p1"
    result: str | None = "r1"
    source: str = "clinic"

    @property
    def key(self) -> tuple[str, str, str]:
        who = self.patient if self.result is None else ""
        return self.source, self.result or "", who

    @property
    def place(self) -> tuple[int, int]:
        return self.file, self.line

    @property
    def known_at(self) -> datetime:
        return FIRST_NIGHT + timedelta(days=self.night)

    @property
    def reported_at(self) -> datetime | None:
        return None if self.reported is None else FIRST_NIGHT + timedelta(hours=self.reported)

    def row(self) -> dict[str, Any]:
        return {
            "patient_id": self.patient,
            "result_id": self.result,
            "analyte": "insulin",
            "timing": "fasting",
            "value": self.value,
            "unit": "u[IU]/mL",
            "observed_at": FIRST_NIGHT - timedelta(days=20),
            "reported_at": self.reported_at,
            "status": self.status,
            "source": self.source,
            "source_code": "27873-9",
            "file_id": self.file,
            "line": self.line,
            "part": 0,
            "known_at": self.known_at,
        }


class Warehouse:
    """A warehouse that can be emptied, since making one takes longer than a merge."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def empty(self) -> Warehouse:
        for name in (*HISTORY, "duplicate_row", "digest"):
            self.con.execute(f"DELETE FROM store.{name}")
        return self

    def night(self, rows: Sequence[dict[str, Any]], table: str = "observation") -> None:
        for name in (*HISTORY, "duplicate", "touched", "displaced"):
            self.con.execute(f"DELETE FROM staging.{name}")
        frame = pl.from_dicts(list(rows), infer_schema_length=None)
        receive(self.con, table, frame.lazy())
        merge(self.con)
        keep_duplicates(self.con)

    def nights(self, versions: Sequence[Version]) -> Warehouse:
        """Night after night, as the versions came."""
        self.empty()
        for number in sorted({v.night for v in versions}):
            self.night([v.row() for v in versions if v.night == number])
        return self

    def once(self, versions: Sequence[Version]) -> Warehouse:
        """A rebuild: everything in one merge."""
        self.empty()
        if versions:
            self.night([v.row() for v in versions])
        return self

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.con.execute(query).fetchall()

    def history(self, table: str = "observation") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT * FROM store.{table} ORDER BY file_id, line, part")

    def again(self) -> list[tuple[int, int]]:
        """(file, line) of the duplicates."""
        return self.rows("SELECT file_id, line FROM store.duplicate_row ORDER BY ALL")

    def digests(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT * FROM store.digest ORDER BY table_name")

    def contents(self, table: str = "observation") -> list[tuple[Any, ...]]:
        """History and duplicates, everything of them."""
        return [*self.history(table), *self.again()]

    def standing(self) -> list[tuple[Any, ...]]:
        """(result, patient, value, status) of what stands, one row a key."""
        return self.rows(
            "SELECT coalesce(result_id, ''), patient_id, value, status FROM store.observation "
            "WHERE superseded_at IS NULL ORDER BY source, coalesce(result_id, ''), patient_id"
        )

    def ends(self) -> dict[tuple[int, int], tuple[datetime | None, str | None]]:
        """(file, line) -> superseded_at, superseded_by of every version."""
        return {
            (file, line): (at, by)
            for file, line, at, by in self.rows(
                "SELECT file_id, line, superseded_at, superseded_by FROM store.observation"
            )
        }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    scratch = tmp_path_factory.mktemp("merge")
    con = connect(Path(":memory:"), scratch)
    create(con)
    yield Warehouse(con)
    con.close()


def came(*versions: Version) -> list[Version]:
    """Each version in a file and a night of its own, in this order."""
    return [replace(v, file=i + 1, night=i) for i, v in enumerate(versions)]


# the rule, case by case

CASES: dict[str, tuple[list[Version], tuple[str, float, str]]] = {
    "a correction takes the place of the first report": (
        came(Version(5, reported=1), Version(6, "corrected", 2)),
        ("p1", 6, "corrected"),
    ),
    "an older report that comes late changes nothing": (
        came(Version(6, "corrected", 2), Version(5, reported=1)),
        ("p1", 6, "corrected"),
    ),
    "a final value takes the place of a preliminary one": (
        came(Version(4, "preliminary", 1), Version(5, reported=2)),
        ("p1", 5, "final"),
    ),
    "a preliminary value that comes late changes nothing": (
        came(Version(5, reported=2), Version(4, "preliminary", 1)),
        ("p1", 5, "final"),
    ),
    "a preliminary value never takes the place of a final one, even reported later": (
        came(Version(5, reported=1), Version(4, "preliminary", 9)),
        ("p1", 5, "final"),
    ),
    "a newer preliminary value takes the place of an older one": (
        came(Version(4, "preliminary", 1), Version(3, "preliminary", 2)),
        ("p1", 3, "preliminary"),
    ),
    "a deletion takes the result back": (
        came(Version(5, reported=1), Version(5, "deleted", 2)),
        ("p1", 5, "deleted"),
    ),
    "a deletion that comes before what it deletes still takes it back": (
        came(Version(5, "deleted", 2), Version(5, reported=1)),
        ("p1", 5, "deleted"),
    ),
    "a result entered in error is taken back": (
        came(Version(5, reported=1), Version(5, "entered_in_error", 2)),
        ("p1", 5, "entered_in_error"),
    ),
    "a result reported again after its deletion stands again": (
        came(Version(5, reported=1), Version(5, "deleted", 2), Version(6, reported=3)),
        ("p1", 6, "final"),
    ),
    "a cancellation takes the place of what was reported": (
        came(Version(5, reported=1), Version(5, "cancelled", 2)),
        ("p1", 5, "cancelled"),
    ),
    "a result moved to the right patient stands there": (
        came(
            Version(5, reported=1),
            Version(5, "wrong_patient", 2),
            Version(5, reported=3, patient="p2"),
        ),
        ("p2", 5, "final"),
    ),
    "a result moved to the right patient in the same minute stands there": (
        came(
            Version(5, reported=1),
            Version(5, reported=2, patient="p2"),
            Version(5, "wrong_patient", 2),
        ),
        ("p2", 5, "final"),
    ),
    "a result put right before the wrong one is withdrawn stands with the right patient": (
        came(
            Version(5, reported=1),
            Version(5, reported=2, patient="p2"),
            Version(5, "wrong_patient", 3),
        ),
        ("p2", 5, "final"),
    ),
    "on a tie the correction stands over the final value, whichever came first": (
        came(Version(6, "corrected", 1), Version(5, reported=1)),
        ("p1", 6, "corrected"),
    ),
    "on a tie the cancellation stands over the correction": (
        came(Version(6, "cancelled", 1), Version(5, "corrected", 1)),
        ("p1", 6, "cancelled"),
    ),
    "on a tie the withdrawal stands over what it withdraws": (
        came(Version(5, "deleted", 1), Version(6, "corrected", 1)),
        ("p1", 5, "deleted"),
    ),
    "on a tie between equals the later file stands": (
        came(Version(5, reported=1), Version(6, reported=1)),
        ("p1", 6, "final"),
    ),
    "without a time of report the later file stands": (
        came(Version(6, reported=None), Version(5, reported=None)),
        ("p1", 5, "final"),
    ),
    "without a time of report a value that comes back stands again": (
        came(Version(5, reported=None), Version(6, reported=None), Version(5, reported=None)),
        ("p1", 5, "final"),
    ),
    "without a number the later file of the same draw stands": (
        came(Version(5, result=None, reported=None), Version(6, result=None, reported=None)),
        ("p1", 6, "final"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_version_that_stands_is_the_one_the_rule_names(house: Warehouse, case: str) -> None:
    versions, (patient, value, status) = CASES[case]
    number = versions[0].result or ""
    assert house.nights(versions).standing() == [(number, patient, value, status)]
    assert house.once(versions).standing() == [(number, patient, value, status)]


def test_results_without_a_number_of_two_patients_are_two_results(house: Warehouse) -> None:
    mine, yours = Version(5, result=None), Version(6, result=None, patient="p2", line=3)
    assert house.once([mine, yours]).standing() == [
        ("", "p1", 5, "final"),
        ("", "p2", 6, "final"),
    ]


def test_two_numbers_are_two_results(house: Warehouse) -> None:
    versions = [Version(5), Version(6, result="r2", line=3)]
    assert len(house.once(versions).standing()) == 2


def test_the_same_number_from_another_source_is_another_result(house: Warehouse) -> None:
    house.empty().night([Version(5).row(), Version(6, line=3).row() | {"source": "elsewhere"}])
    assert len(house.standing()) == 2


@pytest.mark.parametrize(
    ("versions", "ends"),
    [
        (
            came(Version(5, reported=1), Version(6, "corrected", 2)),
            {(1, 2): (FIRST_NIGHT + timedelta(1), "corrected"), (2, 2): (None, None)},
        ),
        (
            came(Version(4, "preliminary", 1), Version(5, reported=2)),
            {(1, 2): (FIRST_NIGHT + timedelta(1), "final"), (2, 2): (None, None)},
        ),
        (
            came(Version(5, reported=1), Version(5, "deleted", 2)),
            {(1, 2): (FIRST_NIGHT + timedelta(1), "withdrawn"), (2, 2): (None, None)},
        ),
        (
            came(Version(6, reported=2), Version(5, reported=1)),
            {(1, 2): (None, None), (2, 2): (FIRST_NIGHT + timedelta(1), "late")},
        ),
        (
            came(
                Version(5, reported=1),
                Version(5, "deleted", 2),
                Version(5, reported=3),
                Version(5, "deleted", 4),
            ),
            {
                (1, 2): (FIRST_NIGHT + timedelta(1), "withdrawn"),
                (2, 2): (FIRST_NIGHT + timedelta(2), "final"),
                (3, 2): (FIRST_NIGHT + timedelta(3), "withdrawn"),
                (4, 2): (None, None),
            },
        ),
    ],
    ids=["corrected", "final", "withdrawn", "late", "withdrawn twice"],
)
def test_history_says_when_and_why_a_version_no_longer_stood(
    house: Warehouse,
    versions: list[Version],
    ends: dict[tuple[int, int], tuple[datetime | None, str | None]],
) -> None:
    assert house.nights(versions).ends() == ends


def test_a_row_that_says_the_same_again_is_a_duplicate_and_one_that_does_not_is_a_version(
    house: Warehouse,
) -> None:
    house.nights(came(Version(5), Version(5), Version(6)))
    assert house.again() == [(2, 2)]
    assert sorted(house.ends()) == [(1, 2), (3, 2)]


def test_an_empty_night_changes_nothing_and_a_full_one_does(house: Warehouse) -> None:
    before = house.once([Version(5)]).contents()
    empty_staging(house.con)
    merge(house.con)
    assert house.contents() == before
    house.night([Version(6, reported=2, night=1, file=2).row()])
    assert house.contents() != before


# the rule, for any versions

STATUSES = ["final", "final", "corrected", "amended", "preliminary", "cancelled", *WITHDRAWALS]
MANY = settings(max_examples=max(5, settings.default.max_examples // 10))
"""Few examples of many histories each: a merge costs the same for one key and for a hundred."""


@st.composite
def histories(draw: st.DrawFn, *, stated: bool = False) -> list[Version]:
    """Versions of a few keys of many sources, in files that came over a few nights."""
    random = draw(st.randoms(use_true_random=False))
    many = [_history(random, source, stated=stated) for source in range(draw(st.integers(1, 30)))]
    return [version for history in many for version in history]


def _history(random: Random, source: int, *, stated: bool) -> list[Version]:
    night, found = 0, []
    unstated = 0 if stated else random.choice([0, 0, 0.5, 1])
    for file in range(random.randint(2, 6)):
        night += random.choice([0, 0, 1, 1, 2])
        found += [
            Version(
                value=random.choice([5.0, 6.0]),
                status=random.choice(STATUSES),
                reported=None
                if not stated and random.random() < unstated
                else random.randint(0, 60),
                night=night,
                file=100 * source + file,
                line=line,
                patient=random.choice(["p1", "p1", "p2"]),
                result=random.choice(["r1", "r1", "r1", "r2", None]),
                source=f"s{source:02}",
            )
            for line in range(2, random.randint(3, 4))
        ]
    return found


class Reference:
    """What the docstring of the merge says of the rows of one key, over sets."""

    def __init__(self, rows: Sequence[Version]) -> None:
        self.again = [v for v in rows if self._says_again(v, rows)]
        self.kept = [v for v in rows if v not in self.again]

    @staticmethod
    def of(versions: Sequence[Version]) -> list[Reference]:
        keys = {v.key for v in versions}
        return [Reference([v for v in versions if v.key == key]) for key in sorted(keys)]

    @staticmethod
    def effective(v: Version) -> datetime:
        return v.reported_at or v.known_at

    def said(self, v: Version) -> tuple[Any, ...]:
        order = {"corrected": 1, "amended": 1, "cancelled": 2} | dict.fromkeys(WITHDRAWALS, 3)
        word = order.get(v.status, 0)
        return v.status != "preliminary", self.effective(v), word, v.night, v.file, v.line

    def _says_again(self, v: Version, rows: Sequence[Version]) -> bool:
        """Whether the neighbour below says the same."""
        is_stated = v.reported is not None
        below = [
            w for w in rows if (w.reported is not None) == is_stated and self.said(w) < self.said(v)
        ]
        return bool(below) and content(max(below, key=self.said)) == content(v)

    def taking_back(self, v: Version) -> list[Version]:
        if v.status in WITHDRAWALS:
            return []
        return [
            w
            for w in self.kept
            if w.status in WITHDRAWALS
            and w.patient == v.patient
            and self.effective(w) >= self.effective(v)
        ]

    def rank(self, v: Version) -> tuple[Any, ...]:
        is_sound = v.status not in WITHDRAWALS and not self.taking_back(v)
        is_final, *rest = self.said(v)
        return is_final, is_sound, *rest

    def superseded_at(self, v: Version) -> datetime | None:
        higher = [w for w in self.kept if self.rank(w) > self.rank(v)]
        ends = [w.known_at for w in (*higher, *self.taking_back(v))]
        return max(v.known_at, min(ends)) if ends else None


def content(v: Version) -> tuple[Any, ...]:
    return v.patient, v.value, v.status, v.reported


def one_a_time(versions: Sequence[Version]) -> list[Version]:
    """No two rows of a key reported at the same time."""
    return list({(v.key, v.reported): v for v in versions}.values())


@MANY
@given(histories())
def test_sql_agrees_with_the_rule_in_words(house: Warehouse, versions: list[Version]) -> None:
    references = Reference.of(versions)
    house.once(versions)
    found = {place: at for place, (at, _) in house.ends().items()}
    assert found == {v.place: r.superseded_at(v) for r in references for v in r.kept}
    assert house.again() == sorted(v.place for r in references for v in r.again)


@MANY
@given(histories())
def test_night_by_night_gives_what_a_rebuild_gives(
    house: Warehouse, versions: list[Version]
) -> None:
    nightly = house.nights(versions).contents(), house.digests()
    assert (house.once(versions).contents(), house.digests()) == nightly


@MANY
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_within_a_night_changes_nothing(
    house: Warehouse, versions: list[Version], random: Random
) -> None:
    shuffled = random.sample(versions, len(versions))
    assert house.once(versions).contents() == house.once(shuffled).contents()


@MANY
@given(histories(stated=True), st.randoms(use_true_random=False))
def test_the_order_of_files_changes_nothing_that_stands_when_the_time_of_report_is_stated(
    house: Warehouse, versions: list[Version], random: Random
) -> None:
    files = one_a_time(versions)
    places = [(v.night, v.file, v.line) for v in files]
    random.shuffle(places)
    moved = [
        replace(v, night=night, file=file, line=line)
        for v, (night, file, line) in zip(files, places, strict=True)
    ]
    assert house.nights(files).standing() == house.nights(moved).standing()


def test_the_order_of_files_does_change_what_stands_when_no_time_of_report_is_stated(
    house: Warehouse,
) -> None:
    five, six = Version(5, reported=None), Version(6, reported=None)
    assert house.nights(came(five, six)).standing() != house.nights(came(six, five)).standing()


@MANY
@given(histories(stated=True))
def test_the_same_rows_in_another_file_change_nothing_that_stands_and_are_counted(
    house: Warehouse, versions: list[Version]
) -> None:
    rows = one_a_time(versions)
    before = house.once(rows).history()
    house.night([replace(v, file=v.file + 10_000, night=99).row() for v in rows])
    assert house.history() == before
    assert house.again() == sorted((v.file + 10_000, v.line) for v in rows)


@MANY
@given(histories())
def test_one_version_of_every_key_stands_and_none_ends_before_it_was_known(
    house: Warehouse, versions: list[Version]
) -> None:
    house.nights(versions)
    assert len(house.standing()) == len({v.key for v in versions})
    assert not house.rows("SELECT 1 FROM store.observation WHERE superseded_at < known_at")
    assert not house.rows(
        "SELECT 1 FROM store.observation WHERE (superseded_at IS NULL) <> (superseded_by IS NULL)"
    )
    assert wrong_digests(house.con) == []


@MANY
@given(histories())
def test_every_row_is_a_version_or_a_duplicate(house: Warehouse, versions: list[Version]) -> None:
    house.nights(versions)
    assert sorted([*house.again(), *house.ends()]) == sorted(v.place for v in versions)


def test_a_repetition_without_a_time_of_report_does_not_undo_what_came_before_it_late(
    house: Warehouse,
) -> None:
    """Where some rows state when they were reported and others do not."""
    versions = came(
        Version(5, reported=None),
        Version(5, reported=None),
        Version(6, "corrected", reported=20),
    )
    assert house.nights(versions).standing() == [("r1", "p1", 6, "corrected")]
    assert house.contents() == house.once(versions).contents()


def test_a_checkpoint_between_two_nights_moves_no_version(house: Warehouse) -> None:
    versions = [
        Version(value, file=i + 1, night=i, reported=i) for i, value in enumerate([5, 6] * 3)
    ]
    house.empty()
    for version in versions:
        house.night([version.row()])
        house.con.execute("CHECKPOINT")
    assert house.standing() == [("r1", "p1", 6, "final")]
    assert house.contents() == house.once(versions).contents()


# tables whose versions have no status

PLAIN: dict[str, dict[str, Any]] = {
    "patient": {"patient_id": "p1", "status": "final", "reported_at": None},
    "medication": {
        "patient_id": "p1",
        "name": "metformin",
        "status": "final",
        "start_on": None,
        "reported_at": None,
    },
    "condition": {
        "patient_id": "p1",
        "code": "E11.9",
        "status": "final",
        "start_on": None,
        "reported_at": None,
    },
    "sample": {
        "patient_id": "p1",
        "kind": "sensor_glucose",
        "device": "d",
        "observed_at": FIRST_NIGHT,
    },
}
CHANGING = {"patient": "sex", "medication": "class", "condition": "name", "sample": "value"}


def plain(table: str, what: float, night: int) -> dict[str, Any]:
    changed = what if table == "sample" else f"word {what}"
    place = {"source": "clinic", "file_id": night + 1, "line": 2, "part": 0}
    known = {"known_at": FIRST_NIGHT + timedelta(days=night)}
    return PLAIN[table] | {CHANGING[table]: changed} | place | known


@pytest.mark.parametrize("table", PLAIN)
@pytest.mark.parametrize("values", [[1], [1, 1], [1, 2, 1], [1, 1, 2, 2, 1]], ids=str)
def test_of_other_records_the_last_one_known_stands_and_a_rebuild_gives_the_same(
    house: Warehouse, table: str, values: list[int]
) -> None:
    rows = [plain(table, value, night) for night, value in enumerate(values)]
    house.empty()
    for row in rows:
        house.night([row], table)
    nightly = house.contents(table)
    house.empty().night(rows, table)
    assert house.contents(table) == nightly
    standing = house.rows(
        f'SELECT "{CHANGING[table]}" FROM store.{table} WHERE superseded_at IS NULL'
    )
    assert standing == [(rows[-1][CHANGING[table]],)]
    changes = sum(a != b for a, b in pairwise(values))
    assert len(nightly) == len(values)
    assert len(house.again()) == len(values) - 1 - changes
