"""Words of sources: status, fasting, haemolysis, absence, sex."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from transforms.catalog import words

Reading = Callable[[pl.Expr], pl.Expr]


def read(reading: Reading, text: str | None) -> object:
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    return frame.select(reading(pl.col("text"))).item()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("F", "final"),
        ("f", "final"),
        ("U", "final"),
        ("C", "corrected"),
        ("A", "amended"),
        ("P", "preliminary"),
        ("I", "preliminary"),
        ("R", "preliminary"),
        ("S", "preliminary"),
        ("X", "cancelled"),
        ("N", "cancelled"),
        ("D", "deleted"),
        ("W", "wrong_patient"),
        ("final", "final"),
        ("Corrected", "corrected"),
        ("registered", "preliminary"),
        ("entered-in-error", "entered_in_error"),
        ("entered_in_error", "entered_in_error"),
        ("ENTERED IN ERROR", "entered_in_error"),
        ("Wrong patient", "wrong_patient"),
        ("canceled", "cancelled"),
        ("unknown", "unknown"),
        ("confirmed", "final"),
        ("on-hold", "final"),
        ("provisional", "preliminary"),
        ("refuted", "entered_in_error"),
        ("not-taken", "deleted"),
        ("do-not-perform", "deleted"),
        ("Q", None),
        ("", None),
        (None, None),
    ],
)
def test_a_status_is_understood_or_left_open(text: str | None, status: str | None) -> None:
    assert read(words.status, text) == status


def test_deletion_and_wrong_patient_are_told_apart_and_both_withdraw() -> None:
    assert words.STATUS["d"] != words.STATUS["w"]
    assert {words.STATUS["d"], words.STATUS["w"]} <= words.WITHDRAWALS


def test_statuses_are_only_ours() -> None:
    assert set(words.STATUS.values()) == {
        "final",
        "corrected",
        "amended",
        "preliminary",
        "cancelled",
        "entered_in_error",
        "deleted",
        "wrong_patient",
        "unknown",
    }


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes", "yes"),
        ("FASTING", "yes"),
        ("nüchtern", "yes"),
        ("nuchter", "yes"),
        ("à jeun", "yes"),
        ("en ayunas", "yes"),
        ("a digiuno", "yes"),
        ("em jejum", "yes"),
        ("N", "no"),
        ("non-fasting", "no"),
        ("not fasting", "no"),
        ("Random", "no"),
        ("post-prandial", "no"),
        ("nicht nüchtern", "no"),
        ("non à jeun", "no"),
        ("unknown", "unknown"),
        ("N/A", "unknown"),
        ("1", None),
        ("12", None),
        ("F", None),
        (None, None),
    ],
)
def test_a_fasting_word_is_understood_and_a_number_is_left_for_hours(
    text: str | None, answer: str | None
) -> None:
    assert read(words.fasting, text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "Specimen hemolyzed",
        "haemolysed",
        "HEMOLYSED",
        "Slight hemolysis, interpret with care",
        "stark hämolytisch",
        "Hämolyse",
        "prélèvement hémolysé",
        "campione emolizzato",
        "muestra hemolizada, hemólisis +",
        "soro hemolisado",
        "No comment. Sample haemolysed",
        "No clot. Hemolyzed.",
    ],
)
def test_haemolysis_is_seen(text: str) -> None:
    assert read(words.is_haemolysed, text) is True


@pytest.mark.parametrize(
    "text",
    [
        "No hemolysis",
        "not haemolysed",
        "non-hemolyzed",
        "no evidence of gross haemolysis",
        "Haemolysis: none",
        "Hemolysis index 4",
        "keine Hämolyse",
        "pas d'hémolyse",
        "sin hemólisis",
        "haemolytic anaemia in history",
        "emollient cream",
        "fasting sample",
        "",
        None,
    ],
)
def test_its_absence_is_not_taken_for_haemolysis(text: str | None) -> None:
    assert read(words.is_haemolysed, text) is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("QNS", "quantity_insufficient"),
        ("Q.N.S.", "quantity_insufficient"),
        ("quantity not sufficient", "quantity_insufficient"),
        ("QNS - please recollect", "quantity_insufficient"),
        ("Not done", "not_done"),
        ("TNP", "not_done"),
        ("not-performed", "not_done"),
        ("HEMOLYZED", "haemolysed"),
        ("Specimen hemolyzed, recollect", "haemolysed"),
        ("see comment", "see_comment"),
        ("Pending", "pending"),
        ("cancelled", "cancelled"),
        ("Test cancelled by ward", "cancelled"),
        ("clotted", "clotted"),
        ("contaminated", "contaminated"),
        ("#VALUE!", "error"),
        ("#N/A", "not_available"),
        ("---", "not_available"),
        (".", "not_available"),
        ("/", "not_available"),
        ("patient refused", "declined"),
        ("5.2", None),
        ("<2", None),
        ("+++", None),
        ("ND", None),
        ("positive", None),
        ("", None),
        (None, None),
    ],
)
def test_a_text_without_a_number_says_why(text: str | None, reason: str | None) -> None:
    assert read(words.absent_reason, text) == reason


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("M", "male"),
        ("f", "female"),
        ("weiblich", "female"),
        ("männlich", "male"),
        ("Féminin", "female"),
        ("other", "other"),
        ("U", "unknown"),
        ("1", None),
        ("2", None),
        (None, None),
    ],
)
def test_sex_is_understood_and_numbers_are_not_guessed(text: str | None, sex: str | None) -> None:
    assert read(words.sex, text) == sex


@pytest.mark.parametrize(
    "frame",
    [words.status_frame(), words.fasting_frame(), words.sex_frame(), words.absent_frame()],
    ids=["status", "fasting", "sex", "absent"],
)
def test_every_key_is_written_folded_and_once(frame: pl.DataFrame) -> None:
    key = frame.columns[0]
    again = frame.select(pl.col(key), again=words.folded_words(pl.col(key)))
    assert again.filter(pl.col("again") != pl.col(key)).rows() == []
    assert frame[key].is_duplicated().sum() == 0
    assert frame.columns[1] in {"status", "fasting", "sex", "absent_reason"}


def test_a_word_listed_under_two_meanings_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        words._map(yes="ja|si", no="nein|si")
