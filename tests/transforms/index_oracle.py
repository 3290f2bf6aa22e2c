"""Every index in plain arithmetic, written from its paper and not from the catalog.

A person is a mapping of measured values in the units that are stored: insulin uIU/mL, glucose,
triglyceride and HDL cholesterol mg/dL, NEFA mmol/L, C-peptide ng/mL, enzymes U/L, platelets
10*3/uL, waist cm, leptin ng/mL, adiponectin mg/L, HbA1c %, age in years, and 0 or 1 for female,
diabetes and hypertension. A tolerance test is the minutes of its draws beside glucose and insulin
at each. Limits of validity are not tested here: only what is undefined is None.

Two readings of one paper exist for some; what is taken here, and why:

* TyG: ln(TG x G / 2), the scale near 8.5; the same paper's corrected print is ln(TG x G) / 2, near
  4.5 (Hosseini 2017).
* Matsuda: means of the five draws, as the authors' own calculator; not areas divided by time.
* Stumvoll's clearance: 18.8; a methods paper (2018) prints 18.3. Its index without body mass:
  0.00541 a mmol/L of glucose; an R package rounds it to 0.0054.
* eGDR by waist, the form without the hips; the paper of 2000 has the ratio of waist to hip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

GLUCOSE_MG_DL = 18.016
"""mg/dL in one mmol/L: glucose weighs 180.16 g/mol."""
TRIGLYCERIDE_MG_DL = 88.57
"""mg/dL in one mmol/L, counted as triolein."""
CHOLESTEROL_MG_DL = 38.67
INSULIN_PMOL = 6.00
"""pmol/L in one uIU/mL (Knopp 2019, PMID 30318910)."""
C_PEPTIDE_PMOL = 1000 / 3.02
"""pmol/L in one ng/mL: C-peptide weighs 3,020 g/mol."""

Person = Mapping[str, float]


def molar(person: Person, name: str) -> float:
    """Glucose, triglyceride or HDL cholesterol in mmol/L."""
    weight = {"glucose": GLUCOSE_MG_DL, "triglyceride": TRIGLYCERIDE_MG_DL}
    return person[name] / weight.get(name, CHOLESTEROL_MG_DL)


# one fasting draw


def homa_ir(person: Person) -> float:
    """Matthews 1985 Diabetologia 28:412."""
    return person["insulin"] * molar(person, "glucose") / 22.5


def homa_b(person: Person) -> float | None:
    """Matthews 1985; percent; no value at 3.5 mmol/L and below."""
    over = molar(person, "glucose") - 3.5
    return 20 * person["insulin"] / over if over > 0 else None


def quicki(person: Person) -> float:
    """Katz 2000 JCEM 85:2402: logarithms to base ten, glucose in mg/dL."""
    return 1 / (math.log10(person["insulin"]) + math.log10(person["glucose"]))


def firi(person: Person) -> float:
    """Duncan 1995 Lancet 346:1120."""
    return person["insulin"] * molar(person, "glucose") / 25


def fgir(person: Person) -> float:
    """Legro 1998 JCEM 83:2694: mg/dL over uIU/mL."""
    return person["glucose"] / person["insulin"]


def revised_quicki(person: Person) -> float:
    """Perseghin 2001 JCEM 86:4776: fatty acids in mmol/L."""
    logs = (math.log10(person[name]) for name in ("insulin", "glucose", "nefa"))
    return 1 / sum(logs)


def adipo_ir(person: Person) -> float:
    """Sondergaard 2017 JCEM 102:1193: fatty acids in mmol/L by uIU/mL."""
    return person["nefa"] * person["insulin"]


def tyg(person: Person) -> float:
    """Simental-Mendia 2008 Metab Syndr Relat Disord 6:299: both in mg/dL."""
    return math.log(person["triglyceride"] * person["glucose"] / 2)


def tyg_bmi(person: Person) -> float:
    """Er 2016 PLoS One 11:e0149731."""
    return tyg(person) * person["bmi"]


def tyg_wc(person: Person) -> float:
    """Er 2016: waist in cm."""
    return tyg(person) * person["waist"]


def tg_hdl(person: Person) -> float:
    """McLaughlin 2003 Ann Intern Med 139:802: both in mg/dL."""
    return person["triglyceride"] / person["hdl"]


def mcauley(person: Person) -> float:
    """McAuley 2001 Diabetes Care 24:460: triglyceride in mmol/L."""
    ln_tg = math.log(molar(person, "triglyceride"))
    return math.exp(2.63 - 0.28 * math.log(person["insulin"]) - 0.31 * ln_tg)


def mets_ir(person: Person) -> float:
    """Bello-Chavolla 2018 EJE 178:533: all in mg/dL."""
    above = math.log(2 * person["glucose"] + person["triglyceride"]) * person["bmi"]
    return above / math.log(person["hdl"])


def spise(person: Person) -> float:
    """Paulmichl 2016 Clin Chem 62:1211: both in mg/dL."""
    below = float(person["triglyceride"] ** 0.2 * person["bmi"] ** 1.338)
    return 600 * float(person["hdl"] ** 0.185) / below


def vai(person: Person) -> float:
    """Amato 2010 Diabetes Care 33:920: both in mmol/L; the constants are of the sex."""
    a, b, tg, hdl = (36.58, 1.89, 0.81, 1.52) if person["female"] else (39.68, 1.88, 1.03, 1.31)
    shape = person["waist"] / (a + b * person["bmi"])
    return shape * (molar(person, "triglyceride") / tg) * (hdl / molar(person, "hdl"))


def lap(person: Person) -> float | None:
    """Kahn 2005 BMC Cardiovasc Disord 5:26; no value where the waist is under the constant."""
    over = person["waist"] - (58 if person["female"] else 65)
    return over * molar(person, "triglyceride") if over > 0 else None


def fli(person: Person) -> float:
    """Bedogni 2006 BMC Gastroenterol 6:33: triglyceride in mg/dL."""
    y = 0.953 * math.log(person["triglyceride"]) + 0.139 * person["bmi"]
    y += 0.718 * math.log(person["ggt"]) + 0.053 * person["waist"] - 15.745
    return 100 / (1 + math.exp(-y))


def hsi(person: Person) -> float:
    """Lee 2010 Dig Liver Dis 42:503."""
    extra = 2 * person["female"] + 2 * person.get("diabetes", 0)
    return 8 * person["alt"] / person["ast"] + person["bmi"] + extra


def fib_4(person: Person) -> float:
    """Sterling 2006 Hepatology 43:1317."""
    return person["age"] * person["ast"] / (person["platelets"] * math.sqrt(person["alt"]))


def lar(person: Person) -> float:
    """Finucane 2009 Diabetologia 52:2345: ng/mL over ug/mL, which is mg/L."""
    return person["leptin"] / person["adiponectin"]


def egdr(person: Person) -> float:
    """Williams 2000 Diabetes 49:626, in its later form by waist; mg/kg/min."""
    tension = 3.407 * person.get("hypertension", 0)
    return 21.158 - 0.09 * person["waist"] - tension - 0.551 * person["hba1c"]


def c_peptide_insulin(person: Person) -> float:
    """Molar ratio of fasting C-peptide to insulin, an inverse of first-pass uptake.

    Both leave the beta cell one for one (Polonsky 1984 Diabetes 33:486).
    """
    return person["c_peptide"] * C_PEPTIDE_PMOL / (person["insulin"] * INSULIN_PMOL)


FASTING: dict[str, Callable[[Person], float | None]] = {
    index.__name__: index
    for index in (
        *(homa_ir, homa_b, quicki, firi, fgir, revised_quicki, adipo_ir, tyg, tyg_bmi, tyg_wc),
        *(tg_hdl, mcauley, mets_ir, spise, vai, lap, fli, hsi, fib_4, lar, egdr),
        c_peptide_insulin,
    )
}


# a tolerance test


@dataclass(frozen=True)
class Ogtt:
    """Draws of one glucose tolerance test: minutes, glucose mg/dL, insulin uIU/mL."""

    minutes: Sequence[int]
    glucose: Sequence[float]
    insulin: Sequence[float]
    bmi: float
    age: float

    def g(self, minute: int) -> float:
        """Glucose at that minute, mg/dL."""
        return self.glucose[self.minutes.index(minute)]

    def i(self, minute: int) -> float:
        """Insulin at that minute, uIU/mL."""
        return self.insulin[self.minutes.index(minute)]

    def mmol(self, minute: int) -> float:
        """Glucose at that minute, mmol/L."""
        return self.g(minute) / GLUCOSE_MG_DL

    def pmol(self, minute: int) -> float:
        """Insulin at that minute, pmol/L."""
        return self.i(minute) * INSULIN_PMOL


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of the draws."""
    return math.fsum(values) / len(values)


def area(minutes: Sequence[int], values: Sequence[float]) -> float:
    """Area by trapezoids, in minutes."""
    pairs = zip(minutes, minutes[1:], values, values[1:], strict=False)
    return math.fsum((t1 - t0) * (v0 + v1) / 2 for t0, t1, v0, v1 in pairs)


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least squares."""
    x_mean, y_mean = mean(x), mean(y)
    above = math.fsum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return above / math.fsum((a - x_mean) ** 2 for a in x)


def matsuda(test: Ogtt) -> float:
    """Matsuda 1999 Diabetes Care 22:1462: means of the draws, mg/dL and uIU/mL."""
    product = test.g(0) * test.i(0) * mean(test.glucose) * mean(test.insulin)
    return 10_000 / math.sqrt(product)


def igi(test: Ogtt) -> float | None:
    """Seltzer 1967 Diabetes 16:323; no value where glucose has not risen by half an hour."""
    rise = test.g(30) - test.g(0)
    return (test.i(30) - test.i(0)) / rise if rise > 0 else None


def disposition(test: Ogtt) -> float | None:
    """Insulinogenic index by Matsuda's index (Utzschneider 2009 Diabetes Care 32:335)."""
    early = igi(test)
    return None if early is None else early * matsuda(test)


def hiri(test: Ogtt) -> float:
    """Abdul-Ghani 2007 Diabetes Care 30:89: areas of the first half hour.

    In (mg/dL / 100 x h) by (uIU/mL x h), the scale of clinical.md; the paper's own scale could not
    be read.
    """
    early = [test.minutes.index(0), test.minutes.index(30)]
    minutes = test.minutes[early[0] : early[1] + 1]
    g, i = (
        area(minutes, values[early[0] : early[1] + 1]) / 60
        for values in (test.glucose, test.insulin)
    )
    return g / 100 * i


def misi(test: Ogtt) -> float | None:
    """Abdul-Ghani 2007: least-squares fall from peak to nadir over mean insulin.

    mmol/L/min over pmol/L; no value where the peak is the last draw.
    """
    peak = test.glucose.index(max(test.glucose))
    after = list(test.glucose[peak:])
    nadir = peak + after.index(min(after))
    if nadir == peak:
        return None
    fall = slope(test.minutes[peak : nadir + 1], test.glucose[peak : nadir + 1])
    return -fall / GLUCOSE_MG_DL / (mean(test.insulin) * INSULIN_PMOL)


def stumvoll_isi(test: Ogtt) -> float:
    """Stumvoll 2000 Diabetes Care 23:295: umol/kg/min per pmol/L."""
    return 0.226 - 0.0032 * test.bmi - 0.0000645 * test.pmol(120) - 0.00375 * test.mmol(90)


def stumvoll_mcr(test: Ogtt) -> float:
    """Stumvoll 2000: metabolic clearance of glucose, mL/kg/min."""
    return 18.8 - 0.271 * test.bmi - 0.0052 * test.pmol(120) - 0.27 * test.mmol(90)


def stumvoll_isi_age(test: Ogtt) -> float:
    """Stumvoll 2001 Diabetes Care 24:796, where glucose is not known."""
    return 0.222 - 0.00333 * test.bmi - 0.0000779 * test.pmol(120) - 0.000422 * test.age


def stumvoll_isi_no_bmi(test: Ogtt) -> float:
    """Stumvoll 2001, where the person is not known."""
    insulin = 0.0000459 * test.pmol(120) + 0.000321 * test.pmol(0)
    return 0.156 - insulin - 0.00541 * test.mmol(120)


def stumvoll_first(test: Ogtt) -> float:
    """Stumvoll 2000: first phase of secretion, pmol/L."""
    return 1283 + 1.829 * test.pmol(30) - 138.7 * test.mmol(30) + 3.772 * test.pmol(0)


def stumvoll_second(test: Ogtt) -> float:
    """Stumvoll 2000: second phase of secretion, pmol/L."""
    return 287 + 0.416 * test.pmol(30) - 26.07 * test.mmol(30) + 0.926 * test.pmol(0)


LOADED: dict[str, Callable[[Ogtt], float | None]] = {
    index.__name__: index
    for index in (
        *(matsuda, igi, disposition, hiri, misi, stumvoll_isi, stumvoll_mcr, stumvoll_isi_age),
        *(stumvoll_isi_no_bmi, stumvoll_first, stumvoll_second),
    )
}


# the worked cases of the clinical reference, section 3

A: Person = {
    "glucose": 5.0 * GLUCOSE_MG_DL,
    "triglyceride": 1.0 * TRIGLYCERIDE_MG_DL,
    "hdl": 1.5 * CHOLESTEROL_MG_DL,
    "insulin": 6,
    "nefa": 0.40,
    "hba1c": 5.2,
    "alt": 18,
    "ast": 20,
    "ggt": 18,
    "platelets": 250,
    "leptin": 8,
    "adiponectin": 12,
    "bmi": 22,
    "waist": 78,
    "age": 35,
    "female": 1,
}
B: Person = {
    "glucose": 5.3 * GLUCOSE_MG_DL,
    "triglyceride": 2.2 * TRIGLYCERIDE_MG_DL,
    "hdl": 0.95 * CHOLESTEROL_MG_DL,
    "insulin": 18,
    "nefa": 0.65,
    "hba1c": 5.5,
    "alt": 48,
    "ast": 32,
    "ggt": 45,
    "platelets": 230,
    "leptin": 22,
    "adiponectin": 5,
    "bmi": 33,
    "waist": 110,
    "age": 50,
    "female": 0,
    "hypertension": 1,
}
FIVE = (0, 30, 60, 90, 120)
C = Ogtt(FIVE, (90, 140, 130, 115, 100), (6, 50, 55, 45, 30), bmi=22, age=35)
D = Ogtt(FIVE, (95, 160, 170, 150, 130), (18, 120, 180, 170, 140), bmi=33, age=50)
