"""Words: what sources write for a status, for fasting, for sex, and where a number should be.

Every map goes from folded text (see :func:`folded_words`) to one word of ours. A word that is
not in its map gives null: the caller decides whether that is an error, so nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def _map(**listed: str) -> dict[str, str]:
    """Meaning -> its words, separated by ``|``, turned round to word -> meaning."""
    pairs = [(word, meaning) for meaning, words in listed.items() for word in words.split("|")]
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a word is listed twice")
    return dict(pairs)


RESULT_STATUS: dict[str, str] = _map(
    final="f|u|v|final|final result|final results|finalized|finalised|verified|validated|valid"
    "|complete|completed|released|authorised|authorized",
    corrected="c|corrected|correction|corrected result|corrected report",
    amended="a|b|amended|amendment|appended|addendum|revised|updated",
    preliminary="p|r|s|i|o|preliminary|prelim|preliminary result|partial|partial result|registered"
    "|pending|in progress|in process|specimen in lab|specimen in process|entered not verified",
    cancelled="x|n|cancelled|canceled|cancel|cannot be obtained|not obtained|not done|not performed"
    "|not asked|unable to obtain|aborted",
    entered_in_error="entered in error|error|in error|posted in error|erroneous",
    deleted="d|delete|deleted|removed|retracted|withdrawn|void|voided",
    wrong_patient="w|wrong|wrong patient|wrong person|posted to wrong patient|not this patient",
    unknown="unknown|unk",
)
"""HL7 table 0085 (2.9), FHIR observation-status (R4 to R6) and English -> our status.

``D`` and ``W`` are one in FHIR (entered-in-error); here they stay apart, because a result of
another patient says more than a deletion. ``I`` ``O`` ``R`` ``S`` have no final value yet;
``U`` makes a preliminary value final; ``V`` confirms a final one; ``N`` and ``X`` have no value.
"""

ENTRY_STATUS: dict[str, str] = _map(
    final="active|confirmed|stopped|on hold|ended|dispensed|recurrence|relapse|inactive|remission"
    "|resolved|recorded",
    preliminary="provisional|differential|unconfirmed|draft|intended|preparation|suspected",
    entered_in_error="refuted",
    deleted="not taken|do not perform",
)
"""What FHIR says of a condition or medication beside the words of a result -> our status.

A refuted diagnosis and a drug never taken count as taken back: nothing may be excluded by them.
"""

STATUS: dict[str, str] = {**RESULT_STATUS, **ENTRY_STATUS}
"""Every status word of a result, a condition or a medication -> our status."""

WITHDRAWALS: frozenset[str] = frozenset({"entered_in_error", "deleted", "wrong_patient"})
"""The statuses that take back what was reported of that patient before."""

FASTING: dict[str, str] = _map(
    yes="y|yes|true|fasting|fasted|fast|was fasting|patient fasting|patient was fasting"
    "|fasting yes|overnight fast|la33 6"
    "|ja|nuchtern|nuechtern|nuchter|oui|a jeun|ajeun|jeun|si|sim|ayunas|en ayunas|ayuno|en ayuno"
    "|digiuno|a digiuno|jejum|em jejum|fastande|fastende|paasto",
    no="n|no|false|nf|non fasting|nonfasting|not fasting|non fasted|nonfasted|not fasted|unfasted"
    "|fasting no|fed|random|casual|postprandial|post prandial|post meal|postmeal|after meal"
    "|after food|pp|la32 8"
    "|nein|nee|non|nao|nicht nuchtern|nicht nuechtern|niet nuchter|non a jeun|pas a jeun"
    "|no ayunas|no en ayunas|sin ayuno|non a digiuno|non digiuno|sem jejum|postprandiale"
    "|postprandiaal|ikke fastende|ej fastande",
    unknown="unknown|unk|u|ng|not given|not stated|not recorded|not known|not asked|n a|na"
    "|unbekannt|inconnu|desconocido|sconosciuto|desconhecido|onbekend",
)
"""What a source says of the draw -> ``yes``, ``no``, ``unknown``.

``1`` is left out (it would be an hour of fasting) and so is ``f`` (fasting, or false).
``NF`` and ``NG`` are of HL7 table 0916; ``LA33-6`` and ``LA32-8`` LOINC's answers yes and no.
"""

SAID_BEFORE: dict[str, str] = {"F": "fasting", "NF": "not fasting", "NG": "not given"}
"""HL7 table 0916 (OBR-13, and the fasting status of a FHIR Specimen) in words of :data:`FASTING`."""

SPECIMEN: dict[str, str] = {
    "AUT": "autolyzed",
    "CLOT": "clotted",
    "CON": "contaminated",
    "HEM": "hemolyzed",
    "LIP": "lipaemic",
    "SNR": "sample not received",
}
"""HL7 table 0493 (SPM-24, and the condition of a FHIR Specimen), what matters of it, in words
that :func:`absent_reason` and :func:`is_haemolysed` know."""

SEX: dict[str, str] = _map(
    male="m|male|man|boy|mannlich|maennlich|mann|mannelijk|homme|masculin|masculino|hombre"
    "|maschio|maschile",
    female="f|w|female|woman|girl|weiblich|frau|vrouw|vrouwelijk|femme|feminin|femenino|feminino"
    "|mujer|femmina|femminile",
    other="o|a|x|d|other|ambiguous|divers|diverse|non binary|nonbinary|intersex|indeterminate"
    "|undifferentiated",
    unknown="u|n|unknown|unk|unbekannt|not applicable|not stated|not recorded|n a|na|inconnu"
    "|asked unknown",
)
"""Administrative sex, HL7 table 0001 and words -> FHIR's four. Numbers differ between countries
and studies: they are the mapping of the source's own settings."""

ABSENT: dict[str, str] = _map(
    not_done="not done|not performed|not tested|not measured|not determined|test not performed"
    "|test not done|tnp|notdone|nicht bestimmt|nicht gemessen|niet bepaald|non effectue|non realise"
    "|no realizado|non eseguito|nao realizado|no result|no result obtained|not reported"
    "|not ordered",
    quantity_insufficient="qns|q n s|quantity not sufficient|quantity insufficient|insufficient"
    "|insufficient quantity|insufficient sample|insufficient specimen|insufficient volume"
    "|insufficient material|sample insufficient|specimen insufficient|zu wenig material"
    "|material ungenugend|material ungenuegend|quantite insuffisante|muestra insuficiente",
    cancelled="cancelled|canceled|cancel|test cancelled|test canceled|order cancelled"
    "|order canceled|credited|storniert|annule|anulado|annullato",
    see_comment="see comment|see comments|see note|see notes|see below|see report|see text|comment"
    "|see attached|see scanned report|siehe kommentar|siehe bemerkung|voir commentaire|as text",
    pending="pending|in progress|in process|to follow|tbf|result to follow|results to follow"
    "|awaited|outstanding|ausstehend|folgt|en cours|en proceso|temp unknown",
    error="error|err|invalid|invalid result|instrument error|analyser error|analyzer error|failed"
    "|equipment failure|technical error|fehler|erreur|value|ref|div 0",
    clotted="clotted|clot|sample clotted|specimen clotted|clotted sample|clotted specimen"
    "|geronnen|coagule|coagulado",
    contaminated="contaminated|contamination|sample contaminated|specimen contaminated"
    "|contaminated sample|contaminated specimen|iv contamination|kontaminiert",
    lipaemic="lipaemic|lipemic|sample lipaemic|sample lipemic|specimen lipemic|lipamisch|lipemique"
    "|lipemico",
    unsuitable="unsuitable|unsatisfactory|rejected|sample rejected|specimen rejected"
    "|unsuitable sample|unsuitable specimen|specimen unsuitable|wrong tube|wrong container"
    "|wrong specimen|mislabelled|mislabeled|unlabelled|unlabeled|leaked|too old|aged sample",
    not_received="no sample|no specimen|not received|sample not received|specimen not received"
    "|lost|sample lost|specimen lost|no sample received|no specimen received|kein material",
    declined="refused|declined|patient refused|patient declined|asked declined|did not attend",
    not_available="not available|unavailable|n a|na|null|none|nil|nan|not a number|unknown|unk"
    "|not applicable|missing|no value|no data|masked|unsupported|asked unknown|not asked"
    "|not permitted|blank",
)
"""The whole text of a result that holds no number -> why. ``ND`` is left out: "not done", or
"not detected", which is a low result. FHIR's data-absent-reason codes are among the words."""

HAEMOLYSIS_WORDS = r"\b(?:haemoly|hamoly|hemoly|hemoli|emoli)[stz]\w*"
"""Haemolysis and haemolysed in English, German, French, Spanish, Portuguese and Italian, folded."""

NOT_HAEMOLYSED = (
    r"\b(?:no|not|non|nil|without|keine|kein|nicht|ohne|pas d|pas de|pas|sans|sin|senza|nessuna"
    r"|sem|nao) "
    r"(?:(?:evidence|signs?|of|visible|significant|gross|grossly|apparent|obvious|any) ){0,3}"
    + HAEMOLYSIS_WORDS
    + r"|"
    + HAEMOLYSIS_WORDS
    + r" (?:none|nil|no|0|neg|negativ|negative|absent|not detected|not seen|not present|nein|keine"
    r"|index|an(?:a)?emia|ur(?:a)?emic|strep\w*)\b"
)
"""A mention that says there is none, or speaks of an index, a disease or a microbe.

Only the words named may stand between, so that the "no" of another sentence does not hide a
haemolysed specimen.
"""

PARTS: tuple[tuple[str, str], ...] = (
    (r"\b(?:qns|insufficient|not sufficient)\b", "quantity_insufficient"),
    (r"\bclotted\b", "clotted"),
    (r"\bcontaminat", "contaminated"),
    (r"\blip(?:a)?emic\b", "lipaemic"),
    (r"\bcancel", "cancelled"),
    (r"\b(?:not done|not performed|not tested|tnp)\b", "not_done"),
    (r"\b(?:unsuitable|unsatisfactory|rejected|mislabel)", "unsuitable"),
    (r"\bnot received\b", "not_received"),
    (r"\b(?:refused|declined)\b", "declined"),
    (r"\b(?:pending|to follow)\b", "pending"),
    (r"\bsee (?:comment|note|report|below|text)", "see_comment"),
)
"""Longer comments, by what they contain; the first that holds is the reason."""

ONLY_MARKS = r"^[\s\-–—_.*/]+$"
"""A dash, dots or stars: the source's way to leave a cell empty. ``+`` is a result, not a mark."""


def folded_words(text: pl.Expr) -> pl.Expr:
    """Text without case, accents and punctuation, words apart by one blank.

    >>> pl.select(folded_words(pl.lit(" À  jeun / non-fasting "))).item()
    'a jeun non fasting'
    """
    return (
        text.str.to_lowercase()
        .str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )


def _looked_up(words: Mapping[str, str], text: pl.Expr) -> pl.Expr:
    """The word's meaning. Folding is dear, so only texts that are no word as they stand are folded."""
    plain = text.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)
    odd = folded_words(pl.when(plain.is_null()).then(text))
    return pl.coalesce(plain, odd.replace_strict(words, default=None, return_dtype=pl.String))


def status(text: pl.Expr) -> pl.Expr:
    """Our status word of a source's status text; null where the text is null or not known."""
    return _looked_up(STATUS, text)


def fasting(text: pl.Expr) -> pl.Expr:
    """``yes``, ``no`` or ``unknown`` of a source's fasting text; null for hours and other text."""
    return _looked_up(FASTING, text)


def sex(text: pl.Expr) -> pl.Expr:
    """``male``, ``female``, ``other`` or ``unknown``; null where the text is not known."""
    return _looked_up(SEX, text)


def is_haemolysed(text: pl.Expr) -> pl.Expr:
    """Whether a comment says the specimen was haemolysed ("no haemolysis" does not). Never null."""
    rest = folded_words(text).str.replace_all(NOT_HAEMOLYSED, "")
    return rest.str.contains(HAEMOLYSIS_WORDS).fill_null(value=False)


ILLNESS_WORDS = (
    r"\b(?:ill|illness|sick|infection|infections|infected|fever|febrile|influenza|flu|covid"
    r"|pneumonia|sepsis|krank|infekt|infektion|fieber|malade|fievre|febbre|infezione|malattia"
    r"|infeccion|fiebre|enfermedad|enfermo|enferma)\b"
)
NOT_ILL = (
    r"\b(?:no|not|without|denies|kein|keine|keinen|nicht|ohne|pas|sans|aucun|aucune|non|senza"
    r"|nessuna|sin|ninguna|ningun)(?: (?:sign|signs|evidence|symptom|symptoms|of|any|acute|current|recent|known"
    r"|active|or|de|di|ha|tiene|hay))*? "
    + ILLNESS_WORDS
    + r"|\b(?:covid|flu|influenza|pneumonia) (?:vaccine|vaccination|vaccinated|shot|test|negative)"
)
"""An illness that is denied."""


def is_ill(text: pl.Expr) -> pl.Expr:
    """Whether a comment says that the person was ill at the draw. Never null.

    >>> pl.select(is_ill(pl.lit("Infection_Early")), no=is_ill(pl.lit("no fever"))).row(0)
    (True, False)
    """
    rest = folded_words(text).str.replace_all(NOT_ILL, "")
    return rest.str.contains(ILLNESS_WORDS).fill_null(value=False)


def absent_reason(text: pl.Expr) -> pl.Expr:
    """Why a result's text holds no number; null where it may hold one or is not known.

    Only for text that was not read as a number: a value beside a comment ("5.2 hemolyzed") is the
    caller's to split first.
    """
    words = folded_words(text)
    parts = [pl.when(words.str.contains(part)).then(pl.lit(reason)) for part, reason in PARTS]
    return pl.coalesce(
        pl.when(text.str.contains(ONLY_MARKS)).then(pl.lit("not_available")),
        _looked_up(ABSENT, text),
        pl.when(is_haemolysed(text)).then(pl.lit("haemolysed")),
        *parts,
    )


def _frame(words: Mapping[str, str], key: str, meaning: str) -> pl.DataFrame:
    schema = {key: pl.String, meaning: pl.String}
    return pl.DataFrame(list(words.items()), schema=schema, orient="row")


def status_frame() -> pl.DataFrame:
    """Columns ``folded_status``, ``status``."""
    return _frame(STATUS, "folded_status", "status")


def fasting_frame() -> pl.DataFrame:
    """Columns ``folded_fasting``, ``fasting``."""
    return _frame(FASTING, "folded_fasting", "fasting")


def sex_frame() -> pl.DataFrame:
    """Columns ``folded_sex``, ``sex``."""
    return _frame(SEX, "folded_sex", "sex")


def absent_frame() -> pl.DataFrame:
    """Columns ``folded_value``, ``absent_reason``."""
    return _frame(ABSENT, "folded_value", "absent_reason")
