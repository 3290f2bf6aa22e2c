"""clinic_csv: the plain way in, one UTF-8 CSV per kind, named for the kind.

``labs*.csv``, ``patients*.csv``, ``medications*.csv``, ``conditions*.csv``, ``vitals*.csv``;
columns in any order, header required. The columns are the contract of design.md section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from transforms.formats.delimited import Delimited, delimited
from transforms.formats.text import text
from transforms.landing import Opened, Reading, UnreadableError, shaped


@dataclass(frozen=True)
class Kind:
    """A kind of file: its landing table, its columns, and the landing names they take."""

    table: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    renamed: dict[str, str] | None = None

    @property
    def known(self) -> frozenset[str]:
        """Every column this kind knows."""
        return frozenset(self.required + self.optional)


_RESULT = {
    "collected_at": "source_observed_at",
    "observed_at": "source_observed_at",
    "code": "source_code",
    "value": "source_value",
    "unit": "source_unit",
    "fasting": "source_fasting",
    "status": "source_status",
    "reported_at": "source_reported_at",
}
_SPAN = {
    "start_date": "source_start",
    "onset_date": "source_start",
    "end_date": "source_end",
    "reported_at": "source_reported_at",
}
_PERSON = {
    "birth_date": "source_birth_date",
    "sex": "source_sex",
    "reported_at": "source_reported_at",
}

KINDS: dict[str, Kind] = {
    "labs": Kind(
        "observation",
        ("patient_id", "collected_at", "code", "value", "unit", "fasting", "lab", "assay")
        + ("status", "result_id"),
        ("reported_at",),
        _RESULT,
    ),
    "vitals": Kind(
        "observation", ("patient_id", "observed_at", "code", "value", "unit"), (), _RESULT
    ),
    "patients": Kind(
        "patient",
        ("patient_id", "birth_date", "sex"),
        ("time_zone", "merged_into", "reported_at"),
        _PERSON,
    ),
    "medications": Kind(
        "medication",
        ("patient_id", "name", "class", "start_date", "end_date"),
        ("reported_at",),
        _SPAN,
    ),
    "conditions": Kind(
        "condition",
        ("patient_id", "code", "name", "onset_date", "end_date"),
        ("reported_at",),
        _SPAN,
    ),
}

CODE_SYSTEMS = (
    (r"^\d{1,5}-\d$", "loinc"),
    (r"^[A-TV-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?$", "icd10"),
    (r"^\d{6,18}$", "snomed"),
)
"""The shape of a code tells its system: the files have no column for it."""


def read(opened: Opened) -> Reading:
    """Read one file of the plain format.

    Raises:
        UnreadableError: the name begins with no known kind, or the header cannot be read.
    """
    kind = _kind(opened.name)
    clean = text(opened)
    table = delimited(clean)
    missing = table.missing(kind.required)
    if missing:
        return _refused(table, missing)
    extra = sorted(set(table.header) - kind.known - {""})
    return Reading(
        tables={kind.table: _landed(kind, table)},
        rejects=table.rejects,
        rows_in=table.rows_in,
        lines=clean.path,
        notes=(f"columns not used: {', '.join(extra)}",) if extra else (),
    )


def _kind(name: str) -> Kind:
    for prefix, kind in KINDS.items():
        if name.lower().startswith(prefix):
            return kind
    raise UnreadableError("kind_unknown", f"expected a name like {', '.join(KINDS)}")


def _refused(table: Delimited, missing: tuple[str, ...]) -> Reading:
    """Every row waits: without a required column none can be understood."""
    reason = pl.lit(f"column_missing:{','.join(missing)}")
    rows = table.rows.select("line", reason=reason, source_row="text")
    return Reading({}, pl.concat([table.rejects, rows]), table.rows_in)


def _landed(kind: Kind, table: Delimited) -> pl.LazyFrame:
    rows = table.rows.select("line", *sorted(kind.known & set(table.header)))
    renamed = {old: new for old, new in (kind.renamed or {}).items() if old in table.header}
    named = rows.rename(renamed)
    code = "source_code" if kind.table == "observation" else "code"
    if code in named.collect_schema().names():
        named = named.with_columns(code_system=code_system(pl.col(code)))
    return shaped(kind.table, named)


def code_system(code: pl.Expr) -> pl.Expr:
    """The system a code's shape belongs to, else ``local``; null without a code.

    >>> pl.select(code_system(pl.lit("27873-9"))).item()
    'loinc'
    """
    stripped = code.str.strip_chars()
    found = [pl.when(stripped.str.contains(p)).then(pl.lit(name)) for p, name in CODE_SYSTEMS]
    return pl.coalesce(*found, pl.when(stripped != "").then(pl.lit("local")))
