"""``undertow cohort``: what there is, what it asks, and what a change would do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cohort_plan import Plan, as_json, as_page, as_text, notes, plan, read_draft
from tests.flows.cohort_clinic import AS_OF, Con
from tests.flows.scene import Scene
from transforms.catalog.criteria import IN_FORCE
from transforms.catalog.drafts import THRESHOLDS, DraftError, draft
from transforms.catalog.rule import COHORTS, RULE

STRICTER = 'cohort = "climbing_unseen"\nversion = "2"\n[rule]\ntier_b_p = 0.6\n'


def planned(con: Con, **content: Any) -> Plan:
    now, then = draft({"version": 2} | content)
    return plan(con, now, then)


# Drafts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"cohort": "nobody"}, "cohort: one of climbing_unseen"),
        ({"cohort": "liver_pattern"}, "cohort: one of climbing_unseen"),
        ({"version": 1}, "version: a whole number above 1"),
        ({"version": "next"}, "version: a whole number above 1"),
        ({"threshold": 1}, "threshold: not part of a draft"),
        ({"tiers": ["D"]}, "tiers: a list of A, B, C"),
        ({"tiers": ["B"]}, "tiers B: only A, A B, A B C or C alone"),
        ({"statuses": "climbing"}, "statuses: a list of"),
        ({"statuses": ["not_flagged"]}, "statuses not_flagged: no criteria"),
        ({"rule": 0.6}, "rule: thresholds by name"),
        ({"rule": {"tier_d_p": 0.6}}, "rule.tier_d_p: no such threshold"),
        ({"rule": {"tier_b_p": 60}}, "rule.tier_b_p: 60 lies outside"),
        ({"rule": {"tier_b_p": "high"}}, "rule.tier_b_p: 'high' is no number"),
        ({"rule": {"min_pairs": 2.5}}, "rule.min_pairs: 2.5 is no whole number"),
        ({"rule": {"min_pairs": True}}, "rule.min_pairs: True is no whole number"),
        ({"rule": {"max_age_days": -1}}, "rule.max_age_days: -1 lies outside"),
        ({"rule": {"tier_b_p": 0.9}}, "must not fall in this order"),
        ({"rule": {"insulin_upper_limit": 15}}, "the stored trends were made with it"),
        ({"rule": {"tier_b_p": RULE.tier_b_p}}, "changes nothing"),
        ({"sentence": "Other words.", "rule": {}}, "changes nothing"),
    ],
)
def test_a_draft_that_cannot_be_tried_is_refused_in_words(
    content: dict[str, Any], said: str
) -> None:
    with pytest.raises(DraftError, match=re.escape(said)):
        draft({"cohort": "climbing_unseen", "version": "2", "rule": {"tier_b_p": 0.6}} | content)


def test_a_draft_is_the_definition_in_force_with_what_it_changes() -> None:
    now, then = draft({"cohort": "climbing_unseen", "version": 3, "rule": {"tier_b_p": 0.6}})

    assert now is COHORTS[0]
    assert (then.version, then.state, then.accepted_on) == ("3", "draft", None)
    assert then.rule == replace(RULE, version="status-1-changed", tier_b_p=0.6)
    assert (
        replace(then, version="1", rule=RULE, state="accepted", accepted_on=now.accepted_on) == now
    )
    assert {"tier_b_p", "min_pairs"} <= THRESHOLDS.keys()


# What changes


def test_a_stricter_bound_lets_nobody_in_and_says_of_everybody_by_how_much(
    clinic: Con,
) -> None:
    found = planned(clinic, cohort="climbing_unseen", rule={"tier_b_p": 0.6})
    changes = found.changes

    assert found.is_published
    assert set(changes["change"]) == {"leaves", "begins later", "ends earlier"}
    assert set(changes["criterion"]) == {"climbs_unseen"}
    assert set(changes["bound"]) == {0.6}
    assert changes.filter((pl.col("value") < 0.5) | (pl.col("value") >= 0.6)).is_empty()
    assert changes.filter((pl.col("margin") - (pl.col("value") - 0.6)).abs() > 1e-12).is_empty()
    before, after = (
        stays.filter(pl.col("left_on").is_null()) for stays in (found.found.now, found.found.then)
    )
    leaving = set(before["patient_id"]) - set(after["patient_id"])
    still = changes.filter(pl.col("until_on").is_null())
    assert leaving == set(still["patient_id"])
    assert leaving


def test_a_shorter_wait_ends_stays_on_the_day_it_is_over(clinic: Con) -> None:
    changes = planned(clinic, cohort="climbing_unseen", rule={"max_age_days": 300}).changes
    days = changes.select(on=pl.col("from_on") - pl.col("drawn_on"))["on"].unique().to_list()

    assert set(changes["change"]) == {"ends earlier"}
    assert days == [timedelta(days=301)]
    assert set(changes["value"]) == {301.0}


def test_fewer_pairs_let_people_in_on_an_earlier_draw(clinic: Con) -> None:
    changes = planned(clinic, cohort="climbing_unseen", rule={"min_pairs": 2}).changes

    assert set(changes["change"]) == {"enters", "begins earlier"}
    assert changes.select("criterion", "value", "bound").unique().rows() == [("pairs", 2.0, 3.0)]
    assert (changes["from_on"] == changes["drawn_on"]).all()


@pytest.mark.parametrize(
    ("content", "criterion"),
    [
        ({"cohort": "decompensating", "rule": {"insulin_flat_p": 0.8}}, "insulin_flat"),
        ({"cohort": "high_stable", "rule": {"adult_age": 21}}, "adult"),
        ({"cohort": "high_stable", "rule": {"high_p": 0.9}}, "insulin_high"),
        ({"cohort": "climbing_repeat", "rule": {"tier_b_p": 0.4}}, "not_surer"),
        ({"cohort": "climbing_unseen", "tiers": ["A", "B", "C"]}, "climbs_unseen"),
    ],
)
def test_the_deciding_criterion_is_the_one_that_changed(
    clinic: Con, content: dict[str, Any], criterion: str
) -> None:
    changes = planned(clinic, **content).changes

    assert changes.height > 0
    assert set(changes["criterion"]) == {criterion}


def test_every_day_that_differs_is_told_once_and_why(clinic: Con) -> None:
    """The spans are exactly the days on which one definition alone has somebody in."""
    content = {"rule": {"min_pairs": 4, "max_age_days": 420, "tier_b_p": 0.45}}
    found = planned(clinic, cohort="climbing_unseen", **content)
    days = {
        name: in_days(stays)
        for name, stays in (("now", found.found.now), ("then", found.found.then))
    }
    spans = found.changes.rename({"from_on": "entered_on", "until_on": "left_on"})

    assert in_days(spans.filter("is_in")) == days["then"] - days["now"]
    assert in_days(spans.filter(~pl.col("is_in"))) == days["now"] - days["then"]
    assert found.changes["criterion"].null_count() == 0
    assert set(found.changes["change"]) == {
        *("enters", "leaves", "begins earlier", "begins later", "ends later")
    }


def in_days(stays: pl.DataFrame) -> set[tuple[str, date]]:
    """Patient and first day of each week of a stay: enough to find a shifted one."""
    ends = pl.col("left_on").fill_null(AS_OF)
    rows = stays.with_columns(
        day=pl.date_ranges("entered_on", ends, interval="1d", closed="left")
    ).explode("day")
    return set(rows.filter(pl.col("day").is_not_null()).select("patient_id", "day").iter_rows())


def test_tier_a_of_earlier_draws_is_said_not_to_be_known(clinic: Con) -> None:
    assert "Tier A asks" in notes(planned(clinic, cohort="climbing_unseen", tiers=["A"]))[0]
    assert notes(planned(clinic, cohort="climbing_unseen", rule={"tier_b_p": 0.6})) == []


def test_stays_of_another_version_are_said_to_be_so(clinic: Con) -> None:
    clinic.execute("BEGIN")
    clinic.execute("UPDATE store.cohort SET definition_version = '0' WHERE cohort = 'high_stable'")
    found = planned(clinic, cohort="high_stable", rule={"adult_age": 21})
    clinic.execute("ROLLBACK")

    assert notes(found) == ["The published stays are of another version or code."]


# How it is told


def test_people_are_counted_by_year_sex_and_age_and_the_counts_agree(clinic: Con) -> None:
    found = planned(clinic, cohort="climbing_unseen", rule={"tier_b_p": 0.6})
    told = as_json(found)

    for name in ("years", "sex", "age_band"):
        assert sum(row["less"] for row in told[name]) == found.changes.height
        assert sum(row["more"] for row in told[name]) == 0
    assert sum(row["n"] for row in told["because"]) == found.changes.height
    assert told["changed"] == {"tier_b_p": (0.5, 0.6)}
    assert len(told["patients"]) == found.changes.height
    assert told["tonight"]["now"] > told["tonight"]["then"]


def test_the_text_names_the_first_few_unless_all_are_asked_for(clinic: Con) -> None:
    found = planned(clinic, cohort="climbing_unseen", rule={"tier_b_p": 0.6})
    few, everybody = (as_text(found, everybody=wish) for wish in (False, True))
    ids = sorted(set(found.changes["patient_id"]))

    assert "tier_b_p: 0.5 -> 0.6" in few
    assert sum(f"    {name}: " in few for name in ids) <= 5
    assert all(f"    {name}: " in everybody for name in ids)
    assert f"and {found.changes.height - 5:,} more" in few


def test_the_page_has_counts_and_bars_and_names_nobody(clinic: Con) -> None:
    found = planned(clinic, cohort="climbing_unseen", rule={"tier_b_p": 0.6})
    page = as_page(found, "1")

    named = [name for name in found.changes["patient_id"] if name.startswith("R")]
    assert [name for name in named if name in page] == []
    assert named
    assert page.count("<svg") == 2 * len(as_json(found)["years"])
    assert "tier_b_p: 0.5 becomes 0.6" in page
    assert "<script" not in page


# The command


def test_the_commands_show_definitions_and_plan_a_draft(after: Scene, tmp_path: Path) -> None:
    path, page = tmp_path / "draft.toml", tmp_path / "plan.html"
    path.write_text(STRICTER.replace("0.6", "0.79").replace("[rule]", "[rule]\nmin_pairs = 7"))
    before = after.published(), after.digest()
    listed, shown, said = (
        after.run("cohort", *words)
        for words in (
            ("list", "--json"),
            ("show", "climbing_unseen"),
            ("plan", str(path), "--html", str(page)),
        )
    )
    asked = after.run("cohort", "plan", str(path), "--json")

    assert {row["cohort"] for row in listed.json} == {each.name for each in IN_FORCE}
    assert next(r for r in listed.json if r["cohort"] == "climbing_unseen")["tonight"] == 1
    assert "climbs_unseen: p_climbing_unseen >= 0.5" in shown.out
    assert "members tonight              1 -> 0" in said.out
    assert "ANN: leaves" in said.out
    assert json.loads(asked.out)["patients"][0]["criterion"] == "pairs"
    assert "ANN" not in page.read_text(encoding="utf-8")
    assert (after.published(), after.digest()) == before


def test_the_commands_answer_before_the_first_night_and_refuse_what_is_wrong(
    scene: Scene, tmp_path: Path
) -> None:
    path = tmp_path / "draft.toml"
    path.write_text("cohort = ")
    broken, unknown, version = (
        scene.run("cohort", *words)
        for words in (
            ("plan", str(path)),
            ("show", "nobody"),
            ("show", "high_stable", "--version", "9"),
        )
    )
    assert scene.run("cohort", "list").code == 0
    assert (broken.code, unknown.code, version.code) == (2, 2, 2)
    assert "draft.toml: no TOML" in broken.err
    assert "there are adipose_pattern" in unknown.err
    assert "high_stable has versions 1" in version.err
    path.write_text(STRICTER)
    assert read_draft(path)[1].rule.tier_b_p == 0.6
    nothing = scene.run("cohort", "plan", str(path))
    assert (nothing.code, "nothing is published" in nothing.err) == (1, True)


def test_what_every_criterion_shows_is_written_with_its_bound(after: Scene) -> None:
    for each in IN_FORCE:
        said = after.run("cohort", "show", each.name, "--json").json
        assert said["fingerprint"]
        assert len(said["criteria"]) >= 7
        assert after.run("cohort", "show", each.name).code == 0
