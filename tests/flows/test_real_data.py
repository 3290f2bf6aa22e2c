"""Real files by others go through a night by configuration alone; every row has its place.

A few of every source's files; all of them with ``REAL_FILES=all`` in the environment, which takes
minutes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.home import Home, make
from tests.flows.real_files import LABS, REAL, SAID, dropped, settings, source_of
from tests.flows.real_texts import codes, texts
from tests.flows.scene import Scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project"),
]

IS_WHOLE = os.environ.get("REAL_FILES") == "all"
FIRST = date(2026, 11, 1)
KEPT = {
    **{name: f"FROM {name}" for name in ("observation_history", "sample", "patient", "cgm_day")},
    "fasting_pair": "FROM fasting_pair",
    "trend": "SELECT * EXCLUDE (as_of) FROM trend",
}
"""What a night that learns nothing leaves as it is; a trend is of the night's own date."""
UNREAD = {".xls", ".xpt", ".fit"}
"""Formats that the standard library cannot read; the tests of their readers read them twice."""


@dataclass(frozen=True)
class Real:
    """A home after a night over the real files; what then was known; the file of each digest."""

    scene: Scene
    before: dict[str, Any]
    paths: dict[str, Path]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    """One night over the files, and what it published."""
    scene = Scene(Home(tmp_path_factory.mktemp("real")))
    make(scene.home)
    scene.home.settings.write_text(settings(), encoding="utf-8")
    paths = _drop(scene)
    scene.night(FIRST)
    return Real(scene, _published(scene), paths)


@pytest.fixture(scope="module")
def later(real: Real) -> Real:
    """The next night, after every file was dropped once more."""
    shutil.rmtree(real.scene.home.inbox)
    _drop(real.scene)
    real.scene.night(FIRST + timedelta(days=1))
    return real


def _drop(scene: Scene) -> dict[str, Path]:
    """Copy the files into the inbox; digest -> real file. Names that come twice get a number."""
    paths = {}
    for folder, files in dropped(whole=IS_WHOLE).items():
        into = scene.home.inbox / folder
        into.mkdir(parents=True)
        for number, path in enumerate(files):
            is_new = not (into / path.name).exists()
            shutil.copyfile(path, into / (path.name if is_new else f"{number}-{path.name}"))
            paths[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    return paths


def _published(scene: Scene) -> dict[str, Any]:
    """What is known, what waits, and the account."""
    tables = {
        name: scene.rows(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM ({query}) t")
        for name, query in KEPT.items()
    }
    waiting = scene.rows("SELECT source, file, line, part, reasons FROM quarantine ORDER BY ALL")
    account = scene.rows(
        "SELECT source, file, rows_in, rows_accepted, rows_quarantined, rows_duplicate, "
        "rows_superseded FROM source_file ORDER BY ALL"
    )
    return {**tables, "quarantine": waiting, "source_file": account}


def _one(real: Real, query: str) -> int:
    return int(real.scene.rows(query)[0][0])


def test_every_row_of_every_real_file_is_in_one_place(real: Real) -> None:
    account = real.before["source_file"]
    assert len(account) == len(real.paths)
    assert [row for row in account if row[2] != sum(row[3:])] == []
    assert [row for row in account if row[2] == 0 and "empty" not in row[1]] == []


def test_no_reader_gives_up_on_a_real_file(real: Real) -> None:
    reasons = {reason for row in real.before["quarantine"] for reason in row[4]}
    assert {reason for reason in reasons if reason.startswith(("reader_failed", "rows_"))} == set()
    assert "code_is_known" in reasons


def test_every_value_is_stored_as_it_stands_in_its_file(real: Real) -> None:
    """The values of a file are counted by the standard library: none may be made up or changed."""
    stored = real.scene.rows(
        "SELECT f.sha256, list(v.source_value) FROM (SELECT file_id, source_value FROM "
        "observation_history UNION ALL SELECT file_id, source_value FROM sample) v "
        "JOIN source_file f USING (file_id) WHERE v.source_value IS NOT NULL GROUP BY f.sha256"
    )
    seen: Counter[str] = Counter()
    for sha256, values in stored:
        own = texts(real.paths[sha256])
        if own is not None:
            assert Counter(values) - own == Counter(), real.paths[sha256].name
            seen[real.paths[sha256].suffix.lower()] += len(values)
    suffixes = {path.suffix.lower() for path in real.paths.values()} - UNREAD
    assert {suffix for suffix in suffixes if seen[suffix] > 0} >= suffixes - {".fhir"}


def test_the_tables_mapped_by_configuration_lose_nothing(real: Real) -> None:
    counts = dict(
        real.scene.rows("SELECT source, sum(rows_accepted) FROM source_file GROUP BY source")
    )
    assert (counts["ipop"], counts["nhanes"], counts["altuve"]) == (385, 1511, 2835)


def test_ipop_keeps_its_comparators_and_its_whole_numbers(real: Real) -> None:
    assert _one(real, "SELECT count(*) FROM observation WHERE comparator = '>'") >= 290
    odd = (
        "SELECT count(*) FROM fasting_pair WHERE patient_id LIKE '69-%' AND insulin_uiu_ml % 1 > 0"
    )
    stated = (
        "SELECT count(*) FROM observation WHERE source = 'ipop' AND analyte = 'insulin' "
        "AND patient_id LIKE '69-%' AND source_code = '27873-9' AND value % 1 > 0"
    )
    assert _one(real, odd) == _one(real, stated)


def test_a_person_measured_once_is_unresolved_and_never_normal(real: Real) -> None:
    once = (
        "SELECT count(*) FROM patient_status WHERE status NOT IN ('unresolved', 'excluded') "
        "AND patient_id IN (SELECT patient_id FROM fasting_pair GROUP BY 1 HAVING count(*) = 1)"
    )
    assert _one(real, once) == 0
    assert _one(real, "SELECT count(*) FROM patient_status") == _one(
        real, "SELECT count(*) FROM patient"
    )


def test_the_known_unit_slip_in_the_synthetic_protein_values_waits(real: Real) -> None:
    """Synthea writes total protein of 60 to 80 as g/dL; it is g/L. The gate must not let it in."""
    waiting = (
        "SELECT count(*) FROM quarantine WHERE source = 'fhir_synthea' "
        "AND list_contains(reasons, 'value_is_possible')"
    )
    assert _one(real, waiting) == 14


def test_sensor_days_come_of_sensor_files(real: Real) -> None:
    assert _one(real, "SELECT count(*) FROM cgm_day WHERE patient_id = 'L1'") >= 14
    assert _one(real, "SELECT count(*) FROM cgm_day WHERE patient_id = 'D1'") == 2


def test_a_laboratory_is_understood_by_the_codes_in_its_own_words(real: Real) -> None:
    """Every result under a code that is mapped is read, and no other."""
    stored = real.scene.rows(
        "SELECT source, source_code, count(*) FROM observation_history WHERE source LIKE 'swiss_%' "
        "GROUP BY ALL"
    )
    told: Counter[tuple[str, str]] = Counter()
    for path in real.paths.values():
        for code in codes(path) if LABS in path.parents else ():
            if code in SAID.get(path.parent.name, {}):
                told[(source_of(path.parent.name), code)] += 1
    assert {(source, code): count for source, code, count in stored} == told
    assert len(told) > 5


def test_a_second_night_over_the_same_files_changes_nothing(later: Real) -> None:
    assert _published(later.scene) == later.before


def test_a_replay_gives_the_digest_of_the_night(later: Real) -> None:
    said = later.scene.run("replay", (FIRST + timedelta(days=1)).isoformat(), "--json")
    assert said.json["same"], said.out
