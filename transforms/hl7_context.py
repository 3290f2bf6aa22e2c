"""What the results of an HL7 v2 message stand under: head, patient, order, specimen, notes.

Each function takes the segments of whole messages (:func:`framed`) and gives one kind of them as
columns, keyed by the line of its segment, for the results to be joined to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from transforms.catalog import words
from transforms.hl7 import BOUNDARY, MARKS, at, filled, marks, piece, timed, unescaped

MERGES = ("A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47")
NO_PERSON = ("AN", "VN", "SS", "DL", "AC", "PPN", "BA", "CC")
"""Types of identifier (table 0203) that are not of the patient's record, or not to be spread."""
CONDITIONS = {
    "AUT": "autolyzed",
    "CLOT": "clotted",
    "CON": "contaminated",
    "HEM": "hemolyzed",
    "SNR": "sample not received",
}
"""HL7 table 0493, what matters of it."""
REFUSALS = {
    "QS": "quantity not sufficient",
    "RC": "clotted",
    "RH": "hemolyzed",
    "RN": "contaminated",
}
"""HL7 table 0490, why a specimen was refused, what matters of it."""
SAID_BEFORE = {"F": "fasting", "NF": "not fasting", "NG": "not given"}
"""HL7 table 0916 (OBR-13)."""
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
    heads = marks(lines.filter("is_boundary", pl.col("kind") == "MSH"))
    has_nul = pl.col("text").str.contains("\x00", literal=True) & (pl.col("seg") != "OBX")
    kind, sent = piece(at(8), 0), at(6)
    offset = piece(sent, 0).str.extract(r"^\d{8}.*([+-]\d{4})$")
    bad = (
        pl.when(pl.col("msg").is_in(list(cut)))
        .then(pl.lit("message_cut"))
        .when(pl.col("msg").is_in(lines.filter(has_nul)["msg"].unique().to_list()))
        .then(pl.lit("nul_byte"))
        .when(~kind.str.contains("^[A-Z]{3}$").fill_null(value=False))
        .then(pl.lit("message_broken"))
    )
    found = heads.lazy().select(
        "msg",
        *list(MARKS)[1:],
        type=kind,
        event=piece(at(8), 1),
        sent=sent,
        offset=pl.lit(None, pl.String) if options.zoned else offset,
        facility=piece(at(3), 0),
        processing=piece(at(10), 0),
        bad=bad,
    )
    return timed(found.collect(), ["sent"])


def segments(lines: pl.DataFrame, heads: pl.DataFrame, name: str) -> pl.DataFrame:
    """The segments of one name with their message's head, marks and fields (``f``)."""
    return (
        lines.filter(pl.col("seg") == name)
        .join(heads, on="msg", how="left", maintain_order="left")
        .with_columns(pl.col(m).fill_null(pl.lit(c)) for m, c in MARKS.items())
        .with_columns(f=pl.col("text").str.split(pl.col("sep")))
    )


def per_value(rows: pl.DataFrame, columns: Sequence[str], made: Sequence[pl.Expr]) -> pl.DataFrame:
    """``rows`` with ``made``, text that depends on ``columns`` and marks, null where these are:
    few values, many rows."""
    if all(rows[name].null_count() == rows.height for name in columns):
        nothing = pl.lit(None, pl.String)
        return rows.with_columns(nothing.alias(one.meta.output_name()) for one in made)
    varied = rows.select((pl.col(mark) != pl.col(mark).first()).any() for mark in MARKS)
    keys = [*columns, *(mark for mark, (varies,) in varied.to_dict().items() if varies)]
    distinct = rows.lazy().select(*columns, *MARKS).unique(keys).with_columns(made)
    found = distinct.drop(mark for mark in MARKS if mark not in keys).collect()
    return rows.join(found, on=keys, how="left", nulls_equal=True, maintain_order="left")


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
    one = pl.col("one")
    kind = piece(one, 4)
    found = (
        pl.concat(listed)
        .lazy()
        .explode("one")
        .select(
            "line",
            "field",
            *MARKS,
            patient_id=piece(piece(one, 0), 0, "sub"),
            authority=piece(piece(one, 3), 0, "sub"),
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
    fasting = _fasting(pl.col("note")).alias("fasting")
    return _gathered(per_value(said, ("note",), [fasting]), "owner", "note")


def _gathered(rows: pl.DataFrame, key: str, text: str) -> pl.DataFrame:
    """Per ``key`` the texts joined, and of what they say of fasting: a no, else the first."""
    said = pl.col("fasting").drop_nulls()
    is_no = words.fasting(pl.col("fasting")).eq("no").fill_null(value=False)
    return (
        rows.with_columns(is_no=is_no)
        .group_by(key, maintain_order=True)
        .agg(
            pl.col(text).str.join("; "),
            fasting=pl.coalesce(pl.col("fasting").filter("is_no").first(), said.first()),
        )
    )


def _fasting(text: pl.Expr) -> pl.Expr:
    """The words or the hours in which a remark speaks of fasting, else null.

    Only a remark that says nothing else: "fasting required" and "fasting reference range" speak
    of something else than this draw. That the patient was *not* fasting is also believed in the
    midst of other words, because a wrong no costs a draw and a wrong yes spoils a trend.
    """
    short = pl.when(text.str.len_chars() <= 80).then(text)
    folded = words.folded_words(short)
    bare = folded.str.replace(SUBJECT, "").str.replace(THING, "")
    anywhere = words.folded_words(text).str.replace(CONDITIONAL, "").str.extract(SAID_NO)
    return pl.coalesce(
        folded.str.extract(HOURS),
        *(pl.when(words.fasting(said).is_not_null()).then(said) for said in (folded, bare)),
        anywhere,
    )


def _specimens(lines: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    """``condition``, ``fasting`` and ``collected`` of specimens by ``key``: in OUL the SPM, else
    its OBR. SPM-24 says how the specimen is, SPM-21 why it was refused."""
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
        for field, known in ((24, CONDITIONS), (21, REFUSALS))
    ]
    condition = pl.coalesce("known", piece(one, 1), piece(one, 0))
    said = unescaped(
        pl.concat(listed).with_columns(condition=condition), ("condition", "kind")
    ).with_columns(fasting=pl.coalesce(_fasting(pl.col("condition")), _fasting(pl.col("kind"))))
    drawn = said.group_by("key", maintain_order=True).agg(pl.col("collected").drop_nulls().first())
    gathered = _gathered(said, "key", "condition").join(drawn, on="key", how="left")
    return gathered.with_columns(condition=filled(pl.col("condition")))


def orders_of(lines: pl.DataFrame, heads: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
    """What an OBR says of all its OBX, by ``OBR`` (its line)."""
    clinical = at(13)
    coded = piece(clinical, 0).replace_strict(SAID_BEFORE, default=None, return_dtype=pl.String)
    listed = (
        segments(lines, heads, "OBR")
        .lazy()
        .select(
            *MARKS,
            OBR="line",
            key=pl.when(pl.col("type") == "OUL").then("SPM").otherwise("line"),
            order=pl.coalesce(at(3), at(2)),
            offset="offset",
            drawn=at(7),
            changed=at(22),
            order_status=piece(at(25), 0).replace({"A": "partial", "M": "preliminary"}),
            clinical=clinical,
            coded=coded,
        )
    )
    specimens = _specimens(lines, heads).rename({"fasting": "fasting_specimen"})
    dated = (
        listed.collect()
        .join(specimens, on="key", how="left", maintain_order="left")
        .with_columns(drawn=pl.coalesce("drawn", "collected"))
    )
    found = timed(dated, ["drawn", "changed"], "offset")
    remarks = notes.select(OBR="owner", order_note="note", fasting_note="fasting")
    said = pl.col("clinical")
    spoken = pl.coalesce("coded", _fasting(said), _fasting(piece(said, 1))).alias("fasting")
    stated = ("fasting", "fasting_specimen", "fasting_note")
    return (
        per_value(unescaped(found, ("order", "clinical")), ("clinical", "coded"), [spoken])
        .join(remarks, on="OBR", how="left")
        .pipe(per_value, stated, [stated_of(*stated).alias("order_fasting")])
        .select("OBR", "order", "drawn", "changed", "order_status", "order_fasting",
                "clinical", "condition", "order_note")
    )  # fmt: skip


def stated_of(*columns: str) -> pl.Expr:
    """Of several statements on fasting: a no, else the first."""
    noes = (pl.when(words.fasting(pl.col(name)) == "no").then(name) for name in columns)
    return pl.coalesce(*noes, *columns)
