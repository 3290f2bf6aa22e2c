"""Bytes to text: every encoding and line end, nothing altered, and what is broken named."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.formats import text as module
from transforms.formats.text import Text, text
from transforms.landing import Opened, Source, UnreadableError

LINES = ["näme,wert", "Zoë,5.4", "日本,≥7"]


def read(tmp_path: Path, content: bytes, encoding: str = "utf-8") -> Text:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    return text(Opened(path, "labs.csv", Source("s", "clinic_csv"), scratch), encoding)


def lines(found: Text) -> list[str]:
    rows = found.lines().collect()
    assert rows["line"].to_list() == list(range(1, rows.height + 1))
    return rows["text"].to_list()


def joined(end: str) -> str:
    return "".join(line + end for line in LINES)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
    ids=["UTF-8", "UTF-8 with BOM", "UTF-16 LE", "UTF-16 BE"],
)
def test_the_same_lines_come_out_of_every_encoding_and_line_end(
    tmp_path: Path, encoding: str, mark: bytes, end: str
) -> None:
    found = read(tmp_path, mark + joined(end).encode(encoding))
    assert lines(found) == LINES
    assert (found.is_closed, found.undecodable) == (True, frozenset())


def test_a_stated_encoding_is_used_and_a_byte_order_mark_is_believed_before_it(
    tmp_path: Path,
) -> None:
    latin = "näme\nZoë\n"
    assert lines(read(tmp_path, latin.encode("latin-1"), "latin-1")) == ["näme", "Zoë"]
    marked = codecs.BOM_UTF8 + latin.encode()
    assert lines(read(tmp_path, marked, "latin-1")) == ["näme", "Zoë"]


def test_lines_of_another_encoding_are_named_and_the_others_are_whole(tmp_path: Path) -> None:
    found = read(tmp_path, b"a,b\nZo\xeb,1\nok,2\n\xff\n")
    assert found.undecodable == {2, 4}
    assert [lines(found)[i] for i in (0, 2)] == ["a,b", "ok,2"]
    assert "\ufffd" not in "".join(lines(found))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_the_number_of_a_line_that_does_not_decode_is_right_for_every_line_end(
    tmp_path: Path, end: bytes
) -> None:
    found = read(tmp_path, end.join([b"a", b"b", b"\xff", b"d", b""]))
    assert found.undecodable == {3}


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \t\r\n", b"\x00\x00"])
def test_a_file_of_nothing_is_empty_and_a_file_of_something_is_not(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(UnreadableError, match="file_empty"):
        read(tmp_path, content)
    assert lines(read(tmp_path, content + b"x\n"))


def test_a_file_that_only_begins_like_utf_16_is_refused(tmp_path: Path) -> None:
    whole = codecs.BOM_UTF16_LE + "a\nb\n".encode("utf-16-le")
    with pytest.raises(UnreadableError, match="encoding"):
        read(tmp_path, whole[:-1])
    assert lines(read(tmp_path, whole)) == ["a", "b"]


@pytest.mark.parametrize(("content", "closed"), [(b"a\nb\n", True), (b"a\nb", False)])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["where it lies", "rewritten"])
def test_a_last_line_without_end_is_known(
    tmp_path: Path, content: bytes, closed: bool, mark: bytes
) -> None:
    assert read(tmp_path, mark + content).is_closed is closed


def test_a_clean_file_is_used_where_it_lies_and_another_is_copied(tmp_path: Path) -> None:
    assert read(tmp_path, b"a\n").path == tmp_path / "landed"
    assert read(tmp_path, codecs.BOM_UTF8 + b"a\n").path.parent == tmp_path / "scratch"
    assert (tmp_path / "landed").read_bytes() == codecs.BOM_UTF8 + b"a\n"


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
    st.sampled_from([4, 6, 16]),
)
def test_blocks_of_any_size_give_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], encoding: str, block: int
) -> None:
    folder = tmp_path_factory.mktemp("text")
    wanted = ["head", *rows, "tail"]
    marks = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE}
    mark = marks.get(encoding, codecs.BOM_UTF16_BE)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "BLOCK", block)
        found = read(folder, mark + "".join(f"{row}\n" for row in wanted).encode(encoding))
        assert lines(found) == wanted
