"""What came over several nights gives the digest of what came in one rebuild from the files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from flows import compute
from tests.flows.scene import GLUCOSE, INSULIN, NIGHT, Scene, labs, patients, result

pytestmark = pytest.mark.slow

NIGHTS = 3
PEOPLE = tuple(f"P{number}" for number in range(1, 8))
Delivery = tuple[str, str]


def deliveries(seed: int) -> list[list[Delivery]]:
    """Files of a few nights with everything that happens to results: corrected, preliminary,
    withdrawn, moved to another patient, repeated, late, unreadable; people merged and unmerged;
    conditions and medications that come and go."""
    dice = random.Random(seed)  # noqa: S311 no secret
    known: list[tuple[str, date, str]] = []
    nights = []
    for night in range(NIGHTS):
        files: list[Delivery] = []
        for part in range(dice.randint(1, 3)):
            rows = [row for _ in range(dice.randint(3, 14)) for row in happening(dice, known)]
            dice.shuffle(rows)
            files.append((f"labs-{night}-{part}.csv", labs(*rows)))
        files += [file for file in facts(dice, night) if dice.random() < 0.7]
        if nights and dice.random() < 0.6:
            name, content = dice.choice(nights[-1])
            files.append((name.replace(".csv", "-again.csv"), content))
        nights.append(files)
    return nights


def happening(dice: random.Random, known: list[tuple[str, date, str]]) -> Iterator[str]:
    """A new draw of insulin and glucose, or something that happens to a result of an old one."""
    if not known or dice.random() < 0.5:
        patient, on = dice.choice(PEOPLE), date(2021, 1, 1) + timedelta(days=dice.randint(0, 1800))
        known.append((patient, on, f"N{len(known)}"))
        fasting = dice.choice(("yes", "yes", "yes", "no", "unknown"))
        for code in (INSULIN, GLUCOSE):
            yield a_result(dice, known[-1], code, fasting=fasting)
        return
    old = dice.choice(known)
    patient = dice.choice(PEOPLE) if dice.random() < 0.05 else old[0]
    code, status = dice.choice((INSULIN, GLUCOSE)), dice.choice("FFFPCXDW")
    row = a_result(dice, (patient, *old[1:]), code, status=status)
    yield row.replace(",u[IU]/mL,", ",furlong,") if dice.random() < 0.1 else row
    if dice.random() < 0.2:
        yield row


def a_result(dice: random.Random, draw: tuple[str, date, str], code: str, **facts: str) -> str:
    """A row of that draw with a value of its own."""
    patient, on, number = draw
    value = round(dice.uniform(3, 25), 1) if code == INSULIN else dice.randint(75, 110)
    return result(patient, on, code, value, number=f"{number}-{code}", **facts)


def facts(dice: random.Random, night: int) -> Iterator[Delivery]:
    """Records of people, and conditions and medications."""
    merged = {dice.choice(PEOPLE[:3]): dice.choice(PEOPLE[3:])} if dice.random() < 0.6 else {}
    yield f"patients-{night}.csv", patients(*dice.sample(PEOPLE, 4), merged=merged)
    on = date(2021, 1, 1) + timedelta(days=dice.randint(0, 1800))
    yield (
        f"conditions-{night}.csv",
        "patient_id,code,name,onset_date,end_date\n"
        f"{dice.choice(PEOPLE)},E11.9,Type 2 diabetes,{on},\n"
        f"{dice.choice(PEOPLE)},Z33.1,Pregnant,{on},{on + timedelta(days=280)}\n",
    )
    yield (
        f"medications-{night}.csv",
        "patient_id,name,class,start_date,end_date\n"
        f"{dice.choice(PEOPLE)},Glimepiride,sulfonylurea,{on},\n",
    )


def delivered(scene: Scene, files: list[Delivery], night: date) -> str:
    """A night on which these files came; its digest."""
    for name, content in files:
        scene.drop(f"clinic_csv/{name}", content)
    scene.night(night)
    return scene.digest()


@pytest.mark.parametrize("seed", [1])
def test_nights_one_by_one_give_the_digest_of_a_rebuild_and_of_a_replay(
    scene: Scene, seed: int
) -> None:
    agrees(scene, deliveries(seed))


def agrees(scene: Scene, nights: list[list[Delivery]]) -> None:
    """Run the nights, rebuild the last, replay the others: three ways, one digest a night."""
    digests = {}
    for number, files in enumerate(nights):
        night = NIGHT + timedelta(days=number)
        digests[night] = delivered(scene, files, night)
    assert len(set(digests.values())) == len(nights)
    assert scene.rows("SELECT count(*) FROM fasting_pair WHERE used")[0][0] > 0

    scene.night(night, rebuild=True)

    assert scene.digest() == digests[night]
    for past in list(digests)[:-1]:
        assert scene.run("replay", str(past), "--json").json["digest_now"] == digests[past]


def test_patients_computed_a_few_at_a_time_give_the_digest_of_all_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for files in deliveries(77)[:1]:
        at_once = delivered(scene, files, NIGHT)
    shards: list[int] = []
    judged = compute._per_patient

    def counted(*given: Any) -> Any:
        shards.append(1)
        return judged(*given)

    monkeypatch.setattr(compute, "_per_patient", counted)
    monkeypatch.setattr(compute, "SHARD", 2)
    scene.night(NIGHT, rebuild=True)

    assert scene.digest() == at_once
    assert len(shards) > 2


def test_a_night_costs_what_arrived_not_what_is_stored(begun: Scene) -> None:
    steps = begun.ledger("SELECT name, counts FROM step")
    first = {step["name"]: json.loads(step["counts"]) for step in steps}
    begun.drop("clinic_csv/labs-9.csv", labs(result("NEW", date(2026, 2, 2), INSULIN, 7)))
    second = begun.night(NIGHT + timedelta(days=1))["steps"]

    assert first["transform"]["patients changed"] == 3
    assert second["transform"]["patients changed"] == 1
    assert second["read"]["files"] == 1
    assert second["transform"]["fasting_pair"] < first["transform"]["fasting_pair"]
