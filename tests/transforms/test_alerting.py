"""What a night does with alerts, and what people do with them, as events."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from transforms.alerting import Alert, Episode, Happening, NotPossibleError, Terms, applied, decided
from transforms.catalog.alert_rules import CLOSING

DAY = date(2026, 3, 1)
BEGAN = date(2026, 1, 10)
TERMS = Terms(DAY, lambda p, r, e: f"{p}-{r}-{e}", (7, 14), "1+code.x")
GROUND = Episode("ANN", "climbing_unseen", BEGAN, tier="B", tier_now="B", p=0.6)
KNOWN = Alert(
    "A1", "ANN", "climbing_unseen", BEGAN, "B", DAY - timedelta(days=3), "new",
    told_on=DAY - timedelta(days=3), was_told=True,
)  # fmt: skip


def happened(
    *episodes: Episode,
    alerts: tuple[Alert, ...] = (KNOWN,),
    merged: dict[str, str] | None = None,
    terms: Terms = TERMS,
) -> list[tuple[str, str]]:
    """(alert, kind) of every event."""
    events, _ = decided(terms, episodes, alerts, merged or {})
    return [(event.alert_id, event.kind) for event in events]


def facts(*episodes: Episode, **more: Any) -> dict[str, Any]:
    events, _ = decided(TERMS, episodes, [KNOWN], {}, **more)
    return dict(events[0].facts)


def test_ground_without_an_alert_opens_one_and_the_same_ground_no_second() -> None:
    number = f"ANN-climbing_unseen-{BEGAN}"
    assert happened(GROUND, alerts=()) == [(number, "opened")]
    _, after = decided(TERMS, [GROUND], [], {})
    assert happened(GROUND, alerts=tuple(after)) == []


def test_who_hears_for_the_first_time_hears_of_the_tier_as_it_is() -> None:
    _, (alert,) = decided(TERMS, [replace(GROUND, tier="B", tier_now="A")], [], {})
    assert alert.tier == "A"
    _, (alert,) = decided(TERMS, [replace(GROUND, tier="B", tier_now="C")], [], {})
    assert alert.tier == "C", "as the status says it"
    assert happened(replace(GROUND, tier="B", tier_now="A")) == [], "again only when it is sure"


@pytest.mark.parametrize(("days", "opens"), [(400, True), (401, False)])
def test_an_old_draw_opens_nothing_and_ends_nothing(days: int, opens: bool) -> None:
    """The first night of a clinic finds people who climbed years ago and came no more."""
    old = replace(GROUND, began_on=DAY - timedelta(days=900), p_on=DAY - timedelta(days=days))
    number = f"ANN-climbing_unseen-{old.began_on}"
    assert happened(old, alerts=()) == ([(number, "opened")] if opens else [])
    assert happened(old, alerts=(replace(KNOWN, episode=old.began_on),)) == []


@pytest.mark.parametrize("marked", [True, False])
def test_a_draw_that_only_keeps_an_episode_open_opens_nothing_and_ends_nothing(
    marked: bool,
) -> None:
    number = f"ANN-climbing_unseen-{BEGAN}"
    ground = replace(GROUND, p=0.25, is_marked=marked)
    assert happened(ground, alerts=()) == ([(number, "opened")] if marked else [])
    assert happened(ground) == []


def test_ground_that_ended_before_anyone_knew_opens_nothing() -> None:
    assert happened(replace(GROUND, ended_on=DAY), alerts=()) == []


def test_an_alert_whose_ground_ends_is_resolved_with_the_reason() -> None:
    ended = replace(GROUND, ended_on=date(2026, 2, 1))
    assert happened(ended) == [("A1", "resolved")]
    assert facts(ended) == {"because": CLOSING.held_no_longer}
    late = replace(ended, ended_on=KNOWN.opened_on + timedelta(days=1), is_excluded=True)
    assert happened(late) == [("A1", "resolved")]
    assert facts(late) == {"because": CLOSING.excluded}


@pytest.mark.parametrize("days", [0, 300])
def test_who_was_excluded_before_the_alert_opened_is_taken_back(days: int) -> None:
    early = replace(GROUND, ended_on=KNOWN.opened_on - timedelta(days=days), is_excluded=True)
    assert happened(early) == [("A1", "retracted")]
    assert facts(early) == {"because": CLOSING.excluded_before}
    assert happened(replace(early, is_excluded=False)) == [("A1", "resolved")]


def test_an_alert_whose_ground_is_no_more_is_taken_back_with_the_reason() -> None:
    assert happened() == [("A1", "retracted")]
    assert facts() == {"because": CLOSING.ground_gone}
    ((event, *_), _) = decided(replace(TERMS, is_new_code=True), [], [KNOWN], {})
    assert event.facts == {"because": CLOSING.rule_changed}


@pytest.mark.parametrize("state", ["acknowledged", "snoozed", "escalated"])
def test_it_is_taken_back_however_it_stood(state: str) -> None:
    assert happened(alerts=(replace(KNOWN, state=state),)) == [("A1", "retracted")]


def test_a_resolved_one_is_taken_back_too_if_anyone_had_been_told() -> None:
    done = replace(KNOWN, state="resolved", ended_on=DAY)
    assert happened(alerts=(done,)) == [("A1", "retracted")]
    assert happened(alerts=(replace(done, was_told=False),)) == []
    assert happened(replace(GROUND, ended_on=DAY), alerts=(done,)) == []


def test_a_later_episode_is_no_ground_for_an_alert_that_had_ended() -> None:
    done = replace(KNOWN, state="resolved", ended_on=DAY)
    later = replace(GROUND, began_on=DAY + timedelta(days=1))
    terms = replace(TERMS, night=DAY + timedelta(days=9))
    assert happened(later, alerts=(done,), terms=terms)[0] == ("A1", "retracted")


@pytest.mark.parametrize("days", [-400, 40])
def test_an_episode_whose_first_draw_moved_is_the_same(days: int) -> None:
    moved = replace(GROUND, began_on=BEGAN + timedelta(days=days))
    assert happened(moved) == []


def test_a_step_up_is_news_and_a_step_down_is_none() -> None:
    assert happened(replace(GROUND, tier="A", tier_now="A")) == [("A1", "stepped_up")]
    assert happened(replace(GROUND, tier="A", tier_now="B")) == [], "nor when the newest is not"
    assert happened(replace(GROUND, tier="C")) == []
    _, (after,) = decided(TERMS, [replace(GROUND, tier="A", tier_now="A")], [KNOWN], {})
    assert (after.state, after.tier, after.told_on) == ("new", "A", None)


def test_a_step_up_wakes_a_snoozed_and_an_acknowledged_one() -> None:
    for state in ("snoozed", "acknowledged"):
        quiet = replace(KNOWN, state=state, snoozed_until=DAY + timedelta(days=60))
        assert happened(GROUND, alerts=(quiet,)) == []
        assert happened(replace(GROUND, tier="A", tier_now="A"), alerts=(quiet,)) == [
            ("A1", "stepped_up")
        ]


def test_a_snooze_ends_on_its_day() -> None:
    asleep = replace(KNOWN, state="snoozed", snoozed_until=DAY)
    assert happened(GROUND, alerts=(asleep,)) == [("A1", "woke")]
    assert happened(GROUND, alerts=(replace(asleep, snoozed_until=DAY + timedelta(1)),)) == []


@pytest.mark.parametrize(
    ("days", "level", "state", "expected"),
    [
        (6, 0, "new", []),
        (7, 0, "new", [("A1", "escalated")]),
        (13, 1, "escalated", []),
        (14, 1, "escalated", [("A1", "escalated")]),
        (99, 2, "escalated", []),
        (99, 0, "acknowledged", []),
    ],
)
def test_who_is_not_answered_is_heard_by_the_next_role(
    days: int, level: int, state: str, expected: list[Any]
) -> None:
    waiting = replace(KNOWN, told_on=DAY - timedelta(days=days), level=level, state=state)
    assert happened(GROUND, alerts=(waiting,)) == expected


def test_what_nobody_was_told_is_not_escalated() -> None:
    old = DAY - timedelta(days=99)
    assert happened(GROUND, alerts=(replace(KNOWN, told_on=None, opened_on=old),)) == []


def test_an_alert_follows_a_merge_and_a_second_one_of_the_episode_is_resolved() -> None:
    survivor = replace(GROUND, patient_id="BEA")
    other = replace(KNOWN, alert_id="B1", patient_id="BEA", opened_on=DAY - timedelta(days=1))
    assert happened(survivor, merged={"ANN": "BEA"}) == [("A1", "rekeyed")]
    assert happened(survivor, alerts=(KNOWN, other), merged={"ANN": "BEA"}) == [
        ("A1", "rekeyed"),
        ("B1", "resolved"),
    ]


def test_ground_that_is_back_opens_the_same_alert_again_as_news() -> None:
    gone = replace(KNOWN, state="retracted", ended_on=DAY, ended_because="x")
    events, (after,) = decided(TERMS, [GROUND], [gone], {})
    assert [event.kind for event in events] == ["reopened"]
    assert (after.state, after.told_on, after.ended_on) == ("new", None, None)
    still = decided(TERMS, [GROUND], [replace(gone, state="resolved")], {})[1][0]
    assert still.told_on == KNOWN.told_on, "it ended and did not end: nothing new to tell"


@pytest.mark.parametrize(
    ("kind", "given", "what"),
    [
        ("snoozed", {"until": str(DAY), "reason": "away"}, "a day after"),
        ("snoozed", {"until": "2026-04-01", "reason": ""}, "needs a reason"),
    ],
)
def test_a_snooze_has_an_end_and_a_reason(kind: str, given: dict[str, str], what: str) -> None:
    with pytest.raises(NotPossibleError, match=what):
        applied(KNOWN, Happening("A1", kind, given), DAY)


@pytest.mark.parametrize("state", ["resolved", "retracted"])
def test_what_has_ended_is_not_acknowledged_and_can_still_be_judged(state: str) -> None:
    done = replace(KNOWN, state=state, ended_because="gone")
    with pytest.raises(NotPossibleError, match=f"{state}: gone"):
        applied(done, Happening("A1", "acknowledged"), DAY)
    assert applied(done, Happening("A1", "disposed", {"is_useful": 0}), DAY).is_useful is False


def test_an_unknown_number_is_refused() -> None:
    with pytest.raises(NotPossibleError, match="no alert has that number"):
        applied(None, Happening("ZZ", "acknowledged"), DAY)
