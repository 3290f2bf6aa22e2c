"""The table reader's settings: every mistake named, and the examples sound."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from transforms.readers.table import mapping

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

WIDE: dict[str, Any] = {
    "patient_id": "pid",
    "observed_at": "day",
    "analytes": {
        "INS": {"code": "27873-9", "unit": "uIU/mL"},
        "GLU": {"code": "1558-6", "unit": "mg/dL"},
    },
}


def mistakes(options: Mapping[str, object]) -> list[str]:
    with pytest.raises(ValueError, match=":") as caught:
        mapping(options)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"delimeter": ";"}, "delimeter: no such setting; did you mean delimiter? (allowed: deli"),
        ({"delimiter": "ab"}, "delimiter: 'ab' is not allowed; expected one character (no blank"),
        ({"delimiter": '"'}, "delimiter: '\"' is not allowed; expected one character"),
        ({"encoding": "utf-99"}, "encoding: 'utf-99' is not allowed; expected an encoding such as"),
        ({"encoding": "utf-32"}, "encoding: 'utf-32' is not allowed"),
        ({"encoding": "base64"}, "encoding: 'base64' is not allowed"),
        ({"header_row": -1}, "header_row: -1 is not allowed; expected the header's line, from 1"),
        ({"header_row": True}, "header_row: True is not allowed"),
        ({"header_row": 0}, "names: missing; expected the columns' names, since header_row is 0"),
        ({"names": ["a", "a"]}, "names: ['a', 'a'] is not allowed; expected names that differ"),
        ({"names": []}, "names: [] is not allowed; expected a text or a list of texts"),
        ({"sheet": 0}, "sheet: 0 is not allowed; expected a sheet's name or its number, from 1"),
        ({"decimal": ";"}, "decimal: ';' is not allowed; expected '.' or ','"),
        ({"missing": [1]}, "missing: [1] is not allowed; expected a text or a list of texts"),
        ({"date_format": "%d/%m"}, "date_format: '%d/%m' is not allowed; expected \"iso\" or strp"),
        ({"date_format": "%Y-%m-%dT%H:%M%z"}, "date_format: '%Y-%m-%dT%H:%M%z' is not allowed"),
        ({"date_format": ["iso", "dd.mm.yyyy"]}, "date_format: ['iso', 'dd.mm.yyyy'] is not allo"),
        ({"unterminated_last_row": True}, "unterminated_last_row: True is not allowed; expected "),
        ({"shape": "tall"}, "shape: 'tall' is not allowed; expected 'long' or 'wide'"),
        ({"patient_id": 7}, "patient_id: 7 is not allowed; expected a text"),
        ({"patient_id": ""}, "patient_id: '' is not allowed; expected a text"),
        ({"observed_at": ["a", "b", "c"]}, "observed_at: ['a', 'b', 'c']; expected a column or ["),
        ({"constants": {"labs": "x"}}, "constants.labs: no such setting; did you mean lab? (allow"),
        ({"constants": "x"}, "constants: 'x' is not allowed; expected a table"),
        ({"analytes": {"A": {}}}, 'analytes.A.code: missing; expected a code such as "27873-9"'),
        (
            {"analytes": {"A B": {"code": "1", "units": "x"}}},
            'analytes."A B".units: no such setting; did',
        ),
        (
            {"analytes": {"A": {"code": 7}}},
            "analytes.A.code: 7 is not allowed; expected a code such",
        ),
        ({"analytes": {"A": 7}}, "analytes.A: 7 is not allowed; expected a table"),
        (
            {"analytes": {"A": {"code": "1", "below_limit": {"column": "b"}}}},
            "analytes.A.below_limit.equals: missing; expected the words that say so",
        ),
        ({"patient": {"sexes": "x"}}, "patient.sexes: no such setting; did you mean sex? (allowed"),
        (
            {"patient": {"birth_date": "a", "age_years": "b"}},
            "patient.age_years: 'b' is not allowed; expected either birth_date or age_years",
        ),
        (
            {"patient": {"sex": "s", "sex_values": {"1": "boat"}}},
            "patient.sex_values.1: 'boat' is not allowed; expected M, F or a word for them",
        ),
        (
            {"patient": {"sex_values": {"1": "M"}}},
            "patient.sex: missing; expected the column whose",
        ),
        ({"flags": {"p": {"equals": "1"}}}, "flags.p.condition: missing; expected a code, a name"),
        ({"flags": {"p": {"condition": {"code": "X"}}}}, "flags.p.equals: missing; expected the"),
        ({"value": "v"}, 'value: a column only with shape = "long"'),
        ({"shape": "long", "code": "c", "value": "v"}, 'analytes: only with shape = "wide"'),
        (
            {"analytes": {"A": {"code": "1"}, "B": {"code": "1"}}},
            "result_id: missing; expected a column or '#line', since A and B share code 1",
        ),
    ],
)
def test_a_mistake_names_the_key_the_value_and_what_is_allowed(
    change: dict[str, object], said: str
) -> None:
    told = mistakes(WIDE | change)
    assert len(told) == 1
    assert told[0].startswith(said)


def test_all_mistakes_are_told_at_once() -> None:
    keys = [line.split(":")[0] for line in mistakes({"shap": "x", "decimal": 1, "sheet": []})]
    assert sorted(keys) == ["decimal", "shap", "sheet"]


def test_an_empty_mapping_tells_what_is_needed() -> None:
    keys = [line.split(":")[0] for line in mistakes({})]
    assert keys == ["patient_id", "observed_at", "value", "code"]


@pytest.mark.parametrize("name", ["ipop", "nhanes", "altuve"])
def test_the_examples_are_settings_that_load(tmp_path: Path, name: str) -> None:
    from flows.settings import load

    file = tmp_path / "undertow.toml"
    file.write_text((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"), encoding="utf-8")
    found = load(file).source(name)
    assert found is not None
    given = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))["sources"][name]
    assert (found.reader, dict(found.options)) == ("table", given["table"])
    assert mapping(found.options).measures
