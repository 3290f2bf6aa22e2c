"""Readers never see an error, half a night or an older night; ``make faults`` reads longer."""

from __future__ import annotations

from pathlib import Path

from tests.faults.soak import soak


def test_readers_see_whole_nights_in_order_while_others_are_published(tmp_path: Path) -> None:
    seen = soak(tmp_path, publishes=8, readers=2)

    assert (seen.errors, seen.back, seen.torn) == ([], 0, 0)
    assert seen.nights > 2, "they did read while nights were published"
    assert seen.held > 2, "and held old ones"
    assert min(seen.swaps) < 0.05, "others on this machine may hold up the disk, not all swaps"
