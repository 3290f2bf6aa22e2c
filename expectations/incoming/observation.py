"""Arriving results and vital signs. ``is_withdrawal`` rows (deleted, wrong patient, entered in
error) take a result back and need no value."""

from __future__ import annotations

from expectations.base import RowExpectation
from expectations.shared import (
    ClockIsSure,
    PatientIsNamed,
    ReportTimeIsReadable,
    StatusIsKnown,
    TimeIsNotFuture,
    TimeIsWithinLiving,
    ValueIsPossible,
)
from transforms.catalog.units import INSULIN_FACTOR_DOUBT

__all__ = [
    "ClockIsSure",
    "PatientIsNamed",
    "ReportTimeIsReadable",
    "StatusIsKnown",
    "TimeIsNotFuture",
    "TimeIsWithinLiving",
    "ValueIsPossible",
]

_HAS_VALUE = "NOT coalesce(is_withdrawal, false) AND status IS DISTINCT FROM 'cancelled'"


class DrawTimeIsReadable(RowExpectation):
    sentence = "The time of the draw cannot be read: ISO 8601 day, local time, or time with offset."
    fails_where = (
        "observed_at IS NULL AND NOT (coalesce(is_withdrawal, false) AND result_id IS NOT NULL)"
    )


class CodeIsStated(RowExpectation):
    sentence = "The result has no code. Send it again with its LOINC code."
    fails_where = "source_code IS NULL"


class CodeIsKnown(RowExpectation):
    sentence = (
        "The code is not in the analyte catalog. Map it in undertow.toml (codes of the source) "
        "or add it to the catalog, then run `undertow quarantine replay`."
    )
    fails_where = "source_code IS NOT NULL AND analyte IS NULL"


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
    sentence = (
        "The value has no unit; it is never guessed. Send it with its unit, or set a constant unit "
        "for the source."
    )
    fails_where = f"{_HAS_VALUE} AND number IS NOT NULL AND source_unit IS NULL AND ucum IS NULL"


class UnitIsKnown(RowExpectation):
    sentence = "The unit's spelling is not known. Add it to the unit catalog, then replay."
    fails_where = (
        f"{_HAS_VALUE} AND number IS NOT NULL AND source_unit IS NOT NULL AND ucum IS NULL"
    )


class UnitFitsAnalyte(RowExpectation):
    sentence = (
        "The unit is known but no conversion exists for this analyte: value and code do not "
        "belong together."
    )
    fails_where = (
        f"{_HAS_VALUE} AND number IS NOT NULL AND ucum IS NOT NULL AND value IS NULL AND "
        f"analyte IS NOT NULL"
    )


class FeedKeepsItsUnit(RowExpectation):
    sentence = (
        "The laboratory's values of this analyte jumped as if its unit had changed unsaid. "
        "Ask the laboratory, then `undertow quarantine approve` the unit, or the stated one."
    )
    fails_where = "is_unit_held AND NOT coalesce(is_withdrawal, false)"


class FastingIsUnderstood(RowExpectation):
    level = "warn"
    sentence = "What the source says of fasting is not understood and counts as unknown."
    fails_where = (
        "source_fasting IS NOT NULL AND coalesce(fasting_basis, 'code') = 'code' AND "
        "lower(source_fasting) NOT IN ('unknown', 'u', 'unk')"
    )


class FastingAgreesWithCode(RowExpectation):
    level = "warn"
    sentence = "The code says fasting, the row says not (or the reverse); the row is believed."
    fails_where = (
        "(timing = 'fasting' AND fasting = 'no') OR (timing = 'post_load' AND fasting = 'yes')"
    )


class UnitFitsCode(RowExpectation):
    level = "warn"
    sentence = (
        "The code is for another kind of unit (mass, molar, arbitrary) than the row states; "
        "the stated unit is used."
    )
    fails_where = (
        "(property = 'mass' AND ucum IN ('mmol/L', 'umol/L', 'pmol/L', 'nmol/L')) "
        "OR (property = 'molar' AND ucum IN ('mg/dL', 'g/L', 'ug/L', 'ng/mL', 'u[IU]/mL'))"
    )


_ON_GRID = (
    "avg((abs(number - {factor} * round(number / {factor}, 1)) <= "
    "0.5 * pow(10, -length(split_part(source_value, '.', 2))) + 1e-9)::INTEGER)"
)


class InsulinFactorIsSix(RowExpectation):
    level = "warn"
    sentence = (
        "Insulin in pmol/L looks like uIU/mL times 6.945, the factor of an old standard. It is "
        "converted at 6.00, so it comes out 15.75 % too high: ask the laboratory which it used."
    )
    fails_where = (
        "analyte = 'insulin' AND ucum = 'pmol/L' AND (file_id, coalesce(lab, '')) IN ("
        "SELECT (file_id, coalesce(lab, '')) FROM staging.observation WHERE analyte = 'insulin' "
        "AND ucum = 'pmol/L' AND contains(source_value, '.') GROUP BY file_id, coalesce(lab, '') "
        f"HAVING count(*) >= 10 AND {_ON_GRID.format(factor=INSULIN_FACTOR_DOUBT)} > 0.95 "
        f"AND {_ON_GRID.format(factor=6.0)} < 0.5)"
    )
