"""What the tests' common nights promise: nobody sees another's rows, and they are run once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from tests.flows.once import made_once
from tests.flows.scene import INSULIN, NIGHT, labs, result
from tests.flows.senders import Nights, Sender, shared, source


def of(patient: str, name: str) -> Sender:
    """A laboratory's source with one result of a patient."""
    row = result(patient, NIGHT, INSULIN, 7)
    return Sender({f"{name}/labs.csv": labs(row)}, settings=source(name, "clinic_csv"))


ONE, OTHER = of("SALLY", "source_of_sally"), of("SETH", "source_of_seth")
COUNT = "SELECT (SELECT count(*) FROM {0}), (SELECT count(*) FROM {0} WHERE patient_id = 'SALLY')"


@pytest.mark.parametrize("table", ["observation", "observation_history", "patient_status"])
def test_a_source_looked_at_alone_shows_its_own_rows_and_no_others(
    nights: Nights, table: str
) -> None:
    everybodys = nights.homes[0].rows(COUNT.format(table))

    assert nights.after(ONE).rows(COUNT.format(table)) == [(1, 1)]
    assert nights.after(OTHER).rows(COUNT.format(table)) == [(1, 0)]
    assert everybodys[0][0] >= 2


def test_senders_with_a_source_or_a_patient_in_common_are_told(nights: Nights) -> None:
    home = nights.homes[0]

    assert shared(home, [ONE, OTHER]) == []
    assert shared(home, [ONE, OTHER, ONE]) == ["source_of_sally", "SALLY"]


def test_of_workers_that_want_the_same_home_one_makes_it(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    made = []

    def make(root: Path) -> None:
        made.append(root)
        sleep(0.1)
        (root / "home").mkdir()

    def worker(_: int) -> Path:
        return made_once(tmp_path_factory, f"once-{tmp_path.name}", make)

    with ThreadPoolExecutor(3) as pool:
        places = set(pool.map(worker, range(3)))

    assert len(made) == 1
    assert [(place / "home").is_dir() for place in places] == [True]
