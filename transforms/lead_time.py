"""How long before glucose fails a method speaks: people followed draw by draw, truth known.

Every method gets the threshold at which it ever flags so many of the people who never climb
unseen; then the climbers whose true glucose crosses 100 mg/dL are counted whom it flags before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from transforms.rivals import RIVALS, Bools, Visits, line, visits
from transforms.shapes import Floats
from transforms.synthetic.physiology import CLIMBING, Cohort
from transforms.trends import trends
from transforms.validation import MODEL, share

EVER_FLAGGED = (0.05, 0.20)
"""Shares of the never-positive that a method may ever flag."""
FIRST_JUDGED = 3
"""Visits after which a person is first judged."""
_DECADE = date(2014, 1, 1)


@dataclass(frozen=True, slots=True)
class Caught:
    """Of the climbers who cross: shares flagged before, at least 1 and 2 years before, crossing.

    ``ever_false``: share of the never-positive ever flagged; ``median_lead``: years from flag to
    crossing among those flagged before, not a number if none is.
    """

    ever_false: float
    before: float
    one_year: float
    two_years: float
    median_lead: float


@dataclass(frozen=True, slots=True)
class Lead:
    """Everybody's follow-up: how many count, and every method at each of :data:`EVER_FLAGGED`."""

    crossing: int
    never_positive: int
    caught: dict[str, tuple[Caught, ...]]


@dataclass(frozen=True, slots=True)
class Follow:
    """People and what is true of them, sorted by patient.

    ``of``: their visits; ``years`` (N, L): of each visit from the first draw; ``is_never`` (N,):
    true glucose stays below 100 mg/dL and the label is met at no draw; ``crosses`` (N,): years at
    which a climber's true glucose reaches 100, after the third draw and before the last; not a
    number for everybody else.
    """

    of: Visits
    years: Floats
    is_never: Bools
    crosses: Floats


def lead(made: Cohort) -> Lead:
    """Every method on a cohort, best simulated with ten draws a person."""
    seen = followed(made)
    return Lead(
        crossing=int(np.isfinite(seen.crosses).sum()),
        never_positive=int(seen.is_never.sum()),
        caught={
            name: tuple(caught(seen, score, allowed) for allowed in EVER_FLAGGED)
            for name, score in _scores(made, seen.of).items()
        },
    )


def followed(made: Cohort) -> Follow:
    """A cohort's follow-up."""
    of = visits(made.pairs(_DECADE))
    ids = pl.DataFrame({"patient_id": of.patient_id})
    start = pl.duration(days=(pl.col("started_years") * 365.25).round())
    person = made.people.select(
        "crosses_years",
        patient_id=pl.col("person").cast(pl.String),
        first=pl.lit(_DECADE) + start,
    )
    used = made.pairs(_DECADE).group_by("patient_id").agg(pl.col("drawn_on").min()).collect()
    known = ids.join(person, on="patient_id").join(used, on="patient_id").sort("patient_id")
    late = (known["drawn_on"] - known["first"]).dt.total_days().to_numpy() / 365.25
    is_never, climbs_until = _truth(made, of.patient_id)
    crosses = known["crosses_years"].fill_null(np.nan).to_numpy()
    return Follow(of, of.t + late[:, None], is_never, climbs_until(crosses))


def _truth(made: Cohort, ids: pl.Series) -> tuple[Bools, Callable[[Floats], Floats]]:
    """Who is never positive; and crossing times, kept where they count."""
    true = visits(_true_pairs(made, ids))
    length = true.t.shape[1]
    met, slopes = np.zeros(len(true.n), dtype=bool), np.zeros((len(true.n), length + 1))
    for k in range(2, length + 1):
        part = true.upto(k)
        slopes[:, k] = line(part).slope
        glucose = np.exp(part.g)
        rises = line(replace(part, y=glucose)).slope
        met |= (slopes[:, k] >= CLIMBING) & (part.newest(glucose) < 100) & (rises < 1.5)
    is_high = (np.exp(true.g) >= 100) & true.is_made

    def counted(crosses: Floats) -> Floats:
        before = ((true.t < crosses[:, None]) & true.is_made).sum(1)
        climbs = np.take_along_axis(slopes, before[:, None], axis=1)[:, 0] >= CLIMBING
        within = (before >= FIRST_JUDGED) & (crosses <= true.newest(true.t))
        return np.where(climbs & within, crosses, np.nan)

    return ~met & ~is_high.any(1), counted


def _true_pairs(made: Cohort, ids: pl.Series) -> pl.LazyFrame:
    """The course itself at every visit, as if measured without error."""
    return (
        made.draws.lazy()
        .select(
            patient_id=pl.col("person").cast(pl.String),
            drawn_on=pl.lit(_DECADE) + pl.duration(days=(pl.col("years") * 365.25).round()),
            insulin_uiu_ml="true_insulin",
            glucose_mg_dl="true_glucose",
        )
        .filter(pl.col("patient_id").is_in(ids.implode()))
    )


def _scores(made: Cohort, of: Visits) -> dict[str, Floats]:
    """Each method's score after every visit, (N, L); minus infinity where nobody is judged."""
    is_judged = of.is_made & (np.arange(of.t.shape[1]) >= FIRST_JUDGED - 1)
    p = np.zeros(of.t.shape)
    p[of.is_made] = trends(made.pairs(_DECADE)).collect()["p_climbing_unseen"].to_numpy()
    found = {MODEL: p}
    parts = [of.upto(k) for k in range(1, of.t.shape[1] + 1)]
    judged_parts = list(enumerate(parts))[FIRST_JUDGED - 1 :]
    for rival in RIVALS:
        found[rival.name] = np.full(of.t.shape, -np.inf)
        for k, part in judged_parts:
            found[rival.name][:, k] = rival.scored(part)
    return {name: np.where(is_judged, score, -np.inf) for name, score in found.items()}


def caught(seen: Follow, score: Floats, allowed: float) -> Caught:
    """What a score (N, L) catches at the threshold that ever flags so many never-positive."""
    highest = np.sort(score[seen.is_never].max(1))[::-1]
    # With no one to set it by, nobody is flagged.
    threshold = highest[int(allowed * highest.size)] if highest.size else np.inf
    crossing = np.isfinite(seen.crosses)
    flagged = score[crossing] > threshold
    ahead = seen.crosses[crossing] - np.where(flagged, seen.years[crossing], np.inf).min(1)
    early = ahead[ahead > 0]
    return Caught(
        share(highest > threshold),
        *(share(ahead > 0), share(ahead >= 1), share(ahead >= 2)),
        float(np.median(early)) if early.size else float("nan"),
    )
