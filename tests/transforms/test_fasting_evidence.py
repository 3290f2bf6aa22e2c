"""Fasting evidence: what is seen of the hours before a draw, and what it makes of the label."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.catalog.fasting import EVIDENCE, FAMILIES, FASTING_RATES, MOST_RATIO, Evidence
from transforms.catalog.prior import SHIPPED_NOISE
from transforms.fasting_evidence import draw_measures, fasting_evidence
from transforms.model import told_apart
from transforms.synthetic.mornings import Mornings, mornings

DRAWN = datetime.fromisoformat("2026-03-02T08:45")
HOUR = timedelta(hours=1)
INSTANT = pl.Datetime("us")
DRAWS = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "drawn_at": INSTANT,
    "drawn_local": INSTANT,
    "label": pl.String,
    "fasting_hours": pl.Float64,
}
GLUCOSE = {"patient_id": pl.String, "observed_at": INSTANT, "value": pl.Float64}
SLEEP = {"patient_id": pl.String, "observed_at": INSTANT, "ended_at": INSTANT}
ACTIVITY = SLEEP | {"value": pl.Float64, "kind": pl.String}
Rows = list[dict[str, Any]]


def draw(at: datetime = DRAWN, label: str = "yes", **told: Any) -> dict[str, Any]:
    """In a place whose clock is an hour ahead of UTC."""
    row = {"patient_id": "p", "drawn_on": at.date(), "drawn_local": at, "label": label}
    return row | {"drawn_at": at - HOUR, "fasting_hours": None} | told


def trace(
    levels: dict[float, float], until: float = 0, step: int = 5, at: datetime = DRAWN
) -> Rows:
    """Readings of ten hours by hours before the draw; between the levels a straight line."""
    minutes = np.arange(-600, -60 * until + 1, step)
    hours = sorted(levels, reverse=True)
    values = np.interp(minutes / 60, [-h for h in hours], [levels[h] for h in hours])
    return [
        {
            "patient_id": "p",
            "observed_at": at - HOUR + timedelta(minutes=int(m)),
            "value": float(v),
        }
        for m, v in zip(minutes, values, strict=True)
    ]


FLAT = {10.0: 90.0, 0.0: 90.0}
BREAKFAST = {10.0: 90.0, 2.0: 90.0, 1.0: 138.0, 0.0: 120.0}


def record(starts: float, ends: float, at: datetime = DRAWN, **told: Any) -> dict[str, Any]:
    """From so many hours before the draw to so many."""
    begun, ended = (at - HOUR - timedelta(hours=h) for h in (starts, ends))
    return {"patient_id": "p", "observed_at": begun, "ended_at": ended} | told


def workout(starts: float, ends: float) -> dict[str, Any]:
    return record(starts, ends, value=starts - ends, kind="workout_duration")


def found(
    *draws: dict[str, Any],
    glucose: Rows | None = None,
    sleep: Rows | None = None,
    activity: Rows | None = None,
    **more: Any,
) -> pl.DataFrame:
    frames = (
        pl.LazyFrame(rows or [], schema=schema)
        for rows, schema in (
            (list(draws) or [draw()], DRAWS),
            (glucose, GLUCOSE),
            (sleep, SLEEP),
            (activity, ACTIVITY),
        )
    )
    return fasting_evidence(*frames, **more).collect()


def p(ratio: float, label: str = "yes") -> float:
    odds = FASTING_RATES[label] / (1 - FASTING_RATES[label]) * ratio
    return odds / (1 + odds)


def ratio(name: str) -> float:
    return next(item.ratio for item in EVIDENCE if item.name == name)


def said(*draws: dict[str, Any], **seen: Any) -> str:
    """The evidence, and that it weighs what its record says."""
    frame = found(*draws, **seen)
    return "" if frame.is_empty() else str(frame["evidence"].item())


def test_a_draw_of_which_nothing_speaks_has_no_row_whatever_its_label() -> None:
    for label in FASTING_RATES:
        assert found(draw(label=label)).is_empty()
        assert found(draw(label=label), glucose=trace(FLAT)).height == 1


def test_without_wearables_morning_draws_stay_as_they_were_and_with_them_they_do_not() -> None:
    made = mornings(400, 7021)
    local = pl.col("drawn_local")
    early = made.draws.filter(local.dt.hour() < 11).lazy()
    nothing = [frame.clear().lazy() for frame in (made.glucose, made.sleep, made.activity)]
    assert fasting_evidence(early, *nothing).collect().is_empty()
    seen = fasting_evidence(early, made.glucose.lazy(), *nothing[1:]).collect()
    assert seen.height > 0.5 * early.collect().height


def test_a_rise_before_the_draw_is_told_with_its_size_and_hour() -> None:
    frame = found(glucose=trace(BREAKFAST, step=15))
    assert frame["evidence"].item() == (
        "sensor: glucose rose by 48 mg/dL at 07:45, 1.0 h before the draw"
    )
    assert frame["p_fasting"].item() == pytest.approx(p(ratio("high_rise")))


def test_the_hour_of_a_rise_is_unknown_where_the_local_time_is() -> None:
    told = said(draw(drawn_local=None), glucose=trace(BREAKFAST))
    assert "at an unknown hour, 1.0 h before the draw" in told


@pytest.mark.parametrize(
    ("top", "name"),
    [(105, None), (117, "small_rise"), (125, "rise"), (135, "high_rise"), (104, "flat")],
)
def test_the_higher_the_rise_the_more_it_weighs(top: float, name: str | None) -> None:
    frame = found(glucose=trace({10.0: 90.0, 2.0: 90.0, 1.5: top, 0.0: 90.0}, step=15))
    expected = [] if name is None else [pytest.approx(p(ratio(name)))]
    assert frame["p_fasting"].to_list() == expected


def test_a_line_without_a_rise_speaks_for_fasting() -> None:
    frame = found(glucose=trace(FLAT))
    assert (
        frame["evidence"].item()
        == "sensor: no rise in the 8 h before the draw (100 % of them seen)"
    )
    assert frame["p_fasting"].item() == pytest.approx(p(ratio("flat")))


def test_a_line_full_of_holes_says_nothing_but_a_rise_in_it_does() -> None:
    some = [row for k, row in enumerate(trace(FLAT)) if k // 12 % 3]
    assert said(glucose=some) == ""
    some = [row for k, row in enumerate(trace(BREAKFAST)) if k // 12 % 3 != 1]
    assert "rose by" in said(glucose=some)


def test_a_sensor_silent_in_the_last_hour_does_not_say_that_nothing_happened() -> None:
    assert said(glucose=trace(FLAT, until=0.75)) == ""
    assert "no rise" in said(glucose=trace(FLAT, until=0.25))


def test_a_sensor_of_fifteen_minutes_says_what_one_of_five_does() -> None:
    assert said(glucose=trace(FLAT, step=15)) == said(glucose=trace(FLAT))
    assert found(glucose=trace(BREAKFAST, step=15))["p_fasting"].equals(
        found(glucose=trace(BREAKFAST))["p_fasting"]
    )


def low(depth: float, minutes: float, ends: float = 1.5) -> dict[float, float]:
    starts, low = ends + minutes / 60, 95 - depth
    return {10.0: 95, starts + 0.05: 95, starts: low, ends: low, ends - 0.05: 95, 0.0: 95}


@pytest.mark.parametrize("step", [5, 15])
@pytest.mark.parametrize("ends", [0.5, 1.5, 3.0])
@pytest.mark.parametrize(("depth", "minutes"), [(40, 75), (30, 75), (50, 60), (50, 150), (45, 30)])
def test_the_end_of_a_pressure_low_is_no_meal_however_long_it_was(
    depth: float, minutes: float, ends: float, step: int
) -> None:
    pressed = trace(low(depth, minutes, ends), step=step)
    assert found(glucose=pressed).equals(found(glucose=trace(FLAT)))


@pytest.mark.parametrize("rise", [30, 50])
@pytest.mark.parametrize("fall", [0, 20, 40, 80])
def test_breakfast_weighs_the_same_after_glucose_fell_all_night(fall: float, rise: float) -> None:
    fallen = {10.0: 95.0 + fall, 1.5: 95.0, 0.75: 95.0 + rise, 0.0: 95.0 + rise * 0.7}
    name = "small_rise" if rise == 30 else "high_rise"
    assert found(glucose=trace(fallen))["p_fasting"].item() == pytest.approx(p(ratio(name)))
    assert "rose" not in said(glucose=trace(fallen | {0.75: 95.0, 0.0: 95.0}))


def test_who_ate_after_a_pressure_low_has_eaten() -> None:
    pressed = low(40, 75, ends=2.5)
    eaten = found(glucose=trace(pressed | {1.5: 95, 0.75: 140, 0.0: 125}))
    assert eaten["p_fasting"].item() == pytest.approx(p(ratio("high_rise")))
    assert "no rise" in said(glucose=trace(pressed))


def test_only_a_steep_fall_of_the_last_three_hours_makes_a_pressure_low() -> None:
    eaten = {3.0: 95, 1.5: 95, 0.75: 125, 0.0: 110}
    assert "rose" not in said(glucose=trace({10.0: 120, 3.05: 120} | eaten))
    assert "rose" in said(glucose=trace({10.0: 114, 3.05: 114} | eaten))
    assert "rose" in said(glucose=trace({10.0: 120, 4.5: 120} | eaten))
    assert "no rise" in said(glucose=trace(low(45, 165, ends=1.0)))
    assert "rose" in said(glucose=trace(low(45, 240, ends=1.0)))


@pytest.mark.parametrize(("minutes", "told"), [(15, "no rise"), (45, "rose by 45")])
def test_only_a_short_low_is_known_without_its_fall(minutes: float, told: str) -> None:
    starts = DRAWN - HOUR - timedelta(hours=1, minutes=minutes)
    every = trace(low(45, minutes, 1.0))
    seen = [row for row in every if not starts - HOUR <= row["observed_at"] <= starts]
    assert told in said(glucose=seen)


def test_a_fall_before_one_draw_is_not_one_before_the_next() -> None:
    snack = {10.0: 90, 7.5: 90, 7.0: 140, 6.0: 90, 0.0: 90}
    other = [row | {"patient_id": "q"} for row in trace(snack)]
    fallen = trace({10.0: 190, 0.3: 190, 0.2: 90, 0.0: 90})
    alone = found(draw(patient_id="q"), glucose=other)
    assert "rose" in alone["evidence"].item()
    both = found(draw(), draw(patient_id="q"), glucose=fallen + other)
    assert both.filter(pl.col("patient_id") == "q").equals(alone)


def test_dawn_is_too_slow_for_a_meal() -> None:
    slow = {10.0: 85.0, 4.0: 85.0, 0.0: 115.0}
    assert "rose" not in said(glucose=trace(slow))
    quick = {10.0: 85.0, 1.0: 85.0, 0.0: 115.0}
    assert "rose" in said(glucose=trace(quick))


def test_a_snack_in_the_night_weighs_less_than_breakfast() -> None:
    night = found(glucose=trace({10.0: 90, 6.5: 90, 5.5: 138, 4.5: 95, 0.0: 90}))
    assert "at 03:15, 5.5 h before the draw" in night["evidence"].item()
    breakfast = found(glucose=trace(BREAKFAST))
    assert breakfast["p_fasting"].item() < night["p_fasting"].item() < FASTING_RATES["yes"]


def test_dinner_more_than_eight_hours_ago_is_no_matter() -> None:
    assert "no rise" in said(glucose=trace({10.0: 90, 9.5: 140, 8.4: 100, 8.0: 90, 0.0: 90}))
    assert "rose" in said(glucose=trace({10.0: 90, 7.5: 90, 7.0: 140, 6.0: 90, 0.0: 90}))


def test_a_workout_explains_a_rise_after_it_and_only_then() -> None:
    risen = trace({10.0: 90, 2.0: 90, 1.0: 122, 0.0: 90})
    assert "rose" in said(glucose=risen)
    assert said(glucose=risen, activity=[workout(1.8, 1.2)]) == ""
    assert "rose" in said(glucose=risen, activity=[workout(0.5, 0.1)])
    assert "rose" in said(glucose=risen, activity=[workout(4.0, 3.0)])


def test_a_high_rise_after_a_workout_is_still_doubted_but_less() -> None:
    risen = trace(BREAKFAST)
    trained = found(glucose=risen, activity=[workout(1.8, 1.2)])
    assert trained["evidence"].item().endswith("after a workout")
    assert found(glucose=risen)["p_fasting"].item() < trained["p_fasting"].item() < 0.95


def test_steps_say_nothing() -> None:
    walked = [record(1.0, 0.5, value=2000.0, kind="steps")]
    assert found(activity=walked).is_empty()
    risen = trace({10.0: 90, 2.0: 90, 1.0: 122, 0.0: 90})
    assert said(glucose=risen, activity=walked) == said(glucose=risen)


def test_who_has_just_slept_has_rather_not_eaten() -> None:
    frame = found(sleep=[record(8, 0.75)])
    assert frame["evidence"].item() == "sleep: awake for 0.8 h at the draw"
    assert frame["p_fasting"].item() == pytest.approx(p(ratio("soon_after_sleep")))


def test_having_slept_adds_nothing_to_what_a_sensor_says() -> None:
    assert "sleep" not in said(glucose=trace(FLAT), sleep=[record(8, 0.75)])
    both = found(glucose=trace(BREAKFAST), sleep=[record(8, 0.75)])
    assert both.equals(found(glucose=trace(BREAKFAST)))


def test_who_has_been_up_for_long_has_rather_eaten() -> None:
    frame = found(sleep=[record(14, 6)])
    assert frame["evidence"].item() == "sleep: awake for 6.0 h at the draw"
    assert frame["p_fasting"].item() == pytest.approx(p(ratio("long_awake")))
    assert found(sleep=[record(12, 4)]).is_empty()


def test_long_awake_counts_beside_a_sensor() -> None:
    both = found(glucose=trace(FLAT), sleep=[record(14, 6)])
    assert both["p_fasting"].item() == pytest.approx(p(ratio("flat") * ratio("long_awake")))


def test_a_nap_is_no_night_and_a_night_in_pieces_is_one() -> None:
    night, nap = record(14, 6), record(1.5, 0.5)
    assert said(sleep=[night, nap]) == said(sleep=[night])
    pieces = [record(9, 6), record(5.5, 3), record(2.8, 0.5)]
    assert said(sleep=pieces) == "sleep: awake for 0.5 h at the draw"


def test_sleep_of_the_day_before_yesterday_says_nothing() -> None:
    assert found(sleep=[record(26, 18)]).is_empty()
    assert found(sleep=[record(20, 12)]).height == 1


@pytest.mark.parametrize("clock", ["05:00", "08:00", "10:59", "03:00", "00:15"])
def test_the_clock_says_nothing_of_usual_draws(clock: str) -> None:
    assert found(draw(datetime.fromisoformat(f"2026-03-02T{clock}"))).is_empty()


@pytest.mark.parametrize(
    ("clock", "name"), [("11:00", "noon"), ("12:59", "noon"), ("13:00", "afternoon")]
)
def test_the_later_the_fewer_fast(clock: str, name: str) -> None:
    frame = found(draw(datetime.fromisoformat(f"2026-03-02T{clock}")))
    assert frame["evidence"].item() == f"hour: drawn at {clock}"
    assert frame["p_fasting"].item() == pytest.approx(p(ratio(name)))


def test_the_clock_is_silent_where_sleep_is_known() -> None:
    late = DRAWN.replace(hour=14)
    assert said(draw(late)) == "hour: drawn at 14:45"
    assert said(draw(late), sleep=[record(12, 4, at=late)]) == ""
    assert said(draw(late), sleep=[record(9, 1, at=late)]) == "sleep: awake for 1.0 h at the draw"


def test_midnight_is_no_time_of_a_draw() -> None:
    midnight = DRAWN.replace(hour=0, minute=0)
    risen = trace(BREAKFAST, at=midnight)
    assert found(draw(midnight), glucose=risen).is_empty()
    assert found(draw(midnight + timedelta(minutes=1)), glucose=risen).height == 1


def test_of_a_draw_of_unknown_time_only_what_was_stated_counts() -> None:
    untimed = {"drawn_at": None, "drawn_local": None}
    seen: dict[str, Any] = {"glucose": trace(BREAKFAST), "sleep": [record(14, 6)]}
    assert found(draw(**untimed), **seen).is_empty()
    stated = found(draw(label="unknown", fasting_hours=12, **untimed), **seen)
    assert stated["evidence"].item() == "stated: 12.0 h without food"


@pytest.mark.parametrize(
    ("label", "hours", "name"),
    [
        ("unknown", 12, "fasted_overnight"),
        ("unknown", 8, "fasted_long"),
        ("unknown", 16, "fasted_long"),
        ("unknown", 5, "fasted_short"),
        ("yes", 5, "fasted_short"),
    ],
)
def test_hours_stated_count_where_the_label_does_not_say_them(
    label: str, hours: float, name: str
) -> None:
    frame = found(draw(label=label, fasting_hours=hours))
    assert frame["p_fasting"].item() == pytest.approx(p(ratio(name), label))


@pytest.mark.parametrize(("label", "hours"), [("yes", 12), ("no", 5), ("no", 12), ("unknown", 40)])
def test_hours_that_repeat_or_contradict_the_label_or_belief_say_nothing(
    label: str, hours: float
) -> None:
    assert found(draw(label=label, fasting_hours=hours)).is_empty()


def test_twelve_hours_stated_are_as_good_as_the_label() -> None:
    stated = found(draw(label="unknown", fasting_hours=12))["p_fasting"].item()
    assert stated == pytest.approx(FASTING_RATES["yes"])


def test_all_evidence_together_weighs_no_more_than_fifty_to_one() -> None:
    against = found(draw(fasting_hours=2.0), glucose=trace(BREAKFAST), sleep=[record(14, 6)])
    assert against["evidence"].item().count(";") == 2
    assert against["p_fasting"].item() == pytest.approx(p(1 / MOST_RATIO))
    without = found(draw(fasting_hours=2.0), sleep=[record(14, 6)])
    assert without["p_fasting"].item() == pytest.approx(p(0.5 / 20))


def test_reasons_stand_in_one_order() -> None:
    told = said(draw(label="unknown", fasting_hours=9), glucose=trace(FLAT), sleep=[record(14, 6)])
    assert [part.split(":")[0] for part in told.split("; ")] == ["sensor", "sleep", "stated"]


def test_rates_of_labels_may_be_others() -> None:
    frame = found(glucose=trace(FLAT), rates=FASTING_RATES | {"yes": 0.5})
    assert frame["p_fasting"].item() == pytest.approx(p(ratio("flat"), "unknown"))


def test_a_label_nobody_knows_is_an_unknown_one() -> None:
    frames = [found(draw(label=label), glucose=trace(FLAT)) for label in ("unknown", "perhaps")]
    assert frames[0]["p_fasting"].equals(frames[1]["p_fasting"])
    assert found(draw(label=None), glucose=trace(FLAT))["p_fasting"].equals(frames[0]["p_fasting"])
    stated = [found(draw(label=label, fasting_hours=12)) for label in ("unknown", None)]
    assert stated[0].height == 1
    assert stated[1].equals(stated[0])


def test_of_two_draws_of_a_day_the_first_counts() -> None:
    later = draw(DRAWN + timedelta(hours=5))
    assert found(later, draw(), glucose=trace(FLAT)).equals(found(glucose=trace(FLAT)))


def test_two_draws_within_hours_are_both_seen() -> None:
    late, early = (
        datetime.fromisoformat(f"2026-03-0{d}T{h}") for d, h in ((1, "23:45"), (2, "04:45"))
    )
    frame = found(draw(early), draw(late), glucose=trace(FLAT, at=late) + trace(FLAT, at=early))
    assert frame["evidence"].str.count_matches("no rise").to_list() == [1, 1]


def test_a_draw_is_judged_by_its_own_patient() -> None:
    other = [row | {"patient_id": "q"} for row in trace(BREAKFAST)]
    assert found(glucose=other).is_empty()
    frame = found(draw(), draw(patient_id="q"), glucose=other + trace(FLAT))
    assert frame["patient_id"].to_list() == ["p", "q"]
    assert frame["evidence"].str.contains("rose").to_list() == [False, True]


@pytest.mark.parametrize("value", [0.0, -5.0, float("inf"), float("nan")])
def test_what_is_no_glucose_is_not_read(value: float) -> None:
    odd = 3 * [row | {"value": value} for row in trace(FLAT)[-40:]]
    assert found(glucose=trace(FLAT) + odd).equals(found(glucose=trace(FLAT)))
    real = 3 * [row | {"value": 140.0} for row in trace(FLAT)[-40:]]
    assert not found(glucose=trace(FLAT) + real).equals(found(glucose=trace(FLAT)))


def test_what_is_read_after_the_draw_does_not_count() -> None:
    later = [at | {"value": 200.0} for at in 9 * [trace(FLAT)[-1]]]
    moved = [row | {"observed_at": row["observed_at"] + timedelta(seconds=30)} for row in later]
    assert "no rise" in said(glucose=trace(FLAT) + moved)
    assert "rose" in said(glucose=trace(FLAT) + later)


def test_a_rise_of_eight_hours_ago_is_compared_with_the_two_hours_before_it() -> None:
    seen = [(590, 90.0), (575, 90.0), (485, 90.0), (470, 130.0)]
    rows = [
        {"patient_id": "p", "observed_at": DRAWN - HOUR - timedelta(minutes=m), "value": value}
        for m, value in seen
    ]
    assert "rose by 40 mg/dL" in said(glucose=rows)
    assert said(glucose=rows[1:]) == ""


def test_the_last_four_hours_are_told_from_those_before() -> None:
    late = found(glucose=trace({10.0: 90, 4.5: 90, 3.6: 138, 2.5: 90, 0.0: 90}))
    early = found(glucose=trace({10.0: 90, 5.5: 90, 4.4: 138, 3.5: 90, 0.0: 90}))
    assert late["p_fasting"].item() == pytest.approx(p(ratio("high_rise")))
    assert early["p_fasting"].item() == pytest.approx(p(ratio("early_rise")))


def test_a_small_rise_in_the_night_is_neither_a_snack_nor_no_rise() -> None:
    def risen(top: float) -> str:
        return said(glucose=trace({10.0: 90, 6.5: 90, 6.0: top, 5.5: 90, 0.0: 90}, step=15))

    assert risen(117) == ""
    assert "no rise" in risen(110)
    assert "rose" in risen(125)


def shuffled(made: Mornings, seed: int) -> list[pl.LazyFrame]:
    frames = (made.draws, made.glucose, made.sleep, made.activity)
    return [frame.sample(fraction=1, shuffle=True, seed=seed).lazy() for frame in frames]


def test_the_order_of_rows_does_not_matter_and_repeated_ones_do_not_count_twice() -> None:
    made = mornings(300, 7022)
    usual = fasting_evidence(*shuffled(made, 2))
    assert usual.collect().height > 100
    *seen, activity = shuffled(made, 1)
    twice = fasting_evidence(*(pl.concat([frame, frame]) for frame in seen), activity)
    assert twice.collect().equals(usual.collect())


def test_the_rate_of_a_draw_without_doubt_is_the_models_own() -> None:
    odds = told_apart(np.array([FASTING_RATES["yes"], 0.5]), SHIPPED_NOISE)
    assert odds is not None
    assert odds[0] == pytest.approx(0, abs=1e-12)
    assert odds[1][0] < 0 < odds[1][1]


def test_what_is_measured_of_a_draw_without_devices_is_its_clock() -> None:
    frames = (pl.LazyFrame([], schema=schema) for schema in (GLUCOSE, SLEEP, ACTIVITY))
    measured = draw_measures(pl.LazyFrame([draw()], schema=DRAWS), *frames).collect()
    row = measured.row(0, named=True)
    assert (row["local_hour"], row["drawn_time"], row["late_rise_mg_dl"]) == (8.75, "08:45", None)


@pytest.mark.parametrize("item", EVIDENCE, ids=lambda item: item.name)
def test_every_record_of_evidence_is_whole(item: Evidence) -> None:
    assert item.sentence.count("{}") == len(item.shows)
    assert 1 / MOST_RATIO < item.ratio < MOST_RATIO
    assert item.family in FAMILIES
    assert item.citation
    assert item.reviewed < item.next_review


def test_no_two_records_of_evidence_have_one_name() -> None:
    assert len({item.name for item in EVIDENCE}) == len(EVIDENCE)
