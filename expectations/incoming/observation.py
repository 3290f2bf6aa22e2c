"""Arriving results and vital signs. ``is_withdrawal`` rows (deleted, wrong patient, entered in
error) take a result back and need no value."""

from __future__ import annotations

from expectations.base import RowExpectation

_HAS_VALUE = "NOT is_withdrawal AND status <> 'cancelled'"


class PatientIsNamed(RowExpectation):
    sentence = "The result names no patient. Send it again with its patient_id."
    fails_where = "patient_id IS NULL"


class CodeIsStated(RowExpectation):
    sentence = "The result has no code. Send it again with its LOINC code."
    fails_where = "source_code IS NULL"


class CodeIsKnown(RowExpectation):
    sentence = (
        "The code is not in the analyte catalog. Map it in undertow.toml (codes of the source) "
        "or add it to the catalog, then run `undertow quarantine replay`."
    )
    fails_where = "source_code IS NOT NULL AND analyte IS NULL"


class TimeIsReadable(RowExpectation):
    sentence = "The time of the draw cannot be read: ISO 8601 day, time, or time with offset."
    fails_where = "observed_at IS NULL"


class TimeIsNotFuture(RowExpectation):
    sentence = "The draw lies after the night it came in. Check the date at its source."
    fails_where = "observed_at > known_at + INTERVAL 48 HOUR"


class TimeIsWithinLiving(RowExpectation):
    sentence = "The draw lies before 1900. Check the date at its source."
    fails_where = "observed_at < TIMESTAMP '1900-01-01'"


class ReportTimeIsReadable(RowExpectation):
    sentence = "reported_at cannot be read, so which version is the latest is not known."
    fails_where = "source_reported_at IS NOT NULL AND reported_at IS NULL"


class StatusIsKnown(RowExpectation):
    sentence = "The result status is no code of HL7 table 0085 and no FHIR status: it might be a deletion."
    fails_where = "source_status IS NOT NULL AND status IS NULL"


class ValueIsStated(RowExpectation):
    sentence = "The result has no value and no reason for having none."
    fails_where = f"{_HAS_VALUE} AND source_value IS NULL AND absent_reason IS NULL"


class ValueIsNumber(RowExpectation):
    sentence = "The value is no number this source's settings can read (see decimal mark)."
    fails_where = (
        f"{_HAS_VALUE} AND source_value IS NOT NULL AND number IS NULL AND absent_reason IS NULL "
        "AND analyte <> 'fasting_status'"
    )


class UnitIsStated(RowExpectation):
    sentence = "The value has no unit; it is never guessed. Send it with its unit, or set a constant unit for the source."
    fails_where = f"{_HAS_VALUE} AND number IS NOT NULL AND source_unit IS NULL"


class UnitIsKnown(RowExpectation):
    sentence = "The unit's spelling is not known. Add it to the unit catalog, then replay."
    fails_where = f"{_HAS_VALUE} AND number IS NOT NULL AND source_unit IS NOT NULL AND ucum IS NULL"


class UnitFitsAnalyte(RowExpectation):
    sentence = "The unit is known but no conversion exists for this analyte: value and code do not belong together."
    fails_where = f"{_HAS_VALUE} AND number IS NOT NULL AND ucum IS NOT NULL AND value IS NULL AND analyte IS NOT NULL"


class ValueIsPossible(RowExpectation):
    sentence = "The value is outside what is possible in its unit: probably a unit or decimal slip at the source."
    fails_where = f"{_HAS_VALUE} AND (value < low OR value > high)"


class FastingIsUnderstood(RowExpectation):
    level = "warn"
    sentence = "What the source says of fasting is not understood and counts as unknown."
    fails_where = "source_fasting IS NOT NULL AND fasting_basis IS DISTINCT FROM 'stated' AND fasting_hours IS NULL AND lower(source_fasting) NOT IN ('unknown', 'u', 'unk')"


class FastingAgreesWithCode(RowExpectation):
    level = "warn"
    sentence = "The code says fasting, the row says not (or the reverse); the row is believed."
    fails_where = "(timing = 'fasting' AND fasting = 'no') OR (timing = 'post_load' AND fasting = 'yes')"


class UnitFitsCode(RowExpectation):
    level = "warn"
    sentence = "The code is for another kind of unit (mass, molar, arbitrary) than the row states; the stated unit is used."
    fails_where = (
        "(property = 'mass' AND ucum IN ('mmol/L', 'umol/L', 'pmol/L', 'nmol/L')) "
        "OR (property = 'molar' AND ucum IN ('mg/dL', 'g/L', 'ug/L', 'ng/mL', 'u[IU]/mL'))"
    )


class ClockIsSure(RowExpectation):
    level = "warn"
    sentence = "A local time that the clock change skipped or repeated; the stated rule was used."
    fails_where = "observed_doubt IS NOT NULL"
