"""Zip archives: in order, one file at a time, and nothing a hostile one does gets further."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.formats import archive
from transforms.formats.archive import members, unwanted
from transforms.landing import Opened, Source, UnreadableError

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
MEGABYTE = 1 << 20


def opened(tmp_path: Path, content: bytes, most: int = 10**9, ratio: int = 300) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    return Opened(path, "a.zip", Source("s", "garmin"), scratch, "p1", most, ratio)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return made.getvalue()


def everything(name: str) -> bool:
    return bool(name)


def content_of(file: Opened, is_wanted: Callable[[str], bool] = everything) -> dict[str, bytes]:
    return {member.name: member.path.read_bytes() for member in members(file, is_wanted)}


def refusal(file: Opened, is_wanted: Callable[[str], bool] = everything) -> str:
    with pytest.raises(UnreadableError) as caught:
        content_of(file, is_wanted)
    assert caught.value.reason in REASONS
    return caught.value.reason


def patched(content: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """``content`` with ``value`` written ``offset`` bytes after every ``mark``."""
    made, at = bytearray(content), content.find(mark)
    while at >= 0:
        made[at + offset : at + offset + len(value)] = value
        at = content.find(mark, at + 1)
    return bytes(made)


# What it is for


def test_files_come_in_order_of_name_and_each_is_gone_when_the_next_is_asked_for(
    tmp_path: Path,
) -> None:
    file = opened(tmp_path, zipped({"b.fit": b"2", "a/": b"", "c.txt": b"3", "a.fit": b"1"}))
    seen = [
        (member.name, member.path.read_bytes(), len(list(file.scratch.iterdir())))
        for member in members(file, lambda name: name.endswith(".fit"))
    ]
    assert seen == [("a.fit", b"1", 1), ("b.fit", b"2", 1)]
    assert list(file.scratch.iterdir()) == []
    assert unwanted(file, lambda name: name.endswith(".fit")) == 1


def test_a_plain_file_is_its_own_only_member(tmp_path: Path) -> None:
    file = opened(tmp_path, b"a,b\n1,2\n")
    assert content_of(file) == {"a.zip": b"a,b\n1,2\n"}
    assert unwanted(file, lambda _: False) == 0
    assert file.path.exists()


def test_an_empty_archive_has_no_members(tmp_path: Path) -> None:
    assert content_of(opened(tmp_path, zipped({}))) == {}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_read_and_refused_when_they_are_damaged(
    tmp_path: Path, method: int
) -> None:
    content = zipped({"a": b"wellness " * 500}, method)
    assert content_of(opened(tmp_path, content)) == {"a": b"wellness " * 500}
    middle = content.index(LOCAL) + 31 + 30
    damaged = content[:middle] + bytes(8) + content[middle + 8 :]
    assert refusal(opened(tmp_path, damaged)) == "archive_broken"


def test_an_archive_in_an_archive_is_handed_over_as_it_is(tmp_path: Path) -> None:
    inner = zipped({"deep.fit": b"1"})
    assert content_of(opened(tmp_path, zipped({"inner.zip": inner}))) == {"inner.zip": inner}


# Names


@pytest.mark.parametrize(
    "name",
    [
        *("../../escaped", "/escaped", "C:\\escaped", "..\\..\\escaped", "a/../../escaped"),
        *("member", "member/escaped", "e" * 5000, "é\u202e\n\t.fit", "CON", "."),
    ],
)
def test_a_hostile_name_reaches_no_path(tmp_path: Path, name: str) -> None:
    file = opened(tmp_path, zipped({name: b"inside"}))
    before = {path for path in tmp_path.parent.rglob("*") if path.is_file()}
    for member in members(file, everything):
        assert member.path.parent == file.scratch
        assert member.path.read_bytes() == b"inside"
        now = {path for path in tmp_path.parent.rglob("*") if path.is_file()}
        assert now - before == {member.path}


def test_a_link_in_an_archive_is_only_its_text(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        link = zipfile.ZipInfo("link.fit")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        written.writestr(link, "/etc/hostname")
    for member in members(opened(tmp_path, made.getvalue()), everything):
        assert not member.path.is_symlink()
        assert member.path.read_bytes() == b"/etc/hostname"


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    content = zipped({"ä.fit": b"1"}).replace("ä".encode(), b"\xff\xfe")
    assert refusal(opened(tmp_path, content)) == "archive_broken"
    with pytest.raises(UnreadableError, match="archive_broken"):
        unwanted(opened(tmp_path, content), everything)


def test_two_files_of_one_name_are_both_handed_over(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        content = doubled()
    found = [member.path.read_bytes() for member in members(opened(tmp_path, content), everything)]
    assert found == [b"1", b"2"]


def doubled() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        written.writestr("a", b"1")
        written.writestr("a", b"2")
    return made.getvalue()


# Sizes


@pytest.mark.parametrize(("ratio", "is_read"), [(2000, True), (300, False)])
def test_a_bomb_is_refused_by_what_it_unpacks_to_for_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: int, is_read: bool
) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", MEGABYTE)
    file = opened(tmp_path, zipped({"zeros": bytes(8 * MEGABYTE)}), ratio=ratio)
    if is_read:
        assert content_of(file) == {"zeros": bytes(8 * MEGABYTE)}
        return
    assert refusal(file) == "too_large"
    allowed = max(MEGABYTE, ratio * file.path.stat().st_size)
    assert sum(path.stat().st_size for path in file.scratch.iterdir()) <= allowed


def test_all_files_together_count_against_the_limit(tmp_path: Path) -> None:
    content = zipped({f"{i}": bytes(1000) for i in range(10)})
    assert len(content_of(opened(tmp_path, content, most=10_000))) == 10
    assert refusal(opened(tmp_path, content, most=9_999)) == "too_large"


def test_files_that_are_not_wanted_cost_nothing(tmp_path: Path) -> None:
    content = zipped({"a.fit": b"1", "bomb.bin": bytes(MEGABYTE)})
    file = opened(tmp_path, content, most=100)
    assert content_of(file, lambda name: name.endswith(".fit")) == {"a.fit": b"1"}
    assert refusal(file) == "too_large"


@pytest.mark.parametrize("stated", [0, 10, 10**6, 0xFFFFFFF0])
@pytest.mark.parametrize("offset", [20, 24])
def test_a_wrong_stated_size_is_no_way_around_the_limit(
    tmp_path: Path, stated: int, offset: int
) -> None:
    """Bytes 20 and 24 of the directory's entry: packed and unpacked size. Content that comes out
    has the right checksum, so a size that is stated too large harms nothing."""
    content = zipped({"a": b"steps " * 1000})
    lying = patched(content, CENTRAL, offset, struct.pack("<I", stated))
    assert refusal(opened(tmp_path, lying, most=5_000)) in {"archive_broken", "too_large"}
    if stated > 6000:
        assert content_of(opened(tmp_path, lying)) == {"a": b"steps " * 1000}
    else:
        assert refusal(opened(tmp_path, lying)) == "archive_broken"


def test_more_members_than_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_MEMBERS", 50)
    content = zipped({f"{i:03}": b"" for i in range(51)})
    assert refusal(opened(tmp_path, content)) == "too_large"
    assert len(content_of(opened(tmp_path, zipped({f"{i:03}": b"" for i in range(50)})))) == 50


def test_a_long_list_of_members_is_refused_before_it_is_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_LISTED_BYTES", 2_000)
    content = zipped({f"{i:03}": b"" for i in range(50)})
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert refusal(opened(tmp_path, content)) == "too_large"
    with pytest.raises(UnreadableError, match="too_large"):
        unwanted(opened(tmp_path, content), everything)


# Locked and damaged


def test_a_locked_file_is_refused_and_beside_wanted_ones_overlooked(tmp_path: Path) -> None:
    content = zipped({"a.fit": b"1", "b.pdf": b"2"})
    locked = bytearray(content)
    for mark, flags in ((LOCAL, 6), (CENTRAL, 8)):
        locked[content.rindex(mark) + flags] |= 1
    file = opened(tmp_path, bytes(locked))
    assert content_of(file, lambda name: name.endswith(".fit")) == {"a.fit": b"1"}
    assert refusal(file) == "archive_broken"


def test_an_unknown_way_of_packing_is_refused(tmp_path: Path) -> None:
    content = zipped({"a": b"1"})
    strange = patched(patched(content, CENTRAL, 10, b"\x63\x00"), LOCAL, 8, b"\x63\x00")
    assert refusal(opened(tmp_path, strange)) == "archive_broken"


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = zipped({"a": b"steps", "b": b"sleep " * 100})
    for end in range(4, len(content), 7):
        assert refusal(opened(tmp_path, content[:end])) == "archive_broken"
    assert len(content_of(opened(tmp_path, content))) == 2


WHOLE = zipped({"a.fit": b"steps", "b/c.json": b"sleep " * 100, "d": bytes(50)})


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_is_refused_with_a_reason_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = opened(tmp_path_factory.mktemp("zip"), bytes(content), most=10_000)
    try:
        found = content_of(file)
    except UnreadableError as error:
        assert error.reason in {"archive_broken", "too_large"}
    else:
        assert set(found.values()) <= {b"steps", b"sleep " * 100, bytes(50)}
    try:
        assert unwanted(file, everything) <= 3
    except UnreadableError as error:
        assert error.reason == "archive_broken"
