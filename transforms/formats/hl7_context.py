"""What the results of an HL7 v2 message stand under: head, patient, order, specimen, notes.

Each function takes the segments of whole messages (:func:`framed`) and gives one kind of them as
columns, keyed by the line of its segment, for the results to be joined to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from transforms.catalog import words
from transforms.formats.hl7 import (
    BOUNDARY,
    MARKS,
    at,
    filled,
    item,
    marks,
    per_value,
    piece,
    raw,
    timed,
    unescaped,
)

MERGES = ("A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47")
NO_PERSON = ("AN", "VN", "SS", "DL", "AC", "PPN", "BA", "CC")
"""Types of identifier (table 0203) that are not of the patient's record, or not to be spread."""
REFUSALS = {
    "QS": "quantity not sufficient",
    "RC": "clotted",
    "RH": "hemolyzed",
    "RN": "contaminated",
}
"""HL7 table 0490, why a specimen was refused, what matters of it."""
HOURS = (
    r"^(?:(?:patient|pt) )?(?:(?:was|is|has) )?(?:fasted|fasting) (?:for )?(\d{1,2}) ?"
    r"(?:h|hr|hrs|hour|hours|std|stunden)(?: prior to (?:the )?(?:draw|collection))?$"
)
SUBJECT = (
    r"^(?:fasting (?:status|state)|(?:the )?(?:patient|pt|sample|specimen|blood|draw|probe))"
    r"(?: (?:was|is|states|stated))? "
)
THING = r" (?:sample|specimen|draw|collection)$"
SAID_NO = (
    r"\b(?:patient|pt|sample|specimen|draw)(?: (?:was|is|has))? "
    r"((?:not|non|no) ?fast(?:ing|ed)|nonfasting)\b"
)
CONDITIONAL = r"\b(?:if|unless|when|whether|should|wenn|falls|ob)\b.*"
"""What a remark says under a condition it does not say of this draw."""


@dataclass(frozen=True)
class Options:
    """The source's own settings of this reader."""

    draws_first: bool
    authority: str | None
    keep_authority: bool
    unique_numbers: bool
    zoned: bool
    codes: tuple[str, ...]


def framed(lines: pl.DataFrame) -> pl.DataFrame:
    """Adds ``msg`` (the line of the message's MSH, 0 outside), ``kind`` (what opened it), ``sep``,
    ``seg`` ("" for a line that is no segment), and the lines of the PID, OBR, ORC and SPM that a
    segment stands under (0: none)."""
    text = pl.col("text")
    code, mark = text.str.slice(0, 3), text.str.slice(3, 1)
    opens = pl.col("is_boundary")
    carried = lines.with_columns(is_boundary=text.str.contains(BOUNDARY)).with_columns(
        msg=pl.when(opens).then("line").forward_fill().fill_null(0),
        kind=pl.when(opens).then(code).forward_fill().fill_null(""),
        sep=pl.when(opens).then(mark).forward_fill().fill_null(MARKS["sep"]),
    )
    is_segment = code.str.contains("^[A-Z][A-Z0-9]{2}$") & ((mark == pl.col("sep")) | (mark == ""))
    named = carried.with_columns(seg=pl.when(is_segment).then(code).otherwise(pl.lit("")))
    seg = pl.col("seg")
    ends = dict.fromkeys(("OBR", "ORC", "SPM"), opens | (seg == "PID"))
    return named.with_columns(
        pl.when(seg == name).then("line").when(end).then(0).forward_fill().fill_null(0).alias(name)
        for name, end in {"PID": opens, **ends}.items()
    ).with_columns(before_stray=(seg == "").shift(-1, fill_value=False))


def heads_of(lines: pl.DataFrame, cut: Iterable[int], options: Options) -> pl.DataFrame:
    """The messages: marks, type, event, times, laboratory, and ``bad``: why none of it is read."""
    heads = marks(lines.filter("is_boundary", pl.col("kind") == "MSH")).select(
        "msg",
        *MARKS,
        sent=at(6),
        stated_type=raw(8),
        stated_facility=raw(3),
        stated_processing=raw(10),
    )
    stated = ("stated_type", "stated_facility", "stated_processing")
    named = per_value(heads, stated, ("type", "event", "facility", "processing"), _named)
    has_nul = pl.col("text").str.contains("\x00", literal=True) & (pl.col("seg") != "OBX")
    bad = (
        pl.when(pl.col("msg").is_in(list(cut)))
        .then(pl.lit("message_cut"))
        .when(pl.col("msg").is_in(lines.filter(has_nul)["msg"].unique().to_list()))
        .then(pl.lit("nul_byte"))
        .when(~pl.col("type").str.contains("^[A-Z]{3}$").fill_null(value=False))
        .then(pl.lit("message_broken"))
    )
    zone = pl.lit(None, pl.String) if options.zoned else "stated_offset"
    dated = per_value(named, ("sent",), ("stated_offset",), _stated_offset)
    dated = dated.with_columns(bad=bad, offset=zone).drop("sep", r"^stated_.*$")
    return timed(dated, ["sent"])


def _named(stated: pl.DataFrame) -> pl.DataFrame:
    """Type and event (MSH-9), facility (MSH-4) and processing (MSH-11) of messages."""
    names = ("type", "facility", "processing")
    pieces = stated.with_columns(
        filled(pl.col(f"stated_{name}")).str.split(pl.col("comp")).alias(f"pieces_{name}")
        for name in names
    )
    firsts = {name: item(f"pieces_{name}", 0) for name in names}
    return pieces.with_columns(**firsts, event=item("pieces_type", 1)).drop(r"^pieces_.*$")


def _stated_offset(stated: pl.DataFrame) -> pl.DataFrame:
    first = piece(pl.col("sent"), 0)
    return stated.with_columns(stated_offset=first.str.extract(r"^\d{8}.*([+-]\d{4})$"))


def segments(lines: pl.DataFrame, heads: pl.DataFrame, name: str) -> pl.DataFrame:
    """The segments of one name with their message's head, marks and fields (``f``)."""
    named = lines.filter(pl.col("seg") == name)
    under = named.join(heads, on="msg", how="left", maintain_order="left")
    if under["comp"].null_count():
        under = under.with_columns(pl.col(m).fill_null(pl.lit(c)) for m, c in MARKS.items())
    return under.with_columns(f=pl.col("text").str.split(pl.col("sep")))


# ---------------------------------------------------------------- patients


def people_of(lines: pl.DataFrame, heads: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Every PID and MRG: ``line``, ``msg``, ``patient_id``, ``authority``, and what it says."""
    persons = segments(lines.filter(pl.col("kind") == "MSH"), heads, "PID")
    merged = segments(lines, heads, "MRG").filter(pl.col("event").is_in(MERGES))
    known = persons.join(_identifiers(persons, (3, 2), options), on="line", how="left").select(
        *("line", "msg", "seg", "text", "sent", "bad", "patient_id", "authority", "comp"),
        source_birth_date=at(7),
        source_sex=piece(at(8), 0),
    )
    named = timed(known, ["source_birth_date"]).drop("comp")
    if merged.is_empty():
        return named.with_columns(merged_into=pl.lit(None, pl.String)).sort("line")
    survivor = named.select(PID="line", merged_into="patient_id")
    former = (
        merged.join(_identifiers(merged, (1,), options), on="line", how="left")
        .join(survivor, on="PID", how="left")
        .select(*named.columns[:8], "merged_into")
    )
    return pl.concat([named, former], how="diagonal").sort("line")


def _identifiers(rows: pl.DataFrame, numbers: Sequence[int], options: Options) -> pl.DataFrame:
    """The patient's identifier of each segment (``line``), see the rule above."""
    listed = [
        rows.select("line", *MARKS, field=pl.lit(rank), one=at(n).str.split(pl.col("rep")))
        for rank, n in enumerate(numbers)
    ]
    kind = item("pieces", 4)
    pieces = (
        pl.concat(listed)
        .explode("one")
        .with_columns(pieces=pl.col("one").str.split(pl.col("comp")))
    )
    found = (
        pieces.lazy()
        .select(
            "line",
            "field",
            *MARKS,
            patient_id=piece(item("pieces", 0), 0, "sub"),
            authority=piece(item("pieces", 3), 0, "sub"),
            rank=kind.replace_strict({"MR": 0, "PI": 1, "PT": 2}, default=3),
            is_person=~kind.is_in(NO_PERSON).fill_null(value=False),
        )
        .filter(pl.col("patient_id").is_not_null(), "is_person")
        .collect()
    )
    if options.authority:
        found = found.filter(pl.col("authority") == options.authority)
    chosen = unescaped(
        found.sort("line", "field", "rank", maintain_order=True).unique(
            "line", keep="first", maintain_order=True
        ),
        ("patient_id",),
    )
    if options.keep_authority:
        chosen = chosen.with_columns(
            patient_id=pl.concat_str("authority", "patient_id", separator="/", ignore_nulls=True)
        )
    return chosen.select("line", "patient_id", "authority")


# ---------------------------------------------------------------- orders, specimens, notes


def notes_of(lines: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    """What NTE say: ``note`` and ``fasting`` by ``owner``, the line of the OBX before them, else
    of the OBR, else of the PID, they stand under."""
    if "NTE" not in lines["seg"]:
        return NO_NOTES
    is_other = ~pl.col("seg").is_in(["NTE", ""])
    under = lines.with_columns(
        above=pl.when(is_other).then("line").forward_fill(),
        above_seg=pl.when(is_other).then("seg").forward_fill(),
    )
    owner = (
        pl.when(pl.col("above_seg") == "OBX").then("above")
        .when(pl.col("OBR") > 0).then("OBR")
        .otherwise("PID")
    )  # fmt: skip
    notes = segments(under, heads, "NTE").select(
        *MARKS, owner=owner, note=at(3).str.split(pl.col("rep")).list.join(" ")
    )
    said = unescaped(notes.drop_nulls("note"), ("note",))
    return _gathered(per_value(said, ("note",), ("fasting",), _noted), "owner", "note")


def _noted(notes: pl.DataFrame) -> pl.DataFrame:
    return notes.with_columns(fasting=fasting_in("note"))


NO_NOTES = pl.DataFrame(schema={"owner": pl.Int64, "note": pl.String, "fasting": pl.String})


def _gathered(rows: pl.DataFrame, key: str, text: str) -> pl.DataFrame:
    """Per ``key`` the texts joined, and of what they say of fasting: a no, else the first."""
    said = pl.col("fasting").drop_nulls()
    is_no = is_refused("fasting").fill_null(value=False)
    return (
        rows.with_columns(is_no=is_no)
        .group_by(key, maintain_order=True)
        .agg(
            pl.col(text).str.join("; "),
            fasting=pl.coalesce(pl.col("fasting").filter("is_no").first(), said.first()),
        )
    )


@cache
def is_refused(name: str) -> pl.Expr:
    """Whether the text of column ``name`` says that the patient was not fasting."""
    return words.fasting(pl.col(name)) == "no"


@cache
def fasting_in(name: str) -> pl.Expr:
    """The words or the hours in which a remark (column ``name``) speaks of fasting, else null.

    Only a remark that says nothing else: "fasting required" and "fasting reference range" speak
    of something else than this draw. That the patient was *not* fasting is also believed in the
    midst of other words, because a wrong no costs a draw and a wrong yes spoils a trend.
    """
    text = pl.col(name)
    short = pl.when(text.str.len_chars() <= 80).then(text)
    folded = words.folded_words(short)
    bare = folded.str.replace(SUBJECT, "").str.replace(THING, "")
    anywhere = words.folded_words(text).str.replace(CONDITIONAL, "").str.extract(SAID_NO)
    return pl.coalesce(
        folded.str.extract(HOURS),
        *(pl.when(words.fasting(said).is_not_null()).then(said) for said in (folded, bare)),
        anywhere,
    )


NO_SPECIMENS = pl.DataFrame(
    schema={
        "key": pl.Int64,
        "condition": pl.String,
        "fasting": pl.String,
        "collected": pl.String,
    }
)


def _specimens(lines: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    """``condition``, ``fasting`` and ``collected`` of specimens by ``key``: in OUL the SPM, else
    its OBR. SPM-24 says how the specimen is, SPM-21 why it was refused."""
    if "SPM" not in lines["seg"]:
        return NO_SPECIMENS
    one = pl.col("one")
    found = segments(lines, heads, "SPM").with_columns(
        key=pl.when(pl.col("type") == "OUL").then("line").otherwise("OBR"),
        kind=pl.coalesce(piece(at(4), 1), piece(at(4), 0)),
        collected=piece(piece(at(17), 0), 0, "sub"),
    )
    listed = [
        found.select(*MARKS, "key", "kind", "collected", one=at(field).str.split(pl.col("rep")))
        .explode("one")
        .with_columns(
            known=piece(one, 0).replace_strict(known, default=None, return_dtype=pl.String)
        )
        for field, known in ((24, words.SPECIMEN), (21, REFUSALS))
    ]
    condition = pl.coalesce("known", piece(one, 1), piece(one, 0))
    said = unescaped(
        pl.concat(listed).with_columns(condition=condition), ("condition", "kind")
    ).with_columns(fasting=pl.coalesce(fasting_in("condition"), fasting_in("kind")))
    drawn = said.group_by("key", maintain_order=True).agg(pl.col("collected").drop_nulls().first())
    gathered = _gathered(said, "key", "condition").join(drawn, on="key", how="left")
    return gathered.with_columns(condition=filled(pl.col("condition")))


def orders_of(lines: pl.DataFrame, heads: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
    """What an OBR says of all its OBX, by ``OBR`` (its line)."""
    listed = segments(lines, heads, "OBR").select(
        *MARKS,
        OBR="line",
        key=pl.when(pl.col("type") == "OUL").then("SPM").otherwise("line"),
        order=pl.coalesce(at(3), at(2)),
        offset="offset",
        drawn=at(7),
        changed=at(22),
        stated_status=raw(25),
        clinical=at(13),
    )
    specimens = _specimens(lines, heads).rename({"fasting": "fasting_specimen"})
    dated = listed.join(specimens, on="key", how="left", maintain_order="left").with_columns(
        drawn=pl.coalesce("drawn", "collected"), coded=piece(pl.col("clinical"), 0)
    )
    found = timed(dated, ["drawn", "changed"], "offset").pipe(
        per_value, ("stated_status",), ("order_status",), _order_status
    )
    remarks = notes.select(OBR="owner", order_note="note", fasting_note="fasting")
    plain = unescaped(found, ("order", "clinical"))
    spoken = per_value(plain, ("clinical", "coded"), ("fasting",), _said_before)
    stated = ("fasting", "fasting_specimen", "fasting_note")
    return (
        with_stated(spoken.join(remarks, on="OBR", how="left"), stated, "order_fasting")
        .select("OBR", "order", "drawn", "changed", "order_status", "order_fasting",
                "clinical", "condition", "order_note")
    )  # fmt: skip


def _order_status(orders: pl.DataFrame) -> pl.DataFrame:
    stated = piece(filled(pl.col("stated_status")), 0)
    return orders.with_columns(order_status=stated.replace({"A": "partial", "M": "preliminary"}))


def _said_before(orders: pl.DataFrame) -> pl.DataFrame:
    """What OBR-13 says of fasting: a code of table 0916 as it came, else its text or its name."""
    known = pl.col("coded").replace_strict(words.SAID_BEFORE, default=None, return_dtype=pl.String)
    named = orders.with_columns(name=piece(pl.col("clinical"), 1))
    fasting = pl.coalesce(known, fasting_in("clinical"), fasting_in("name"))
    return named.with_columns(fasting=fasting).drop("name")


def with_stated(rows: pl.DataFrame, columns: Sequence[str], name: str) -> pl.DataFrame:
    """``rows`` with ``name``: of several statements on fasting a no, else the first."""
    noes = (pl.when(is_refused(column)).then(column) for column in columns)
    stated = pl.coalesce(*noes, *columns).alias(name)
    return per_value(rows, columns, (name,), lambda said: said.with_columns(stated))
