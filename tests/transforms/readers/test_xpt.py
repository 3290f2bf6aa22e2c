"""SAS transport files, written here by the published layout, and what must come of them."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.conform import Arrival, conform
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers import xpt
from transforms.readers.xpt import floats, mapping, read

REAL = Path(__file__).parents[3].parent / "shared" / "realdata" / "nhanes_2017_2018"

Cell = float | str | bytes | None
DATED = {"constants": {"observed_at": "2017-07-01"}}
OWN = {
    "patient_id": "ID",
    "constants": {"observed_at": "2020-05-05"},
    "analytes": {"X": {"code": "20448-7", "unit": "uIU/mL"}},
}


def ibm(value: float) -> bytes:
    """TS-140: sign, exponent of 16 in excess of 64, fraction of 56 bits."""
    if value == 0:
        return bytes(8)
    fraction, exponent = math.frexp(abs(value))
    sixteens = -(-exponent // 4)
    whole = int(math.ldexp(fraction, 56 + exponent - 4 * sixteens))
    first = (0x80 if value < 0 else 0) | (sixteens + 64)
    return bytes([first]) + whole.to_bytes(7, "big")


def cell(value: Cell, width: int, is_number: bool) -> bytes:
    """A number, "." and ".A" as missing numbers, text padded with blanks, or bytes as they are."""
    if isinstance(value, bytes):
        return value.ljust(width)
    if not is_number:
        return str(value or "").encode().ljust(width)
    if value is None or isinstance(value, str):
        return ((value or ".")[-1].encode() + bytes(7))[:width]
    return ibm(value)[:width]


class Column:
    """A variable: its name, its bytes, whether a number, and its format."""

    def __init__(self, name: str, width: int = 8, number: bool = True, form: str = "") -> None:
        self.name, self.width, self.number, self.form = name, width, number, form


def card(text: str | bytes) -> bytes:
    return (text.encode() if isinstance(text, str) else text).ljust(80)


def header(kind: str, numbers: str = "0" * 30) -> bytes:
    return card(f"HEADER RECORD*******{kind:<8}HEADER RECORD!!!!!!!{numbers}")


def namestr(column: Column, place: int, number: int, version: int) -> bytes:
    long = column.name.encode().ljust(32) if version == 8 else bytes(32)
    made = struct.pack(
        ">hhhh8s40s8shhh2s8shhl32sh18s",
        *(1 if column.number else 2, 0, column.width, number),
        *(column.name[:8].encode().ljust(8), b"a label".ljust(40)),
        *(column.form.encode().ljust(8), 0, 0, 0, b"", b" " * 8, 0, 0, place),
        *(long, 0, b""),
    )
    assert len(made) == 140
    return made


def padded(content: bytes) -> bytes:
    return content + b" " * (-len(content) % 80)


def xpt_file(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    version: int = 5,
    pad: bool = True,
    labels: bytes = b"",
) -> bytes:
    names = {5: "LIBRARY MEMBER DSCRPTR NAMESTR OBS", 8: "LIBV8 MEMBV8 DSCPTV8 NAMSTV8 OBSV8"}
    library, member, descriptor, name, observations = names[version].split()
    stamp = card("22NOV26:10:00:00")
    places = np.cumsum([0, *(column.width for column in columns)])
    strings = b"".join(
        namestr(column, int(place), number, version)
        for number, (column, place) in enumerate(zip(columns, places, strict=False), start=1)
    )
    body = b"".join(
        cell(value, column.width, column.number)
        for row in rows
        for column, value in zip(columns, row, strict=True)
    )
    return (
        header(library)
        + card("SAS     SAS     SASLIB  9.4     X64")
        + stamp
        + header(member, "000000000000000001600000000140")
        + header(descriptor)
        + card("SAS     STUDY   SASDATA 9.4     X64")
        + stamp
        + header(name, f"{0:05d}{len(columns):05d}{0:020d}")
        + padded(strings)
        + labels
        + header(observations)
        + (padded(body) if pad else body)
    )


ID = Column("ID", 8, number=False)
X = Column("X")
TWO = [ID, X]


def opened(
    tmp_path: Path, content: bytes, options: Mapping[str, object] = OWN, name: str = "study.xpt"
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    return Opened(path, name, Source("xpt", "xpt", options=options), scratch)


def checked(file: Opened) -> tuple[Reading, dict[str, pl.DataFrame], pl.DataFrame]:
    """A file read, after the law: each observation lands or is rejected, never both."""
    reading = read(file)
    rejects = reading.rejects.collect(engine="streaming")
    assert dict(rejects.schema) == REJECTS
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= set(REASONS)
    arrival = Arrival("xpt", 1, date(2026, 6, 1), "UTC", reading.time_formats)
    tables, lines = {}, set()
    for name, frame in reading.tables.items():
        landed = frame.collect(engine="streaming")
        assert landed.columns == [*PLACE, *LANDING[name]]
        lines |= set(landed["line"])
        tables[name] = conform(name, landed.lazy(), arrival).collect().sort("line", "part")
    assert not lines & set(rejects["line"])
    assert len(lines) + rejects.height == reading.rows_in
    assert rejects["line"].is_unique().all()
    return reading, tables, rejects


def results(file: Opened, *columns: str) -> list[tuple[Any, ...]]:
    return checked(file)[1]["observation"].select(columns).rows()


def reasons(file: Opened) -> dict[str, int]:
    return dict(checked(file)[2].group_by("reason").len().iter_rows())


def refusal(file: Opened) -> str:
    with pytest.raises(UnreadableError) as caught:
        checked(file)
    assert caught.value.reason in REASONS
    return caught.value.reason


def decoded(*cells: bytes) -> tuple[list[float], list[int]]:
    raw = np.frombuffer(b"".join(cells), np.uint8).reshape(len(cells), -1)
    values, letters = floats(raw)
    return values.tolist(), letters.tolist()


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0000000000000000", 0.0),
        ("8000000000000000", 0.0),
        ("4000000000000000", 0.0),
        ("4110000000000000", 1.0),
        ("c110000000000000", -1.0),
        ("c276a00000000000", -118.625),
        ("4019999999999999", 0.09999999999999999),
        ("401999999999999a", 0.1),
        ("7fffffffffffffff", 7.237005577332262e75),
        ("0010000000000000", 5.397605346934028e-79),
    ],
)
def test_known_bytes_are_known_numbers(written: str, value: float) -> None:
    assert decoded(bytes.fromhex(written)) == ([value], [0])


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e-30, -1e-30, 1e60, 5.55, 93708.0, 2.0**53])
def test_a_number_written_by_the_layout_is_read_back(value: float) -> None:
    assert decoded(ibm(value)) == ([value], [0])


@given(
    st.floats(1e-70, 1e70).flatmap(lambda size: st.sampled_from([size, -size])),
)
def test_every_number_in_range_is_read_back_exactly(value: float) -> None:
    assert decoded(ibm(value)) == ([value], [0])


@pytest.mark.parametrize("letter", "._ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_each_letter_is_a_missing_number_and_with_a_fraction_a_number(letter: str) -> None:
    values, kinds = decoded(letter.encode() + bytes(7), letter.encode() + b"\x10" + bytes(6))

    assert values[0] == 0
    assert kinds == [1 + xpt.LETTERS.index(letter), 0]
    assert values[1] != 0


@pytest.mark.parametrize("letter", "/@[a0")
def test_no_other_first_byte_is_missing(letter: str) -> None:
    assert decoded(letter.encode() + bytes(7)) == ([0.0], [0])


@pytest.mark.parametrize("width", range(3, 9))
def test_a_short_number_lacks_only_its_last_bytes(width: int) -> None:
    assert decoded(ibm(-118.625)[:width], b"." + bytes(width - 1)) == ([-118.625, 0.0], [0, 1])


def test_a_zero_is_zero_and_the_smallest_number_is_not(tmp_path: Path) -> None:
    rows = [("a", 0.0), ("b", 16.0**-65), ("c", 7.0), ("d", 0.25)]

    found = results(opened(tmp_path, xpt_file(TWO, rows)), "patient_id", "source_value")

    assert [value for _, value in found[:1] + found[2:]] == ["0", "7", "0.25"]
    assert float(found[1][1]) == 16.0**-65


# ---------------------------------------------------------------- observations


def test_missing_numbers_are_no_results_and_their_rows_are_set_aside(tmp_path: Path) -> None:
    rows = [("a", None), ("b", ".A"), ("c", ".Z"), ("d", "._"), ("e", 3.5), ("", None)]
    file = opened(tmp_path, xpt_file(TWO, rows))

    assert results(file, "patient_id", "value") == [("e", 3.5)]
    assert reasons(file) == {"row_empty": 5}


def test_a_special_missing_value_can_be_a_word_of_the_mapping(tmp_path: Path) -> None:
    below = {"column": "WHY", "equals": [".B"]}
    analytes = {"X": {"code": "20448-7", "unit": "uIU/mL", "below_limit": below}}
    content = xpt_file([*TWO, Column("WHY")], [("a", 2.0, ".B"), ("b", 2.0, ".A"), ("c", 2.0, 1.0)])

    found = results(opened(tmp_path, content, {**OWN, "analytes": analytes}), "comparator", "value")

    assert found == [("<", 2.0), (None, 2.0), (None, 2.0)]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 9, 10, 23])
@pytest.mark.parametrize("width", [2, 8, 71])
def test_blanks_that_fill_the_last_card_are_no_observations(
    tmp_path: Path, count: int, width: int
) -> None:
    columns = [Column("ID", width, number=False), X]
    rows = [(f"{n}", float(n)) for n in range(count)]

    reading, tables, _ = checked(opened(tmp_path, xpt_file(columns, rows)))

    assert reading.rows_in == count
    assert tables["observation"]["value"].to_list() == [float(n) for n in range(count)]


def test_lone_missing_cells_are_rows_all_the_same(tmp_path: Path) -> None:
    options = {**OWN, "patient_id": "#line"}
    file = opened(tmp_path, xpt_file([X], [(None,), (1.5,), (None,)]), options)

    assert results(file, "line", "value") == [(3, 1.5)]
    assert reasons(file) == {"row_empty": 2}


def test_a_file_cut_inside_an_observation_says_so_and_keeps_the_others(tmp_path: Path) -> None:
    whole = xpt_file(TWO, [(f"{n}", float(n + 1)) for n in range(20)], pad=False)
    for lost in (3, 16):
        (tmp_path / f"{lost}").mkdir()
        file = opened(tmp_path / f"{lost}", whole[:-lost])

        assert len(results(file, "value")) == 19
        assert reasons(file) == ({"last_line_open": 1} if lost == 3 else {})


@pytest.mark.parametrize("lost", [1, 3, 16, 40])
def test_blanks_that_a_cut_leaves_are_no_observations(tmp_path: Path, lost: int) -> None:
    whole = xpt_file(TWO, [(f"{n}", float(n + 1)) for n in range(6)])
    assert not whole[-2 * 16 - 8 :].strip(b" ")

    found = results(opened(tmp_path, whole[:-lost]), "value")

    assert found == [(float(n + 1),) for n in range(6)]


def test_a_file_in_many_batches_is_the_same_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = xpt_file(TWO, [(f"p{n}", n / 7 if n % 3 else None) for n in range(100)])
    (tmp_path / "one").mkdir()
    whole = results(opened(tmp_path / "one", content), "line", "patient_id", "source_value")
    monkeypatch.setattr(xpt, "BATCH", 16 * 7)

    parts = results(opened(tmp_path, content), "line", "patient_id", "source_value")

    assert parts == whole
    assert len(whole) == 66


def test_text_with_separators_quotes_and_line_ends_stays_in_its_cell(tmp_path: Path) -> None:
    columns = [Column("ID", 20, number=False), X]
    rows = [('a,"b"', 1.0), ("two\nlines", 2.0), ("last", 3.0)]

    found = results(opened(tmp_path, xpt_file(columns, rows)), "line", "patient_id", "value")

    assert found == [(2, 'a,"b"', 1.0), (3, "two lines", 2.0), (4, "last", 3.0)]


def test_text_of_another_encoding_waits_until_it_is_named(tmp_path: Path) -> None:
    content = xpt_file(TWO, [("Müller".encode("latin-1"), 1.0), ("Ada", 2.0)])
    named = opened(tmp_path, content, {**OWN, "encoding": "latin-1"})

    assert results(named, "patient_id") == [("Müller",), ("Ada",)]
    unnamed = opened(tmp_path, content)
    assert results(unnamed, "patient_id") == [("Ada",)]
    assert reasons(unnamed) == {"encoding": 1}


def test_days_and_times_by_their_format_are_iso_and_without_it_are_numbers(tmp_path: Path) -> None:
    forms = ["DATE", "MMDDYYS", "DATETIME", "TIME", "BEST"]
    columns = [Column(f"C{n}", form=form) for n, form in enumerate(forms)]
    rows = [(21549.0, -1.0, 1861833600.5, 30600.0, 21549.0), (None, 3e9, None, 1e9, 0.0)]
    analytes = {"C3": {"code": "20448-7", "unit": "uIU/mL"}}
    options = {"patient_id": "C4", "observed_at": "C0", "analytes": analytes}
    file = opened(tmp_path, xpt_file(columns, rows), options)

    assert results(file, "observed_on", "line")[0] == (date(2018, 12, 31), 2)
    lines = (file.scratch / "observations.csv").read_text().splitlines()
    assert lines[1] == "2018-12-31,1959-12-31,2018-12-31T00:00:00.500,08:30:00,21549"
    assert lines[2] == ",3000000000,,1000000000,0"


# ---------------------------------------------------------------- version 8


def test_version_8_has_long_names_and_label_cards(tmp_path: Path) -> None:
    columns = [Column("PATIENT_IDENTIFIER", 8, number=False), Column("INSULIN_FASTING")]
    label = struct.pack(">hhh", 2, 15, 60) + b"INSULIN_FASTING" + b"l" * 60
    labels = header("LABELV8", f"{1:<30}") + padded(label)
    options = {
        **OWN,
        "patient_id": "PATIENT_IDENTIFIER",
        "analytes": {"INSULIN_FASTING": {"code": "27873-9", "unit": "uIU/mL"}},
    }
    for extra in (b"", labels):
        file = opened(tmp_path, xpt_file(columns, [("p", 8.5)], 8, labels=extra), options)
        assert results(file, "patient_id", "value", "fasting") == [("p", 8.5, "yes")]


# ---------------------------------------------------------------- NHANES


SURVEY = [
    *(Column(name) for name in ("SEQN", "LBXIN", "LBDINLC", "LBXGLU", "PHAFSTHR")),
    *(Column(name) for name in ("RIDAGEYR", "RIAGENDR", "RIDEXPRG", "WTSAF2YR")),
]
PEOPLE = [
    (93708.0, 9.72, 0.0, 122.0, 12.0, 66.0, 2.0, None, 25653.677),
    (93709.0, 0.71, 1.0, 91.0, 7.0, 30.0, 2.0, 1.0, 0.0),
    (93710.0, None, None, None, None, 20.0, 1.0, 2.0, 0.0),
]


def test_nhanes_is_read_without_a_mapping_once_the_draws_are_dated(tmp_path: Path) -> None:
    content = xpt_file(SURVEY, PEOPLE)

    undated = reasons(opened(tmp_path, content, {}))
    assert undated == {"column_missing:observed_at, a constant of the source's table for NHANES": 3}
    _, tables, rejects = checked(opened(tmp_path, content, DATED))
    assert rejects.is_empty()
    columns = ("patient_id", "analyte", "comparator", "value", "fasting")
    assert tables["observation"].select(columns).rows() == [
        ("93708", "insulin", None, 9.72, "yes"),
        ("93708", "glucose", None, 122.0, "yes"),
        ("93709", "insulin", "<", 0.71, "no"),
        ("93709", "glucose", None, 91.0, "no"),
    ]
    assert tables["patient"].select("sex", "birth_date").rows() == [
        ("female", date(1951, 7, 1)),
        ("female", date(1987, 7, 1)),
        ("male", date(1997, 7, 1)),
    ]
    assert tables["condition"].select("patient_id", "code").rows() == [("93709", "Z33.1")]


def test_a_survey_file_of_nothing_known_waits_and_says_why(tmp_path: Path) -> None:
    content = xpt_file([Column("SEQN"), Column("LBXLEAD")], [(1.0, 2.0)])

    (reason,) = reasons(opened(tmp_path, content, DATED))

    assert reason.startswith("column_missing:none of the variables")


def test_a_mapping_of_another_file_makes_every_row_wait(tmp_path: Path) -> None:
    content = xpt_file([ID, Column("Y")], [("a", 1.0), ("b", 2.0)])

    assert reasons(opened(tmp_path, content)) == {"column_missing:X": 2}


def test_settings_are_checked_before_anything_is_read() -> None:
    assert mapping({}).patient_id == "SEQN"
    assert mapping({"constants": {"observed_at": "2017-07-01"}}).constants["observed_at"][:4] == (
        "2017"
    )
    assert mapping(OWN).patient_id == "ID"
    with pytest.raises(ValueError, match="delimiter: a transport file"):
        mapping({"delimiter": ";"})
    with pytest.raises(ValueError, match="observed_at: missing"):
        mapping({"patient_id": "ID", "analytes": {"X": {"code": "20448-7"}}})


# ---------------------------------------------------------------- what is no such file


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "format_unknown"),
        (b"id,x\na,1\n", "format_unknown"),
        (b"\x00" * 4000, "format_unknown"),
        (header("LIBRARY") + b"x" * 800, "format_unknown"),
        (xpt_file([X, Column("X")], []), "header_duplicate"),
        (xpt_file(TWO, [("a", 1.0)]) + xpt_file(TWO, [])[240:], "format_unknown"),
        (xpt_file([Column("X", 9)], []), "format_unknown"),
        (
            xpt_file([ID], []).replace(b"\x00\x02\x00\x00\x00\x08", b"\x00\x07\x00\x00\x00\x08"),
            "format_unknown",
        ),
    ],
)
def test_what_is_no_transport_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert refusal(opened(tmp_path, content)) == reason


def test_no_cut_and_no_flipped_byte_of_the_head_does_more_than_refuse(tmp_path: Path) -> None:
    whole = xpt_file(TWO, [("a", 1.0), ("b", 2.0)])
    random = np.random.default_rng(1001)
    damaged = [whole[:at] for at in range(0, len(whole), 61)]
    damaged += [
        whole[:at] + bytes([int(random.integers(256))]) + whole[at + 1 :]
        for at in random.integers(0, len(whole), 40)
    ]
    refused = 0
    for content in damaged:
        try:
            checked(opened(tmp_path, content))
        except UnreadableError:
            refused += 1
    assert 0 < refused < len(damaged)


# ---------------------------------------------------------------- real files


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
@pytest.mark.parametrize(
    ("name", "column", "rows", "values"),
    [("GHB_J.XPT", "LBXGH", 6401, 6045), ("HDL_J.XPT", "LBDHDD", 7435, 6738)],
)
def test_a_published_file_is_read_as_another_decoder_reads_it(
    tmp_path: Path, name: str, column: str, rows: int, values: int
) -> None:
    import pandas as pd

    other = pd.read_sas(REAL / name)[["SEQN", column]].dropna()
    reading, tables, rejects = checked(opened(tmp_path, (REAL / name).read_bytes(), DATED))

    assert (reading.rows_in, tables["observation"].height) == (rows, values)
    assert rejects["reason"].to_list() == ["row_empty"] * (rows - values)
    found = tables["observation"].select(pl.col("patient_id").cast(pl.Float64), "number").rows()
    assert found == list(other.itertuples(index=False, name=None))
