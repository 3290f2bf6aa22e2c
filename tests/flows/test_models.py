"""The trend model night by night: when a clinic has its own, whom it judges, what it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.home import Home
from tests.flows import scene as scenes
from tests.flows.scene import GLUCOSE, INSULIN, NIGHT, Scene, labs, result
from transforms import frozen
from transforms.frozen import SHIPPED, decoded
from transforms.synthetic.physiology import CLEAN, cohort
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

ENOUGH = 40
"""People from which a clinic has its own model here, instead of thousands."""
PEOPLE = 80
QUIET = replace(
    CLEAN, draws=(0, 0, 0, 0, 0, 0, 1, 0, 0), insulin_cvi=0.10, insulin_wander=0.03
)  # fmt: skip
"""Eight visits each, and little noise: few people say how platforms differ."""
CHANGE, STEP = date(2021, 1, 1), 1.3
SIX, SEVEN, FOURTEEN = (NIGHT + timedelta(days=days) for days in (6, 7, 14))
TREND = "SELECT * EXCLUDE (as_of) FROM trend ORDER BY patient_id"


@cache
def visits() -> pl.DataFrame:
    """Simulated draws; from 2021 on every other patient is measured at lab B, 30 % higher."""
    number = pl.col("patient_id").cast(pl.Int64)
    at_b = (pl.col("drawn_on") >= CHANGE) & (number % 2 == 0)
    pairs = cohort(PEOPLE, 2002, QUIET).pairs(date(2016, 1, 1)).collect()
    return pairs.filter(pl.col("drawn_on") < NIGHT - timedelta(days=30)).with_columns(
        patient_id="P" + pl.col("patient_id").str.zfill(3),
        number=number,
        insulin_uiu_ml=pl.col("insulin_uiu_ml") * pl.when(at_b).then(STEP).otherwise(1.0),
        lab=pl.when(at_b).then(pl.lit("B")).otherwise(pl.lit("A")),
    )


def draw(patient: str, on: date, insulin: object, glucose: float = 90.0, lab: str = "A") -> str:
    """Two rows of a ``labs*.csv``."""
    rows = [result(patient, on, INSULIN, insulin), result(patient, on, GLUCOSE, glucose)]
    return "\n".join(row.replace("Lab A,Assay A", f"Lab {lab},Assay {lab}") for row in rows)


def people(first: int, last: int) -> str:
    """The draws of people of these numbers, as a file."""
    some = visits().filter(pl.col("number").is_between(first, last - 1))
    columns = ("patient_id", "drawn_on", "insulin_uiu_ml", "glucose_mg_dl", "lab")
    rows = [
        draw(name, on, round(insulin, 2), round(glucose, 1), lab)
        for name, on, insulin, glucose, lab in some.select(columns).rows()
    ]
    return labs(*rows)


def crossers() -> list[str]:
    """Patients with four draws at each laboratory, a year or more apart."""
    spans = (
        visits()
        .group_by("patient_id", "lab")
        .agg(n=pl.len(), days=(pl.col("drawn_on").max() - pl.col("drawn_on").min()).dt.total_days())
    )
    enough = spans.filter(pl.col("n") >= 3, pl.col("days") >= 365).group_by("patient_id").len()
    found = enough.filter(pl.col("len") == 2)["patient_id"].sort().to_list()
    assert len(found) >= 5
    return found


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """A small clinic is large enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen, "FEWEST_PEOPLE", ENOUGH)
        patch.setattr(frozen, "MOST_PEOPLE", 60)
        yield


def versions(scene: Scene) -> list[str]:
    """The models of the published night, oldest first."""
    found = scene.rows("SELECT model_version FROM model ORDER BY in_force_from")
    return [str(row[0]) for row in found]


def judges(scene: Scene) -> dict[str, str]:
    """Patient -> the model that judged."""
    return dict(scene.rows("SELECT patient_id, model_version FROM trend"))


def copied(scene: Scene, root: Path) -> Scene:
    """The same home at another place, to change."""
    shutil.copytree(scene.home.root, root, symlinks=True)
    return Scene(Home(root))


def rebuilt(scene: Scene, night: date) -> str:
    """The digest of the night from nothing but landed files and the ledger."""
    shutil.rmtree(scene.home.warehouse)
    done = scene.night(night)
    assert done["steps"]["read"]["rebuilt"] == 1
    return scene.digest()


@dataclass
class Past:
    """A home and what it was after each of its nights."""

    scene: Scene
    digests: dict[date, str] = field(default_factory=dict)
    models: dict[date, list[str]] = field(default_factory=dict)
    judges: dict[date, dict[str, str]] = field(default_factory=dict)
    trends: dict[date, dict[str, Any]] = field(default_factory=dict)

    def night(self, day: date, *rows: str) -> None:
        """A night on which these rows came."""
        if rows:
            self.scene.drop(f"clinic_csv/labs-{day}.csv", labs(*rows))
        self.scene.night(day)
        self.digests[day] = self.scene.digest()
        self.models[day] = versions(self.scene)
        self.judges[day] = judges(self.scene)
        self.trends[day] = {row[0]: row for row in self.scene.rows(TREND)}


FEW_AT_SIX = draw("P003", date(2026, 2, 20), 9.5), draw("NEWMAN", date(2026, 2, 20), 7.5)
FEW_AT_SEVEN = (draw("P005", date(2026, 2, 27), 9.5),)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Everybody on the first night, few later."""
    made = Past(scenes.scene(tmp_path_factory.mktemp("past") / "home"))
    made.scene.drop(FIRST_FILE, people(0, PEOPLE))
    made.night(NIGHT)
    made.night(SIX, *FEW_AT_SIX)
    made.night(SEVEN, *FEW_AT_SEVEN)
    return made


FIRST_FILE = f"clinic_csv/labs-{NIGHT}.csv"
FIRST, SECOND = f"fitted-{NIGHT}", f"fitted-{SEVEN}"


def test_the_first_night_with_people_enough_fits_and_judges_everybody_at_once(past: Past) -> None:
    assert past.models[NIGHT] == [SHIPPED.version, FIRST]
    assert set(past.judges[NIGHT].values()) == {FIRST}
    assert len(past.judges[NIGHT]) == visits()["patient_id"].n_unique() >= ENOUGH


def test_the_model_is_of_the_sample_and_is_kept_whole(past: Past) -> None:
    (content, people_fitted), *_ = past.scene.rows(
        "SELECT content, people FROM model WHERE model_version = ?", FIRST
    )
    (kept,) = past.scene.ledger(f"SELECT content FROM model WHERE version = '{FIRST}'")

    assert content == kept["content"]
    assert people_fitted == decoded(content).prior.people
    assert ENOUGH <= people_fitted <= 60


def test_a_model_holds_for_seven_nights_and_is_then_fitted_again(past: Past) -> None:
    assert past.models[SIX] == past.models[NIGHT]
    assert past.models[SEVEN] == [SHIPPED.version, FIRST, SECOND]
    assert past.judges[SEVEN]["P005"] == SECOND
    assert past.judges[SIX]["P003"] == past.judges[SIX]["NEWMAN"] == FIRST


def test_a_night_on_which_nothing_came_fits_nothing_however_it_is_run(
    past: Past, tmp_path: Path
) -> None:
    again = copied(past.scene, tmp_path / "home")
    again.night(FOURTEEN)
    digest = again.digest()
    assert (FOURTEEN - SEVEN).days == 7
    assert versions(again) == past.models[SEVEN]

    assert rebuilt(again, FOURTEEN) == digest
    assert versions(again) == past.models[SEVEN]

    again.drop("clinic_csv/labs-3.csv", labs(draw("P007", date(2026, 3, 2), 9.5)))
    again.night(FOURTEEN)
    assert versions(again) == [*past.models[SEVEN], f"fitted-{FOURTEEN}"]


def test_a_newer_model_leaves_the_trends_of_others_as_they_were_to_the_bit(past: Past) -> None:
    before, after = past.trends[SIX], past.trends[SEVEN]

    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == ["P005"]
    assert sorted(name for name, by in past.judges[SEVEN].items() if by == SECOND) == ["P005"]
    first, second = (
        decoded(row["content"])
        for row in past.scene.ledger("SELECT content FROM model ORDER BY in_force_from")
    )
    assert first.prior.weights != second.prior.weights


@pytest.mark.parametrize("night", [NIGHT, SIX, SEVEN])
def test_every_night_replays_to_its_digest(past: Past, night: date) -> None:
    said = past.scene.run("replay", str(night), "--json").json

    assert said["same"]
    assert said["digest_now"] == past.digests[night]


def test_a_warehouse_made_again_from_the_files_has_the_same_digest(
    past: Past, tmp_path: Path
) -> None:
    again = copied(past.scene, tmp_path / "home")

    assert rebuilt(again, SEVEN) == past.digests[SEVEN]
    assert versions(again) == past.models[SEVEN]
    assert judges(again) == past.judges[SEVEN]


def test_other_code_starts_from_the_files_with_the_models_there_are(
    past: Past, tmp_path: Path
) -> None:
    again = copied(past.scene, tmp_path / "home")
    again.set('[sources.clinic_csv]\ncodes = { "NEVER-SEEN" = "20448-7" }\n')
    done = again.night(SEVEN)

    assert done["steps"]["read"]["rebuilt"] == 1
    assert again.digest() == past.digests[SEVEN]


def test_a_fit_from_a_standing_warehouse_is_the_fit_from_the_files(
    past: Past, tmp_path: Path
) -> None:
    """Had the night of the refit begun with nothing, it would have found the very same model."""
    again = copied(past.scene, tmp_path / "home")
    ledger = Ledger(again.home.ledger)
    assert ledger.write("DELETE FROM model WHERE version = ?", [SECOND]) == 1
    ledger.close()

    assert rebuilt(again, SEVEN) == past.digests[SEVEN]
    kept = "SELECT * FROM model ORDER BY in_force_from"
    assert again.ledger(kept) == past.scene.ledger(kept)


# small clinics, and clinics that do not want it


def test_a_small_clinic_stays_with_the_shipped_model_and_is_told_where_that_is_from(
    scene: Scene, past: Past
) -> None:
    scene.drop("clinic_csv/labs-1.csv", people(0, ENOUGH - 1))
    scene.night()
    small, large = scene.run("model").out, past.scene.run("model").out

    assert set(judges(scene).values()) == {SHIPPED.version}
    assert scene.ledger("SELECT * FROM model") == []
    assert f"Trend model {SHIPPED.version}, from 39,741 people" in small
    assert "fitted on simulated cohort seed 202, not on patients" in small
    assert "Platforms: no effects" in small
    assert f"Trend model {SECOND}, in force since {SEVEN}, from " in large
    assert "fitted without labels on the night of 2026-03-08 to this clinic's own draws" in large
    assert f"81 by {FIRST}" not in large
    assert f"1 by {SECOND}" in large


def test_the_model_is_told_to_machines_with_its_versions_and_checks(past: Past) -> None:
    said = past.scene.run("model", "--json").json

    assert said["model"]["version"] == SECOND
    assert [row["model_version"] for row in said["versions"]] == past.models[SEVEN]
    told = {row["model_version"]: row["patients"] for row in said["patients_by_version"]}
    assert told == {SECOND: 1, FIRST: len(past.judges[SEVEN]) - 1}
    assert {row["analyte"] for row in said["prediction_check"]} == {"insulin", "glucose"}
    assert said["list_check"]["n_evaluated"] > 0


# a change of platform within patients


@dataclass(frozen=True)
class Bridging:
    """A home whose first night may not fit and whose second does; ``moved`` came on it."""

    scene: Scene
    moved: str
    stayed: str
    before: dict[str, list[tuple[Any, ...]]]
    explained: str


PAIRS = (
    "SELECT lab, used, reason, platform_effect, model_version FROM fasting_pair "
    "WHERE patient_id = ? ORDER BY drawn_on"
)


@pytest.fixture(scope="module")
def bridging(tmp_path_factory: pytest.TempPathFactory) -> Bridging:
    scene = scenes.scene(tmp_path_factory.mktemp("bridging") / "home")
    moved, stayed, *_ = crossers()
    scene.set("[model]\nrefit_days = 0\n")
    scene.drop("clinic_csv/labs-1.csv", people(0, PEOPLE))
    scene.night(NIGHT)
    before = {name: scene.rows(PAIRS, name) for name in (moved, stayed)}
    assert versions(scene) == [SHIPPED.version]
    explained = scene.run("explain", moved).out
    scene.set("[model]\nrefit_days = 7\n")
    scene.drop("clinic_csv/labs-2.csv", labs(draw(moved, date(2026, 2, 20), 11.5, lab="B")))
    scene.night(SIX)
    return Bridging(scene, moved, stayed, before, explained)


def test_without_refits_the_shipped_model_holds_and_with_them_a_fitted_one(
    bridging: Bridging,
) -> None:
    versions_before = {row[4] for rows in bridging.before.values() for row in rows}
    assert versions_before == {SHIPPED.version}
    assert versions(bridging.scene) == [SHIPPED.version, f"fitted-{SIX}"]


def test_the_shipped_model_breaks_a_series_where_the_assay_changes(bridging: Bridging) -> None:
    for rows in bridging.before.values():
        assert {lab for lab, used, *_ in rows if used} == {"Lab B"}
        assert {reason for lab, _, reason, *_ in rows if lab == "Lab A"} == {"other assay"}
        assert {effect for *_, effect, _ in rows} == {0}


def test_the_fitted_model_bridges_it_and_says_by_how_much(bridging: Bridging) -> None:
    rows = bridging.scene.rows(PAIRS, bridging.moved)
    effects = dict(bridging.scene.rows("SELECT lab, effect_pct FROM platform"))
    step = (1 + effects["Lab B"] / 100) / (1 + effects["Lab A"] / 100)

    assert all(used for _, used, *_ in rows)
    assert {version for *_, version in rows} == {f"fitted-{SIX}"}
    assert step == pytest.approx(STEP, abs=0.12)
    assert len({effect for *_, effect, _ in rows}) == 2
    assert bridging.scene.rows(PAIRS, bridging.stayed) == bridging.before[bridging.stayed]


def test_an_explanation_names_the_change_and_what_was_taken_off(bridging: Bridging) -> None:
    effects = dict(bridging.scene.rows("SELECT lab, effect_pct FROM platform"))
    step = 100 * ((100 + effects["Lab B"]) / (100 + effects["Lab A"]) - 1)
    text = bridging.scene.run("explain", bridging.moved).out

    change = f"from Lab A, Assay A to Lab B, Assay B; reads {step:+.0f}% for insulin"
    assert f"{change}, which is taken off" in text
    assert f"by trend model fitted-{SIX}" in text
    assert "Platform changes" not in bridging.explained
    assert f"by trend model {SHIPPED.version}" in bridging.explained


def test_the_level_of_a_bridged_patient_is_that_of_the_reference(bridging: Bridging) -> None:
    """Only lab B's draws are used before: 30 % higher, if that is where the patient stands."""
    trend = "SELECT n_pairs, first_on FROM trend WHERE patient_id = ?"
    ((n_pairs, first_on),) = bridging.scene.rows(trend, bridging.moved)
    ((n_stayed, first_stayed),) = bridging.scene.rows(trend, bridging.stayed)

    assert (n_pairs, first_on < CHANGE) == (len(bridging.before[bridging.moved]) + 1, True)
    assert first_stayed >= CHANGE
    assert n_stayed == sum(used for _, used, *_ in bridging.before[bridging.stayed])


# a second run of a night

EXACT = "\n".join(draw("LIM", date(2023 + k, 1, 5), 5.1 + k) for k in range(2))
LIMIT = draw("LIM", date(2025, 1, 5), "<2.0")
ALONE = result("ONE", date(2025, 1, 5), GLUCOSE, 90)
USED = "SELECT DISTINCT model_version FROM fasting_pair WHERE patient_id = ?"


@pytest.fixture(scope="module")
def too_small(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two nights too small to fit, and in the inbox what makes the second large enough."""
    made = scenes.scene(tmp_path_factory.mktemp("small") / "home")
    made.drop("clinic_csv/labs-0.csv", people(0, 10) + EXACT + "\n")
    made.night(NIGHT)
    made.drop("clinic_csv/labs-1.csv", people(10, 30) + f"{LIMIT}\n{ALONE}\n")
    made.night(SIX)
    assert set(judges(made).values()) == {SHIPPED.version}
    made.drop("clinic_csv/labs-2.csv", people(30, PEOPLE))
    return made


@dataclass(frozen=True)
class Ways:
    """The judges of a night and its digest, by a second run and from nothing."""

    judges: tuple[dict[str, str], dict[str, str]]
    alone: tuple[list[Any], list[Any]]
    digests: tuple[str, str]


def ways(scene: Scene) -> Ways:
    scene.night(SIX)
    digest, found, alone = scene.digest(), judges(scene), scene.rows(USED, "ONE")
    again = rebuilt(scene, SIX)
    return Ways((found, judges(scene)), (alone, scene.rows(USED, "ONE")), (digest, again))


@pytest.fixture(scope="module")
def second(too_small: Scene, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    """The second night run again, with more files."""
    return ways(copied(too_small, tmp_path_factory.mktemp("second") / "home"))


def test_people_of_a_night_that_is_run_again_are_judged_by_the_model_it_then_fits(
    second: Ways,
) -> None:
    for found in second.judges:
        by_number = {int(name[1:]): by for name, by in found.items() if name != "LIM"}
        old = {by for number, by in by_number.items() if number < 10}
        new = {by for number, by in by_number.items() if number >= 10}
        assert (old, new) == ({SHIPPED.version}, {f"fitted-{SIX}"})


def test_so_are_people_whose_draws_a_fit_leaves_out(second: Ways) -> None:
    assert [found["LIM"] for found in second.judges] == [f"fitted-{SIX}"] * 2
    assert second.alone == ([(f"fitted-{SIX}",)],) * 2
    assert second.digests[0] == second.digests[1]


def test_so_are_they_if_the_night_that_fits_fails_and_is_run_once_more(
    too_small: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = copied(too_small, tmp_path / "home")
    monkeypatch.setattr("flows.steps.store.digest", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scene.night(SIX)
    monkeypatch.undo()
    assert len(scene.ledger("SELECT * FROM model")) == 1

    found = ways(scene)

    assert found.judges[0] == found.judges[1]
    assert found.digests[0] == found.digests[1]
