"""FHIR R4: NDJSON (bulk export), a single resource, or a Bundle of any type.

Lines are decoded by Polars, a span of the file at a time, into an explicit shape; a Bundle's
entries become such lines first, so there is one way from resource to row.

Measured reasons for the care around ``json_decode``: it joins the lines of a batch into one array,
so one bad line fails the batch, and half a line may close with the next or one line count for two
without an error; a lone surrogate escape silently becomes NUL.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from transforms.fhir_schema import FORMER_TYPES, HEAD, PLAIN_SHAPES, ROWS_OF, SHAPES, lines_without
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, UnreadableError, shaped
from transforms.text import Span, Text, text

Json = dict[str, Any]

READ: Final = ("observation", "patient", "condition", "medication")
COLUMNS: Final = tuple(dict.fromkeys(name for table in READ for name in LANDING[table]))
ROWS: Final = pl.Schema(
    {
        "line": pl.Int64,
        "part": pl.Int32,
        "table": pl.String,
        "reason": pl.String,
        **dict.fromkeys(COLUMNS, pl.String),
    }
)
"""Rows of every table and the rejects (those with a ``reason``) in one frame: a file is decoded
once, whatever it mixes."""

ENTRIES_AT_ONCE = 20_000
SPAN = 12 << 20
MAX_WORKERS = 4
SUSPECT = r"\\u(?:[dD][89a-fA-F]|0000)|\x00"
NUL = r"(?:^|[^\\])(?:\\\\)*\\u0000|\x00"
BUNDLE_INSIDE = "json_broken:a Bundle inside a line or entry"
GUESSED_TYPE = pl.col("text").str.extract(r'"resourceType"\s*:\s*"(\w+)"')
TYPE = pl.col("r").struct.field("resourceType")


def read(opened: Opened) -> Reading:
    """Read FHIR R4 resources.

    Args:
        opened: an NDJSON file, or one JSON document: a resource or a Bundle.

    Raises:
        UnreadableError: the file is empty, or neither one JSON document nor lines of JSON.
    """
    clean = text(opened)
    filled = clean.lines().filter(pl.col("text").str.strip_chars() != "")
    count = filled.select(pl.len()).collect(engine="streaming").item()
    try:
        document = _document(clean, filled, count)
        if document is None:
            return _lines_read(clean, opened.scratch, count)
        return _entries_read(document)
    except pl.exceptions.PanicException:
        raise UnreadableError("reader_failed", "while decoding JSON") from None


def _document(clean: Text, filled: pl.LazyFrame, count: int) -> Json | None:
    """The file's one JSON object when it is more than a line of NDJSON, else None."""
    first = filled.head(1).collect()["text"]
    if count > 1 and isinstance(_parsed(first[0]), dict):
        return None
    try:
        value = _whole(clean)
    except orjson.JSONDecodeError as error:
        if count > 1 and _has_resource_line(filled):
            return None
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise UnreadableError("encoding" if clean.undecodable else "json_broken", where) from None
    if not isinstance(value, dict):
        raise UnreadableError("format_unknown", "JSON, but neither a resource nor a Bundle")
    return value if count > 1 or value.get("resourceType") == "Bundle" else None


def _parsed(line: str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _whole(clean: Text) -> object:
    # Mapped, not read: for NDJSON with a broken first line the parse ends on that line.
    with (
        clean.path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        return orjson.loads(view)


def _has_resource_line(filled: pl.LazyFrame) -> bool:
    likely = filled.filter(pl.col("text").str.contains('"resourceType"', literal=True)).head(100)
    lines = (_parsed(line) for line in likely.collect(engine="streaming")["text"])
    return any(isinstance(line, dict) and "resourceType" in line for line in lines)


# ---------------------------------------------------------------- from a file to rows


def _lines_read(clean: Text, scratch: Path, count: int) -> Reading:
    """NDJSON, a span of lines at a time on every core, each span kept as rows in ``scratch``."""

    def kept(span: Span) -> Path:
        target = scratch / f"fhir-{span.before:012d}.arrow"
        lines = span.lines(clean.path).with_columns(pl.col("text").str.strip_chars())
        stated = lines.filter(pl.col("text") != "")
        _rows(stated, sorted(clean.undecodable)).write_ipc(target, compression="lz4")
        return target

    with ThreadPoolExecutor(min(pl.thread_pool_size(), MAX_WORKERS)) as pool:
        targets = list(pool.map(kept, _spans(clean.path)))
    rows = pl.scan_ipc(targets).with_columns(source_row=pl.lit(None, pl.String))
    return _reading(rows, count, lines=clean.path)


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


def _entries_read(document: Json) -> Reading:
    """A Bundle's resources, or the one resource, as numbered lines."""
    entries = _entries(document)
    patients, medications = _patients(entries.values()), _medications(entries.values())
    lines = pl.DataFrame(
        {
            "line": list(entries),
            "text": [_dumped(_linked(e, patients, medications)) for e in entries.values()],
            "source_row": [_dumped(entry["resource"]) for entry in entries.values()],
        },
        schema={"line": pl.Int64, "text": pl.String, "source_row": pl.String},
    ).with_columns(pl.col("text").fill_null("too deep"))
    found = (_rows(batch.select("line", "text")) for batch in lines.iter_slices(ENTRIES_AT_ONCE))
    rows = pl.concat([ROWS.to_frame(), *found])
    joined = rows.join(lines.select("line", "source_row"), on="line", maintain_order="left")
    return _reading(joined.lazy(), len(entries), _deletions(document))


def _reading(
    rows: pl.LazyFrame, count: int, notes: tuple[str, ...] = (), lines: Path | None = None
) -> Reading:
    present = rows.select(pl.col("table").unique()).collect(engine="streaming")["table"]
    tables = {
        table: shaped(table, rows.filter(pl.col("table") == table).select(*PLACE, *LANDING[table]))
        for table in READ
        if table in present
    }
    rejects = rows.filter(pl.col("reason").is_not_null()).select(*REJECTS)
    return Reading(tables=tables, rejects=rejects, rows_in=count, notes=notes, lines=lines)


# ---------------------------------------------------------------- Bundles


def _entries(document: Json) -> dict[int, Json]:
    """What holds a resource, by its 1-based place."""
    if document.get("resourceType") != "Bundle":
        return {1: {"resource": document}}
    entries = document.get("entry") or []
    if not isinstance(entries, list):
        raise UnreadableError("json_broken", "Bundle.entry is not a list")
    return {
        place: entry if isinstance(entry, dict) else {"resource": entry}
        for place, entry in enumerate(entries, start=1)
        if not isinstance(entry, dict) or "resource" in entry
    }


def _deletions(document: Json) -> tuple[str, ...]:
    entries = document.get("entry")
    requests = [
        entry.get("request")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]
    count = sum(isinstance(r, dict) and r.get("method") == "DELETE" for r in requests)
    return (f"{count} DELETE entries of the Bundle were not carried out",) if count else ()


def _resources(entries: Iterable[Json], kind: str) -> Iterator[tuple[str, Json]]:
    """The full URL and the resource of every entry of a type; the URL is "" where none is."""
    for entry in entries:
        resource, url = entry["resource"], entry.get("fullUrl")
        if isinstance(resource, dict) and resource.get("resourceType") == kind:
            yield url if isinstance(url, str) else "", resource


def _patients(entries: Iterable[Json]) -> dict[str, str]:
    """Full URL -> patient's id, for references inside a transaction."""
    found = _resources(entries, "Patient")
    return {url: f"Patient/{patient['id']}" for url, patient in found if url and patient.get("id")}


def _medications(entries: Iterable[Json]) -> dict[str, Json]:
    """Full URL and relative reference -> Medication."""
    found: dict[str, Json] = {}
    for url, medication in _resources(entries, "Medication"):
        found[f"Medication/{medication.get('id')}"] = medication
        found[url] = medication
    return found


def _linked(entry: Json, patients: Mapping[str, str], medications: Mapping[str, Json]) -> object:
    """The entry's resource with its references resolved inside the Bundle.

    A patient by id, a medication as a contained resource, the own id from the full URL where the
    resource has none yet.
    """
    resource, url = entry["resource"], entry.get("fullUrl")
    if not isinstance(resource, dict):
        return resource
    linked = {**resource}
    if "id" not in linked and isinstance(url, str) and url.startswith("urn:uuid:"):
        linked["id"] = url.removeprefix("urn:uuid:")
    if (patient := patients.get(_reference(linked.get("subject")))) is not None:
        linked["subject"] = {"reference": patient}
    if isinstance(links := linked.get("link"), list):
        linked["link"] = [_relinked(link, patients) for link in links]
    reference = _reference(linked.get("medicationReference"))
    if reference and (medication := medications.get(reference)) is not None:
        linked["contained"] = [{**medication, "id": "linked"}]
        linked["medicationReference"] = {"reference": "#linked"}
    return linked


def _relinked(link: object, patients: Mapping[str, str]) -> object:
    if not isinstance(link, dict):
        return link
    patient = patients.get(_reference(link.get("other")))
    return {**link, "other": {"reference": patient}} if patient else link


def _reference(value: object) -> str:
    reference = value.get("reference") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else ""


def _dumped(value: object) -> str | None:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested deeper than may be written back
        return None


# ---------------------------------------------------------------- from lines to decoded resources


def _rows(lines: pl.DataFrame, undecodable: Sequence[int] = ()) -> pl.DataFrame:
    """A batch of lines (``line``, ``text``) as :data:`ROWS`, in order."""
    rejects, sound = _screened(lines, undecodable)
    found = [rejects]
    for kind, resources in _resources_by_type(sound):
        if kind in ROWS_OF:
            found += ROWS_OF[kind](resources.unnest("r"))
        else:
            found.append(resources.select("line", reason=pl.lit(_unread(kind))))
    alike = (
        part.match_to_schema(ROWS, missing_columns="insert", extra_columns="ignore")
        for part in found
    )
    return pl.concat([ROWS.to_frame(), *alike]).sort("line", "part")


def _unread(kind: str) -> str:
    """Why a resource of this type gives no row. A type that is no name is never repeated."""
    if kind == "Bundle":
        return BUNDLE_INSIDE
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
        found = _decoded(group, SHAPES.get(kind, HEAD)).filter(kind == TYPE)
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
    found = _isolated(lines, SHAPES.get(kind, HEAD))
    yield kind, found
    left = lines_without(lines, found)
    if kind in PLAIN_SHAPES:
        plain = _isolated(left, PLAIN_SHAPES[kind])
        yield kind, plain
        left = lines_without(left, plain)
    yield "", left


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
