"""FHIR R4 (R4B, and R5 where alike): NDJSON (bulk export, with its manifest and its deletions), a
single resource, or a Bundle of any type and size.

Lines are decoded by Polars, a span of the file at a time, into an explicit shape; a Bundle's
entries become such lines first, so there is one way from resource to row.

Measured reasons for the care around ``json_decode``: it joins the lines of a batch into one array,
so one bad line fails the batch, and half a line may close with the next or one line count for two
without an error; a lone surrogate escape silently becomes NUL; 1.50 becomes 1.5 (numbers are
quoted before).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import orjson
import polars as pl

from transforms.catalog.reasons import SET_ASIDE
from transforms.formats.fhir_context import (
    CONTEXT_OF,
    CONTEXT_SHAPES,
    LINKS,
    aliased,
    placed,
    prescribed,
    withdrawals,
)
from transforms.formats.fhir_documents import (
    FORMER_MARKS,
    FORMER_TYPES,
    LINE_END,
    LONGEST,
    MARKS_OF_FORMER,
    Json,
    Lines,
    bundled,
    contained,
    former_version,
    lines_of,
    manifest_note,
    of_former_version,
)
from transforms.formats.fhir_schema import HEAD, ROWS_OF, SHAPES, lines_without
from transforms.formats.text import Span, Text, text
from transforms.landing import (
    LANDING,
    Opened,
    Reading,
    UnreadableError,
    no_rejects,
    shaped,
)

READ: Final = ("observation", "patient", "condition", "medication")
COLUMNS: Final = tuple(dict.fromkeys(name for table in READ for name in LANDING[table]))
ROWS: Final = pl.Schema(
    {
        "line": pl.Int64,
        "part": pl.Int32,
        "table": pl.String,
        "reason": pl.String,
        **dict.fromkeys((*COLUMNS, *LINKS, "kind", "address", "target", "number"), pl.String),
    }
)
"""Rows of every table, of what they refer to (``context``) and the rejects (those with a
``reason``) in one frame: a file is decoded once, whatever it mixes."""

SPAN = 12 << 20
MAX_WORKERS = 4
SUSPECT = r"\\u(?:[dD][89a-fA-F]|0000)|\x00"
NUL = r"(?:^|[^\\])(?:\\\\)*\\u0000|\x00"
NUMBER = r'("value(?:Integer)?"\s*:\s*)(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(\s*[,}])'
"""A number under its key. Inside a text every quote is escaped, so no text looks like this."""
BUNDLE = "Bundle"
THE_REST = "json_broken:the rest of the Bundle"
GUESSED_TYPE = pl.col("text").str.extract(r'"resourceType"\s*:\s*"(\w+)"')
IS_LOG = pl.col("text").str.contains(r'"exportId".*"eventId"|"eventId".*"exportId"')
"""A line of a bulk export's own log."""
TYPE = pl.col("r").struct.field("resourceType")
ALL_SHAPES: Final = {**SHAPES, **CONTEXT_SHAPES}
ALL_ROWS: Final = {**ROWS_OF, **CONTEXT_OF}


def read(opened: Opened) -> Reading:
    """Read FHIR R4 resources.

    Args:
        opened: an NDJSON file, or one JSON document: a resource, a Bundle, or the manifest of a
            bulk export.

    Raises:
        UnreadableError: the file is empty, of a former version as a whole, or neither one JSON
            document nor lines of JSON.
    """
    clean = text(opened)
    is_alone, is_record = _first_line(clean.path)
    try:
        if is_record and not is_alone:
            return _lines_read(clean, opened.scratch)
        return _document_read(clean, opened.scratch, is_alone=is_alone)
    except pl.exceptions.PanicException:
        raise UnreadableError("reader_failed", "while decoding JSON") from None


def _first_line(path: Path) -> tuple[bool, bool]:
    """Whether the first line that is not blank is followed by no other, and whether it is an
    object. Not more of it is read than an entry may be long."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        first = ""
        while not first.strip() and (line := stream.readline(LONGEST)):
            first = line
        if not first.endswith("\n"):
            return True, False
        is_alone = not any(line.strip() for line in stream)
        return is_alone, not is_alone and isinstance(_parsed(first), dict)


def _parsed(line: str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _filled(clean: Text) -> pl.LazyFrame:
    return clean.lines().filter(pl.col("text").str.strip_chars() != "")


def _has_resource_line(clean: Text) -> bool:
    likely = _filled(clean).filter(pl.col("text").str.contains('"resourceType"', literal=True))
    lines = (_parsed(line) for line in likely.head(100).collect(engine="streaming")["text"])
    return any(isinstance(line, dict) and "resourceType" in line for line in lines)


# ---------------------------------------------------------------- from a file to rows


def _document_read(clean: Text, scratch: Path, *, is_alone: bool) -> Reading:
    """One JSON document, or what looks like one: NDJSON with a broken first line."""
    lines = lines_of(clean.path, scratch / "entries.ndjson")
    document, is_broken = lines.document, lines.document.is_cut
    kind = document.head.get("resourceType", BUNDLE if lines.count > 1 else None)
    if is_broken and not is_alone and lines.count < 2 and _has_resource_line(clean):
        return _lines_read(clean, scratch)
    if is_broken and (lines.count < 2 or kind != BUNDLE):
        raise _unreadable(clean)
    former_version(document.head)
    if (note := manifest_note(document.head)) is not None:
        one = pl.LazyFrame({"line": [1], "reason": ["record_not_used:manifest"]})
        rejects = one.select("line", "reason", source_row=pl.lit("{}"))
        return Reading(tables={}, rejects=rejects, rows_in=1, notes=(note,))
    if kind == BUNDLE:
        if not document.is_entry_list:
            raise UnreadableError("json_broken", "Bundle.entry is not a list")
        return _bundle_read(lines, scratch, sorted(clean.undecodable))
    if clean.path.stat().st_size > LONGEST:
        raise UnreadableError("too_large", "one resource of more than is read at once")
    target = scratch / "resource.ndjson"
    with clean.path.open(encoding="utf-8", newline="") as stream:
        target.write_text(LINE_END.sub(" ", stream.read()).strip() + "\n", encoding="utf-8")
    return _lines_read(Text(target, is_closed=True), scratch)


def _unreadable(clean: Text) -> UnreadableError:
    with clean.path.open("rb") as stream:
        if stream.read(64).lstrip().startswith(b"["):
            return UnreadableError("format_unknown", "JSON, but neither a resource nor a Bundle")
    return UnreadableError("encoding" if clean.undecodable else "json_broken", "not one document")


def _bundle_read(lines: Lines, scratch: Path, undecodable: Sequence[int]) -> Reading:
    if lines.count == 0:
        return Reading(tables={}, rejects=no_rejects(), rows_in=0)
    extra = [{"line": lines.count, "reason": "encoding" if undecodable else THE_REST}]
    told = lines.deletions + (extra if lines.document.is_cut else [])
    other = _told(told)
    targets = _kept(lines.path, scratch, (), lines.ids, other)
    rows = pl.scan_ipc(targets)
    if lines.updated:
        stamps = {"line": list(lines.updated), "updated": list(lines.updated.values())}
        rows = rows.join(pl.LazyFrame(stamps), on="line", how="left", maintain_order="left")
        rows = rows.with_columns(source_reported_at=pl.coalesce("source_reported_at", "updated"))
    if lines.aliases:
        rows = aliased(rows, lines.aliases)
    return _reading(rows, lines.count, lines.path)


def _lines_read(clean: Text, scratch: Path) -> Reading:
    """NDJSON, a span of lines at a time on every core, each span kept as rows in ``scratch``."""
    count = _filled(clean).select(pl.len()).collect(engine="streaming").item()
    targets = _kept(clean.path, scratch, sorted(clean.undecodable), {}, _told([]))
    return _reading(pl.scan_ipc(targets), count, clean.path)


def _kept(
    path: Path, scratch: Path, undecodable: Sequence[int], ids: dict[int, str], told: pl.DataFrame
) -> list[Path]:
    """The rows of every span of lines, in files of ``scratch``; ``told`` are rows known already,
    whose lines are not decoded."""
    named = pl.DataFrame(
        {"line": list(ids), "given": list(ids.values())},
        schema={"line": pl.Int64, "given": pl.String},
    )

    def kept(span: Span) -> Path:
        target = scratch / f"fhir-{span.before:012d}.arrow"
        lines = span.lines(path).with_columns(pl.col("text").str.strip_chars())
        stated = lines_without(lines.filter(pl.col("text") != ""), told)
        _span_rows(stated, undecodable, named).write_ipc(target, compression="lz4")
        return target

    with ThreadPoolExecutor(min(pl.thread_pool_size(), MAX_WORKERS)) as pool:
        targets = list(pool.map(kept, _spans(path)))
    told.write_ipc(scratch / "fhir-told.arrow")
    return [*targets, scratch / "fhir-told.arrow"]


def _told(rows: list[Json]) -> pl.DataFrame:
    found = pl.DataFrame(rows, schema_overrides=dict(ROWS), infer_schema_length=None)
    return _alike(found if rows else ROWS.to_frame())


def _alike(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.match_to_schema(ROWS, missing_columns="insert", extra_columns="ignore")


def _spans(path: Path) -> Iterator[Span]:
    """The file cut at line ends.

    The engine's own batches hold some hundred lines and cost more to hand over than to decode.
    """
    before = start = position = 0
    with path.open("rb") as stream:
        while block := stream.read(SPAN):
            if end := block.rfind(b"\n") + 1:
                yield Span(before, start, position + end - start)
                before, start = before + block.count(b"\n"), position + end
            position += len(block)
    if start < position:
        yield Span(before, start, position - start)


def _reading(rows: pl.LazyFrame, count: int, lines: Path) -> Reading:
    """Rows with what they refer to in the same file, as landing tables."""
    present = set(rows.select(pl.col("table").unique()).collect(engine="streaming")["table"])
    context = rows.filter(pl.col("table") == "context").collect(engine="streaming")
    of_results = pl.concat_str(pl.lit("Observation/"), pl.col("result_id").str.extract("^([^#]*)"))
    addressed = rows.with_columns(address=pl.coalesce("address", of_results))
    parts = {table: addressed.filter(pl.col("table") == table) for table in READ}
    rejects = rows.filter(pl.col("reason").is_not_null())
    if not context.is_empty():
        results = parts["observation"]
        taken = withdrawals(context, results.select("address").unique().collect())
        rejects = rejects.join(taken.lazy(), on="line", how="anti", maintain_order="left")
        present |= {"observation"} if taken.height else set()
        parts["observation"] = placed(
            pl.concat([results, taken.lazy().select(ROWS.names())]), context
        )
        parts["medication"] = prescribed(parts["medication"], context)
        parts = {table: _of_contained(part, context) for table, part in parts.items()}
    tables = {
        t: shaped(t, parts[t].select("line", "part", *LANDING[t])) for t in READ if t in present
    }
    told = rejects.select("line", "reason", source_row=pl.lit(None, pl.String))
    return Reading(tables=tables, rejects=told, rows_in=count, lines=lines)


def _of_contained(rows: pl.LazyFrame, context: pl.DataFrame) -> pl.LazyFrame:
    """Whose a row is, where a contained Patient says it."""
    people = context.filter(pl.col("kind") == "Patient").unique("address", keep="first")
    named = people.lazy().select(patient_link="address", contained_id="patient_id")
    joined = rows.join(named, on="patient_link", how="left", maintain_order="left")
    return joined.with_columns(patient_id=pl.coalesce("contained_id", "patient_id"))


# ---------------------------------------------------------------- what stands inside lines


def _span_rows(lines: pl.DataFrame, undecodable: Sequence[int], ids: pl.DataFrame) -> pl.DataFrame:
    """A span's :data:`ROWS`, with those of contained resources and of Bundles that are a line."""
    rows = _rows(lines, undecodable, ids)
    is_bundle = pl.col("reason") == BUNDLE
    bundles = lines.join(rows.filter(is_bundle), on="line", how="semi")
    inner, deletions = bundled(bundles)
    held = contained(lines)
    if inner.is_empty() and held.is_empty() and bundles.is_empty():
        return rows
    unread = pl.lit("record_not_used:Bundle")
    rows = rows.with_columns(reason=pl.when(is_bundle).then(unread).otherwise("reason"))
    of_bundles, of_held = _inner_rows(inner), _of_line(_inner_rows(held))
    return _settled(pl.concat([rows, of_bundles, _told(deletions), of_held]))


def _inner_rows(inner: pl.DataFrame) -> pl.DataFrame:
    """The rows of resources inside lines, with the line they stand in and their address."""
    found = _rows(inner.select("text", line="key"))
    place = inner.select("inner", "outer", own="line", line="key")
    joined = found.join(place, on="line", how="left", maintain_order="left")
    scoped = (
        pl.when(pl.col(name).str.contains(r"^-\d+#"))
        .then(pl.concat_str("own", pl.col(name).str.replace(r"^-\d+", "")))
        .otherwise(name)
        .alias(name)
        for name in (*LINKS, "target")
    )
    number = pl.concat_str("outer", pl.lit("#"), "result_id")
    return _alike(
        joined.with_columns(*scoped).with_columns(
            line="own",
            address=pl.coalesce("inner", "address"),
            result_id=pl.coalesce(number, "result_id"),
        )
    )


def _of_line(held: pl.DataFrame) -> pl.DataFrame:
    """What is taken of contained resources: results, and what others refer to. A contained
    Patient is no record of its own: only its number says who is meant."""
    person = pl.col("table") == "patient"
    known = held.with_columns(
        patient_id=pl.when(person).then("number").otherwise("patient_id"),
        kind=pl.when(person).then(pl.lit("Patient")).otherwise("kind"),
        table=pl.when(person).then(pl.lit("context")).otherwise("table"),
    )
    return known.filter(pl.col("table").is_in(["observation", "context"]))


def _settled(rows: pl.DataFrame) -> pl.DataFrame:
    """Each line in one place: set aside only if nothing of it is read, and its parts numbered."""
    is_read = pl.col("table").is_in(READ)
    is_aside = pl.col("reason").str.split(":").list.first().is_in(list(SET_ASIDE))
    ranked = rows.with_columns(rank=pl.when(is_aside).then(1).otherwise(0)).sort("line", "rank")
    rejects = ranked.filter(pl.col("reason").is_not_null()).unique("line", keep="first")
    of_lines = rows.filter(is_read).select("line").unique()
    idle = lines_without(rejects.filter(is_aside), of_lines)
    landed = rows.filter(is_read).with_columns(
        part=pl.when(pl.len().over("line") > 1)
        .then(pl.int_range(pl.len(), dtype=pl.Int32).over("line"))
        .otherwise("part")
    )
    parts = [landed, rows.filter(pl.col("table") == "context"), idle, rejects.filter(~is_aside)]
    return pl.concat([part.select(ROWS.names()) for part in parts]).sort("line", "part")


# ---------------------------------------------------------------- from lines to decoded resources


def _rows(
    lines: pl.DataFrame, undecodable: Sequence[int] = (), ids: pl.DataFrame | None = None
) -> pl.DataFrame:
    """A batch of lines (``line``, ``text``) as :data:`ROWS`, in order; ``ids`` (``line``,
    ``given``) are of resources that have none."""
    rejects, sound = _screened(lines, undecodable)
    former, sound = _of_former_versions(sound)
    quoted = sound.with_columns(pl.col("text").str.replace_all(NUMBER, '$1"$2"$3'))
    found = [rejects, former]
    for kind, resources in _resources_by_type(quoted):
        if kind in ALL_ROWS:
            known = resources.unnest("r")
            found += ALL_ROWS[kind](known if ids is None or ids.is_empty() else _given(known, ids))
        else:
            told = resources.join(lines, on="line").filter(IS_LOG if kind == "" else False)
            others = lines_without(resources, told).select("line", reason=pl.lit(_unread(kind)))
            found += [others, told.select("line", reason=pl.lit("record_not_used:log"))]
    return pl.concat([ROWS.to_frame(), *(_alike(part) for part in found)]).sort("line", "part")


def _given(found: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    known = found.join(ids, on="line", how="left", maintain_order="left")
    return known.with_columns(id=pl.coalesce("id", "given")).drop("given")


def _of_former_versions(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rejects for resources that bear the marks of DSTU2 or STU3, and the other lines."""
    marked = lines.filter(pl.col("text").str.contains(MARKS_OF_FORMER))
    if marked.is_empty():
        return marked.select("line"), lines
    likely = marked.filter(GUESSED_TYPE.is_in(list(FORMER_MARKS)))
    kinds = [of_former_version(_parsed(line)) for line in likely["text"]]
    reason = pl.Series("reason", kinds, dtype=pl.String)
    rejects = likely.select("line", reason).drop_nulls("reason")
    return rejects, lines_without(lines, rejects)


def _unread(kind: str) -> str:
    """Why a resource of this type gives no row. A type that is no name is never repeated."""
    if kind == BUNDLE:
        return BUNDLE
    if not re.fullmatch(r"[A-Z][A-Za-z]{1,63}", kind):
        return "json_broken"
    return f"version_not_read:{kind}" if kind in FORMER_TYPES else f"resource_not_used:{kind}"


def _screened(lines: pl.DataFrame, undecodable: Sequence[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rejects for text that decoding would alter silently, and the other lines."""
    suspect = lines.filter(
        pl.col("text").str.contains(SUSPECT) | pl.col("line").is_in(list(undecodable))
    )
    if suspect.is_empty():
        return suspect.select("line"), lines
    is_broken = pl.Series([_parsed(line) is None for line in suspect["text"]])
    reason = (
        pl.when(pl.col("line").is_in(list(undecodable)))
        .then(pl.lit("encoding"))
        .when(pl.col("text").str.contains(NUL))
        .then(pl.lit("nul_byte"))
        .when(is_broken)
        .then(pl.lit("json_broken"))
    )
    rejects = suspect.select("line", reason=reason).drop_nulls("reason")
    return rejects, lines_without(lines, rejects)


def _resources_by_type(lines: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Resource type, and its lines decoded (``r``); "" for what is no resource.

    The type is guessed from the text to decode each line once, and the guess is checked on what
    was decoded; only lines of which it was wrong, and batches with a bad line, are decoded again.
    """
    unsure = []
    for (guess,), group in lines.group_by(kind=GUESSED_TYPE, maintain_order=True):
        kind = str(guess or "")
        found = _decoded(group, ALL_SHAPES.get(kind, HEAD)).filter(kind == TYPE)
        unsure.append(lines_without(group, found))
        yield kind, found
    rest = pl.concat([lines.clear(), *(group.select(lines.columns) for group in unsure)])
    if rest.is_empty():
        return
    heads = _isolated(rest, HEAD)
    yield "", lines_without(rest, heads)
    for (named,), group in rest.join(heads, on="line").group_by(kind=TYPE, maintain_order=True):
        yield from _decoded_of_type(str(named or ""), group.select(lines.columns))


def _decoded_of_type(kind: str, lines: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    found = _isolated(lines, ALL_SHAPES.get(kind, HEAD))
    yield kind, found
    yield "", lines_without(lines, found)


def _decoded(lines: pl.DataFrame, shape: pl.Struct) -> pl.DataFrame:
    """``line`` and ``r`` of all the lines; none when any one cannot be decoded.

    Each line is wrapped as a list, so that a line of two objects is seen as such.
    """
    wrapped = lines.select(text=pl.concat_str(pl.lit("["), "text", pl.lit("]")))["text"]
    try:
        decoded = wrapped.str.json_decode(pl.List(shape)) if len(wrapped) else None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        decoded = None
    if decoded is None or len(decoded) != len(lines) or (decoded.list.len() != 1).any():
        return pl.DataFrame(schema={"line": pl.Int64, "r": shape})
    return lines.select("line", r=decoded.explode())


def _isolated(lines: pl.DataFrame, shape: pl.Struct) -> pl.DataFrame:
    """``line`` and ``r`` of the lines that can be decoded."""
    whole = _decoded(lines, shape)
    if whole.height == lines.height:
        return whole
    # Most bad lines are found by parsing each; bisection, dear when many are bad, finds the rest.
    fits = [_fits(_parsed(line), shape, required=True) for line in lines["text"]]
    return pl.concat([whole.clear(), *_bisected(lines.filter(pl.Series(fits)), shape)])


def _bisected(lines: pl.DataFrame, shape: pl.Struct) -> Iterator[pl.DataFrame]:
    whole = _decoded(lines, shape)
    yield whole
    if whole.height < lines.height and lines.height > 1:
        half = lines.height // 2
        yield from _bisected(lines[:half], shape)
        yield from _bisected(lines[half:], shape)


def _fits(value: object, shape: pl.DataType, *, required: bool = False) -> bool:
    """Whether a parsed value is of the shape, as ``json_decode`` sees it."""
    if value is None:
        return not required
    if isinstance(shape, pl.Struct):
        return isinstance(value, dict) and all(
            _fits(value.get(field.name), _instance(field.dtype)) for field in shape.fields
        )
    if isinstance(shape, pl.List):
        inner = _instance(shape.inner)
        return isinstance(value, list) and all(_fits(item, inner) for item in value)
    return not isinstance(value, dict | list)


def _instance(dtype: object) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else pl.String()
