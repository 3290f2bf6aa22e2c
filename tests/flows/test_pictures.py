"""The picture of a series: what stands in it, what its words say, and that nothing breaks it."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, timedelta
from math import log

import duckdb
import pytest

from flows.pictures.drawing import Picture, inert
from flows.pictures.palette import DARK, LIGHT, fixed
from flows.pictures.raster import SCALE, png
from flows.pictures.reading import series_of
from flows.pictures.rows import Series, platform_changes
from flows.pictures.series import series_picture
from tests.flows.people import EVIL, FIRST, PEOPLE, climbing, draw, moved, short, trend

SVG = "{http://www.w3.org/2000/svg}"


def picture(series: Series) -> Picture:
    """The picture, which must be there."""
    drawn = series_picture(series)
    assert drawn is not None
    return drawn


def tree(drawn: Picture) -> ET.Element:
    """A picture as its reader takes it; one that is not well formed fails here."""
    return ET.fromstring(drawn.svg)  # noqa: S314 our own text


def parts(series: Series, tag: str, **attributes: str) -> list[ET.Element]:
    """Elements of a picture by tag and attributes."""
    found = tree(picture(series)).iter(SVG + tag)
    return [item for item in found if all(item.get(k) == v for k, v in attributes.items())]


def texts(series: Series) -> list[str]:
    """Everything written in a picture."""
    return [item.text or "" for item in parts(series, "text")]


def points(series: Series, colour: str) -> list[tuple[float, float]]:
    """Where the sound draws of an analyte stand."""
    found = parts(series, "circle", fill=f"var(--{colour})")
    return [(float(item.get("cx", "")), float(item.get("cy", ""))) for item in found]


def test_sound_draws_are_points_doubtful_ones_hollow_and_unused_ones_crosses() -> None:
    made = climbing()

    assert len(points(made, "insulin")) == len(points(made, "glucose")) == 8
    hollow = parts(made, "circle", fill="var(--paper)")
    assert [item.get("stroke") for item in hollow[:2]] == ["var(--insulin)", "var(--glucose)"]
    crosses = parts(made, "path", stroke="var(--soft)", **{"stroke-width": "1.5"})
    assert len(crosses) == 3, "one in each panel and one in the legend"


def test_insulin_rises_over_glucose_that_stays_on_one_time_axis() -> None:
    insulin, glucose = points(climbing(), "insulin"), points(climbing(), "glucose")

    assert [x for x, _ in insulin] == [x for x, _ in glucose]
    assert insulin[-1][1] < insulin[0][1] - 60
    assert max(y for _, y in glucose) - min(y for _, y in glucose) < 12
    assert max(y for _, y in insulin) < min(y for _, y in glucose)


def test_a_limit_is_an_arrow_and_a_value_a_point() -> None:
    before, after = points(climbing(), "insulin"), points(moved(), "insulin")

    assert len(before) - len(after) == 3, "two limits, and one counts for less"
    assert {"at most this", "at least this"} <= set(texts(moved()))
    assert {"at most this", "at least this"}.isdisjoint(texts(climbing()))


def test_a_change_of_platform_is_named_and_its_values_stand_where_the_trend_sees_them() -> None:
    assert [name for _, name in platform_changes(moved().draws)] == [
        "Lab B, Elecsys",
        "Policlinico, Access",
    ]
    written = " ".join(texts(moved()))
    assert "to Lab B" in written
    assert "as measured" in written
    assert "other lab" not in " ".join(texts(climbing()))
    apart = climbing()
    for row in apart.draws[7:]:
        row |= {"platform_effect": log(1.3), "insulin_uiu_ml": row["insulin_uiu_ml"] * 1.3}
    assert points(apart, "insulin") == points(climbing(), "insulin")


def test_the_band_and_the_level_now_are_those_of_the_rows() -> None:
    wide = climbing()
    narrow = replace(wide, at_draws=[trend(r["drawn_on"], 9, 90, 0.01) for r in wide.at_draws])

    def height(series: Series) -> float:
        (band, _) = parts(series, "path", **{"fill-opacity": "0.16"})
        places = band.get("d", "").strip("MZ").split("L")
        return float(places[0].split()[1]) - float(places[-1].split()[1])

    assert height(wide) > 40
    assert height(narrow) < 2
    assert "now 27.0, +18 % a year" in texts(wide)
    assert "now 90, +0.4 a year" in texts(wide)


def test_the_words_carry_the_numbers() -> None:
    said = picture(moved()).alt

    for part in (
        "9 fasting draws used from 2018-02-10 to 2026-01-19",
        "2 count for less, 1 not used",
        "<2.0 first, >60.0 last",
        "level now 27.0 (90 % interval",
        "+18 % a year (+10 to +27)",
        "88 first, 90 last",
        "+0.4 a year (-0.3 to +1.2)",
        "changes 2 times",
    ):
        assert part in said, part
    assert tree(picture(moved())).get("aria-label") == said


def test_years_and_units_are_written_and_axes_begin_wide_enough_for_flat_to_look_flat() -> None:
    assert {"2018", "2022", "2026", "Fasting insulin, uIU/mL", "Fasting glucose, mg/dL"} <= set(
        texts(climbing())
    )
    assert {"2", "50", "12.5", "70", "100", "126"} <= set(texts(climbing()))
    assert {"70", "100", "140", "Jan 2026"} <= set(texts(short())), "glucose of 134 widens its axis"


@pytest.mark.parametrize("name", PEOPLE)
def test_every_series_is_well_formed_drawn_inside_its_frame_and_has_words(name: str) -> None:
    drawn = picture(PEOPLE[name]())
    root = tree(drawn)
    width, height = (float(part) for part in root.get("viewBox", "").split()[2:])

    assert drawn.alt
    for item in root.iter(SVG + "text"):
        assert -4 <= float(item.get("x", "")) <= width
        assert 0 <= float(item.get("y", "")) <= height
    assert {item.tag.removeprefix(SVG) for item in root.iter()} == {
        "svg",
        "path",
        "text",
        "circle",
    } - ({"circle"} if name == "single" else set())


@pytest.mark.parametrize("value", [0.0, 0.0004, 3.0e7])
def test_no_value_of_insulin_breaks_the_axis(value: float) -> None:
    made = climbing()
    made.draws[3]["insulin_uiu_ml"] = value

    assert png(picture(made))


def test_no_draw_with_a_value_is_no_picture() -> None:
    assert series_picture(Series([draw(FIRST, None, None, used=False)], [], None)) is None
    assert series_picture(Series([], [], None)) is None


def test_a_hostile_name_is_text_in_the_picture_and_in_its_words() -> None:
    drawn = picture(PEOPLE["hostile"]())

    assert "<script" not in drawn.svg
    assert not set("\u202e\u0000\n") & set(drawn.svg + drawn.alt)
    assert "script" in " ".join(texts(PEOPLE["hostile"]()))
    assert set("\u202e\u0000\n").isdisjoint(inert(EVIL))


def test_a_mails_picture_is_the_same_bytes_again_twice_as_dense_and_lettered() -> None:
    drawn = picture(climbing())
    once, silent = png(drawn), png(Picture(drawn.svg.replace("uIU/mL", ""), drawn.alt))

    assert once == png(drawn)
    assert once != silent, "its letters are drawn without any font of the machine"
    width, height = struct.unpack(">II", once[16:24])
    assert (width, height) == tuple(
        round(float(part) * SCALE) for part in tree(drawn).get("viewBox", "").split()[2:]
    )
    assert "var(" not in fixed(drawn.svg)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_their_paper(palette: dict[str, str]) -> None:
    for paper in ("paper", "wash"):
        for name in ("ink", "soft", "insulin", "glucose", "bad"):
            assert contrast(palette[name], palette[paper]) >= 4.5, name
    for name in ("accepted", "quarantined", "duplicate", "superseded"):
        assert contrast(palette[name], palette["paper"]) >= 3, name


def test_the_two_curves_differ_for_who_sees_no_red_or_no_green() -> None:
    for palette in (LIGHT, DARK):
        insulin, glucose = (
            [int(palette[name][k : k + 2], 16) for k in (1, 3, 5)]
            for name in ("insulin", "glucose")
        )
        assert abs(insulin[2] - glucose[2]) > 90, "blue, which everyone of them sees"


def test_a_series_is_read_from_the_warehouse(store: duckdb.DuckDBPyConnection) -> None:
    for table, rows in (
        ("fasting_pair", climbing().draws),
        ("trend_at_draw", climbing().at_draws),
        ("trend", [row | {"drawn_on": None} for row in climbing().at_draws[-1:]]),
    ):
        columns = {row[0] for row in store.execute(f"DESCRIBE store.{table}").fetchall()}
        for row in rows:
            for person in ("P1", "P2"):
                facts = {k: v for k, v in row.items() if k in columns} | {"patient_id": person}
                store.execute(
                    f"INSERT INTO store.{table} ({', '.join(facts)}) "
                    f"VALUES ({', '.join('?' * len(facts))})",
                    list(facts.values()),
                )

    read = series_of(store, "P1")
    assert (len(read.draws), len(read.at_draws), read.trend is None) == (10, 9, False)
    assert picture(read) == picture(climbing())
    assert series_of(store, "P3") == Series([], [], None)


def test_a_long_name_is_cut_and_many_changes_keep_their_lines() -> None:
    made = climbing()
    for place, row in enumerate(made.draws):
        row["lab"] = f"The laboratory of the very long name number {place}"
    lines = parts(made, "path", stroke="var(--soft)", **{"stroke-dasharray": "4 3"})

    assert len(lines) == 8 + 1, "and one in the legend"
    assert all(len(text) < 60 for text in texts(made))
    alone = climbing()
    for row in alone.draws[-1:]:
        row["lab"] = "Laboratory at the very end of the series"
    assert any(text.startswith("to Laboratory at the very end") for text in texts(alone))


def test_a_series_of_a_day_has_an_axis() -> None:
    day = date(2026, 1, 5)
    made = Series([draw(day, 7.0, 90), draw(day + timedelta(days=1), 8.0, 91)], [], None)

    assert {"Jan 2025", "Jul 2025"} <= set(texts(made))
