"""A hundred publishes beside four continuous readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.soak import soak


def test_a_hundred_publishes_beside_four_readers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = soak(tmp_path, publishes=100, readers=4)

    swaps, publishes = sorted(seen.swaps), sorted(seen.publishes)
    with capsys.disabled():
        print(  # noqa: T201 the figures are what it is run for
            f"\n{seen.reads:,} reads of {seen.nights} nights, {seen.held:,} held; swap ms: median "
            f"{1000 * swaps[50]:.1f}, 95th {1000 * swaps[95]:.1f}, most {1000 * swaps[-1]:.1f}; "
            f"publish ms: median {1000 * publishes[50]:.1f}, most {1000 * publishes[-1]:.1f}"
        )
    assert (seen.errors, seen.back, seen.torn) == ([], 0, 0)
    assert seen.nights > 50
    assert swaps[95] < 0.05
