"""A synthetic clinic: five nights of files in real formats, and the truth about everybody.

People and their draws are simulated (:mod:`physiology`), written down by laboratories and nurses
(:mod:`results`), befallen by what befalls real deliveries (:mod:`incidents`), and written out
(:mod:`emit`). The first night brings everything known before; the others are small. The same
arguments give the same bytes: there is no clock here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from transforms.synthetic import emit, register
from transforms.synthetic.incidents import EVENING, EVENING_NIGHT, MAIN, befallen
from transforms.synthetic.people import NIGHTS, clientele
from transforms.synthetic.results import answers, results, stamped, visits, vitals
from transforms.synthetic.sensors import Wear, autumn_change, readings
from transforms.synthetic.truth import counts, truth

Files = dict[str, bytes]

DAMAGED_NIGHT, RESENT_NIGHT = 3, 5
"""The night whose FHIR results arrive damaged, and the one that brings them again."""
COPIED_NIGHT = 2
"""The night whose file of results comes again, as it was, on the next."""
RESENT = "-resent"


@dataclass(frozen=True)
class Night:
    """The files of one night: path below ``inbox/`` -> bytes."""

    as_of: date
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Clinic:
    """Five consecutive nights, and what is true.

    ``truth``: a row a person: ``patient_id`` (the surviving one), ``class_`` (the simulated
    course), ``slope_pct_year`` (of true insulin over the person's own draws), ``is_positive``
    (climbs unseen; simulated, so of excluded people too), ``note`` (what was arranged, by ";").
    ``planted``: name -> how often it is found in the files: rows for what happens to a result
    (``late`` to ``unknown_unit``), results for ``censored`` and ``haemolysed``, draws for
    ``non_fasting`` and the ``..._unsaid``, people, files or readings for the rest.
    """

    nights: tuple[Night, ...]
    truth: pl.DataFrame
    planted: Mapping[str, int]


def clinic(patients: int = 300, seed: int = 11, last_night: date = date(2026, 11, 20)) -> Clinic:
    """Build a clinic.

    Args:
        patients: how many people; what is planted does not grow with them, but new and stale
            draws do.
        seed: everything follows from it.
        last_night: the business date of the fifth night.

    Raises:
        ValueError: fewer than 120 patients.
    """
    nights = tuple(last_night - timedelta(days=NIGHTS - 1 - i) for i in range(NIGHTS))
    clients = clientele(patients, seed, nights)
    visit = visits(clients, seed, nights[0])
    rows = befallen(results(visit))
    tables = {
        "labs": rows,
        "vitals": vitals(visit),
        "patients": register.patients(clients),
        "conditions": register.conditions(clients, seed, nights[0]),
        "medications": register.medications(clients, nights[0]),
    }
    worn = tuple(_worn(clients.people, nights[0], seed))
    files = _mishaps([_delivery(tables, worn, k, nights) for k in range(1, NIGHTS + 1)], nights)
    return Clinic(
        nights=tuple(Night(*night) for night in zip(nights, files, strict=True)),
        truth=truth(clients, visit),
        planted=counts(clients, visit, tables, [(each.path, each.readings) for each in worn]),
    )


def _delivery(
    tables: Mapping[str, pl.DataFrame], worn: tuple[_Worn, ...], k: int, nights: tuple[date, ...]
) -> Files:
    """The files of night ``k`` (from 1) as they should be."""
    tonight = {name: table.filter(pl.col("night") == k) for name, table in tables.items()}
    day = nights[k - 1]
    sensors = {each.path: each.file(day) for each in worn if each.night == k}
    return {**_clinic_csv(tonight, day), **_fhir(tonight, day), **sensors}


def _clinic_csv(tonight: Mapping[str, pl.DataFrame], day: date) -> Files:
    own = _of_source(tonight, "clinic_csv")
    labs = stamped(_in_order(own["labs"]), has_offset=False)
    measured = stamped(_in_order(own["vitals"]), has_offset=False)
    written: dict[str, tuple[Callable[[pl.DataFrame], bytes], pl.DataFrame]] = {
        f"patients-{day}": (emit.patients_csv, own["patients"]),
        f"labs-{day}": (emit.labs_csv, labs.filter(pl.col("batch") == MAIN)),
        f"labs-{day}-{EVENING}": (emit.labs_csv, labs.filter(pl.col("batch") == EVENING)),
        f"vitals-{day}": (emit.vitals_csv, measured.rename({"collected_at": "observed_at"})),
        f"conditions-{day}": (emit.conditions_csv, own["conditions"]),
        f"medications-{day}": (emit.medications_csv, own["medications"]),
    }
    return {
        f"clinic_csv/{name}.csv": write(frame)
        for name, (write, frame) in written.items()
        if frame.height
    }


def _fhir(tonight: Mapping[str, pl.DataFrame], day: date) -> Files:
    own = _of_source(tonight, "fhir")
    observed = [own["labs"], answers(own["labs"]), own["vitals"]]
    labs = stamped(_in_order(pl.concat(observed, how="diagonal")), has_offset=True)
    written: dict[str, tuple[Callable[[pl.DataFrame], bytes], pl.DataFrame]] = {
        "patient": (emit.patient_ndjson, own["patients"]),
        "observation": (emit.observation_ndjson, labs),
        "condition": (emit.condition_ndjson, own["conditions"]),
        "medication": (emit.medication_ndjson, own["medications"]),
    }
    return {
        f"fhir/{name}-{day}.ndjson.gz": emit.gzipped(write(frame))
        for name, (write, frame) in written.items()
        if frame.height
    }


def _of_source(tonight: Mapping[str, pl.DataFrame], source: str) -> dict[str, pl.DataFrame]:
    return {name: frame.filter(pl.col("source") == source) for name, frame in tonight.items()}


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """As a laboratory's system exports: by time of report."""
    return rows.sort("reported_at", "result_id", "status", maintain_order=True)


def _mishaps(files: list[Files], nights: tuple[date, ...]) -> list[Files]:
    """What befalls whole files: cut, damaged, sent again, copied."""
    damaged = [dict(night) for night in files]

    def night(k: int) -> Files:
        return damaged[k - 1]

    evening = f"clinic_csv/labs-{nights[EVENING_NIGHT - 1]}-{EVENING}"
    whole = night(EVENING_NIGHT)[f"{evening}.csv"]
    night(EVENING_NIGHT)[f"{evening}.csv"] = _cut(whole)
    night(EVENING_NIGHT + 1)[f"{evening}{RESENT}.csv"] = whole

    bulk = f"fhir/observation-{nights[DAMAGED_NIGHT - 1]}"
    packed = night(DAMAGED_NIGHT)[f"{bulk}.ndjson.gz"]
    night(DAMAGED_NIGHT)[f"{bulk}.ndjson.gz"] = packed[: len(packed) * 2 // 3]
    night(RESENT_NIGHT)[f"{bulk}{RESENT}.ndjson.gz"] = packed

    copied = f"clinic_csv/labs-{nights[COPIED_NIGHT - 1]}"
    night(COPIED_NIGHT + 1)[f"{copied}-copy.csv"] = night(COPIED_NIGHT)[f"{copied}.csv"]
    return [dict(sorted(night.items())) for night in damaged]


def _cut(whole: bytes) -> bytes:
    """The file as it is when its last row stopped halfway."""
    last = whole.rindex(b"\n", 0, -1) + 1
    return whole[: (last + len(whole)) // 2]


# ---------------------------------------------------------------- sensors


@dataclass(frozen=True, slots=True)
class _Worn:
    """One sensor's file to be: whose, of which brand, on which night."""

    brand: str
    night: int
    wearer: emit.Wearer
    readings: pl.DataFrame

    @property
    def path(self) -> str:
        name = {"dexcom": "clarity", "libre": "libre"}[self.brand]
        return f"{self.brand}/{self.wearer.patient_id}/{name}.csv"

    def file(self, day: date) -> bytes:
        if self.brand == "dexcom":
            return emit.clarity_csv(self.readings, self.wearer)
        return emit.libre_csv(self.readings, self.wearer, datetime.combine(day, time(20)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A brand's sensor: the night its file comes, when it was put on, nights lain upon."""

    brand: str
    night: int
    starts_on: date
    days: int
    low_nights: tuple[int, ...] = ()

    def wear(self, glucose: float, *, is_high: bool) -> Wear:
        """This sensor on somebody of that fasting glucose; ``is_high``: far above it all day."""
        return Wear(
            self.starts_on,
            self.days,
            step=5 if self.brand == "dexcom" else 15,
            base=glucose + (45 if is_high else 3),
            appetite=5.5 if is_high else 1.0,
            low_nights=self.low_nights,
            scanned=0.0 if self.brand == "dexcom" else 0.08,
        )


def _plans(first: date) -> tuple[_Plan, ...]:
    """The first is worn over the night on which the clocks go back."""

    def before(days: int) -> date:
        return first - timedelta(days=days)

    return (
        _Plan("dexcom", 1, autumn_change(first) - timedelta(days=6), 12, (2,)),
        _Plan("dexcom", 1, before(15), 14, (3, 9)),
        _Plan("dexcom", 3, before(9), 10),
        _Plan("libre", 1, before(15), 14, (6,)),
        _Plan("libre", 4, before(10), 11),
        _Plan("dexcom", 2, before(14), 14),
    )


def _worn(people: pl.DataFrame, first: date, seed: int) -> Iterator[_Worn]:
    """Four of one brand and two of the other, the last on somebody whose glucose is high."""
    wearers = people.filter(pl.col("role").is_in(["sensor", "high_sensor"])).sort(
        pl.col("role") == "high_sensor", "patient_id"
    )
    columns = wearers.select("patient_id", "birth_date", "last_glucose", "role").iter_rows()
    for i, (plan, found) in enumerate(zip(_plans(first), columns, strict=False)):
        patient_id, birth_date, glucose, role = found
        wear = plan.wear(glucose, is_high=role == "high_sensor")
        shown = readings(wear, np.random.default_rng((seed, 5, i)))
        wearer = emit.Wearer(patient_id, birth_date, f"8X{seed % 100:02}{i + 1:02}")
        yield _Worn(plan.brand, plan.night, wearer, shown)
