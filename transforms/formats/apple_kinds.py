"""What Apple Health calls things: its record types, the words of its categories, its units, and
the text by which it describes a device.

Names are those of HealthKit without their prefix (``HKQuantityTypeIdentifierStepCount`` is
``StepCount``), as Apple's documentation and exports of format versions 3 to 14 write them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

import polars as pl

PREFIXES = r"^HK(?:(?:Quantity|Category|Correlation|Data)Type(?:Identifier)?|WorkoutActivityType)"
SAMPLES = {
    "StepCount": "steps",
    "HeartRate": "heart_rate",
    "RestingHeartRate": "resting_heart_rate",
    "HeartRateVariabilitySDNN": "heart_rate_variability_sdnn",
    "RespiratoryRate": "respiratory_rate",
    "OxygenSaturation": "oxygen_saturation",
    "ActiveEnergyBurned": "active_energy",
}
"""Quantity -> kind of sample."""

VITALS = {
    "BodyMass": "29463-7",
    "BodyMassIndex": "39156-5",
    "BodyFatPercentage": "41982-0",
    "Height": "8302-2",
    "WaistCircumference": "8280-0",
    "BloodPressureSystolic": "8480-6",
    "BloodPressureDiastolic": "8462-4",
    "BodyTemperature": "8310-5",
}
"""Quantity -> LOINC code of an observation."""

GLUCOSE = "BloodGlucose"
CAPILLARY = {"mg/dL": "41653-7", "mmol/L": "14743-9"}
"""Unit -> LOINC code of glucose in capillary blood by a meter."""

SLEEP, FLOW = "SleepAnalysis", "MenstrualFlow"
SESSIONS = ("Asleep", "AsleepUnspecified")
"""Sleep without a stage: what iOS wrote before 16, and what an app may write over a whole night."""
STAGES = ("AsleepCore", "AsleepDeep", "AsleepREM")
LEVELS = ("Unspecified", "Light", "Medium", "Heavy")
SYMPTOMS = (
    *("AbdominalCramps", "Acne", "AppetiteChanges", "BladderIncontinence", "Bloating"),
    *("BreastPain", "ChestTightnessOrPain", "Chills", "Constipation", "Coughing", "Diarrhea"),
    *("Dizziness", "DrySkin", "Fainting", "Fatigue", "Fever", "GeneralizedBodyAche", "HairLoss"),
    *("Headache", "Heartburn", "HotFlashes", "LossOfSmell", "LossOfTaste", "LowerBackPain"),
    *("MemoryLapse", "MoodChanges", "Nausea", "NightSweats", "PelvicPain"),
    *("RapidPoundingOrFlutteringHeartbeat", "RunnyNose", "ShortnessOfBreath", "SinusCongestion"),
    *("SkippedHeartbeat", "SleepChanges", "SoreThroat", "VaginalDryness", "Vomiting", "Wheezing"),
)
PRESENT = ("Unspecified", "Mild", "Moderate", "Severe", "Present", "Increased", "Decreased")
ABSENT = {SLEEP: ("Awake",), FLOW: ("None",)} | dict.fromkeys(SYMPTOMS, ("NotPresent", "NoChange"))
"""Category -> words that say that nothing of the kind was there."""
WORD_PREFIX = (
    r"^HKCategoryValue(?:SleepAnalysis|MenstrualFlow|VaginalBleeding|Severity|Presence"
    r"|AppetiteChanges)?"
)

FRACTIONS = ("OxygenSaturation", "BodyFatPercentage")
_MOLAR = r"^mmol<180\.1\d*>/L$"


def words() -> pl.DataFrame:
    """Every word of a category that is known: ``type``, ``word``, ``kind`` (null where nothing
    was there) and ``named``, what becomes of the word as a sample's code."""
    rows = [
        (SLEEP, "InBed", "in_bed_duration", "InBed"),
        *((SLEEP, word, "sleep_duration", word) for word in (*SESSIONS, *STAGES)),
        *((FLOW, word, "menstrual_flow", word) for word in LEVELS),
        *((name, word, "symptom", snake(name)) for name in SYMPTOMS for word in PRESENT),
        *((name, word, None, None) for name, listed in ABSENT.items() for word in listed),
    ]
    columns = ["type", "word", "kind", "named"]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def categories() -> dict[str, str]:
    """Category -> the kind of sample it is."""
    return {SLEEP: "sleep_duration", FLOW: "menstrual_flow"} | dict.fromkeys(SYMPTOMS, "symptom")


def snake(name: str) -> str:
    """HealthKit's name in lower case, words joined by ``_``.

    >>> snake("SoreThroat")
    'sore_throat'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def ucum(kind: pl.Expr, unit: pl.Expr) -> pl.Expr:
    """Apple's unit as others write it, where Apple means another thing by it or spells it alone.

    HealthKit's percent has 1.0 for the whole: an oxygen saturation of 97 % is exported as 0.97
    with unit ``%``, so the unit is 1. Its count of a body-mass index is kg/m2, its ``Cal`` (not
    ``cal``) the kilocalorie, and its mmol carries the molar mass of glucose.
    """
    return (
        pl.when(kind.is_in(FRACTIONS) & (unit == "%")).then(pl.lit("1"))
        .when((kind == "BodyMassIndex") & (unit == "count")).then(pl.lit("kg/m2"))
        .when(unit == "Cal").then(pl.lit("kcal"))
        .when(unit.str.contains(_MOLAR)).then(pl.lit("mmol/L"))
        .otherwise(unit)
    )  # fmt: skip


PART = r"(name|manufacturer|model|hardware|firmware|software|localIdentifier|UDI|creation date)"
_PARTS = re.compile(rf", {PART}:(.*?)(?=, {PART}:|>*$)")
ADDRESS = r"^<<HKDevice: 0x[0-9a-fA-F]+>"
"""A place in the phone's memory while it exported: another one every time."""
_MOST_LETTERS = 500
_PLAIN = re.compile(r"^[\w .,/+()-]{1,40}$")
_PRODUCT = re.compile(
    r"apple watch|iphone|ipad|dexcom(?: (?:g\d+|one\+?))?|stelo|(?:freestyle )?libre(?:link)?"
    r"(?: \d)?|lingo|eversense|withings|omron|garmin|fitbit|oura|polar|samsung|whoop|strava"
    r"|contour|onetouch|accu-chek",
    re.IGNORECASE,
)
_SENSOR = re.compile(
    r"dexcom|\bstelo\b|\blibre|\blingo\b|eversense|guardian (?:connect|sensor|4)|simplera|cgmblekit"
    r"|sibionics|aidex|medtrum|xdrip|sugarmate",
    re.IGNORECASE,
)


def device(described: str | None, source: str | None) -> str:
    """Make and model of what measured, and a mark of the source's name that tells two of them
    apart.

    Neither address nor software stands in it: both change between two exports of one record. A
    source's name may hold a person's ("Anna's Apple Watch"), so only its mark is kept, and of its
    words those that name a product.

    >>> device("<<HKDevice: 0x28>, name:Apple Watch, manufacturer:Apple Inc., model:Watch, "
    ...        "hardware:Watch6,1, software:8.1>", "Anna's Apple Watch")
    'Apple Watch6,1 f33865'
    """
    described, named = _start(described), unicodedata.normalize("NFKC", _start(source)).casefold()
    mark = hashlib.blake2b(" ".join(named.split()).encode(), digest_size=3).hexdigest()
    return f"{_model(described) or _product(described) or _product(named) or 'app'} {mark}"


def is_sensor(described: str | None, source: str | None) -> bool:
    """Whether glucose of this device comes of a sensor that is worn, and not of a finger."""
    return any(_SENSOR.search(text) for text in (_start(described), _start(source)))


def _start(text: str | None) -> str:
    """Enough of a text to know a device by: a hostile one could have millions of characters."""
    return (text or "")[:_MOST_LETTERS]


def _model(described: str) -> str | None:
    parts = {name: text.strip() for name, text, _ in _PARTS.findall(described)}
    maker, model, hardware = (
        part if _PLAIN.match(part) else ""
        for part in (parts.get(name, "") for name in ("manufacturer", "model", "hardware"))
    )
    if maker.startswith("Apple"):
        maker, model = "Apple", "" if hardware else model
    return " ".join(dict.fromkeys(part for part in (maker, model, hardware) if part)) or None


def _product(text: str) -> str | None:
    found = _PRODUCT.search(text)
    return found[0].lower() if found else None
