"""What may leave as aggregate tables: who is counted, by what, and nothing else.

A table that is not here cannot be released, nor a column that its record does not name, nor a value
that is not among its levels: no free text and no identifier gets out. Each record asks the
published views for one row a person (and cell), so that people are counted, never rows.

The last level is the one that adds up: the others make its groups, and a group has one total. Put
there what has many levels. A person counts once in a group, and no table may repeat the sums of
another with finer levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from transforms.catalog.corroboration import CORROBORATORS
from transforms.catalog.definitions import cohort_definition_frame
from transforms.catalog.indices import INDICES
from transforms.catalog.rule import STATUSES

REVIEWED = date(2026, 11, 22)
ALL = "all"
"""The level of a group's total."""
OTHER = "other"
"""Where a record lists it, everything unlisted or unknown is counted there; else left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTable:
    """A table that may be released.

    Attributes:
        name: of the table; its file begins with it.
        description: what is counted, in a sentence for people.
        sql: over the published views: ``patient_id``, the columns of ``levels`` and ``means``.
        levels: grouping column -> the values that may be told, in order.
        count: the name of the column of counts.
        means: columns whose mean over people is told as well.
        reviewed: when a person last looked at what it gives away.
    """

    name: str
    description: str
    sql: str
    levels: Mapping[str, tuple[str, ...]]
    count: str = "patients"
    means: tuple[str, ...] = ()
    reviewed: date = REVIEWED


SEXES = ("female", "male")
"""Others are left out: their cells would be redacted in every group, with a second one each."""
AGES = ("20-39", "40-59", "60 and over")
_AGE = (
    "CASE WHEN date_sub('year', birth_date, as_of) >= 60 THEN '60 and over' "
    "WHEN date_sub('year', birth_date, as_of) >= 40 THEN '40-59' "
    "WHEN date_sub('year', birth_date, as_of) >= 20 THEN '20-39' END AS age_band"
)
_PEOPLE = f"(SELECT patient_id, sex, {_AGE} FROM patient, (SELECT as_of FROM tonight))"

RELEASES: tuple[ReleaseTable, ...] = (
    ReleaseTable(
        name="status",
        description="Adults by sex, age and status of the night. Not evaluated is never normal.",
        sql=f"SELECT patient_id, sex, age_band, status FROM {_PEOPLE} JOIN patient_status USING (patient_id)",
        levels={"sex": SEXES, "age_band": AGES, "status": tuple(STATUSES)},
    ),
    ReleaseTable(
        name="cohort",
        description="Adults in each cohort tonight, by sex and age. A person may be in several cohorts.",
        sql=f"SELECT patient_id, cohort, sex, age_band FROM {_PEOPLE} JOIN cohort USING (patient_id) WHERE left_on IS NULL",
        levels={
            "cohort": tuple(cohort_definition_frame().filter(state="accepted")["cohort"]),
            "sex": SEXES,
            "age_band": AGES,
        },
    ),
    ReleaseTable(
        name="corroboration",
        description="Adults by what their newest other evidence of each kind says of glucose, by age.",
        sql=f"SELECT patient_id, kind, says, age_band FROM {_PEOPLE} JOIN "
        "(SELECT patient_id, kind, arg_max(says, observed_on) AS says FROM corroboration "
        "WHERE says IN ('fine', 'not fine') GROUP BY ALL) USING (patient_id)",
        levels={
            "kind": tuple(item.kind for item in CORROBORATORS),
            "says": ("fine", "not fine"),
            "age_band": AGES,
        },
    ),
    ReleaseTable(
        name="index_mean",
        description="Adults with a value of each index by sex and age, and the mean of their newest values.",
        sql=f'SELECT patient_id, "index", sex, age_band, mean_value FROM {_PEOPLE} JOIN '
        '(SELECT patient_id, "index", arg_max(bridged_value, observed_on) AS mean_value '
        "FROM index_value WHERE isfinite(bridged_value) GROUP BY ALL) USING (patient_id)",
        levels={
            "index": tuple(item.name for item in INDICES),
            "sex": SEXES,
            "age_band": AGES,
        },
        means=("mean_value",),
    ),
)
"""The tables that may be released."""
