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
    "patient_id": Field(
        "VARCHAR", "The person, by the source's own identifier or, in an analyst file, a pseudonym."
    ),
    "survivor_id": Field("VARCHAR", "The record that a merged patient lives on under."),
    "analyte": Field("VARCHAR", "What was measured, a name of the analyte catalog."),
    "kind": Field(
        "VARCHAR",
        "What was seen: of a sample a name of the analyte catalog; beside fasting glucose hba1c, "
        "cgm, glucose_1h or glucose_2h.",
    ),
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
    "first_on": Field("DATE", "First draw used; of an index the first value on the platform."),
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
    "tier": Field(
        "VARCHAR",
        "A, B or C: how sure; null where there is none. Of a status after its newest draw, of an "
        "episode that of its first draw or a higher one of which two draws in a row were sure, of "
        "an alert the one it was last told with.",
    ),
    "evidence": Field(
        "VARCHAR",
        "Of a status JSON: its numbers, what is missing, how near; of a fast what speaks for or "
        "against it.",
    ),
    "rule_version": Field("VARCHAR", "Version of the status rule."),
    "cohort": Field("VARCHAR", "The cohort's name."),
    "entered_on": Field("DATE", "The day of observation from which the definition held."),
    "left_on": Field("DATE", "The day from which it no longer held; null while it holds."),
    "definition_version": Field("VARCHAR", "Version of the cohort's definition."),
    "accepted_on": Field("DATE", "The day the definition was accepted; it never changed since."),
    "fingerprint": Field("VARCHAR", "SHA-256 of the definition and the thresholds it rests on."),
    "place": Field("BIGINT", "Place in the order in which criteria are told, from 1."),
    "decided_by": Field(
        "VARCHAR", "draws: fasting draws alone decide; signs: other signs beside them."
    ),
    "criterion": Field("VARCHAR", "One thing that must hold of a member."),
    "asks": Field("VARCHAR", "What the criterion asks, in words."),
    "value_column": Field("VARCHAR", "The name of the deciding value."),
    "must_be": Field("VARCHAR", ">=, <= or <: how the value must stand to the bound."),
    "bound": Field(
        "DOUBLE", "What the value is compared with, in `unit`; null in `criterion`: its own limit."
    ),
    "settled_by": Field("VARCHAR", "The measurement that would settle it; empty where none."),
    "any_of": Field("VARCHAR", "Of a cohort's criteria with the same word one suffices."),
    "holds_unknown": Field("BOOLEAN", "Whether it holds where the value is not known."),
    "holds": Field("BOOLEAN", "Whether the criterion holds."),
    "margin": Field(
        "DOUBLE", "How far the value is on the right side of the bound, in `unit`; negative: wrong."
    ),
    "decided_on": Field("DATE", "The day of the observation that decides; null: nothing observed."),
    "n_failing": Field(
        "BIGINT", "Criteria of the cohort that fail; of alternatives, all together."
    ),
    "near_miss": Field("BOOLEAN", "Exactly one criterion fails."),
    "is_nearest": Field(
        "BOOLEAN", "Whether it is the failing criterion that lacks least, measured by its bound."
    ),
    "missing_measurement": Field(
        "VARCHAR", "What to measure where it fails for want of a measurement; else null."
    ),
    "exclusion": Field("VARCHAR", "Why the rule does not apply, by name."),
    "age_years": Field("BIGINT", "Age at the deciding observation.", "a"),
    "n_exclusions": Field(
        "BIGINT", "Exclusions that held at the deciding observation or began since."
    ),
    "raised_before": Field("BIGINT", "Earlier draws that the rule called high or climbing."),
    "lower_glucose_mg_dl": Field("DOUBLE", "The lower of the newest two glucose values.", "mg/dL"),
    "decompensation_signs": Field(
        "BIGINT", "Of raised before, glucose goes up, insulin no longer climbs: how many hold."
    ),
    "evidence_value": Field("DOUBLE", "The newest judged value of the other evidence."),
    "evidence_limit": Field("DOUBLE", "The limit it was judged by."),
    "evidence_on": Field("DATE", "The day of the newest judged other evidence."),
    "n_worsening": Field("BIGINT", "Worsening signals that have an independent one beside them."),
    "n_others_known": Field("BIGINT", "Of the signals that must not worsen, those with a course."),
    "n_others_worsening": Field("BIGINT", "Of the signals that must not worsen, those that do."),
    "reason_id": Field("BIGINT", "Step of the attrition, from 1."),
    "number_records": Field("BIGINT", "Draws after the step."),
    "number_subjects": Field("BIGINT", "People after the step."),
    "excluded_records": Field("BIGINT", "Draws that the step left out."),
    "excluded_subjects": Field("BIGINT", "People that the step left out."),
    "n_people": Field("BIGINT", "People known."),
    "n_drawn": Field("BIGINT", "People with a draw of insulin or glucose."),
    "n_paired": Field("BIGINT", "People with insulin and glucose of one draw."),
    "n_usable": Field("BIGINT", "People with a pair that the trend uses."),
    "n_flagged": Field(
        "BIGINT", "People whose status is a mark; not flagged is not: not measured."
    ),
    "evaluated_pct": Field("DOUBLE", "Share of the people known who were evaluated.", "%"),
    "flagged_pct": Field("DOUBLE", "Share of the people evaluated who are marked.", "%"),
    "n_draws": Field("BIGINT", "Days with a draw of insulin or glucose."),
    "n_whole": Field("BIGINT", "Of them, with insulin and glucose."),
    "step": Field("BIGINT", "Step of the attrition, from 1."),
    "n_before": Field("BIGINT", "Patients before the step."),
    "n_excluded": Field("BIGINT", "Patients the step left out."),
    "n_after": Field("BIGINT", "Patients after the step."),
    # indices, tissues
    "index": Field("VARCHAR", "The index, a name of the index catalog."),
    "title": Field("VARCHAR", "Its name for people."),
    "formula": Field("VARCHAR", "The formula, over the columns named in `inputs`."),
    "inputs": Field("VARCHAR[]", "What it needs, each with unit and window."),
    "population": Field("VARCHAR", "In whom it was derived."),
    "limits": Field("VARCHAR", "Where it does not hold."),
    "direction": Field("INTEGER", "1: higher is worse, -1: lower is worse, 0: neither by itself."),
    "citation": Field("VARCHAR", "The source."),
    "reviewed": Field("DATE", "When a person last looked at the record."),
    "next_review": Field("DATE", "When a person has to look again."),
    "bridged_value": Field(
        "DOUBLE", "`value` with insulin brought to the reference platform: what is compared."
    ),
    "inputs_from": Field("DATE", "Day of the oldest input; an adult's height has none."),
    "previous_on": Field("DATE", "The value before it on the same platform."),
    "change_pct": Field("DOUBLE", "Change since the value before.", "%"),
    "rcv_fall_pct": Field(
        "DOUBLE", "Reference change value: a larger fall is more than noise (95 %).", "%"
    ),
    "rcv_rise_pct": Field(
        "DOUBLE", "Reference change value: a larger rise is more than noise (95 %).", "%"
    ),
    "change": Field(
        "VARCHAR", "rose, fell or within noise; null: nothing before it, or no variation known."
    ),
    "slope_pct_year": Field("DOUBLE", "Yearly change by all values so far on the platform.", "%/a"),
    "slope_low": Field("DOUBLE", f"{_SLOPE}, low end.", "%/a"),
    "slope_high": Field("DOUBLE", f"{_SLOPE}, high end.", "%/a"),
    "tissue": Field("VARCHAR", "liver, muscle, adipose, brain, beta_cell or clearance."),
    "signal": Field(
        "VARCHAR", "The signal; null: the row that says what was never measured of the tissue."
    ),
    "measured": Field("VARCHAR", "What was measured of its errors."),
    "alerts": Field("BOOLEAN", "Whether entering the cohort opens an alert."),
    "percentile": Field("DOUBLE", "Among comparable people of this clinic.", "%"),
    "compared_with": Field("VARCHAR", "Who the comparable people are."),
    "n_comparable": Field("BIGINT", "How many comparable people there are."),
    "age_band": Field("VARCHAR", "Band of age in years."),
    "quantiles": Field("DOUBLE[]", "Values at 0, 1, ... 100 % of the people."),
    "month": Field("DATE", "First day of the month."),
    "trend": Field("VARCHAR", "rising, falling or steady, as it stood; null: too little to say."),
    "course": Field("VARCHAR", "The trend by what is worse: worsening, improving or steady."),
    "evidence_grade": Field("VARCHAR", "A to D."),
    "claim": Field("VARCHAR", "What may honestly be said."),
    "not_claimed": Field("VARCHAR", "What must not be said."),
    "next_test": Field("VARCHAR", "What would say more."),
    "missing": Field("VARCHAR", "What is missing to say more."),
    "signals_measured": Field("BIGINT", "Signals with a value that is not too old."),
    "signals_with_course": Field("BIGINT", "Of them, those with a course (grade A to C)."),
    "is_selective": Field(
        "BOOLEAN",
        "One tissue's signals worsen while another's hold; null: fewer than two courses, or what "
        "worsens rests on insulin alone.",
    ),
    "glucose_fine": Field("VARCHAR", "throughout, now or no; null: not evaluated."),
    "liver": Field(
        "VARCHAR", "Course of the liver's signals: worsening, mixed, improving, steady."
    ),
    "muscle": Field("VARCHAR", "Course of muscle's signals."),
    "adipose": Field("VARCHAR", "Course of fat tissue's signals."),
    "beta_cell": Field("VARCHAR", "Course of the beta cell's signals."),
    "clearance": Field("VARCHAR", "Course of clearance's signals."),
    "limit": Field("DOUBLE", "The limit it is compared with."),
    "says": Field("VARCHAR", "Of glucose: fine or not fine; null: not judged."),
    "p_fasting": Field(
        "DOUBLE", "P(fasting at the draw) by what is known beside its label; null: nothing.", "1"
    ),
    "weight_change_kg": Field("DOUBLE", "Change of weight from the first draw used.", "kg"),
    "insulin_slope_at_weight_pct_year": Field(
        "DOUBLE", "Yearly change of fasting insulin, had weight not moved; null: not known.", "%/a"
    ),
    "insulin_slope_at_weight_low": Field("DOUBLE", f"{_SLOPE} at one weight, low end.", "%/a"),
    "insulin_slope_at_weight_high": Field("DOUBLE", f"{_SLOPE} at one weight, high end.", "%/a"),
    # devices
    "local_date": Field("DATE", "Local calendar day."),
    "readings": Field("BIGINT", "Samples, each instant once."),
    "minutes_covered": Field("DOUBLE", "Minutes of the day the samples stand for.", "min"),
    "coverage_pct": Field("DOUBLE", "Share of the time (day, window, month) covered.", "%"),
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
    "is_sufficient": Field("BOOLEAN", "At least 70 % of the time covered."),
    "day_coverage_pct": Field("DOUBLE", "Share of 06:00 to 24:00 covered.", "%"),
    "night_coverage_pct": Field("DOUBLE", "Share of 00:00 to 06:00 covered.", "%"),
    "mage_mg_dl": Field(
        "DOUBLE", "Mean amplitude of excursions, algorithm of Fernandes 2022.", "mg/dL"
    ),
    "conga_1h_mg_dl": Field("DOUBLE", "SD of differences one hour apart.", "mg/dL"),
    "conga_24h_mg_dl": Field("DOUBLE", "SD of differences 24 hours apart.", "mg/dL"),
    "modd_mg_dl": Field("DOUBLE", "Mean absolute difference 24 hours apart.", "mg/dL"),
    "first_rise_at": Field("TIME", "Local time at which the first rise as after food began."),
    "last_rise_at": Field("TIME", "Local time at which the last rise as after food began."),
    "eating_window_h": Field("DOUBLE", "Hours from the first rise to the last.", "h"),
    "night_rises": Field("BIGINT", "Rises as after food in the night."),
    "night_rises_per_night": Field("DOUBLE", "Rises in the night, mean of nights seen."),
    "window_start": Field("DATE", "First local date of the window."),
    "window_end": Field("DATE", "Last local date of the window that told anything."),
    "days": Field("BIGINT", "Dates of the window that told anything."),
    "minutes_above_140_per_day": Field("DOUBLE", "Minutes a day above 140 mg/dL.", "min"),
    "begins_min": Field("BIGINT", "Minutes since local midnight at which the half hour begins."),
    "p05_mg_dl": Field("DOUBLE", "5th percentile of sensor glucose.", "mg/dL"),
    "p25_mg_dl": Field("DOUBLE", "25th percentile of sensor glucose.", "mg/dL"),
    "p50_mg_dl": Field("DOUBLE", "Median of sensor glucose.", "mg/dL"),
    "p75_mg_dl": Field("DOUBLE", "75th percentile of sensor glucose.", "mg/dL"),
    "p95_mg_dl": Field("DOUBLE", "95th percentile of sensor glucose.", "mg/dL"),
    "active_min": Field("DOUBLE", "Minutes of recorded workouts; null where none.", "min"),
    "active_kcal": Field("DOUBLE", "Energy spent by activity.", "kcal"),
    "sleep_start": Field("TIMESTAMP", "Local time at which the main sleep began."),
    "sleep_end": Field("TIMESTAMP", "Local time at which the main sleep ended."),
    "hours_seen": Field("BIGINT", "Local hours of the day in which a device told something."),
    "days_with_steps": Field("BIGINT", "Days of the month with steps."),
    "steps_median": Field("DOUBLE", "Median steps a day.", "{#}"),
    "days_with_sleep": Field("BIGINT", "Nights of the month with sleep."),
    "sleep_h_mean": Field("DOUBLE", "Mean sleep.", "h"),
    "sleep_midpoint_h": Field("DOUBLE", "Mean middle of the main sleep, by the local clock.", "h"),
    "sleep_regularity": Field(
        "DOUBLE", "Circular SD of the middle of sleep; small: regular.", "min"
    ),
    "sleep_regularity_index": Field(
        "DOUBLE", "Asleep or awake alike 24 hours apart: 100 always, 0 by chance (Phillips 2017)."
    ),
    "resting_heart_rate_mean": Field("DOUBLE", "Mean resting heart rate.", "/min"),
    "days_with_heart_rate": Field("BIGINT", "Days of the month with a resting heart rate."),
    "active_min_mean": Field("DOUBLE", "Minutes of workouts a day that a device was worn.", "min"),
    "kg_per_month": Field("DOUBLE", "Slope of weight over 180 days; null: too few.", "kg/mo"),
    "low": Field("DOUBLE", "90 % interval, low end."),
    "high": Field("DOUBLE", "90 % interval, high end."),
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
    "sentence": Field("VARCHAR", "For people: what the expectation expects, what was seen."),
    "rows_checked": Field("BIGINT", "Rows looked at."),
    "rows_failed": Field("BIGINT", "Rows that failed."),
    "passed": Field("BOOLEAN", "No row failed."),
    "alert_id": Field("VARCHAR", "Work-list number of the alert; says nothing of the person."),
    "rule": Field("VARCHAR", "The rule that opened the alert."),
    "opened_on": Field("DATE", "The night it opened."),
    "episode": Field(
        "DATE",
        "The draw with which the episode began, as known when the alert opened; older draws that "
        "come later move the beginning (`began_on`) and not this.",
    ),
    "began_on": Field("DATE", "The draw from which there was ground for an alert."),
    "ended_on": Field("DATE", "The day the ground, or the night the alert, ended; null: not yet."),
    "ended_because": Field("VARCHAR", "Why an alert ended."),
    "tier_on": Field("DATE", "The draw with which the tier was reached."),
    "tier_now": Field("VARCHAR", "The tier after the newest draw of the episode."),
    "p_on": Field("DATE", "The newest draw of the episode, after which `p` and `tier_now` stand."),
    "is_marked": Field(
        "BOOLEAN",
        "Whether the status rule marks the person after the newest draw of the episode; if not, "
        "hysteresis alone keeps it open.",
    ),
    "p": Field("DOUBLE", "p_climbing_unseen after the newest draw of the episode.", "1"),
    "is_excluded": Field("BOOLEAN", "Whether an exclusion ended it."),
    "told_on": Field("DATE", "The night someone was first told of it as it is; null: nobody."),
    "quiet_because": Field("VARCHAR", "budget, list, burst or nobody: why nobody is told."),
    "escalated": Field("BIGINT", "How often nobody answered and it went to the next role."),
    "snoozed_until": Field("DATE", "The night a snoozed alert comes back."),
    "is_useful": Field("BOOLEAN", "What a reviewer said of it; null: nothing."),
    "event_id": Field("BIGINT", "Order of the events."),
    "event": Field("VARCHAR", "What happened to the alert."),
    "happened_at": Field("TIMESTAMP", "When it happened, UTC."),
    "by_hand": Field("BOOLEAN", "Whether a person did it."),
    "because": Field("VARCHAR", "Why, where the night decided it."),
    "patients": Field("BIGINT", "Persons known."),
    "files": Field("BIGINT", "Files that came this night."),
    "waiting": Field("BIGINT", "Rows that wait in quarantine."),
    "known_from": Field("DATE", "The first night that published it so."),
    "known_to": Field(
        "DATE", "The first night that did not any more; null while the newest still does."
    ),
    "last_known_on": Field("DATE", "The newest night on which a file came."),
    "newest_on": Field("DATE", "The newest day that its standing results and samples tell of."),
    "newest_draw_on": Field("DATE", "The newest draw of anybody."),
    "oldest_waiting_on": Field("DATE", "The night since which the oldest of them waits."),
    "oldest_waiting_days": Field("BIGINT", "How long the oldest of them waited by then.", "d"),
    "sources_silent": Field(
        "VARCHAR[]", "Sources that sent before and not tonight, and whose rhythm does not say why."
    ),
    "alarms": Field("BIGINT", "Feeds (source and analyte) that were silent, few or many."),
    "checks": Field("BIGINT", "Expectations that were checked; 0 where nothing had changed."),
    "checks_failed": Field("BIGINT", "Of them, those that at least one row failed."),
    "is_whole": Field(
        "BOOLEAN",
        "Every row of every file is in one place, every person has a status, no source is silent, "
        "and the list is not held back.",
    ),
    "published_at": Field("TIMESTAMP", "When the file was made, UTC."),
    "published_file": Field("VARCHAR", "Name of a published file; it lies beside this one."),
    "digest": Field("VARCHAR", "The night's logical digest: the same rows, the same digest."),
    "cohorts": Field("VARCHAR[]", "Cohorts the patient is in tonight."),
    "draw_value": Field("DOUBLE", "The value of the draw: repeats of one visit are averaged."),
    "column_name": Field("VARCHAR", "The column."),
    "type": Field("VARCHAR", "DuckDB type."),
    "description": Field("VARCHAR", "What it means."),
}
