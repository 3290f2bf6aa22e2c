"""A synthetic clinic: five nights of files in real formats, and the truth about everybody.

People and their draws are simulated (:mod:`physiology`), written down by laboratories and nurses
(:mod:`results`), befallen by what befalls real deliveries (:mod:`incidents`), and written out
(:mod:`emit`); some people wear sensors (:mod:`worn`) or carry phones (:mod:`phones`). The first
night brings everything known before; the others are small. The same arguments give the same
bytes: there is no clock here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from transforms.synthetic import emit, register
from transforms.synthetic.challenges import challenge_results
from transforms.synthetic.incidents import EVENING, EVENING_NIGHT, MAIN, befallen
from transforms.synthetic.people import NIGHTS, clientele
from transforms.synthetic.phones import Carried, carried
from transforms.synthetic.results import answers, results, stamped, visits, vitals
from transforms.synthetic.truth import counts, truth
from transforms.synthetic.worn import Worn, worn

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
    (climbs unseen; simulated, so of excluded people too), ``liver_course`` and ``adipose_course``
    (``worsening`` or ``steady``, apart from what insulin itself does to the tissue's indices),
    ``liver_pct_year``, ``adipose_pct_year`` (their pace at first), ``note`` (what was arranged,
    by ";").
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
    challenges = challenge_results(visit, seed)
    rows = befallen(pl.concat([results(visit), challenges]))
    tables = {
        "labs": rows,
        "vitals": vitals(visit),
        "patients": register.patients(clients),
        "conditions": register.conditions(clients, seed, nights[0]),
        "medications": register.medications(clients, nights[0]),
    }
    sensors = tuple(worn(clients.people, visit, nights[0], seed))
    phones = tuple(carried(visit, nights[0], seed))
    brought = [_delivery(tables, (*sensors, *phones), k, nights) for k in range(1, NIGHTS + 1)]
    files = _mishaps(brought, nights)
    return Clinic(
        nights=tuple(Night(*night) for night in zip(nights, files, strict=True)),
        truth=truth(clients, visit, challenges),
        planted={
            **counts(clients, visit, tables, [(each.path, each.readings) for each in sensors]),
            "phone_files": len(phones),
        },
    )


def _delivery(
    tables: Mapping[str, pl.DataFrame],
    devices: tuple[Worn | Carried, ...],
    k: int,
    nights: tuple[date, ...],
) -> Files:
    """The files of night ``k`` (from 1) as they should be."""
    tonight = {name: table.filter(pl.col("night") == k) for name, table in tables.items()}
    day = nights[k - 1]
    exported = {each.path: each.file(day) for each in devices if each.night == k}
    return {**_clinic_csv(tonight, day), **_fhir(tonight, day), **exported}


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
