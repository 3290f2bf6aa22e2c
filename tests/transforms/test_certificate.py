"""The record of a certificate: what is written is read again to the last bit."""

from __future__ import annotations

import math
import struct
from datetime import date
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import certificate_again as again
from transforms.catalog.exclusions import EXCLUSIONS
from transforms.catalog.rule import RULE
from transforms.catalog.words import is_haemolysed, is_ill
from transforms.certificate import Certificate, decoded, encoded, hash_of, sealed
from transforms.certificate_checks import same
from transforms.frozen import SHIPPED, mark

NIGHT = date(2026, 3, 1)
NOBODY: dict[str, Any] = {
    "made_by": "test", "as_of": NIGHT, "rule": RULE, "model": SHIPPED, "records_left_out": 0,
    "person": {"id": "p", "is_anonymous": False, "sex": None, "birth_year": None, "age": None},
    "models": (
        {"version": SHIPPED.version, "in_force_from": SHIPPED.in_force_from,
         "sha256": mark(SHIPPED)},
    ),
    "found": {"status": "unresolved", "tier": None, "reason": "none", "p_without_one": None},
    "considered": tuple(item.name for item in EXCLUSIONS), "next_draw": None, "newest_draw": None,
    **dict.fromkeys(
        ("rows", "records", "excluded", "barred", "pairs", "trends", "predicates",
         "what_would_change_it"), (),
    ),
}  # fmt: skip


def pair(**values: float | None) -> dict[str, Any]:
    return {
        "drawn_on": NIGHT, "insulin_uiu_ml": 5.0, "insulin_comparator": None, "repeats": 1,
        "is_ill": False, "glucose_mg_dl": 88.0, "lab": None, "assay": None, "known_on": NIGHT,
        "model_version": None, "platform": None, "platform_effect": 0.0, "used": False,
        "reason": "none", "p_bad": None, "likely": None, "p_fasting": None,
        "fasting_evidence": None,
    } | values  # fmt: skip


def with_pair(**values: float | None) -> Certificate:
    return sealed(NOBODY | {"pairs": (pair(**values),)})


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


ANY = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@given(insulin=POSITIVE, effect=ANY)
def test_a_number_is_read_again_to_the_last_bit(insulin: float, effect: float) -> None:
    found = decoded(encoded(with_pair(insulin_uiu_ml=insulin, platform_effect=effect)))

    assert found.pairs[0].insulin_uiu_ml is not None
    assert found.pairs[0].platform_effect is not None
    assert bits(found.pairs[0].insulin_uiu_ml) == bits(insulin)
    assert bits(found.pairs[0].platform_effect) == bits(effect)


@given(insulin=st.floats(min_value=1e-3, max_value=1e4))
def test_the_neighbour_of_a_number_has_another_hash(insulin: float) -> None:
    here = with_pair(insulin_uiu_ml=insulin)
    there = with_pair(insulin_uiu_ml=math.nextafter(insulin, math.inf))

    assert here.content_sha256 != there.content_sha256
    assert here.content_sha256 == hash_of(decoded(encoded(here)).plain())


def test_a_certificate_is_read_as_it_was_written_and_written_as_it_was_read() -> None:
    written = with_pair()

    assert decoded(encoded(written)) == written
    assert encoded(decoded(encoded(written))) == encoded(written)
    assert decoded(orjson.dumps(written.plain())) == written, "blanks do not matter"
    assert decoded(encoded(written)).model == SHIPPED


@pytest.mark.parametrize(("word", "means"), [("haemolysed", is_haemolysed), ("ill", is_ill)])
def test_the_words_that_stand_for_a_comment_say_what_it_said(word: str, means: Any) -> None:
    said = pl.select(yes=means(pl.lit(word)), no=means(pl.lit("clear"))).row(0)

    assert said == (True, False)
    assert pl.select(both=means(pl.lit("haemolysed ill"))).item()


@pytest.mark.parametrize(
    ("age", "on"), [(20, NIGHT), (19, date(2028, 2, 29)), (21, date(2027, 2, 28))]
)
def test_a_birthday_that_stands_for_an_age_gives_that_age(age: int, on: date) -> None:
    born = again._birthday(on, age)

    assert on.year - born.year - ((on.month, on.day) < (born.month, born.day)) == age


@pytest.mark.parametrize(
    ("stated", "found", "is_same"),
    [(1.0, 1.0 + 1e-7, True), (1.0, 1.0 + 1e-5, False), (0.0, 1e-7, True), (None, 0.0, False),
     (True, 1, False), ("a", "a", True), (math.nan, math.nan, False)],
)  # fmt: skip
def test_numbers_are_the_same_within_a_millionth(
    stated: object, found: object, is_same: bool
) -> None:
    assert same(stated, found) == is_same
