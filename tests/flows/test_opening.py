from __future__ import annotations

import gzip
import io
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from flows import opening
from flows.opening import open_landed
from tests.flows.scene import Scene, labs, result
from transforms.landing import Opened, Source, UnreadableError

SOURCE = Source("clinic", "clinic_csv")
LIMITS = (20_000_000_000, 300)
TEXT = b"patient_id,value\nP1,9\nP2,95\n"

Open = Callable[..., Opened]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def of(content: bytes, name: str = "labs.csv.gz", limits: tuple[int, int] = LIMITS) -> Opened:
        path, folder = tmp_path / "landed", tmp_path / "scratch"
        folder.mkdir(exist_ok=True)
        path.write_bytes(content)
        return open_landed(path, name, "P1", SOURCE, folder, limits)

    return of


def test_a_packed_file_is_unpacked_and_loses_its_ending(opened: Open) -> None:
    found = opened(gzip.compress(TEXT), "sub/labs.csv.gz")

    assert (found.path.read_bytes(), found.name, found.patient_id) == (TEXT, "labs.csv", "P1")


def test_a_plain_file_is_read_where_it_lies_whatever_its_name_says(
    opened: Open, tmp_path: Path
) -> None:
    found = opened(TEXT, "labs.csv.gz")

    assert found.path == tmp_path / "landed"
    assert found.name == "labs.csv"


def test_a_packed_file_is_known_by_its_bytes_not_by_its_name(opened: Open) -> None:
    assert opened(gzip.compress(TEXT), "labs.csv").path.read_bytes() == TEXT


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"export/{name}.csv", content)
    return packed.getvalue()


def test_the_one_file_of_a_zip_is_taken_out_and_several_are_left_to_their_reader(
    opened: Open, tmp_path: Path
) -> None:
    alone = opened(zipped(labs=TEXT), "march.zip")
    assert (alone.path.read_bytes(), alone.name) == (TEXT, "labs.csv")
    both = opened(zipped(labs=TEXT, vitals=TEXT), "march.zip")
    assert (both.path, both.name) == (tmp_path / "landed", "march.zip")


def test_a_zip_that_unpacks_to_too_much_is_refused(opened: Open) -> None:
    packed = zipped(labs=TEXT * 100)
    with pytest.raises(UnreadableError) as caught:
        opened(packed, "march.zip", (1000, 300))
    assert caught.value.reason == "too_large"


def test_several_packed_members_are_one_file(opened: Open) -> None:
    assert opened(gzip.compress(TEXT) + gzip.compress(b"P3,7\n")).path.read_bytes() == (
        TEXT + b"P3,7\n"
    )


def test_a_packed_file_cut_at_any_byte_is_refused(opened: Open) -> None:
    packed = gzip.compress(TEXT, mtime=0)

    for length in range(2, len(packed)):
        with pytest.raises(UnreadableError) as caught:
            opened(packed[:length])
        assert caught.value.reason == "compressed_broken", length
    assert opened(packed).path.read_bytes() == TEXT


def test_one_wrong_bit_never_gives_other_text(opened: Open) -> None:
    packed = gzip.compress(TEXT, mtime=0)
    given = []
    for position in range(2, len(packed)):
        for bit in range(8):
            flipped = bytearray(packed)
            flipped[position] ^= 1 << bit
            try:
                given.append(opened(bytes(flipped)).path.read_bytes())
            except UnreadableError as error:
                assert error.reason == "compressed_broken"
    assert set(given) <= {TEXT}, "bits of the header that carry no text may differ"


def test_a_file_that_unpacks_beyond_a_limit_is_refused_and_within_it_is_not(opened: Open) -> None:
    packed = gzip.compress(b"x" * 10_000)

    with pytest.raises(UnreadableError) as caught:
        opened(packed, limits=(9_999, 300))
    assert caught.value.reason == "too_large"
    assert opened(packed, limits=(10_000, 300)).path.stat().st_size == 10_000


def test_the_ratio_counts_only_above_a_size(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"x" * 2_000_000)
    opened(packed)

    monkeypatch.setattr(opening, "FREE_BYTES", 1_000_000)
    with pytest.raises(UnreadableError, match="too_large"):
        opened(packed)
    opened(packed, limits=(20_000_000_000, 2_000))


def test_a_bomb_is_refused_soon_and_in_little_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(1 << 20)) * 1000)
    assert bomb.stat().st_size < 1_100_000

    done = subprocess.run(
        [sys.executable, "-c", DEFUSE, str(bomb), str(tmp_path)], capture_output=True, text=True
    )

    assert done.stdout.split()[0] == "too_large", done.stderr
    assert int(done.stdout.split()[1]) < 300_000, "KiB of memory"
    assert (tmp_path / "unpacked").stat().st_size <= 350_000_000


DEFUSE = """
import sys
from pathlib import Path
from flows.opening import open_landed
from transforms.landing import Source, UnreadableError
try:
    open_landed(Path(sys.argv[1]), "x.csv.gz", None, Source("s", "clinic_csv"), Path(sys.argv[2]),
                (20_000_000_000, 300))
except UnreadableError as error:
    peak = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
    print(error.reason, peak.split()[1])
"""


def test_a_full_disk_while_unpacking_is_no_fault_of_the_file(opened: Open) -> None:
    packed = gzip.compress(bytes(4_000_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            opened(packed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert opened(packed).path.stat().st_size == 4_000_000


def test_a_packed_file_of_results_comes_in_like_a_plain_one(scene: Scene) -> None:
    text = labs(result("P1", date(2026, 1, 5), "20448-7", 5)).encode()
    scene.drop("clinic_csv/labs-1.csv.gz", gzip.compress(text))
    scene.drop("clinic_csv/labs-2.csv.gz", gzip.compress(text + b"\n")[:-9])

    scene.night()

    assert scene.statuses().keys() == {"P1"}
    assert scene.waiting() == {"labs-2.csv.gz": ["compressed_broken:EOFError"]}
