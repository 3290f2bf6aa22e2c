"""Which columns reach the analyst file where people are known by pseudonym, and how.

An allow-list: a column that is not here reaches nobody, and the publish fails until somebody has
decided. A name stands for the column in every table, unless ``table.column`` is listed too. What a
person or a device wrote never passes as it is, unless many people share it: then it is the name of
a laboratory, an assay, a device or a code, and tells of nobody. Dates, ages and values pass: it is
a limited data set under a pseudonym, not a de-identified one (45 CFR 164.514(b)(2) and (e)).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from transforms.catalog.analytes import ANALYTES
from transforms.catalog.words import ABSENT

REVIEWED = date(2026, 11, 29)
NEXT_REVIEW = date(2027, 11, 29)

MANY = 8
"""From so many people on a text that a source wrote is nobody's own: the count from which a cell
of a released table may be told (:data:`transforms.release.FEW` and one)."""

Way = Literal["open", "person", "pseudonym", "each", "shared", "number", "first_word", "withheld"]


@dataclass(frozen=True, slots=True)
class Passage:
    """How a column passes.

    Attributes:
        way: ``open`` as it is; ``person`` by the person's pseudonym; ``pseudonym`` by one, kept
            while the publish lasts, since few rows differ; ``each`` by one, worked out for every
            row; ``shared`` as it is where many people have it, else as ``rare`` says; ``number``
            where the text is a number as written; ``first_word`` of each entry up to a colon;
            ``withheld`` not at all: null of its type.
        kind: what is told apart: equal texts of one kind have one pseudonym, of two kinds two.
        rare: what a text of few people becomes: ``pseudonym`` or ``withheld``.
    """

    way: Way
    kind: str = ""
    rare: Literal["pseudonym", "withheld"] = "withheld"


@dataclass(frozen=True, slots=True)
class Kind:
    """What texts name: the letter its pseudonyms begin with, and texts that always pass, listed or
    by a pattern."""

    letter: str
    known: frozenset[str] = frozenset()
    pattern: str = "^$"


CODES = frozenset(code.code for analyte in ANALYTES for code in analyte.codes)
SYSTEMS = frozenset(code.system for analyte in ANALYTES for code in analyte.codes)

KINDS: dict[str, Kind] = {
    "person": Kind("p"),
    "result": Kind("r"),
    "record": Kind("e"),
    "file": Kind("f"),
    "bytes": Kind("h"),
    "bridge": Kind("b"),
    "device": Kind("d"),
    "lab": Kind("l", pattern=r"^(all|[0-9]+\+?|)$"),
    "assay": Kind("a"),
    "platform": Kind("t"),
    "code": Kind("c", CODES),
    "system": Kind("s", SYSTEMS | {"local", "snomed", "icd10", "rxnorm"}),
    "unit": Kind("u"),
    "class": Kind("k"),
    "method": Kind("m", frozenset({"historic", "scan", "type"})),
    "absence": Kind("n", frozenset(ABSENT.values()) | {"haemolysed"}),
}
"""``lab`` also names the groups of ``prediction_check``, which are ``all`` and numbers beside."""


def _each(names: str, passage: Passage) -> dict[str, Passage]:
    return dict.fromkeys(names.split(), passage)


PASSAGES: dict[str, Passage] = {
    **_each("patient_id survivor_id merged_into", Passage("person", "person")),
    "result_id": Passage("each", "result"),
    "record_id": Passage("each", "record"),
    "file": Passage("pseudonym", "file"),
    "sha256": Passage("pseudonym", "bytes"),
    "bridge": Passage("pseudonym", "bridge"),
    "device": Passage("shared", "device", "pseudonym"),
    "lab": Passage("shared", "lab", "pseudonym"),
    "prediction_check.level": Passage("shared", "lab", "pseudonym"),
    "assay": Passage("shared", "assay", "pseudonym"),
    "platform": Passage("shared", "platform", "pseudonym"),
    **_each("source_code code", Passage("shared", "code")),
    "code_system": Passage("shared", "system"),
    "source_unit": Passage("shared", "unit"),
    "class": Passage("shared", "class"),
    "method": Passage("shared", "method"),
    "absent_reason": Passage("shared", "absence"),
    "source_value": Passage("number"),
    **_each("reasons warnings", Passage("first_word")),
    **_each("comment name row notes content time_zone", Passage("withheld")),
    # our own words, of closed lists
    **_each(
        "analyte timing comparator insulin_comparator unit kind status fasting fasting_basis "
        "observed_precision observed_zone observed_basis observed_doubt unit_basis superseded_by "
        "sex source reader table_name state what_to_do ucum likely_unit proposed_unit odds_basis "
        "alarm reason likely tier rule rule_version evidence sentence says cohort "
        "definition_version model_version provenance held_because grouped_by "
        "index title formula inputs population limits evidence_grade citation measured change "
        "trend course tissue signal claim not_claimed next_test liver muscle adipose beta_cell "
        "clearance glucose_fine age_band compared_with "
        "run_id code_version expectation severity alert_id quarantine_id level event because "
        "ended_because quiet_because published_file digest tier_now column_name type description "
        "fingerprint decided_by criterion asks value_column must_be settled_by any_of exclusion",
        Passage("open"),
    ),
    # dates and times
    **_each(
        "observed_at observed_local observed_on ended_at reported_at known_at superseded_at "
        "birth_date start_on end_on drawn_on known_on first_on last_on in_force_from from_on "
        "as_of entered_on left_on reviewed next_review inputs_from previous_on local_date "
        "window_start window_end month first_seen_on episode opened_on night started_at "
        "finished_at sleep_start sleep_end first_rise_at last_rise_at began_on ended_on tier_on "
        "told_on snoozed_until happened_at published_at known_from known_to last_known_on "
        "newest_on oldest_waiting_on accepted_on evidence_on p_on",
        Passage("open"),
    ),
    # numbers
    **_each(
        "value number proposed_value odds fasting_hours insulin_uiu_ml glucose_mg_dl repeats "
        "platform_effect p_bad p_fasting is_ill used n_pairs insulin_level_uiu_ml "
        "insulin_slope_pct_year insulin_slope_low insulin_slope_high glucose_level_mg_dl "
        "glucose_slope_mg_dl_year glucose_slope_low glucose_slope_high p_insulin_climbing "
        "p_glucose_fine p_climbing_unseen p_insulin_high p_insulin_falling p_glucose_rising "
        "p_bad_newest insulin_level_low insulin_level_high glucose_level_low glucose_level_high "
        "p_without_one pit_insulin pit_glucose p_shuffled weight_change_kg "
        "insulin_slope_at_weight_pct_year insulin_slope_at_weight_low "
        "insulin_slope_at_weight_high effect_pct effect_se people is_found coverage_50_pct "
        "coverage_90_pct pit_mean pit_deciles n_evaluated n_listed false_claimed n_shuffled "
        "false_shuffled is_held arrivals p_silence rows_tonight rows_usual step n_before "
        "n_excluded n_after direction bridged_value change_pct rcv_fall_pct rcv_rise_pct n "
        "slope_pct_year slope_low slope_high signals_measured signals_with_course is_selective "
        "alerts quantiles limit p is_excluded is_marked escalated is_useful event_id by_hand place bound "
        "holds_unknown age_years n_exclusions raised_before lower_glucose_mg_dl "
        "decompensation_signs evidence_value evidence_limit n_worsening n_others_known "
        "n_others_worsening reason_id number_records number_subjects excluded_records "
        "excluded_subjects",
        Passage("open"),
    ),
    # devices
    **_each(
        "readings minutes_covered coverage_pct day_coverage_pct night_coverage_pct mean_mg_dl "
        "sd_mg_dl cv_pct pct_below_54 pct_below_70 pct_70_140 pct_70_180 pct_above_140 "
        "pct_above_180 pct_above_250 gmi_pct lbgi hbgi mage_mg_dl conga_1h_mg_dl conga_24h_mg_dl "
        "modd_mg_dl eating_window_h night_rises night_rises_per_night is_sufficient is_main days "
        "minutes_above_140_per_day begins_min p05_mg_dl p25_mg_dl p50_mg_dl p75_mg_dl p95_mg_dl "
        "steps resting_heart_rate sleep_h weight_kg devices active_min active_kcal hours_seen "
        "days_with_steps steps_median days_with_sleep sleep_h_mean sleep_midpoint_h "
        "sleep_regularity sleep_regularity_index resting_heart_rate_mean days_with_heart_rate "
        "active_min_mean kg_per_month low high",
        Passage("open"),
    ),
    # places of rows and counts of them
    **_each(
        "file_id line part rows_in rows_accepted rows_quarantined rows_duplicate rows_superseded "
        "rows_checked rows_failed passed n_rows mean_ln var_ln approval files waiting",
        Passage("open"),
    ),
}
"""Column, or ``table.column``, -> how it passes."""


def passage(table: str, column: str) -> Passage | None:
    """How a column of a kept table passes; None where nobody has decided yet.

    >>> passage("observation", "comment").way
    'withheld'
    >>> passage("observation", "shoe_size")
    """
    return PASSAGES.get(f"{table}.{column}", PASSAGES.get(column))
