"""A flag certificate: everything behind one status, in one file that stands alone.

The record, its canonical bytes and their hash, and reading one that somebody else wrote. What is
recomputed from it: :mod:`transforms.certificate_checks`. The page: docs/certificate.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transforms.catalog.prior import Noise, Prior
from transforms.catalog.rule import Rule
from transforms.counterfactuals import NewestDraw, NextDraw
from transforms.frozen import FrozenModel
from transforms.predicates import Predicate

SCHEMA = "undertow-certificate-1"
MOST_BYTES = 10_000_000
MOST_DRAWS, MOST_ROWS, MOST_PARTS = 1_000, 20_000, 64
"""What a certificate may hold: draws, rows, and parts of a trend model."""
DIGITS = 18
"""Of a whole number."""

Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]
Known = Annotated[date, Field(ge=date(1, 1, 1), le=date(2199, 12, 31))]
Instant = Annotated[datetime, Field(ge=datetime(1900, 1, 1), le=datetime(2199, 12, 31))]  # noqa: DTZ001 UTC without saying so, as in the warehouse
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Place = Annotated[int, Field(ge=0, le=2**53)]
Value = Annotated[float, Field(gt=0)]


class CertificateError(ValueError):
    """The file is no certificate that can be read; the message says where and why, no value."""


class Part(BaseModel):
    """A part of a certificate: no more and no other fields than stated."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True
    )


class Person(Part):
    """Whose it is: the warehouse's id or a random label; ``age`` in whole years on the night."""

    id: str = Field(min_length=1)
    is_anonymous: bool
    sex: str | None
    birth_year: int | None
    age: int | None


class Placed(Part):
    """A row of a landed file: source, SHA-256 of the file, line, and part of it where a line holds
    several."""

    source: str
    file_sha256: Hash
    line: Place
    part: Place | None

    @property
    def at(self) -> str:
        """Its place in a few words."""
        part = f".{self.part}" if self.part else ""
        return f"{self.source} {self.file_sha256[:8]} line {self.line}{part}"


class Row(Placed):
    """One source row that bears on a draw.

    ``value`` is ``source_value`` times ``factor`` plus ``offset``, in ``unit``; ``decimal`` is the
    source's decimal mark. ``says``: what words beside the value say. Times are UTC;
    ``observed_local`` is the wall's.
    """

    analyte: str
    timing: str
    code_system: str | None
    source_code: str | None
    source_value: str | None
    decimal: Literal[".", ","]
    source_unit: str | None
    unit_basis: Literal["approved"] | None
    ucum: str | None
    factor: float | None
    offset: float | None
    citation: str | None
    value: float | None
    unit: str | None
    comparator: str | None
    observed_at: Instant | None
    observed_local: Instant | None
    observed_on: Day | None
    observed_precision: str | None
    fasting: Literal["yes", "no", "unknown"]
    fasting_hours: float | None
    fasting_basis: str | None
    says: tuple[Literal["haemolysed", "ill"], ...]
    absent_reason: str | None
    lab: str | None
    assay: str | None
    known_on: Day


class Record(Placed):
    """A condition or medication that was looked at; ``matches`` names exclusions it falls under."""

    table: Literal["condition", "medication"]
    code_system: str | None
    code: str | None
    name: str | None
    drug_class: str | None
    start_on: date | None
    end_on: date | None
    matches: tuple[str, ...]


class Span(Part):
    """Days, both included, on which an exclusion holds; null is open."""

    name: str
    from_on: date | None
    to_on: date | None


class Pair(Part):
    """A draw as the trend saw it (``fasting_pair``); ``fasting_evidence`` is what sensors, sleep
    and the clock said of the fast, of which ``p_fasting`` follows."""

    drawn_on: Day
    insulin_uiu_ml: Value | None
    insulin_comparator: str | None
    repeats: int | None
    is_ill: bool
    glucose_mg_dl: Value | None
    lab: str | None
    assay: str | None
    known_on: Day
    model_version: str | None
    platform: str | None
    platform_effect: float | None
    used: bool
    reason: str | None
    p_bad: float | None
    likely: str | None
    p_fasting: float | None
    fasting_evidence: str | None


class Trend(Part):
    """The trend after a draw; the newest is the one that was judged."""

    drawn_on: Day
    first_on: Day
    last_on: Day
    n_pairs: int
    insulin_level_uiu_ml: float
    insulin_level_low: float
    insulin_level_high: float
    insulin_slope_pct_year: float
    insulin_slope_low: float
    insulin_slope_high: float
    glucose_level_mg_dl: float
    glucose_level_low: float
    glucose_level_high: float
    glucose_slope_mg_dl_year: float
    glucose_slope_low: float
    glucose_slope_high: float
    p_insulin_climbing: float
    p_glucose_fine: float
    p_climbing_unseen: float
    p_insulin_high: float
    p_insulin_falling: float
    p_glucose_rising: float
    p_bad_newest: float


class InForce(Part):
    """A trend model that was ever in force: its name, its first night, the hash of its content."""

    version: str
    in_force_from: Known
    sha256: Hash


class Found(Part):
    """The status and why."""

    status: str
    tier: str | None
    reason: str
    p_without_one: float | None


class Certificate(Part):
    """Everything behind one status. ``content_sha256`` is over all the rest (:func:`hash_of`)."""

    schema_version: Literal["undertow-certificate-1"] = Field(alias="schema")
    made_by: str
    as_of: Day
    person: Person
    rule: Rule
    models: tuple[InForce, ...] = Field(max_length=MOST_ROWS)
    model: FrozenModel | None
    rows: tuple[Row, ...] = Field(max_length=MOST_ROWS)
    considered: tuple[str, ...]
    records: tuple[Record, ...] = Field(max_length=MOST_ROWS)
    records_left_out: Place
    excluded: tuple[Span, ...] = Field(max_length=MOST_ROWS)
    barred: tuple[Span, ...] = Field(max_length=MOST_ROWS)
    pairs: tuple[Pair, ...] = Field(max_length=MOST_DRAWS)
    trends: tuple[Trend, ...] = Field(max_length=MOST_DRAWS)
    found: Found
    predicates: tuple[Predicate, ...] = Field(max_length=MOST_PARTS)
    next_draw: NextDraw | None
    newest_draw: NewestDraw | None
    what_would_change_it: tuple[str, ...]
    content_sha256: str

    def plain(self) -> dict[str, Any]:
        """The certificate as JSON's own types."""
        return self.model_dump(mode="json", by_alias=True)


def hash_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical content: all but ``content_sha256``, keys sorted, no blanks, numbers
    as the shortest text that reads back to the same number (orjson)."""
    rest = {name: part for name, part in content.items() if name != "content_sha256"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def sealed(content: Mapping[str, Any]) -> Certificate:
    """The certificate of this content with its hash.

    Raises:
        CertificateError: the content is more or other than a certificate holds.
    """
    try:
        unsealed = Certificate(**{**content, "schema": SCHEMA, "content_sha256": ""})
    except ValidationError as error:
        raise CertificateError(told(error)) from None
    return unsealed.model_copy(update={"content_sha256": hash_of(unsealed.plain())})


def encoded(certificate: Certificate) -> bytes:
    """The file's bytes: sorted, indented JSON."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(certificate.plain(), option=options)


def decoded(data: bytes) -> Certificate:
    """The certificate in these bytes, of which nothing is taken for granted.

    Raises:
        CertificateError: too large or deep, not JSON, a key twice, another schema, a field too
            many, missing or of another kind, or a trend model that cannot be computed with.
    """
    if len(data) > MOST_BYTES:
        raise CertificateError(f"larger than {MOST_BYTES:,} bytes: no certificate is")
    plain = _parsed(data)
    if not isinstance(plain, dict) or "schema" not in plain:
        raise CertificateError("no flag certificate: it names no schema")
    if plain["schema"] != SCHEMA:
        raise CertificateError(
            f"its schema is not {SCHEMA}: verify it with the Undertow that wrote it"
        )
    try:
        found = Certificate.model_validate_json(data)
    except ValidationError as error:
        raise CertificateError(told(error)) from None
    if found.plain() != plain:  # parts that are no Part of ours take more than they keep
        raise CertificateError(
            "it has fields, or ways of writing a date, that a certificate has not"
        )
    if found.model is not None:
        _check_model(found.model)
    return found


def _parsed(data: bytes) -> object:
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise CertificateError("nested too deeply: no certificate is") from None
    except CertificateError:
        raise
    except ValueError as error:  # of the decoder, of UTF-8, of a number of thousands of digits
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CertificateError(f"not JSON{where}") from None


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers would take different ones of a key that stands twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise CertificateError("a key stands twice in one object")
        found[name] = value
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise CertificateError("a number that is none (NaN or Infinity) or too large")
    return value


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise CertificateError("a whole number that is too large")
    return int(text)


def told(error: ValidationError) -> str:
    """Which fields are not as they must be, and how; none of their values."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{'.'.join(str(at) for at in item['loc']) or 'file'}: {item['msg']}" for item in found]
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return "; ".join(said[:3]) + more


def _check_model(model: FrozenModel) -> None:
    """A model whose arrays do not fit would be read beyond its end by compiled code."""
    problem = next(_misfits(model.noise, model.prior), None)
    if problem:
        raise CertificateError(f"model: {problem}")


def _misfits(noise: Noise, prior: Prior) -> Iterator[str]:
    k = len(prior.weights)
    if not 1 <= k <= MOST_PARTS or len(prior.means) != k or len(prior.covariances) != k:
        yield f"1 to {MOST_PARTS} components, each with weight, mean and covariance"
    if any(len(mean) != 4 for mean in prior.means):
        yield "a mean is not four numbers"
    if any(len(c) != 4 or any(len(line) != 4 for line in c) for c in prior.covariances):
        yield "a covariance is not four by four numbers"
    if not 1 <= len(noise.scales) <= MOST_PARTS or len(noise.contaminations) > MOST_PARTS:
        yield f"more than {MOST_PARTS} scales or contaminations"
