"""HL7 v2 (2.2 to 2.8): results (ORU, OUL, ORF, OBX in ADT) and merges of patients (A34, A40 ...).

A row is an OBX; of a message without OBX, the message itself (its MSH); a line that is no segment;
and a batch segment whose count is wrong. Who the patient is and what PID says of it stands on the
first row of the message.

Identity of a patient: of PID-3's repetitions the first of type MR, else PI, else PT, else any
other that is not an account, visit, social security or licence number; else PID-2. The assigning
authority is left out: set ``authority`` in the source's options to take only that authority's, or
``keep_authority = true`` to write it before each identifier.

Identity of a result: filler order (OBR-3, else OBR-2, ORC-3, ORC-2), code of OBX-3, OBX-4, and the
patient: laboratories begin their numbers anew every year or day, and one patient's result must not
replace another's. Results of one message that share all four, as in a series, also have their
time, then their number. Where numbers are never used again, ``order_numbers = "unique"`` leaves the
patient out, so that a result sent again for the right patient replaces that of the wrong one
without a withdrawal.

Time of the draw: OBX-14, else OBR-7, else SPM-17; OBR-7 first with ``draw_time = "OBR-7"`` for a
laboratory that writes the time of analysis into OBX-14. A time without an offset has the source's
zone where one is set, else the offset of MSH-7 as the standard says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from transforms.catalog import words
from transforms.formats.hl7 import (
    Messages,
    at,
    item,
    messages,
    per_value,
    piece,
    raw,
    timed,
    unescaped,
)
from transforms.formats.hl7_batches import batch_rejects
from transforms.formats.hl7_coded import assay, coded, laboratory, united
from transforms.formats.hl7_context import (
    Options,
    framed,
    heads_of,
    notes_of,
    orders_of,
    people_of,
    segments,
    with_stated,
)
from transforms.landing import (
    LANDING,
    PLACE,
    REJECTS,
    Opened,
    Reading,
    Source,
    shaped,
)

READ: Final = ("observation", "patient")

RESULTS = ("ORU", "OUL", "ORF", "ADT")
"""Message types whose OBX are results of the patient; in others they are set aside."""
MOVES = ("A24", "A37", "A43")
"""Links, unlinks and moves of identifiers: applied by nobody here, so they wait."""
DOCUMENTS = ("ED", "RP", "NA", "MA")
"""Values that are files, pointers or waveforms."""
CODED = ("CE", "CWE", "CNE", "CF")
TEXTS = ("ST", "TX", "FT", "")
MAX_LINE = 1_000_000
QUOTED = 2_000
"""Characters of a rejected segment that are kept when it is longer."""
WITH_REMARK = r"^((?:[<>]=?|≤|≥)?\s*[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+))(\s*[*;(\[\n].*|\s+.*)$"
REMARK = (
    r"(?s)^\s*(?:[*;][^\d]*|\n\s*[^\d\s<>+-].*|[(\[][^\d)\]]*[)\]]|(?:HH?|LL?|A|N)"
    r"|see (?:comment|note)s?)\s*$"
)
"""What may stand behind a number without changing it: a flag, a bracket, another line of text."""


@dataclass(frozen=True)
class _Span:
    """What one span gave: rows of each table, and ``rejects``, as files; batch segments, and counts
    for the notes."""

    files: Mapping[str, Path]
    batches: pl.DataFrame
    counts: dict[str, int]
    authorities: frozenset[str]


def read(opened: Opened) -> Reading:
    """Read a file of HL7 v2 messages, plain, in batches (FHS, BHS) or in MLLP frames.

    Raises:
        UnreadableError: the file is empty or holds no MSH, or a message is beyond 32 MB.
    """
    found, options = messages(opened), _options(opened.source)

    def kept(number: int) -> _Span:
        lines = found.spans[number].lines(found.path)
        lines = lines.filter(pl.col("text").str.strip_chars(" \t") != "")
        return _span(lines, found, options, opened.scratch / f"hl7-{number:06d}")

    with ThreadPoolExecutor(min(pl.thread_pool_size(), 2)) as pool:
        spans = list(pool.map(kept, range(len(found.spans))))
    batches = batch_rejects(pl.concat([span.batches for span in spans]))
    tables = {table: shaped(table, rows) for table in READ for rows in _scanned(spans, table)}
    return Reading(
        tables=tables,
        rejects=pl.concat([*_scanned(spans, "rejects"), batches.lazy()]),
        rows_in=found.rows + batches.height,
        notes=found.notes + _notes(spans, options),
        lines=found.path,
    )


def _scanned(spans: Sequence[_Span], table: str) -> list[pl.LazyFrame]:
    """The rows of ``table`` in all spans as one frame; no frame where there are none."""
    files = [span.files[table] for span in spans if table in span.files]
    return [pl.scan_ipc(files)] if files else []


def _options(source: Source) -> Options:
    given = source.options
    authority = given.get("authority")
    return Options(
        draws_first=given.get("draw_time") == "OBR-7",
        authority=str(authority) if authority else None,
        keep_authority=bool(given.get("keep_authority")),
        unique_numbers=given.get("order_numbers") == "unique",
        zoned=source.time_zone != "UTC",
        codes=tuple(source.codes),
    )


def _notes(spans: Sequence[_Span], options: Options) -> tuple[str, ...]:
    total = {key: sum(span.counts[key] for span in spans) for key in ("test", "apart", "headless")}
    authorities = len(frozenset().union(*(span.authorities for span in spans)))
    told = {
        f"{total['test']} messages are marked as tests (MSH-11 is not P); they are read": "test",
        f"{total['headless']} segments stand outside of any message": "headless",
        f"{total['apart']} results have OBX-14 on another day than OBR-7: if it is the time of "
        'analysis, set draw_time = "OBR-7" in the options of the source': "apart",
    }
    said = tuple(note for note, key in told.items() if total[key])
    if authorities < 2 or options.authority or options.keep_authority:
        return said
    return (*said, f"patients' identifiers are of {authorities} assigning authorities")


# ---------------------------------------------------------------- a span of messages


def _span(lines: pl.DataFrame, found: Messages, options: Options, target: Path) -> _Span:
    lines = framed(lines)
    heads = heads_of(lines, found.cut, options)
    people = people_of(lines, heads, options)
    results = _results(lines, heads, people, found.open_line, options)
    persons = _person_rows(people, results)
    bare = heads.with_columns(has_pid=pl.col("msg").is_in(people["msg"].unique().to_list()))
    aside = [results, persons, _bare_rows(bare, results, people), _strays(lines)]
    tables = {"observation": results, "patient": persons}
    landed = {name: rows.filter(pl.col("reason").is_null()) for name, rows in tables.items()}
    files = _written({**landed, "rejects": _rejects(aside)}, target)
    outside = (pl.col("kind") != "MSH") & ~pl.col("is_boundary") & ~pl.col("seg").is_in(["", "OBX"])
    counts = {
        "test": heads.filter(pl.col("processing") != "P").height,
        "apart": results.filter(pl.col("is_apart")).height,
        "headless": lines.filter(outside).height,
    }
    batches = lines.filter("is_boundary").select("line", "kind", "sep", "text")
    return _Span(files, batches, counts, frozenset(people["authority"].drop_nulls()))


def _written(tables: Mapping[str, pl.DataFrame], target: Path) -> dict[str, Path]:
    """What the tables land, as files beside ``target``; none of a table without rows."""
    files = {}
    for name, rows in tables.items():
        if rows.height:
            files[name] = target.with_name(f"{target.name}-{name}.arrow")
            landing = [*PLACE, *LANDING[name]] if name in LANDING else list(REJECTS)
            kept = rows.select(column for column in landing if column in rows.columns)
            kept.write_ipc(files[name], compression="lz4")
    return files


def _rejects(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What of the parts has a reason, in the order of the file. A document of megabytes is not
    quoted whole."""
    schema = {**REJECTS, "part": pl.Int32}
    named = [
        part.drop_nulls("reason").match_to_schema(
            schema, missing_columns="insert", extra_columns="ignore", integer_cast="upcast"
        )
        for part in parts
    ]
    rows = pl.concat(named).sort("line", pl.col("part").fill_null(0), maintain_order=True)
    return rows.with_columns(source_row=_quoted("source_row"))


def _quoted(name: str) -> pl.Expr:
    text, is_long = pl.col(name), pl.col(name).str.len_chars() > QUOTED
    return pl.when(is_long).then(text.str.head(QUOTED) + " ...").otherwise(text)


def _bare_rows(heads: pl.DataFrame, results: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Rejects of messages without OBX that give no patient, and of merges that are not applied."""
    kind, event = pl.col("type"), pl.col("event")
    no_patient = ~pl.col("msg").is_in(people["msg"].unique().to_list())
    reason = (
        pl.when(pl.col("bad").is_not_null())
        .then("bad")
        .when((kind == "ADT") & event.is_in(MOVES))
        .then("merge_not_read:" + event)
        .when(no_patient & ((kind == "ADT") | pl.col("has_pid")))
        .then(pl.lit("patient_missing"))
        .when(no_patient)
        .then("record_not_used:" + kind)
    )
    bare = heads.join(results, on="msg", how="anti").with_columns(reason=reason)
    return bare.drop_nulls("reason").select("reason", line="msg")


def _strays(lines: pl.DataFrame) -> pl.DataFrame:
    lost = lines.filter(pl.col("seg") == "")
    return lost.select("line", reason=pl.lit("segment_broken"), source_row="text")


# ---------------------------------------------------------------- patients


def _person_rows(people: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """Patient rows on the first row of their message.

    Of a message with results only what PID says is of use, and only the last time it is said.
    It is reported on the day of its message: a record that is said again the same day, as every
    message says it, is no new version.
    """
    first = results.group_by("msg").agg(first=pl.col("line").min())
    facts = ["patient_id", "source_birth_date", "source_sex"]
    known = people.filter(pl.col("bad").is_null()).join(first, on="msg", how="left")
    is_bare = pl.col("first").is_null() | (pl.col("seg") == "MRG")
    says = pl.any_horizontal(pl.col(facts[1:]).is_not_null()) & pl.col("patient_id").is_not_null()
    kept = pl.concat(
        [known.filter(is_bare), known.filter(~is_bare & says).unique(facts, keep="last")]
    ).sort("line")
    is_named = pl.col("patient_id").is_not_null()
    is_read = is_named & ((pl.col("seg") == "PID") | pl.col("merged_into").is_not_null())
    return kept.select(
        *facts,
        "merged_into",
        line=pl.coalesce("first", "msg"),
        part=pl.int_range(pl.len(), dtype=pl.Int32).over("msg"),
        source_row=_quoted("text"),
        source_reported_at=pl.col("sent").str.head(10),
        source_status=pl.when(pl.col("merged_into").is_not_null()).then(pl.lit("merge")),
        reason=pl.when(~is_read).then(pl.lit("patient_missing")),
    )


# ---------------------------------------------------------------- results


def _results(
    lines: pl.DataFrame, heads: pl.DataFrame, people: pl.DataFrame, last: int, options: Options
) -> pl.DataFrame:
    """A row or a reject for every OBX; with ``msg`` and ``is_apart``."""
    notes = notes_of(lines, heads)
    own = notes.rename({"owner": "line", "fasting": "own_fasting"})
    persons = people.filter(pl.col("seg") == "PID").select("patient_id", PID="line")
    of_person = notes.select(PID="owner", person_note="note", person_fasting="fasting")
    orders = orders_of(lines, heads, notes)
    commons = segments(lines, heads, "ORC").select(ORC="line", placed=pl.coalesce(at(3), at(2)))
    found = (
        _fields(segments(lines, heads, "OBX"), last)
        .join(persons, on="PID", how="left", maintain_order="left")
        .join(orders, on="OBR", how="left", maintain_order="left")
        .join(commons, on="ORC", how="left", maintain_order="left")
        .join(own, on="line", how="left", maintain_order="left")
        .join(of_person, on="PID", how="left", maintain_order="left")
    )
    return _identified(_landed(_valued(found), options), options)


def _fields(rows: pl.DataFrame, last: int) -> pl.DataFrame:
    """The fields of OBX by name, and the reason why one is not read."""
    given = rows.with_columns(
        value_type=at(2).fill_null("").str.to_uppercase(),
        coded=raw(3),
        subid=at(4),
        given=at(5),
        units=raw(6),
        result_status=piece(at(11), 0),
        observed=at(14),
        producer=raw(15),
        method=raw(17),
        performer=raw(23),
        n_fields=pl.col("f").list.len(),
    )
    return (
        given.drop("f")
        .with_columns(
            reason=_refusal(last), source_row=pl.lit(None, pl.String), part=pl.lit(0, pl.Int32)
        )
        .with_columns(
            source_row=pl.when(
                pl.col("reason").is_not_null() & (pl.col("text").str.len_chars() > QUOTED)
            ).then("text")
        )
    )


def _refusal(last: int) -> pl.Expr:
    kind, text = pl.col("value_type"), pl.col("text")
    is_ended = pl.col("result_status").is_not_null()
    seen = pl.col("observed").str.len_chars().fill_null(14)
    is_open = (pl.col("line") == last) & (~is_ended | ((pl.col("n_fields") == 15) & (seen < 14)))
    checks = (
        (pl.lit("message_headless"), pl.col("kind") != "MSH"),
        (pl.col("bad"), pl.col("bad").is_not_null()),
        (pl.lit("nul_byte"), text.str.contains("\x00", literal=True)),
        ("record_not_used:" + kind, kind.is_in(DOCUMENTS)),
        ("record_not_used:" + pl.col("type"), ~pl.col("type").is_in(RESULTS)),
        (pl.lit("line_too_long"), text.str.len_bytes() > MAX_LINE),
        (pl.lit("segment_broken"), pl.col("before_stray") & ~is_ended),
        (pl.lit("last_line_open"), is_open),
    )
    return pl.coalesce(pl.when(wrong).then(reason) for reason, wrong in checks)


def _valued(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds ``value`` and ``remark``; each repetition of a number or a code is a part."""
    given = pl.col("given")
    is_text = pl.col("value_type").is_in(TEXTS)
    repeats = given.str.contains(pl.col("rep"), literal=True).fill_null(value=False)
    lines = pl.when(is_text & repeats).then("given").str.split(pl.col("rep")).list.join("\n")
    rows = rows.with_columns(given=pl.coalesce(lines, given))
    is_many = repeats & ~is_text & pl.col("reason").is_null()
    if rows.select(is_many.any()).item():
        many = rows.filter(is_many).with_columns(given=given.str.split(pl.col("rep")))
        many = many.explode("given").with_columns(
            part=pl.int_range(pl.len(), dtype=pl.Int32).over("line")
        )
        rows = pl.concat([rows.filter(~is_many), many]).sort("line", "part")
    kind = pl.col("value_type")
    composed = pl.when(kind.is_in([*CODED, "SN"])).then("given").str.split(pl.col("comp"))
    coded = pl.coalesce(item("pieces", i) for i in (8, 1, 0))
    number = pl.concat_str(item("pieces", i).fill_null("") for i in range(4)).str.strip_prefix("=")
    found = rows.with_columns(pieces=composed).with_columns(
        value=pl.when(kind.is_in(CODED)).then(coded)
        .when((kind == "SN") & (number != "")).then(number)
        .otherwise(given)
    )  # fmt: skip
    return _split(unescaped(found.drop("pieces"), ("value", "subid", "placed")))


def _split(rows: pl.DataFrame) -> pl.DataFrame:
    """A number with a remark behind it as number and ``remark``."""
    stripped = rows.with_columns(pl.col("value").str.strip_chars())
    text = pl.when(pl.col("value_type").is_in(TEXTS)).then("value")
    groups = stripped.select(text.str.extract_groups("(?s)" + WITH_REMARK)).to_series().struct
    number, rest = groups.field("1").alias("number"), groups.field("2").alias("remark")
    if rest.null_count() == rows.height:
        return stripped.with_columns(remark=rest)
    remark = pl.col("remark")
    is_remark = remark.str.contains(REMARK) | words.is_haemolysed(remark)
    return stripped.with_columns(number, rest).with_columns(
        value=pl.when(is_remark).then("number").otherwise("value"),
        remark=pl.when(is_remark).then(remark.str.strip_chars()),
    )


def _landed(rows: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Adds the landing columns of OBX that do not depend on other OBX, and ``is_apart``."""
    named = partial(coded, mapped=options.codes)
    rows = per_value(rows, ("coded",), ("source_code", "code_system"), named)
    rows = per_value(rows, ("units",), ("source_unit",), united)
    rows = per_value(rows, ("producer", "performer", "facility"), ("lab",), laboratory)
    rows = per_value(rows, ("method",), ("assay",), assay)
    rows = with_stated(rows, ("own_fasting", "order_fasting", "person_fasting"), "source_fasting")
    rows = timed(rows.with_columns(analysed="observed"), ["analysed"], "offset")
    first, second = ("drawn", "analysed") if options.draws_first else ("analysed", "drawn")
    said = ("remark", "note", "condition", "order_note", "clinical", "person_note")
    is_apart = pl.col("drawn").str.head(10) != pl.col("analysed").str.head(10)
    return rows.with_columns(
        source_value="value",
        source_observed_at=pl.coalesce(first, second),
        source_reported_at=pl.coalesce("changed", "sent"),
        source_status=pl.coalesce("result_status", "order_status"),
        comment=pl.concat_str(*said, separator="; ", ignore_nulls=True),
        number=pl.coalesce("order", "placed"),
        is_apart=is_apart.fill_null(value=False),
    )


def _identified(rows: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Adds ``result_id``; a withdrawal keeps the plain identity of what it takes
    back, so it does not count among results that share it."""
    key = pl.concat_str(
        "number", pl.lit("/") + pl.col("source_code").fill_null(""),
        (pl.lit("/") + pl.col("subid")).fill_null(""),
        pl.when(pl.col("part") > 0).then(pl.lit("~") + pl.col("part").cast(pl.String))
        .otherwise(pl.lit("")),
        pl.lit("") if options.unique_numbers
        else (pl.lit("|") + pl.col("patient_id")).fill_null(""),
    )  # fmt: skip
    stands = pl.col("reason").is_null() & ~pl.col("source_status").is_in(["D", "W"]).fill_null(
        value=False
    )
    rows = rows.with_columns(result_id=key, stands=stands)
    if rows.filter("stands").select("msg", "result_id").is_duplicated().any():
        dated = pl.concat_str(
            "result_id", pl.col("source_observed_at").fill_null("-"), separator="@"
        )
        rows = _told_apart(_told_apart(rows, dated), _numbered())
    return unescaped(rows, TEXT_COLUMNS)


TEXT_COLUMNS = ("source_code", "source_unit", "lab", "assay")


def _numbered() -> pl.Expr:
    nth = (pl.int_range(pl.len()).over("msg", "result_id") + 1).cast(pl.String)
    return pl.concat_str("result_id", nth, separator="#")


def _told_apart(rows: pl.DataFrame, longer: pl.Expr) -> pl.DataFrame:
    """``longer`` for results of one message that share their identity."""
    shared = (
        pl.col("stands") & pl.col("result_id").is_not_null()
        & (pl.col("stands").sum().over("msg", "result_id") > 1)
    )  # fmt: skip
    return rows.with_columns(result_id=pl.when(shared).then(longer).otherwise("result_id"))
