"""The clinic is read back with the csv and json of the standard library only: what is planted
must be found by somebody who knows nothing of how it was planted."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from statistics import median

import polars as pl
import pytest

from transforms.synthetic import emit
from transforms.synthetic.clinic import Clinic, clinic
from transforms.synthetic.physiology import COURSES
from transforms.trends import trends

LAB_ENDINGS = (
    *("INS", "GLU", "A1C", "TRG", "HDL", "ALT", "AST", "GGT", "PLT"),
    *("CPE", "NEF", "CRP", "LEP", "ADN"),
)
DEVICES = ("dexcom", "libre", "apple_health")
LONG_GAP_S = 7200
"""Longer than an hour that the clocks leave out, shorter than a planted gap."""
INSULIN_CODES = {"27873-9", "20448-7", "59179-2", "14796-7"}
FASTING_CODES = {"27873-9", "59179-2"}
WITHDRAWN = {"W", "D", "entered-in-error"}
CONTRACT = {
    "labs": emit.LABS,
    "patients": emit.PATIENTS,
    "medications": emit.MEDICATIONS,
    "conditions": emit.CONDITIONS,
    "vitals": emit.VITALS,
}


@dataclass(frozen=True)
class Result:
    night: int
    path: str
    patient_id: str
    collected_at: str
    code: str
    value: str
    unit: str
    fasting: str
    assay: str
    status: str
    result_id: str

    @property
    def draw(self) -> str:
        return self.result_id.rpartition("-")[0]

    @property
    def ending(self) -> str:
        return self.result_id.rpartition("-")[2]

    @property
    def on(self) -> date:
        return datetime.fromisoformat(self.collected_at).date()


@dataclass(frozen=True)
class Found:
    """A clinic's files, read plainly."""

    made: Clinic

    @cached_property
    def files(self) -> list[tuple[int, str, bytes]]:
        nights = enumerate(self.made.nights, start=1)
        return [(k, path, data) for k, night in nights for path, data in night.files.items()]

    @cached_property
    def copies(self) -> set[str]:
        """Paths of files whose bytes came before."""
        seen: set[bytes] = set()
        found = set()
        for _, path, data in self.files:
            if data in seen and "observation" not in path:
                found.add(path)
            seen.add(data)
        return found

    @cached_property
    def broken(self) -> set[str]:
        return {path for _, path, data in self.files if is_broken(path, data)}

    @cached_property
    def results(self) -> list[Result]:
        """Laboratory results, each row that is the same to the letter once."""
        kept: dict[tuple[str, ...], Result] = {}
        for k, path, data in self.files:
            for result in results(k, path, data) if path not in self.broken else ():
                key = tuple(vars(replace(result, night=0, path="")).values())
                kept.setdefault(tuple(map(str, key)), result)
        return list(kept.values())

    def rows(self, kind: str) -> Iterator[tuple[int, dict[str, str]]]:
        for k, path, data in self.files:
            if path.startswith(f"clinic_csv/{kind}"):
                yield from ((k, row) for row in table(data))

    def resources(self, kind: str) -> Iterator[tuple[int, dict]]:
        for k, path, data in self.files:
            if path.startswith(f"fhir/{kind}") and path not in self.broken:
                yield from ((k, resource) for resource in ndjson(data))

    @cached_property
    def survivors(self) -> dict[str, str]:
        """Every registration -> the person."""
        into = {row["patient_id"]: row["merged_into"] for _, row in self.rows("patients")}
        for _, patient in self.resources("patient"):
            links = patient.get("link", [])
            other = links[0]["other"]["reference"].removeprefix("Patient/") if links else ""
            into[patient["id"]] = other or into.get(patient["id"], "")
        return {patient: merged or patient for patient, merged in into.items()}

    @cached_property
    def standing(self) -> dict[str, list[Result]]:
        """Person -> results in order of time, without those that were another patient's."""
        moved = {(r.patient_id, r.result_id) for r in self.results if r.status == "W"}
        found = defaultdict(list)
        for result in sorted(self.results, key=lambda r: r.collected_at):
            if (result.patient_id, result.result_id) not in moved:
                found[self.survivors[result.patient_id]].append(result)
        return found

    def insulin(self, person: str) -> list[Result]:
        return [r for r in self.standing[person] if r.ending == "INS" and r.status not in WITHDRAWN]

    @cached_property
    def notes(self) -> dict[str, str]:
        return dict(self.made.truth.select("patient_id", "note").iter_rows())

    def noted(self, words: str) -> dict[str, list[date]]:
        """People with these words in their note, and the days named after them."""
        return {
            person: [date.fromisoformat(day) for part in parts for day in DAY.findall(part)]
            for person, note in self.notes.items()
            if (parts := [part for part in note.split("; ") if part.startswith(words)])
        }


DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_broken(path: str, data: bytes) -> bool:
    if path.endswith(".gz"):
        try:
            gzip.decompress(data)
        except EOFError:
            return True
        return False
    return not path.endswith(".zip") and not data.endswith(b"\n")


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def ndjson(data: bytes) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(data).decode().split("\n") if line]


def results(night: int, path: str, data: bytes) -> Iterator[Result]:
    if path.startswith("clinic_csv/labs"):
        fields = Result.__dataclass_fields__.keys() - {"night", "path"}
        yield from (Result(night, path, **{f: row[f] for f in fields}) for row in table(data))
    if path.startswith("fhir/observation"):
        yield from (observed(night, path, resource) for resource in ndjson(data))


def observed(night: int, path: str, resource: dict) -> Result:
    quantity = resource.get("valueQuantity", {})
    value = f"{quantity.get('comparator', '')}{quantity.get('value', '')}"
    said = resource.get("valueCodeableConcept", {}).get("text", "")
    code = resource["code"]["coding"][0]["code"]
    return Result(
        night,
        path,
        resource["subject"]["reference"].removeprefix("Patient/"),
        resource["effectiveDateTime"],
        code,
        value or resource.get("valueString", said),
        quantity.get("unit", ""),
        said if code == "49541-6" else "",
        resource.get("method", {}).get("text", ""),
        resource["status"],
        resource["id"],
    )


@lru_cache
def found_in(patients: int, seed: int) -> Found:
    return Found(clinic(patients, seed))


@pytest.fixture(params=[(300, 11), (120, 5)], ids=["300 patients", "120 patients"])
def found(request: pytest.FixtureRequest) -> Found:
    return found_in(*request.param)


# ---------------------------------------------------------------- the whole


def test_the_same_arguments_give_the_same_bytes() -> None:
    again = clinic(120, 5)
    assert again.nights == found_in(120, 5).made.nights
    assert again.truth.equals(found_in(120, 5).made.truth)
    assert again.planted == found_in(120, 5).made.planted


def test_another_seed_gives_another_clinic() -> None:
    files = clinic(120, 6).nights[0].files
    assert (
        files["clinic_csv/labs-2026-11-16.csv"]
        != (found_in(120, 5).made.nights[0].files["clinic_csv/labs-2026-11-16.csv"])
    )


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="more patients"):
        clinic(119)


def test_the_last_night_is_the_one_asked_for() -> None:
    last = date(2025, 3, 2)
    nights = clinic(120, 5, last).nights
    assert [night.as_of for night in nights] == [last - timedelta(days=i) for i in range(4, -1, -1)]
    assert any("labs-2025-03-02.csv" in path for path in nights[-1].files)


def test_every_csv_has_the_columns_of_the_contract(found: Found) -> None:
    for _, path, data in found.files:
        if path.startswith("clinic_csv/"):
            header = data.decode("utf-8").split("\n")[0].split(",")
            kind = path.removeprefix("clinic_csv/").split("-")[0]
            assert tuple(header) == CONTRACT[kind]


def test_the_first_night_brings_the_bulk_and_the_others_little(found: Found) -> None:
    per_night = [sum(r.night == k for r in found.results) for k in range(1, 6)]
    assert all(count < per_night[0] / 20 for count in per_night[1:])
    assert all(count > 0 for count in per_night)


def test_no_result_comes_before_it_was_drawn(found: Found) -> None:
    for result in found.results:
        assert result.on < found.made.nights[result.night - 1].as_of


def test_draws_are_made_between_seven_and_ten(found: Found) -> None:
    hours = {datetime.fromisoformat(result.collected_at).hour for result in found.results}
    assert hours == {7, 8, 9}


def test_fhir_times_have_the_offset_of_their_day_and_csv_times_none(found: Found) -> None:
    for result in found.results:
        offset = datetime.fromisoformat(result.collected_at).utcoffset()
        if result.path.startswith("fhir"):
            assert offset in (timedelta(hours=1), timedelta(hours=2))
        else:
            assert offset is None


def test_a_quarter_of_the_patients_come_by_fhir(found: Found) -> None:
    by_fhir = {resource["id"] for _, resource in found.resources("patient")}
    assert 0.2 < len(by_fhir) / len(found.survivors) < 0.27


def test_both_analytes_are_of_every_draw(found: Found) -> None:
    drawn: dict[str, set[str]] = defaultdict(set)
    for result in found.results:
        drawn[result.draw].add(result.ending)
    labs = {draw: endings for draw, endings in drawn.items() if endings & set(LAB_ENDINGS)}
    assert all({"INS", "GLU"} <= endings for endings in labs.values())


# ---------------------------------------------------------------- the truth


def test_the_truth_has_everybody_once(found: Found) -> None:
    truth = found.made.truth
    assert sorted(truth["patient_id"]) == sorted(set(found.survivors.values()))
    assert truth["patient_id"].is_unique().all()
    assert truth.null_count().sum_horizontal().item() == 0
    assert set(truth["class_"]) <= {course.name for course in COURSES}


def test_a_positive_climbs_by_five_percent_and_the_enriched_are_positive(found: Found) -> None:
    truth = found.made.truth
    assert (truth.filter("is_positive")["slope_pct_year"] >= 5 - 1e-9).all()
    enriched = truth.filter(pl.col("note").str.contains("enriched"))
    assert enriched.height == found.made.planted["enriched"] == 12
    assert (enriched["class_"] == "climbing_compensated").all()
    assert enriched["is_positive"].sum() >= 11


def test_a_climber_crosses_the_threshold_with_a_draw_of_a_later_night() -> None:
    found = found_in(300, 11)
    late = found.noted("newest draw arrives").keys() & found.noted("enriched").keys()
    before, after = ({}, {})
    for p, nights in ((before, (1,)), (after, (1, 2, 3, 4, 5))):
        frame = trends(pairs(found, sorted(late), nights), latest_only=True).collect()
        p.update(frame.select("patient_id", "p_climbing_unseen").iter_rows())
    crossed = [person for person in late if before[person] < 0.5 <= after[person]]
    assert crossed


def pairs(found: Found, people: list[str], nights: tuple[int, ...]) -> pl.LazyFrame:
    rows = [
        (person, result.on, result.ending, float(result.value))
        for person in people
        for result in found.standing[person]
        if result.night in nights and result.ending in ("INS", "GLU")
    ]
    long = pl.DataFrame(rows, schema=["patient_id", "drawn_on", "analyte", "value"], orient="row")
    wide = long.pivot("analyte", index=["patient_id", "drawn_on"], values="value")
    return wide.rename({"INS": "insulin_uiu_ml", "GLU": "glucose_mg_dl"}).lazy()


# ---------------------------------------------------------------- what is planted


def test_everything_planted_is_there() -> None:
    planted = found_in(300, 11).made.planted
    assert all(count > 0 for count in planted.values())


def test_late_results_come_long_after_their_draw(found: Found) -> None:
    first = {r.result_id: r for r in sorted(found.results, key=lambda r: r.night, reverse=True)}
    late = [
        r
        for r in first.values()
        if r.night > 1
        and r.ending in LAB_ENDINGS
        and r.on < found.made.nights[r.night - 1].as_of - timedelta(days=14)
    ]
    assert len(late) == found.made.planted["late"]


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("corrected", {"C", "corrected"}),
        ("deleted", {"D", "entered-in-error"}),
        ("wrong_patient", {"W"}),
    ],
)
def test_a_later_version_names_a_result_sent_before(
    found: Found, name: str, statuses: set[str]
) -> None:
    changes = [result for result in found.results if result.status in statuses]
    assert len(changes) == found.made.planted[name]
    for change in changes:
        earlier = [r for r in found.results if r.result_id == change.result_id and r != change]
        known = [r for r in earlier if r.night < change.night]
        assert [r.patient_id for r in known] == [change.patient_id]
        assert known[0].value != change.value or name == "wrong_patient"


def test_a_result_of_the_wrong_patient_comes_to_its_owner(found: Found) -> None:
    for withdrawal in (r for r in found.results if r.status == "W"):
        (own,) = [
            r
            for r in found.results
            if r.result_id == withdrawal.result_id and r.patient_id != withdrawal.patient_id
        ]
        assert (own.status, own.value, own.night) == ("F", withdrawal.value, withdrawal.night)


def test_a_preliminary_result_becomes_final_the_night_after(found: Found) -> None:
    early = [result for result in found.results if result.status == "P"]
    assert len(early) == found.made.planted["preliminary"]
    for result in early:
        final = [r for r in found.results if r.result_id == result.result_id and r.status == "F"]
        assert [r.night for r in final] == [result.night + 1]


def test_a_cancelled_result_has_no_value(found: Found) -> None:
    cancelled = [r.value for r in found.results if r.status in ("X", "cancelled")]
    assert cancelled == [""] * found.made.planted["cancelled"]


def test_a_unit_slip_is_off_by_the_factor_of_its_unit(found: Found) -> None:
    valued = [r for r in found.results if r.value and r.unit == "mg/dL" and r.ending == "GLU"]
    glucose = [r for r in valued if float(r.value) < 30]
    insulin = list(found.noted("newest insulin in pmol/L"))
    assert len(glucose) + len(insulin) == found.made.planted["unit_slip"]
    for person in insulin:
        *usual, newest = [float(r.value) for r in found.insulin(person) if r.value[0].isdigit()]
        assert newest > 2 * median(usual)
        assert found.insulin(person)[-1].unit == "u[IU]/mL"


def test_codes_and_units_that_nobody_knows(found: Found) -> None:
    codes = [r for r in found.results if not re.fullmatch(r"\d{1,5}-\d", r.code)]
    assert len(codes) == found.made.planted["unknown_code"]
    units = [r for r in found.results if r.ending == "INS" and "tube" in r.unit]
    assert len(units) == found.made.planted["unknown_unit"]


def test_results_that_are_censored_or_haemolysed(found: Found) -> None:
    censored = {r.result_id for r in found.results if r.value.startswith("<")}
    haemolysed = {r.result_id for r in found.results if r.value == "HEMOLYZED"}
    assert len(censored) == found.made.planted["censored"]
    assert len(haemolysed) == found.made.planted["haemolysed"]


def test_draws_said_not_to_be_fasting(found: Found) -> None:
    said = {result.draw for result in found.results if result.fasting == "no"}
    visits = {draw for draw in said if not is_of_challenge(draw)}
    assert len(visits) == found.made.planted["non_fasting"]


def is_of_challenge(draw: str) -> bool:
    return draw.startswith("O")


def test_draws_after_food_that_are_said_to_be_fasting(found: Found) -> None:
    noted = found.noted("ate before")
    assert sum(map(len, noted.values())) == found.made.planted["non_fasting_unsaid"]
    for person, days in noted.items():
        for day in days:
            drawn = [r for r in found.standing[person] if r.on == day]
            said = {r.value if r.ending == "FST" else r.fasting for r in drawn}
            coded = {r.code for r in drawn} & FASTING_CODES
            assert coded or any(s == "yes" or s.isdigit() for s in said)


def test_haemolysed_draws_of_which_nothing_is_said(found: Found) -> None:
    noted = found.noted("haemolysed")
    assert sum(map(len, noted.values())) == found.made.planted["haemolysed_unsaid"]
    for person, days in noted.items():
        values = {r.on: r.value for r in found.insulin(person)}
        assert "HEMOLYZED" not in {values[day] for day in days if day in values}


def test_a_file_that_comes_twice_and_rows_that_come_twice(found: Found) -> None:
    assert len(found.copies) == found.made.planted["duplicate_file"]
    seen: set[str] = set()
    repeated = 0
    for _, path, data in found.files:
        if path.startswith("clinic_csv/labs") and path not in found.copies:
            rows = data.decode("utf-8").split("\n")[1:-1]
            repeated += sum(row in seen for row in rows)
            seen.update(rows)
    assert repeated == found.made.planted["duplicate_rows"]


def test_files_that_are_cut_or_damaged_and_sent_again(found: Found) -> None:
    assert len(found.broken) == found.made.planted["broken_file"] == 2
    for path in found.broken:
        stem, dot, ending = path.partition(".")
        again = [data for _, other, data in found.files if other == f"{stem}-resent{dot}{ending}"]
        cut = next(data for _, other, data in found.files if other == path)
        assert again[0].startswith(cut)


def test_a_source_that_sends_nothing_one_night(found: Found) -> None:
    sent = {(k, path.split("/")[0]) for k, path, _ in found.files}
    missing = {(k, s) for k in range(1, 6) for s in ("clinic_csv", "fhir")} - sent
    assert len(missing) == found.made.planted["missing_source"]


# ---------------------------------------------------------------- people


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("excluded_diabetes", "E11.9"),
        ("excluded_pregnancy", "Z33.1"),
        ("prediabetes", "R73.03"),
    ],
)
def test_people_with_a_diagnosis(found: Found, name: str, code: str) -> None:
    people = {row["patient_id"] for _, row in found.rows("conditions") if row["code"] == code}
    for _, condition in found.resources("condition"):
        if condition["code"]["coding"][0]["code"] == code:
            people.add(condition["subject"]["reference"].removeprefix("Patient/"))
    assert len(people) == found.made.planted[name]
    if name != "prediabetes":
        assert people == found.noted(f"excluded: {name.removeprefix('excluded_')}").keys()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("excluded_insulin", "Insulin"),
        ("excluded_sulfonylurea", "Gliclazide"),
        ("metformin", "Metformin"),
    ],
)
def test_people_on_a_medication(found: Found, name: str, word: str) -> None:
    names = [row["name"] for _, row in found.rows("medications")]
    for _, statement in found.resources("medication"):
        names.append(statement["medicationCodeableConcept"]["text"])
    assert sum(text.startswith(word) for text in names) == found.made.planted[name]


def test_minors_and_nobody_else_are_under_twenty(found: Found) -> None:
    born = {row["patient_id"]: row["birth_date"] for _, row in found.rows("patients")}
    born |= {patient["id"]: patient["birthDate"] for _, patient in found.resources("patient")}
    last = found.made.nights[-1].as_of
    limit = last.replace(year=last.year - 20)
    young = {person for person, day in born.items() if date.fromisoformat(day) > limit}
    assert young == found.noted("excluded: minor").keys()
    assert len(young) == found.made.planted["minors"]


def test_people_registered_twice(found: Found) -> None:
    merged = {person for alias, person in found.survivors.items() if alias != person}
    assert merged == found.noted("registered twice").keys()
    assert len(merged) == found.made.planted["merged"]
    with_results = {result.patient_id for result in found.results}
    assert {alias for alias, person in found.survivors.items() if alias != person} <= with_results


def test_people_who_stayed_away_and_people_who_just_came(found: Found) -> None:
    first, last = found.made.nights[0].as_of, found.made.nights[-1].as_of
    newest = {person: max(r.on for r in rows) for person, rows in found.standing.items()}
    stale = {person for person, day in newest.items() if (last - day).days > 400}
    assert stale == found.noted("newest draw over 400").keys()
    assert len(stale) == found.made.planted["stale"]
    assert sum(day >= first for day in newest.values()) == found.made.planted["new_draws"]


def test_people_in_si_units_and_people_with_two_assays(found: Found) -> None:
    insulin = {person: found.insulin(person) for person in found.standing}
    si = [p for p, rows in insulin.items() if {r.code for r in rows} & {"59179-2", "14796-7"}]
    assert len(si) == found.made.planted["si_units"]
    assays = [{result.assay for result in rows} for rows in insulin.values()]
    assert sum(len(names) > 1 for names in assays) == found.made.planted["assay_change"]


# ---------------------------------------------------------------- sensors


def test_sensor_files_stand_in_a_folder_of_their_wearer(found: Found) -> None:
    own = [path.split("/") for _, path, _ in found.files if path.startswith(DEVICES)]
    assert all(len(parts) == 3 for parts in own)
    for sources, planted, words in (
        (DEVICES[:2], "sensor_files", "wears a sensor"),
        (DEVICES[2:], "phone_files", "carries a phone"),
    ):
        people = [person for source, person, _ in own if source in sources]
        assert len(people) == found.made.planted[planted] == len(set(people))
        noted = {p for p, text in found.notes.items() if words in text}
        assert set(people) == noted


def sensor_rows(found: Found) -> Iterator[tuple[str, list[tuple[datetime, str]]]]:
    """Times and values of each sensor file, scans left out."""
    for _, path, data in found.files:
        text = data.decode("utf-8") if path.startswith(DEVICES[:2]) else ""
        if path.startswith("dexcom"):
            rows = [r for r in csv.DictReader(io.StringIO(text)) if r["Event Type"] == "EGV"]
            time, value = "Timestamp (YYYY-MM-DDThh:mm:ss)", "Glucose Value (mg/dL)"
            yield path, [(datetime.fromisoformat(r[time]), r[value]) for r in rows]
        if path.startswith("libre"):
            rows = list(csv.DictReader(io.StringIO(text.partition("\n")[2])))
            yield (
                path,
                [
                    (
                        datetime.strptime(r["Device Timestamp"], "%d-%m-%Y %H:%M"),  # noqa: DTZ007
                        r["Historic Glucose mg/dL"],
                    )
                    for r in rows
                    if r["Record Type"] == "0"
                ],
            )


def test_sensor_files_hold_low_and_high_a_gap_each_and_a_change_of_clocks(found: Found) -> None:
    low = high = gaps = changes = 0
    for _, rows in sensor_rows(found):
        values = [value for _, value in rows]
        low, high = low + values.count("Low"), high + values.count("High")
        steps = [(after - before).total_seconds() for (before, _), (after, _) in pairwise(rows)]
        gaps += sum(step > LONG_GAP_S for step in steps)
        changes += sum(step < 0 for step in steps)
    planted = found.made.planted
    assert (low, high) == (planted["sensor_low"], planted["sensor_high"])
    assert (gaps, changes) == (planted["sensor_gaps"], planted["clock_changes"])


def test_sensors_are_worn_for_ten_to_fourteen_days_and_rise_after_meals(found: Found) -> None:
    for path, rows in sensor_rows(found):
        days = (rows[-1][0] - rows[0][0]).total_seconds() / 86400
        assert 9.9 < days < 14.1, path
        night = [float(v) for t, v in rows if v.isdigit() and 4 <= t.hour < 6]
        noon = [float(v) for t, v in rows if v.isdigit() and t.hour in (13, 14)]
        assert median(noon) > median(night) + 10, path
