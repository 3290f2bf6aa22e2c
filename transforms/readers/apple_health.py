"""apple_health: the export of Apple's Health app, ``export.xml`` or the whole ``export.zip``.

A row is an element right under ``HealthData``, or a ``Record`` inside a ``Correlation``: those
also stand outside it, and one that does is not taken twice. What a sensor counts becomes samples,
what a clinician reviews observations, glucose one or the other by its device; a workout's energy
and a day's ``ActivitySummary`` are left out, because the records under them say the same. An
interval of sleep without a stage is left out where stages of the same device begin in it. The
severity of a symptom is not kept. ``Me`` (birth date, sex) and names are never kept.

Times carry the offset that the phone had when it exported, not that of the place and season in
which they were taken: the instant is right, the local day need not be. Where a time zone is set for
the source, only the instant is handed on (``...Z``), so that the day is that zone's and two exports
of one record, made in summer and in winter, say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import polars as pl

from transforms.formats import apple_kinds as kinds
from transforms.formats.apple_xml import DAMAGED, REPLACED, Block, blocks
from transforms.formats.archive import members, unwanted
from transforms.formats.owners import known_owner
from transforms.instants import local, offset_minutes
from transforms.landing import Opened, Reading, UnreadableError, shaped

FROM_XML = {
    "type": "type",
    "value": "value",
    "unit": "unit",
    "begin": "startDate",
    "end": "endDate",
    "described": "device",
    "named": "sourceName",
    "meal": "HKBloodGlucoseMealTime",
    "typed": "HKWasUserEntered",
}
ROW = {
    "line": pl.Int64,
    "element": pl.String,
    "is_member": pl.Boolean,
    "is_altered": pl.Boolean,
    **dict.fromkeys(FROM_XML, pl.String),
}
JUDGED = (
    *("line", "table", "reason", "is_member", "kind", "code", "method", "value", "unit"),
    *("begin", "end", "device", "fasting"),
)
TAKEN = ("Record", "Workout")
AFTER_MEAL = "2"
"""``HKBloodGlucoseMealTime``; 1 is before a meal, which is no fast of eight hours."""
STORE_ROWS = 1 << 16
_TRACE = ("element", "type", "unit", "value", "begin", "end", "device")
_WORD = r"^[A-Za-z0-9_.+-]+$"
_MOST_LETTERS = 80
_SAME = ("kind", "code", "begin", "end", "value", "unit")


def read(opened: Opened) -> Reading:
    """Read one export; memory does not grow with it.

    Raises:
        UnreadableError: no such export, nobody knows whose it is, or nothing of it can be read.
    """
    patient_id = known_owner(opened)
    store = _Store(opened.scratch)
    for member in members(opened, is_export):
        store.take(member.path, opened.source.options.get("encoding"))
    store.close()
    rows = store.rows()
    left = _left_out(rows)
    reason, zone = pl.coalesce("reason", "left"), opened.source.time_zone
    judged = rows.join(left, on="line", how="left", maintain_order="left")
    timed = judged.with_columns(_handed_on(name, zone) for name in ("begin", "end"))
    kept = timed.filter(reason.is_null())
    return Reading(
        tables={
            "sample": _samples(kept.filter(pl.col("table") == "sample"), patient_id),
            "observation": _observations(kept.filter(pl.col("table") != "sample"), patient_id),
        },
        rejects=_rejects(judged.with_columns(reason=reason), store.damaged),
        rows_in=store.tags,
        notes=_notes(opened),
        lines=store.lines,
    )


def is_export(name: str) -> bool:
    """Whether an archive's member is the export: its name is translated, its place is not.

    >>> [is_export(n) for n in ("apple_health_export/Export.xml", "a/export_cda.xml", "a/b/c.xml")]
    [True, False, False]
    """
    path = PurePosixPath(name)
    is_near = len(path.parts) <= 2 and not path.name.startswith(".") and "__MACOSX" not in name
    return is_near and path.suffix.lower() == ".xml" and not path.stem.lower().endswith("_cda")


@dataclass
class _Store:
    """The rows read so far: judged ones as Arrow files, and one line of text for each.

    ``tags`` counts the rows' tags in the bytes; ``damaged`` are the lines that stand for all that
    could not be read any more.
    """

    scratch: Path
    tags: int = 0
    damaged: list[int] = field(default_factory=list)
    _count: int = 0
    _members: int = 0
    _files: list[Path] = field(default_factory=list)
    _waiting: list[pl.DataFrame] = field(default_factory=list)

    @property
    def lines(self) -> Path:
        """The text whose line N is row N."""
        return self.scratch / "rows.txt"

    def take(self, path: Path, encoding: object) -> None:
        """Read one export."""
        before, tags, damage = self._count, 0, None
        for block in blocks(path, str(encoding) if encoding else None):
            self._add(block)
            tags, damage = tags + block.tags, damage or block.damage
        if damage:
            if self._count == before:
                raise UnreadableError("xml_broken", damage)
            self._add(Block(["damaged"], [False], [{}]))
            self.damaged.append(self._count)
            tags = max(tags, self._count - before)
        self.tags, self._members = self.tags + tags, self._members + 1

    def close(self) -> None:
        """Write what waits.

        Raises:
            UnreadableError: there was nothing to read.
        """
        if not self._members:
            raise UnreadableError("archive_empty")
        self._write()

    def rows(self) -> pl.LazyFrame:
        """The columns :data:`JUDGED`, in order of line."""
        return pl.scan_ipc(self._files)

    def _add(self, block: Block) -> None:
        if block.elements:
            self._waiting.append(_frame(block, self._count))
            self._count += len(block.elements)
        if sum(frame.height for frame in self._waiting) >= STORE_ROWS:
            self._write()

    def _write(self) -> None:
        rows = _with_device(pl.concat([pl.DataFrame(schema=ROW), *self._waiting]))
        self._waiting.clear()
        with self.lines.open("ab") as out:
            _trace(rows).write_csv(out, include_header=False, quote_style="never")
        target = self.scratch / f"rows-{len(self._files):05}.arrow"
        _judged(rows).write_ipc(target)
        self._files.append(target)


def _frame(block: Block, before: int) -> pl.DataFrame:
    said = block.attributes
    columns = {name: [row.get(key) for row in said] for name, key in FROM_XML.items()}
    lines = range(before + 1, before + len(said) + 1)
    altered = [block.is_altered] * len(said)
    place = dict(zip(ROW, (lines, block.elements, block.members, altered), strict=False))
    return pl.DataFrame(place | columns, schema=ROW)


def _with_device(rows: pl.DataFrame) -> pl.DataFrame:
    """``device`` and ``is_sensor`` in the place of the source's name and the device's text."""
    rows = rows.with_columns(pl.col("described").str.replace(kinds.ADDRESS, ""))
    pair = ["described", "named"]
    pairs = rows.select(pair).unique()
    known = pairs.with_columns(
        device=pl.Series([kinds.device(*told) for told in pairs.iter_rows()], dtype=pl.String),
        is_sensor=pl.Series(
            [kinds.is_sensor(*told) for told in pairs.iter_rows()], dtype=pl.Boolean
        ),
    )
    joined = rows.join(known, on=pair, how="left", nulls_equal=True, maintain_order="left")
    return joined.drop(pair)


def _trace(rows: pl.DataFrame) -> pl.DataFrame:
    """A line of JSON for each row, for people who have to look at it; only words and numbers."""
    shown = {name: pl.col(name).str.slice(0, 40) for name in _TRACE}
    for name in ("element", "type", "value"):
        shown[name] = _plain(name)
    shown["device"] = pl.when(pl.col("element").is_in(TAKEN)).then("device")
    return rows.select(
        pl.struct(expr.alias(name) for name, expr in shown.items()).struct.json_encode()
    )


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """What becomes of each row, as far as it shows from the row alone: :data:`JUDGED`."""
    told = rows.with_columns(
        pl.col("type").str.replace(kinds.PREFIXES, ""),
        word=pl.col("value").str.replace(kinds.WORD_PREFIX, ""),
        whole=pl.concat_str("type", "unit", "value", "begin", "end", ignore_nulls=True),
    ).with_columns(unit=kinds.ucum(pl.col("type"), pl.col("unit")))
    matched = told.join(
        kinds.words().with_columns(is_word=True), on=["type", "word"], how="left",
        maintain_order="left",
    )  # fmt: skip
    placed = matched.with_columns(**_place()).with_columns(**_content())
    return placed.with_columns(reason=_reason()).select(JUDGED)


def _place() -> dict[str, pl.Expr]:
    """``table``, ``kind`` and ``code``: where a row belongs, all null where it is not used."""
    name, is_workout = pl.col("type"), pl.col("element") == "Workout"
    is_worn = (name == kinds.GLUCOSE) & pl.col("is_sensor") & ~_is_typed()
    kind = (
        pl.when(is_workout).then(pl.lit("workout_duration"))
        .when(is_worn).then(pl.lit("sensor_glucose"))
        .otherwise(pl.coalesce("kind", _looked_up(name, kinds.SAMPLES | kinds.categories())))
    )  # fmt: skip
    capillary = _looked_up(pl.col("unit"), kinds.CAPILLARY).fill_null("41653-7")
    loinc = (
        pl.when((name == kinds.GLUCOSE) & ~is_worn).then(capillary)
        .otherwise(_looked_up(name, kinds.VITALS))
    )  # fmt: skip
    is_record = pl.col("element") == "Record"
    code = pl.when(is_workout).then(name).when(loinc.is_not_null()).then(loinc).otherwise("named")
    table = (
        pl.when(is_record & loinc.is_not_null()).then(pl.lit("observation"))
        .when(is_workout | (is_record & kind.is_not_null())).then(pl.lit("sample"))
    )  # fmt: skip
    return {"table": table, "kind": kind, "code": code}


def _content() -> dict[str, pl.Expr]:
    """The landing columns; a sample that is worth its own length has no value.

    Two symptoms are noted at one moment, so a symptom's name is its method too.
    """
    is_word, kind = pl.col("is_word").fill_null(value=False), pl.col("kind")
    is_instant = (pl.col("begin") == pl.col("end")) & ~kind.is_in(_lengths())
    is_after = (pl.col("type") == kinds.GLUCOSE) & (pl.col("meal") == AFTER_MEAL)
    return {
        "value": pl.when(~is_word).then("value"),
        "end": pl.when(~is_instant.fill_null(value=False)).then("end"),
        "method": pl.when(kind == "symptom").then("code"),
        "fasting": pl.when(is_after).then(pl.lit("no")),
    }


def _reason() -> pl.Expr:
    """Null for a row that is taken, else why it is not."""
    name, whole = pl.col("type"), pl.col("whole")
    is_altered = pl.col("is_altered")
    is_taken = pl.col("element").is_in(TAKEN)
    shown, element = (_plain(name).fill_null("other") for name in ("type", "element"))
    is_nothing = pl.col("is_word") & pl.col("named").is_null()
    is_blank = pl.col("word").fill_null("").str.strip_chars() == ""
    return (
        pl.when(~is_taken)
        .then(pl.concat_str(pl.lit("record_not_used:"), element))
        .when(is_altered & whole.str.contains(REPLACED, literal=True)).then(pl.lit("encoding"))
        .when(is_altered & whole.str.contains(DAMAGED, literal=True)).then(pl.lit("xml_broken"))
        .when(name.is_null()).then(pl.lit("xml_broken"))
        .when(pl.col("table").is_null()).then(pl.concat_str(pl.lit("record_not_used:"), shown))
        .when(is_nothing).then(pl.concat_str(pl.lit("record_not_used:"), shown, "word"))
        .when((pl.col("element") == "Record") & is_blank).then(pl.lit("row_empty"))
    )  # fmt: skip


def _plain(name: str) -> pl.Expr:
    """Column ``name`` where it holds one short word or number: what may be shown."""
    text = pl.col(name)
    is_plain = text.str.contains(_WORD) & (text.str.len_bytes() <= _MOST_LETTERS)
    return pl.when(is_plain).then(text)


def _lengths() -> list[str]:
    return [*set(kinds.categories().values()), "in_bed_duration", "workout_duration"]


def _is_typed() -> pl.Expr:
    return (pl.col("typed") == "1").fill_null(value=False)


def _looked_up(key: pl.Expr, known: dict[str, str]) -> pl.Expr:
    return key.replace_strict(known, default=None, return_dtype=pl.String)


def _left_out(rows: pl.LazyFrame) -> pl.LazyFrame:
    """``line`` and ``left``: the rows that are left out because of others in the file."""
    usable = rows.filter(pl.col("reason").is_null())
    return pl.concat([_doubles(usable), _sessions(usable)]).lazy()


def _doubles(rows: pl.LazyFrame) -> pl.DataFrame:
    """The records of a correlation that also stand outside of it."""
    inside = rows.filter("is_member").select("line", *_SAME).collect(engine="streaming")
    if inside.is_empty():
        return _left(inside.lazy(), "CorrelationMember")
    is_near = ~pl.col("is_member") & pl.col("begin").is_in(inside["begin"].unique().implode())
    outside = rows.filter(is_near).select(_SAME)
    found = inside.lazy().join(outside, on=_SAME, how="semi", nulls_equal=True)
    return _left(found, "CorrelationMember")


def _sessions(rows: pl.LazyFrame) -> pl.DataFrame:
    """The intervals of sleep without a stage in which a stage of the same device begins."""
    sleep = (
        rows.filter(pl.col("kind") == "sleep_duration")
        .select(
            *("line", "code", "device"),
            at=_instant(pl.col("begin")),
            until=_instant(pl.col("end")),
        )
        .collect(engine="streaming")
        .sort("at")
        .lazy()
    )
    is_session = pl.col("code").is_in(kinds.SESSIONS)
    stages = sleep.filter(~is_session, pl.col("at").is_not_null())
    sessions = sleep.filter(is_session, pl.col("at").is_not_null()).join_asof(
        stages.select("device", "at", stage_at="at"), on="at", by="device", strategy="forward",
        check_sortedness=False,
    )  # fmt: skip
    return _left(sessions.filter(pl.col("stage_at") < pl.col("until")), "SleepSession")


def _left(rows: pl.LazyFrame, why: str) -> pl.DataFrame:
    return rows.select("line", left=pl.lit(f"record_not_used:{why}")).collect(engine="streaming")


def _handed_on(name: str, zone: str) -> pl.Expr:
    """A time as it came; as an instant in UTC where a zone is set and the time states an offset."""
    text = pl.col(name)
    if zone == "UTC":
        return text
    instant = _instant(text).dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    is_stated = offset_minutes(text).is_not_null()
    return pl.when(is_stated).then(pl.coalesce(instant, name)).otherwise(name).alias(name)


def _instant(text: pl.Expr) -> pl.Expr:
    """The instant in UTC, naive; of a time without offset the wall clock."""
    return local(text) - pl.duration(minutes=offset_minutes(text).fill_null(0))


def _samples(rows: pl.LazyFrame, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "sample",
        rows.select(
            *("line", "kind", "device", "method"),
            patient_id=pl.lit(patient_id),
            source_code="code",
            source_value="value",
            source_unit="unit",
            source_observed_at="begin",
            source_ended_at="end",
        ),
    )


def _observations(rows: pl.LazyFrame, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "observation",
        rows.select(
            "line",
            patient_id=pl.lit(patient_id),
            code_system=pl.lit("loinc"),
            source_code="code",
            source_value="value",
            source_unit="unit",
            source_observed_at="begin",
            source_fasting="fasting",
        ),
    )


def _rejects(judged: pl.LazyFrame, damaged: list[int]) -> pl.LazyFrame:
    is_damage = pl.col("line").is_in(damaged)
    reason = pl.when(is_damage).then(pl.lit("xml_broken")).otherwise("reason")
    return judged.filter(pl.col("reason").is_not_null()).select(
        "line", reason=reason, source_row=pl.lit(None, dtype=pl.String)
    )


def _notes(opened: Opened) -> tuple[str, ...]:
    others = unwanted(opened, is_export)
    return (f"{others} other files of the archive are not read",) if others else ()
