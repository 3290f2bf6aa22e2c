"""omop: tables of the OMOP Common Data Model 5.4, each a CSV (comma, tab) or Parquet file.

The file's name says the table (``MEASUREMENT_0001.csv``, ``measurement.parquet``), else its folder.
Read are person, measurement, observation, drug_exposure and condition_occurrence; the rows of the
other tables are set aside. A Parquet file is written as CSV first, so there is one way from row to
result, and the quarantine can quote it.

Concept ids stand in for codes. Only ids are known here whose code was seen in a published
vocabulary table; where a row states the code as well (``*_source_value``, or the columns that
research exports add, ``standard_concept_code`` ...), it is read. Two statements of one row that
contradict each other are landed side by side: such a text is no code, unit, number or time, so the
row waits, with both in sight.

Times have no zone in the model: they are wall-clock times of the source's zone. Midnight stands
for "no time stated", as the model's conventions have it, and becomes the day.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.catalog import analytes, units
from transforms.formats.delimited import Delimited, delimited, header_names
from transforms.formats.text import Text, text
from transforms.landing import Opened, Reading, UnreadableError, no_rejects, shaped
from transforms.readers.clinic_csv import CODE_SYSTEMS
from transforms.values import comparator

USED = ("person", "measurement", "observation", "drug_exposure", "condition_occurrence")
SET_ASIDE = (
    *("observation_period", "visit_occurrence", "visit_detail", "procedure_occurrence", "death"),
    *("device_exposure", "note", "note_nlp", "specimen", "fact_relationship", "location", "cost"),
    *("care_site", "provider", "payer_plan_period", "drug_era", "dose_era", "condition_era"),
    *("episode", "episode_event", "metadata", "cdm_source", "cohort", "cohort_definition"),
)
VOCABULARY = (
    *("concept", "vocabulary", "domain", "concept_class", "concept_relationship", "relationship"),
    *("concept_synonym", "concept_ancestor", "source_to_concept_map", "drug_strength"),
)
"""Millions of rows that say nothing of a patient: such a file is set aside as one."""

MISSING = ("", "NA", "N/A", "NULL", "null", "\\N", "None", "NaN", "nan", "NaT", "<NA>")
"""What databases, R and pandas write for nothing."""

PARQUET = b"PAR1"
FREE_ROWS, ROWS_PER_BYTE = 1_000_000, 100
"""A Parquet file of more rows than this, for its bytes, is no table but a trap."""


def _ids(listed: str) -> dict[str, str]:
    """``id=code`` pairs, blank-separated."""
    return dict(pair.split("=", 1) for pair in listed.split())


LOINC = _ids(
    "3016244=20448-7 3016523=14796-7 40762271=59179-2 3037110=1558-6 3018251=14771-0"
    " 3004501=2345-7 3013826=14749-6 3000483=2339-0 3032836=42180-0 3027923=14633-2"
    " 3004410=4548-4 3022192=2571-8 3025839=14927-8 3048773=47210-0 3007070=2085-9"
    " 3023602=14646-4 3028288=13457-7 3009966=18262-6 3027114=2093-3 3009471=15066-4"
    " 3006923=1742-6 3013721=1920-8 3026910=2324-2 3035995=6768-6 3024128=1975-2"
    " 3020460=1988-5 3010156=30522-7 3037556=3084-1 3026493=14933-6 3016723=2160-0"
    " 3051825=38483-4 3020564=14682-9 40764999=62238-1 3030354=33914-3 3013682=3094-0"
    " 3004295=6299-2 3019550=2951-2 3000285=2947-0 3023103=2823-3 3005456=6298-4"
    " 3014576=2075-0 3018572=2069-3 3015632=2028-9 3014094=20565-8 3006906=17861-6"
    " 3032503=49765-1 3024561=1751-7 3020630=2885-2 3000963=718-7 3023314=4544-3"
    " 3009542=20570-8 3000905=6690-2 3020416=789-8 3024929=777-3 3007461=26515-7"
    " 3025315=29463-7 3036277=8302-2 3038553=39156-5 3004249=8480-6 3012888=8462-4"
    " 3027018=8867-4 3024171=9279-1 3020891=8310-5 3006322=8331-1 1989265=99504-3"
)
"""Concept id -> LOINC: the vocabulary table of the OHDSI Eunomia data sets (Synthea27), and the
mappings of FinnGen and MIMIC for insulin, C-peptide, molar units and fasting glucose."""

UNITS = _ids(
    "8554=% 9225=% 8541=/min 8647=/uL 8784=/uL 8785=/uL 8734=10*12/L 8848=10*3/uL 8961=10*3/uL"
    " 8815=10*6/uL 8931=10*6/uL 9444=10*9/L 586323=Cel 8653=Cel 44777604=L/L 8923=[IU]/L 8645=U/L"
    " 9289=[degF] 9306=[ft_i] 9327=[in_i] 9330=[in_i] 8533=[in_i] 8582=cm 8504=g 8636=g/L 8713=g/dL"
    " 9503=g/dL 8505=h 44777602=kPa 9529=kg 9531=kg/m2 9546=m 8795=mL/min"
    " 720870=mL/min/{1.73_m2} 9117=mL/min/{1.73_m2} 8751=mg/L 8840=mg/dL 8550=min 9593=ms 8588=mm"
    " 8876=mm[Hg] 8753=mmol/L 9557=meq/L 9579=mmol/mol 44777620=mmol/mol 8725=ng/L 8842=ng/mL"
    " 33013=nkat/L 32995=ukat/L 8736=nmol/L 8749=umol/L 8729=pmol/L 8845=pg/mL 8555=s 8748=ug/L"
    " 8859=ug/mL 8529={index} 8739=[lb_av] 9093=u[IU]/mL 8860=u[IU]/mL 9040=m[IU]/L"
    " 44777578=m[IU]/L 9550=m[IU]/mL 8719=m[IU]/mL"
)
"""Concept id -> UCUM as our catalog writes it, from the same vocabulary table."""

OPERATORS = {"4171756": "<", "4171754": "<=", "4172704": ">", "4171755": ">=", "4172703": "="}
SEX = {"8507": "M", "8532": "F"}

DISORDERS = _ids(
    "201826=diabetes 192279=diabetes 37016354=diabetes 43530656=diabetes 43530685=diabetes"
    " 4144583=diabetes 4226121=diabetes 45757499=diabetes 45763582=diabetes 45769905=diabetes"
    " 45770830=diabetes 137613=pregnancy 199076=pregnancy 4188598=pregnancy 4217975=pregnancy"
    " 43530950=pregnancy 443612=CKD-4 193782=ESRD"
)
DRUGS = _ids(
    "19009384=insulin 40166274=insulin 40163924=metformin 43526467=canagliflozin"
    " 1551170=prednisone 1551192=prednisone"
)
"""Concept id -> a name our exclusions know, from the same vocabulary table."""

SYSTEMS = _ids("SNOMED=snomed ICD10=icd10 ICD10CM=icd10 ICD10GM=icd10 RxNorm=rxnorm ATC=atc")
"""Vocabulary ids of the model -> code systems of ours."""


@dataclass(frozen=True)
class Cells:
    """The columns of one file, by their lower-case names. A column it lacks is null."""

    header: tuple[str, ...]

    def raw(self, name: str) -> pl.Expr:
        """The cell as text, stripped; null only where it is empty."""
        if name not in self.header:
            return pl.lit(None, dtype=pl.String)
        cell = pl.col(name).str.strip_chars()
        return pl.when(cell != "").then(cell)

    def text(self, name: str) -> pl.Expr:
        """The cell, null where it is a word for nothing."""
        cell = self.raw(name)
        return pl.when(~cell.is_in(MISSING)).then(cell)

    def id(self, name: str) -> pl.Expr:
        """An integer, also where a tool wrote it with decimals (``8840.0``)."""
        return self.text(name).str.replace(r"^(-?\d+)\.0*$", "${1}")

    def concept(self, name: str) -> pl.Expr:
        """A concept id, null for 0: the model's "no matching concept"."""
        found = self.id(name)
        return pl.when(found != "0").then(found)

    def moment(self, prefix: str) -> pl.Expr:
        """``<prefix>_datetime``, or the day of it where it says midnight, or ``<prefix>_date``."""
        time = _day_or_time(self.text(f"{prefix}_datetime"))
        date = _day_or_time(self.text(f"{prefix}_date"))
        differ = time.str.slice(0, 10) != date.str.slice(0, 10)
        return _unless(differ, pl.coalesce(time, date), date, time)

    def day(self, prefix: str) -> pl.Expr:
        """``<prefix>_date``, else ``<prefix>_datetime``."""
        return pl.coalesce(self.text(f"{prefix}_date"), self.text(f"{prefix}_datetime"))


def _day_or_time(stated: pl.Expr) -> pl.Expr:
    return stated.str.replace(r"^(\S{10})[T ]00:00(?::00(?:\.0+)?)?$", "${1}")


def _unless(differ: pl.Expr, agreed: pl.Expr, *stated: pl.Expr) -> pl.Expr:
    """``agreed``, or where the statements differ, all of them: no text that anything can read."""
    both = pl.concat_str(*stated, separator=" | ", ignore_nulls=True)
    return pl.when(differ.fill_null(value=False)).then(both).otherwise(agreed)


def read(opened: Opened) -> Reading:
    """Read one table of the model.

    Args:
        opened: a file named for its table. ``partial_birth_date = "middle"`` among its source's
            options takes the middle of the year or month for a birth date that is known only so
            far; without it such persons wait.

    Raises:
        UnreadableError: no table of the model by its name, or neither text nor Parquet.
    """
    table = _table(opened)
    if table in VOCABULARY:
        raise UnreadableError("record_not_used", f"vocabulary table {table}")
    clean, counted, notes = _clean(opened)
    if table in SET_ASIDE:
        return _set_aside(table, clean)
    split = _split(clean)
    if missing := split.missing(REQUIRED[table]):
        rows = Rows({}, _reject(split.rows, f"column_missing:{','.join(missing)}"))
    else:
        rows = READ[table](split, opened.source.options)
    return Reading(
        tables=rows.tables,
        rejects=pl.concat([split.rejects, rows.rejects]),
        rows_in=split.rows_in if counted is None else counted,
        notes=(*notes, *rows.notes),
        lines=clean.path,
    )


def _table(opened: Opened) -> str:
    """The longest name of a table that stands in the file's name, else in its folder's."""
    known = sorted((*USED, *SET_ASIDE, *VOCABULARY), key=len, reverse=True)
    for name in (PurePath(opened.name).name, opened.patient_id or ""):
        for table in known:
            if re.search(rf"(?:^|[^a-z]){table}(?:[^a-z]|$)", name.lower()):
                return table
    raise UnreadableError("kind_unknown", f"expected a name like {', '.join(USED)}")


def _clean(opened: Opened) -> tuple[Text, int | None, tuple[str, ...]]:
    """The file as clean text, the rows a Parquet file says it holds, and notes."""
    with opened.path.open("rb") as stream:
        is_parquet = stream.read(4) == PARQUET
    if not is_parquet:
        return text(opened), None, ()
    try:
        return _written_as_csv(opened)
    except UnreadableError:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableError("format_unknown", f"Parquet: {type(error).__name__}") from None
    except OSError as error:
        if error.errno is not None:  # the disk's fault
            raise
        raise UnreadableError("format_unknown", "Parquet: damaged") from None


def _written_as_csv(opened: Opened) -> tuple[Text, int, tuple[str, ...]]:
    count = pq.read_metadata(opened.path).num_rows
    if count > max(FREE_ROWS, ROWS_PER_BYTE * opened.path.stat().st_size):
        raise UnreadableError("too_large", "more rows than its bytes can hold")
    rows, target = pl.scan_parquet(opened.path, glob=False), opened.scratch / "parquet.csv"
    schema = rows.collect_schema()
    plain = {name: kind for name, kind in schema.items() if not kind.is_nested()}
    zoned = [n for n, kind in plain.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    rows.select(_as_text(name, kind) for name, kind in plain.items() if kind != pl.Binary).sink_csv(
        target, engine="streaming", maintain_order=True
    )
    note = (
        f"{', '.join(zoned)} marked as UTC in the file; the model's times have no zone, so they "
        f"are taken as local time in {opened.source.time_zone}"
    )
    return Text(target, is_closed=True), count, ((note,) if zoned else ())


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """A line holds a row: line ends inside a text become blanks."""
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return column.dt.replace_time_zone(None).dt.to_string("%Y-%m-%d %H:%M:%S%.f").alias(name)
    if kind in (pl.String, pl.Categorical):
        return column.cast(pl.String).str.replace_all(r"[\r\n]+", " ")
    return column.cast(pl.String)


def _split(clean: Text) -> Delimited:
    first = clean.lines().filter(pl.col("line") == 1).head(1).collect()["text"]
    separator = max(",\t;|", key=(first[0] if len(first) else "").count)
    try:
        names = [name.lower() for name in header_names(clean, separator, 1)]
    except csv.Error:
        raise UnreadableError("header_missing", "line 1 is no header") from None
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UnreadableError("header_duplicate", f"column {', '.join(twice)}")
    return delimited(clean, separator, names=names)


@dataclass(frozen=True)
class Rows:
    """What one table gives."""

    tables: Mapping[str, pl.LazyFrame]
    rejects: pl.LazyFrame = field(default_factory=no_rejects)
    notes: tuple[str, ...] = ()


def _set_aside(table: str, clean: Text) -> Reading:
    """Lines are counted and not split: free text may hold anything."""
    rows = clean.lines().filter(pl.col("line") > 1, pl.col("text") != "")
    count = rows.select(pl.len()).collect(engine="streaming").item()
    return Reading({}, _reject(rows, f"record_not_used:{table}"), count, lines=clean.path)


def _reject(rows: pl.LazyFrame, reason: str | pl.Expr) -> pl.LazyFrame:
    told = pl.lit(reason) if isinstance(reason, str) else reason
    return rows.select("line", reason=told, source_row=pl.lit(None, dtype=pl.String))


def _measurements(split: Delimited, _: Mapping[str, object]) -> Rows:
    return Rows({"observation": shaped("observation", _results(split, "measurement"))})


def _observations(split: Delimited, _: Mapping[str, object]) -> Rows:
    """The table of everything else: of interest are only rows of a code we know."""
    rows = _results(split, "observation")
    is_known = pl.col("analyte").is_not_null()
    reason = pl.format("record_not_used:observation {}", pl.col("source_code").fill_null("0"))
    return Rows(
        {"observation": shaped("observation", rows.filter(is_known))},
        _reject(rows.filter(~is_known), reason),
    )


def _results(split: Delimited, kind: str) -> pl.LazyFrame:
    """Every row as landing columns, and its ``analyte`` where the code is of one."""
    cells = Cells(split.header)
    rows = split.rows.select(
        "line",
        patient_id=cells.id("person_id"),
        concept=cells.concept(f"{kind}_concept_id"),
        stated_code=_stated_loinc(cells, kind),
        own_code=cells.raw(f"{kind}_source_value"),
        stated_unit=cells.text("unit_source_value"),
        unit_concept=cells.concept("unit_concept_id"),
        source_observed_at=cells.moment(kind),
        result_id=cells.id(f"{kind}_id"),
        **_value(cells),
    )
    return _with_unit(_with_code(rows))


def _stated_loinc(cells: Cells, kind: str) -> pl.Expr:
    """A LOINC code that the row itself states: the source's own, else the standard concept's."""
    own = cells.raw(f"{kind}_source_value")
    standard = cells.text("standard_concept_code")
    return pl.coalesce(
        pl.when(own.str.contains(r"^\d{1,5}-\d$")).then(own),
        pl.when(cells.text("standard_vocabulary") == "LOINC").then(standard),
    )


_ANALYTE = {c.code: a.name for a in analytes.ANALYTES for c in a.codes if c.system == "loinc"}


def _looked_up(known: Mapping[str, str], text: pl.Expr) -> pl.Expr:
    return text.replace_strict(known, default=None, return_dtype=pl.String)


def _with_code(rows: pl.LazyFrame) -> pl.LazyFrame:
    """``source_code``, ``code_system``, ``analyte``. The source's own code says more than the
    concept it was mapped to (mappings lose "fasting"): it is taken if both are of one analyte."""
    stated, by_id = pl.col("stated_code"), _looked_up(LOINC, pl.col("concept"))
    meant = _looked_up(_ANALYTE, by_id)
    differ = (
        by_id.is_not_null() & stated.is_not_null() & _looked_up(_ANALYTE, stated).ne_missing(meant)
    )
    agreed = pl.coalesce(stated, by_id, "concept", "own_code")
    is_loinc = stated.is_not_null() | by_id.is_not_null()
    return rows.with_columns(
        source_code=_unless(differ, agreed, pl.col("concept"), stated),
        code_system=pl.when(is_loinc).then(pl.lit("loinc")).otherwise(pl.lit("local")),
    ).with_columns(analyte=_looked_up(_ANALYTE, pl.col("source_code")))


def _value(cells: Cells) -> dict[str, pl.Expr]:
    """The number, else the words; a "<" that only the source's text kept counts."""
    number, own = cells.text("value_as_number"), cells.text("value_source_value")
    concept = pl.lit("concept_id ") + cells.concept("value_as_concept_id")
    stated = pl.coalesce(number, own, cells.text("value_as_string"), concept)
    operator = cells.concept("operator_concept_id")
    told, said = _looked_up(OPERATORS, operator), comparator(own)
    is_opposed = (told != "=") & (told.str.slice(0, 1) != said.str.slice(0, 1))
    differ = is_opposed | (operator.is_not_null() & told.is_null())
    named = pl.lit("operator_concept_id ") + operator
    return {
        "source_value": _unless(differ, stated, number, own, named),
        "source_comparator": pl.coalesce(said, pl.when(told != "=").then(told)),
    }


_SIZE = {f"{f.analyte} {f.unit}": f"{f.factor} {f.offset}" for f in units.FACTORS}


def _with_unit(rows: pl.LazyFrame) -> pl.LazyFrame:
    """``source_unit``: as stated; where the concept means another size of unit, both."""
    told = _looked_up(UNITS, pl.col("unit_concept"))
    said = _looked_up(units.ALIASES, units.folded(pl.col("stated_unit")))
    sizes = [
        _looked_up(_SIZE, pl.concat_str("analyte", pl.lit(" "), unit)) for unit in (told, said)
    ]
    differ = (told != said) & (sizes[0] != sizes[1]).fill_null(value=True)
    named = pl.lit("concept_id ") + pl.col("unit_concept")
    understood = pl.when(said.is_not_null()).then("stated_unit")
    chosen = pl.coalesce(understood, told, "stated_unit", named)
    return rows.with_columns(source_unit=_unless(differ, chosen, pl.col("stated_unit"), told))


def _persons(split: Delimited, options: Mapping[str, object]) -> Rows:
    cells = Cells(split.header)
    is_middle = options.get("partial_birth_date") == "middle"
    sex = cells.concept("gender_concept_id")
    rows = split.rows.select(
        "line",
        patient_id=cells.id("person_id"),
        source_birth_date=_birth_date(cells, is_middle=is_middle),
        source_sex=pl.coalesce(_looked_up(SEX, sex), cells.text("gender_source_value"), sex),
    )
    note = "birth dates known to the year or month only are its 1 July or 15th day"
    return Rows({"patient": shaped("patient", rows)}, notes=(note,) if is_middle else ())


def _birth_date(cells: Cells, *, is_middle: bool) -> pl.Expr:
    """The date, or as much of it as is known. ``birth_datetime`` is not asked where month or day
    are missing: the model's conventions have it made up then."""
    year = cells.id("year_of_birth").str.zfill(4)
    month = cells.id("month_of_birth").str.zfill(2)
    day = cells.id("day_of_birth").str.zfill(2)
    if is_middle:
        day = pl.coalesce(pl.when(month.is_null()).then(pl.lit("01")).otherwise(day), pl.lit("15"))
        month = pl.coalesce(month, pl.lit("07"))
    known_day = pl.when(month.is_not_null()).then(day)
    parts = pl.concat_str(year, month, known_day, separator="-", ignore_nulls=True)
    instead = _day_or_time(cells.text("birth_datetime"))
    return pl.when(year.is_not_null()).then(parts).otherwise(instead)


def _conditions(split: Delimited, _: Mapping[str, object]) -> Rows:
    cells = Cells(split.header)
    own = cells.text("condition_source_value")
    own_codes = {
        system: pl.when(own.str.contains(shape)).then(own)
        for shape, system in CODE_SYSTEMS
        if system != "loinc"
    }
    return _entries(split, cells, "condition", own_codes, DISORDERS)


def _drugs(split: Delimited, _: Mapping[str, object]) -> Rows:
    """A drug's own code is an RxNorm one where its concept is the standard one: standard drugs are
    of RxNorm, but for vaccines, whose codes have at most three digits."""
    cells = Cells(split.header)
    own = cells.text("drug_source_value")
    is_standard = cells.concept("drug_source_concept_id") == cells.concept("drug_concept_id")
    own_codes = {
        "rxnorm": pl.when(is_standard & own.str.contains(r"^\d{4,8}$")).then(own),
        "atc": pl.when(own.str.contains(r"^[A-Z]\d\d[A-Z]{1,2}(?:\d\d)?$")).then(own),
    }
    return _entries(split, cells, "drug", own_codes, DRUGS)


def _entries(
    split: Delimited,
    cells: Cells,
    domain: str,
    own_codes: Mapping[str, pl.Expr],
    known: Mapping[str, str],
) -> Rows:
    """Every row with its code and name as far as they can be known. One with neither cannot be
    held against the exclusions: it waits, with its concept named."""
    table, event = _EVENTS[domain]
    concept = cells.concept(f"{domain}_concept_id")
    codes = [*own_codes.items(), *_added(cells)]
    rows = split.rows.select(
        "line",
        patient_id=cells.id("person_id"),
        code=pl.coalesce(code for _, code in codes),
        code_system=pl.coalesce(pl.when(c.is_not_null()).then(pl.lit(name)) for name, c in codes),
        name=_name(cells, domain, _looked_up(known, concept)),
        source_start=cells.day(f"{event}_start"),
        source_end=pl.coalesce(cells.day(f"{event}_end"), cells.text("verbatim_end_date")),
        record_id=cells.id(f"{domain}_{'exposure' if domain == 'drug' else 'occurrence'}_id"),
        unknown=pl.lit(f"concept_unknown:{domain}_concept_id ") + concept.fill_null("0"),
    )
    is_named = pl.col("code").is_not_null() | pl.col("name").is_not_null()
    entries = shaped(table, rows.filter(is_named))
    return Rows({table: entries}, _reject(rows.filter(~is_named), pl.col("unknown")))


_EVENTS = {"condition": ("condition", "condition"), "drug": ("medication", "drug_exposure")}


def _name(cells: Cells, domain: str, by_id: pl.Expr) -> pl.Expr:
    own = cells.text(f"{domain}_source_value")
    added = (cells.text(f"{of}_concept_name") for of in ("standard", domain, "source"))
    return pl.coalesce(*added, by_id, pl.when(own.str.contains(r"\p{L}{4}")).then(own))


def _added(cells: Cells) -> list[tuple[str, pl.Expr]]:
    """Codes in columns that research exports add: the source concept's, then the standard one's."""
    return [
        (system, pl.when(cells.text(f"{of}_vocabulary") == vocabulary).then(code))
        for of in ("source", "standard")
        for code in (cells.text(f"{of}_concept_code"),)
        for vocabulary, system in SYSTEMS.items()
    ]


READ = {
    "person": _persons,
    "measurement": _measurements,
    "observation": _observations,
    "drug_exposure": _drugs,
    "condition_occurrence": _conditions,
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "person": ("person_id", "year_of_birth"),
    "measurement": ("person_id", "measurement_concept_id", "value_as_number"),
    "observation": ("person_id", "observation_concept_id"),
    "drug_exposure": ("person_id", "drug_concept_id"),
    "condition_occurrence": ("person_id", "condition_concept_id"),
}
