"""Certificates: written of every kind of status, verified alone, and against landed files."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.flows import certified as people
from tests.flows.certified import Change, Plain, failing, forged, plain_of
from tests.flows.scene import NIGHT, Scene, undertow
from transforms import certificate_again as again
from transforms.certificate import MOST_BYTES, SCHEMA, Certificate, decoded, encoded, hash_of
from transforms.certificate_checks import CHECKS

pytestmark = pytest.mark.slow

NAMES = [check.name for check in CHECKS]
LANDED = ["landed models", "landed rows", "published"]
KINDS = {
    "ANN": "high_and_climbing", "FLO": "not_flagged", "HIG": "high_stable", "DIA": "excluded",
    "NEW": "unresolved", "MOL": "high_and_climbing", "LIM": "not_flagged", "BAR": "climbing",
    "SIC": "not_flagged", "KOM": "climbing", "MOV": "not_flagged",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two nights, for looking only."""
    return people.people(tmp_path_factory.mktemp("certified") / "home")


@cache
def written(home: Scene, patient: str, *more: str) -> Path:
    """The file of a patient's certificate; its page lies beside it."""
    said = home.run(
        "certificate", patient, "--to", str(home.home.root.parent / "out"), "--json", *more
    )
    assert said.code == 0, said.err
    return Path(said.json["certificate"])


def certificate(home: Scene, patient: str) -> Certificate:
    return decoded(written(home, patient).read_bytes())


def states(found: list[dict[str, str]]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in found}


# every kind verifies


@pytest.mark.parametrize("patient", KINDS)
def test_a_certificate_of_every_kind_verifies(home: Scene, patient: str) -> None:
    said = undertow("verify", str(written(home, patient)), "--json")

    assert certificate(home, patient).found.status == home.statuses()[patient]
    assert (said.code, states(said.json)) == (0, dict.fromkeys(NAMES, "good"))


@pytest.mark.parametrize("patient", ["ANN", "DIA", "KOM", "MOL", "MOV"])
def test_a_certificate_verifies_against_its_home(home: Scene, patient: str) -> None:
    file = str(written(home, patient))
    said = undertow("verify", file, "--landed", str(home.home.root), "--json")

    assert (said.code, states(said.json)) == (0, dict.fromkeys(NAMES + LANDED, "good"))


def test_the_kinds_are_the_ones_meant(home: Scene) -> None:
    found = {name: certificate(home, name) for name in KINDS}

    assert {name: item.found.status for name, item in found.items()} == KINDS
    assert {row.source_unit for row in found["MOL"].rows} == {"pmol/L", "mmol/L"}
    assert [(r.source, r.part) for r in found["MOL"].records] == [("fhir", None)]
    assert [p.insulin_comparator for p in found["LIM"].pairs].count("<") == 1
    assert [p.reason for p in found["BAR"].pairs if not p.used] == ["during metformin"]
    assert [p.is_ill for p in found["SIC"].pairs].count(True) == 1
    assert {row.decimal for row in found["KOM"].rows} == {","}
    assert found["MOV"].model is not None
    assert found["MOV"].model.version == "own-1"
    assert [p.platform_effect for p in found["MOV"].pairs][-1] == pytest.approx(0.2623643)
    assert found["NEW"].trends == ()
    assert [record.matches for record in found["DIA"].records] == [("diabetes",)]


def test_a_merged_record_answers_for_its_survivor(home: Scene) -> None:
    assert written(home, "OLD") == written(home, "ANN")


def test_nobody_has_no_certificate(home: Scene, tmp_path: Path) -> None:
    said = home.run("certificate", "NOBODY", "--to", str(tmp_path / "out"))

    assert (said.code, said.out) == (1, "")
    assert "no such patient" in said.err
    assert not (tmp_path / "out").exists()


def test_what_is_published_and_does_not_follow_is_not_certified(
    home: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(again, "without_one", lambda _: 0.1)
    said = home.run("certificate", "ANN", "--to", str(tmp_path / "out"))

    assert said.code == 1
    assert "it would not verify: trend" in said.err
    assert not (tmp_path / "out").exists()


# what it says


def test_files_are_private_and_named_by_content(home: Scene) -> None:
    file = written(home, "ANN")
    found = certificate(home, "ANN")

    assert file.stem == f"certificate-{found.content_sha256[:12]}"
    assert {f.stat().st_mode & 0o777 for f in (file, file.with_suffix(".html"))} == {0o600}
    assert file.read_bytes() == encoded(found)


def test_the_newest_insulin_at_which_the_flag_falls_is_where_it_falls(home: Scene) -> None:
    """A tenth of a percent below the border there is no flag, and as much above it there is."""
    found = certificate(home, "KOM")
    newest = found.newest_draw
    assert newest is not None
    assert newest.falls_below is not None
    assert newest.falls_below < newest.insulin_uiu_ml
    assert f"below {newest.falls_below:.4g} uIU/mL" in " ".join(found.what_would_change_it)

    def after(insulin: float) -> str:
        pairs = [*found.pairs[:-1], found.pairs[-1].model_copy(update={"insulin_uiu_ml": insulin})]
        changed = found.model_copy(update={"pairs": tuple(pairs)})
        series = [again.Trend(**row) for row in again.series(changed).drop("patient_id").to_dicts()]
        return str(again.status(changed.model_copy(update={"trends": tuple(series)}))["status"])

    assert after(newest.falls_below * 0.999) == "not_flagged"
    assert after(newest.falls_below * 1.001) == "climbing"


def test_who_is_not_flagged_is_told_what_would_have_flagged(home: Scene) -> None:
    newest = certificate(home, "SIC").newest_draw

    assert newest is not None
    assert (newest.falls_below, newest.falls_above) == (None, None)
    assert {part.finding for part in newest.stretches} == {"not_flagged", "climbing"}


@pytest.mark.parametrize("patient", ["NEW", "DIA"])
def test_who_is_not_evaluated_has_no_newest_draw_to_vary(home: Scene, patient: str) -> None:
    assert certificate(home, patient).newest_draw is None
    assert certificate(home, "ANN").newest_draw is not None


def test_the_page_is_escaped_and_loads_nothing(home: Scene) -> None:
    page = written(home, "ANN").with_suffix(".html").read_text(encoding="utf-8")

    assert "default-src 'none'" in page
    assert page.count("<svg") == 1
    assert "6 fasting draws used from 2021-01-10 to 2026-01-09." in page, "the picture in words"
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; asthma" in page
    page = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r"""(?:src|href|url)\s*[=(]|https?://|@import""", page) == []
    assert certificate(home, "ANN").content_sha256 in page


# anonymous


def test_an_anonymous_certificate_names_nobody_and_verifies(home: Scene) -> None:
    file = written(home, "ANN", "--anonymous")
    said = undertow("verify", str(file), "--landed", str(home.home.root), "--json")
    texts = [file.read_text(), file.with_suffix(".html").read_text(), file.name]
    found = decoded(file.read_bytes())

    assert (said.code, set(states(said.json).values())) == (0, {"good"})
    assert not any("ANN" in text or "asthma" in text for text in texts)
    assert (found.person.is_anonymous, found.records, found.records_left_out) == (True, (), 1)
    assert "the dates are as they were" in texts[1]
    assert "ANN" in written(home, "ANN").read_text()


def test_an_anonymous_certificate_keeps_the_record_that_excludes(home: Scene) -> None:
    found = decoded(written(home, "DIA", "--anonymous").read_bytes())

    assert [record.matches for record in found.records] == [("diabetes",)]


# tampering: every change is noticed where it was made, though the hash was made anew


def at(*path: str | int) -> Any:
    def found(plain: Plain) -> Any:
        part: Any = plain
        for name in path:
            part = part[name]
        return part

    return found


def put(value: object, *path: str | int) -> Change:
    """A change of one value."""

    def change(plain: Plain) -> None:
        holder = at(*path[:-1])(plain)
        assert holder[path[-1]] != value, "no change"
        holder[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    """One record less."""
    return lambda plain: at(*path[:-1])(plain).pop(path[-1])


def add(like: tuple[str | int, ...], **new: object) -> Change:
    """One record more, like another."""
    return lambda plain: at(*like[:-1])(plain).append({**at(*like)(plain), **new})


def later(plain: Plain) -> None:
    """The newest draw on another day, consistently within its rows."""
    for row in plain["rows"][-2:]:
        row["observed_on"] = "2026-01-20"
        row["observed_at"] = row["observed_local"] = "2026-01-20T08:00:00"


def approved(plain: Plain) -> None:
    plain["rows"][0] |= {"unit_basis": "approved", "ucum": "pmol/L"}


def well(plain: Plain) -> None:
    for row in plain["rows"][-2:]:
        assert row["says"] == ["ill"]
        row["says"] = []


def asthma(plain: Plain) -> None:
    plain["records"][0] |= {"code": "J45", "name": "Asthma"}


def younger(plain: Plain) -> None:
    plain["person"] |= {"age": 19, "birth_year": 2007}


def without_diabetes(plain: Plain) -> None:
    plain["considered"].remove("diabetes")


NEWEST = ("rows", 10)
TAMPERED: dict[str, tuple[str, Change, str]] = {
    "source value": ("ANN", put("2.5", *NEWEST, "source_value"), "rows"),
    "value": ("ANN", put(12.25, *NEWEST, "value"), "rows"),
    "the last digit of a value": ("ANN", put(88.00000001, "rows", 0, "value"), "rows"),
    "source unit": ("ANN", put("pmol/L", *NEWEST, "source_unit"), "rows"),
    "unit": ("ANN", put("pmol/L", *NEWEST, "unit"), "rows"),
    "an approval that was not": ("ANN", approved, "rows"),
    "factor": ("MOL", put(0.144, "rows", 1, "factor"), "rows"),
    "citation": ("MOL", put("somebody", "rows", 1, "citation"), "rows"),
    "code": ("ANN", put("2345-7", "rows", 1, "source_code"), "rows"),
    "analyte": ("ANN", put("c_peptide", "rows", 1, "analyte"), "rows"),
    "day": ("ANN", put("2025-01-10", *NEWEST, "observed_on"), "rows"),
    "day, hour and clock": ("ANN", later, "pairs"),
    "hour": ("ANN", put("2026-01-08T08:00:00", *NEWEST, "observed_at"), "rows"),
    "comparator": ("ANN", put("<", "rows", 1, "comparator"), "pairs"),
    "a comparator that the value denies": ("LIM", put(">", "rows", 9, "comparator"), "rows"),
    "fasting": ("ANN", put("no", *NEWEST, "fasting"), "pairs"),
    "how fasting is known": ("ANN", put(None, *NEWEST, "fasting_basis"), "rows"),
    "laboratory": ("ANN", put("Lab Z", "rows", 1, "lab"), "pairs"),
    "night of knowing": ("ANN", put("2026-03-01", *NEWEST, "known_on"), "pairs"),
    "a word of haemolysis": ("ANN", put(["haemolysed"], "rows", 1, "says"), "pairs"),
    "a word of illness taken away": ("SIC", well, "pairs"),
    "a row less": ("ANN", drop("rows", 3), "pairs"),
    "a row more": (
        "ANN",
        add(("rows", 1), observed_on="2025-06-01", observed_local="2025-06-01T08:00:00",
            observed_at="2025-06-01T08:00:00", line=99),
        "pairs",
    ),
    "a row twice": ("ANN", add(("rows", 1)), "rows"),
    "threshold": ("ANN", put(0.2, "rule", "tier_c_p"), "rule"),
    "upper limit": ("ANN", put(40.0, "rule", "insulin_upper_limit"), "rule"),
    "the rule's version": ("ANN", put("status-0", "rule", "version"), "rule"),
    "a weight of the shipped model": ("ANN", put(0.1, "model", "prior", "weights", 3), "model"),
    "a weight of a clinic's model": ("MOV", put(0.1, "model", "prior", "weights", 3), "model"),
    "a platform's effect": ("MOV", put(0.0, "model", "platforms", 1, "effect"), "model"),
    "another model": ("MOV", put("own-2", "model", "version"), "model"),
    "when a model came into force": (
        "MOV", put("2026-02-01", "models", 1, "in_force_from"), "model"
    ),
    "what a record falls under": ("DIA", put([], "records", 0, "matches"), "exclusions"),
    "a record's code and name": ("DIA", asthma, "exclusions"),
    "a record's start": ("DIA", put("2021-01-01", "records", 0, "start_on"), "exclusions"),
    "a record less": ("DIA", drop("records", 0), "exclusions"),
    "an exclusion less": ("DIA", drop("excluded", 0), "exclusions"),
    "an exclusion's end": ("DIA", put("2020-02-02", "excluded", 0, "to_on"), "exclusions"),
    "a barred span less": ("BAR", drop("barred", 0), "exclusions"),
    "an exclusion not considered": ("ANN", without_diabetes, "exclusions"),
    "a draw's insulin": ("ANN", put(12.25, "pairs", 5, "insulin_uiu_ml"), "pairs"),
    "a draw used that is not": ("BAR", put(True, "pairs", 2, "used"), "pairs"),
    "a draw less": ("ANN", drop("pairs", 2), "pairs"),
    "a fast that nothing speaks of": ("ANN", put(0.5, "pairs", 2, "p_fasting"), "pairs"),
    "how likely a draw is bad": ("ANN", put(0.9, "pairs", 2, "p_bad"), "doubts"),
    "what a draw may be": ("ANN", put("unit", "pairs", 2, "likely"), "doubts"),
    "slope": ("ANN", put(3.0, "trends", 5, "insulin_slope_pct_year"), "trend"),
    "probability": ("FLO", put(0.31, "trends", 5, "p_climbing_unseen"), "trend"),
    "the trend after an early draw": ("ANN", put(0.9, "trends", 1, "p_insulin_high"), "trend"),
    "a trend less": ("ANN", drop("trends", 1), "trend"),
    "without one": ("ANN", put(0.1, "found", "p_without_one"), "trend"),
    "status": ("ANN", put("not_flagged", "found", "status"), "status"),
    "tier": ("ANN", put("C", "found", "tier"), "status"),
    "reason": ("ANN", put("because", "found", "reason"), "status"),
    "age": ("ANN", put(50, "person", "age"), "person"),
    "year of birth": ("ANN", put(1999, "person", "birth_year"), "person"),
    "age and year of birth": ("ANN", younger, "status"),
    "night": ("ANN", put("2027-03-01", "as_of"), "status"),
    "a margin": ("ANN", put(0.5, "predicates", 5, "margin"), "predicates"),
    "a bound": ("ANN", put(0.1, "predicates", 5, "bound"), "predicates"),
    "a predicate's value": ("ANN", put(0.1, "predicates", 5, "value"), "predicates"),
    "whether it holds": ("FLO", put(True, "predicates", 5, "holds"), "predicates"),
    "a predicate less": ("ANN", drop("predicates", 5), "predicates"),
}  # fmt: skip
COUNTERFACTUAL: dict[str, Change] = {
    "the next draw's border": put(2.0, "next_draw", "reaches", 0, "low"),
    "the next draw's day": put("2027-01-01", "next_draw", "on"),
    "where the flag falls": put(2.0, "newest_draw", "falls_below"),
    "a stretch less": drop("newest_draw", "stretches", 0),
    "no counterfactual": put(None, "newest_draw"),
    "a sentence": put("It is nothing.", "what_would_change_it", 0),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_change_is_noticed_where_it_was_made(home: Scene, name: str) -> None:
    patient, change, check = TAMPERED[name]
    plain = plain_of(certificate(home, patient))
    change(plain)
    found = failing(forged(plain), quick=True)

    assert check in found
    assert "content" not in found


@pytest.mark.parametrize("name", COUNTERFACTUAL)
def test_a_changed_counterfactual_is_noticed(home: Scene, name: str) -> None:
    plain = plain_of(certificate(home, "ANN"))
    COUNTERFACTUAL[name](plain)

    assert failing(forged(plain)) == ["counterfactual"]


@pytest.mark.parametrize("patient", ["ANN", "MOV", "DIA"])
def test_what_was_not_changed_is_not_noticed(home: Scene, patient: str) -> None:
    """The twin of every change: the same way through the forger's hands, nothing done."""
    assert failing(forged(plain_of(certificate(home, patient)))) == []


def test_a_change_without_a_new_hash_is_noticed_by_the_hash_too(home: Scene) -> None:
    plain = plain_of(certificate(home, "ANN")) | {"made_by": "another"}

    assert failing(decoded(orjson.dumps(plain)), quick=True) == ["content"]
    assert failing(forged(plain), quick=True) == [], "who made it cannot be computed"


def consistent(plain: Plain) -> Certificate:
    """Everything computed anew from its rows: what a patient forger makes."""
    found = forged(plain)
    doubted = {row["drawn_on"]: row for row in (again.pairs(found)).to_dicts()}
    pairs = [pair.model_copy(update={k: v for k, v in doubted[pair.drawn_on].items()
                                     if k in type(pair).model_fields})
             for pair in found.pairs if pair.drawn_on in doubted]  # fmt: skip
    found = found.model_copy(update={"pairs": tuple(pairs)})
    bad = {row["drawn_on"]: row for row in again.doubted(found).to_dicts()}
    pairs = [
        pair.model_copy(update={k: bad[pair.drawn_on][k] for k in ("p_bad", "likely")})
        for pair in pairs
    ]
    series = [again.Trend(**row) for row in again.series(found).drop("patient_id").to_dicts()]
    found = found.model_copy(update={"pairs": tuple(pairs), "trends": tuple(series)})
    least = found.found.model_copy(update={"p_without_one": again.without_one(found)})
    found = found.model_copy(update={"found": least})
    verdict = found.found.model_copy(update=again.status(found))
    found = found.model_copy(update={"found": verdict})
    for name, compute in (
        ("predicates", again.asked), ("next_draw", again.next_draws),
        ("newest_draw", again.newest_draws), ("what_would_change_it", again.would_change),
    ):  # fmt: skip
        found = found.model_copy(update={name: compute(found)})
    return found.model_copy(update={"content_sha256": hash_of(found.plain())})


def landed(home: Scene, forgery: Certificate, folder: Path) -> tuple[int, dict[str, str]]:
    file = folder / "forged.json"
    file.write_bytes(encoded(forgery))
    said = undertow("verify", str(file), "--landed", str(home.home.root), "--json")
    return said.code, {k: v for k, v in states(said.json).items() if v != "good"}


def test_a_row_forged_throughout_is_noticed_by_the_landed_file_alone(
    home: Scene, tmp_path: Path
) -> None:
    plain = plain_of(certificate(home, "ANN"))
    plain["rows"][-1] |= {"source_value": "5.1", "value": 5.1}
    forgery = consistent(plain)

    assert failing(forgery) == [], "from the file alone it cannot be noticed"
    assert forgery.found.status != "high_and_climbing"
    assert landed(home, forgery, tmp_path) == (1, {"landed rows": "bad", "published": "bad"})


def test_rows_left_out_throughout_are_noticed_by_what_was_published_alone(
    home: Scene, tmp_path: Path
) -> None:
    plain = plain_of(certificate(home, "ANN"))
    plain["rows"] = plain["rows"][:-4]
    forgery = consistent(plain)

    assert failing(forgery) == []
    assert landed(home, forgery, tmp_path) == (1, {"published": "bad"})


def test_a_row_of_a_file_that_never_landed_is_noticed(home: Scene, tmp_path: Path) -> None:
    plain = plain_of(certificate(home, "ANN"))
    plain["rows"][0]["file_sha256"] = "0" * 64

    assert landed(home, forged(plain), tmp_path)[1]["landed rows"] == "bad"


# hostile files


def changed(home: Scene, change: Change) -> bytes:
    plain = plain_of(certificate(home, "MOV"))
    change(plain)
    return orjson.dumps(plain)


HOSTILE: dict[str, tuple[bytes | Change, str]] = {
    "empty": (b"", "not JSON"),
    "text": (b"Ann was here", "not JSON (line 1)"),
    "bytes": (b"\xff\xfe\x00", "not JSON"),
    "large": (b" " * (MOST_BYTES + 1), "larger than"),
    "deep": (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    "deep within": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
    "a list": (b"[]", "names no schema"),
    "no schema": (b'{"a": 1}', "names no schema"),
    "another schema": (b'{"schema": "undertow-certificate-9"}', f"not {SCHEMA}"),
    "nothing but a schema": (f'{{"schema": "{SCHEMA}"}}'.encode(), "Field required"),
    "a key twice": (b'{"schema": "x", "schema": "y"}', "stands twice"),
    "NaN": (b'{"schema": NaN}', "a number that is none"),
    "infinite": (b'{"schema": 1e999}', "a number that is none"),
    "a huge whole number": (b'{"schema": ' + b"9" * 10_000 + b"}", "too large"),
    "a field too many": (lambda p: p.update(extra=1), "extra"),
    "a field too many within the rule": (lambda p: p["rule"].update(extra=1), "rule.extra"),
    "a day written otherwise": (lambda p: p.update(as_of="2026-3-1"), "valid date"),
    "a time written otherwise": (
        lambda p: p["rows"][0].update(observed_at="2021-01-10 08:00"), "ways of writing a date",
    ),
    "a text for a number": (lambda p: p["rows"][0].update(value="12"), "rows.0.value"),
    "a negative value": (lambda p: p["pairs"][0].update(insulin_uiu_ml=-1.0), "greater than 0"),
    "a day that cannot be": (lambda p: p.update(as_of="9999-12-31"), "as_of"),
    "a mean of three numbers": (lambda p: p["model"]["prior"]["means"][0].pop(), "four numbers"),
    "no component": (lambda p: p["model"]["prior"].update(weights=[]), "components"),
    "a hundred scales": (
        lambda p: p["model"]["noise"].update(scales=[[1.0, 0.01]] * 100), "scales",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_clear_answer(home: Scene, name: str, tmp_path: Path) -> None:
    content, said = HOSTILE[name]
    file = tmp_path / "file.json"
    file.write_bytes(content if isinstance(content, bytes) else changed(home, content))
    found = undertow("verify", str(file), "--json")

    (check,) = found.json
    assert (found.code, check["name"], check["state"]) == (1, "file", "bad")
    assert said in check["said"]
    assert len(check["said"]) < 300


def test_a_model_that_makes_no_sense_ends_in_checks_that_differ(home: Scene) -> None:
    """Its arrays fit, so that it is computed with; a variance below zero has no root."""
    plain = plain_of(certificate(home, "MOV"))
    plain["model"]["prior"]["covariances"][0] = [[-1.0] * 4] * 4

    assert {"model", "trend"} <= set(failing(forged(plain), quick=True))


def test_verify_says_where_it_differs_and_as_what(home: Scene, tmp_path: Path) -> None:
    plain = plain_of(certificate(home, "ANN"))
    put(12.25, "pairs", 5, "insulin_uiu_ml")(plain)
    file = tmp_path / "file.json"
    file.write_bytes(encoded(forged(plain)))
    said = undertow("verify", str(file))

    assert said.code == 1
    assert "bad   pairs: draw 2026-01-09, insulin_uiu_ml: stated 12.25, found 22.4" in said.out
    assert "good  rows: " in said.out


def test_landed_goes_with_a_file(home: Scene) -> None:
    assert home.run("verify", "--landed", str(home.home.root)).code == 2
    assert home.run("verify").code == 0


def test_explain_shows_the_short_hash_beside_file_and_line(home: Scene) -> None:
    hashes = dict(home.rows("SELECT file, sha256 FROM source_file"))
    said = home.run("explain", "ANN").out

    assert f"clinic_csv/labs-1.csv ({hashes['labs-1.csv'][:8]}) line 2, 3" in said
    assert json.loads(written(home, "ANN").read_bytes())["as_of"] == str(NIGHT)
