"""Pseudonyms are HMAC-SHA256, of one kind each, worked out once, and never two people's."""

from __future__ import annotations

import hashlib
import hmac

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import pseudonyms
from transforms.catalog.fields import FIELDS
from transforms.catalog.passages import KINDS, MANY, PASSAGES, Passage
from transforms.pseudonyms import DIGITS, SAID, CollisionError, of_people, pads, pseudonym, said
from transforms.release import FEW

KEY = pads(b"k" * 32)
NOBODY = pl.DataFrame(schema=SAID)


@given(st.binary(min_size=1, max_size=200), st.sampled_from(sorted(KINDS)), st.text())
def test_a_pseudonym_is_the_hmac_of_the_standard_library(key: bytes, kind: str, name: str) -> None:
    message = f"{kind}:{name}".encode("utf-8", "surrogatepass")
    if "\ud800" <= max(name, default="") <= "\udfff":
        return
    expected = hmac.new(key, message, hashlib.sha256).hexdigest()[:DIGITS]

    assert pseudonym(pads(key), kind, name) == KINDS[kind].letter + expected


def test_the_same_name_is_another_as_a_lab_and_under_another_key() -> None:
    told = {
        pseudonym(KEY, "person", "A")[1:],
        pseudonym(KEY, "lab", "A")[1:],
        pseudonym(pads(b"j" * 32), "person", "A")[1:],
    }
    assert len(told) == 3


def test_kinds_begin_with_letters_of_their_own() -> None:
    letters = [kind.letter for kind in KINDS.values()]
    assert len(set(letters)) == len(letters)


def test_only_new_people_are_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(key: pseudonyms.Pads, kind: str, value: str) -> str:
        asked.append(value)
        return pseudonym(key, kind, value)

    monkeypatch.setattr(pseudonyms, "pseudonym", noted)
    first = of_people(KEY, pl.Series(["a", "b", "b", None]), NOBODY)
    second = of_people(KEY, pl.Series(["b", "c"]), first)

    assert sorted(asked) == ["a", "b", "c"]
    assert set(second["value"]) == {"a", "b", "c"}
    assert (
        second.join(first, on="value")["said"].to_list()
        == first.join(second, on="value")["said"].to_list()
    )


def test_two_people_with_one_pseudonym_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    people = pl.Series([str(n) for n in range(17)])
    assert of_people(KEY, people, NOBODY)["said"].n_unique() == 17
    monkeypatch.setattr(pseudonyms, "DIGITS", 1)
    with pytest.raises(CollisionError):
        of_people(KEY, people, NOBODY)


def test_as_many_people_as_a_released_cell_needs_share_a_name() -> None:
    assert MANY == FEW + 1
    texts = pl.DataFrame({"value": ["Lab A", "Ann Smith"], "people": [MANY, FEW]})
    told = dict(said(KEY, PASSAGES["lab"], texts).iter_rows())

    assert told == {"Lab A": "Lab A", "Ann Smith": pseudonym(KEY, "lab", "Ann Smith")}


def test_what_few_have_is_withheld_where_no_pseudonym_helps() -> None:
    texts = pl.DataFrame({"value": ["20448-7", "C-77", "Ann"], "people": [1, MANY, 1]})
    told = dict(said(KEY, PASSAGES["source_code"], texts).iter_rows())

    assert told == {"20448-7": "20448-7", "C-77": "C-77", "Ann": None}


def test_a_file_has_a_pseudonym_however_many_people_are_in_it() -> None:
    texts = pl.DataFrame({"value": ["ann.csv"], "people": [500]})

    assert said(KEY, PASSAGES["file"], texts)["said"].to_list() == [
        pseudonym(KEY, "file", "ann.csv")
    ]


def test_every_passage_is_of_a_field_and_of_a_kind() -> None:
    assert {name.split(".")[-1] for name in PASSAGES} <= set(FIELDS)
    for name, how in PASSAGES.items():
        needs_kind = how.way in ("person", "pseudonym", "each", "shared")
        assert (how.kind in KINDS) == needs_kind, name
        if how.way == "withheld":
            assert how == Passage("withheld")


def test_a_withheld_or_hidden_text_is_text() -> None:
    """A number or a date that had to be hidden would need a way of its own."""
    for name, how in PASSAGES.items():
        if how.way != "open":
            assert FIELDS[name.split(".")[-1]].type.startswith("VARCHAR"), name
