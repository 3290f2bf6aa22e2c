"""FHIR documents taken apart: a Bundle of any size to lines, and what stands inside a line.

Each resource's text is cut out as it stands, so that no number is written anew (1.50 would become
1.5): the reason for a walk of our own, since streaming parsers give values and not their text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final, TextIO

import polars as pl

from transforms.landing import UnreadableError

Json = dict[str, Any]

BLOCK = 4 << 20
LONGEST = 64 << 20
"""Characters of the longest value that is read, an entry of a Bundle for one."""
BLANKS: Final = re.compile(r"[ \t\r\n]*")
LINE_END: Final = re.compile(r"[\r\n]+[ \t]*")
ADDRESS: Final = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]*)?$"
)
MANIFEST: Final = ("output", "deleted", "error")


class BrokenError(ValueError):
    """The text is no JSON from here on, or ends."""


def _refused(constant: str) -> str:
    raise BrokenError(constant)


# Numbers stay text: they are not needed here, and a long one would be refused.
_DECODER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refused)


class Walk:
    """A JSON text read value by value, a block at a time."""

    def __init__(self, stream: TextIO) -> None:
        """Start at the first character."""
        self.stream, self.text, self.at, self.is_whole = stream, "", 0, False

    def peek(self) -> str:
        """The next character that is not blank; '' at the end."""
        while True:
            self.at = BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or self.is_whole:
                return self.text[self.at : self.at + 1]
            self._read()

    def take(self, *expected: str) -> str:
        """The next character, which must be one of those expected."""
        if (found := self.peek()) not in expected or not found:
            raise BrokenError
        self.at += 1
        return found

    def value(self) -> tuple[object, str]:
        """The next value, and its text."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                if end < len(self.text) or self.is_whole:
                    break
            except (json.JSONDecodeError, RecursionError) as error:
                if self.is_whole or len(self.text) - self.at > LONGEST:
                    raise BrokenError from error
            self._read()
        text, self.at = self.text[self.at : end], end
        return value, text

    def names(self) -> Iterator[str]:
        """The names in an object; after each, its value must be taken."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            key, _ = self.value()
            self.take(":")
            if not isinstance(key, str):
                raise BrokenError
            yield key
            if self.take(",", "}") == "}":
                return

    def items(self) -> Iterator[None]:
        """The items of a list; after each turn, one value must have been taken."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield
            if self.take(",", "]") == "]":
                return

    def _read(self) -> None:
        block = self.stream.read(BLOCK)
        self.text, self.at = self.text[self.at :] + block, 0
        self.is_whole = not block


@dataclass
class Entry:
    """What an entry of a Bundle holds: a resource and its text, or a request to delete."""

    resource: object = None
    text: str = ""
    fields: Json = field(default_factory=dict)

    @property
    def is_deletion(self) -> bool:
        """Whether the entry deletes something and holds no resource."""
        request = self.fields.get("request")
        return not self.text and isinstance(request, dict) and request.get("method") == "DELETE"


@dataclass
class Document:
    """One JSON document: its other fields, whether it broke off, and (a Bundle) its entries."""

    head: Json = field(default_factory=dict)
    is_cut: bool = False
    is_entry_list: bool = True

    def entries(self, stream: TextIO) -> Iterator[Entry]:
        """Walk the document; ``head`` and ``is_cut`` are known when the walk is over."""
        walk = Walk(stream)
        try:
            for key in walk.names():
                if key == "entry" and walk.peek() == "[":
                    yield from _entries(walk)
                else:
                    self.is_entry_list &= key != "entry"
                    self.head[key], _ = walk.value()
            if walk.peek():
                raise BrokenError
        except (BrokenError, UnicodeDecodeError):
            self.is_cut = True

    @property
    def deleted_at(self) -> str | None:
        """When the Bundle was made: the time of deletions that state none."""
        meta = self.head.get("meta")
        stamps = (
            self.head.get("timestamp"),
            meta.get("lastUpdated") if isinstance(meta, dict) else 0,
        )
        return next((stamp for stamp in stamps if isinstance(stamp, str)), None)


def _entries(walk: Walk) -> Iterator[Entry]:
    for _ in walk.items():
        if walk.peek() != "{":
            value, text = walk.value()
            yield Entry(value, text)
            continue
        entry = Entry()
        for key in walk.names():
            value, text = walk.value()
            if key == "resource":
                entry.resource, entry.text = value, text
            else:
                entry.fields[key] = value
        yield entry


@dataclass
class Lines:
    """A Bundle as lines: where they lie, how many, and what its entries say beside the resource.

    ``ids`` are the ids of resources that have none but a ``urn:uuid:`` address; ``aliases`` lead
    from such an address to ``Type/id``; ``deletions`` are landing rows by line; ``updated`` is
    when an entry was last changed, by line.
    """

    path: Path
    count: int = 0
    ids: dict[int, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    deletions: list[Json] = field(default_factory=list)
    updated: dict[int, str] = field(default_factory=dict)
    document: Document = field(default_factory=Document)


def lines_of(path: Path, target: Path) -> Lines:
    """A document's entries written to ``target``, a line each. No entries: no lines."""
    found = Lines(target)
    with (
        path.open(encoding="utf-8", newline="") as stream,
        target.open("w", encoding="utf-8") as out,
    ):
        for entry in found.document.entries(stream):
            if not (entry.text or entry.is_deletion):
                continue
            found.count += 1
            shown = entry.text or json.dumps({"request": entry.fields["request"]})
            out.write(LINE_END.sub(" ", shown).strip() + "\n")
            _note(found, entry)
        if found.document.is_cut:
            found.count += 1
            out.write("(the rest of the Bundle)\n")
    # Only now is the Bundle's own time known: it may stand after the entries.
    stamp = found.document.deleted_at
    found.deletions = [{"source_reported_at": stamp, **row} for row in found.deletions]
    return found


def _note(found: Lines, entry: Entry) -> None:
    line, url, resource = found.count, entry.fields.get("fullUrl"), entry.resource
    if stamp := _last_modified(entry):
        found.updated[line] = stamp
    if entry.is_deletion:
        found.deletions.append({"line": line, "part": 0, **deletion(entry)})
    if not isinstance(resource, dict) or not isinstance(url, str) or not url.startswith("urn:"):
        return
    given = resource.get("id")
    if given is None and url.startswith("urn:uuid:"):
        found.ids[line] = given = url.removeprefix("urn:uuid:")
    if isinstance(given, str):
        found.aliases[url] = f"{resource.get('resourceType')}/{given}"


def _last_modified(entry: Entry) -> str | None:
    response = entry.fields.get("response")
    stamp = response.get("lastModified") if isinstance(response, dict) else None
    return stamp if isinstance(stamp, str) else None


DELETED: Final = {
    "Observation": ("observation", "result_id", ""),
    "Condition": ("condition", "record_id", ""),
    "MedicationRequest": ("medication", "record_id", ""),
    "MedicationStatement": ("medication", "record_id", "MedicationStatement/"),
    "MedicationAdministration": ("medication", "record_id", "MedicationAdministration/"),
}
"""Resource type -> its landing table, the column of its id, and what stands before the id there."""


def deletion(entry: Entry, stamp: str | None = None) -> Json:
    """A DELETE entry as a landing row that takes back, or as a reject with its reason.

    ``stamp`` is the time of the deletion where the entry states none.
    """
    request, url = entry.fields["request"], entry.fields.get("fullUrl")
    asked = next((u for u in (request.get("url"), url) if isinstance(u, str)), "")
    named = ADDRESS.search(asked)
    if named is None:
        return {"reason": "deletion_not_read"}
    kind, number = named.groups()
    if kind not in DELETED:
        reason = "deletion_not_read" if kind == "Patient" else "resource_not_used"
        return {"reason": f"{reason}:{kind}"}
    table, column, before = DELETED[kind]
    row = {"table": table, column: before + number, "source_status": "deleted"}
    told = _last_modified(entry) or stamp
    return {**row, "source_reported_at": told} if told else row


def manifest_note(head: Mapping[str, object]) -> str | None:
    """What a Bulk Data manifest lists, in words; None for anything else."""
    if "transactionTime" not in head or not isinstance(head.get("output"), list):
        return None
    listed = (files if isinstance(files := head.get(name), list) else [] for name in MANIFEST)
    counts = ", ".join(f"{len(f)} {name}" for f, name in zip(listed, MANIFEST, strict=True))
    return f"the manifest of a bulk export, listing files: {counts}"


# ---------------------------------------------------------------- what stands inside a line

INNER: Final = {
    "key": pl.Int64,
    "line": pl.Int64,
    "outer": pl.String,
    "inner": pl.String,
    "text": pl.String,
}
"""Resources inside a line: an own number below 0, the line; the id of what contains them and
their address within it (null in a Bundle); their text."""


def contained(lines: pl.DataFrame) -> pl.DataFrame:
    """The contained resources of the lines, as :data:`INNER`; their address is ``line#id``."""
    some = lines.filter(pl.col("text").str.contains('"contained"', literal=True))
    found = []
    for line, outer in some.select("line", "text").iter_rows():
        number, held = _contained(outer)
        for value, text in held:
            named = value.get("id") if isinstance(value, dict) else None
            found.append((line, number, f"{line}#{named}", text))
    return _inner(found)


def _inner(found: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    held = list(found)
    numbered = [(place, *row) for place, row in enumerate(held, start=-len(held))]
    return pl.DataFrame(numbered, schema=INNER, orient="row")


def _contained(text: str) -> tuple[str, list[tuple[object, str]]]:
    """The id of the outermost object and what its list holds; a damaged line holds nothing."""
    walk, number, found = Walk(StringIO(text)), "", []
    try:
        for key in walk.names():
            if key == "contained" and walk.peek() == "[":
                found = [walk.value() for _ in walk.items()]
            else:
                value, _ = walk.value()
                number = value if key == "id" and isinstance(value, str) else number
    except BrokenError:
        return "", []
    return number, found


def bundled(lines: pl.DataFrame) -> tuple[pl.DataFrame, list[Json]]:
    """Lines that are Bundles: their resources as :data:`INNER`, and their deletions as rows."""
    found: list[tuple[object, ...]] = []
    deletions: list[Json] = []
    for line, text in lines.select("line", "text").iter_rows():
        document = Document()
        entries = list(document.entries(StringIO(text)))
        found += [(line, None, None, entry.text) for entry in entries if entry.text]
        stamp = document.deleted_at
        deletions += [
            {"line": line, "part": 0, **deletion(entry, stamp)}
            for entry in entries
            if entry.is_deletion
        ]
    return _inner(found), deletions


# ---------------------------------------------------------------- former versions

FORMER_TYPES = frozenset(
    {
        "BodySite",
        "Conformance",
        "DataElement",
        "DeviceComponent",
        "DeviceUseRequest",
        "DiagnosticOrder",
        "EligibilityRequest",
        "EligibilityResponse",
        "ExpansionProfile",
        "ImagingManifest",
        "ImagingObjectSelection",
        "MedicationOrder",
        "NutritionRequest",
        "Order",
        "OrderResponse",
        "ProcedureRequest",
        "ProcessRequest",
        "ProcessResponse",
        "ReferralRequest",
        "Sequence",
        "ServiceDefinition",
    }
)
"""Types of DSTU2 and STU3 that R4 dropped or renamed."""

FORMER_MARKS: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "Observation": "related comment comments context appliesDateTime appliesPeriod reliability",
        "Condition": "patient dateRecorded dateAsserted assertedDate context",
        "DiagnosticReport": "context codedDiagnosis image",
        "MedicationRequest": "context definition",
        "MedicationStatement": "patient taken notTaken wasNotTaken reasonNotTaken",
        "MedicationAdministration": "patient prescription wasNotGiven notGiven",
        "Patient": "animal careProvider",
    }.items()
}
"""Resource type -> elements that only DSTU2 or STU3 has."""
FORMER_PROFILE = r"/(?:DSTU2|STU3)/|hl7\.org/fhir/(?:1\.0|3\.0)/|/guides/argonaut/"
MARKS_OF_FORMER: Final = "|".join(
    (
        rf'"(?:{"|".join(sorted(set().union(*FORMER_MARKS.values())))})"\s*:',
        r'"(?:clinicalStatus|verificationStatus)"\s*:\s*"',
        FORMER_PROFILE,
    )
)
"""What a line of a former version holds; a line that holds it is looked at more closely."""


def of_former_version(resource: object) -> str | None:
    """``version_not_read:Type`` for a resource with marks of DSTU2 or STU3, else None."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(kind, str) or kind not in FORMER_MARKS:
        return None
    meta = resource.get("meta")
    profile = meta.get("profile") if isinstance(meta, dict) else None
    is_coded_plainly = kind == "Condition" and any(
        isinstance(resource.get(name), str) for name in ("clinicalStatus", "verificationStatus")
    )
    is_profiled = re.search(FORMER_PROFILE, str(profile)) is not None
    is_marked = not FORMER_MARKS[kind].isdisjoint(resource)
    return f"version_not_read:{kind}" if is_marked or is_profiled or is_coded_plainly else None


def former_version(head: Mapping[str, object]) -> None:
    """Refuse a document that names a version before R4.

    Raises:
        UnreadableError: it does.
    """
    version = head.get("fhirVersion")
    if isinstance(version, str) and re.match(r"(?:0|1|3)\.", version):
        raise UnreadableError("version_not_read", f"fhirVersion {version[:5]}")
