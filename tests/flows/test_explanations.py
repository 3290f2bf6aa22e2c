"""Explanations: what stands behind a status, by the patient's own model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.explain import barred_now
from tests.flows import scene as scenes
from tests.flows.scene import GLUCOSE, INSULIN, NIGHT, QUICK, Scene, labs, result, series
from tests.flows.test_models import copied
from transforms.catalog.next_tests import NEXT_TESTS
from transforms.catalog.rule import RULE
from transforms.frozen import SHIPPED, FrozenModel, encoded
from transforms.platforms import Platform
from transforms.trends import with_next
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

BEFORE = NIGHT - timedelta(days=1)
SLOW = (5.0, 5.5, 6.4, 7.6, 9.0, 11.0)
ON_B = (5.0, 5.5, 6.4, 9.88, 11.7, 14.3)
"""The same, the last three measured by laboratory B, which reads 30 % higher."""
WARD = """
[sources.ward]
reader = "table"
[sources.ward.table]
patient_id = "patient_id"
observed_at = "collected_at"
code = "code"
value = "value"
unit = "unit"
fasting = "fasting"
lab = "lab"
assay = "assay"
result_id = "result_id"
comment = "comment"
"""
SENTENCES = {test.name: test.sentence for test in NEXT_TESTS}


def own() -> FrozenModel:
    """A model of the clinic's own: climbing is rarer here, and laboratory B reads 30 % higher."""
    weights = tuple(w * (0.35 if m[1] > 0.05 else 1) for w, m in _components())
    prior = replace(
        SHIPPED.prior, version="own-1", weights=tuple(w / sum(weights) for w in weights)
    )
    known = (
        Platform("Lab A", "Assay A", None, "a", 0.0, 0.0, 500, is_found=False),
        Platform("Lab B", "Assay B", None, "a", log(1.3), 0.02, 90, is_found=False),
    )
    return FrozenModel("own-1", NIGHT, SHIPPED.noise, prior, known)


def _components() -> list[tuple[float, tuple[float, ...]]]:
    return list(zip(SHIPPED.prior.weights, SHIPPED.prior.means, strict=True))


def moved(patient: str) -> list[str]:
    """Three years at laboratory A, then three at B."""
    rows = series(patient, ON_B)
    return rows[:6] + [row.replace("Lab A,Assay A", "Lab B,Assay B") for row in rows[6:]]


def commented(patient: str, *comments: str) -> str:
    """A year's draw each, with a comment, as a ward's own file."""
    rows = series(patient, SLOW[: len(comments)])
    told = [f"{row},{comments[k // 2]}" for k, row in enumerate(rows)]
    return "\n".join([f"{scenes.LABS},comment", *told]) + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two nights: on the second a model of the clinic's own is in force."""
    made = scenes.scene(tmp_path_factory.mktemp("explained") / "home")
    made.set(QUICK + WARD)
    elsewhere = [row.replace("Lab A", "Lab C") for row in series("LEA", SLOW)[6:]]
    made.drop(
        "clinic_csv/labs-1.csv",
        labs(*series("EVA", SLOW), *series("LEA", SLOW)[:6], *elsewhere),
    )
    made.night(BEFORE)
    ledger = Ledger(made.home.ledger)
    ledger.keep_model("own-1", NIGHT, encoded(own()))
    ledger.close()
    limit = [row.replace(",9.0,", ",<2.0,") for row in series("LIM", SLOW)]
    spoilt = series("HAE", (14.0, 14.6, 14.2, 14.4, 14.1, 2.9))
    people = (*series("IDA", SLOW), *moved("MOA"), *moved("MOB"), *limit, *spoilt)
    sick = series("DIA", SLOW)
    first = (result("ONE", date(2026, 1, 5), c, 9) for c in (INSULIN, GLUCOSE))
    made.drop("clinic_csv/labs-2.csv", labs(*people, *sick, *first))
    made.drop(
        "clinic_csv/conditions-1.csv",
        "patient_id,code,name,onset_date,end_date\nDIA,E11.9,Type 2 diabetes,2020-01-01,\n",
    )
    made.drop("ward/ill.csv", commented("SIC", *["sober"] * 5, "Patient had a fever"))
    made.drop("ward/well.csv", commented("WEL", *["sober"] * 5, "no fever"))
    made.night(NIGHT)
    return made


@dataclass(frozen=True)
class Told:
    """An explanation, for people and for machines."""

    text: str
    json: dict[str, Any]


@cache
def told(home: Scene, patient: str) -> Told:
    """Both say the same, so each test looks at both."""
    text, json = home.run("explain", patient), home.run("explain", patient, "--json")
    assert (text.code, json.code) == (0, 0)
    return Told(text.out, json.json)


# the model


@pytest.mark.parametrize(("patient", "version"), [("EVA", SHIPPED.version), ("IDA", "own-1")])
def test_the_model_that_judged_is_named(home: Scene, patient: str, version: str) -> None:
    found = told(home, patient)

    assert f"by trend model {version}" in found.text
    assert found.json["trend"]["model_version"] == version


def test_the_same_draws_are_judged_by_each_patients_own_model(home: Scene) -> None:
    eva, ida = told(home, "EVA"), told(home, "IDA")

    assert [d["insulin_uiu_ml"] for d in eva.json["draws"]] == list(SLOW)
    assert [d["insulin_uiu_ml"] for d in ida.json["draws"]] == list(SLOW)
    shipped, of_own = (f.json["trend"]["p_climbing_unseen"] for f in (eva, ida))
    assert of_own < shipped - 0.03


BORDER = re.compile(r"insulin ([\d.]+)(?: to [\d.]+| or more): probability enough for tier ([ABC])")
ENOUGH = {"A": RULE.tier_a_p, "B": RULE.tier_b_p, "C": RULE.tier_c_p}


def borders(found: Told) -> dict[str, float]:
    """Tier -> the insulin from which the next draw would make it."""
    assert all(text in found.text for text in found.json["what_would_change_it"])
    said = " ".join(found.json["what_would_change_it"])
    return {tier: float(value) for value, tier in BORDER.findall(said)}


def test_what_would_change_it_is_asked_of_the_patients_own_model(home: Scene) -> None:
    shipped, of_own = borders(told(home, "EVA")), borders(told(home, "IDA"))

    assert {"B", "C"} <= shipped.keys() & of_own.keys()
    assert all(of_own[tier] > shipped[tier] for tier in shipped.keys() & of_own.keys())


def test_or_more_is_said_only_where_it_holds(home: Scene) -> None:
    """Very high insulin may rather be a draw after a meal: then there is an upper border too."""
    found = told(home, "EVA").json
    used = pl.DataFrame(found["draws"]).select(
        pl.col("drawn_on").str.to_date(), "insulin_uiu_ml", "glucose_mg_dl", patient_id=pl.lit("p")
    )
    on = date.fromisoformat(
        re.findall(r"on (\d{4}-\d\d-\d\d)", found["what_would_change_it"][0])[0]
    )
    glucose = found["trend"]["glucose_level_mg_dl"]

    def least(low: float, high: float) -> float:
        return float(with_next(used, on, np.geomspace(1.02 * low, 0.98 * high, 200), glucose).min())

    claims = [
        (float(low), float(high or 120), ENOUGH[tier])
        for text in found["what_would_change_it"]
        for low, high, tier in re.findall(
            r"insulin ([\d.]+)(?: to ([\d.]+)| or more): probability enough for tier ([ABC])", text
        )
    ]
    assert claims
    assert [(low, high) for low, high, p in claims if least(low, high) < p] == []


def test_what_would_change_it_is_said_as_the_newest_laboratory_measures(home: Scene) -> None:
    here, there = borders(told(home, "IDA")), borders(told(home, "MOA"))

    assert here.keys() == there.keys()
    assert [there[tier] / here[tier] for tier in here] == pytest.approx([1.3] * len(here), rel=0.05)


def test_the_next_draw_changes_what_was_said_it_would(home: Scene, tmp_path: Path) -> None:
    """Nine in ten of the insulin that is said to be enough is not, a tenth more is."""
    found = told(home, "MOA")
    border = borders(found)["B"]
    (said, *_) = found.json["what_would_change_it"]
    on = date.fromisoformat(re.findall(r"on (\d{4}-\d\d-\d\d)", said)[0])
    glucose = float(re.findall(r"glucose (\d+)", said)[0])
    rows = [
        result(patient, on, code, value).replace("Lab A,Assay A", "Lab B,Assay B")
        for patient, insulin in (("MOA", 0.9 * border), ("MOB", 1.1 * border))
        for code, value in ((INSULIN, round(insulin, 2)), (GLUCOSE, glucose))
    ]
    again = copied(home, tmp_path / "home")
    again.drop("clinic_csv/labs-3.csv", labs(*rows))
    again.night(on + timedelta(days=1))
    query = "SELECT patient_id, p_climbing_unseen, model_version FROM trend WHERE n_pairs = 7"
    p = {name: value for name, value, version in again.rows(query) if version == "own-1"}

    assert p["MOA"] < RULE.tier_b_p <= p["MOB"]


# platforms


def test_a_change_of_platform_is_told_with_what_was_taken_off(home: Scene) -> None:
    found = told(home, "MOB")
    change = (
        f"{scenes.FIRST_DRAW + timedelta(days=3 * 365)}: from Lab A, Assay A to Lab B, Assay B; "
        "reads +30% for insulin, which is taken off"
    )

    assert found.json["platform_changes"] == [change]
    assert "Platform changes within the draws used" in found.text
    assert change in found.text
    assert [draw["platform_effect"] for draw in found.json["draws"][:6]] == pytest.approx(
        [0, 0, 0, *[log(1.3)] * 3]
    )


def test_a_change_of_laboratory_alone_is_told_though_nothing_is_taken_off(home: Scene) -> None:
    (change,) = told(home, "LEA").json["platform_changes"]

    assert change.endswith("from Lab A, Assay A to Lab C, Assay A; no difference is taken off")


@pytest.mark.parametrize("patient", ["EVA", "ONE", "DIA"])
def test_without_a_change_there_is_no_word_of_one(home: Scene, patient: str) -> None:
    found = told(home, patient)

    assert found.json["platform_changes"] == []
    assert "Platform changes" not in found.text


# draws


def test_a_limit_is_shown_as_one(home: Scene) -> None:
    found = told(home, "LIM")
    (line,) = (line for line in found.text.splitlines() if "<2.0" in line)
    (draw,) = (d for d in found.json["draws"] if d["insulin_comparator"])

    assert "insulin   <2.0  glucose   88  used" in line
    assert (draw["insulin_comparator"], draw["insulin_uiu_ml"], draw["used"]) == ("<", 2.0, True)
    assert "<" not in told(home, "IDA").text


def test_a_draw_in_illness_is_said_to_count_for_less(home: Scene) -> None:
    ill, well = told(home, "SIC"), told(home, "WEL")

    assert ill.text.count("counts for less: ill") == 1
    assert [draw["is_ill"] for draw in ill.json["draws"]] == [False] * 5 + [True]
    assert "counts for less" not in well.text
    assert not any(draw["is_ill"] for draw in well.json["draws"])


# next tests


@pytest.mark.parametrize(
    ("patient", "name"),
    [("ONE", "first_pairs"), ("HAE", "c_peptide"), ("HAE", "repeat_fasting_draw")],
)
def test_the_next_best_tests_are_told(home: Scene, patient: str, name: str) -> None:
    found = told(home, patient)

    assert SENTENCES[name] in found.json["next_tests"]
    assert "Next best tests" in found.text
    assert all(sentence in found.text for sentence in found.json["next_tests"])
    assert SENTENCES[name] not in told(home, "EVA").json["next_tests"]


def test_a_draw_in_doubt_is_shown_with_what_it_likely_is(home: Scene) -> None:
    found = told(home, "HAE")

    assert re.search(r"used, but \d+% likely haemolysed", found.text)
    assert found.json["draws"][-1]["likely"] == "haemolysed"
    assert "likely haemolysed" not in told(home, "EVA").text


def test_who_is_excluded_is_asked_for_no_test(home: Scene) -> None:
    found = told(home, "DIA")

    assert found.json["status"] == "excluded"
    assert found.json["next_tests"] == []
    assert "Next best tests" not in found.text
    assert "The rule applies again when the ground for exclusion is gone." in found.text
    assert told(home, "EVA").json["next_tests"]


@pytest.mark.parametrize(
    ("reason", "days", "is_said"),
    [("during metformin", 50, True), ("during metformin", 401, False), ("not fasting", 50, False),
     (None, 50, False)],
)  # fmt: skip
def test_it_is_said_that_a_draw_now_would_be_barred(
    reason: str | None, days: int, is_said: bool
) -> None:
    older = {"drawn_on": NIGHT - timedelta(days=700), "reason": "during pregnancy_draw"}
    newest = {"drawn_on": NIGHT - timedelta(days=days), "reason": reason}
    said = barred_now(pl.DataFrame([newest, older]), NIGHT)
    assert [f"({reason})" in line for line in said] == [True] * is_said
