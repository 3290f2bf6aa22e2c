"""Landed bytes: whole, unchanged, and known when they are not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from warehouse import landed
from warehouse.landed import DamagedError, keep, place, sha256, verified


@pytest.fixture
def came(tmp_path: Path) -> Path:
    path = tmp_path / "labs.csv"
    path.write_bytes(b"patient_id\np1\n")
    return path


def flip(path: Path, byte: int) -> None:
    path.chmod(0o600)
    held = bytearray(path.read_bytes())
    held[byte] ^= 1
    path.write_bytes(held)


def test_bytes_are_kept_unchanged_under_their_hash_read_only(tmp_path: Path, came: Path) -> None:
    digest, size = keep(tmp_path / "landed", came)
    kept = verified(tmp_path / "landed", digest)
    assert (digest, size) == (hashlib.sha256(came.read_bytes()).hexdigest(), came.stat().st_size)
    assert kept.read_bytes() == came.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o400
    assert kept == place(tmp_path / "landed", digest)


def test_nothing_but_whole_files_lies_in_the_folder(tmp_path: Path, came: Path) -> None:
    keep(tmp_path / "landed", came)
    keep(tmp_path / "landed", came)
    files = [path for path in (tmp_path / "landed").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [sha256(came)]


def test_a_copy_that_fails_leaves_nothing_at_its_place(
    tmp_path: Path, came: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(landed.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            keep(tmp_path / "landed", came)
    assert not place(tmp_path / "landed", sha256(came)).exists()
    digest, _ = keep(tmp_path / "landed", came)
    assert verified(tmp_path / "landed", digest)


@pytest.mark.parametrize("byte", range(14))
def test_one_flipped_bit_is_found_and_none_is_not(tmp_path: Path, came: Path, byte: int) -> None:
    digest, _ = keep(tmp_path / "landed", came)
    assert verified(tmp_path / "landed", digest)
    flip(place(tmp_path / "landed", digest), byte)
    with pytest.raises(DamagedError, match="damaged"):
        verified(tmp_path / "landed", digest)


def test_a_file_that_is_gone_is_damaged_too(tmp_path: Path, came: Path) -> None:
    digest, _ = keep(tmp_path / "landed", came)
    place(tmp_path / "landed", digest).unlink()
    with pytest.raises(DamagedError):
        verified(tmp_path / "landed", digest)


def test_dropping_a_damaged_file_again_mends_it(tmp_path: Path, came: Path) -> None:
    digest, _ = keep(tmp_path / "landed", came)
    flip(place(tmp_path / "landed", digest), 0)
    keep(tmp_path / "landed", came)
    assert verified(tmp_path / "landed", digest).read_bytes() == came.read_bytes()
