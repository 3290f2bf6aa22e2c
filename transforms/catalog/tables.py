"""Every table that is kept: its grain, its key, its columns (documented in ``fields``).

``HISTORY`` tables hold every version of what sources said; the merge maintains them.
``DERIVED`` tables are computed, and replaced for the patients whose data changed (``per`` is the
column that scopes the replacement) or as a whole (``per`` empty). ``NIGHT`` tables account for
the night, ``RECORD`` tables for all nights so far. All live in schema ``store``; analysts read the
views in ``main``.
"""

from __future__ import annotations

from dataclasses import dataclass

_PLACE = "source file_id line part known_at superseded_at superseded_by"


@dataclass(frozen=True, slots=True)
class Table:
    """A kept table. ``columns`` name fields; ``key`` identifies a row of a derived table."""

    name: str
    grain: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    per: str = ""


@dataclass(frozen=True, slots=True)
class History(Table):
    """A table of versions.

    ``key`` is SQL over its columns: rows of one key are versions of one thing. ``content`` are
    the columns that make a version new; equal neighbours are duplicates. ``ranks`` tells whether
    statuses order versions (results do, patient records do not).
    """

    content: tuple[str, ...] = ()
    ranks: bool = True


def _table(name: str, grain: str, columns: str, key: str, per: str = "") -> Table:
    return Table(name, grain, tuple(columns.split()), tuple(key.split()), per)


def _history(
    name: str, grain: str, columns: str, key: tuple[str, ...], *, ranks: bool = True
) -> History:
    content = tuple(columns.split())
    return History(name, grain, (*content, *_PLACE.split()), key, "", content, ranks)


HISTORY: dict[str, History] = {
    table.name: table
    for table in (
        _history(
            "observation",
            "one row per version of a result",
            "patient_id result_id analyte timing value comparator unit absent_reason observed_at "
            "observed_local observed_on observed_precision observed_zone observed_basis observed_doubt reported_at fasting "
            "fasting_hours fasting_basis lab assay status comment code_system source_code "
            "source_value source_unit unit_basis",
            (
                "source",
                "analyte",
                "timing",
                "coalesce(result_id, '')",
                "CASE WHEN result_id IS NULL THEN patient_id END",
                "CASE WHEN result_id IS NULL THEN observed_at END",
                "CASE WHEN result_id IS NULL THEN source_code END",
            ),
        ),
        _history(
            "patient",
            "one row per version of a person's record",
            "patient_id birth_date sex time_zone merged_into reported_at status",
            ("source", "patient_id"),
            ranks=False,
        ),
        _history(
            "medication",
            "one row per version of a medication entry",
            "patient_id code_system code name class start_on end_on status record_id reported_at",
            (
                "source",
                "coalesce(record_id, '')",
                "CASE WHEN record_id IS NULL THEN patient_id END",
                "CASE WHEN record_id IS NULL THEN lower(coalesce(name, code)) END",
                "CASE WHEN record_id IS NULL THEN start_on END",
            ),
        ),
        _history(
            "condition",
            "one row per version of a condition entry",
            "patient_id code_system code name start_on end_on status record_id reported_at",
            (
                "source",
                "coalesce(record_id, '')",
                "CASE WHEN record_id IS NULL THEN patient_id END",
                "CASE WHEN record_id IS NULL THEN lower(coalesce(code, name)) END",
                "CASE WHEN record_id IS NULL THEN start_on END",
            ),
        ),
        _history(
            "sample",
            "one row per version of a device sample",
            "patient_id kind device method value comparator unit observed_at ended_at "
            "observed_local observed_on observed_precision observed_zone observed_basis observed_doubt source_code source_value source_unit",
            ("source", "patient_id", "kind", "device", "method", "observed_at", "ended_at"),
            ranks=False,
        ),
    )
}

_TREND = (
    "patient_id n_pairs first_on last_on insulin_level_uiu_ml insulin_slope_pct_year "
    "insulin_slope_low insulin_slope_high glucose_level_mg_dl glucose_slope_mg_dl_year "
    "glucose_slope_low glucose_slope_high p_insulin_climbing p_glucose_fine p_climbing_unseen "
    "p_insulin_high p_insulin_falling p_glucose_rising p_bad_newest "
    "insulin_level_low insulin_level_high glucose_level_low glucose_level_high"
)

DERIVED: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "fasting_pair",
            "one row per patient and draw day with insulin or glucose",
            "patient_id drawn_on insulin_uiu_ml insulin_comparator repeats is_ill glucose_mg_dl lab assay "
            "known_on model_version platform platform_effect used reason p_bad likely p_fasting",
            "patient_id drawn_on",
            "patient_id",
        ),
        _table(
            "trend_at_draw",
            "one row per used draw: the trend as it stood after it",
            f"{_TREND} drawn_on",
            "patient_id drawn_on",
            "patient_id",
        ),
        _table(
            "trend",
            "one row per patient with a usable pair: the trend as it stands",
            f"{_TREND} p_without_one pit_insulin pit_glucose p_shuffled model_version weight_change_kg "
            "insulin_slope_at_weight_pct_year insulin_slope_at_weight_low insulin_slope_at_weight_high",
            "patient_id",
            "patient_id",
        ),
        _table(
            "person",
            "one row per person, merged records under the survivor",
            "patient_id birth_date sex time_zone",
            "patient_id",
        ),
        _table(
            "patient_alias",
            "one row per record that was merged into another",
            "patient_id survivor_id",
            "patient_id",
        ),
        _table(
            "outlived",
            "one row per result that was reported again after its record was merged into another",
            "source patient_id analyte timing result_id",
            "source patient_id analyte timing result_id",
        ),
        _table(
            "model",
            "one row per trend model that was ever in force",
            "model_version in_force_from people provenance content",
            "model_version",
        ),
        _table(
            "platform",
            "one row per model, laboratory, assay and era",
            "model_version lab assay from_on bridge effect_pct effect_se people is_found",
            "model_version lab assay from_on",
        ),
        _table(
            "prediction_check",
            "one row per analyte and group: how the newest draws lay in their forecasts",
            "analyte grouped_by level n coverage_50_pct coverage_90_pct pit_mean pit_deciles",
            "analyte grouped_by level",
        ),
        _table(
            "list_check",
            "one row: tonight's list of marked people against chance",
            "n_evaluated n_listed false_claimed n_shuffled false_shuffled is_held held_because",
            "n_evaluated",
        ),
        _table(
            "feed_check",
            "one row per source and analyte: whether it is silent or sends unusually much or little",
            "source analyte last_on arrivals p_silence rows_tonight rows_usual alarm",
            "source analyte",
        ),
        _table("tonight", "one row: the night this file shows", "as_of", "as_of"),
        _table(
            "patient_status",
            "one row per patient: tonight's status",
            "patient_id as_of status reason tier evidence rule_version",
            "patient_id",
        ),
        _table(
            "cohort",
            "one row per patient and stay in a cohort",
            "cohort patient_id entered_on left_on definition_version",
            "cohort patient_id entered_on",
        ),
        _table(
            "episode",
            "one row per patient, alert rule and draw from which there was ground for an alert",
            "patient_id rule began_on ended_on tier tier_on tier_now p p_on is_marked is_excluded",
            "patient_id rule began_on",
        ),
        _table(
            "cohort_attrition",
            "one row per cohort and step of exclusion",
            "cohort step reason n_before n_excluded n_after",
            "cohort step",
        ),
        _table(
            "index_definition",
            "one row per index of the catalog",
            "index title unit formula inputs population limits direction evidence_grade citation "
            "reviewed next_review",
            "index",
        ),
        _table(
            "index_value",
            "one row per patient, index and day on which all its inputs were measured",
            "patient_id index observed_on value unit reason platform bridged_value inputs_from",
            "patient_id index observed_on",
            "patient_id",
        ),
        _table(
            "index_trend",
            "one row per patient, index and value: the series as it stood",
            "patient_id index observed_on platform previous_on change_pct rcv_fall_pct "
            "rcv_rise_pct change n first_on slope_pct_year slope_low slope_high trend",
            "patient_id index observed_on platform",
            "patient_id",
        ),
        _table(
            "tissue_signal",
            "one row per tissue and signal of the catalog: what may be said of it",
            "tissue signal title direction evidence_grade claim not_claimed next_test citation "
            "reviewed",
            "tissue signal",
        ),
        _table(
            "tissue_value",
            "one row per patient, tissue, signal and day on which it was measured",
            "patient_id tissue signal observed_on value unit platform n trend course",
            "patient_id tissue signal observed_on",
            "patient_id",
        ),
        _table(
            "tissue_pattern",
            "one row per patient with any signal of a tissue: what the tissues do together",
            "patient_id liver muscle adipose beta_cell clearance signals_measured "
            "signals_with_course is_selective glucose_fine sentence",
            "patient_id",
        ),
        _table(
            "cohort_definition",
            "one row per cohort and version that was ever accepted",
            "cohort definition_version sentence not_claimed citation measured alerts reviewed "
            "next_review state accepted_on rule_version fingerprint",
            "cohort definition_version",
        ),
        _table(
            "criterion",
            "one row per cohort in force and criterion that a member meets",
            "cohort definition_version place decided_by criterion asks value_column must_be "
            "bound unit settled_by any_of holds_unknown",
            "cohort criterion",
        ),
        _table(
            "exclusion",
            "one row per patient and span of days on which the rule does not apply",
            "patient_id exclusion start_on end_on",
            "patient_id exclusion start_on",
        ),
        _table(
            "deciding_draw",
            "one row per patient: of the newest draw, what decides of cohorts beside its trend",
            "patient_id drawn_on age_years n_exclusions raised_before lower_glucose_mg_dl "
            "decompensation_signs",
            "patient_id",
        ),
        _table(
            "deciding_sign",
            "one row per patient and cohort of other signs, where any of its signs was seen",
            "cohort patient_id observed_on age_years n_exclusions evidence_value evidence_limit "
            "evidence_on n_worsening n_others_known n_others_worsening",
            "cohort patient_id",
        ),
        _table(
            "attrition",
            "one row per cohort, stratum and step from everyone to the cohort",
            "cohort sex age_band reason_id reason number_records number_subjects "
            "excluded_records excluded_subjects",
            "cohort sex age_band reason_id",
        ),
        _table(
            "signal_reference",
            "one row per signal, sex and band of age: how comparable people's values lie",
            "signal platform sex age_band n quantiles compared_with",
            "signal platform sex age_band",
        ),
        _table(
            "corroboration",
            "one row per patient and finding beside fasting glucose that agrees or disagrees",
            "patient_id kind observed_on value unit limit says sentence",
            "patient_id kind observed_on",
            "patient_id",
        ),
        _table(
            "fasting_evidence",
            "one row per draw about whose fast something is known beside its label",
            "patient_id drawn_on p_fasting evidence",
            "patient_id drawn_on",
            "patient_id",
        ),
        _table(
            "cgm_day",
            "one row per patient, local day and sensor",
            "patient_id local_date device readings minutes_covered coverage_pct day_coverage_pct "
            "night_coverage_pct mean_mg_dl sd_mg_dl cv_pct pct_below_54 pct_below_70 pct_70_140 "
            "pct_70_180 pct_above_140 pct_above_180 pct_above_250 gmi_pct lbgi hbgi mage_mg_dl "
            "conga_1h_mg_dl first_rise_at last_rise_at eating_window_h night_rises is_sufficient "
            "is_main",
            "patient_id local_date device",
            "patient_id",
        ),
        _table(
            "cgm_window",
            "one row per patient, sensor and window of 14 local dates",
            "patient_id device window_end window_start days readings coverage_pct "
            "day_coverage_pct night_coverage_pct mean_mg_dl sd_mg_dl cv_pct pct_below_54 "
            "pct_below_70 pct_70_140 pct_70_180 pct_above_140 pct_above_180 pct_above_250 "
            "minutes_above_140_per_day lbgi hbgi gmi_pct mage_mg_dl conga_1h_mg_dl "
            "conga_24h_mg_dl modd_mg_dl eating_window_h night_rises_per_night is_sufficient is_main",
            "patient_id device window_end",
            "patient_id",
        ),
        _table(
            "cgm_profile",
            "one row per sufficient window of a main sensor and half hour of the local day",
            "patient_id device window_end begins_min p05_mg_dl p25_mg_dl p50_mg_dl p75_mg_dl "
            "p95_mg_dl n",
            "patient_id device window_end begins_min",
            "patient_id",
        ),
        _table(
            "wearable_day",
            "one row per patient and local day",
            "patient_id local_date steps resting_heart_rate sleep_h weight_kg devices active_min "
            "active_kcal sleep_start sleep_end hours_seen",
            "patient_id local_date",
            "patient_id",
        ),
        _table(
            "wearable_month",
            "one row per patient and month with a wearable day",
            "patient_id month days_with_steps steps_median days_with_sleep sleep_h_mean "
            "sleep_midpoint_h sleep_regularity sleep_regularity_index resting_heart_rate_mean "
            "days_with_heart_rate active_min_mean coverage_pct",
            "patient_id month",
            "patient_id",
        ),
        _table(
            "weight_month",
            "one row per patient and month with a weight: its slope over 180 days",
            "patient_id month kg_per_month low high n",
            "patient_id month",
            "patient_id",
        ),
    )
}

NIGHT: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "quarantine",
            "one row per input row that waits or is set aside, and per row that was replayed",
            "quarantine_id source file file_id line part table_name reasons warnings what_to_do row "
            "first_seen_on state",
            "quarantine_id",
        ),
        _table(
            "duplicate_row",
            "one row per input row that said again what was known",
            "file_id line part table_name",
            "file_id line part table_name",
        ),
        _table(
            "feed",
            "one row per file, laboratory, analyte, timing and unit: what came, before the gate",
            "source lab analyte timing ucum file_id known_at n_rows n mean_ln var_ln approval "
            "likely_unit",
            "file_id lab analyte timing ucum",
        ),
        _table(
            "unknown_code",
            "one row per file and code that no analyte has: what waits for a mapping",
            "source code_system source_code source_unit lab file_id known_at n_rows",
            "file_id code_system source_code source_unit lab",
        ),
        _table(
            "unit_proposal",
            "one row per row that waits for its unit: the likeliest one, for a person to approve",
            "file_id line part lab analyte number source_unit proposed_unit proposed_value odds odds_basis",
            "file_id line part",
        ),
        _table(
            "source_file",
            "one row per landed file",
            "source file file_id sha256 known_at state reader notes rows_in rows_accepted "
            "rows_quarantined rows_duplicate rows_superseded",
            "file_id",
        ),
        _table(
            "validation_result",
            "one row per run, table and expectation",
            "run_id table_name expectation severity sentence rows_checked rows_failed passed",
            "run_id table_name expectation",
        ),
        _table(
            "alert",
            "one row per alert, the mark of one episode",
            "alert_id patient_id rule tier episode opened_on state told_on quiet_because escalated "
            "snoozed_until ended_on ended_because is_useful",
            "alert_id",
        ),
        _table(
            "alert_event",
            "one row per event of an alert's life",
            "event_id alert_id event night happened_at by_hand tier escalated because",
            "event_id",
        ),
        _table(
            "run",
            "one row per execution of a night",
            "run_id night started_at finished_at state code_version",
            "run_id",
        ),
        _table(
            "published_night",
            "one row per published file that was kept when this one was published",
            "run_id night published_at published_file digest",
            "run_id",
        ),
        _table(
            "dictionary",
            "one row per column of every view and macro",
            "table_name column_name type unit description",
            "table_name column_name",
        ),
    )
}

RECORD: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "status_version",
            "one row per patient and stretch of nights that published the same status",
            "patient_id status tier reason rule_version known_from known_to",
            "patient_id known_from",
        ),
        _table(
            "cohort_version",
            "one row per stay in a cohort and stretch of nights that published it so",
            "cohort patient_id entered_on left_on definition_version known_from known_to",
            "cohort patient_id entered_on known_from",
        ),
        _table(
            "source_night",
            "one row per night and source known by then",
            "night source files rows_in rows_accepted rows_quarantined rows_duplicate "
            "rows_superseded last_known_on newest_on",
            "night source",
        ),
        _table(
            "waiting_night",
            "one row per night, source and reason for which rows waited",
            "night source reason waiting oldest_waiting_on",
            "night source reason",
        ),
        _table(
            "feed_check_night",
            "one row per night, source and analyte: whether it was silent or unusual",
            "night source analyte last_on arrivals p_silence rows_tonight rows_usual alarm",
            "night source analyte",
        ),
        _table(
            "list_check_night",
            "one row per night: its list of marked people against chance",
            "night n_evaluated n_listed false_claimed n_shuffled false_shuffled is_held "
            "held_because",
            "night",
        ),
        _table(
            "prediction_check_night",
            "one row per night, analyte and group: how the newest draws lay in their forecasts",
            "night analyte grouped_by level n coverage_50_pct coverage_90_pct pit_mean pit_deciles",
            "night analyte grouped_by level",
        ),
    )
}
"""What past nights published. No file tells of it, so that a rebuild takes it over from the file
published before."""

TABLES: dict[str, Table] = {**HISTORY, **DERIVED, **NIGHT, **RECORD}
"""All kept tables by name."""

INCOMING: dict[str, dict[str, str]] = {
    "observation": {
        "source_observed_at": "VARCHAR",
        "source_reported_at": "VARCHAR",
        "source_fasting": "VARCHAR",
        "source_status": "VARCHAR",
        "property": "VARCHAR",
        "number": "DOUBLE",
        "ucum": "VARCHAR",
        "low": "DOUBLE",
        "high": "DOUBLE",
        "is_withdrawal": "BOOLEAN",
        "is_unit_held": "BOOLEAN",
        "approval": "BIGINT",
    },
    "patient": {
        "source_birth_date": "VARCHAR",
        "source_sex": "VARCHAR",
        "source_status": "VARCHAR",
        "source_reported_at": "VARCHAR",
    },
    "medication": {
        "source_start": "VARCHAR",
        "source_end": "VARCHAR",
        "source_status": "VARCHAR",
        "source_reported_at": "VARCHAR",
        "is_withdrawal": "BOOLEAN",
    },
    "condition": {
        "source_start": "VARCHAR",
        "source_end": "VARCHAR",
        "source_status": "VARCHAR",
        "source_reported_at": "VARCHAR",
        "is_withdrawal": "BOOLEAN",
    },
    "sample": {
        "source_observed_at": "VARCHAR",
        "source_ended_at": "VARCHAR",
        "number": "DOUBLE",
        "ucum": "VARCHAR",
        "low": "DOUBLE",
        "high": "DOUBLE",
    },
}
"""What the gate sees of an arriving row beside the columns that are kept."""
