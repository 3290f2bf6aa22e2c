"""Records of JSON: whichever way they are put together, wherever they break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from transforms.formats import json_records
from transforms.formats.json_records import CUT, Records, Shape
from transforms.formats.text import Text

SHAPE = Shape(
    lists=frozenset({"data"}),
    nests=frozenset({"body"}),
    maps=frozenset({"series"}),
    told=frozenset({"zone"}),
    unsaid=frozenset({"note"}),
)


def records(tmp_path: Path, content: str) -> Records:
    source = tmp_path / "source"
    source.write_text(content)
    found = Records(tmp_path / "records.ndjson", SHAPE)
    found.keep(Text(source, is_closed=True), "file")
    return found


def lines(tmp_path: Path, content: str) -> list[str]:
    found = records(tmp_path, content)
    told = [text.strip() for _, _, text in found.lines()]
    assert len(told) == found.count()
    return told


@pytest.mark.parametrize(
    "content",
    [
        '[{"a": 1}, {"a": 2.50}]',
        '[\n{"a": 1},\n{"a": 2.50}\n]',
        '{"a": 1}\r\n\r\n{"a": 2.50}',
        '{"data": [{"a": 1}, {"a": 2.50}], "next": null}',
        '{"body": {"data": [{"a": 1}, {"a": 2.50}]}}',
        '[{"data": [{"a": 1}]}, {"a": 2.50}]',
        '{"data": [{"a": 1}]}\n{"data": [{"a": 2.50}]}\n',
        '[{"a": 1}]\n[{"a": 2.50}]\n',
        '[{"a": 1}] [{"a": 2.50}]',
    ],
)
def test_every_form_gives_the_same_records(tmp_path: Path, content: str) -> None:
    assert lines(tmp_path, content) == ['{"a": 1}', '{"a": 2.50}']


def test_what_surrounds_records_is_told_wherever_it_stands(tmp_path: Path) -> None:
    for content in ('{"zone": "X", "data": [{}]}', '{"data": [{}], "zone": "X"}'):
        ((_, run, _),) = records(tmp_path, content).lines()
        assert (run.place, run.context) == (("file", "data"), {"zone": "X"})
    ((_, run, text),) = records(tmp_path, '{"series": {"7": {"a": 1}}}').lines()
    assert (run.place[-1], json.loads(text)) == ("series", {"7": {"a": 1}})


@pytest.mark.parametrize("broken", ['{"a": ', '{"a": "x}', "}", '{"a": [1}', '{"a": {"b": 1}'])
def test_an_entry_that_never_ends_is_cut_where_the_next_begins(tmp_path: Path, broken: str) -> None:
    good = [f'{{"a": {number}}}' for number in range(3)]
    told = lines(tmp_path, f"[{good[0]}, {broken}, {good[1]}, {good[2]}]")
    assert [line for line in told if line in good] == good
    assert len(told) == 4


def test_an_inner_object_is_no_next_entry(tmp_path: Path) -> None:
    told = lines(tmp_path, '[{"a": [{"b": 1}]}, {"a": [{"b": 2}, {"b": 3}, {"b"')
    assert told == ['{"a": [{"b": 1}]}', '{"a": [{"b": 2}, {"b": 3}, {"b"']


def test_an_entry_beyond_all_measure_ends_where_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "MOST_ENTRY", 100_000)
    monkeypatch.setattr(json_records, "FIRST_BLOCK", 1 << 10)
    content = json.dumps([{"a": 1}, {"a": "x" * 900_000}, {"a": 2}])
    monkeypatch.setattr(json_records, "BLOCK", 1 << 12)
    told = lines(tmp_path, content)
    assert (told[0], len(told[1]), told[2]) == ('{"a": 1}', json_records.QUOTED - 1, '{"a": 2}')


@pytest.mark.parametrize(
    "cut", range(len('{"data": [{"a": 1}, '), len('{"data": [{"a": 1}, {"a": 2}]'))
)
def test_a_cut_page_is_what_came_before_and_one_broken_line(tmp_path: Path, cut: int) -> None:
    told = lines(tmp_path, '{"data": [{"a": 1}, {"a": 2}]}'[:cut])
    assert told[0] == '{"a": 1}'
    assert len(told) == 2 + (told[1] == '{"a": 2}')
    assert told[1] != '{"a": 2}' or told[2].encode() == CUT


def test_own_words_are_blanked_whole_or_cut(tmp_path: Path) -> None:
    note = '"note": "my \\"own\\" words'
    for content in (f'[{{{note}"}}]', f'[{{"a": 1, {note}', f'{{"data": [{{{note}"}}]}}'):
        (told,) = lines(tmp_path, content)
        assert "own" not in told
        assert '"note": ""' in told
