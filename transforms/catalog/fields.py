"""Every column name of the warehouse, once: its type, its unit, what it means.

Same name, same meaning, same unit, in every table (the rule is PUDL's). DDL, column comments, the
``dictionary`` view and ``docs/dictionary.md`` all come from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A column: DuckDB type, meaning, and unit ('' where it has none)."""

    type: str
    description: str
    unit: str = ""


_SLOPE, _LEVEL = "90 % interval of the slope", "90 % interval of the level now"
FIELDS: dict[str, Field] = {
    # who and what
    "patient_id": Field("VARCHAR", "The person, by the source's own identifier."),
    "survivor_id": Field("VARCHAR", "The record that a merged patient lives on under."),
    "analyte": Field("VARCHAR", "What was measured, a name of the analyte catalog."),
    "kind": Field("VARCHAR", "What a device sampled, a name of the analyte catalog."),
    "device": Field("VARCHAR", "The device as the file names it."),
    "value": Field("DOUBLE", "The number, in `unit`; null when there is none."),
    "comparator": Field("VARCHAR", "<, <=, > or >= where the value is censored at that limit."),
    "unit": Field("VARCHAR", "Canonical UCUM unit of `value`."),
    "absent_reason": Field("VARCHAR", "Why a result has no number."),
    "code_system": Field("VARCHAR", "loinc, snomed, icd10, rxnorm or local."),
    "source_code": Field("VARCHAR", "The code as it came."),
    "source_value": Field("VARCHAR", "The value as it came, text."),
    "source_unit": Field("VARCHAR", "The unit as it came, text."),
    "unit_basis": Field("VARCHAR", "approved where a person decided on the unit; else null."),
    "ucum": Field("VARCHAR", "UCUM unit that the source's text stands for."),
    "number": Field("DOUBLE", "The number as it came, in whatever unit."),
    "proposed_unit": Field("VARCHAR", "The unit in which the number was most likely meant."),
    "proposed_value": Field("DOUBLE", "The number in the canonical unit, were it so."),
    "odds": Field("DOUBLE", "Odds of the proposed unit against all others together.", "1"),
    "odds_basis": Field("VARCHAR", "What the odds rest on."),
    "likely_unit": Field(
        "VARCHAR", "The unit that explains the feed's jump; its rows are held. Else null."
    ),
    "approval": Field("BIGINT", "Number of a person's decision on the unit of these rows."),
    "n_rows": Field("BIGINT", "Rows that came."),
    "mean_ln": Field("DOUBLE", "Mean of ln(number), in the unit as stated."),
    "var_ln": Field("DOUBLE", "Variance of ln(number)."),
    "arrivals": Field("BIGINT", "Nights on which the feed sent."),
    "p_silence": Field(
        "DOUBLE",
        "P(a feed of this weekday rhythm is silent since `last_on`); null: no rhythm yet.",
        "1",
    ),
    "rows_tonight": Field("BIGINT", "Rows that came tonight."),
    "rows_usual": Field("DOUBLE", "Median of the rows that came on such a day."),
    "alarm": Field("VARCHAR", "silent, few or many; null when all is as usual."),
    "timing": Field(
        "VARCHAR", "What the code claims of the draw: fasting, any, post_load, baseline."
    ),
    "code": Field("VARCHAR", "Code of a condition or medication, as it came."),
    "name": Field("VARCHAR", "Name of a condition or medication, as it came."),
    "class": Field("VARCHAR", "Class of a medication, as it came."),
    "lab": Field("VARCHAR", "The laboratory."),
    "assay": Field("VARCHAR", "The method or analyser."),
    "status": Field("VARCHAR", "FHIR result status: final, corrected, preliminary, cancelled ..."),
    "comment": Field("VARCHAR", "The source's remark on the result."),
    "result_id": Field("VARCHAR", "The source's identifier of the result."),
    "record_id": Field("VARCHAR", "The source's identifier of the entry."),
    "birth_date": Field("DATE", "Date of birth."),
    "sex": Field("VARCHAR", "male, female, other or unknown."),
    "time_zone": Field("VARCHAR", "The person's IANA time zone, where the source gives one."),
    "merged_into": Field("VARCHAR", "The record this person was merged into."),
    # times
    "observed_at": Field(
        "TIMESTAMP",
        "When it was true of the patient (specimen), UTC; a day without time is that day at 00:00.",
    ),
    "observed_on": Field("DATE", "The local calendar day of `observed_at`."),
    "observed_local": Field("TIMESTAMP", "The wall-clock time of `observed_at`."),
    "observed_precision": Field("VARCHAR", "time, or day when the source gave no time."),
    "observed_zone": Field("VARCHAR", "The offset or zone the time was understood in."),
    "observed_basis": Field(
        "VARCHAR",
        "How the zone is known: stated (an offset), utc (the instant is stated, the day is of the "
        "source's zone), setting (local time, the source's zone).",
    ),
    "ended_at": Field("TIMESTAMP", "When the sample's interval ended, UTC."),
    "method": Field("VARCHAR", "How a device took it, where one moment has several readings."),
    "observed_doubt": Field(
        "VARCHAR",
        "clock_skipped or clock_repeated: a local time that the clock change leaves open.",
    ),
    "reported_at": Field("TIMESTAMP", "When the source reported this version, UTC."),
    "known_at": Field(
        "TIMESTAMP", "The night (its date at 00:00) from which we knew this version."
    ),
    "superseded_at": Field(
        "TIMESTAMP", "The night from which this version no longer stood; null while it stands."
    ),
    "superseded_by": Field(
        "VARCHAR", "What took its place: corrected, withdrawn, final, replaced, or late."
    ),
    "start_on": Field("DATE", "First day."),
    "end_on": Field("DATE", "Last day; null while it goes on or is not known."),
    # fasting
    "fasting": Field("VARCHAR", "yes, no or unknown; unknown is never taken for yes."),
    "fasting_hours": Field("DOUBLE", "Hours without food, where stated.", "h"),
    "fasting_basis": Field("VARCHAR", "How fasting is known: stated, hours, or code."),
    # provenance
    "source": Field("VARCHAR", "The source, its inbox folder's name."),
    "file": Field("VARCHAR", "The file's name as it came, below its source's folder."),
    "file_id": Field("INTEGER", "The landed file, in the order of landing."),
    "sha256": Field("VARCHAR", "SHA-256 of the file's bytes."),
    "line": Field("BIGINT", "1-based line (CSV, NDJSON) or entry (Bundle) of the file."),
    "part": Field("INTEGER", "Which result of a line that holds several."),
    "reader": Field("VARCHAR", "The reader that read the file."),
    "rows_in": Field("BIGINT", "Rows the file holds, counted by the reader on its own."),
    "rows_accepted": Field("BIGINT", "Rows that stand."),
    "rows_quarantined": Field("BIGINT", "Rows that wait in quarantine or are set aside there."),
    "rows_duplicate": Field("BIGINT", "Rows that said again what was known."),
    "rows_superseded": Field("BIGINT", "Rows that a later version replaced."),
    "notes": Field("VARCHAR", "Remarks of the reader on the file."),
    # quarantine
    "quarantine_id": Field(
        "VARCHAR", "Identifier made of file, line and part; the same in every run."
    ),
    "table_name": Field("VARCHAR", "The table concerned."),
    "reasons": Field("VARCHAR[]", "Every reason of severity reject, by name."),
    "warnings": Field("VARCHAR[]", "Every expectation of severity warn that the row fails too."),
    "what_to_do": Field("VARCHAR", "The reasons in sentences."),
    "row": Field("VARCHAR", "The source row as it came."),
    "first_seen_on": Field("DATE", "The night it first waited."),
    "state": Field(
        "VARCHAR",
        "Where it stands (quarantine: waiting, set_aside, replayed; file: read, quarantined; run: running, done, failed; alert: new, sent ...).",
    ),
    # pairs
    "drawn_on": Field("DATE", "Local day of the draw."),
    "insulin_uiu_ml": Field("DOUBLE", "Fasting insulin of the draw.", "u[IU]/mL"),
    "glucose_mg_dl": Field("DOUBLE", "Fasting glucose of the draw.", "mg/dL"),
    "used": Field("BOOLEAN", "Whether the trend uses this draw."),
    "reason": Field(
        "VARCHAR",
        "Why: why a pair is not used, a status holds, a version was superseded, or a step excludes.",
    ),
    "p_bad": Field(
        "DOUBLE",
        "P(the draw is not what it says: not fasting, haemolysed, unit slip), from the model.",
        "1",
    ),
    "likely": Field("VARCHAR", "If it is bad, most likely how: non-fasting, haemolysed or unit."),
    # trend
    "as_of": Field("DATE", "The night's business date."),
    "n_pairs": Field("BIGINT", "Draws used."),
    "first_on": Field("DATE", "First draw used."),
    "last_on": Field("DATE", "Newest draw used."),
    "insulin_level_uiu_ml": Field(
        "DOUBLE", "Fasting insulin at the newest draw, noise taken out.", "u[IU]/mL"
    ),
    "insulin_slope_pct_year": Field("DOUBLE", "Yearly change of fasting insulin.", "%/a"),
    "insulin_level_low": Field("DOUBLE", f"{_LEVEL}, low end.", "u[IU]/mL"),
    "insulin_level_high": Field("DOUBLE", f"{_LEVEL}, high end.", "u[IU]/mL"),
    "glucose_level_low": Field("DOUBLE", f"{_LEVEL}, low end.", "mg/dL"),
    "glucose_level_high": Field("DOUBLE", f"{_LEVEL}, high end.", "mg/dL"),
    "insulin_slope_low": Field("DOUBLE", f"{_SLOPE}, low end.", "%/a"),
    "insulin_slope_high": Field("DOUBLE", f"{_SLOPE}, high end.", "%/a"),
    "glucose_level_mg_dl": Field(
        "DOUBLE", "Fasting glucose at the newest draw, noise taken out.", "mg/dL"
    ),
    "glucose_slope_mg_dl_year": Field("DOUBLE", "Yearly change of fasting glucose.", "mg/dL/a"),
    "glucose_slope_low": Field("DOUBLE", f"{_SLOPE}, low end.", "mg/dL/a"),
    "glucose_slope_high": Field("DOUBLE", f"{_SLOPE}, high end.", "mg/dL/a"),
    "p_insulin_climbing": Field("DOUBLE", "P(insulin truly climbs more than 5 % a year).", "1"),
    "p_glucose_fine": Field(
        "DOUBLE", "P(glucose below 100 mg/dL and rising less than 1.5 mg/dL a year).", "1"
    ),
    "p_climbing_unseen": Field("DOUBLE", "P(insulin climbs and glucose is fine).", "1"),
    "p_insulin_high": Field("DOUBLE", "P(insulin level above the upper limit).", "1"),
    "p_insulin_falling": Field("DOUBLE", "P(insulin slope below zero).", "1"),
    "p_glucose_rising": Field("DOUBLE", "P(glucose rises 1.5 mg/dL a year or more).", "1"),
    "p_bad_newest": Field("DOUBLE", "P(the newest draw is bad).", "1"),
    "insulin_comparator": Field(
        "VARCHAR", "<, <=, > or >= where insulin is only known to lie beyond the value."
    ),
    "repeats": Field("BIGINT", "Draws of the visit that the value is the mean of."),
    "is_ill": Field("BOOLEAN", "A comment says the person was ill: the draw counts for less."),
    "known_on": Field("DATE", "The night the newest result of the draw became known."),
    "platform": Field(
        "VARCHAR", "What the draw was measured on; draws of one platform stand in one series."
    ),
    "platform_effect": Field(
        "DOUBLE", "What the laboratory and assay add to ln insulin; the trend takes it off.", "1"
    ),
    "model_version": Field("VARCHAR", "The trend model that judged, see `model`."),
    "in_force_from": Field("DATE", "The first night of a model."),
    "people": Field("BIGINT", "People a number was estimated from."),
    "provenance": Field("VARCHAR", "How and from whom a model was fitted."),
    "content": Field("VARCHAR", "All of a model, JSON."),
    "from_on": Field("DATE", "First day of an era that was found in the data."),
    "bridge": Field("VARCHAR", "Platforms of one bridge can stand in one series."),
    "effect_pct": Field(
        "DOUBLE", "How much higher insulin reads than on the bridge's reference.", "%"
    ),
    "effect_se": Field("DOUBLE", "Standard error of the effect, natural log.", "1"),
    "is_found": Field("BOOLEAN", "Whether the era was found in the data, not stated."),
    "pit_insulin": Field(
        "DOUBLE", "Share of the forecast from the earlier draws below the newest insulin.", "1"
    ),
    "pit_glucose": Field(
        "DOUBLE", "Share of the forecast from the earlier draws below the newest glucose.", "1"
    ),
    "p_shuffled": Field(
        "DOUBLE", "p_climbing_unseen of the same draws in a random order: chance alone.", "1"
    ),
    "grouped_by": Field("VARCHAR", "What a check is broken down by: all, draws, lab."),
    "level": Field("VARCHAR", "The group within `grouped_by`."),
    "n": Field("BIGINT", "How many."),
    "coverage_50_pct": Field("DOUBLE", "Newest draws in the middle half of their forecast.", "%"),
    "coverage_90_pct": Field("DOUBLE", "Newest draws in the middle 90 % of their forecast.", "%"),
    "pit_mean": Field("DOUBLE", "Mean share of the forecast below what came; .5 is right.", "1"),
    "pit_deciles": Field("BIGINT[]", "Newest draws by tenths of their forecast; equal is right."),
    "n_evaluated": Field("BIGINT", "People the rule applied to."),
    "n_listed": Field("BIGINT", "People marked with tier A or B."),
    "false_claimed": Field("DOUBLE", "Share of the list that is false, by the model.", "1"),
    "n_shuffled": Field("BIGINT", "People whose shuffled draws would be marked."),
    "false_shuffled": Field("DOUBLE", "Share of the list that chance explains.", "1"),
    "is_held": Field("BOOLEAN", "Whether the list is held back."),
    "held_because": Field("VARCHAR", "Why; empty where not."),
    "p_without_one": Field("DOUBLE", "Least p_climbing_unseen when any one draw is left out.", "1"),
    # status, cohorts
    "tier": Field("VARCHAR", "A, B or C: how sure; null where the status has none."),
    "evidence": Field("VARCHAR", "JSON: the numbers behind the status, what is missing, how near."),
    "rule_version": Field("VARCHAR", "Version of the status rule."),
    "cohort": Field("VARCHAR", "The cohort's name."),
    "entered_on": Field("DATE", "The draw from which the definition held."),
    "left_on": Field("DATE", "The day from which it no longer held; null while it holds."),
    "definition_version": Field("VARCHAR", "Version of the cohort's definition."),
    "step": Field("BIGINT", "Step of the attrition, from 1."),
    "n_before": Field("BIGINT", "Patients before the step."),
    "n_excluded": Field("BIGINT", "Patients the step left out."),
    "n_after": Field("BIGINT", "Patients after the step."),
    # indices, tissues
    "index": Field("VARCHAR", "The index, a name of the index catalog."),
    "tissue": Field("VARCHAR", "liver, muscle, adipose or brain."),
    "signal": Field("VARCHAR", "The signal shown for the tissue."),
    "percentile": Field("DOUBLE", "Among comparable people.", "%"),
    "trend": Field("VARCHAR", "Direction over time."),
    "evidence_grade": Field("VARCHAR", "A to D."),
    "claim": Field("VARCHAR", "What may honestly be said."),
    "missing": Field("VARCHAR", "What is missing to say more."),
    # devices
    "local_date": Field("DATE", "Local calendar day."),
    "readings": Field("BIGINT", "Samples of the day, each instant once."),
    "minutes_covered": Field("DOUBLE", "Minutes of the day the samples stand for.", "min"),
    "coverage_pct": Field("DOUBLE", "Share of the day covered.", "%"),
    "mean_mg_dl": Field("DOUBLE", "Mean sensor glucose.", "mg/dL"),
    "sd_mg_dl": Field("DOUBLE", "Standard deviation of sensor glucose.", "mg/dL"),
    "cv_pct": Field("DOUBLE", "Coefficient of variation.", "%"),
    "pct_below_54": Field("DOUBLE", "Share of readings below 54 mg/dL.", "%"),
    "pct_below_70": Field("DOUBLE", "Share of readings below 70 mg/dL.", "%"),
    "pct_70_140": Field("DOUBLE", "Share of readings from 70 to 140 mg/dL.", "%"),
    "pct_70_180": Field("DOUBLE", "Share of readings from 70 to 180 mg/dL.", "%"),
    "pct_above_140": Field("DOUBLE", "Share of readings above 140 mg/dL.", "%"),
    "pct_above_180": Field("DOUBLE", "Share of readings above 180 mg/dL.", "%"),
    "pct_above_250": Field("DOUBLE", "Share of readings above 250 mg/dL.", "%"),
    "gmi_pct": Field(
        "DOUBLE", "Glucose management indicator; null when the day is not sufficient.", "%"
    ),
    "lbgi": Field("DOUBLE", "Low blood glucose index.", "1"),
    "hbgi": Field("DOUBLE", "High blood glucose index.", "1"),
    "is_sufficient": Field("BOOLEAN", "At least 70 % of the day covered."),
    "steps": Field("DOUBLE", "Steps of the day.", "{#}"),
    "resting_heart_rate": Field("DOUBLE", "Resting heart rate of the day.", "/min"),
    "sleep_h": Field("DOUBLE", "Sleep ending on that day.", "h"),
    "weight_kg": Field("DOUBLE", "Weight of the day.", "kg"),
    "devices": Field(
        "BIGINT", "Devices that told of the day; of the same steps and sleep one is believed."
    ),
    "is_main": Field("BOOLEAN", "Whether this device covers most of the day, of several."),
    # operations
    "run_id": Field("VARCHAR", "One execution of a night."),
    "night": Field("DATE", "The night's business date."),
    "started_at": Field("TIMESTAMP", "When it began, UTC."),
    "finished_at": Field("TIMESTAMP", "When it ended, UTC."),
    "code_version": Field("VARCHAR", "Version of Undertow that ran."),
    "expectation": Field("VARCHAR", "The expectation's name."),
    "severity": Field("VARCHAR", "reject (the row waits, or the night fails) or warn."),
    "sentence": Field("VARCHAR", "What the expectation expects, for people."),
    "rows_checked": Field("BIGINT", "Rows looked at."),
    "rows_failed": Field("BIGINT", "Rows that failed."),
    "passed": Field("BOOLEAN", "No row failed."),
    "alert_id": Field("VARCHAR", "Work-list number of the alert; says nothing of the person."),
    "rule": Field("VARCHAR", "The rule that opened the alert."),
    "opened_on": Field("DATE", "The night it opened."),
    "episode": Field("DATE", "The draw the episode began with."),
    "patients": Field("BIGINT", "Persons known."),
    "files": Field("BIGINT", "Files that came this night."),
    "waiting": Field("BIGINT", "Rows that wait in quarantine."),
    "column_name": Field("VARCHAR", "The column."),
    "type": Field("VARCHAR", "DuckDB type."),
    "description": Field("VARCHAR", "What it means."),
}
