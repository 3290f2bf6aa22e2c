"""The table reader's settings: every mistake named, and the examples sound."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from transforms.readers.table import mapping

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

STEPS = {"kind": "steps"}
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
        ({"date_format": "%d/%m"}, 'date_format: \'%d/%m\' is not allowed; expected "iso", "epo'),
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
        ({"analytes": {"A": {"code": "1", "optional": 1}}}, "analytes.A.optional: 1 is not allowe"),
        ({"samples": {"A": {}}}, "samples.A.kind: missing; expected an analyte's name, such as se"),
        ({"samples": {"A": {"kind": "sugar"}}}, "samples.A.kind: 'sugar' is not allowed; expected"),
        (
            {"samples": {"A": STEPS, "B": STEPS}},
            "samples: A and B are both steps and would replace each other; say device or method",
        ),
        ({"samples": {"#length": STEPS}}, "ended_at: missing; expected a column, since a sample"),
        ({"clock": "sun"}, "clock: 'sun' is not allowed; expected 'local' or 'utc'"),
        (
            {"date_format": ["epoch_s", "iso"]},
            "date_format: ['epoch_s', 'iso'] is not allowed; expected epoch_s alone, or none of it",
        ),
        ({"duration_seconds": "d"}, "duration_seconds: only with observed_at, without ended_at, "),
        ({"ended_at": ["a", "b", "c"]}, "ended_at: ['a', 'b', 'c']; expected a column or [date, "),
        ({"minutes_after": "m"}, "minutes_after: only with constants.observed_at"),
        (
            {"extract": {"x": {"column": "a", "pattern": "(b"}}},
            "extract.x.pattern: '(b' is not allowed; expected a regular expression with one group",
        ),
        (
            {"extract": {"x": {"column": "a", "pattern": "(b)(c)"}}},
            "extract.x.pattern: '(b)(c)' is not allowed",
        ),
        (
            {"extract": {"x": {"pattern": "(b)"}}},
            "extract.x.column: missing; expected a column, or",
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


def test_samples_alone_make_a_table_wide_and_tell_apart_what_only_tells_apart() -> None:
    of = {"device": "A"}
    only = {"only": {"what": ["x"]}}
    for samples in ({"A": STEPS, "B": STEPS | of}, {"A": STEPS | only, "B": STEPS}):
        found = mapping({"patient_id": "pid", "observed_at": "day", "samples": samples})
        assert (found.shape, len(found.samples), found.measures) == ("wide", 2, ())
    with pytest.raises(ValueError, match='samples: only with shape = "wide"'):
        mapping(WIDE | {"analytes": {}, "samples": {"A": STEPS}, "shape": "long", **LONG})


LONG = {"code": "c", "value": "v"}
EXAMPLE_SOURCES = {
    "ipop": ["ipop"],
    "nhanes": ["nhanes"],
    "altuve": ["altuve"],
    "t1d_uom": ["uom_glucose", "uom_activity", "uom_sleep", "uom_heart"],
    "shanghai": ["shanghai", "shanghai_summary"],
    "metwally": ["metwally_series", "metwally_people"],
    "cgmacros": ["cgmacros"],
}


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} >= set(EXAMPLE_SOURCES)


@pytest.mark.parametrize("name", EXAMPLE_SOURCES)
def test_the_examples_are_settings_that_load(tmp_path: Path, name: str) -> None:
    from flows.settings import load

    text = (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")
    file = tmp_path / "undertow.toml"
    file.write_text(text, encoding="utf-8")
    given = tomllib.loads(text)["sources"]
    assert list(given) == EXAMPLE_SOURCES[name]
    for source in given:
        found = load(file).source(source)
        assert found is not None
        assert (found.reader, dict(found.options)) == ("table", given[source]["table"])
        assert mapping(found.options).cells
