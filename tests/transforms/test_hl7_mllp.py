"""MLLP: frames come out of a stream alike, however its bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.formats.mllp import Frames, Received, code_of, frame, head_of, whole

MESSAGE = b"MSH|^~\\&|L|A|E|C|20260301||ORU^R01|M1|P|2.5.1\rOBX|1|NM|c||95\r"
PIECES = st.sampled_from(
    [frame(MESSAGE), frame(b"hello"), b"\x0b", b"\x1c", b"\r", b"\n", b"noise", MESSAGE, b"\x0bMSH"]
)


@given(pieces=st.lists(PIECES, max_size=12), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_what_is_found_does_not_depend_on_the_cuts(pieces: list[bytes], cuts: list[int]) -> None:
    stream, cut = b"".join(pieces), Frames(1000)
    places = [0, *sorted(min(place, len(stream)) for place in cuts), len(stream)]
    found = [one for at, to in pairwise(places) for one in cut.feed(stream[at:to])]
    at_once = Frames(1000)
    assert found == at_once.feed(stream)
    assert (cut.is_open, cut.held) == (at_once.is_open, at_once.held)


@given(
    kept=st.lists(st.binary().filter(lambda b: b"\x1c\r" not in b and b[-1:] != b"\x1c")),
    rest=st.binary(),
)
def test_whole_frames_are_kept_and_a_torn_one_is_cut(kept: list[bytes], rest: bytes) -> None:
    stored = b"".join(map(frame, kept))
    torn = b"\x0b" + rest.replace(b"\x1c", b"") + b"\x1c"
    assert whole(stored) == len(stored)
    assert whole(stored + torn) == len(stored)
    assert whole(stored + torn + b"\r") == len(stored + torn) + 1


@pytest.mark.parametrize(("size", "problem"), [(100, ""), (101, "too_long"), (50_000, "too_long")])
def test_a_message_beyond_the_limit_leaves_only_its_head(size: int, problem: str) -> None:
    frames = Frames(100)
    content = (b"MSH|" + b"x" * size)[:size]
    found: list[Received] = []
    for byte in frame(content):
        found += frames.feed(bytes([byte]))
        assert frames.held < 9_000
    assert [one.problem for one in found] == [problem]
    assert content.startswith(found[0].content)


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (MESSAGE, b"M1"),
        (b"\r\n" + MESSAGE, b"M1"),
        (b"BHS|^~\\&|||||||||B7", b"B7"),
        (b"MSH|", b""),
    ],
)
def test_a_head_gives_the_number_to_answer(content: bytes, number: bytes) -> None:
    head = head_of(content)
    assert head is not None
    assert head.control_id == number
    assert code_of(head, "accept") == b"AA"


@pytest.mark.parametrize("content", [b"", b"PID|1", b"MSHX", b"MSH", b"M\0S\0H\0|\0"])
def test_what_does_not_begin_like_a_message_has_no_head(content: bytes) -> None:
    assert head_of(content) is None
    assert code_of(None, "reject") == b"AR"
